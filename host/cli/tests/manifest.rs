//! What a person sees when a manifest is wrong: the whole message, for each way to be wrong.

// expect-test writes them so.
#![allow(clippy::needless_raw_string_hashes)]

use std::path::Path;

use expect_test::{Expect, expect};
use playhouse::manifest::{Play, PluginFolder, Problems, Source, understand};
use playhouse_kernel::StartKind;

const PLUGINS: [&str; 3] = ["count", "report", "split"];

fn understood(text: &str) -> Result<Play, Problems> {
    let source = Source::new(Path::new("playhouse.toml"), text.to_owned());
    let names = PLUGINS.map(str::to_owned).into();
    understand(source, Path::new(""), |_| PluginFolder { names: Ok(names) })
}

/// The message for a manifest, which begins after the first line end of `text`.
fn check(text: &str, expected: Expect) {
    let message = match understood(text.trim_start_matches('\n')) {
        Ok(_) => "fine\n".to_owned(),
        // A line without indentation, so that the snapshots keep that of the others.
        Err(problems) => format!("stderr:\n{}", problems.render(false)),
    };
    assert!(!message.contains('\u{1b}'), "no colours without a terminal");
    expected.assert_eq(&message);
}

/// As [`check`], for lines added to an actor that is fine.
fn check_actor(lines: &str, expected: Expect) {
    check(&format!("[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n{lines}\n"), expected);
}

