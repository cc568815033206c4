//! `[secrets]` and `grants.secrets` in a manifest: what they declare, and the messages for faults.

use expect_test::expect;

use crate::{check, folder, understood};

/// An actor that sends the secret API to one host.
const SENDING: &str = r#"
[[actor]]
address = "/a"
plugin = "count"
[actor.grants]
hosts = ["https://api.example.com", "http://plain.example.com"]
secrets = [{ name = "API", hosts = ["https://api.example.com"], header = "Authorization" }]
"#;

#[test]
fn secrets_are_read_as_written() {
    let folder = folder();
    let text = format!("[secrets]\nAPI = {{ file = \"token\" }}\n{SENDING}");
    let play = understood(&folder, &text).expect("fine");
    let grant = &play.actors[0].settings.grants.secrets[0];
    assert_eq!((grant.name.as_str(), grant.header.as_str(), grant.sealed.is_none()), ("API", "authorization", true));
    assert!(play.secrets.variables().is_empty());
    let text = text.replace("file = \"token\"", "env = \"API_TOKEN\"");
    assert_eq!(understood(&folder, &text).expect("fine").secrets.variables(), ["API_TOKEN"]);
}

#[test]
fn secret_has_one_source_and_is_used() {
    check(
        r#"
[secrets]
API = "hunter2 é"
"#,
        expect![[r#"
            stderr:
              × a manifest has no value of a secret
               ╭─[playhouse.toml:2:7]
             1 │ [secrets]
             2 │ API = *********** 
               ·       ──────┬─────
               ·             ╰── here
               ╰────
              help: a secret is { env = "VARIABLE" }, { file = "path" } or { credential = "name" }

        "#]],
    );
    check(
        r#"
[secrets]
NONE = {}
TWO = { env = "A", file = "b" }
1a-b = { env = "A" }
BAD = { env = "A=b" }
UP = { credential = "../x" }
"#,
        expect![[r#"
            stderr:
              × a secret without a source
               ╭─[playhouse.toml:2:8]
             1 │ [secrets]
             2 │ NONE = {}
               ·        ─┬
               ·         ╰── here
             3 │ TWO = { env = "A", file = "b" }
               ╰────
              help: a secret is { env = "VARIABLE" }, { file = "path" } or { credential = "name" }

              × a secret with more than one source
               ╭─[playhouse.toml:3:7]
             2 │ NONE = {}
             3 │ TWO = { env = "A", file = "b" }
               ·       ────────────┬────────────
               ·                   ╰── here
             4 │ 1a-b = { env = "A" }
               ╰────
              help: a secret is { env = "VARIABLE" }, { file = "path" } or { credential = "name" }

              × `1a-b` is no name of a secret
               ╭─[playhouse.toml:4:1]
             3 │ TWO = { env = "A", file = "b" }
             4 │ 1a-b = { env = "A" }
               · ──┬─
               ·   ╰── here
             5 │ BAD = { env = "A=b" }
               ╰────
              help: a name has letters, digits and `_`, a digit not first, as in API_TOKENS

              × nothing uses the secret `1a-b`
               ╭─[playhouse.toml:4:8]
             3 │ TWO = { env = "A", file = "b" }
             4 │ 1a-b = { env = "A" }
               ·        ──────┬──────
               ·              ╰── here
             5 │ BAD = { env = "A=b" }
               ╰────
              help: leave it out, or name it, as in grants.secrets = [{ name = "…", … }]

              × `A=b` is no variable
               ╭─[playhouse.toml:5:15]
             4 │ 1a-b = { env = "A" }
             5 │ BAD = { env = "A=b" }
               ·               ──┬──
               ·                 ╰── here
             6 │ UP = { credential = "../x" }
               ╰────
              help: name the variable alone, as in { env = "TOKEN" }

              × `../x` is no name of a credential
               ╭─[playhouse.toml:6:21]
             5 │ BAD = { env = "A=b" }
             6 │ UP = { credential = "../x" }
               ·                     ───┬──
               ·                        ╰── here
               ╰────
              help: it is the name in LoadCredential= of the unit, as in { credential = "tokens" }

            6 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn secret_is_granted_for_named_hosts_with_tls() {
    check(
        r#"
[secrets]
API = { env = "API" }
[[actor]]
address = "/a"
plugin = "count"
[actor.grants]
env = ["API=x"]
hosts = ["https://*", "http://plain.example.com"]
secrets = [
    { name = "APT", hosts = [], header = "authorization" },
    { name = "API", hosts = ["https://*", "http://plain.example.com", "https://a.com:8443"], header = "host" },
    { name = "API", hosts = ["https://a.com"], header = "a b" },
]
"#,
        expect![[r#"
            stderr:
              × no secret has the name `APT`
                ╭─[playhouse.toml:10:14]
              9 │ secrets = [
             10 │     { name = "APT", hosts = [], header = "authorization" },
                ·              ──┬──
                ·                ╰── did you mean "API"?
             11 │     { name = "API", hosts = ["https://*", "http://plain.example.com", "https://a.com:8443"], header = "host" },
                ╰────
              help: add it to [secrets], as in API_TOKENS = { env = "API_TOKENS" }

              × a secret without `hosts` is sent nowhere
                ╭─[playhouse.toml:10:29]
              9 │ secrets = [
             10 │     { name = "APT", hosts = [], header = "authorization" },
                ·                             ─┬
                ·                              ╰── here
             11 │     { name = "API", hosts = ["https://*", "http://plain.example.com", "https://a.com:8443"], header = "host" },
                ╰────
              help: name the hosts that get it, as in hosts = ["https://api.example.com"]

              × the variable `API` has two values
                ╭─[playhouse.toml:11:14]
             10 │     { name = "APT", hosts = [], header = "authorization" },
             11 │     { name = "API", hosts = ["https://*", "http://plain.example.com", "https://a.com:8443"], header = "host" },
                ·              ──┬──
                ·                ╰── the actor's `env` has this variable, too
             12 │     { name = "API", hosts = ["https://a.com"], header = "a b" },
                ╰────
              help: the placeholder of a secret is a variable of its name: leave the other one out

              × `https://*` is every host
                ╭─[playhouse.toml:11:30]
             10 │     { name = "APT", hosts = [], header = "authorization" },
             11 │     { name = "API", hosts = ["https://*", "http://plain.example.com", "https://a.com:8443"], header = "host" },
                ·                              ─────┬─────
                ·                                   ╰── here
             12 │     { name = "API", hosts = ["https://a.com"], header = "a b" },
                ╰────
              help: name the hosts that get the secret, as in "https://api.example.com"

              × `http://plain.example.com` is not encrypted
                ╭─[playhouse.toml:11:43]
             10 │     { name = "APT", hosts = [], header = "authorization" },
             11 │     { name = "API", hosts = ["https://*", "http://plain.example.com", "https://a.com:8443"], header = "host" },
                ·                                           ─────────────┬────────────
                ·                                                        ╰── here
             12 │     { name = "API", hosts = ["https://a.com"], header = "a b" },
                ╰────
              help: a secret is sent with https only: write https:// in place of http://

              × the actor may not send requests to `https://a.com:8443`
                ╭─[playhouse.toml:11:71]
             10 │     { name = "APT", hosts = [], header = "authorization" },
             11 │     { name = "API", hosts = ["https://*", "http://plain.example.com", "https://a.com:8443"], header = "host" },
                ·                                                                       ──────────┬─────────
                ·                                                                                 ╰── here
             12 │     { name = "API", hosts = ["https://a.com"], header = "a b" },
                ╰────
              help: add "https://a.com:8443" to the actor's `hosts`, too

              × `host` is a header of the connection, which no actor sets
                ╭─[playhouse.toml:11:103]
             10 │     { name = "APT", hosts = [], header = "authorization" },
             11 │     { name = "API", hosts = ["https://*", "http://plain.example.com", "https://a.com:8443"], header = "host" },
                ·                                                                                                       ───┬──
                ·                                                                                                          ╰── here
             12 │     { name = "API", hosts = ["https://a.com"], header = "a b" },
                ╰────
              help: a secret is sent in a header of requests, as in header = "authorization"

              × the variable `API` has two values
                ╭─[playhouse.toml:12:14]
             11 │     { name = "API", hosts = ["https://*", "http://plain.example.com", "https://a.com:8443"], header = "host" },
             12 │     { name = "API", hosts = ["https://a.com"], header = "a b" },
                ·              ──┬──
                ·                ╰── the actor's `env` has this variable, too
             13 │ ]
                ╰────
              help: the placeholder of a secret is a variable of its name: leave the other one out

              × `a b` is no name of a header
                ╭─[playhouse.toml:12:57]
             11 │     { name = "API", hosts = ["https://*", "http://plain.example.com", "https://a.com:8443"], header = "host" },
             12 │     { name = "API", hosts = ["https://a.com"], header = "a b" },
                ·                                                         ──┬──
                ·                                                           ╰── here
             13 │ ]
                ╰────
              help: a secret is sent in a header of requests, as in header = "authorization"

            9 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn grant_that_shows_a_secret_is_refused() {
    check(
        &format!(
            r#"
[secrets]
API = {{ env = "API_TOKEN" }}
FILE = {{ file = "data/../data/token" }}
{SENDING}
[[plugin]]
name = "worker"
[plugin.grants]
env = ["API_TOKEN"]
dirs = [{{ host = "data", guest = "/data" }}]
hosts = ["https://a.com"]
secrets = [{{ name = "FILE", hosts = ["https://a.com"], header = "cookie" }}]
"#
        ),
        expect![[r#"
            stderr:
              × `API_TOKEN` is secret, and an actor would see it
               ╭─[playhouse.toml:2:7]
             1 │ [secrets]
             2 │ API = { env = "API_TOKEN" }
               ·       ──────────┬──────────
               ·                 ╰── secret here
             3 │ FILE = { file = "data/../data/token" }
               ╰────
                ╭─[playhouse.toml:15:8]
             14 │ [plugin.grants]
             15 │ env = ["API_TOKEN"]
                ·        ─────┬─────
                ·             ╰── granted here
             16 │ dirs = [{ host = "data", guest = "/data" }]
                ╰────
              help: leave it out of `env`; `grants.secrets` sends a secret to a host without showing it to the actor

              × an actor with this folder can read the secret `FILE`
               ╭─[playhouse.toml:3:8]
             2 │ API = { env = "API_TOKEN" }
             3 │ FILE = { file = "data/../data/token" }
               ·        ───────────────┬───────────────
               ·                       ╰── secret here
             4 │ 
               ╰────
                ╭─[playhouse.toml:16:18]
             15 │ env = ["API_TOKEN"]
             16 │ dirs = [{ host = "data", guest = "/data" }]
                ·                  ───┬──
                ·                     ╰── granted here
             17 │ hosts = ["https://a.com"]
                ╰────
              help: keep the file elsewhere

            2 problems in playhouse.toml
        "#]],
    );
}
