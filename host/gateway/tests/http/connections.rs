//! Connections: keep-alive, bodies of all kinds, limits, ends.

use std::net::Shutdown;
use std::time::Duration;

use playhouse_gateway::http::{HttpBounds, HttpRoute};
use playhouse_kernel::Secret;

use crate::play::*;

async fn simple() -> Play {
    play(HttpBounds::default(), vec![route("/a", "/a")]).await
}

/// Runs code with a client of the play.
async fn with<T: Send + 'static>(play: &Play, code: impl FnOnce(Client) -> T + Send + 'static) -> T {
    let client = play.connect();
    blocking(move || code(client)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order() {
    let play = simple().await;
    let bodies = with(&play, |mut client| {
        let requests: String = (0..20).map(|n| post("/a", &n.to_string())).collect();
        client.send(requests.as_bytes());
        (0..20).map(|_| client.response().body).collect::<Vec<_>>()
    });
    assert_eq!(bodies.await, (0..20).map(|n| format!("{n}!")).collect::<Vec<_>>());
    assert_eq!(play.counts.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunked_body_and_body_after_a_continue_arrive() {
    let play = simple().await;
    with(&play, |mut client| {
        let head = "POST /a HTTP/1.1\r\nHost: x\r\n";
        client.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").as_bytes());
        assert_eq!(client.response().body, "abcde!");
        client.send(format!("{head}Content-Length: 3\r\nExpect: 100-continue\r\n\r\n").as_bytes());
        assert_eq!(client.response().status, 100);
        client.send(b"abc");
        assert_eq!(client.response().body, "abc!");
        let both = "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
        client.send(format!("{head}{both}").as_bytes());
        assert_eq!(client.response().body, "x!", "the length has no meaning");
        assert!(client.is_closed(), "and what follows could be another request to someone else");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_has_the_length_and_no_body() {
    let play = simple().await;
    with(&play, |mut client| {
        client.send(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n");
        let response = client.response_without_body(true);
        assert_eq!((response.status, response.header("content-length")), (200, Some("1")));
        client.send(post("/a", "next").as_bytes());
        assert_eq!(client.response().body, "next!");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn request_cut_at_any_byte_harms_no_neighbour() {
    let play = simple().await;
    let request = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    with(&play, move |_| ()).await;
    for cut in 0..request.len() {
        with(&play, move |mut client| {
            client.send(&request.as_bytes()[..cut]);
            client.stream.shutdown(Shutdown::Write).expect("open");
            while !client.is_closed() {
                let _ = client.response();
            }
        })
        .await;
    }
    assert_eq!(play.lines().len(), 0, "no message of a request that was cut");
    assert_eq!(play.post("/a", "x").await.status, 200);
    play.until("all are closed", |play| play.counts.connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_and_too_large_heads_have_their_status() {
    let bounds = HttpBounds { head_bytes: HttpBounds::LEAST_HEAD, headers: 20, ..HttpBounds::default() };
    let play = play(bounds, vec![route("/a", "/a")]).await;
    let many: String = (0..21).map(|n| format!("a{n}: b\r\n")).collect();
    for (head, status) in [
        (format!("GET /a HTTP/1.1\r\nHost: x\r\nx: {}\r\n\r\n", "y".repeat(9000)), 431),
        (format!("GET /a HTTP/1.1\r\n{many}\r\n"), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "y".repeat(9000)), 431),
        ("GET /a HTTP/1.1\r\n\r\n".into(), 400),
        ("GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n".into(), 400),
        ("GET /a HTTP/1.1\r\nHost:\r\n\r\n".into(), 400),
        ("GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n".into(), 400),
        ("GET http://x/a HTTP/1.1\r\n\r\n".into(), 400),
        ("GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".into(), 400),
        ("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".into(), 400),
        ("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n".into(), 400),
        ("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n".into(), 400),
        ("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".into(), 501),
        ("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n".into(), 400),
        ("GET /% HTTP/1.1\r\nHost: x\r\n\r\n".into(), 400),
        ("GET / a HTTP/1.1\r\nHost: x\r\n\r\n".into(), 400),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".into(), 404),
    ] {
        assert_eq!(play.ask(&head).await.status, status, "{head:.80}");
    }
    // One after a good request, in one piece.
    with(&play, |mut client| {
        client.send(format!("{}GET / a HTTP/1.1\r\n\r\n", post("/a", "x")).as_bytes());
        assert_eq!((client.response().status, client.response().status), (200, 400));
    })
    .await;
    play.until("all are closed", |play| play.counts.connections() == 0).await;
    let counted: Vec<_> = play.counts.responses().collect();
    let of_route = [(Some(0), 200, 1), (Some(0), 400, 2), (Some(0), 501, 1)];
    assert_eq!(counted, [&of_route[..], &[(None, 400, 11), (None, 404, 1), (None, 431, 3)]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_sends_on_gets_an_early_answer() {
    let guarded = HttpRoute { bearer: Some(Secret::new("token")), ..route("/guarded", "/a") };
    let play = play(HttpBounds::default(), vec![HttpRoute { body_bytes: 10, ..route("/a", "/a") }, guarded]).await;
    let body = "x".repeat(4 << 20);
    for (method, path, status) in
        [("POST", "/none", 404), ("PUT", "/a", 405), ("POST", "/guarded", 401), ("POST", "/a", 413)]
    {
        let request = post(path, &body).replacen("POST", method, 1);
        let response = play.ask(&request).await;
        assert_eq!((response.status, response.header("connection")), (status, Some("close")), "{method} {path}");
    }
    with(&play, |mut client| {
        client.send(post("/none", "short").as_bytes());
        assert_eq!((client.response().status, client.response_to(&post("/a", "x")).status), (404, 200));
        client.send(b"POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
        let response = client.response();
        assert_eq!((response.status, response.header("connection")), (404, Some("close")), "without `100 Continue`");
        assert!(client.is_closed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn body_beyond_the_limit_is_refused_unread() {
    let play = play(HttpBounds::default(), vec![HttpRoute { body_bytes: 10, ..route("/a", "/a") }]).await;
    with(&play, |mut client| {
        client.send(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(client.response().status, 413, "before any of it");
        assert!(client.is_closed());
    })
    .await;
    with(&play, |mut client| {
        client.send(b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n");
        client.send(&vec![b'x'; 0x10000]);
        assert_eq!(client.response().status, 413);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_client_is_dropped_in_each_phase() {
    let soon = Duration::from_millis(100);
    let bounds = HttpBounds { head_time: soon, idle: soon, ..HttpBounds::default() };
    let play = play(bounds, vec![HttpRoute { timeout: soon, ..route("/a", "/a") }]).await;
    for begun in ["", "POST /a HTTP/1.1\r\nHost: x\r\n"] {
        with(&play, move |mut client| {
            client.send(begun.as_bytes());
            assert!(client.is_closed(), "{begun}");
        })
        .await;
    }
    with(&play, |mut client| {
        client.send(post("/a", "x").as_bytes());
        assert_eq!(client.response().status, 200);
        assert!(client.is_closed(), "idle");
    })
    .await;
    let response = play.ask("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab").await;
    assert_eq!((response.status, response.body.as_str()), (408, "body-timeout\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_reader_of_a_response_is_dropped() {
    let soon = Duration::from_millis(300);
    let big = 64 << 20;
    let play = play_with(HttpBounds::default(), vec![HttpRoute { timeout: soon, ..route("/a", "/a") }], |actor| {
        (actor.limits.message_bytes, actor.limits.max_effect_bytes) = (big, 2 * big);
    })
    .await;
    let mut client = play.connect();
    client.send(post("/a", &format!("bytes {big}")).as_bytes());
    play.until("it is dropped", |play| play.counts.accepted() == 1 && play.counts.connections() == 0).await;
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_goes_away_ends_the_wait_and_not_the_turn() {
    let play = simple().await;
    let mut client = play.connect();
    client.send(post("/a", "wait x").as_bytes());
    play.until("the turn runs", |play| play.lines().len() == 1).await;
    drop(client);
    play.until("the connection ends", |play| play.counts.connections() == 0).await;
    play.seen.go.add_permits(1);
    play.kernel.wait_idle().await;
    assert_eq!((play.kernel.handled(), play.kernel.dead_letters().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_ends_after_its_last_request() {
    let play = play(HttpBounds { requests: 2, ..HttpBounds::default() }, vec![route("/a", "/a")]).await;
    with(&play, |mut client| {
        client.send(post("/a", "x").as_bytes());
        assert_eq!(client.response().header("connection"), None);
        client.send(post("/a", "x").as_bytes());
        assert_eq!(client.response().header("connection"), Some("close"));
        assert!(client.is_closed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_beyond_the_limit_waits_for_another_to_end() {
    let play = play(HttpBounds { connections: 1, ..HttpBounds::default() }, vec![route("/a", "/a")]).await;
    let mut first = play.connect();
    first.send(post("/a", "wait x").as_bytes());
    play.until("the first is served", |play| play.lines().len() == 1).await;
    let mut second = play.connect();
    second.send(post("/a", "y").as_bytes());
    play.seen.go.add_permits(1);
    let first = blocking(move || {
        assert_eq!(first.response().body, "x");
        first
    })
    .await;
    drop(first);
    assert_eq!(blocking(move || second.response()).await.body, "y!");
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_serves_and_closes_and_stop_waits_for_requests() {
    let play = simple().await;
    let mut idle = play.connect();
    idle.send(post("/a", "x").as_bytes());
    let mut idle = blocking(move || {
        assert_eq!(idle.response().header("connection"), None);
        idle
    })
    .await;
    play.draining.send_replace(true);
    assert_eq!(play.post("/a", "x").await.header("connection"), Some("close"));
    let mut busy = play.connect();
    busy.send(post("/a", "wait last").as_bytes());
    play.until("the turn runs", |play| play.lines().len() == 3).await;
    play.kernel.shut_down();
    assert!(blocking(move || idle.is_closed()).await);
    let at = play.at;
    play.until("the port is closed", move |_| std::net::TcpStream::connect(at).is_err()).await;
    play.seen.go.add_permits(1);
    let response = blocking(move || busy.response()).await;
    assert_eq!((response.status, response.body.as_str()), (200, "last"));
    play.kernel.wait_stopped().await;
    assert_eq!(play.statuses.get(&address("/gate/http")).as_deref(), Some("is closed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_that_an_operator_starts_again_listens_again() {
    let play = simple().await;
    play.kernel.halt(&address("/gate/http")).await;
    play.until("it is stopped", |play| std::net::TcpStream::connect(play.at).is_err()).await;
    play.kernel.start_actor(&address("/gate/http")).await.expect("the port is free");
    assert_eq!(play.post("/a", "x").await.status, 200);
}
