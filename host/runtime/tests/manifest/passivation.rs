//! The start of an actor, and its passivation: `start`, `idle`, `idle_after`.

use expect_test::expect;

use crate::message::{check, check_actor};

#[test]
fn bad_idle_after_is_refused() {
    check_actor(
        "idle_after = \"5s\"",
        expect![[r#"
        stderr:
          × `idle_after` without `idle = "stop"`
           ╭─[playhouse.toml:4:14]
         3 │ plugin = "count"
         4 │ idle_after = "5s"
           ·              ──┬─
           ·                ╰── nothing happens after it
           ╰────
          help: add idle = "stop", or leave `idle_after` out

    "#]],
    );
    check_actor(
        "idle = \"stop\"\nidle_after = \"0s\"",
        expect![[r#"
        stderr:
          × `idle_after` is nothing
           ╭─[playhouse.toml:5:14]
         4 │ idle = "stop"
         5 │ idle_after = "0s"
           ·              ──┬─
           ·                ╰── it must be at least "1us"
           ╰────

    "#]],
    );
    check_actor(
        "idle = \"sleep\"",
        expect![[r#"
        stderr:
          × `sleep` is not possible here
           ╭─[playhouse.toml:4:8]
         3 │ plugin = "count"
         4 │ idle = "sleep"
           ·        ───┬───
           ·           ╰── here
           ╰────
          help: possible are `stay`, `stop`

    "#]],
    );
}

#[test]
fn parent_that_does_not_stay_up_is_refused() {
    let child = "[[actor]]\naddress = \"/a/b\"\nplugin = \"split\"\n";
    check_actor(
        &format!("start = \"on-message\"\n{child}"),
        expect![[r#"
        stderr:
          × `/a/b` is below an actor with start = "on-message"
           ╭─[playhouse.toml:6:11]
         3 │ plugin = "count"
         4 │ start = "on-message"
           ·         ──────┬─────
           ·               ╰── its parent
         5 │ [[actor]]
         6 │ address = "/a/b"
           ·           ───┬──
           ·              ╰── this is the child
         7 │ plugin = "split"
           ╰────
          help: a message for the child would not start its parent: leave it out there, or put the child elsewhere

    "#]],
    );
    check_actor(
        &format!("idle = \"stop\"\n{child}"),
        expect![[r#"
        stderr:
          × `/a/b` is below an actor with idle = "stop"
           ╭─[playhouse.toml:6:11]
         3 │ plugin = "count"
         4 │ idle = "stop"
           ·        ───┬──
           ·           ╰── its parent
         5 │ [[actor]]
         6 │ address = "/a/b"
           ·           ───┬──
           ·              ╰── this is the child
         7 │ plugin = "split"
           ╰────
          help: an actor with children stays up for them, so that this would do nothing: leave it out there, or put the child elsewhere

    "#]],
    );
}

#[test]
fn manual_start_of_a_spawned_actor_is_refused() {
    check(
        "[[plugin]]\nname = \"count\"\nstart = \"manual\"\n",
        expect![[r#"
            stderr:
              × a spawned actor cannot have start = "manual"
               ╭─[playhouse.toml:3:9]
             2 │ name = "count"
             3 │ start = "manual"
               ·         ────┬───
               ·             ╰── here
               ╰────
              help: a spawned actor starts with its spawn: leave `start` out, or set start = "on-message"

        "#]],
    );
}
