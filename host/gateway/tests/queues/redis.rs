//! Streams of Redis.

use std::sync::Arc;
use std::time::Duration;

use playhouse_gateway::SecretUrl;
use playhouse_gateway::redis::{self as broker, From, RedisSink, RedisSource};
use playhouse_gateway::sink::Outlet;
use playhouse_gateway::source::Supply;
use playhouse_kernel::Address;

use crate::servers::{Redis, Reply, SlowNetwork, redis};
use crate::stage::{Builder, numbers, wait_for};

fn url(port: u16) -> SecretUrl {
    SecretUrl::new(format!("redis://127.0.0.1:{port}/0"))
}

pub fn settings() -> RedisSource {
    RedisSource {
        stream: "orders".into(),
        group: "playhouse".into(),
        consumer: "host-a".into(),
        from: From::Start,
        claim_after: Duration::from_mins(1),
        dead: None,
        meta: None,
    }
}

fn orders(port: u16) -> impl FnOnce(Address) -> Arc<dyn Supply> {
    move |address| broker::supply(url(port), settings(), address)
}

fn out(port: u16, capacity: u64) -> Arc<dyn Outlet> {
    broker::outlet(url(port), RedisSink { stream: "orders".into(), capacity })
}

fn add(redis: &mut Redis, body: &str) -> String {
    redis.ask(&["XADD", "orders", "*", "body", body]).text().to_owned()
}

fn add_all<T: AsRef<str>>(redis: &mut Redis, bodies: &[T]) {
    for body in bodies {
        add(redis, body.as_ref());
    }
}

/// The consumer, the idle time and the deliveries of each pending entry.
fn pending(redis: &mut Redis) -> Vec<(String, u64, u64)> {
    let all = redis.ask(&["XPENDING", "orders", "playhouse", "-", "+", "100000"]);
    let one = |entry: &Reply| (entry.list()[1].text().to_owned(), entry.list()[2].number(), entry.list()[3].number());
    all.list().iter().map(one).collect()
}

