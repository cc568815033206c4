//! `[play.log]`: the memory for the last lines.

use expect_test::expect;

use crate::message::{check, understood};

#[test]
fn memory_of_the_log_is_a_size_or_0() {
    let memory = |written: &str| understood(&format!("[play.log]\n{written}")).expect("sound").log.memory.0;
    assert_eq!(memory(""), 64 << 20);
    assert_eq!(memory("memory = \"1MiB\""), 1 << 20);
    assert_eq!(memory("memory = 0"), 0);
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
