//! TLS, HTTP/2, and what hostile clients do with it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use playhouse_gateway::http::{HttpBounds, HttpRoute, HttpSettings, Tls, TlsKey, TlsSettings};
use playhouse_kernel::Secret;
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::play::*;

type Encrypted = StreamOwned<ClientConnection, TcpStream>;

/// Writes a new certificate for `localhost`, and its key.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("our own folder");
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).expect("our own folder");
    made.cert.der().clone()
}

fn files(folder: &Path) -> TlsSettings {
    TlsSettings { cert: folder.join("cert.pem"), key: TlsKey::File(folder.join("key.pem")) }
}

struct Server {
    play: Play,
    folder: TempDir,
    cert: CertificateDer<'static>,
}

async fn server(bounds: HttpBounds, routes: Vec<HttpRoute>) -> Server {
    let folder = tempfile::tempdir().expect("a folder");
    let cert = certify(folder.path());
    let tls = Tls::load(files(folder.path())).expect("good files");
    let play = serve(HttpSettings { bounds, ..settings(routes) }, Some(tls), |_| ()).await;
    Server { play, folder, cert }
}

/// A client that trusts `cert`, and speaks these protocols.
fn client(cert: &CertificateDer<'static>, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(cert.clone()).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions").with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

impl Server {
    /// Runs code with an encrypted connection, which speaks `protocol`.
    async fn with<T: Send + 'static>(
        &self,
        protocol: &'static str,
        code: impl FnOnce(Encrypted) -> T + Send + 'static,
    ) -> T {
        let (at, config) = (self.play.at, client(&self.cert, &[protocol]));
        blocking(move || {
            let stream = TcpStream::connect(at).expect("it listens");
            stream.set_read_timeout(Some(SOON)).expect("a socket");
            let name = ServerName::try_from("localhost").expect("a name");
            code(StreamOwned::new(ClientConnection::new(config, name).expect("a configuration"), stream))
        })
        .await
    }

    /// The answer to a request with HTTP/1.1, or the error of the handshake.
    async fn get(&self) -> String {
        self.with("http/1.1", |mut stream| {
            let request = "GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            if let Err(error) = stream.write_all(request.as_bytes()) {
                return error.to_string();
            }
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            answer
        })
        .await
    }
}

async fn simple() -> Server {
    server(HttpBounds::default(), vec![route("/a", "/a")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_request_is_answered() {
    let server = simple().await;
    assert!(server.get().await.starts_with("HTTP/1.1 200 OK"));
    let plain = server.play.connect();
    let closed = blocking(move || {
        let mut plain = plain;
        plain.send(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut answer = Vec::new();
        let _ = plain.stream.read_to_end(&mut answer);
        !answer.starts_with(b"HTTP")
    });
    assert!(closed.await, "no request without TLS");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_is_read_again_when_its_files_change() {
    let mut server = simple().await;
    assert!(server.get().await.starts_with("HTTP/1.1 200 OK"));
    std::fs::write(server.folder.path().join("cert.pem"), "no certificate").expect("our own folder");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(server.get().await.starts_with("HTTP/1.1 200 OK"), "a bad file changes nothing");
    server.cert = certify(server.folder.path());
    let end = std::time::Instant::now() + SOON;
    while !server.get().await.starts_with("HTTP/1.1 200 OK") {
        assert!(std::time::Instant::now() < end, "the new certificate is used");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn bad_files_are_told_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = Tls::load(files(folder.path())).expect_err("missing").to_string();
    assert!(missing.contains("cert.pem` cannot be read"), "{missing}");
    certify(folder.path());
    let key = std::fs::read_to_string(folder.path().join("key.pem")).expect("written");
    let with = |key: &str| Tls::load(TlsSettings { key: TlsKey::Secret(Secret::new(key)), ..files(folder.path()) });
    assert!(with(&key).is_ok());
    let error = with("hunter2").expect_err("no key");
    assert_eq!(error.to_string(), "the key is no private key in PEM");
    let other = tempfile::tempdir().expect("a folder");
    certify(other.path());
    let other = std::fs::read_to_string(other.path().join("key.pem")).expect("written");
    assert!(with(&other).expect_err("another key").to_string().contains("cannot be used"));
    std::fs::write(folder.path().join("cert.pem"), "").expect("our own folder");
    assert!(with(&key).expect_err("empty").to_string().contains("no certificate in PEM"));
}

// HTTP/2 by hand: RFC 9113.

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).expect("short").to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The headers of a request, each as a literal without indexing (RFC 7541, section 6.2.2).
fn headers(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pairs = [(":method", method), (":scheme", "https"), (":path", path), (":authority", "localhost")];
    let mut block = Vec::new();
    for (name, value) in pairs.iter().chain(more) {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("short"));
            block.extend(text.as_bytes());
        }
    }
    block
}

fn begin(stream: &mut Encrypted) {
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &[])].concat();
    // A server that has ended a slow connection is found out by the reads.
    let _ = stream.write_all(&preface);
}

/// The next frame: its kind, flags, stream and payload; `None` at the end.
fn next(stream: &mut Encrypted) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).ok()?;
    Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
}

