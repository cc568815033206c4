//! `[play.store]`, and durable mailboxes.

use std::path::Path;
use std::time::Duration;

use expect_test::expect;
use playhouse_kernel::{Keep, KeySpec, LONGEST_LIFETIME, StateSpec};
use playhouse_store::Survives;

use crate::message::{check, understood};

const TILL: &str = "[[actor]]\naddress = \"/till\"\nplugin = \"count\"\nmailbox = { kind = \"durable\" }";

#[test]
fn store_has_its_folder_beside_the_manifest() {
    let settings = understood(&format!("[play.store]\n{TILL}")).expect("sound");
    let store = settings.store.expect("a store");
    assert!(store.path.ends_with(Path::new(".playhouse/store")), "{store:?}");
    assert_eq!((store.survives, store.size_bytes), (Survives::PowerLoss, None));
    let mailbox = settings.actors[0].settings.mailbox;
    assert_eq!(mailbox.keep, Keep::Stored);
    assert_eq!((mailbox.capacity, mailbox.capacity_bytes, mailbox.memory_bytes), (1_000_000, 1 << 30, 4 << 20));
    let keys = "[play.store]\npath = \"/var/lib/till\"\nsurvives = \"crash\"\nsize = \"2GiB\"";
    let store = understood(&format!("{keys}\n{TILL}")).expect("sound").store.expect("a store");
    assert_eq!((store.path.as_path(), store.survives), (Path::new("/var/lib/till"), Survives::Crash));
    assert_eq!(store.size_bytes, Some(2 << 30));
}

