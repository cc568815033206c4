//! A sound manifest: every key, and every default.

use expect_test::expect;
use playhouse_kernel::StartKind;

use crate::message::{check, understood};

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
limits = { component = "1MiB", stack = "64KiB", memory = "1GiB" }
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
limits = { memory = "3GiB", cpu = "250us", timeout = "1h", message = "2MiB", children = 5, timers = 3, subtree = { memory = "4GiB", instances = 5, actors = 9 } }
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
limits = { memory = "1MiB", message = "64KiB", children = 1, depth = 1, timers = 1, watches = 1, effects = 1, effect_bytes = "1B", resources = 1, log_lines = 1, log_bytes = "1B", start = "1s", requests = 1, request_head = "1KiB", blocking = 1, subtree = { actors = 2 } }
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
    assert_eq!((actor.batch, actor.sandbox_limits.memory_bytes), (256, 64 << 20));
    assert_eq!(
        (actor.limits.max_children, actor.limits.max_timers, actor.limits.max_watches, actor.spawns.len()),
        (1024, 1024, 1024, 0)
    );
    assert_eq!(
        (actor.mailbox.capacity, actor.mailbox.capacity_bytes, actor.limits.message_bytes),
        (1024, 16 << 20, 1 << 20)
    );
    assert_eq!(
        (actor.mailbox.block_timeout.as_secs(), actor.sandbox_limits.cpu.as_millis(), actor.limits.timeout.as_secs()),
        (30, 100, 5)
    );
    assert_eq!(
        (actor.limits.max_depth, actor.limits.max_effects, actor.limits.max_effect_bytes),
        (16, 65_536, 16 << 20)
    );
    assert_eq!(
        (actor.sandbox_limits.resources, actor.sandbox_limits.log_lines, actor.sandbox_limits.log_bytes),
        (1024, 1000, 1 << 20)
    );
    assert_eq!(actor.sandbox_limits.request_head_bytes, 64 << 10);
    assert_eq!(
        (actor.limits.start_timeout.as_secs(), actor.grants.requests, actor.grants.blocking.at_most()),
        (10, 16, 4)
    );
    assert_eq!((play.limits.component_bytes, play.limits.stack_bytes), (64 << 20, 512 << 10));
    assert!(
        play.limits.memory_bytes.is_none()
            && actor.limits.subtree.is_none()
            && actor.subtree == playhouse_sandbox::SubtreeLimits::default()
    );
    assert_eq!((actor.restart.attempts, actor.restart.backoff.initial.as_millis()), (3, 10));
    assert_eq!((play.supervision.intensity, play.supervision.period.as_secs()), (10, 10));
    assert_eq!(play.memory_high.to_string(), "90%");
    assert_eq!((play.dead_letters.capacity, play.dead_letters.capacity_bytes), (10_000, 64 << 20));
}

#[test]
fn each_strategy_maps_to_the_kernels() {
    use playhouse_kernel::Strategy::{OneForAll, OneForOne, RestForOne};
    for (name, strategy) in [("one-for-one", OneForOne), ("one-for-all", OneForAll), ("rest-for-one", RestForOne)] {
        let supervision = format!("[actor.supervision]\nstrategy = \"{name}\"\n");
        let play =
            understood(&format!("[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n{supervision}")).expect("fine");
        assert_eq!(play.actors[0].settings.supervision.strategy, strategy);
    }
}
