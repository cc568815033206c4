//! JetStream of NATS.

use std::sync::Arc;
use std::time::Duration;

use playhouse_gateway::SecretUrl;
use playhouse_gateway::nats::{self as broker, NatsSink, NatsSource};
use playhouse_gateway::sink::Outlet;
use playhouse_gateway::source::Supply;
use playhouse_kernel::{Address, Metadata};

use crate::servers::{Nats, SlowNetwork, nats};
use crate::stage::{Builder, addr, numbers, wait_for};

fn url(port: u16) -> SecretUrl {
    SecretUrl::new(format!("nats://127.0.0.1:{port}"))
}

fn settings() -> NatsSource {
    NatsSource { stream: "ORDERS".into(), consumer: "playhouse".into(), create: None, meta: None }
}

fn orders(port: u16) -> impl FnOnce(Address) -> Arc<dyn Supply> {
    move |_| broker::supply(url(port), settings())
}

fn out(port: u16) -> Arc<dyn Outlet> {
    broker::outlet(url(port), NatsSink { subject: "orders".into() })
}

/// A client, of a server that has the stream and the consumer.
fn prepared(port: u16, more: &str) -> Nats {
    let mut client = Nats::connect(port);
    client.make_stream("ORDERS", "orders");
    client.make_consumer("ORDERS", "playhouse", more);
    client
}

fn publish(client: &mut Nats, body: &str) {
    let answer = client.ask("orders", body);
    assert!(answer.contains("\"seq\""), "{answer}");
}

fn publish_all<T: AsRef<str>>(client: &mut Nats, bodies: &[T]) {
    for body in bodies {
        publish(client, body.as_ref());
    }
}

