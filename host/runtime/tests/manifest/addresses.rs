//! Bad addresses, addresses of two actors, and addresses without their parent before them.

use expect_test::expect;

use crate::message::check;

#[test]
fn bad_address_is_refused() {
    check(
        "[[actor]]\naddress = \"count\"\nplugin = \"count\"\n",
        expect![[r#"
            stderr:
              × `count` is no address: it must begin with `/`, as in `/shop/cart`
               ╭─[playhouse.toml:2:11]
             1 │ [[actor]]
             2 │ address = "count"
               ·           ───┬───
               ·              ╰── did you mean "/count"?
             3 │ plugin = "count"
               ╰────
              help: an address is "/" and the name, below another actor "/parent/name"

        "#]],
    );
    check(
        "[[actor]]\naddress = \"/\"\nplugin = \"count\"\n",
        expect![[r#"
            stderr:
              × `/` is the kernel itself
               ╭─[playhouse.toml:2:11]
             1 │ [[actor]]
             2 │ address = "/"
               ·           ─┬─
               ·            ╰── an actor needs a name, as in "/name"
             3 │ plugin = "count"
               ╰────

        "#]],
    );
}

#[test]
fn no_bad_address_is_suggested() {
    check(
        "[[actor]]\naddress = 'b c'\nplugin = \"count\"\n",
        expect![[r#"
        stderr:
          × `b c` is no address: it must begin with `/`, and go on with letters, digits, `_` and `-`
           ╭─[playhouse.toml:2:11]
         1 │ [[actor]]
         2 │ address = 'b c'
           ·           ──┬──
           ·             ╰── here
         3 │ plugin = "count"
           ╰────
          help: an address is "/" and the name, below another actor "/parent/name"

    "#]],
    );
}

#[test]
fn doubled_address_is_refused() {
    check(
        r#"
[[actor]]
address = "/count"
plugin = "count"

[[actor]]
address = "/count"
plugin = "split"
"#,
        expect![[r#"
            stderr:
              × two actors have the address `/count`
               ╭─[playhouse.toml:2:11]
             1 │ [[actor]]
             2 │ address = "/count"
               ·           ────┬───
               ·               ╰── first here
             3 │ plugin = "count"
               ╰────
               ╭─[playhouse.toml:6:11]
             5 │ [[actor]]
             6 │ address = "/count"
               ·           ────┬───
               ·               ╰── again here
             7 │ plugin = "split"
               ╰────
              help: give one of them another name

        "#]],
    );
}

#[test]
fn actor_without_its_parent_is_refused() {
    check(
        r#"
[[actor]]
address = "/shop"
plugin = "count"
[[actor]]
address = "/shoop/cart"
plugin = "split"
"#,
        expect![[r#"
            stderr:
              × `/shoop/cart` has no parent
               ╭─[playhouse.toml:5:11]
             4 │ [[actor]]
             5 │ address = "/shoop/cart"
               ·           ──────┬──────
               ·                 ╰── did you mean "/shop/cart"?
             6 │ plugin = "split"
               ╰────
              help: add an actor with address = "/shoop" before it, or name it "/cart"

        "#]],
    );
}

#[test]
fn child_before_its_parent_is_refused() {
    check(
        r#"
[[actor]]
address = "/shop/cart"
plugin = "split"
[[actor]]
address = "/shop"
plugin = "count"
"#,
        expect![[r#"
            stderr:
              × `/shop/cart` comes before its parent `/shop`
               ╭─[playhouse.toml:2:11]
             1 │ [[actor]]
             2 │ address = "/shop/cart"
               ·           ──────┬─────
               ·                 ╰── this is the child
             3 │ plugin = "split"
             4 │ [[actor]]
             5 │ address = "/shop"
               ·           ───┬───
               ·              ╰── this is its parent
             6 │ plugin = "count"
               ╰────
              help: actors start in this order: move the parent up

        "#]],
    );
}
