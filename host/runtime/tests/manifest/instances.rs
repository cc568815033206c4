//! The number of instances: of one actor, and of all actors that start by themselves.

use expect_test::expect;

use crate::message::{check, check_actor};

#[test]
fn instances_beyond_the_limit_of_a_mailbox_are_refused() {
    check_actor(
        "instances = 65",
        expect![[r#"
            stderr:
              × `instances` is over 64
               ╭─[playhouse.toml:4:13]
             3 │ plugin = "count"
             4 │ instances = 65
               ·             ─┬
               ·              ╰── it must be at most 64
               ╰────
              help: this is the limit for one mailbox; for more, add another actor

        "#]],
    );
}

#[test]
fn spawns_of_several_instances_are_refused() {
    check_actor(
        "instances = 2\nspawns = [\"split\"]\n[[plugin]]\nname = \"split\"",
        expect![[r#"
        stderr:
          × an actor with several instances has no children, and so none to spawn
           ╭─[playhouse.toml:5:11]
         3 │ plugin = "count"
         4 │ instances = 2
           ·             ┬
           ·             ╰── these are several
         5 │ spawns = ["split"]
           ·           ───┬───
           ·              ╰── here
         6 │ [[plugin]]
           ╰────
          help: give it one instance, or leave `spawns` out

    "#]],
    );
}

#[test]
fn child_of_several_instances_is_refused() {
    let child = "[[actor]]\naddress = \"/a/b\"\nplugin = \"split\"\n";
    check_actor(
        &format!("instances = 2\n{child}"),
        expect![[r#"
            stderr:
              × `/a/b` is below an actor with several instances
               ╭─[playhouse.toml:6:11]
             3 │ plugin = "count"
             4 │ instances = 2
               ·             ┬
               ·             ╰── its parent has several instances
             5 │ [[actor]]
             6 │ address = "/a/b"
               ·           ───┬──
               ·              ╰── this is the child
             7 │ plugin = "split"
               ╰────
              help: give the parent one instance, or put the child elsewhere

        "#]],
    );
}

#[test]
fn actors_beyond_max_instances_are_refused() {
    let actors = "[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n[[actor]]\naddress = \"/b\"\nplugin = \"split\"\n";
    let child = "start = \"manual\"\n[[actor]]\naddress = \"/b/c\"\nplugin = \"split\"\n";
    check(
        &format!("[play]\nmax_instances = 1\n{actors}"),
        expect![[r#"
            stderr:
              × 2 instances start by themselves, and `play.max_instances` is 1
               ╭─[playhouse.toml:2:17]
             1 │ [play]
             2 │ max_instances = 1
               ·                 ┬
               ·                 ╰── here
             3 │ [[actor]]
               ╰────
              help: raise `max_instances` under [play], or let idle actors end with idle = "stop", or start actors later with start = "on-message" or "manual"

        "#]],
    );
    check(
        &format!("[play]\nmax_instances = 1\n{actors}{child}"),
        expect![[r#"
        fine
    "#]],
    );
}

#[test]
fn all_instances_count_for_max_instances() {
    let actors = "[[actor]]\naddress = \"/a\"\nplugin = \"count\"\ninstances = 3\n";
    check(
        &format!("[play]\nmax_instances = 2\n{actors}"),
        expect![[r#"
            stderr:
              × 3 instances start by themselves, and `play.max_instances` is 2
               ╭─[playhouse.toml:2:17]
             1 │ [play]
             2 │ max_instances = 2
               ·                 ┬
               ·                 ╰── here
             3 │ [[actor]]
               ╰────
              help: raise `max_instances` under [play], or let idle actors end with idle = "stop", or start actors later with start = "on-message" or "manual"

        "#]],
    );
    check(
        &format!("[play]\nmax_instances = 2\n{actors}start = \"manual\"\n"),
        expect![[r#"
        fine
    "#]],
    );
}

#[test]
fn actors_that_take_turns_need_one_instance_together() {
    let actor = |name: &str, keys: &str| format!("[[actor]]\naddress = \"/{name}\"\nplugin = \"count\"\n{keys}\n");
    let idle = "idle = \"stop\"";
    let actors = [actor("a", ""), actor("b", idle), actor("c", idle), actor("d", "start = \"on-message\"")].concat();
    check(
        &format!("[play]\nmax_instances = 2\n{actors}"),
        expect![[r#"
        fine
    "#]],
    );
    check(
        &format!("[play]\nmax_instances = 1\n{actors}"),
        expect![[r#"
            stderr:
              × 2 instances start by themselves, and `play.max_instances` is 1
               ╭─[playhouse.toml:2:17]
             1 │ [play]
             2 │ max_instances = 1
               ·                 ┬
               ·                 ╰── here
             3 │ [[actor]]
               ╰────
              help: raise `max_instances` under [play], or let idle actors end with idle = "stop", or start actors later with start = "on-message" or "manual"

        "#]],
    );
}
