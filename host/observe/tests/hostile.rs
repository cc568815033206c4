//! Clients of the HTTP server that do not behave: slow, silent, many, or with requests that are no requests.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use playhouse_kernel::{ActorSpec, Address, Kernel, NativeActor, NativeContext, NativeLauncher, NativeResult, Plan};
use playhouse_observe::{HostFacts, Hosts, MetricsServer, Sampler};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Clone)]
struct Quiet;

impl NativeActor for Quiet {
    async fn msg_handler(&mut self, _: playhouse_kernel::Message, ctx: &mut NativeContext) -> NativeResult {
        ctx.reply("here");
        Ok(())
    }
}

/// A server that shows a play of this many actors.
async fn server(actors: usize) -> (MetricsServer, Kernel) {
    let server = MetricsServer::start("127.0.0.1:0".parse().expect("an address"), Hosts::default()).expect("bound");
    let address = |n| Address::parse(&format!("/quiet-{n}")).expect("good");
    let actors = (0..actors).map(|n| ActorSpec::new(address(n), NativeLauncher::new(|| Quiet))).collect();
    let kernel = Kernel::start(&Plan { actors, ..Plan::default() }).expect("sound");
    kernel.wait_booted().await;
    server.source().play_started(
        kernel.clone(),
        std::sync::Arc::new(Sampler::new(std::time::Instant::now())),
        HostFacts::default,
    );
    (server, kernel)
}

/// A connection on which these bytes were sent.
async fn connection(at: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.expect("it listens");
    // A server that closes before it read all is not at fault.
    let _ = stream.write_all(bytes).await;
    stream
}

/// The bytes until the server closes the connection, in whatever way.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    said
}

async fn says(at: SocketAddr, request: &[u8]) -> String {
    String::from_utf8(rest(connection(at, request).await).await).expect("text")
}

