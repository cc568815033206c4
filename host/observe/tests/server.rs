//! The HTTP server, as clients see it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use playhouse_kernel::{ActorSpec, Address, Kernel, NativeActor, NativeContext, NativeLauncher, NativeResult, Plan};
use playhouse_observe::{HostFacts, Hosts, MetricsServer, Sampler};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Clone)]
struct Quiet;

impl NativeActor for Quiet {
    async fn msg_handler(&mut self, _: playhouse_kernel::Message, _: &mut NativeContext) -> NativeResult {
        Ok(())
    }
}

fn server() -> MetricsServer {
    MetricsServer::start("127.0.0.1:0".parse().expect("an address"), Hosts::default()).expect("bound")
}

fn sampler() -> Arc<Sampler> {
    Arc::new(Sampler::new(Instant::now()))
}

async fn kernel() -> Kernel {
    let quiet = ActorSpec::new(Address::parse("/quiet").expect("good"), NativeLauncher::new(|| Quiet));
    let kernel = Kernel::start(&Plan { actors: vec![quiet], ..Plan::default() }).expect("sound");
    kernel.wait_booted().await;
    kernel
}

/// The whole response to these bytes.
async fn says(at: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(at).await.expect("it listens");
    stream.write_all(request.as_bytes()).await.expect("open");
    let mut said = String::new();
    stream.read_to_string(&mut said).await.expect("text");
    said
}

async fn get(at: SocketAddr, path: &str) -> String {
    says(at, &format!("GET {path} HTTP/1.1\r\nHost: {at}\r\n\r\n")).await
}

#[tokio::test]
async fn health_answers_before_there_is_a_play() {
    let server = server();
    let health = get(server.address(), "/healthz").await;
    assert!(
        health.starts_with("HTTP/1.1 200 ") && health.ends_with("healthy: the plugins are being loaded\n"),
        "{health}"
    );
    let ready = get(server.address(), "/readyz").await;
    assert!(
        ready.starts_with("HTTP/1.1 503 ") && ready.ends_with("not ready: the plugins are being loaded\n"),
        "{ready}"
    );
    assert!(get(server.address(), "/metrics").await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn play_that_runs_is_healthy_ready_and_scraped() {
    let (server, kernel) = (server(), kernel().await);
    server.source().play_started(kernel.clone(), sampler(), HostFacts::default);
    assert!(get(server.address(), "/healthz").await.starts_with("HTTP/1.1 200 "));
    assert!(get(server.address(), "/readyz").await.ends_with("\r\n\r\nready\n"));
    let scrape = get(server.address(), "/metrics").await;
    assert!(scrape.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{scrape}");
    assert!(scrape.contains("playhouse_mailbox_messages{actor=\"/quiet\",plugin=\"native:Quiet\"} 0\n"), "{scrape}");
    kernel.set_memory_pressure(Some("too many".into()));
    assert!(get(server.address(), "/readyz").await.ends_with("not ready: memory is short: too many\n"));
    kernel.shut_down();
    kernel.wait_stopped().await;
    let ready = get(server.address(), "/readyz").await;
    assert!(ready.ends_with("not ready: it has stopped; memory is short: too many\n"), "{ready}");
    let health = get(server.address(), "/healthz").await;
    assert!(health.starts_with("HTTP/1.1 503 ") && health.ends_with("the play is over\n"), "{health}");
}

#[test]
fn kernel_that_is_stuck_is_not_healthy() {
    let server = server();
    let host = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("built");
    // The supervision runs on this runtime, which does nothing from here on.
    let kernel = host.block_on(kernel());
    server.source().play_started(kernel, sampler(), HostFacts::default);
    let client = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("built");
    let health = client.block_on(get(server.address(), "/healthz"));
    assert!(health.starts_with("HTTP/1.1 503 ") && health.ends_with("did not answer within 1 s\n"), "{health}");
    let scrape = client.block_on(get(server.address(), "/metrics"));
    assert!(scrape.contains("playhouse_kernel_answers 0\n"), "{scrape}");
}

#[tokio::test]
async fn openmetrics_is_sent_to_clients_that_accept_it() {
    let server = server();
    server.source().play_started(kernel().await, sampler(), HostFacts::default);
    let at = server.address();
    let accept = "Accept: application/openmetrics-text;version=1.0.0";
    let scrape = says(at, &format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{accept}\r\n\r\n")).await;
    assert!(scrape.contains("content-type: application/openmetrics-text; version=1.0.0"), "{scrape}");
    assert!(scrape.ends_with("# EOF\n"), "{scrape}");
}

#[tokio::test]
async fn foreign_host_and_other_methods_are_refused() {
    let server = server();
    let at = server.address();
    for (request, status) in [
        ("GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421"),
        ("GET /healthz HTTP/1.1\r\nHost: \r\n\r\n", "421"),
        ("GET /healthz HTTP/1.0\r\n\r\n", "400"),
        ("POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", "405"),
        ("GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "200"),
        ("\0\u{1b}[31m nonsense\r\n\r\n", "400"),
    ] {
        let said = says(at, request).await;
        let got = said.split(' ').nth(1);
        assert_eq!(got, Some(status), "{request:?}: {said}");
    }
    let long = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(32 << 10));
    let mut stream = TcpStream::connect(at).await.expect("it listens");
    let _ = stream.write_all(long.as_bytes()).await;
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test]
async fn silent_connections_do_not_keep_others_out() {
    let server = server();
    let mut silent = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(server.address()).await.expect("it listens");
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHo").await;
        silent.push(stream);
    }
    assert!(get(server.address(), "/healthz").await.starts_with("HTTP/1.1 200 "));
    // The oldest ones were closed for it.
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), silent[0].read_to_end(&mut rest)).await;
    assert!(closed.is_ok());
}

#[tokio::test]
async fn storm_of_scrapes_is_answered() {
    let server = server();
    server.source().play_started(kernel().await, sampler(), HostFacts::default);
    let at = server.address();
    let all = (0..50).map(|_| tokio::spawn(async move { get(at, "/metrics").await }));
    for scrape in all.collect::<Vec<_>>() {
        assert!(scrape.await.expect("no panic").starts_with("HTTP/1.1 200 "));
    }
}
