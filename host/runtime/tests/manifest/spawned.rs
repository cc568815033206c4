//! Spawned actors: `spawns`, and the sections `[[plugin]]` that it names.

use expect_test::expect;

use crate::message::{check, check_actor, understood};

#[test]
fn spawned_plugin_needs_a_section() {
    check_actor(
        "spawns = [\"splt\"]\n[[plugin]]\nname = \"split\"",
        expect![[r#"
            stderr:
              × there is no [[plugin]] `splt`
               ╭─[playhouse.toml:4:11]
             3 │ plugin = "count"
             4 │ spawns = ["splt"]
               ·           ───┬──
               ·              ╰── did you mean "split"?
             5 │ [[plugin]]
               ╰────
              help: each plugin in `spawns` needs a section with its settings: [[plugin]] with name = "…"

        "#]],
    );
    check_actor(
        "spawns = [\"split\"]",
        expect![[r#"
            stderr:
              × there is no [[plugin]] `split`
               ╭─[playhouse.toml:4:11]
             3 │ plugin = "count"
             4 │ spawns = ["split"]
               ·           ───┬───
               ·              ╰── here
               ╰────
              help: each plugin in `spawns` needs a section with its settings: [[plugin]] with name = "…"

        "#]],
    );
}

#[test]
fn plugin_needs_one_section_and_a_file() {
    let twice = "[[plugin]]\nname = \"split\"\n[[plugin]]\nname = \"split\"\n[[plugin]]\nname = \"slit\"";
    check_actor(
        twice,
        expect![[r#"
        stderr:
          × two [[plugin]] have the name `split`
           ╭─[playhouse.toml:7:8]
         4 │ [[plugin]]
         5 │ name = "split"
           ·        ───┬───
           ·           ╰── first here
         6 │ [[plugin]]
         7 │ name = "split"
           ·        ───┬───
           ·           ╰── again here
         8 │ [[plugin]]
           ╰────
          help: leave one of them out

          × there is no plugin `slit`: no file `plugins/slit.wasm`
           ╭─[playhouse.toml:9:8]
         8 │ [[plugin]]
         9 │ name = "slit"
           ·        ───┬──
           ·           ╰── did you mean "split"?
           ╰────
          help: the folder `plugins` has `count`, `report`, `split`

        2 problems in playhouse.toml
    "#]],
    );
}

#[test]
fn plugin_keys_are_checked_like_actor_keys() {
    let keys = "sends_to = [\"/b\"]\nspawns = [\"x\"]\nlimits = { memory = \"64KiB\", children = 0 }";
    check_actor(
        &format!("[[plugin]]\nname = \"split\"\n{keys}"),
        expect![[r#"
        stderr:
          × `0` is too small: it must be at least 1
           ╭─[playhouse.toml:8:41]
         7 │ spawns = ["x"]
         8 │ limits = { memory = "64KiB", children = 0 }
           ·                                         ┬
           ·                                         ╰── here
           ╰────

    "#]],
    );
    let keys = "sends_to = [\"/b\"]\nspawns = [\"x\"]\nlimits = { memory = \"64KiB\" }\naddress = \"/x\"";
    check_actor(
        &format!("[[plugin]]\nname = \"split\"\n{keys}"),
        expect![[r#"
            stderr:
              × unknown key `address`
               ╭─[playhouse.toml:9:1]
             8 │ limits = { memory = "64KiB" }
             9 │ address = "/x"
               · ───┬───
               ·    ╰── here
               ╰────
              help: the keys here are `name`, `sends_to`, `spawns`, `metrics`, `recursive`, `share`, `sha256`, `batch`, `start`, `idle`, `idle_after`, `config`, `mailbox`, `state`, `restart`, `supervision`, `limits`, `grants`, `log`

        "#]],
    );
    let keys = "sends_to = [\"/b\"]\nspawns = [\"x\"]\nlimits = { memory = \"64KiB\" }";
    check_actor(
        &format!("[[plugin]]\nname = \"split\"\n{keys}"),
        expect![[r#"
            stderr:
              × no actor has the address `/b`
               ╭─[playhouse.toml:6:13]
             5 │ name = "split"
             6 │ sends_to = ["/b"]
               ·             ──┬─
               ·               ╰── no such actor
             7 │ spawns = ["x"]
               ╰────
              help: `sends_to` names actors of this manifest

              × there is no [[plugin]] `x`
               ╭─[playhouse.toml:7:11]
             6 │ sends_to = ["/b"]
             7 │ spawns = ["x"]
               ·           ─┬─
               ·            ╰── here
             8 │ limits = { memory = "64KiB" }
               ╰────
              help: each plugin in `spawns` needs a section with its settings: [[plugin]] with name = "…"

              × `limits.message` (1MiB) is more than `limits.memory` (64KiB)
               ╭─[playhouse.toml:8:21]
             7 │ spawns = ["x"]
             8 │ limits = { memory = "64KiB" }
               ·                     ───┬───
               ·                        ╰── here
               ╰────
              help: a message must fit into the actor's memory: raise `memory`, or lower `message`

            3 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn grants_of_actors_that_share_an_instance_are_equal() {
    let text = |second: &str| {
        format!(
            "[[actor]]\naddress = \"/a\"\nplugin = \"count\"\nspawns = [\"split\"]\ngrants = {{ hosts = [\"https://a.com\"] }}\n\
             [[actor]]\naddress = \"/b\"\nplugin = \"count\"\nspawns = [\"split\"]\n{second}\n\
             [[plugin]]\nname = \"split\"\nshare = true\ngrants = {{ hosts = [\"https://a.com\"] }}\n"
        )
    };
    check(
        &text(""),
        expect![[r#"
            stderr:
              × actors of `split` share an instance, and their grants differ below `/a` and `/b`
                ╭─[playhouse.toml:13:9]
             12 │ name = "split"
             13 │ share = true
                ·         ──┬─
                ·           ╰── here
             14 │ grants = { hosts = ["https://a.com"] }
                ╰────
              help: a grant that a parent does not have is left out for its children, and connections below a gateway have all grants of their plugin: give all parents the same grants, or give the plugin only grants that each has, or leave `share` out

        "#]],
    );
    check(
        &text("grants = { hosts = [\"https://*\"] }"),
        expect![[r#"
        fine
    "#]],
    );
}

#[test]
fn gateway_gives_its_connections_all_grants() {
    let text = |grants: &str| {
        format!(
            "[[actor]]\naddress = \"/a\"\nplugin = \"count\"\nspawns = [\"split\"]\n{grants}\n\
             [[http]]\nname = \"web\"\nlisten = \"127.0.0.1:8080\"\n[[http.route]]\npath = \"/live\"\nwebsocket = \"split\"\n\
             [[plugin]]\nname = \"split\"\nshare = true\ngrants = {{ hosts = [\"https://a.com\"] }}\n"
        )
    };
    let refused = understood(&text("")).map(drop).expect_err("grants differ");
    let told: Vec<_> = refused.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(told, ["actors of `split` share an instance, and their grants differ below `/a` and `/gate/web`"]);
    assert!(understood(&text("grants = { hosts = [\"https://*\"] }")).is_ok());
}
