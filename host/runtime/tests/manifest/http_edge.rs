//! The keys of `[[http]]` for a public edge: each fault with its place and the way out.

use std::time::Duration;

use expect_test::{Expect, expect};

use crate::message::{check, understood};

/// A manifest with a server that has these keys.
fn server(lines: &str) -> String {
    let actor = "[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n";
    let route = "[[http.route]]\npath = \"/a\"\nask = \"/a\"\n";
    format!("{actor}[[http]]\nlisten = \"127.0.0.1:8080\"\n{lines}\n{route}")
}

fn check_server(lines: &str, expected: Expect) {
    check(&server(lines), expected);
}

#[test]
fn sound_keys_are_read() {
    let keys = "tls = { cert = \"cert.pem\", key = \"key.pem\" }\nauth = { bearer = \"TOKENS\" }\n\
                trusted_proxies = [\"10.0.0.0/8\", \"192.0.2.7\", \"fd00::/8\"]\n\
                cors = { origins = [\"https://app.example\"], credentials = true }\nrate = { requests = 100 }\n\
                access_log = true\nbodies = \"1MiB\"";
    let text = format!("{}[secrets]\nTOKENS = {{ env = \"TOKENS\" }}\n[play.drain]\ndelay = \"15s\"\n", server(keys));
    let play = understood(&text).expect("sound");
    let settings = &play.http[0].settings;
    assert!(play.http[0].bearers[0].is_some() && play.http[0].tls.is_some() && settings.access_log);
    let cors = settings.cors.as_ref().expect("written");
    assert_eq!((settings.proxies.len(), cors.headers.len(), cors.max_age), (3, 4, Duration::from_mins(10)));
    assert_eq!(settings.rate.map(|rate| (rate.requests, rate.per)), Some((100, Duration::from_secs(1))));
    assert_eq!((settings.bounds.bodies_bytes, play.drain_delay), (1 << 20, Duration::from_secs(15)));
}

#[test]
fn unknown_secret_is_refused() {
    check_server(
        "auth = { bearer = \"TOKENS\" }",
        expect![[r#"
        stderr:
          × no secret has the name `TOKENS`
           ╭─[playhouse.toml:6:19]
         5 │ listen = "127.0.0.1:8080"
         6 │ auth = { bearer = "TOKENS" }
           ·                   ────┬───
           ·                       ╰── here
         7 │ [[http.route]]
           ╰────
          help: add it to [secrets], as in API_TOKENS = { env = "API_TOKENS" }

    "#]],
    );
    check_server(
        "tls = { cert = \"cert.pem\", key = { secret = \"KEY\" } }",
        expect![[r#"
        stderr:
          × no secret has the name `KEY`
           ╭─[playhouse.toml:6:45]
         5 │ listen = "127.0.0.1:8080"
         6 │ tls = { cert = "cert.pem", key = { secret = "KEY" } }
           ·                                             ──┬──
           ·                                               ╰── here
         7 │ [[http.route]]
           ╰────
          help: add it to [secrets], as in API_TOKENS = { env = "API_TOKENS" }

    "#]],
    );
}

#[test]
fn network_that_trusts_everyone_is_refused() {
    check_server(
        "trusted_proxies = [\"0.0.0.0/0\", \"proxy.example\"]",
        expect![[r#"
        stderr:
          × every client could name any address as its own
           ╭─[playhouse.toml:6:20]
         5 │ listen = "127.0.0.1:8080"
         6 │ trusted_proxies = ["0.0.0.0/0", "proxy.example"]
           ·                    ─────┬─────
           ·                         ╰── here
         7 │ [[http.route]]
           ╰────
          help: name the networks of your proxies alone

          × `proxy.example` is no network
           ╭─[playhouse.toml:6:33]
         5 │ listen = "127.0.0.1:8080"
         6 │ trusted_proxies = ["0.0.0.0/0", "proxy.example"]
           ·                                 ───────┬───────
           ·                                        ╰── here
         7 │ [[http.route]]
           ╰────
          help: write the networks of proxies as in ["10.0.0.0/8", "192.0.2.7"]

        2 problems in playhouse.toml
    "#]],
    );
}

#[test]
fn origins_are_checked() {
    check_server(
        "cors = { origins = [\"App.example/\"] }",
        expect![[r#"
        stderr:
          × `App.example/` is no origin
           ╭─[playhouse.toml:6:21]
         5 │ listen = "127.0.0.1:8080"
         6 │ cors = { origins = ["App.example/"] }
           ·                     ───────┬──────
           ·                            ╰── did you mean "https://app.example"?
         7 │ [[http.route]]
           ╰────
          help: an origin is a scheme and a host in lower case, as in "https://app.example"

    "#]],
    );
    check_server(
        "cors = { origins = [\"*\"], credentials = true }",
        expect![[r#"
        stderr:
          × every page could act in the name of a browser's user
           ╭─[playhouse.toml:6:21]
         5 │ listen = "127.0.0.1:8080"
         6 │ cors = { origins = ["*"], credentials = true }
           ·                     ─┬─
           ·                      ╰── every origin
         7 │ [[http.route]]
           ╰────
          help: list the origins with `credentials`, or leave `credentials` out

    "#]],
    );
    check_server(
        "cors = { origins = [] }",
        expect![[r#"
        stderr:
          × no origin is listed, so that `cors` has no effect
           ╭─[playhouse.toml:6:20]
         5 │ listen = "127.0.0.1:8080"
         6 │ cors = { origins = [] }
           ·                    ─┬
           ·                     ╰── here
         7 │ [[http.route]]
           ╰────
          help: list origins as in ["https://app.example"], or leave `cors` out

    "#]],
    );
}

#[test]
fn limit_on_bodies_has_space_for_the_largest() {
    check_server(
        "bodies = \"64KiB\"",
        expect![[r#"
        stderr:
          × `bodies` (64KiB) is less than the `body` of a route (1MiB)
           ╭─[playhouse.toml:6:10]
         5 │ listen = "127.0.0.1:8080"
         6 │ bodies = "64KiB"
           ·          ───┬───
           ·             ╰── it must be at least "1MiB"
         7 │ [[http.route]]
           ╰────
          help: raise `bodies`, or lower `body` of the routes

    "#]],
    );
}

#[test]
fn key_in_a_granted_folder_is_refused() {
    let grant = "grants = { dirs = [{ host = \"src\", guest = \"/tls\", mode = \"read\" }] }\n";
    let text = server("tls = { cert = \"cert.pem\", key = \"src/key.pem\" }").replacen(
        "[[http]]",
        &format!("{grant}[[http]]"),
        1,
    );
    let said = understood(&text).expect_err("the actor could read it").render(false);
    assert!(said.contains("an actor with this folder can read the secret `src/key.pem`"), "{said}");
}
