//! The memory of a storm of scrapes whose clients take no text. No other test is in this file, since the memory of a process is
//! counted as a whole.

use std::alloc::System;
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, Address, Kernel, Message, NativeActor, NativeContext, NativeLauncher, NativeResult, Plan,
};
use playhouse_observe::{Format, HostFacts, Hosts, MetricsServer, Sampler};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Texts that may be held at a time: eight, one that is written, and space for it to grow.
const MOST_TEXTS: usize = 10;

#[derive(Clone)]
struct Quiet;

impl NativeActor for Quiet {
    async fn msg_handler(&mut self, _: Message, ctx: &mut NativeContext) -> NativeResult {
        ctx.reply("here");
        Ok(())
    }
}

#[tokio::test]
async fn storm_of_scrapes_holds_few_texts_and_the_play_goes_on() {
    // The text is larger than the buffers of a connection.
    let address = |n| Address::parse(&format!("/quiet-{n}")).expect("good");
    let actors = (0..20_000).map(|n| ActorSpec::new(address(n), NativeLauncher::new(|| Quiet))).collect();
    let kernel = Kernel::start(&Plan { actors, ..Plan::default() }).expect("sound");
    kernel.wait_booted().await;
    let server = MetricsServer::start("127.0.0.1:0".parse().expect("an address"), Hosts::default()).expect("bound");
    server.source().play_started(
        kernel.clone(),
        std::sync::Arc::new(Sampler::new(std::time::Instant::now())),
        HostFacts::default,
    );
    let text_bytes = server.source().scrape(Format::Prometheus).await.expect("a play").len();
    let region = Region::new(ALLOCATOR);
    let mut clients = Vec::new();
    for _ in 0..30 {
        let mut client = TcpStream::connect(server.address()).await.expect("it listens");
        client.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("open");
        // The response has begun, so that the next client gets another text.
        client.read_exact(&mut [0; 1]).await.expect("a response");
        clients.push(client);
    }
    let change = region.change();
    let held = change.bytes_allocated - change.bytes_deallocated;
    assert!(held <= MOST_TEXTS * text_bytes, "{held} bytes are held for texts of {text_bytes}");
    assert_eq!(kernel.ask(&address(0), b"", Duration::from_mins(1)).await.expect("a reply"), b"here");
}
