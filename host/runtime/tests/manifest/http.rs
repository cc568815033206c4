//! `[[http]]` and its routes: each fault with its place and the way out.

use std::time::Duration;

use expect_test::{Expect, expect};
use playhouse_runtime::manifest::flow::{Flow, arrows};

use crate::message::{check, understood};

/// A manifest with the actor `/orders`, and a server with these lines.
fn server(lines: &str) -> String {
    let actor = "[[actor]]\naddress = \"/orders\"\nplugin = \"split\"\nlimits = { message = \"64KiB\" }\n";
    format!("{actor}[[http]]\nlisten = \"127.0.0.1:8080\"\n{lines}")
}

fn route(lines: &str) -> String {
    server(&format!("[[http.route]]\n{lines}"))
}

fn check_route(lines: &str, expected: Expect) {
    check(&route(lines), expected);
}

#[test]
fn defaults_are_those_of_the_reference() {
    let play = understood(&route("path = \"/o\"\nask = \"/orders\"")).expect("sound");
    let settings = &play.http[0].settings;
    assert_eq!(
        (settings.name.as_str(), settings.bounds.connections, settings.bounds.head_bytes),
        ("http", 1024, 32 << 10)
    );
    assert_eq!((settings.bounds.idle, settings.bounds.head_time), (Duration::from_mins(1), Duration::from_secs(10)));
    let route = &settings.routes[0];
    assert_eq!((route.to_string().as_str(), route.timeout), ("POST /o", Duration::from_secs(30)));
    assert_eq!(route.body_bytes, 64 << 10, "the receiver's limits.message");
}

#[test]
fn gateway_is_a_sender_in_the_flow() {
    let play = understood(&route("path = \"/o\"\nask = \"/orders\"")).expect("sound");
    let flow = Flow::of(&play);
    let lines: Vec<_> = flow.lines().iter().map(|line| arrows(line)).collect();
    assert_eq!(lines, ["/gate/http -> /orders"]);
    assert_eq!(flow.stops_too_early().len(), 0);
}

#[test]
fn flow_has_each_actor_that_a_parameter_may_name() {
    let actors = ["/orders/a", "/orders/b"].map(|at| format!("[[actor]]\naddress = \"{at}\"\nplugin = \"count\"\n"));
    let sink = "[[sink]]\naddress = \"/out/x\"\nkind = \"file\"\npath = \"x\"\n";
    let lines = |ask: &str| {
        let text = format!("{}\n{}{sink}", route(&format!("path = \"/o/:id\"\nask = \"{ask}\"")), actors.concat());
        let play = understood(&text).expect("sound");
        Flow::of(&play).lines().iter().map(|line| arrows(line)).collect::<Vec<_>>()
    };
    assert_eq!(lines("/orders/:id"), ["/gate/http -> /orders/a", "/gate/http -> /orders/b"]);
    let all = ["/orders", "/orders/a", "/orders/b"].map(|to| format!("/gate/http -> {to}"));
    assert_eq!(lines("/:id"), all, "and no sink");
}