#[test]
fn memory_of_a_durable_mailbox_is_bounded_apart() {
    let mailbox = "mailbox = { kind = \"durable\", memory = \"64KiB\", capacity = 9, bytes = \"2MiB\" }";
    let actor = format!("[play.store]\n[[actor]]\naddress = \"/till\"\nplugin = \"count\"\n{mailbox}");
    let mailbox = understood(&actor).expect("sound").actors[0].settings.mailbox;
    assert_eq!((mailbox.capacity, mailbox.capacity_bytes, mailbox.memory_bytes), (9, 2 << 20, 64 << 10));
    check(
        "[[actor]]\naddress = \"/till\"\nplugin = \"count\"\nmailbox = { memory = \"64KiB\" }",
        expect![[r#"
        stderr:
          × `mailbox.memory` is for a durable mailbox
           ╭─[playhouse.toml:4:22]
         3 │ plugin = "count"
         4 │ mailbox = { memory = "64KiB" }
           ·                      ───┬───
           ·                         ╰── here
           ╰────
          help: add kind = "durable" to the mailbox, or bound it by `bytes`

    "#]],
    );
}

#[test]
fn durable_mailbox_needs_a_store() {
    check(
        TILL,
        expect![[r#"
        stderr:
          × `/till` has a durable mailbox, and the play has no store
           ╭─[playhouse.toml:4:20]
         3 │ plugin = "count"
         4 │ mailbox = { kind = "durable" }
           ·                    ────┬────
           ·                        ╰── this needs a store
           ╰────
          help: add a table [play.store], or leave `kind` out

    "#]],
    );
}

#[test]
fn store_has_a_least_size() {
    check(
        &format!("[play.store]\nsize = \"900KiB\"\n{TILL}"),
        expect![[r#"
        stderr:
          × `store.size` is too small for a store
           ╭─[playhouse.toml:2:8]
         1 │ [play.store]
         2 │ size = "900KiB"
           ·        ────┬───
           ·            ╰── here
         3 │ [[actor]]
           ╰────
          help: the least is "1MiB"

    "#]],
    );
}

#[test]
fn durable_mailbox_drops_no_old_message_and_takes_no_huge_one() {
    let keys = "[play.store]\n[[actor]]\naddress = \"/till\"\nplugin = \"count\"\nlimits.message = \"33MiB\"\n\
                mailbox = { kind = \"durable\", overflow = \"drop-oldest\", bytes = \"64MiB\" }";
    check(
        keys,
        expect![[r#"
        stderr:
          × `limits.message` is too large for a durable mailbox
           ╭─[playhouse.toml:5:18]
         4 │ plugin = "count"
         5 │ limits.message = "33MiB"
           ·                  ───┬───
           ·                     ╰── here
         6 │ mailbox = { kind = "durable", overflow = "drop-oldest", bytes = "64MiB" }
           ╰────
          help: the most is "32MiB": put larger data into files

          × `drop-oldest` is not possible with a durable mailbox
           ╭─[playhouse.toml:6:42]
         5 │ limits.message = "33MiB"
         6 │ mailbox = { kind = "durable", overflow = "drop-oldest", bytes = "64MiB" }
           ·                                          ──────┬──────
           ·                                                ╰── here
           ╰────
          help: set "block", "reject" or "drop-newest"

        2 problems in playhouse.toml
    "#]],
    );
}

#[test]
fn durable_mailbox_of_a_plugin_needs_a_store() {
    let plugin = "[[plugin]]\nname = \"count\"\nmailbox = { kind = \"durable\" }";
    check(
        plugin,
        expect![[r#"
        stderr:
          × `count` has a durable mailbox, and the play has no store
           ╭─[playhouse.toml:3:20]
         2 │ name = "count"
         3 │ mailbox = { kind = "durable" }
           ·                    ────┬────
           ·                        ╰── this needs a store
           ╰────
          help: add a table [play.store], or leave `kind` out

    "#]],
    );
}

const STATE: &str =
    "[play.store]\n[[actor]]\naddress = \"/till\"\nplugin = \"count\"\nmailbox = { kind = \"durable\" }";

#[test]
fn state_has_defaults_and_bounds() {
    let state = |keys: &str| {
        let settings = understood(&format!("{STATE}\nstate = {keys}")).expect("sound");
        let settings = &settings.actors[0].settings;
        assert!(settings.grants.state);
        settings.state.expect("a state")
    };
    assert_eq!(state("{}"), StateSpec::default());
    let small = state("{ bytes = \"64KiB\", cache = \"2KiB\" }");
    assert_eq!((small.bytes, small.value_bytes, small.cache_bytes), (64 << 10, 64 << 10, 2 << 10));
    assert_eq!(state("{ bytes = \"1GiB\", value = \"16MiB\" }").value_bytes, 16 << 20);
    assert_eq!(state("{ expire = \"30d\" }").expire, Some(Duration::from_hours(30 * 24)));
    assert_eq!(state("{ expire = \"36500d\" }").expire, Some(LONGEST_LIFETIME));
    let without = understood(STATE).expect("sound");
    assert!(without.actors[0].settings.state.is_none() && !without.actors[0].settings.grants.state);
}

#[test]
fn state_needs_a_durable_mailbox_and_one_instance() {
    check(
        "[[actor]]\naddress = \"/till\"\nplugin = \"count\"\nstate = { bytes = \"1MiB\" }",
        expect![[r#"
        stderr:
          × `/till` has state, and its mailbox is not durable
           ╭─[playhouse.toml:4:9]
         3 │ plugin = "count"
         4 │ state = { bytes = "1MiB" }
           ·         ─────────┬────────
           ·                  ╰── here
           ╰────
          help: add mailbox = { kind = "durable" } and a table [play.store], or leave `state` out

    "#]],
    );
    check(
        &format!("{STATE}\ninstances = 2\nstate = {{}}"),
        expect![[r#"
        stderr:
          × `/till` has state and several instances
           ╭─[playhouse.toml:7:9]
         5 │ mailbox = { kind = "durable" }
         6 │ instances = 2
           ·             ┬
           ·             ╰── these are several
         7 │ state = {}
           ·         ─┬
           ·          ╰── here
           ╰────
          help: one instance alone changes a state: give the actor one, or leave `state` out

    "#]],
    );
}

#[test]
fn value_fits_into_the_state_and_into_a_turn() {
    check(
        &format!("{STATE}\nlimits.effect_bytes = \"2MiB\"\nstate = {{ bytes = \"1MiB\", value = \"64MiB\" }}"),
        expect![[r#"
            stderr:
              × `state.value` is over 32MiB
               ╭─[playhouse.toml:7:35]
             6 │ limits.effect_bytes = "2MiB"
             7 │ state = { bytes = "1MiB", value = "64MiB" }
               ·                                   ───┬───
               ·                                      ╰── it must be at most "32MiB"
               ╰────
              help: put larger values into several keys, or into files

              × `state.value` (64MiB) is more than `state.bytes` (1MiB)
               ╭─[playhouse.toml:7:35]
             6 │ limits.effect_bytes = "2MiB"
             7 │ state = { bytes = "1MiB", value = "64MiB" }
               ·                                   ───┬───
               ·                                      ╰── here
               ╰────
              help: lower `value`, or raise `state.bytes`

              × `state.value` (64MiB) is more than `limits.effect_bytes` (2MiB)
               ╭─[playhouse.toml:7:35]
             6 │ limits.effect_bytes = "2MiB"
             7 │ state = { bytes = "1MiB", value = "64MiB" }
               ·                                   ───┬───
               ·                                      ╰── here
               ╰────
              help: lower `value`, or raise `limits.effect_bytes`

            3 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn time_of_values_has_bounds() {
    check(
        &format!("{STATE}\nstate = {{ expire = \"0s\" }}"),
        expect![[r#"
        stderr:
          × `state.expire` is nothing
           ╭─[playhouse.toml:6:20]
         5 │ mailbox = { kind = "durable" }
         6 │ state = { expire = "0s" }
           ·                    ──┬─
           ·                      ╰── it must be at least "1us"
           ╰────

    "#]],
    );
    check(
        &format!("{STATE}\nstate = {{ expire = \"36501d\" }}"),
        expect![[r#"
        stderr:
          × `state.expire` is over 100 years
           ╭─[playhouse.toml:6:20]
         5 │ mailbox = { kind = "durable" }
         6 │ state = { expire = "36501d" }
           ·                    ────┬───
           ·                        ╰── it must be at most "36500d"
           ╰────
          help: leave `expire` out to keep values until they are deleted

    "#]],
    );
}

#[test]
fn keys_of_requests_have_bounds() {
    let settings = understood(&format!("[play.store]\n{TILL}")).expect("sound");
    assert_eq!(settings.keys, KeySpec { keep: Duration::from_hours(1), bytes: 64 << 20 });
    let keys = "[play.store]\nkeys_for = \"2d\"\nkeys_bytes = \"1GiB\"";
    let settings = understood(&format!("{keys}\n{TILL}")).expect("sound");
    assert_eq!(settings.keys, KeySpec { keep: Duration::from_hours(48), bytes: 1 << 30 });
    check(
        &format!("[play.store]\nkeys_bytes = \"1MiB\"\n{TILL}"),
        expect![[r#"
        stderr:
          × `store.keys_bytes` is too small for answers
           ╭─[playhouse.toml:2:14]
         1 │ [play.store]
         2 │ keys_bytes = "1MiB"
           ·              ───┬──
           ·                 ╰── here
         3 │ [[actor]]
           ╰────
          help: the least is "4MiB"

    "#]],
    );
}

#[test]
fn store_without_a_folder_or_a_time_for_keys_is_refused() {
    let refused = |key: &str| match understood(&format!("[play.store]\n{key}\n{TILL}")) {
        Ok(_) => panic!("`{key}` is taken"),
        Err(problems) => problems.render(false),
    };
    let path = refused("path = \"\"");
    assert!(path.contains("`store.path` names no folder"), "{path}");
    let keys = refused("keys_for = \"0s\"");
    assert!(keys.contains("`store.keys_for` keeps no key"), "{keys}");
}

#[test]
fn spawned_actors_may_be_durable_and_have_state() {
    let plugin = "[[plugin]]\nname = \"count\"\nmailbox = { kind = \"durable\" }\nstate = { bytes = \"1MiB\" }";
    let settings = understood(&format!("[play.store]\n{TILL}\nspawns = [\"count\"]\n{plugin}")).expect("sound");
    let spawned = &settings.spawnable[0].settings;
    assert_eq!(spawned.mailbox.keep, Keep::Stored);
    assert_eq!(spawned.state.map(|state| state.bytes), Some(1 << 20));
    assert!(spawned.grants.state);
    check(
        "[[actor]]\naddress = \"/till\"\nplugin = \"count\"\nspawns = [\"count\"]\n[[plugin]]\nname = \"count\"\nstate = {}",
        expect![[r#"
            stderr:
              × `count` has state, and its mailbox is not durable
               ╭─[playhouse.toml:7:9]
             6 │ name = "count"
             7 │ state = {}
               ·         ─┬
               ·          ╰── here
               ╰────
              help: add mailbox = { kind = "durable" } and a table [play.store], or leave `state` out

        "#]],
    );
}

#[test]
fn durable_children_need_a_durable_parent() {
    let parent = "[play.store]\n[[actor]]\naddress = \"/till\"\nplugin = \"count\"\nspawns = [\"count\"]";
    check(
        &format!("{parent}\n[[plugin]]\nname = \"count\"\nmailbox = {{ kind = \"durable\" }}"),
        expect![[r#"
        stderr:
          × `/till` spawns `count`, which has a durable mailbox, and has none itself
           ╭─[playhouse.toml:5:11]
         4 │ plugin = "count"
         5 │ spawns = ["count"]
           ·           ───┬───
           ·              ╰── each such spawn would fail
         6 │ [[plugin]]
           ╰────
          help: children belong to their parent: give `/till` mailbox = { kind = "durable" }

    "#]],
    );
}
