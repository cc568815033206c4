//! `[play.dead_letters]`: the receiver of letters.

use expect_test::expect;

use crate::message::{check, understood};

#[test]
fn receiver_of_letters_must_exist() {
    let to =
        |to: &str| format!("[play.dead_letters]\nto = \"{to}\"\n[[actor]]\naddress = \"/report\"\nplugin = \"report\"");
    let letters = understood(&to("/report")).expect("sound").dead_letters_to.expect("a receiver");
    assert_eq!((letters.to.as_str(), letters.address.as_str()), ("/report", "/dead-letters"));
    check(
        &to("/reprot"),
        expect![[r#"
        stderr:
          × no actor has the address `/reprot`
           ╭─[playhouse.toml:2:6]
         1 │ [play.dead_letters]
         2 │ to = "/reprot"
           ·      ────┬────
           ·          ╰── did you mean "/report"?
         3 │ [[actor]]
           ╰────
          help: `to` names an actor of this manifest, or one that may be spawned

    "#]],
    );
}

#[test]
fn address_of_the_sender_of_letters_is_free() {
    check(
        "[play.dead_letters]\nto = \"/dead-letters\"\n[[actor]]\naddress = \"/dead-letters\"\nplugin = \"report\"",
        expect![[r#"
            stderr:
              × `to` needs the address `/dead-letters`, which an actor has
               ╭─[playhouse.toml:2:6]
             1 │ [play.dead_letters]
             2 │ to = "/dead-letters"
               ·      ───────┬───────
               ·             ╰── here
             3 │ [[actor]]
               ╰────
              help: the actor there sends the letters: give the other one another name

        "#]],
    );
}
