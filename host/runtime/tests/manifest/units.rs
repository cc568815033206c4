//! Sizes and times with an unknown unit, or without a unit.

use expect_test::expect;

use crate::message::check_actor;

#[test]
fn wrong_unit_of_size_is_refused() {
    check_actor(
        "limits = { memory = \"64MB\" }",
        expect![[r#"
            stderr:
              × `64MB` is no size
               ╭─[playhouse.toml:4:21]
             3 │ plugin = "count"
             4 │ limits = { memory = "64MB" }
               ·                     ───┬──
               ·                        ╰── did you mean "64MiB"?
               ╰────
              help: a size is a whole number and a unit, one of B, KiB, MiB, GiB, as in "64MiB"

        "#]],
    );
}

#[test]
fn size_without_a_unit_is_refused() {
    check_actor(
        "limits = { memory = 64 }",
        expect![[r#"
            stderr:
              × wrong type: number `64`, expected a size with its unit
               ╭─[playhouse.toml:4:21]
             3 │ plugin = "count"
             4 │ limits = { memory = 64 }
               ·                     ─┬
               ·                      ╰── did you mean "64B"?
               ╰────
              help: a size is a whole number and a unit, one of B, KiB, MiB, GiB, as in "64MiB"

        "#]],
    );
}

#[test]
fn wrong_unit_of_time_is_refused() {
    check_actor(
        "[actor.limits]\ntimeout = \"5 sec\"",
        expect![[r#"
            stderr:
              × `5 sec` is no time
               ╭─[playhouse.toml:5:11]
             4 │ [actor.limits]
             5 │ timeout = "5 sec"
               ·           ───┬───
               ·              ╰── did you mean "5s"?
               ╰────
              help: a time is a whole number and a unit, one of us, ms, s, m, h, d, as in "100ms"

        "#]],
    );
}