async fn wait_ended(client: &mut Nats) {
    wait_for("the end of all messages", || {
        let mut number = |key| client.consumer_number("ORDERS", "playhouse", key);
        (number("num_pending") == 0 && number("num_ack_pending") == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_handled_in_order_and_acknowledged() {
    let server = nats(&[]);
    let mut client = prepared(server.port(), "");
    publish_all(&mut client, &numbers(500));
    let stage = Builder::default().source(64, orders(server.port())).start().await;
    stage.wait_seen(500).await;
    publish_all(&mut client, &numbers(500));
    let seen = stage.wait_seen(1000).await;
    assert_eq!(seen, [numbers(500), numbers(500)].concat());
    wait_ended(&mut client).await;
    assert_eq!(stage.status("/gate/orders", "connected").await, "nats: connected");
    assert_eq!(stage.handler.pairs.lock().get("subject").map(String::as_str), Some("orders"));
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_becomes_a_letter_and_is_acknowledged() {
    let server = nats(&[]);
    let mut client = prepared(server.port(), ",\"max_deliver\":2");
    publish_all(&mut client, &["panic", "a", "fail", "b"]);
    let stage = Builder::default().source(64, orders(server.port())).start().await;
    wait_ended(&mut client).await;
    let mut letters = stage.letters();
    letters.sort();
    assert_eq!(letters, ["crashed panic", "failed fail"]);
    // The consumer's limit is lower than the actor's.
    assert_eq!(stage.seen().iter().filter(|body| *body == "fail").count(), 2);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_broker_loses_nothing() {
    let mut server = nats(&[]);
    let mut client = prepared(server.port(), ",\"ack_wait\":2000000000");
    publish_all(&mut client, &numbers(2000));
    let stage = Builder::default().source(32, orders(server.port())).start().await;
    stage.wait_seen(100).await;
    server.restart();
    wait_for("all messages", || {
        let mut seen = stage.seen();
        seen.sort();
        seen.dedup();
        (seen.len() == 2000).then_some(())
    })
    .await;
    wait_ended(&mut Nats::connect(server.port())).await;
    assert!(stage.status("/gate/orders", "connection lost").await.contains("connected"));
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_password_is_shown_without_the_password() {
    let server = nats(&["--user", "me", "--pass", "right"]);
    let url = SecretUrl::new(format!("nats://me:wrong-s3cret@127.0.0.1:{}", server.port()));
    let supply = move |_| broker::supply(url, settings());
    let stage = Builder::default().source(64, supply).start().await;
    let line = stage.status("/gate/orders", "not connected").await;
    assert_eq!(line, "nats: not connected: the user or the password is wrong, or missing in the url");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_stream_and_consumer_are_shown() {
    let server = nats(&[]);
    let mut client = Nats::connect(server.port());
    let stage = Builder::default().source(64, orders(server.port())).start().await;
    stage.status("/gate/orders", "there is no stream `ORDERS`: create it, or add create = true").await;
    client.make_stream("ORDERS", "orders");
    stage.status("/gate/orders", "the stream `ORDERS` has no pull consumer `playhouse`").await;
    client.make_consumer("ORDERS", "playhouse", "");
    publish(&mut client, "a");
    stage.wait_seen(1).await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_and_consumer_are_created_on_request() {
    let server = nats(&[]);
    let supply =
        |_| broker::supply(url(server.port()), NatsSource { create: Some(vec!["orders".into()]), ..settings() });
    let stage = Builder::default().source(64, supply).sink(3, out(server.port())).start().await;
    stage.status("/gate/orders", "nats: connected").await;
    let metadata = Metadata::collect([("tenant", "a b")]).unwrap();
    let sent = stage.kernel.tell_with(&addr("/out"), &metadata, b"x", Duration::from_mins(1)).await;
    assert!(sent.is_ok());
    stage.wait_seen(1).await;
    assert_eq!(stage.handler.pairs.lock().get("tenant").map(String::as_str), Some("a b"));
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_network_delays_and_a_cut_repeats() {
    let server = nats(&[]);
    let network = SlowNetwork::to(server.port(), Duration::from_millis(20));
    let mut client = prepared(server.port(), ",\"ack_wait\":2000000000");
    publish_all(&mut client, &numbers(300));
    let stage = Builder::default().source(64, orders(network.port())).start().await;
    stage.wait_seen(100).await;
    network.cut();
    wait_ended(&mut client).await;
    let mut seen = stage.seen();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 300);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_kept_alive_and_only_what_fits_is_taken() {
    let server = nats(&[]);
    let mut client = prepared(server.port(), ",\"ack_wait\":400000000");
    publish(&mut client, "wait");
    publish_all(&mut client, &numbers(100));
    let builder = Builder::default().with(|receiver| {
        receiver.mailbox.capacity = 8;
        receiver.batch = 1;
    });
    let stage = builder.source(64, orders(server.port())).start().await;
    stage.wait_seen(1).await;
    tokio::time::sleep(Duration::from_millis(1600)).await;
    let taken = client.consumer_number("ORDERS", "playhouse", "num_ack_pending");
    assert!((8..=9).contains(&taken), "{taken}");
    stage.handler.may_go_on.add_permits(1);
    wait_ended(&mut client).await;
    assert_eq!(stage.seen().len(), 101, "nothing was delivered twice");
    assert_eq!(client.consumer_number("ORDERS", "playhouse", "num_redelivered"), 0);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_gives_back_and_another_host_goes_on_at_once() {
    let server = nats(&[]);
    let mut client = prepared(server.port(), "");
    publish_all(&mut client, &["wait", "a", "b"]);
    let builder = Builder::default().stop_within(Duration::from_millis(400)).with(|receiver| receiver.batch = 1);
    let first = builder.source(64, orders(server.port())).start().await;
    first.wait_seen(1).await;
    let stopping = tokio::spawn(async move {
        first.stop().await;
        first
    });
    // The consumer's own time would be 30 s.
    let second = Builder::default().source(64, orders(server.port())).start().await;
    second.handler.may_go_on.add_permits(1);
    second.wait_seen(3).await;
    wait_ended(&mut client).await;
    second.stop().await;
    stopping.await.unwrap().handler.may_go_on.add_permits(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sink_publishes_in_order_with_ids_and_counts_repetitions() {
    let server = nats(&[]);
    let mut client = prepared(server.port(), "");
    let network = SlowNetwork::to(server.port(), Duration::from_millis(5));
    let stage = Builder::default().sink(3, out(network.port())).source(64, orders(server.port())).start().await;
    for body in numbers(300) {
        stage.tell("/out", &body).await;
    }
    stage.wait_seen(50).await;
    // Answers that are lost on the way back make repetitions, which the stream recognises.
    network.cut();
    let seen = stage.wait_seen(300).await;
    assert_eq!(seen, numbers(300));
    assert_eq!(client.messages("ORDERS"), 300);
    wait_for("all answers", || (stage.counts("/out").done.get() == 300).then_some(())).await;
    assert_eq!(stage.letters(), Vec::<String>::new());
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subject_without_a_stream_makes_letters() {
    let server = nats(&[]);
    let stage = Builder::default().sink(2, out(server.port())).start().await;
    stage.tell("/out", "x").await;
    wait_for("the letter", || Some(stage.letters()).filter(|letters| *letters == ["failed x"])).await;
    stage.status("/out", "no stream has the subject `orders`").await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sink_waits_for_a_broker_that_is_gone() {
    let mut server = nats(&[]);
    let mut client = prepared(server.port(), "");
    let stage = Builder::default().sink(20, out(server.port())).start().await;
    stage.tell("/out", "0").await;
    stage.status("/out", "connected").await;
    server.kill();
    for body in &numbers(50)[1..] {
        stage.tell("/out", body).await;
    }
    stage.status("/out", "not connected").await;
    drop(client);
    server.restart();
    client = Nats::connect(server.port());
    wait_for("all messages", || (client.messages("ORDERS") >= 50).then_some(())).await;
    assert_eq!(stage.letters(), Vec::<String>::new());
    stage.stop().await;
}
