//! Sources whose receivers are durable: hosts that are killed between the disk and the acknowledgement, and that handle each message
//! once nonetheless. The brokers are real.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use playhouse_tests::servers::{Nats, Redis, SlowNetwork, nats, redis, wait_for};
use tempfile::TempDir;

use crate::harness::{Host, folder};

/// Messages of a life. Each is one payment of 1.
const EACH: u64 = 30;
/// The time that an acknowledgement is on its way: far longer than it takes to see that its message was handled.
const DELAY: Duration = Duration::from_millis(400);

/// A play with the till, on a store that outlives it.
fn start(home: &TempDir, source: &str) -> Host {
    let store = home.path().join("store").display().to_string();
    let till = "[[actor]]\naddress = \"/till\"\nplugin = \"till\"\nmailbox = { kind = \"durable\" }\nstate = {}\n";
    let source = format!("[[source]]\nname = \"pay\"\ntell = \"/till\"\n{source}");
    Host::start(folder(&format!("{till}[play.store]\npath = {store:?}\n{source}\n")), &[])
}

/// The sum and the number of the payments.
fn sum(host: &Host) -> (u64, u64) {
    serde_json::from_str(&host.ok(&["ask", "/till", "sum"])).unwrap()
}

/// The number of payments of 1.
fn payments(host: &Host) -> u64 {
    let (sum, payments) = sum(host);
    assert_eq!(sum, payments);
    payments
}

fn wait_payments(host: &Host, expected: u64) {
    wait_for("the payments", || (payments(host) >= expected).then_some(()));
    assert_eq!(payments(host), expected);
}

/// Lives that are killed when everything is handled, and no acknowledgement has arrived. `send`: sends payments. `open`: the messages that
/// the broker has.
fn live_and_die(network: &SlowNetwork, source: &str, mut send: impl FnMut(), mut open: impl FnMut() -> u64) {
    let home = tempfile::tempdir().unwrap();
    let mut hit = 0;
    for life in 1..=4 {
        let mut host = start(&home, source);
        host.actor_when("/gate/pay", |gate| gate["status"].as_str().is_some_and(|line| line.contains("connected")));
        wait_payments(&host, (life - 1) * EACH);
        network.set_delay(DELAY);
        send();
        wait_payments(&host, life * EACH);
        host.die();
        // The broker learns at once that the host is gone: else it gives messages of the next life to the last one's pull.
        network.cut();
        network.set_delay(Duration::ZERO);
        hit += u64::from(open() > 0);
    }
    assert!(hit >= 2, "the acknowledgements were faster than the kills: {hit} of 4");
    let host = start(&home, source);
    wait_for("all acknowledgements", || (open() == 0).then_some(()));
    send();
    wait_payments(&host, 5 * EACH);
    wait_for("all acknowledgements", || (open() == 0).then_some(()));
    assert_eq!(payments(&host), 5 * EACH);
}

#[test]
fn redis_stream_into_a_durable_actor_is_handled_once() {
    let server = redis(&[]);
    let network = SlowNetwork::to(server.port(), Duration::ZERO);
    let (mut sender, mut reader) = (Redis::connect(server.port()), Redis::connect(server.port()));
    let source = format!(
        "kind = \"redis\"\nurl = \"redis://127.0.0.1:{}\"\nstream = \"pay\"\nconsumer = \"one\"",
        network.port()
    );
    let send = || (0..EACH).for_each(|_| drop(sender.ask(&["XADD", "pay", "*", "body", "1"])));
    live_and_die(&network, &source, send, || reader.ask(&["XLEN", "pay"]).number());
    assert_eq!(reader.ask(&["XPENDING", "pay", "playhouse"]).list()[0].number(), 0);
}

#[test]
fn jetstream_into_a_durable_actor_is_handled_once() {
    let server = nats(&[]);
    let network = SlowNetwork::to(server.port(), Duration::ZERO);
    let (mut sender, mut reader) = (Nats::connect(server.port()), Nats::connect(server.port()));
    sender.make_stream("PAY", "pay");
    // So short that messages come again while their acknowledgements are on their way.
    sender.make_consumer("PAY", "playhouse", ",\"ack_wait\":300000000");
    let source = format!("kind = \"nats\"\nurl = \"nats://127.0.0.1:{}\"\nstream = \"PAY\"", network.port());
    let send = || (0..EACH).for_each(|_| drop(sender.ask("pay", "1")));
    live_and_die(&network, &source, send, || {
        let mut number = |key| reader.consumer_number("PAY", "playhouse", key);
        number("num_ack_pending") + number("num_pending")
    });
}

fn append(path: &Path, text: &str) {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).unwrap();
}

#[test]
fn lines_of_a_file_are_handled_once_over_kills_and_rotation() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("pay.log");
    append(&log, "1000\n10");
    let source = format!("kind = \"file\"\npath = {:?}", log.display().to_string());
    let mut host = start(&home, &source);
    host.actor_when("/gate/pay", |gate| gate["status"] == "file: connected");
    append(&log, "\n");
    wait_for("the line that had no end", || (sum(&host) == (10, 1)).then_some(()));
    let mut expected = 10;
    for life in 0..4 {
        for amount in [1, 2, 3] {
            append(&log, &format!("{amount}\n"));
        }
        // Some are handled, others are in the mailbox, in the source or in the file alone.
        wait_for("a line of this life", || (sum(&host).0 > expected).then_some(()));
        host.die();
        append(&log, "7\n");
        expected += 6 + 7;
        if life % 2 == 1 {
            std::fs::rename(&log, home.path().join(format!("pay.log.{life}"))).unwrap();
            append(&log, "100\n");
            expected += 100;
        }
        host = start(&home, &source);
    }
    wait_for("all lines", || (sum(&host) == (expected, 19)).then_some(()));
    host.die();
    // A host that starts again reads nothing twice.
    let host = start(&home, &source);
    append(&log, "5\n");
    wait_for("one line more", || (sum(&host) == (expected + 5, 20)).then_some(()));
}
