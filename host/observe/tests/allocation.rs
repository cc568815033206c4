//! The memory that a scrape allocates. No other test is in this file, since all of a process are counted together.

use std::alloc::System;
use std::sync::Arc;
use std::time::{Duration, Instant};

use playhouse_kernel::{
    ActorSpec, Address, Kernel, Message, NativeActor, NativeContext, NativeLauncher, NativeResult, Plan,
};
use playhouse_observe::{Format, HostFacts, Sampler, Source};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MOST_BYTES: usize = 2 << 20;

#[derive(Clone)]
struct Quiet;

impl NativeActor for Quiet {
    async fn msg_handler(&mut self, _: Message, _: &mut NativeContext) -> NativeResult {
        Ok(())
    }
}

/// A play of a thousand actors, each of which has handled a message.
async fn play() -> Kernel {
    let address = |n| Address::parse(&format!("/actor-{n:04}")).expect("good");
    let actors = (0..1000).map(|n| ActorSpec::new(address(n), NativeLauncher::new(|| Quiet))).collect();
    let kernel = Kernel::start(&Plan { actors, ..Plan::default() }).expect("sound");
    kernel.wait_booted().await;
    for n in 0..1000 {
        kernel.tell(&address(n), b"work", Duration::from_mins(1)).await.expect("taken");
    }
    kernel.wait_idle().await;
    kernel
}

#[tokio::test]
async fn scrape_of_a_thousand_actors_allocates_little() {
    let source = Source::default();
    source.play_started(play().await, Arc::new(Sampler::new(Instant::now())), HostFacts::default);
    // The first one does not know its size.
    let first = source.scrape(Format::Prometheus).await.expect("a play");
    let region = Region::new(ALLOCATOR);
    let text = source.scrape(Format::Prometheus).await.expect("a play");
    let bytes = region.change().bytes_allocated;
    assert_eq!(text.len(), first.len());
    assert!(bytes <= MOST_BYTES, "{bytes} bytes for a text of {}", text.len());
}
