//! `[play.metrics]`: addresses that others reach, and names of hosts.

use expect_test::expect;

use crate::message::{check, understood};

#[test]
fn public_address_needs_expose_and_hosts() {
    check(
        "[play.metrics]\nlisten = \"0.0.0.0:9464\"",
        expect![[r#"
        stderr:
          × other machines can reach `0.0.0.0:9464`
           ╭─[playhouse.toml:2:10]
         1 │ [play.metrics]
         2 │ listen = "0.0.0.0:9464"
           ·          ───────┬──────
           ·                 ╰── here
           ╰────
          help: listen at 127.0.0.1, or add expose = true and hosts = ["..."]: the names of this host

    "#]],
    );
    check(
        "[play.metrics]\nlisten = \"[::]:9464\"\nexpose = true",
        expect![[r#"
        stderr:
          × other machines can reach `[::]:9464`, and `hosts` is empty
           ╭─[playhouse.toml:2:10]
         1 │ [play.metrics]
         2 │ listen = "[::]:9464"
           ·          ─────┬─────
           ·               ╰── here
         3 │ expose = true
           ╰────
          help: add hosts = ["..."]: the names of this host that requests may have

    "#]],
    );
    let exposed = "[play.metrics]\nlisten = \"0.0.0.0:9464\"\nexpose = true\nhosts = [\"metrics.example\"]";
    let play = understood(exposed).expect("sound");
    assert_eq!(play.metrics.expect("a server").listen.to_string(), "0.0.0.0:9464");
}

#[test]
fn only_a_loopback_address_is_not_public() {
    let listen = |address: &str, more: &str| understood(&format!("[play.metrics]\nlisten = \"{address}\"\n{more}"));
    let exposed = "expose = true\nhosts = [\"Metrics.EXAMPLE\", \"10.0.0.1\"]";
    for public in [
        "0.0.0.0:9464",
        "[::]:9464",
        "[::ffff:0.0.0.0]:9464",
        "[::ffff:192.168.0.1]:9464",
        "10.0.0.1:9464",
        "172.16.0.1:9464",
        "169.254.1.1:9464",
        "[fe80::1%1]:9464",
        "[fd00::1]:9464",
        "203.0.113.7:9464",
    ] {
        let said = listen(public, "").expect_err(public).render(false);
        assert!(said.contains("other machines can reach") && said.contains("expose = true"), "{public}: {said}");
        assert!(listen(public, "expose = false\nhosts = [\"a\"]").is_err(), "{public}");
        assert!(listen(public, "expose = true\nhosts = []").is_err(), "{public}");
        assert!(listen(public, exposed).is_ok(), "{public}");
    }
    for local in ["127.0.0.1:9464", "127.1.2.3:0", "[::1]:9464", "[::ffff:127.0.0.1]:9464"] {
        assert!(listen(local, "").is_ok(), "{local}");
        assert!(listen(local, exposed).is_err(), "{local}");
    }
}

#[test]
fn names_of_hosts_have_no_port_and_no_wildcard() {
    for name in ["a:80", "*", "*.example", "https://a", "a/b", "a.", ".a", "a..b", "[::1]", "::1", "a b", "ä", "user@a"]
    {
        let said = understood(&format!("[play.metrics]\nlisten = \"127.0.0.1:1\"\nhosts = [\"{name}\"]"));
        let said = said.expect_err(name).render(false);
        assert!(said.contains(&format!("`{name}` is no name of a host")), "{name}: {said}");
    }
}

#[test]
fn local_address_needs_nothing_more() {
    let play = understood("[play.metrics]\nlisten = \"127.0.0.1:9464\"").expect("sound");
    assert_eq!(play.metrics.expect("a server").listen.to_string(), "127.0.0.1:9464");
    assert_eq!(understood("[play.metrics]").expect("sound").metrics, None);
}

#[test]
fn settings_without_an_effect_are_refused() {
    check(
        "[play.metrics]\nhosts = [\"a\"]",
        expect![[r#"
        stderr:
          × [play.metrics] has no `listen`, so that this has no effect
           ╭─[playhouse.toml:2:9]
         1 │ [play.metrics]
         2 │ hosts = ["a"]
           ·         ──┬──
           ·           ╰── here
           ╰────
          help: add listen = "127.0.0.1:9464", or leave this out

    "#]],
    );
    check(
        "[play.metrics]\nlisten = \"127.0.0.1:9464\"\nexpose = true",
        expect![[r#"
        stderr:
          × `expose` has no effect: only this machine can reach `127.0.0.1:9464`
           ╭─[playhouse.toml:3:10]
         2 │ listen = "127.0.0.1:9464"
         3 │ expose = true
           ·          ──┬─
           ·            ╰── here
           ╰────
          help: leave it out, or listen at another address

    "#]],
    );
}

#[test]
fn malformed_addresses_and_hosts_are_refused() {
    check(
        "[play.metrics]\nlisten = \"localhost:9464\"",
        expect![[r#"
        stderr:
          × `localhost:9464` is no IP address with a port
           ╭─[playhouse.toml:2:10]
         1 │ [play.metrics]
         2 │ listen = "localhost:9464"
           ·          ────────┬───────
           ·                  ╰── here
           ╰────
          help: write it as in "127.0.0.1:9464" or "[::1]:9464"

    "#]],
    );
    check(
        "[play.metrics]\nlisten = \"127.0.0.1:1\"\nhosts = [\"a:80\", \"b\\u001b\", \"\"]",
        expect![[r#"
        stderr:
          × `a:80` is no name of a host
           ╭─[playhouse.toml:3:10]
         2 │ listen = "127.0.0.1:1"
         3 │ hosts = ["a:80", "b\u001b", ""]
           ·          ───┬──
           ·             ╰── here
           ╰────
          help: write the name alone, as in "metrics.example"

          × `b\u{1b}` is no name of a host
           ╭─[playhouse.toml:3:18]
         2 │ listen = "127.0.0.1:1"
         3 │ hosts = ["a:80", "b\u001b", ""]
           ·                  ────┬────
           ·                      ╰── here
           ╰────
          help: write the name alone, as in "metrics.example"

          × `` is no name of a host
           ╭─[playhouse.toml:3:29]
         2 │ listen = "127.0.0.1:1"
         3 │ hosts = ["a:80", "b\u001b", ""]
           ·                             ─┬
           ·                              ╰── here
           ╰────
          help: write the name alone, as in "metrics.example"

        3 problems in playhouse.toml
    "#]],
    );
}