#[test]
fn share_of_a_client_is_less_than_all_connections() {
    let bounds = |lines: &str| {
        let text = server(&format!("{lines}\n[[http.route]]\npath = \"/o\"\nask = \"/orders\""));
        understood(&text).map(|play| play.http[0].settings.bounds.connections_per_client)
    };
    assert_eq!(bounds("connections_per_client = 50").expect("sound"), Some(50));
    assert_eq!(bounds("").expect("sound"), None);
    check(
        &server("connections = 20\nconnections_per_client = 20\n[[http.route]]\npath = \"/o\"\nask = \"/orders\""),
        expect![[r#"
            stderr:
              × `connections_per_client` has no effect: one client could have all `connections`
               ╭─[playhouse.toml:8:26]
             7 │ connections = 20
             8 │ connections_per_client = 20
               ·                          ─┬
               ·                           ╰── it must be less than 20
             9 │ [[http.route]]
               ╰────
              help: lower it, leave it out, or raise `connections`

        "#]],
    );
}

#[test]
fn parameter_chooses_among_sinks() {
    let route = route("path = \"/o/:to\"\ntell = \"/out/:to\"\n");
    let sink = "[[sink]]\naddress = \"/out/a\"\nkind = \"file\"\npath = \"a.log\"\n";
    assert!(understood(&format!("{route}{sink}")).is_ok());
    assert!(understood(&route).is_err(), "no sink is there");
}

#[test]
fn unknown_receiver_is_refused() {
    check_route(
        "path = \"/o\"\nask = \"/order\"",
        expect![[r#"
        stderr:
          × no actor has the address `/order`
           ╭─[playhouse.toml:9:7]
         8 │ path = "/o"
         9 │ ask = "/order"
           ·       ────┬───
           ·           ╰── did you mean "/orders"?
           ╰────
          help: `ask` names an actor of this manifest, or one that may be spawned

    "#]],
    );
    check_route(
        "path = \"/o/:id\"\nask = \"/order/:id\"",
        expect![[r#"
        stderr:
          × no actor is below `/order`
           ╭─[playhouse.toml:9:7]
         8 │ path = "/o/:id"
         9 │ ask = "/order/:id"
           ·       ──────┬─────
           ·             ╰── did you mean an actor below "/orders"?
           ╰────
          help: this manifest has no actor below `/order`, and no actor there has `spawns`

    "#]],
    );
    check_route(
        "path = \"/o/:id\"\nask = \"/orders/:name\"",
        expect![[r#"
        stderr:
          × the path has no parameter `:name`
           ╭─[playhouse.toml:9:7]
         8 │ path = "/o/:id"
         9 │ ask = "/orders/:name"
           ·       ───────┬───────
           ·              ╰── here
           ╰────
          help: the path `/o/:id` has `:id`

    "#]],
    );
    check_route(
        "path = \"/o\"",
        expect![[r#"
            stderr:
              × the route has no receiver
               ╭─[playhouse.toml:8:8]
             7 │ [[http.route]]
             8 │ path = "/o"
               ·        ──┬─
               ·          ╰── here
               ╰────
              help: add ask = "/ADDRESS" for a reply, tell = "/ADDRESS" for a 202 at once, or websocket = "PLUGIN"

        "#]],
    );
}

#[test]
fn routes_that_hide_each_other_are_refused() {
    let both =
        "[[http.route]]\npath = \"/o/:id\"\nask = \"/orders\"\n[[http.route]]\npath = \"/o/:name\"\ntell = \"/orders\"";
    check(
        &server(both),
        expect![[r#"
        stderr:
          × `/o/:name` is hidden by the route `/o/:id`: they take the same requests
            ╭─[playhouse.toml:11:8]
          7 │ [[http.route]]
          8 │ path = "/o/:id"
            ·        ────┬───
            ·            ╰── this one has them
          9 │ ask = "/orders"
         10 │ [[http.route]]
         11 │ path = "/o/:name"
            ·        ─────┬────
            ·             ╰── this one never gets a request
         12 │ tell = "/orders"
            ╰────
          help: leave one of them out, or give them different methods or hosts

    "#]],
    );
    let apart = both.replacen("ask =", "methods = [\"GET\"]\nask =", 1);
    assert!(understood(&server(&apart)).is_ok());
    let specific = both.replacen(":name", "new", 1);
    assert!(understood(&server(&specific)).is_ok(), "the more specific one goes first");
}

#[test]
fn limits_and_names_of_a_route_are_checked() {
    check_route(
        "path = \"/o\"\nask = \"/orders\"\nbody = \"1MiB\"",
        expect![[r#"
        stderr:
          × `body` (1MiB) is more than `limits.message` (64KiB) of `/orders`
            ╭─[playhouse.toml:10:8]
          9 │ ask = "/orders"
         10 │ body = "1MiB"
            ·        ───┬──
            ·           ╰── it must be at most "64KiB"
            ╰────
          help: lower it, or raise `limits.message` of `/orders`

    "#]],
    );
    check_route(
        "path = \"o\"\nask = \"/orders\"",
        expect![[r#"
        stderr:
          × `o` is no path of a route: a path begins with `/`
           ╭─[playhouse.toml:8:8]
         7 │ [[http.route]]
         8 │ path = "o"
           ·        ─┬─
           ·         ╰── here
         9 │ ask = "/orders"
           ╰────
          help: a path is text, or has parameters, or ends with a prefix: "/orders/:id", "/files/*"

    "#]],
    );
    check_route(
        "path = \"/o\"\nask = \"/orders\"\nmethods = [\"post\"]",
        expect![[r#"
        stderr:
          × `post` is no method of a route
            ╭─[playhouse.toml:10:12]
          9 │ ask = "/orders"
         10 │ methods = ["post"]
            ·            ───┬──
            ·               ╰── did you mean "POST"?
            ╰────
          help: possible are GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE

    "#]],
    );
    check_route(
        "path = \"/o\"\nask = \"/orders\"\nmeta = [\"methud\", \"header:a b\"]",
        expect![[r#"
        stderr:
          × a request has no `methud`
            ╭─[playhouse.toml:10:9]
          9 │ ask = "/orders"
         10 │ meta = ["methud", "header:a b"]
            ·         ────┬───
            ·             ╰── did you mean "method"?
            ╰────
          help: possible are method, path, query, host, client, and header:NAME

          × `a b` is no name of a header
            ╭─[playhouse.toml:10:19]
          9 │ ask = "/orders"
         10 │ meta = ["methud", "header:a b"]
            ·                   ──────┬─────
            ·                         ╰── here
            ╰────
          help: possible are method, path, query, host, client, and header:NAME

        2 problems in playhouse.toml
    "#]],
    );
    check_route(
        "path = \"/o\"\nask = \"/orders\"\nreply_headers = [\"Connection\", \"a b\", \"status\"]",
        expect![[r#"
            stderr:
              × `Connection` belongs to the connection, so that the server sets it itself
                ╭─[playhouse.toml:10:18]
              9 │ ask = "/orders"
             10 │ reply_headers = ["Connection", "a b", "status"]
                ·                  ──────┬─────
                ·                        ╰── here
                ╰────
              help: leave it out, or name another header

              × `a b` is no name of a header
                ╭─[playhouse.toml:10:32]
              9 │ ask = "/orders"
             10 │ reply_headers = ["Connection", "a b", "status"]
                ·                                ──┬──
                ·                                  ╰── here
                ╰────
              help: leave it out, or name another header

            2 problems in playhouse.toml
        "#]],
    );
    check_route(
        "path = \"/o\"\nask = \"/orders\"\ntimeout = \"0s\"",
        expect![[r#"
        stderr:
          × `http.route.timeout` is nothing
            ╭─[playhouse.toml:10:11]
          9 │ ask = "/orders"
         10 │ timeout = "0s"
            ·           ──┬─
            ·             ╰── it must be at least "1us"
            ╰────

    "#]],
    );
}

#[test]
fn address_of_a_server_is_checked() {
    let with = |listen: &str| route("path = \"/o\"\nask = \"/orders\"").replace("127.0.0.1:8080", listen);
    check(
        &with("0.0.0.0:80"),
        expect![[r#"
        stderr:
          × other machines can reach `0.0.0.0:80`
           ╭─[playhouse.toml:6:10]
         5 │ [[http]]
         6 │ listen = "0.0.0.0:80"
           ·          ──────┬─────
           ·                ╰── here
         7 │ [[http.route]]
           ╰────
          help: listen at 127.0.0.1, or add expose = true

    "#]],
    );
    check(
        &with("localhost:80"),
        expect![[r#"
        stderr:
          × `localhost:80` is no IP address with a port
           ╭─[playhouse.toml:6:10]
         5 │ [[http]]
         6 │ listen = "localhost:80"
           ·          ───────┬──────
           ·                 ╰── here
         7 │ [[http.route]]
           ╰────
          help: write it as in "127.0.0.1:8080" or "[::1]:8080"

    "#]],
    );
    assert!(understood(&with("0.0.0.0:80\"\nexpose = true\nname = \"public")).is_ok());
}

#[test]
fn second_server_needs_a_name_and_a_port() {
    let one = route("path = \"/o\"\nask = \"/orders\"\n");
    let two = |name: &str| {
        format!("{one}[[http]]\n{name}listen = \"127.0.0.1:8080\"\n[[http.route]]\npath = \"/\"\nask = \"/orders\"")
    };
    check(
        &two(""),
        expect![[r#"
        stderr:
          × two [[http]] have no `name`
            ╭─[playhouse.toml:10:1]
          4 │ limits = { message = "64KiB" }
          5 │ [[http]]
            · ────┬───
            ·     ╰── first here
          6 │ listen = "127.0.0.1:8080"
          7 │ [[http.route]]
          8 │ path = "/o"
          9 │ ask = "/orders"
         10 │ [[http]]
            · ────┬───
            ·     ╰── again here
         11 │ listen = "127.0.0.1:8080"
            ╰────
          help: add a name to one of them, as in name = "admin"

    "#]],
    );
    check(
        &two("name = \"two\"\n"),
        expect![[r#"
        stderr:
          × two servers listen at 127.0.0.1:8080
            ╭─[playhouse.toml:12:10]
          5 │ [[http]]
          6 │ listen = "127.0.0.1:8080"
            ·          ────────┬───────
            ·                  ╰── first here
          7 │ [[http.route]]
          8 │ path = "/o"
          9 │ ask = "/orders"
         10 │ [[http]]
         11 │ name = "two"
         12 │ listen = "127.0.0.1:8080"
            ·          ────────┬───────
            ·                  ╰── again here
         13 │ [[http.route]]
            ╰────
          help: choose another port, or put the routes into one [[http]]

    "#]],
    );
    check(
        &two("name = \"http\"\n").replacen("8080", "8081", 1),
        expect![[r#"
        stderr:
          × two gateways have the name `http`
            ╭─[playhouse.toml:11:8]
          4 │ limits = { message = "64KiB" }
          5 │ [[http]]
            · ────┬───
            ·     ╰── first here
          6 │ listen = "127.0.0.1:8081"
          7 │ [[http.route]]
          8 │ path = "/o"
          9 │ ask = "/orders"
         10 │ [[http]]
         11 │ name = "http"
            ·        ───┬──
            ·           ╰── again here
         12 │ listen = "127.0.0.1:8080"
            ╰────
          help: give one of them another name: each is the actor `/gate/NAME`

    "#]],
    );
}

#[test]
fn place_of_gateways_is_reserved() {
    check(
        "[[actor]]\naddress = \"/gate\"\nplugin = \"split\"",
        expect![[r#"
        stderr:
          × `/gate` is in the place of gateways
           ╭─[playhouse.toml:2:11]
         1 │ [[actor]]
         2 │ address = "/gate"
           ·           ───┬───
           ·              ╰── here
         3 │ plugin = "split"
           ╰────
          help: `/gate` holds what the tables [[http]], [[cron]] and [[source]] place there: choose another name

    "#]],
    );
}