async fn wait_ended(redis: &mut Redis) {
    wait_for("the end of all entries", || (redis.ask(&["XLEN", "orders"]).number() == 0).then_some(())).await;
    assert_eq!(pending(redis), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_handled_in_order_and_ended() {
    let server = redis(&[]);
    let mut client = Redis::connect(server.port());
    add_all(&mut client, &numbers(500));
    let stage = Builder::default().source(64, orders(server.port())).start().await;
    stage.wait_seen(500).await;
    add_all(&mut client, &numbers(500));
    let seen = stage.wait_seen(1000).await;
    assert_eq!(seen, [numbers(500), numbers(500)].concat());
    wait_ended(&mut client).await;
    assert_eq!(stage.status("/gate/orders", "connected").await, "redis: connected");
    assert_eq!(stage.counts("/gate/orders").repeated.get(), 0);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_becomes_a_letter_and_a_dead_entry() {
    let server = redis(&[]);
    let mut client = Redis::connect(server.port());
    add_all(&mut client, &["panic", "a", "fail", "b"]);
    let supply =
        |address| broker::supply(url(server.port()), RedisSource { dead: Some("dead".into()), ..settings() }, address);
    let stage = Builder::default().source(64, supply).start().await;
    wait_ended(&mut client).await;
    let mut letters = stage.letters();
    letters.sort();
    assert_eq!(letters, ["crashed panic", "failed fail"]);
    assert_eq!(stage.seen().iter().filter(|body| *body == "fail").count(), 3);
    let dead = client.ask(&["XRANGE", "dead", "-", "+"]);
    assert_eq!(dead.list().len(), 2);
    assert!(format!("{dead:?}").contains("the receiver failed it at its last attempt: it fails"), "{dead:?}");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_broker_loses_nothing() {
    let mut server = redis(&[]);
    let mut client = Redis::connect(server.port());
    add_all(&mut client, &numbers(2000));
    let stage = Builder::default().source(32, orders(server.port())).start().await;
    stage.wait_seen(100).await;
    server.restart();
    stage.wait_seen(2000).await;
    let mut client = Redis::connect(server.port());
    wait_ended(&mut client).await;
    let mut seen = stage.seen();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 2000);
    assert!(stage.status("/gate/orders", "connection lost").await.contains("connected"));
    assert!(stage.counts("/gate/orders").disconnects.get() >= 1);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_password_is_shown_without_the_password() {
    let server = redis(&["--requirepass", "right"]);
    let url = SecretUrl::new(format!("redis://:wrong-s3cret@127.0.0.1:{}", server.port()));
    let supply = |address| broker::supply(url, settings(), address);
    let stage = Builder::default().source(64, supply).start().await;
    let line = stage.status("/gate/orders", "not connected").await;
    assert_eq!(line, "redis: not connected: the user or the password is wrong, or missing in the url");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_type_of_key_is_shown() {
    let server = redis(&[]);
    let mut client = Redis::connect(server.port());
    client.ask(&["SET", "orders", "a text"]);
    let stage = Builder::default().source(64, orders(server.port())).sink(2, out(server.port(), 10)).start().await;
    stage.status("/gate/orders", "not connected: the key `orders` is no stream: it has another type").await;
    stage.tell("/out", "x").await;
    wait_for("the letter", || Some(stage.letters()).filter(|letters| *letters == ["failed x"])).await;
    client.ask(&["DEL", "orders"]);
    stage.status("/gate/orders", "redis: connected").await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_network_delays_and_a_cut_repeats() {
    let server = redis(&[]);
    let network = SlowNetwork::to(server.port(), Duration::from_millis(20));
    let mut client = Redis::connect(server.port());
    add_all(&mut client, &numbers(300));
    let stage = Builder::default().source(64, orders(network.port())).start().await;
    stage.wait_seen(100).await;
    network.cut();
    stage.wait_seen(300).await;
    wait_ended(&mut client).await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn source_takes_only_what_fits() {
    let server = redis(&[]);
    let mut client = Redis::connect(server.port());
    add(&mut client, "wait");
    add_all(&mut client, &numbers(200));
    let builder = Builder::default().with(|receiver| {
        receiver.mailbox.capacity = 8;
        receiver.batch = 1;
    });
    let stage = builder.source(64, orders(server.port())).start().await;
    stage.wait_seen(1).await;
    wait_for("a full mailbox", || (pending(&mut client).len() >= 8).then_some(())).await;
    // One is handled, and eight wait.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(pending(&mut client).len() <= 9, "{:?}", pending(&mut client));
    stage.handler.may_go_on.add_permits(1);
    stage.wait_seen(201).await;
    wait_ended(&mut client).await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_gives_back_and_another_host_goes_on_at_once() {
    let server = redis(&[]);
    let mut client = Redis::connect(server.port());
    add_all(&mut client, &["wait", "a", "b"]);
    let builder = Builder::default().stop_within(Duration::from_millis(400)).with(|receiver| receiver.batch = 1);
    let first = builder.source(64, orders(server.port())).start().await;
    first.wait_seen(1).await;
    let stopping = tokio::spawn(async move {
        first.stop().await;
        first
    });
    wait_for("what is given back", || {
        let all = pending(&mut client);
        (all.len() == 3 && all.iter().all(|(_, idle, deliveries)| *idle > 60_000 && *deliveries == 0)).then_some(())
    })
    .await;
    let supply =
        |address| broker::supply(url(server.port()), RedisSource { consumer: "host-b".into(), ..settings() }, address);
    let second = Builder::default().source(64, supply).start().await;
    second.handler.may_go_on.add_permits(1);
    second.wait_seen(3).await;
    assert_eq!(second.seen(), ["wait", "a", "b"]);
    wait_ended(&mut client).await;
    second.stop().await;
    stopping.await.unwrap().handler.may_go_on.add_permits(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_a_silent_consumer_are_taken_over_with_their_count() {
    let server = redis(&[]);
    let mut client = Redis::connect(server.port());
    add_all(&mut client, &["fail", "gone", "mine"]);
    client.ask(&["XGROUP", "CREATE", "orders", "playhouse", "0"]);
    let taken = client.ask(&["XREADGROUP", "GROUP", "playhouse", "silent", "COUNT", "2", "STREAMS", "orders", ">"]);
    let gone = taken.list()[0].list()[1].list()[1].list()[0].text().to_owned();
    client.ask(&["XDEL", "orders", &gone]);
    // One that was this consumer's before it was killed.
    client.ask(&["XREADGROUP", "GROUP", "playhouse", "host-a", "COUNT", "1", "STREAMS", "orders", ">"]);
    let supply = |address| {
        broker::supply(
            url(server.port()),
            RedisSource { claim_after: Duration::from_millis(300), ..settings() },
            address,
        )
    };
    let stage = Builder::default().source(64, supply).start().await;
    wait_ended(&mut client).await;
    // The delivery to the silent consumer was an attempt.
    assert_eq!(stage.seen(), ["mine", "fail", "fail"]);
    assert_eq!(stage.letters(), ["failed fail"]);
    assert_eq!(stage.counts("/gate/orders").missing.get(), 1);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_kept_from_others() {
    let server = redis(&[]);
    let mut client = Redis::connect(server.port());
    add_all(&mut client, &["wait", "a"]);
    let claim_after = Duration::from_millis(300);
    let supply = |address| broker::supply(url(server.port()), RedisSource { claim_after, ..settings() }, address);
    let first = Builder::default().with(|receiver| receiver.batch = 1).source(64, supply).start().await;
    first.wait_seen(1).await;
    let other = |address| {
        broker::supply(
            url(server.port()),
            RedisSource { claim_after, consumer: "host-b".into(), ..settings() },
            address,
        )
    };
    let second = Builder::default().source(64, other).start().await;
    tokio::time::sleep(claim_after * 4).await;
    assert_eq!(second.seen(), Vec::<String>::new());
    assert!(pending(&mut client).iter().all(|(consumer, _, deliveries)| consumer == "host-a" && *deliveries == 1));
    first.handler.may_go_on.add_permits(1);
    wait_ended(&mut client).await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_entry_is_refused_once() {
    let server = redis(&[]);
    let mut client = Redis::connect(server.port());
    add(&mut client, &"x".repeat(2000));
    add(&mut client, "small");
    let builder = Builder::default().with(|receiver| receiver.limits.message_bytes = 1000);
    let supply =
        |address| broker::supply(url(server.port()), RedisSource { dead: Some("dead".into()), ..settings() }, address);
    let stage = builder.source(64, supply).start().await;
    wait_ended(&mut client).await;
    assert_eq!(stage.seen(), ["small"]);
    assert_eq!(stage.counts("/gate/orders").refused.get(), 1);
    assert_eq!(client.ask(&["XLEN", "dead"]).number(), 1);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sink_adds_in_order_and_a_source_reads_the_same_message() {
    let server = redis(&[]);
    let stage = Builder::default()
        .sink(3, broker::outlet(url(server.port()), RedisSink { stream: "billing".into(), capacity: 1000 }))
        .start()
        .await;
    for body in numbers(300) {
        stage.tell("/out", &body).await;
    }
    let mut client = Redis::connect(server.port());
    wait_for("300 entries", || (client.ask(&["XLEN", "billing"]).number() == 300).then_some(())).await;
    let all = client.ask(&["XRANGE", "billing", "-", "+"]);
    let fields = |entry: &Reply| entry.list()[1].list().iter().map(|text| text.text().to_owned()).collect::<Vec<_>>();
    let bodies: Vec<_> = all.list().iter().map(|entry| fields(entry)[1].clone()).collect();
    assert_eq!(bodies, numbers(300));
    let first = fields(&all.list()[0]);
    assert_eq!((first[0].as_str(), first[2].as_str(), first[3].len(), first[4].as_str()), ("body", "id", 32, "flow"));
    // The stream has them a moment before the sink knows.
    stage.kernel.wait_idle().await;
    assert_eq!(stage.counts("/out").done.get(), 300);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_stream_refuses_until_the_last_attempt() {
    let server = redis(&[]);
    let stage = Builder::default().sink(3, out(server.port(), 2)).start().await;
    for body in ["a", "b", "c", "d"] {
        stage.tell("/out", body).await;
    }
    wait_for("two letters", || (stage.letters().len() == 2).then_some(())).await;
    assert_eq!(stage.letters(), ["failed c", "failed d"]);
    assert_eq!(Redis::connect(server.port()).ask(&["XLEN", "orders"]).number(), 2);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sink_waits_for_a_broker_that_is_gone() {
    let mut server = redis(&[]);
    let stage = Builder::default().sink(1, out(server.port(), 1000)).start().await;
    stage.tell("/out", "0").await;
    stage.status("/out", "connected").await;
    server.kill();
    for body in &numbers(50)[1..] {
        stage.tell("/out", body).await;
    }
    stage.status("/out", "not connected").await;
    server.restart();
    let mut client = Redis::connect(server.port());
    // While it loads its data, the server answers with an error.
    let mut length = || client.ask(&["XLEN", "orders"]).text().parse::<u64>();
    wait_for("all entries", || length().is_ok_and(|length| length >= 50).then_some(())).await;
    assert_eq!(stage.letters(), Vec::<String>::new());
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn message_whose_answer_was_lost_is_in_the_stream_once() {
    let server = redis(&[]);
    let network = SlowNetwork::to(server.port(), Duration::ZERO);
    let stage = Builder::default().sink(1, out(network.port(), 1000)).start().await;
    stage.tell("/out", "0").await;
    stage.kernel.wait_idle().await;
    network.set_delay(Duration::from_millis(500));
    stage.tell("/out", "1").await;
    let mut client = Redis::connect(server.port());
    let mut length = || client.ask(&["XLEN", "orders"]).number();
    wait_for("the entry", || (length() == 2).then_some(())).await;
    network.cut();
    network.set_delay(Duration::ZERO);
    stage.tell("/out", "2").await;
    stage.kernel.wait_idle().await;
    assert_eq!(length(), 3, "no entry twice");
    let counts = stage.counts("/out");
    assert_eq!((counts.done.get(), counts.repeated.get(), counts.disconnects.get()), (3, 1, 1));
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replica_takes_nothing_and_is_no_lost_connection() {
    let server = redis(&[]);
    let mut client = Redis::connect(server.port());
    client.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    let stage = Builder::default().sink(1, out(server.port(), 1000)).start().await;
    stage.tell("/out", "x").await;
    stage.status("/out", "not connected: the server is a replica").await;
    client.ask(&["REPLICAOF", "NO", "ONE"]);
    stage.kernel.wait_idle().await;
    let counts = stage.counts("/out");
    assert_eq!((counts.done.get(), counts.disconnects.get(), stage.letters().len()), (1, 0, 0));
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn play_stops_while_a_sink_waits_for_its_broker() {
    let mut server = redis(&[]);
    let stage = Builder::default().sink(1, out(server.port(), 1000)).start().await;
    server.kill();
    stage.tell("/out", "x").await;
    stage.status("/out", "not connected").await;
    stage.stop().await;
    assert_eq!(stage.letters(), ["stopped x"]);
}
