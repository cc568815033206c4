//! Budgets of time measure the guest and not the machine.

use std::time::Duration;

use playhouse_kernel::Resources;
use playhouse_sandbox::{Limits, Sandbox, SandboxConfig};

use crate::play::{PATIENCE, Play, address};
use crate::template::actor;

/// A loop that takes some tens of milliseconds.
const WORK: &str = r#"(func (export "handle") (param i32 i32) (result i32)
    (local $left i64)
    (local.set $left (i64.const 60000000))
    (loop (br_if 0 (i64.ne (i64.const 0) (local.tee $left (i64.sub (local.get $left) (i64.const 1))))))
    (call $done))"#;

#[tokio::test]
async fn crowd_with_little_time_does_not_crash() {
    let sandbox = Sandbox::new(SandboxConfig { max_instances: 60, ..SandboxConfig::default() }).unwrap();
    let clock = sandbox.load_bytes("work", &actor(WORK)).unwrap().clock(&tokio::runtime::Handle::current());
    let names: Vec<_> = (0..60).map(|n| format!("/w{n}")).collect();
    let actors: Vec<_> = names.iter().map(|name| (name.as_str(), actor(WORK))).collect();
    let limits = Limits { cpu: Duration::from_secs(10), ..Limits::default() };
    let play = Play::limited(sandbox, &actors, limits, |plan| {
        plan.clock = clock.clone().into();
        for spec in &mut plan.actors {
            spec.limits.timeout = Duration::from_millis(500);
        }
    });
    play.kernel.wait_booted().await;
    let began = std::time::Instant::now();
    for name in &names {
        play.kernel.tell(&address(name), b"x", PATIENCE).await.unwrap();
    }
    play.kernel.wait_idle().await;
    assert!(
        began.elapsed() > Duration::from_millis(500),
        "all messages together take longer than the timeout of one: {:?}",
        began.elapsed()
    );
    let actors = play.kernel.actors().await;
    let crashes: Vec<_> =
        actors.iter().filter_map(|actor| actor.last_crash.as_ref()).map(ToString::to_string).collect();
    assert_eq!(crashes, [""; 0]);
}

/// The resources of the only actor.
async fn resources(play: &Play) -> Resources {
    play.kernel.actors().await[0].resources.expect("its code counts them")
}

#[tokio::test]
async fn resources_of_an_actor_outlive_its_incarnations() {
    let once = format!("{WORK} (memory (export \"more\") 3)");
    let limits = Limits { cpu: Duration::from_secs(10), ..Limits::default() };
    let sandbox = Sandbox::new(SandboxConfig { max_instances: 1, ..SandboxConfig::default() }).unwrap();
    let play = Play::limited(sandbox, &[("/work", actor(&once))], limits, |_| {});
    // Each message takes several ticks of the clock, unless the thread that ticks has to wait.
    while resources(&play).await.cpu == Duration::ZERO {
        play.kernel.tell(&address("/work"), b"x", PATIENCE).await.unwrap();
        play.kernel.wait_idle().await;
    }
    let before = resources(&play).await;
    assert_eq!(before.memory_bytes, play.sandbox.memory().0);
    assert!(before.memory_bytes >= 3 << 16, "{before:?}");
    play.kernel.halt(&address("/work")).await;
    assert_eq!(resources(&play).await, Resources { memory_bytes: 0, ..before });
    play.kernel.start_actor(&address("/work")).await.unwrap();
    let after = resources(&play).await;
    assert_eq!(after.memory_bytes, before.memory_bytes);
    assert!(after.cpu >= before.cpu);
}
