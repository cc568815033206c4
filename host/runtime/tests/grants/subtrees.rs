//! Subtrees as targets of `sends_to`: `/team/**`.

use expect_test::expect;
use playhouse_runtime::manifest::flow::{Flow, arrows};

use super::{check, folder, understood};

const TEAM: &str = r#"
[[actor]]
address = "/log"
plugin = "count"
[[actor]]
address = "/team"
plugin = "count"
spawns = ["worker"]
[[actor]]
address = "/team/fixed"
plugin = "count"
"#;

#[test]
fn empty_subtrees_are_refused() {
    for target in ["/team/**", "/**", "/team/later/**"] {
        let text = format!("{TEAM}sends_to = [{target:?}]\n[[plugin]]\nname = \"worker\"\n");
        let play = understood(&folder(), &text).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        assert_eq!(play.sends_to_written(&play.actors[2].settings), [target]);
    }
    check(
        &format!(
            "{TEAM}sends_to = [\"/teem/**\", \"/log/**\", \"team/**\", \"/te*m\", \"/team/**/x\"]\n[[plugin]]\nname = \"worker\"\n"
        ),
        expect![[r#"
            stderr:
              × no actor is below `/teem`
                ╭─[playhouse.toml:11:13]
             10 │ plugin = "count"
             11 │ sends_to = ["/teem/**", "/log/**", "team/**", "/te*m", "/team/**/x"]
                ·             ─────┬────
                ·                  ╰── did you mean "/team/**"?
             12 │ [[plugin]]
                ╰────
              help: this manifest has no actor below `/teem`, and no actor there has `spawns`

              × no actor is below `/log`
                ╭─[playhouse.toml:11:25]
             10 │ plugin = "count"
             11 │ sends_to = ["/teem/**", "/log/**", "team/**", "/te*m", "/team/**/x"]
                ·                         ────┬────
                ·                             ╰── here
             12 │ [[plugin]]
                ╰────
              help: this manifest has no actor below `/log`, and no actor there has `spawns`

              × `team` is no address: it must begin with `/`, as in `/shop/cart`
                ╭─[playhouse.toml:11:36]
             10 │ plugin = "count"
             11 │ sends_to = ["/teem/**", "/log/**", "team/**", "/te*m", "/team/**/x"]
                ·                                    ────┬────
                ·                                        ╰── here
             12 │ [[plugin]]
                ╰────
              help: a subtree is an address and `/**`, as in ["/team/**"]

              × `/te*m` is no address: `*` is not allowed; use letters, digits, `_` and `-`
                ╭─[playhouse.toml:11:47]
             10 │ plugin = "count"
             11 │ sends_to = ["/teem/**", "/log/**", "team/**", "/te*m", "/team/**/x"]
                ·                                               ───┬───
                ·                                                  ╰── here
             12 │ [[plugin]]
                ╰────
              help: `sends_to` is a list of addresses, as in ["/count"]

              × `/team/**/x` is no address: `*` is not allowed; use letters, digits, `_` and `-`
                ╭─[playhouse.toml:11:56]
             10 │ plugin = "count"
             11 │ sends_to = ["/teem/**", "/log/**", "team/**", "/te*m", "/team/**/x"]
                ·                                                        ──────┬─────
                ·                                                              ╰── here
             12 │ [[plugin]]
                ╰────
              help: `sends_to` is a list of addresses, as in ["/count"]

            5 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn subtree_grant_reaches_all_below_and_spawned_actors() {
    let text = format!(
        "{TEAM}sends_to = [\"/log\"]\n[[actor]]\naddress = \"/a\"\nplugin = \"count\"\nsends_to = [\"/team/**\"]\n[[plugin]]\nname = \"worker\"\n"
    );
    let play = understood(&folder(), &text).expect("fine");
    let flow = Flow::of(&play);
    let lines: Vec<_> = flow.lines().iter().map(|line| arrows(line)).collect();
    assert_eq!(lines, ["/a -> /team/fixed -> /log", "/a -> /team/**"]);
    assert!(flow.cycles().is_empty() && flow.stops_too_early().is_empty());
}

#[test]
fn circles_through_a_subtree_are_found() {
    let circles = |sends_to: &str, worker: &str| {
        let text = format!(
            "[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n[[actor]]\naddress = \"/team\"\nplugin = \"count\"\nspawns = [\"worker\"]\n\
             sends_to = {sends_to}\n[[actor]]\naddress = \"/b\"\nplugin = \"count\"\nsends_to = [\"/team/**\"]\n\
             [[plugin]]\nname = \"worker\"\nsends_to = {worker}\n"
        );
        let play = understood(&folder(), &text).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        Flow::of(&play).cycles().iter().map(|cycle| arrows(cycle)).collect::<Vec<_>>()
    };
    assert_eq!(circles("[\"/b\"]", "[\"/b\"]"), ["/b -> /team/** -> /b"]);
    assert_eq!(circles("[]", "[\"/b\"]"), [""; 0], "the parent may not send there");
    assert_eq!(circles("[]", "[\"/team/**\"]"), ["/team/** -> /team/**"]);
    assert_eq!(circles("[]", "[\"/a\"]"), [""; 0]);
}
