//! The time of a scrape of a thousand actors, whose goal is 10 ms, and of one sample of ten thousand.

#![allow(missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use playhouse_kernel::{
    ActorSpec, Address, Kernel, Message, NativeActor, NativeContext, NativeLauncher, NativeResult, Plan,
};
use playhouse_observe::{Format, HostFacts, Sampler, Source};

#[derive(Clone)]
struct Quiet;

impl NativeActor for Quiet {
    async fn msg_handler(&mut self, _: Message, _: &mut NativeContext) -> NativeResult {
        Ok(())
    }
}

/// A play of this many actors, each of which has handled a message.
async fn play(count: usize) -> Kernel {
    let address = |n| Address::parse(&format!("/actor-{n:04}")).expect("good");
    let actors = (0..count).map(|n| ActorSpec::new(address(n), NativeLauncher::new(|| Quiet))).collect();
    let kernel = Kernel::start(&Plan { actors, ..Plan::default() }).expect("sound");
    kernel.wait_booted().await;
    for n in 0..count {
        kernel.tell(&address(n), b"work", Duration::from_mins(1)).await.expect("taken");
    }
    kernel.wait_idle().await;
    kernel
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("built");
    runtime.block_on(async {
        let source = Source::default();
        source.play_started(play(1000).await, Arc::new(Sampler::new(Instant::now())), HostFacts::default);
        let mut times = Vec::new();
        for _ in 0..50 {
            let began = Instant::now();
            let text = source.scrape(Format::Prometheus).await.expect("a play");
            times.push((began.elapsed(), text.len()));
        }
        times.sort_unstable();
        let (median, bytes) = times[times.len() / 2];
        println!("scrape of 1000 actors: {median:?} (median of 50), {bytes} bytes of text; the goal is 10 ms");
        let (kernel, began) = (play(10_000).await, Instant::now());
        let sampler = Sampler::new(began);
        let mut times = Vec::new();
        for second in 1..=50 {
            let began_sample = Instant::now();
            sampler.sample(&kernel, began + Duration::from_secs(second));
            times.push(began_sample.elapsed());
        }
        times.sort_unstable();
        println!("sample of 10000 actors, taken once a second: {:?} (median of 50)", times[times.len() / 2]);
    });
}
