//! Many connections at a time, and very large bodies: the neighbour is answered.

use std::io::Write;
use std::time::Duration;

use playhouse_gateway::http::{HttpBounds, HttpRoute};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::play::*;

/// Lets this process have as many sockets as it may.
fn raise_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("no more than it may");
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbour_of_a_thousand_slow_clients_is_answered() {
    raise_limit();
    let play = play(HttpBounds::default(), vec![route("/a", "/a")]).await;
    let mut slow: Vec<_> = (0..1000).map(|_| play.connect()).collect();
    for client in &mut slow {
        client.send(b"POST /a HTTP/1.1\r\nHost: x\r\nX-");
    }
    play.until("all are accepted", |play| play.counts.connections() == 1000).await;
    for round in 0..3 {
        for client in &mut slow {
            client.send(b"y");
        }
        assert_eq!(play.post("/a", "x").await.status, 200, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connection_makes_space_for_a_new_one() {
    let play = play(HttpBounds { connections: 3, ..HttpBounds::default() }, vec![route("/a", "/a")]).await;
    let mut idle: Vec<_> = (0..2).map(|_| play.connect()).collect();
    for client in &mut idle {
        client.send(post("/a", "x").as_bytes());
    }
    let mut idle = blocking(move || {
        for client in &mut idle {
            assert_eq!(client.response().status, 200);
        }
        idle
    })
    .await;
    let mut busy = play.connect();
    busy.send(post("/a", "wait y").as_bytes());
    assert!(blocking(move || idle.remove(0).is_closed()).await, "the oldest idle one");
    play.seen.go.add_permits(1);
    assert_eq!(blocking(move || busy.response()).await.body, "y");
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_make_space_for_a_new_one() {
    let hour = Duration::from_hours(1);
    let bounds = HttpBounds { connections: 4, head_time: hour, ..HttpBounds::default() };
    let play = play(bounds, vec![route("/a", "/a")]).await;
    let mut silent: Vec<_> = (0..8).map(|_| play.connect()).collect();
    silent[7].send(b"POST /a HTTP/1.1\r\nHost: x\r\nX-");
    assert_eq!(play.post("/a", "x").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_make_space_for_a_new_one() {
    let hour = Duration::from_hours(1);
    let routes = vec![HttpRoute { timeout: hour, ..route("/a", "/a") }];
    let play = play(HttpBounds { connections: 4, ..HttpBounds::default() }, routes).await;
    let mut slow: Vec<_> = (0..8).map(|_| play.connect()).collect();
    for client in &mut slow {
        client.send(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx");
    }
    assert_eq!(play.post("/a", "x").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn client_has_its_share_of_the_connections() {
    let bounds = HttpBounds { connections_per_client: Some(2), ..HttpBounds::default() };
    let play = play(bounds, vec![route("/a", "/a")]).await;
    let mut first = play.connect();
    let mut second = play.connect();
    play.until("both are accepted", |play| play.counts.connections() == 2).await;
    let mut third = play.connect();
    blocking(move || {
        assert!(third.is_closed());
        assert_eq!(second.response_to(&post("/a", "x")).status, 200);
        assert_eq!(first.response_to(&post("/a", "x")).status, 200, "the first ones stay");
    })
    .await;
    assert_eq!(play.counts.connections_refused(), 1);
    play.until("both are closed", |play| play.counts.connections() == 0).await;
    assert_eq!(play.post("/a", "x").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn gigabyte_of_a_body_is_not_read() {
    const GIGABYTE: usize = 1 << 30;
    let play = play(HttpBounds::default(), vec![HttpRoute { body_bytes: 1 << 10, ..route("/a", "/a") }]).await;
    for head in [format!("Content-Length: {GIGABYTE}"), "Transfer-Encoding: chunked".to_owned()] {
        let mut client = play.connect();
        let sent = blocking(move || {
            client.send(format!("POST /a HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n").as_bytes());
            let mut chunk = b"100000\r\n".to_vec();
            chunk.resize(1 << 20, b'x');
            let mut sent = 0;
            while sent < GIGABYTE && client.stream.write_all(&chunk).is_ok() {
                sent += chunk.len();
            }
            sent
        });
        assert!(sent.await < GIGABYTE, "the connection ends long before");
        assert_eq!(play.post("/a", "x").await.status, 200);
    }
    assert_eq!(play.counts.responses().find(|(_, status, _)| *status == 413).map(|(.., count)| count), Some(2));
    play.until("all are closed", |play| play.counts.connections() == 0).await;
}
