//! The cost of an address without an instance, in bytes of the heap. This file is a binary with one test, so that no other
//! test allocates meanwhile.

#![allow(missing_docs)]

use std::alloc::System;
use std::sync::Arc;

use playhouse_kernel::{
    ActorSpec, Address, Behavior, BoxFuture, Crash, Kernel, Launcher, Plan, StartKind, State, Turn,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A number of actors that evens out one-time costs and tables that have just doubled.
const ADDRESSES: usize = 20_000;
/// The kernel's own part, without a component's launcher: below the 2 KiB that docs/invariants.md promises.
const MOST_BYTES: usize = 1_820;

struct Nobody;

impl Launcher for Nobody {
    fn launch(&self, _: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        unreachable!("no message comes")
    }

    fn plugin(&self) -> &'static str {
        "nobody"
    }
}

#[tokio::test(start_paused = true)]
async fn a_passivated_address_takes_little_memory() {
    let region = Region::new(HEAP);
    let launcher: Arc<dyn Launcher> = Arc::new(Nobody);
    let actors = (0..ADDRESSES).map(|n| {
        let address = Address::parse(&format!("/n{n}")).expect("a good address");
        ActorSpec { start: StartKind::OnMessage, ..ActorSpec::new(address, launcher.clone()) }
    });
    let kernel = Kernel::start(&Plan { actors: actors.collect(), ..Plan::default() }).expect("a good plan");
    kernel.wait_booted().await;
    let change = region.change();
    let bytes = (change.bytes_allocated - change.bytes_deallocated) / ADDRESSES;
    assert!(kernel.actors().await.iter().all(|actor| actor.state == State::Passivated));
    assert!(bytes <= MOST_BYTES, "{bytes} bytes each");
}
