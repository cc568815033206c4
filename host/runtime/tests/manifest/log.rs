//! `[play.log]`: the memory for the last lines. `log` of an actor.

use expect_test::expect;

use crate::message::{check, check_actor, understood};

#[test]
fn memory_of_the_log_is_a_size_or_0() {
    let memory = |written: &str| understood(&format!("[play.log]\n{written}")).expect("sound").log.memory.0;
    assert_eq!(memory(""), 64 << 20);
    assert_eq!(memory("memory = \"1MiB\""), 1 << 20);
    for none in ["0", "\"0B\"", "\"0 GiB\""] {
        assert_eq!(memory(&format!("memory = {none}")), 0, "{none}");
    }
}

#[test]
fn memory_of_the_log_has_a_least_size_and_a_unit() {
    check(
        "[play.log]\nmemory = \"64KiB\"",
        expect![[r#"
        stderr:
          × `64KiB` is too small: it must be at least 1MiB, or 0 to keep no lines
           ╭─[playhouse.toml:2:10]
         1 │ [play.log]
         2 │ memory = "64KiB"
           ·          ───┬───
           ·             ╰── here
           ╰────

    "#]],
    );
    check(
        "[play.log]\nmemory = 5",
        expect![[r#"
        stderr:
          × `5` has no unit: write it as in "64MiB"
           ╭─[playhouse.toml:2:10]
         1 │ [play.log]
         2 │ memory = 5
           ·          ┬
           ·          ╰── here
           ╰────

    "#]],
    );
}

#[test]
fn log_of_an_actor_is_a_table() {
    check_actor(
        "log = \"warn\"",
        expect![[r#"
        stderr:
          × wrong type: string "warn", expected a table
           ╭─[playhouse.toml:4:7]
         3 │ plugin = "count"
         4 │ log = "warn"
           ·       ───┬──
           ·          ╰── here
           ╰────
          help: write `log = { level = "warn" }`

    "#]],
    );
    check_actor(
        "log = 5",
        expect![[r#"
        stderr:
          × wrong type: number `5`, expected a table
           ╭─[playhouse.toml:4:7]
         3 │ plugin = "count"
         4 │ log = 5
           ·       ┬
           ·       ╰── here
           ╰────
          help: write `log = { level = "debug" }`

    "#]],
    );
}

#[test]
fn log_of_the_play_is_a_table() {
    check(
        "[play]\nlog = \"loud\"",
        expect![[r#"
        stderr:
          × wrong type: string "loud", expected a table
           ╭─[playhouse.toml:2:7]
         1 │ [play]
         2 │ log = "loud"
           ·       ───┬──
           ·          ╰── here
           ╰────
          help: write `log = { level = "debug" }`

    "#]],
    );
}