/// The frames until the end of a stream, or of the connection.
fn until_end_of(stream: &mut Encrypted, number: u32) -> Vec<(u8, u32, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((kind, flags, of, payload)) = next(stream) {
        frames.push((kind, of, payload));
        if of == number && (kind == RST_STREAM || kind != SETTINGS && flags & END_STREAM != 0) {
            break;
        }
    }
    frames
}

fn body_of(frames: &[(u8, u32, Vec<u8>)], number: u32) -> String {
    let data = frames.iter().filter(|(kind, of, _)| (*kind, *of) == (DATA, number)).flat_map(|(.., payload)| payload);
    String::from_utf8(data.copied().collect()).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_http2_are_answered_side_by_side() {
    let server = server(HttpBounds::default(), vec![route("/a", "/a"), route("/b", "/a/b")]).await;
    let waiting = server.with("h2", |mut stream| {
        begin(&mut stream);
        for (number, path, body) in [(1, "/a", "wait one"), (3, "/b", "two")] {
            stream.write_all(&frame(HEADERS, END_HEADERS, number, &headers("POST", path, &[]))).expect("open");
            stream.write_all(&frame(DATA, END_STREAM, number, body.as_bytes())).expect("open");
        }
        let first = until_end_of(&mut stream, 3);
        (body_of(&first, 3), stream)
    });
    let (body, mut stream) = waiting.await;
    assert_eq!(body, "two!");
    server.play.seen.go.add_permits(1);
    let body = blocking(move || body_of(&until_end_of(&mut stream, 1), 1)).await;
    assert_eq!(body, "one");
}

/// The answer to a request with HTTP/2 for an unknown path, of which only the head was sent.
fn early_answer(stream: &mut Encrypted, number: u32) {
    stream.write_all(&frame(HEADERS, END_HEADERS, number, &headers("POST", "/none", &[]))).expect("open");
    loop {
        let (kind, flags, of, payload) = next(stream).expect("the answer");
        if (kind, of) == (DATA, number) {
            assert_eq!((payload.as_slice(), flags & END_STREAM), (&b"unknown-route\n"[..], 0));
            return;
        }
        assert!(kind != RST_STREAM && (of == 0 || flags & END_STREAM == 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn early_answer_of_http2_ends_with_the_request() {
    let server = simple().await;
    let ends = server.with("h2", |mut stream| {
        begin(&mut stream);
        early_answer(&mut stream, 1);
        for flags in [0, END_STREAM] {
            stream.write_all(&frame(DATA, flags, 1, &[0; 1000])).expect("open");
        }
        let whole = until_end_of(&mut stream, 1);
        early_answer(&mut stream, 3);
        let cut = until_end_of(&mut stream, 3);
        let reset = next(&mut stream);
        stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 5, &headers("POST", "/a", &[]))).expect("open");
        (whole, cut, reset, body_of(&until_end_of(&mut stream, 5), 5))
    });
    let (whole, cut, reset, next) = ends.await;
    assert_eq!(whole.last(), Some(&(DATA, 1, Vec::new())), "it ends as a whole");
    assert_eq!(cut.last(), Some(&(DATA, 3, Vec::new())), "also if the request does not end in time");
    assert_eq!(reset, Some((RST_STREAM, 0, 3, vec![0; 4])), "the rest is not wanted: NO_ERROR");
    assert_eq!(next, "!", "other requests of the connection are answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn head_of_http2_has_the_length_and_no_body() {
    let server = simple().await;
    let frames = server.with("h2", |mut stream| {
        begin(&mut stream);
        stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &headers("HEAD", "/a", &[]))).expect("open");
        until_end_of(&mut stream, 1)
    });
    let frames = frames.await;
    assert!(frames.iter().all(|(kind, of, _)| (*kind, *of) != (DATA, 1)), "{frames:?}");
    let (_, _, block) = frames.iter().find(|(kind, of, _)| (*kind, *of) == (HEADERS, 1)).expect("an answer");
    // `content-length` has the index 28 in the table of RFC 7541: as a literal with that name, added to the table or not.
    assert!(block.contains(&0x5c) || block.windows(2).any(|bytes| bytes == [0x0f, 28 - 15]), "{block:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rapid_reset_ends_the_connection_and_harms_no_neighbour() {
    let server = simple().await;
    let is_over = server.with("h2", |mut stream| {
        begin(&mut stream);
        let mut flood = Vec::new();
        for number in (1..20_001).step_by(2) {
            flood.extend(frame(HEADERS, END_HEADERS | END_STREAM, number, &headers("GET", "/a", &[])));
            flood.extend(frame(RST_STREAM, 0, number, &8_u32.to_be_bytes()));
        }
        let _ = stream.write_all(&flood);
        let mut is_told = false;
        while let Some((kind, ..)) = next(&mut stream) {
            is_told |= kind == GOAWAY;
        }
        is_told
    });
    assert!(is_over.await, "the connection ends with a GOAWAY");
    assert!(server.get().await.starts_with("HTTP/1.1 200 OK"));
    server.play.until("it is closed", |play| play.counts.connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn continuation_flood_ends_the_connection() {
    let server = simple().await;
    server
        .with("h2", |mut stream| {
            begin(&mut stream);
            let _ = stream.write_all(&frame(HEADERS, END_STREAM, 1, &headers("GET", "/a", &[])));
            let line = headers("GET", "/a", &[("x-much", &"y".repeat(100))]);
            let more = frame(CONTINUATION, 0, 1, &line[line.len() - 110..]);
            for _ in 0..100_000 {
                if stream.write_all(&more).is_err() {
                    break;
                }
            }
            while next(&mut stream).is_some() {}
        })
        .await;
    assert!(server.get().await.starts_with("HTTP/1.1 200 OK"));
    server.play.until("it is closed", |play| play.counts.connections() == 0).await;
    assert_eq!(server.play.lines().len(), 1, "no message of the flood");
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_that_is_reset_ends_the_wait() {
    let server = simple().await;
    let mut stream = server
        .with("h2", |mut stream| {
            begin(&mut stream);
            stream.write_all(&frame(HEADERS, END_HEADERS, 1, &headers("POST", "/a", &[]))).expect("open");
            stream.write_all(&frame(DATA, END_STREAM, 1, b"wait x")).expect("open");
            stream
        })
        .await;
    server.play.until("the turn runs", |play| play.lines().len() == 1).await;
    // Open to the end: else the second request would be one that nobody waits for.
    let _open = blocking(move || {
        stream.write_all(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes())).expect("open");
        stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &headers("HEAD", "/a", &[]))).expect("open");
        stream
    })
    .await;
    server.play.seen.go.add_permits(1);
    server.play.kernel.wait_idle().await;
    assert_eq!(server.play.kernel.dead_letters().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_client_of_http2_is_dropped() {
    let soon = Duration::from_millis(200);
    let bounds = HttpBounds { head_time: soon, idle: soon, ..HttpBounds::default() };
    let routes = vec![HttpRoute { timeout: soon, ..route("/a", "/a") }];
    let server = server(bounds, routes).await;
    for request in [None, Some("x"), Some("bytes 500000")] {
        server
            .with("h2", move |mut stream| {
                begin(&mut stream);
                if let Some(body) = request {
                    let head = frame(HEADERS, END_HEADERS, 1, &headers("POST", "/a", &[]));
                    let _ = stream.write_all(&[head, frame(DATA, END_STREAM, 1, body.as_bytes())].concat());
                }
                // Its window is never made larger, so that a large response stays where it is.
                while next(&mut stream).is_some() {}
            })
            .await;
        server.play.until("it is closed", |play| play.counts.connections() == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_ends_connections_of_http2_in_order() {
    let server = simple().await;
    let mut stream = server
        .with("h2", |mut stream| {
            begin(&mut stream);
            stream.write_all(&frame(HEADERS, END_HEADERS, 1, &headers("POST", "/a", &[]))).expect("open");
            stream.write_all(&frame(DATA, END_STREAM, 1, b"wait last")).expect("open");
            stream
        })
        .await;
    server.play.until("the turn runs", |play| play.lines().len() == 1).await;
    server.play.kernel.shut_down();
    let mut stream = blocking(move || {
        while next(&mut stream).expect("it is told before the end").0 != GOAWAY {}
        stream
    })
    .await;
    server.play.seen.go.add_permits(1);
    let body = blocking(move || body_of(&until_end_of(&mut stream, 1), 1)).await;
    assert_eq!(body, "last");
    server.play.kernel.wait_stopped().await;
}
