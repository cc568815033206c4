//! Hosts that share the work of a queue, and mailboxes in Redis. The brokers are real.

use std::collections::BTreeSet;

use playhouse_tests::servers::{Nats, Redis, free_port, nats, redis, wait_for};
use playhouse_tests::{built, cargo};
use tempfile::TempDir;

use crate::harness::{Host, actors, command};

/// A folder with this manifest, whose actors are the puppet of `tests/guests/puppet`.
fn folder(actors: &str) -> TempDir {
    cargo(&["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "puppet"]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    let puppet = built().join("../wasm32-wasip2/guest/puppet.wasm");
    std::fs::copy(puppet, folder.path().join("plugins/puppet.wasm")).expect("built");
    std::fs::write(folder.path().join("playhouse.toml"), format!("[play]\nname = \"test\"\n{actors}")).unwrap();
    folder
}

/// Number of messages of a test with three hosts.
const MESSAGES: usize = 2000;

/// An actor that asks the sink with each message, so that a handled message has left the host.
fn asking(queue: &str) -> String {
    let orders =
        "[[actor]]\naddress = \"/orders\"\nplugin = \"puppet\"\nsends_to = [\"/log\", \"/out/done\"]\nbatch = 1\n";
    format!("{}{orders}{queue}", actors(&[("/log", "puppet")]))
}

fn started(manifest: &str) -> Host {
    Host::start(folder(manifest), &[])
}

/// Starts three hosts, sends them work, kills one of them in the midst, and returns when all messages are done. The hosts that are left
/// are returned: they may still have to acknowledge the last ones.
fn share(
    manifest: &str,
    send: impl FnOnce() + Send + 'static,
    mut done: impl FnMut() -> BTreeSet<String>,
) -> Vec<Host> {
    let mut hosts: Vec<_> = (0..3).map(|_| started(manifest)).collect();
    let sender = std::thread::spawn(send);
    let handled = |host: &Host| host.actor("/orders")["handled"].as_u64().expect("a number");
    wait_for("work for the first host", || (handled(&hosts[0]) >= 20).then_some(()));
    hosts[0].die();
    let all: BTreeSet<_> = (0..MESSAGES).map(|n| format!("m{n}")).collect();
    wait_for("all work", || (done() == all).then_some(()));
    sender.join().expect("all is sent");
    assert!(hosts[1..].iter().any(|host| handled(host) > 0));
    hosts.split_off(1)
}

#[test]
fn redis_hosts_lose_nothing_when_one_is_killed() {
    let server = redis(&[]);
    let mut client = Redis::connect(server.port());
    let url = format!("redis://127.0.0.1:{}", server.port());
    let queue = format!(
        "[[source]]\nname = \"orders\"\nkind = \"redis\"\nurl = \"{url}\"\nstream = \"orders\"\ntell = \"/orders\"\n\
         in_flight = 8\nclaim_after = \"1s\"\n\
         [[sink]]\naddress = \"/out/done\"\nkind = \"redis\"\nurl = \"{url}\"\nstream = \"done\"\n"
    );
    let (mut sender, mut reader) = (Redis::connect(server.port()), Redis::connect(server.port()));
    let send = move || {
        for n in 0..MESSAGES {
            sender.ask(&["XADD", "orders", "*", "body", &format!("ask /out/done m{n}")]);
        }
    };
    let _hosts = share(&asking(&queue), send, || {
        let all = reader.ask(&["XRANGE", "done", "-", "+"]);
        all.list().iter().map(|entry| entry.list()[1].list()[1].text().to_owned()).collect()
    });
    wait_for("an empty stream", || (client.ask(&["XLEN", "orders"]).number() == 0).then_some(()));
    assert_eq!(client.ask(&["XPENDING", "orders", "playhouse"]).list()[0].number(), 0);
}

#[test]
fn nats_hosts_lose_nothing_when_one_is_killed() {
    let server = nats(&[]);
    let mut client = Nats::connect(server.port());
    client.make_stream("ORDERS", "orders");
    client.make_stream("DONE", "done");
    client.make_consumer("ORDERS", "playhouse", ",\"ack_wait\":1000000000");
    let url = format!("nats://127.0.0.1:{}", server.port());
    let queue = format!(
        "[[source]]\nname = \"orders\"\nkind = \"nats\"\nurl = \"{url}\"\nstream = \"ORDERS\"\ntell = \"/orders\"\n\
         in_flight = 8\n\
         [[sink]]\naddress = \"/out/done\"\nkind = \"nats\"\nurl = \"{url}\"\nsubject = \"done\"\n"
    );
    let (mut sender, mut reader) = (Nats::connect(server.port()), Nats::connect(server.port()));
    let send = move || {
        for n in 0..MESSAGES {
            sender.ask("orders", &format!("ask /out/done m{n}"));
        }
    };
    let mut seen = BTreeSet::new();
    let mut read = 0;
    let _hosts = share(&asking(&queue), send, || {
        while read < reader.messages("DONE") {
            read += 1;
            seen.insert(reader.body("DONE", read));
        }
        seen.clone()
    });
    let mut number = |key| client.consumer_number("ORDERS", "playhouse", key);
    wait_for("the last acknowledgement", || {
        (number("num_pending") == 0 && number("num_ack_pending") == 0).then_some(())
    });
}

#[test]
fn redis_mailbox_outlives_its_host_and_is_shared() {
    let server = redis(&[]);
    let url = format!("redis://127.0.0.1:{}", server.port());
    let manifest = format!(
        "{}[[actor]]\naddress = \"/orders\"\nplugin = \"puppet\"\nsends_to = [\"/log\"]\n\
         [actor.mailbox]\nkind = \"redis\"\nurl = \"{url}\"\nclaim_after = \"1s\"\n\
         [[actor]]\naddress = \"/shop\"\nplugin = \"puppet\"\nsends_to = [\"/orders\"]\n",
        actors(&[("/log", "puppet")])
    );
    let mut client = Redis::connect(server.port());
    let mut first = started(&manifest);
    first.ok(&["stop", "/orders"]);
    // One from an actor, one from outside. The host takes both, and cannot handle them.
    first.ok(&["tell", "/shop", "tell /orders print from-shop"]);
    first.ok(&["tell", "/orders", "print from-outside"]);
    wait_for("both in the stream", || (client.ask(&["XLEN", "playhouse:test/orders"]).number() == 2).then_some(()));
    first.die();
    let mut second = started(&manifest);
    second.wait_for("from-shop");
    second.wait_for("from-outside");
    // An ask has no way back through a stream: it comes directly.
    assert_eq!(second.ok(&["ask", "/orders", "reply yes"]).trim(), "yes");
    wait_for("an empty stream", || (client.ask(&["XLEN", "playhouse:test/orders"]).number() == 0).then_some(()));
}

#[test]
fn play_ends_without_a_required_broker() {
    let password = "hunter2-s3cret";
    let queue = format!(
        "[[source]]\nname = \"orders\"\nkind = \"redis\"\nurl = \"redis://:{password}@127.0.0.1:{}\"\n\
         stream = \"orders\"\ntell = \"/log\"\nrequired = true\n",
        free_port()
    );
    let folder = folder(&format!("{}{queue}", actors(&[("/log", "puppet")])));
    let output = command(folder.path()).arg("run").output().expect("the binary was built");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("`/gate/orders` is required, and has no connection to redis"), "{said}");
    assert!(!said.contains(password), "{said}");
}

#[test]
fn tree_shows_a_broker_that_is_gone() {
    let queue = format!(
        "[[source]]\nname = \"orders\"\nkind = \"nats\"\nurl = \"nats://me:hunter2-s3cret@127.0.0.1:{}\"\n\
         stream = \"ORDERS\"\ntell = \"/log\"\n",
        free_port()
    );
    let host = started(&format!("{}{queue}", actors(&[("/log", "puppet")])));
    let line = wait_for("the state", || Some(host.ok(&["tree"])).filter(|tree| tree.contains("not connected")));
    assert!(line.contains("nats: not connected") && !line.contains("hunter2-s3cret"), "{line}");
}
