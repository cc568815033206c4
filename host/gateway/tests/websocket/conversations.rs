//! Connections from their beginning to their end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use playhouse_gateway::websocket::WebSocketSettings;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::stage::*;

#[tokio::test(start_paused = true)]
async fn message_goes_to_the_handler_and_back() {
    let stage = Stage::new(settings()).await;
    let mut client = stage.client().await;
    assert_eq!(client.ask("hello").await, "hello");
    assert_eq!(client.ask("who").await, "/gate/web/1 /gate/web/1/handler");
    assert_eq!(client.ask("kind").await, "text");
    client.0.send(Frame::binary("kind")).await.unwrap();
    assert_eq!(client.next().await, "bytes 6", "the client's last message was no text");
    assert_eq!(client.ask("as binary x").await, "bytes 1");
    assert_eq!(client.ask("as text x").await, "x");
    client.0.send(Frame::binary(vec![0xff])).await.unwrap();
    assert_eq!(client.next().await, "bytes 1");
}

#[tokio::test(start_paused = true)]
async fn close_by_the_client_stops_the_handler_in_order() {
    let stage = Stage::new(settings()).await;
    let mut client = stage.client().await;
    client.send("last words").await;
    client.0.close(None).await.unwrap();
    assert_eq!(client.next().await, "close 0");
    stage.wait_open(0).await;
    assert_eq!(*stage.journal.lock(), ["last words", "shutdown of /gate/web/1/handler"]);
    // A client that is gone without a word is the same.
    let mut client = stage.client().await;
    client.ask("hello").await;
    drop(client);
    stage.wait_open(0).await;
    assert!(stage.journal.lock().contains(&"shutdown of /gate/web/2/handler".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn clients_chat_by_messages_to_all_connections() {
    let stage = Stage::new(settings()).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = stage.client().await;
        client.ask("ready").await;
        clients.push(client);
    }
    clients[0].send("all hello").await;
    for client in &mut clients {
        assert_eq!(client.next().await, "hello");
    }
}

#[tokio::test(start_paused = true)]
async fn crash_of_a_handler_ends_its_connection_alone() {
    let stage = Stage::new(settings()).await;
    let (mut one, mut other) = (stage.client().await, stage.client().await);
    other.ask("hello").await;
    assert_eq!(one.ask("panic").await, "close 1011");
    stage.wait_open(1).await;
    assert_eq!(other.ask("still there").await, "still there");
}

/// A socket whose next read panics.
struct Fragile;

impl AsyncRead for Fragile {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        panic!("as told")
    }
}

impl AsyncWrite for Fragile {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn panic_in_a_connection_ends_it_alone() {
    let stage = Stage::new(settings()).await;
    let mut other = stage.client().await;
    other.ask("hello").await;
    stage.connect(Fragile).await;
    while !stage.journal.lock().contains(&"shutdown of /gate/web/2/handler".to_owned()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stage.wait_open(1).await;
    assert_eq!(other.ask("still there").await, "still there");
    assert_eq!(stage.client().await.ask("who").await, "/gate/web/3 /gate/web/3/handler");
}

#[tokio::test(start_paused = true)]
async fn handler_that_does_not_start_ends_its_connection() {
    let stage = Stage::new(settings()).await;
    let mut other = stage.client().await;
    other.ask("hello").await;
    stage.journal.lock().push("no more starts".to_owned());
    assert_eq!(stage.client().await.next().await, "close 1013");
    stage.wait_open(1).await;
    assert_eq!(other.ask("still there").await, "still there");
}

#[tokio::test(start_paused = true)]
async fn connections_beyond_the_bound_are_refused() {
    let stage = Stage::new(WebSocketSettings { connections: 2, ..settings() }).await;
    let (mut one, _two) = (stage.client().await, stage.client().await);
    assert!(stage.is_full());
    one.0.close(None).await.unwrap();
    while one.0.next().await.is_some() {}
    stage.wait_open(1).await;
    assert!(!stage.is_full());
}

#[tokio::test(start_paused = true)]
async fn client_that_reads_too_slowly_is_told_to_come_later() {
    let stage = Stage::new(settings()).await;
    let (mut slow, mut other) = (stage.client().await, stage.client().await);
    slow.send("flood 100").await;
    slow.send("flood 100").await;
    assert_eq!(other.ask("hello").await, "hello");
    let mut last = String::new();
    loop {
        let next = slow.next().await;
        if !next.starts_with('x') {
            last = next;
            break;
        }
        last.clear();
    }
    assert_eq!(last, "close 1013");
    stage.wait_open(1).await;
    assert_eq!(other.ask("hello").await, "hello");
    assert_eq!(stage.kernel.dead_letters().len(), 0, "what the client did not get is counted, and no letters");
}

#[tokio::test(start_paused = true)]
async fn client_without_a_sign_of_life_is_closed() {
    let stage = Stage::new(WebSocketSettings { ping: Duration::from_secs(1), ..settings() }).await;
    let (mut quick, silent) = (stage.client().await, stage.client().await);
    quick.ask("hello").await;
    let answering = tokio::spawn(async move {
        // Reading answers pings.
        let ended = quick.next().await;
        (quick, ended)
    });
    stage.wait_open(1).await;
    drop(silent);
    assert!(!answering.is_finished());
    stage.kernel.shut_down();
    assert_eq!(answering.await.unwrap().1, "close 1001");
}

#[tokio::test(start_paused = true)]
async fn clients_that_do_not_close_are_waited_for_together() {
    let stage = Stage::new(WebSocketSettings { connections: 50, ..settings() }).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        let mut client = stage.client().await;
        client.ask("hello").await;
        silent.push(client);
    }
    let begun = Instant::now();
    stage.kernel.shut_down();
    stage.kernel.wait_stopped().await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(stage.open(), 0);
    for mut client in silent {
        assert_eq!(client.next().await, "close 1001");
    }
}

#[tokio::test(start_paused = true)]
async fn stop_of_the_play_ends_connections_after_their_handlers() {
    let stage = Stage::new(settings()).await;
    let mut clients = vec![stage.client().await, stage.client().await];
    for client in &mut clients {
        client.ask("hello").await;
        client.send("last words").await;
    }
    stage.kernel.shut_down();
    for client in &mut clients {
        let next = client.next().await;
        let next = if next == "last words" { client.next().await } else { next };
        assert_eq!(next, "close 1001");
    }
    stage.kernel.wait_stopped().await;
    assert_eq!(stage.open(), 0);
    assert_eq!(stage.journal.lock().iter().filter(|line| line.starts_with("shutdown")).count(), 2);
}
