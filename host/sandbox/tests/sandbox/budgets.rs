//! Budgets of time measure the guest and not the machine.

use std::time::Duration;

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
