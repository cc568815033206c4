//! `play.native`: addresses that the embedding program provides.

use expect_test::expect;
use playhouse_runtime::manifest::flow::{Flow, arrows};

use crate::message::{check, understood};

#[test]
fn native_actor_is_a_known_target_and_parent() {
    let play = understood(
        "[play]\nnative = [\"/audit\", \"/audit/log\"]\n[[actor]]\naddress = \"/audit/x\"\nplugin = \"count\"\n\
         sends_to = [\"/audit\", \"/audit/**\"]\n",
    );
    let play = play.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    assert_eq!(play.natives.iter().map(ToString::to_string).collect::<Vec<_>>(), ["/audit", "/audit/log"]);
    let flow = Flow::of(&play);
    let lines: Vec<_> = flow.lines().iter().map(|line| arrows(line)).collect();
    assert_eq!(lines, ["/audit/x -> /audit", "/audit/x -> /audit/log", "/audit/x -> /audit/x"]);
    assert!(flow.stops_too_early().is_empty(), "native actors stop last");
}

#[test]
fn bad_addresses_of_native_actors_are_refused() {
    check(
        "[play]\nnative = [\"audit\", \"/\", \"/a\", \"/b\", \"/b\", \"/c/d\"]\n[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n",
        expect![[r#"
            stderr:
              × `audit` is no address: it must begin with `/`, as in `/shop/cart`
               ╭─[playhouse.toml:2:11]
             1 │ [play]
             2 │ native = ["audit", "/", "/a", "/b", "/b", "/c/d"]
               ·           ───┬───
               ·              ╰── did you mean "/audit"?
             3 │ [[actor]]
               ╰────
              help: `native` is a list of addresses, as in native = ["/audit"]

              × `/` is the kernel itself
               ╭─[playhouse.toml:2:20]
             1 │ [play]
             2 │ native = ["audit", "/", "/a", "/b", "/b", "/c/d"]
               ·                    ─┬─
               ·                     ╰── a native actor needs a name
             3 │ [[actor]]
               ╰────
              help: name native actors as in native = ["/audit"]

              × two actors have the address `/a`
               ╭─[playhouse.toml:2:25]
             1 │ [play]
             2 │ native = ["audit", "/", "/a", "/b", "/b", "/c/d"]
               ·                         ──┬─
               ·                           ╰── again here
             3 │ [[actor]]
             4 │ address = "/a"
               ·           ──┬─
               ·             ╰── first here
             5 │ plugin = "count"
               ╰────
              help: give one of them another name

              × two actors have the address `/b`
               ╭─[playhouse.toml:2:37]
             1 │ [play]
             2 │ native = ["audit", "/", "/a", "/b", "/b", "/c/d"]
               ·                               ──┬─  ──┬─
               ·                                 │     ╰── again here
               ·                                 ╰── first here
             3 │ [[actor]]
               ╰────
              help: give one of them another name

              × `/c/d` has no parent
               ╭─[playhouse.toml:2:43]
             1 │ [play]
             2 │ native = ["audit", "/", "/a", "/b", "/b", "/c/d"]
               ·                                           ───┬──
               ·                                              ╰── no actor is `/c`
             3 │ [[actor]]
               ╰────
              help: name the parent first, or put the native actor directly under `/`

            5 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn unknown_target_beside_native_actors_gets_a_suggestion() {
    check(
        "[play]\nnative = [\"/audit\"]\n[[actor]]\naddress = \"/a\"\nplugin = \"count\"\nsends_to = [\"/audti\"]\n",
        expect![[r#"
            stderr:
              × no actor has the address `/audti`
               ╭─[playhouse.toml:6:13]
             5 │ plugin = "count"
             6 │ sends_to = ["/audti"]
               ·             ────┬───
               ·                 ╰── did you mean "/audit"?
               ╰────
              help: `sends_to` names actors of this manifest

        "#]],
    );
}
