//! The memory of samples, and plays that are sampled. Only one test is in this file, since all allocations of a process are
//! counted together.

use std::alloc::System;
use std::sync::Arc;
use std::time::{Duration, Instant};

use playhouse_kernel::{
    ActorSpec, Address, Bounds, Config, Failure, Kernel, Message, NativeActor, NativeContext, NativeLauncher,
    NativeResult, Plan, Template,
};
use playhouse_observe::Sampler;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CHILDREN: usize = 10_000;
/// An actor that handled a message in the last minute: its entry in a table that has just grown, and its differences.
const MOST_BYTES_OF_AN_ACTIVE_ACTOR: usize = 160 + 490;
/// The table has doubled at most.
const MOST_BYTES_OF_AN_IDLE_ACTOR: usize = 160;

/// Spawns as many children as a message says.
#[derive(Clone)]
struct Boss;

impl NativeActor for Boss {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let number = String::from_utf8_lossy(&msg.body).into_owned();
        ctx.spawn(&number, "worker", Config::default()).map_err(|error| Failure::Reject(error.to_string()))?;
        ctx.tell(&number, "work").map_err(|error| Failure::Reject(error.to_string()))?;
        Ok(())
    }
}

#[derive(Clone)]
struct Worker;

impl NativeActor for Worker {
    async fn msg_handler(&mut self, _: Message, _: &mut NativeContext) -> NativeResult {
        Ok(())
    }
}

impl Template for Worker {
    fn spec(&self, address: Address, _: Config, _: Bounds) -> ActorSpec {
        ActorSpec::new(address, NativeLauncher::new(|| Self))
    }
}

#[tokio::test]
async fn samples_of_ten_thousand_spawned_actors_are_bounded() {
    let boss_at = Address::parse("/boss").expect("good");
    let mut boss = ActorSpec::new(boss_at.clone(), NativeLauncher::new(|| Boss));
    boss.grants.spawns = vec!["worker".into()];
    boss.limits.max_children = CHILDREN;
    let mut plan = Plan { actors: vec![boss], ..Plan::default() };
    plan.plugins.insert("worker".into(), Arc::new(Worker));
    let kernel = Kernel::start(&plan).expect("sound");
    for number in 0..CHILDREN {
        kernel.tell(&boss_at, number.to_string().as_bytes(), Duration::from_mins(1)).await.expect("taken");
    }
    kernel.wait_idle().await;
    let mut now = Instant::now();
    let sampler = Sampler::new(now);
    let mut sample = || {
        now += Duration::from_secs(1);
        sampler.sample(&kernel, now);
    };
    let kept = |region: &Region<'_, System>| {
        let change = region.change();
        change.bytes_allocated.cast_signed() - change.bytes_deallocated.cast_signed()
    };
    let region = Region::new(ALLOCATOR);
    sample();
    let active = usize::try_from(kept(&region)).expect("more") / CHILDREN;
    assert!(active <= MOST_BYTES_OF_AN_ACTIVE_ACTOR, "{active} bytes");
    for _ in 0..60 {
        sample();
    }
    let idle = usize::try_from(kept(&region)).expect("more") / CHILDREN;
    assert!(idle <= MOST_BYTES_OF_AN_IDLE_ACTOR, "{idle} bytes");
    // Nothing of the play changed: samples only read.
    kernel.wait_idle().await;
    assert_eq!(kernel.handled(), 2 * CHILDREN as u64);
}
