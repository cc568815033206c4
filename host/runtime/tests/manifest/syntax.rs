//! Text that is no TOML, unknown and missing keys, values of another type, unknown choices.

use expect_test::expect;

use crate::message::{check, check_actor, understood};

#[test]
fn text_that_is_no_toml_is_refused() {
    check(
        "[[actor]\naddress = \"/a\"\n",
        expect![[r#"
            stderr:
              × unclosed array table, expected `]`
               ╭─[playhouse.toml:1:9]
             1 │ [[actor]
               ·         ▲
               ·         ╰── here
             2 │ address = "/a"
               ╰────

        "#]],
    );
}

#[test]
fn unknown_key_is_refused() {
    check_actor(
        "[actor.mailbox]\ncapasity = 10",
        expect![[r#"
            stderr:
              × unknown key `capasity`
               ╭─[playhouse.toml:5:1]
             4 │ [actor.mailbox]
             5 │ capasity = 10
               · ────┬───
               ·     ╰── did you mean `capacity`?
               ╰────
              help: the keys here are `kind`, `plugin`, `sha256`, `config`, `overtakes`, `limits`, `restart`, `url`, `stream`, `group`, `from`, `claim_after`, `dead`, `memory`, `capacity`, `bytes`, `overflow`, `timeout`

        "#]],
    );
}

#[test]
fn several_unknown_keys_are_shown_at_once() {
    let text = "[play]\nnmae = \"p\"\n[[actor]]\naddress = \"/a\"\nplugin = \"count\"\nlimits = { memroy = \"1MiB\", stakc = 1 }\n\
                [[htp]]\n[[actor]]\nadress = \"/b\"\nplugin = \"count\"\n";
    let refused = understood(text).map(drop).expect_err("it has unknown keys");
    let told: Vec<_> = refused.problems.iter().map(|problem| problem.message.as_str()).collect();
    let keys = ["nmae", "memroy", "stakc", "htp", "adress"].map(|key| format!("unknown key `{key}`"));
    assert_eq!(told, keys);
    let many = (0..100).map(|n| format!("k{n} = 1\n")).collect::<String>();
    let refused = understood(&many).map(drop).expect_err("it has unknown keys");
    assert_eq!(refused.problems.len(), 20);
}

#[test]
fn share_of_an_actor_names_the_tables_that_have_it() {
    check_actor(
        "share = true",
        expect![[r#"
            stderr:
              × unknown key `share`
               ╭─[playhouse.toml:4:1]
             3 │ plugin = "count"
             4 │ share = true
               · ──┬──
               ·   ╰── it belongs to [[plugin]] or [[family]]
               ╰────
              help: actors that are spawned from one [[plugin]], or are the members of one [[family]], can share an instance: set `share` there, or leave it out

        "#]],
    );
}

#[test]
fn missing_key_is_refused() {
    check(
        "[[actor]]\naddress = \"/a\"\n",
        expect![[r#"
            stderr:
              × `plugin` is missing
               ╭─[playhouse.toml:1:1]
             1 │ [[actor]]
               · ────┬────
               ·     ╰── this one needs a `plugin`
             2 │ address = "/a"
               ╰────

        "#]],
    );
}

#[test]
fn table_instead_of_a_list_is_refused() {
    check(
        "[actor]\naddress = \"/a\"\nplugin = \"count\"\n",
        expect![[r#"
        stderr:
          × `[actor]` is one table, and actors are a list
           ╭─[playhouse.toml:1:1]
         1 │ [actor]
           · ───┬───
           ·    ╰── did you mean [[actor]]?
         2 │ address = "/a"
           ╰────

    "#]],
    );
}

#[test]
fn wrong_type_is_refused() {
    check_actor(
        "sends_to = \"/b\"",
        expect![[r#"
            stderr:
              × wrong type: string "/b", expected a list
               ╭─[playhouse.toml:4:12]
             3 │ plugin = "count"
             4 │ sends_to = "/b"
               ·            ──┬─
               ·              ╰── did you mean ["/b"]?
               ╰────

        "#]],
    );
}

#[test]
fn value_in_place_of_a_table_is_refused() {
    check(
        "[play]\nlimits = true",
        expect![[r#"
        stderr:
          × wrong type: boolean `true`, expected a table
           ╭─[playhouse.toml:2:10]
         1 │ [play]
         2 │ limits = true
           ·          ──┬─
           ·            ╰── here
           ╰────

    "#]],
    );
}

#[test]
fn unknown_strategy_is_refused() {
    check_actor(
        "[actor.supervision]\nstrategy = \"one-for-two\"",
        expect![[r#"
            stderr:
              × `one-for-two` is not possible here
               ╭─[playhouse.toml:5:12]
             4 │ [actor.supervision]
             5 │ strategy = "one-for-two"
               ·            ──────┬──────
               ·                  ╰── did you mean `one-for-one`?
               ╰────
              help: possible are `one-for-one`, `one-for-all`, `rest-for-one`

        "#]],
    );
}

#[test]
fn unknown_choice_is_refused() {
    check_actor(
        "mailbox = { overflow = \"blok\" }",
        expect![[r#"
            stderr:
              × `blok` is not possible here
               ╭─[playhouse.toml:4:24]
             3 │ plugin = "count"
             4 │ mailbox = { overflow = "blok" }
               ·                        ───┬──
               ·                           ╰── did you mean `block`?
               ╰────
              help: possible are `block`, `reject`, `drop-newest`, `drop-oldest`

        "#]],
    );
}

#[test]
fn texts_in_single_quotes_are_accepted() {
    check_actor(
        "limits = { timeout = '5 sec' }",
        expect![[r#"
        stderr:
          × `5 sec` is no time
           ╭─[playhouse.toml:4:22]
         3 │ plugin = "count"
         4 │ limits = { timeout = '5 sec' }
           ·                      ───┬───
           ·                         ╰── did you mean "5s"?
           ╰────
          help: a time is a whole number and a unit, one of us, ms, s, m, h, d, as in "100ms"

    "#]],
    );
    check_actor(
        "sends_to = '/a'",
        expect![[r#"
        stderr:
          × wrong type: string "/a", expected a list
           ╭─[playhouse.toml:4:12]
         3 │ plugin = "count"
         4 │ sends_to = '/a'
           ·            ──┬─
           ·              ╰── did you mean ['/a']?
           ╰────

    "#]],
    );
}

#[test]
fn independent_problems_are_all_reported() {
    check(
        r#"
[[actor]]
address = "/a b"
plugin = "nothing-like-it"
sends_to = ["/gone"]
"#,
        expect![[r#"
            stderr:
              × `/a b` is no address: ` ` is not allowed; use letters, digits, `_` and `-`
               ╭─[playhouse.toml:2:11]
             1 │ [[actor]]
             2 │ address = "/a b"
               ·           ───┬──
               ·              ╰── here
             3 │ plugin = "nothing-like-it"
               ╰────
              help: an address is "/" and the name, below another actor "/parent/name"

              × there is no plugin `nothing-like-it`: no file `plugins/nothing-like-it.wasm`
               ╭─[playhouse.toml:3:10]
             2 │ address = "/a b"
             3 │ plugin = "nothing-like-it"
               ·          ────────┬────────
               ·                  ╰── no such file
             4 │ sends_to = ["/gone"]
               ╰────
              help: the folder `plugins` has `count`, `report`, `split`

              × no actor has the address `/gone`
               ╭─[playhouse.toml:4:13]
             3 │ plugin = "nothing-like-it"
             4 │ sends_to = ["/gone"]
               ·             ───┬───
               ·                ╰── no such actor
               ╰────
              help: `sends_to` names actors of this manifest

            3 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn unknown_table_is_the_fault_and_not_a_later_one() {
    let routes = "[[http.route]]\npath = \"/a\"\nask = \"/a\"\n";
    for name in ["htp", "httpp"] {
        let both =
            format!("[[{name}]]\nlisten = \"127.0.0.1:1\"\n{routes}[[http]]\nlisten = \"127.0.0.1:2\"\n{routes}");
        for text in [format!("[[{name}]]\nlisten = \"127.0.0.1:1\"\n{routes}"), both] {
            let shown = understood(&text).expect_err("unknown").render(false);
            assert!(shown.contains(&format!("unknown key `{name}`")), "{shown}");
            assert!(shown.contains("playhouse.toml:1:3") && shown.contains("did you mean `http`?"), "{shown}");
        }
    }
}