#[test]
fn every_key_is_accepted() {
    check(
        r#"
[play]
name = "all"
plugins = "plugins"
max_instances = 10
pipeline = ["/a", "/a/b"]
memory_high = "2GiB"
supervision = { strategy = "one-for-one", intensity = 0, period = "1m", shutdown = "0s" }
dead_letters = { capacity = 5, bytes = "1KiB" }
limits = { component = "1MiB", stack = "64KiB" }
[[actor]]
address = "/a"
plugin = "count"
sends_to = ["/a", "/a/b"]
sha256 = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"
batch = 1
start = "manual"
config = { text = "t", number = 5, decimal = 1.5, yes = true }
mailbox = { kind = "memory", capacity = 1, bytes = "2MiB", overflow = "drop-oldest", timeout = "1s" }
restart = { kind = "transient", attempts = 1, backoff = { initial = "0ms", max = "1h" } }
supervision = { strategy = "rest-for-one", intensity = 3, period = "10s", shutdown = "5s" }
limits = { memory = "3GiB", cpu = "250us", timeout = "1h", message = "2MiB", children = 5, timers = 3 }
spawns = ["split"]
[[actor]]
address = "/a/b"
plugin = "split"
instances = 4
start = "on-message"
idle = "stop"
idle_after = "10s"
[[plugin]]
name = "split"
sends_to = ["/a"]
spawns = ["split"]
recursive = true
start = "on-message"
idle = "stop"
idle_after = "1h"
sha256 = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"
batch = 1
config = { text = "t" }
mailbox = { capacity = 1 }
restart = { kind = "temporary" }
supervision = { intensity = 3 }
limits = { memory = "1MiB", message = "64KiB", children = 1, depth = 1, timers = 1, watches = 1, effects = 1, effect_bytes = "1B", resources = 1, log_lines = 1, log_bytes = "1B", start = "1s", requests = 1 }
grants = { env = ["A=b"], dirs = [], hosts = ["https://a.com"], networks = ["10.0.0.0/8"] }
"#,
        expect![[r#"
            fine
        "#]],
    );
}

#[test]
fn defaults_are_those_of_the_reference() {
    let play = understood("[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n").expect("fine");
    assert_eq!(play.actors[0].instances, 1);
    let actor = &play.actors[0].settings;
    assert_eq!((actor.start, actor.idle_stop), (StartKind::Auto, None));
    assert_eq!((actor.batch, actor.limits.memory_bytes), (256, 64 << 20));
    assert_eq!((actor.max_children, actor.max_timers, actor.max_watches, actor.spawns.len()), (1024, 1024, 1024, 0));
    assert_eq!((actor.mailbox.capacity, actor.mailbox.capacity_bytes, actor.message_bytes), (1024, 16 << 20, 1 << 20));
    assert_eq!(
        (actor.mailbox.block_timeout.as_secs(), actor.limits.cpu.as_millis(), actor.timeout.as_secs()),
        (30, 100, 5)
    );
    assert_eq!((actor.max_depth, actor.max_effects, actor.max_effect_bytes), (16, 65_536, 16 << 20));
    assert_eq!((actor.limits.resources, actor.limits.log_lines, actor.limits.log_bytes), (1024, 1000, 1 << 20));
    assert_eq!(actor.start_timeout.as_secs(), 10);
    assert_eq!((play.limits.component_bytes, play.limits.stack_bytes), (64 << 20, 512 << 10));
    assert_eq!((actor.restart.attempts, actor.restart.backoff.initial.as_millis()), (3, 10));
    assert_eq!((play.supervision.intensity, play.supervision.period.as_secs()), (10, 10));
    assert_eq!(play.memory_high.to_string(), "90%");
    assert_eq!((play.dead_letters.capacity, play.dead_letters.capacity_bytes), (10_000, 64 << 20));
}

#[test]
fn each_strategy_is_the_kernels() {
    use playhouse_kernel::Strategy::{OneForAll, OneForOne, RestForOne};
    for (name, strategy) in [("one-for-one", OneForOne), ("one-for-all", OneForAll), ("rest-for-one", RestForOne)] {
        let supervision = format!("[actor.supervision]\nstrategy = \"{name}\"\n");
        let play =
            understood(&format!("[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n{supervision}")).expect("fine");
        assert_eq!(play.actors[0].settings.supervision.strategy, strategy);
    }
}

#[test]
fn an_unknown_key() {
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
              help: the keys here are `kind`, `plugin`, `sha256`, `config`, `overtakes`, `limits`, `restart`, `capacity`, `bytes`, `overflow`, `timeout`

        "#]],
    );
}

#[test]
fn a_wrong_unit_of_size() {
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
fn a_size_without_a_unit() {
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
fn a_wrong_unit_of_time() {
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
              help: a time is a whole number and a unit, one of us, ms, s, m, h, as in "100ms"

        "#]],
    );
}

#[test]
fn a_wrong_type() {
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
fn a_strategy_that_there_is_not() {
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
fn a_word_that_is_not_possible() {
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
fn a_doubled_address() {
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
fn an_orphan() {
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
fn a_child_before_its_parent() {
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

#[test]
fn a_bad_address() {
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
fn a_plugin_outside_of_its_folder() {
    check(
        "[[actor]]\naddress = \"/a\"\nplugin = \"../../etc/passwd\"\n",
        expect![[r#"
            stderr:
              × `../../etc/passwd` is no name of a plugin
               ╭─[playhouse.toml:3:10]
             2 │ address = "/a"
             3 │ plugin = "../../etc/passwd"
               ·          ─────────┬────────
               ·                   ╰── here
               ╰────
              help: a plugin is named by letters, digits, `_` and `-`: the file NAME.wasm in the plugins folder `plugins`

        "#]],
    );
    check(
        "[[actor]]\naddress = \"/a\"\nplugin = \"count.wasm\"\n",
        expect![[r#"
            stderr:
              × `count.wasm` is no name of a plugin
               ╭─[playhouse.toml:3:10]
             2 │ address = "/a"
             3 │ plugin = "count.wasm"
               ·          ──────┬─────
               ·                ╰── did you mean "count"?
               ╰────
              help: a plugin is named by letters, digits, `_` and `-`: the file NAME.wasm in the plugins folder `plugins`

        "#]],
    );
}

#[test]
fn a_missing_plugin() {
    check(
        "[[actor]]\naddress = \"/a\"\nplugin = \"cuont\"\n",
        expect![[r#"
            stderr:
              × there is no plugin `cuont`: no file `plugins/cuont.wasm`
               ╭─[playhouse.toml:3:10]
             2 │ address = "/a"
             3 │ plugin = "cuont"
               ·          ───┬───
               ·             ╰── did you mean "count"?
               ╰────
              help: the folder `plugins` has `count`, `report`, `split`

        "#]],
    );
}

#[test]
fn a_target_that_no_actor_has() {
    check(
        r#"
[[actor]]
address = "/report"
plugin = "report"
[[actor]]
address = "/count"
plugin = "count"
sends_to = ["/reprot", "nowhere"]
"#,
        expect![[r#"
            stderr:
              × no actor has the address `/reprot`
               ╭─[playhouse.toml:7:13]
             6 │ plugin = "count"
             7 │ sends_to = ["/reprot", "nowhere"]
               ·             ────┬────
               ·                 ╰── did you mean "/report"?
               ╰────
              help: `sends_to` names actors of this manifest

              × `nowhere` is no address: it must begin with `/`, as in `/shop/cart`
               ╭─[playhouse.toml:7:24]
             6 │ plugin = "count"
             7 │ sends_to = ["/reprot", "nowhere"]
               ·                        ────┬────
               ·                            ╰── did you mean "/nowhere"?
               ╰────
              help: `sends_to` is a list of addresses, as in ["/count"]

            2 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn a_digest_that_is_none() {
    check_actor(
        "sha256 = \"9f86d081…\"",
        expect![[r#"
            stderr:
              × this is no SHA-256 digest
               ╭─[playhouse.toml:4:10]
             3 │ plugin = "count"
             4 │ sha256 = "9f86d081…"
               ·          ─────┬─────
               ·               ╰── 9 characters
               ╰────
              help: a digest is 64 hexadecimal digits; `playhouse inspect FILE.wasm` prints it

        "#]],
    );
}

#[test]
fn zero_where_one_is_needed() {
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
fn bounds_that_exclude_each_other() {
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
fn a_missing_key() {
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
fn no_toml() {
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
fn independent_problems_are_all_told() {
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
fn one_table_instead_of_a_list() {
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
fn texts_in_single_quotes_are_understood_as_well() {
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
          help: a time is a whole number and a unit, one of us, ms, s, m, h, as in "100ms"

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
fn more_than_there_can_be() {
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
          help: send what is larger in parts

    "#]],
    );
}

#[test]
fn a_stack_too_small_or_too_large() {
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
fn a_depth_that_no_address_has() {
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
fn more_actors_than_instances() {
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
              help: raise `max_instances` under [play], or let actors make room with idle = "stop", or wait for a message or a person with start = "on-message" or "manual"

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
fn more_instances_than_share_a_mailbox() {
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
          help: that many share one mailbox; for more, put another actor beside it

    "#]],
    );
}

#[test]
fn several_that_spawn() {
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
fn a_child_of_several() {
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
               ·             ╰── its parent is several
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
fn what_may_be_spawned_has_a_section_of_its_own() {
    check_actor(
        "spawns = [\"splt\"]\n[[plugin]]\nname = \"split\"",
        expect![[r#"
        stderr:
          × there is no [[plugin]] `splt`
           ╭─[playhouse.toml:4:11]
         3 │ plugin = "count"
         4 │ spawns = ["splt"]
           ·           ───┬──
           ·              ╰── did you mean "split"?
         5 │ [[plugin]]
           ╰────
          help: what may be spawned has a section of its own, with its limits: [[plugin]] with name = "…"

    "#]],
    );
    check_actor(
        "spawns = [\"split\"]",
        expect![[r#"
        stderr:
          × there is no [[plugin]] `split`
           ╭─[playhouse.toml:4:11]
         3 │ plugin = "count"
         4 │ spawns = ["split"]
           ·           ───┬───
           ·              ╰── here
           ╰────
          help: what may be spawned has a section of its own, with its limits: [[plugin]] with name = "…"

    "#]],
    );
}

#[test]
fn instances_are_counted_against_those_of_the_play() {
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
              help: raise `max_instances` under [play], or let actors make room with idle = "stop", or wait for a message or a person with start = "on-message" or "manual"

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
fn a_plugin_has_one_section_and_is_there() {
    let twice = "[[plugin]]\nname = \"split\"\n[[plugin]]\nname = \"split\"\n[[plugin]]\nname = \"slit\"";
    check_actor(
        twice,
        expect![[r#"
        stderr:
          × two [[plugin]] have the name `split`
           ╭─[playhouse.toml:7:8]
         4 │ [[plugin]]
         5 │ name = "split"
           ·        ───┬───
           ·           ╰── first here
         6 │ [[plugin]]
         7 │ name = "split"
           ·        ───┬───
           ·           ╰── again here
         8 │ [[plugin]]
           ╰────
          help: leave one of them out

          × there is no plugin `slit`: no file `plugins/slit.wasm`
           ╭─[playhouse.toml:9:8]
         8 │ [[plugin]]
         9 │ name = "slit"
           ·        ───┬──
           ·           ╰── did you mean "split"?
           ╰────
          help: the folder `plugins` has `count`, `report`, `split`

        2 problems in playhouse.toml
    "#]],
    );
}

#[test]
fn the_keys_of_a_plugin_are_checked_as_those_of_an_actor() {
    let keys = "sends_to = [\"/b\"]\nspawns = [\"x\"]\nlimits = { memory = \"64KiB\", children = 0 }";
    check_actor(
        &format!("[[plugin]]\nname = \"split\"\n{keys}"),
        expect![[r#"
        stderr:
          × `0` is too small: it must be at least 1
           ╭─[playhouse.toml:8:41]
         7 │ spawns = ["x"]
         8 │ limits = { memory = "64KiB", children = 0 }
           ·                                         ┬
           ·                                         ╰── here
           ╰────

    "#]],
    );
    let keys = "sends_to = [\"/b\"]\nspawns = [\"x\"]\nlimits = { memory = \"64KiB\" }\naddress = \"/x\"";
    check_actor(
        &format!("[[plugin]]\nname = \"split\"\n{keys}"),
        expect![[r#"
        stderr:
          × unknown key `address`
           ╭─[playhouse.toml:9:1]
         8 │ limits = { memory = "64KiB" }
         9 │ address = "/x"
           · ───┬───
           ·    ╰── here
           ╰────
          help: the keys here are `name`, `sends_to`, `spawns`, `recursive`, `sha256`, `batch`, `start`, `idle`, `idle_after`, `config`, `mailbox`, `restart`, `supervision`, `limits`, `grants`

        "#]],
    );
    let keys = "sends_to = [\"/b\"]\nspawns = [\"x\"]\nlimits = { memory = \"64KiB\" }";
    check_actor(
        &format!("[[plugin]]\nname = \"split\"\n{keys}"),
        expect![[r#"
        stderr:
          × no actor has the address `/b`
           ╭─[playhouse.toml:6:13]
         5 │ name = "split"
         6 │ sends_to = ["/b"]
           ·             ──┬─
           ·               ╰── no such actor
         7 │ spawns = ["x"]
           ╰────
          help: `sends_to` names actors of this manifest

          × there is no [[plugin]] `x`
           ╭─[playhouse.toml:7:11]
         6 │ sends_to = ["/b"]
         7 │ spawns = ["x"]
           ·           ─┬─
           ·            ╰── here
         8 │ limits = { memory = "64KiB" }
           ╰────
          help: what may be spawned has a section of its own, with its limits: [[plugin]] with name = "…"

          × `limits.message` (1MiB) is more than `limits.memory` (64KiB)
           ╭─[playhouse.toml:8:21]
         7 │ spawns = ["x"]
         8 │ limits = { memory = "64KiB" }
           ·                     ───┬───
           ·                        ╰── here
           ╰────
          help: a message must fit into the actor's memory: raise `memory`, or lower `message`

        3 problems in playhouse.toml
    "#]],
    );
}

#[test]
fn a_time_to_be_idle_for_without_an_end() {
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
fn a_parent_that_would_not_be_up_for_its_children() {
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
fn what_is_spawned_waits_for_nobody() {
    check(
        "[[plugin]]\nname = \"count\"\nstart = \"manual\"\n",
        expect![[r#"
        stderr:
          × what is spawned does not wait for a person
           ╭─[playhouse.toml:3:9]
         2 │ name = "count"
         3 │ start = "manual"
           ·         ────┬───
           ·             ╰── here
           ╰────
          help: its parent's spawn is the word to start: leave `start` out, or let it be "on-message"

    "#]],
    );
}

#[test]
fn actors_that_make_room_need_one_instance_together() {
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
          help: raise `max_instances` under [play], or let actors make room with idle = "stop", or wait for a message or a person with start = "on-message" or "manual"

    "#]],
    );
}

/// `/c`, `/b` and `/a`, with this pipeline.
fn piped(pipeline: &str) -> String {
    let actor = |name| format!("[[actor]]\naddress = \"/{name}\"\nplugin = \"count\"\n");
    format!("[play]\npipeline = {pipeline}\n{}{}{}", actor("c"), actor("b"), actor("a"))
}

#[test]
fn a_pipeline_grants_each_the_next_and_nothing_else() {
    let play =
        understood(&piped(r#"["/a", "/b", "/c"]"#)).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let granted: Vec<_> = play
        .actors
        .iter()
        .map(|actor| {
            let to: Vec<_> = actor.settings.sends_to.iter().map(ToString::to_string).collect();
            format!("{}: {}", actor.address, to.join(" "))
        })
        .collect();
    assert_eq!(granted, ["/c: ", "/b: /c", "/a: /b"]);
}

#[test]
fn a_pipeline_that_names_nobody_or_goes_back() {
    check(
        &piped(r#"["/a", "/bb", "/c", "/a"]"#),
        expect![[r#"
            stderr:
              × no actor has the address `/bb`
               ╭─[playhouse.toml:2:19]
             1 │ [play]
             2 │ pipeline = ["/a", "/bb", "/c", "/a"]
               ·                   ──┬──
               ·                     ╰── did you mean "/b"?
             3 │ [[actor]]
               ╰────
              help: `pipeline` names actors of this manifest in the order in which they hand on, as in ["/a", "/b", "/c"]

              × `/a` is in the pipeline twice: its messages would go in a circle
               ╭─[playhouse.toml:2:32]
             1 │ [play]
             2 │ pipeline = ["/a", "/bb", "/c", "/a"]
               ·             ──┬─               ──┬─
               ·               │                  ╰── again here
               ·               ╰── first here
             3 │ [[actor]]
               ╰────
              help: a pipeline only goes forward; what else is sent is granted with `sends_to`

            2 problems in playhouse.toml
        "#]],
    );
    check(
        &piped(r#"["/a"]"#),
        expect![[r#"
            stderr:
              × a pipeline has at least two actors
               ╭─[playhouse.toml:2:12]
             1 │ [play]
             2 │ pipeline = ["/a"]
               ·            ───┬──
               ·               ╰── here
             3 │ [[actor]]
               ╰────
              help: `pipeline` names actors of this manifest in the order in which they hand on, as in ["/a", "/b", "/c"]

        "#]],
    );
}
