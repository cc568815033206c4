//! What a person sees when a manifest is wrong: the whole message, for each way to be wrong.

use std::path::Path;

use expect_test::{Expect, expect};
use playhouse::manifest::{Play, PluginFolder, Problems, Source, understand};

const PLUGINS: [&str; 3] = ["count", "report", "split"];

fn understood(text: &str) -> Result<Play, Problems> {
    let source = Source::new(Path::new("playhouse.toml"), text.to_owned());
    let names = PLUGINS.map(str::to_owned).into();
    understand(source, Path::new("."), |_| PluginFolder { names: Ok(names) })
}

/// The message for a manifest, which begins after the first line end of `text`.
fn check(text: &str, expected: Expect) {
    let message = match understood(text.trim_start_matches('\n')) {
        Ok(_) => "fine\n".to_owned(),
        Err(problems) => problems.render(false),
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
supervision = { strategy = "one-for-one", intensity = 0, period = "1m", shutdown = "0s" }
dead_letters = { capacity = 5, bytes = "1KiB" }
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
supervision = { strategy = "one-for-one", intensity = 3, period = "10s", shutdown = "5s" }
limits = { memory = "3GiB", cpu = "250us", timeout = "1h", message = "2MiB" }
[[actor]]
address = "/a/b"
plugin = "split"
"#,
        expect![[""]],
    );
}

#[test]
fn defaults_are_those_of_the_reference() {
    let play = understood("[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n").expect("fine");
    let actor = &play.actors[0];
    assert_eq!((actor.batch, actor.auto_start, actor.memory_bytes), (64, true, 64 << 20));
    assert_eq!((actor.mailbox.capacity, actor.mailbox.capacity_bytes, actor.message_bytes), (1024, 16 << 20, 1 << 20));
    assert_eq!((actor.mailbox.block_timeout.as_secs(), actor.cpu.as_millis(), actor.timeout.as_secs()), (30, 100, 5));
    assert_eq!((actor.restart.attempts, actor.restart.backoff.initial.as_millis()), (3, 10));
    assert_eq!((play.supervision.intensity, play.supervision.period.as_secs()), (10, 10));
    assert_eq!((play.dead_letters.capacity, play.dead_letters.capacity_bytes), (10_000, 64 << 20));
}

#[test]
fn an_unknown_key() {
    check_actor("[actor.mailbox]\ncapasity = 10", expect![[""]]);
}

#[test]
fn a_key_of_a_later_version() {
    check_actor("[actor.grants]\nenv = [\"LANG\"]", expect![[""]]);
}

#[test]
fn a_wrong_unit_of_size() {
    check_actor("limits = { memory = \"64MB\" }", expect![[""]]);
}

#[test]
fn a_size_without_a_unit() {
    check_actor("limits = { memory = 64 }", expect![[""]]);
}

#[test]
fn a_wrong_unit_of_time() {
    check_actor("[actor.limits]\ntimeout = \"5 sec\"", expect![[""]]);
}

#[test]
fn a_wrong_type() {
    check_actor("sends_to = \"/b\"", expect![[""]]);
}

#[test]
fn a_strategy_of_a_later_version() {
    check_actor("[actor.supervision]\nstrategy = \"one-for-all\"", expect![[""]]);
}

#[test]
fn a_word_that_is_not_possible() {
    check_actor("mailbox = { overflow = \"blok\" }", expect![[""]]);
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
        expect![[""]],
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
        expect![[""]],
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
        expect![[""]],
    );
}

#[test]
fn a_bad_address() {
    check("[[actor]]\naddress = \"count\"\nplugin = \"count\"\n", expect![[""]]);
    check("[[actor]]\naddress = \"/\"\nplugin = \"count\"\n", expect![[""]]);
}

#[test]
fn a_plugin_outside_of_its_folder() {
    check("[[actor]]\naddress = \"/a\"\nplugin = \"../../etc/passwd\"\n", expect![[""]]);
    check("[[actor]]\naddress = \"/a\"\nplugin = \"count.wasm\"\n", expect![[""]]);
}

#[test]
fn a_missing_plugin() {
    check("[[actor]]\naddress = \"/a\"\nplugin = \"cuont\"\n", expect![[""]]);
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
        expect![[""]],
    );
}

#[test]
fn a_digest_that_is_none() {
    check_actor("sha256 = \"9f86d081…\"", expect![[""]]);
}

#[test]
fn zero_where_one_is_needed() {
    check_actor("batch = 0", expect![[""]]);
    check_actor("limits = { memory = \"0MiB\" }", expect![[""]]);
    check_actor("limits = { cpu = \"0s\" }", expect![[""]]);
}

#[test]
fn bounds_that_exclude_each_other() {
    check_actor("[actor.mailbox]\nbytes = \"64KiB\"", expect![[""]]);
    check_actor("[actor.limits]\nmemory = \"1MiB\"\nmessage = \"2MiB\"", expect![[""]]);
    check_actor("[actor.restart]\nbackoff = { initial = \"1m\" }", expect![[""]]);
}

#[test]
fn a_missing_key() {
    check("[[actor]]\naddress = \"/a\"\n", expect![[""]]);
}

#[test]
fn no_toml() {
    check("[[actor]\naddress = \"/a\"\n", expect![[""]]);
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
        expect![[""]],
    );
}