async fn scrape(at: SocketAddr) -> String {
    says(at, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await
}

fn status(said: &str) -> &str {
    said.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn requests_with_other_names_of_the_host_are_refused() {
    let (server, _kernel) = server(1).await;
    let with = |host: &str| format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let given = [
        (with("localhost:9464"), "200"),
        (with("localhost."), "200"),
        (with("[::1]:9464"), "200"),
        (with("203.0.113.7"), "200"),
        (with("rebound.example:9464"), "421"),
        (with("127.0.0.1.rebound.example"), "421"),
        (with("2130706433"), "421"),
        (with("localhost\r\nHost: localhost"), "400"),
        (with("localhost\r\nHost: rebound.example"), "400"),
        ("GET /metrics HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("GET /metrics HTTP/1.0\r\n\r\n".to_owned(), "400"),
        ("GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n".to_owned(), "200"),
        ("GET http://localhost:1/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), "200"),
        ("GET http://rebound.example/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), "421"),
        ("GET http://localhost/metrics HTTP/1.1\r\nHost: rebound.example\r\n\r\n".to_owned(), "421"),
        ("GET http://rebound.example@localhost/metrics HTTP/1.0\r\n\r\n".to_owned(), "200"),
    ];
    for (request, wanted) in given {
        let said = says(server.address(), request.as_bytes()).await;
        assert_eq!(status(&said), wanted, "{request:?}: {said:.200}");
    }
}

#[tokio::test]
async fn other_methods_and_protocols_get_no_metrics() {
    let (server, _kernel) = server(1).await;
    let given: [(&[u8], &[&str]); 9] = [
        (b"TRACE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", &["405"]),
        (b"CONNECT localhost:9464 HTTP/1.1\r\nHost: localhost\r\n\r\n", &["405"]),
        (b"CONNECT rebound.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", &["421"]),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", &["405"]),
        (b"DELETE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", &["405"]),
        (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", &["405"]),
        // The preface of HTTP/2, the beginning of TLS, and no text: a refusal, or nothing.
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &["400", "505", ""]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", &["400", ""]),
        (b"GET /\xff\xfe\x1b[31m HTTP/1.1\r\nHost: \xff\r\n\r\n", &["400", "421"]),
    ];
    for (request, wanted) in given {
        let said = says(server.address(), request).await;
        let shown = String::from_utf8_lossy(request);
        assert!(wanted.contains(&status(&said)), "{shown}: {said:.200}");
        assert!(!said.contains("playhouse_") && !said.contains('\u{1b}'), "{shown}: {said:.200}");
    }
}

#[tokio::test]
async fn head_request_has_no_body() {
    let (server, _kernel) = server(1).await;
    let said = says(server.address(), b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("\r\n\r\n"), "{said}");
}

#[tokio::test]
async fn pipelined_requests_get_one_response() {
    let (server, _kernel) = server(1).await;
    let said = says(server.address(), &b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20)).await;
    assert_eq!(said.matches("HTTP/1.1 200 ").count(), 1, "{said}");
    assert!(said.contains("connection: close\r\n"), "{said}");
}

#[tokio::test]
async fn huge_heads_are_refused() {
    let (server, _kernel) = server(1).await;
    let fields = |count: usize, bytes: usize| {
        let field = |n| format!("X-{n}: {}\r\n", "x".repeat(bytes));
        format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{}\r\n", (0..count).map(field).collect::<String>())
    };
    let path = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(1 << 20));
    for head in [fields(1, 1 << 20), fields(1000, 1), fields(63, 1000), path] {
        let said = says(server.address(), head.as_bytes()).await;
        assert!(!said.contains("playhouse_"), "{said:.200}");
    }
    assert_eq!(status(&scrape(server.address()).await), "200");
}

#[tokio::test]
async fn bad_accept_headers_get_prometheus_text() {
    let (server, _kernel) = server(1).await;
    let accepts: [&[u8]; 9] = [
        b"",
        b";;;,,,=",
        b"application/openmetrics-text;q=NaN",
        b"application/openmetrics-text;q=-1",
        b"application/openmetrics-text;version=99.0.0",
        b"application/openmetrics-text;q=0",
        b"application/openmetrics-text-but-not-really",
        b"\xff\xfe",
        b"text/html, application/xhtml+xml;q=0.9, image/*;q=0.8",
    ];
    for accept in accepts {
        let request = [b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: ", accept, b"\r\n\r\n"].concat();
        let said = says(server.address(), &request).await;
        assert!(said.contains("content-type: text/plain; version=0.0.4"), "{accept:?}: {said:.200}");
    }
    let many = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: {}\r\n\r\n", "a/b,".repeat(1500));
    assert_eq!(status(&says(server.address(), many.as_bytes()).await), "200");
}

/// A thousand clients that send a head byte by byte, or none of it, of which a new scrape notices nothing.
#[tokio::test]
async fn thousand_silent_connections_do_not_delay_a_scrape() {
    let (server, kernel) = server(1).await;
    let mut silent = Vec::new();
    for n in 0..1000 {
        let begun: &[u8] = if n % 2 == 0 { b"" } else { b"GET /metrics HTTP/1.1\r\nHost: loc" };
        silent.push(connection(server.address(), begun).await);
        if n % 250 == 249 {
            assert_eq!(status(&scrape(server.address()).await), "200", "beside {n}");
        }
    }
    // One more byte of each keeps none of them open against a new one.
    for stream in &mut silent {
        let _ = stream.write_all(b"a").await;
    }
    assert_eq!(status(&scrape(server.address()).await), "200");
    let to = Address::parse("/quiet-0").expect("good");
    assert_eq!(kernel.ask(&to, b"", Duration::from_mins(1)).await.expect("a reply"), b"here");
}

#[tokio::test]
async fn head_that_comes_slowly_is_cut_off() {
    let (server, _kernel) = server(1).await;
    let began = Instant::now();
    let (mut read, mut write) = connection(server.address(), b"").await.into_split();
    let dripping = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        for byte in b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ".iter().chain(std::iter::repeat(&b'x')) {
            ticks.tick().await;
            if write.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    });
    let mut said = Vec::new();
    let _ = read.read_to_end(&mut said).await;
    dripping.abort();
    assert!(!String::from_utf8_lossy(&said).contains(" 200 "));
    assert!(began.elapsed() >= Duration::from_secs(4), "a head has five seconds: {:?}", began.elapsed());
}

/// Clients that ask for a text that is larger than the buffers of their connections, and do not take it.
#[tokio::test]
async fn clients_that_do_not_read_make_place_for_a_scrape() {
    let (server, _kernel) = server(20_000).await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        slow.push(connection(server.address(), b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await);
    }
    // A connection is closed while all others wait for their text to be made, which is soon over; their own time would be 15 s.
    let answered = async {
        loop {
            let said = scrape(server.address()).await;
            if !said.is_empty() {
                return said;
            }
        }
    };
    let said = tokio::time::timeout(Duration::from_secs(10), answered).await.expect("the slow ones make place");
    assert_eq!(status(&said), "200");
    assert!(said.len() > 4 << 20, "larger than the buffers: {}", said.len());
    assert!(
        said.contains("playhouse_open_resources") || said.contains("playhouse_failed_stops_total 0\n"),
        "all of it"
    );
}
