//! Numbers, sizes and times that are too small, too large, or exclude each other.

use expect_test::expect;

use crate::message::{check, check_actor};

#[test]
fn zero_is_refused_where_one_is_needed() {
    check_actor(
        "batch = 0",
        expect![[r#"
            stderr:
              × `0` is too small: it must be at least 1
               ╭─[playhouse.toml:4:9]
             3 │ plugin = "count"
             4 │ batch = 0
               ·         ┬
               ·         ╰── here
               ╰────

        "#]],
    );
    check_actor(
        "limits = { memory = \"0MiB\" }",
        expect![[r#"
            stderr:
              × `0MiB` is too small: it must be at least 1
               ╭─[playhouse.toml:4:21]
             3 │ plugin = "count"
             4 │ limits = { memory = "0MiB" }
               ·                     ───┬──
               ·                        ╰── here
               ╰────

        "#]],
    );
    check_actor(
        "limits = { cpu = \"0s\" }",
        expect![[r#"
            stderr:
              × `limits.cpu` is nothing
               ╭─[playhouse.toml:4:18]
             3 │ plugin = "count"
             4 │ limits = { cpu = "0s" }
               ·                  ──┬─
               ·                    ╰── it must be at least "1us"
               ╰────

        "#]],
    );
}

#[test]
fn values_beyond_their_maximum_are_refused() {
    check_actor(
        "limits = { memory = \"5GiB\" }",
        expect![[r#"
        stderr:
          × `limits.memory` is over 4GiB
           ╭─[playhouse.toml:4:21]
         3 │ plugin = "count"
         4 │ limits = { memory = "5GiB" }
           ·                     ───┬──
           ·                        ╰── it must be at most "4GiB"
           ╰────
          help: a 32-bit instance can have no more

    "#]],
    );
    check_actor(
        "mailbox = { bytes = \"4GiB\" }\nlimits = { memory = \"4GiB\", message = \"2GiB\" }",
        expect![[r#"
            stderr:
              × `limits.message` is over 1GiB
               ╭─[playhouse.toml:5:39]
             4 │ mailbox = { bytes = "4GiB" }
             5 │ limits = { memory = "4GiB", message = "2GiB" }
               ·                                       ───┬──
               ·                                          ╰── it must be at most "1GiB"
               ╰────
              help: send larger data in parts

        "#]],
    );
}

#[test]
fn contradicting_limits_are_refused() {
    check_actor(
        "[actor.mailbox]\nbytes = \"64KiB\"",
        expect![[r#"
            stderr:
              × `mailbox.bytes` (64KiB) is less than `limits.message` (1MiB)
               ╭─[playhouse.toml:5:9]
             4 │ [actor.mailbox]
             5 │ bytes = "64KiB"
               ·         ───┬───
               ·            ╰── here
               ╰────
              help: a mailbox must have room for one message: raise `mailbox.bytes`, or lower `limits.message`

        "#]],
    );
    check_actor(
        "[actor.limits]\nmemory = \"1MiB\"\nmessage = \"2MiB\"",
        expect![[r#"
            stderr:
              × `limits.message` (2MiB) is more than `limits.memory` (1MiB)
               ╭─[playhouse.toml:6:11]
             5 │ memory = "1MiB"
             6 │ message = "2MiB"
               ·           ───┬──
               ·              ╰── here
               ╰────
              help: a message must fit into the actor's memory: raise `memory`, or lower `message`

        "#]],
    );
    check_actor(
        "[actor.restart]\nbackoff = { initial = \"1m\" }",
        expect![[r#"
            stderr:
              × `initial` (60s) is longer than `max` (10s)
               ╭─[playhouse.toml:5:23]
             4 │ [actor.restart]
             5 │ backoff = { initial = "1m" }
               ·                       ──┬─
               ·                         ╰── here
               ╰────
              help: the pause grows from `initial` to `max`

        "#]],
    );
}

#[test]
fn stack_out_of_range_is_refused() {
    check(
        "[play.limits]\nstack = \"1KiB\"\n",
        expect![[r#"
            stderr:
              × `play.limits.stack` is under 64KiB
               ╭─[playhouse.toml:2:9]
             1 │ [play.limits]
             2 │ stack = "1KiB"
               ·         ───┬──
               ·            ╰── it must be at least "64KiB"
               ╰────
              help: a component needs some of it before its actor's own code runs

        "#]],
    );
    check(
        "[play.limits]\nstack = \"1GiB\"\n",
        expect![[r#"
            stderr:
              × `play.limits.stack` is over 64MiB
               ╭─[playhouse.toml:2:9]
             1 │ [play.limits]
             2 │ stack = "1GiB"
               ·         ───┬──
               ·            ╰── it must be at most "64MiB"
               ╰────
              help: each of `max_instances` stacks takes address space

        "#]],
    );
}

#[test]
fn depth_beyond_that_of_an_address_is_refused() {
    check_actor(
        "limits = { depth = 17 }",
        expect![[r#"
            stderr:
              × `limits.depth` is 17
               ╭─[playhouse.toml:4:20]
             3 │ plugin = "count"
             4 │ limits = { depth = 17 }
               ·                    ─┬
               ·                     ╰── it must be at most 16
               ╰────
              help: no address has more than 16 segments

        "#]],
    );
}

#[test]
fn subtree_limits_must_fit_the_manifests_actors() {
    let children = "[[actor]]\naddress = \"/a/b\"\nplugin = \"count\"\ninstances = 2\n[[actor]]\naddress = \"/c\"\nplugin = \"count\"\n";
    let play = |limits| {
        format!("[[actor]]\naddress = \"/a\"\nplugin = \"count\"\nlimits = {{ subtree = {{ {limits} }} }}\n{children}")
    };
    check(
        &play("actors = 1, instances = 3"),
        expect![[r#"
            stderr:
              × `/a` and all below it have 2 actors of the manifest, and `limits.subtree.actors` is 1
               ╭─[playhouse.toml:4:33]
             3 │ plugin = "count"
             4 │ limits = { subtree = { actors = 1, instances = 3 } }
               ·                                 ┬
               ·                                 ╰── it must be at least 2
             5 │ [[actor]]
               ╰────
              help: raise it, or put some of these actors elsewhere

        "#]],
    );
    check(
        &play("actors = 2, instances = 2"),
        expect![[r#"
            stderr:
              × `/a` and all below it have 3 instances that start by themselves, and `limits.subtree.instances` is 2
               ╭─[playhouse.toml:4:48]
             3 │ plugin = "count"
             4 │ limits = { subtree = { actors = 2, instances = 2 } }
               ·                                                ┬
               ·                                                ╰── it must be at least 3
             5 │ [[actor]]
               ╰────
              help: raise it, or put some of these actors elsewhere

        "#]],
    );
    check(
        &play("files = 3"),
        expect![[r#"
            stderr:
              × unknown key `files`
               ╭─[playhouse.toml:4:24]
             3 │ plugin = "count"
             4 │ limits = { subtree = { files = 3 } }
               ·                        ──┬──
               ·                          ╰── here
             5 │ [[actor]]
               ╰────
              help: the keys here are `memory`, `instances`, `actors`, `descriptors`

        "#]],
    );
    check(
        &play("actors = 2, instances = 3, descriptors = 1"),
        expect![[r#"
            fine
        "#]],
    );
}
