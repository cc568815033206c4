//! Routes for WebSocket connections.

use expect_test::expect;
use playhouse_runtime::manifest::flow::{Flow, arrows};

use crate::message::{check, understood};

#[test]
fn connections_need_a_plugin_and_have_keys_of_their_own() {
    check(
        r#"
[[http]]
listen = "127.0.0.1:8080"
[[http.route]]
path = "/live"
websocket = "rom"
origins = ["example.com"]
body = "1KiB"
[[http.route]]
path = "/ask"
ask = "/a"
ping = "1s"
[[actor]]
address = "/a"
plugin = "count"
[[plugin]]
name = "report"
"#,
        expect![[r#"
            stderr:
              × there is no [[plugin]] with the name `rom`
               ╭─[playhouse.toml:5:13]
             4 │ path = "/live"
             5 │ websocket = "rom"
               ·             ──┬──
               ·               ╰── here
             6 │ origins = ["example.com"]
               ╰────
              help: add [[plugin]] with name = "rom": it has the settings of the handlers

              × a route with `websocket` has no `body`
               ╭─[playhouse.toml:7:8]
             6 │ origins = ["example.com"]
             7 │ body = "1KiB"
               ·        ───┬──
               ·           ╰── here
             8 │ [[http.route]]
               ╰────
              help: leave it out: the handler of a connection gets its messages

              × `ping` is for a route with `websocket`
                ╭─[playhouse.toml:11:8]
             10 │ ask = "/a"
             11 │ ping = "1s"
                ·        ──┬─
                ·          ╰── here
             12 │ [[actor]]
                ╰────
              help: leave it out, or add websocket = "PLUGIN"

            3 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn connections_are_at_most_the_free_instances() {
    check(
        r#"
[play]
max_instances = 100
[[http]]
listen = "127.0.0.1:8080"
[[http.route]]
path = "/live"
websocket = "report"
connections = 100
[[actor]]
address = "/a"
plugin = "count"
sends_to = ["/gate/**"]
[[plugin]]
name = "report"
"#,
        expect![[r#"
            stderr:
              × the actors of the manifest and the connections up to here keep 101 instances, and `play.max_instances` is 100
               ╭─[playhouse.toml:8:15]
             7 │ websocket = "report"
             8 │ connections = 100
               ·               ─┬─
               ·                ╰── here
             9 │ [[actor]]
               ╰────
              help: raise `max_instances` under [play], or lower `connections`: each keeps an instance for its handler

        "#]],
    );
}

#[test]
fn flow_has_connections_and_what_their_handlers_send() {
    let text = r#"
[[http]]
name = "chat"
listen = "127.0.0.1:8080"
[[http.route]]
path = "/live"
websocket = "report"
[[actor]]
address = "/a"
plugin = "count"
sends_to = ["/gate/**"]
[[plugin]]
name = "report"
sends_to = ["/a", "/gate/**"]
"#;
    let play = understood(text).expect("sound");
    assert_eq!(play.parents_by_plugin()["report"], ["/gate/chat"]);
    let flow = Flow::of(&play);
    let lines: Vec<_> = flow.lines().iter().map(|line| arrows(line)).collect();
    assert_eq!(lines, ["/gate/chat -> /a -> /gate/chat/**", "/gate/chat -> /gate/chat/**"]);
    assert!(flow.cycles().is_empty() && flow.stops_too_early().is_empty());
}
