//! Requests under keys: `playhouse tell --key` and `Idempotency-Key`, over hosts that are killed.

use std::io::{Read, Write};
use std::net::TcpStream;

use tempfile::TempDir;

use crate::harness::{Host, folder};

/// The till on a store that outlives it, and a server in front of it.
fn start(home: &TempDir, mailbox: &str) -> (Host, String) {
    let store = home.path().join("store").display().to_string();
    let manifest = format!(
        "[play.store]\npath = {store:?}\n[[actor]]\naddress = \"/till\"\nplugin = \"till\"\nmailbox = {{ {mailbox} }}\n\
         [[http]]\nlisten = \"127.0.0.1:0\"\n\
         [[http.route]]\npath = \"/pay\"\nask = \"/till\"\n[[http.route]]\npath = \"/later/:who\"\ntell = \"/till\"\n"
    );
    let state = if mailbox.contains("durable") { "plugin = \"till\"\nstate = {}" } else { "plugin = \"count\"" };
    let mut host = Host::spawn(folder(&manifest.replace("plugin = \"till\"", state)), &[]);
    let line = host.wait_for("takes requests at ");
    let (_, at) = line.split_once("takes requests at ").unwrap();
    let at = at.split_whitespace().next().unwrap().to_owned();
    host.wait_for(" is up: ");
    (host, at)
}

/// Status, message id and body of the response.
fn post(at: &str, path: &str, key: &str, body: &str) -> (u32, String, String) {
    let mut stream = TcpStream::connect(at).unwrap();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: till\r\nConnection: close\r\nIdempotency-Key: {key}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let id = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("x-playhouse-message: ").map(str::to_owned));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), id.unwrap_or_default(), body.to_owned())
}

fn sum(host: &Host) -> String {
    host.ok(&["ask", "/till", "sum"]).trim().to_owned()
}

#[test]
fn repeated_request_is_the_first_one_over_a_kill() {
    let home = tempfile::tempdir().unwrap();
    let (mut host, at) = start(&home, "kind = \"durable\"");
    assert_eq!((post(&at, "/pay", "k1", "40").0, post(&at, "/pay", "k2", "2").2.as_str()), (200, "42"));
    assert_eq!(post(&at, "/pay", "k1", "40").2, "40", "the answer of then");
    let (status, id, _) = post(&at, "/later/a", "k1", "5");
    assert_eq!((status, id.len()), (202, 32));
    assert_eq!(post(&at, "/later/a", "k1", "5"), (202, id.clone(), format!("{id}\n")));
    host.die();
    let (host, at) = start(&home, "kind = \"durable\"");
    assert_eq!(post(&at, "/pay", "k1", "40").2, "40");
    assert_eq!(post(&at, "/later/a", "k1", "5").1, id);
    for (path, key, body) in [("/pay", "k1", "41"), ("/later/b", "k1", "5"), ("/later/a?x", "k1", "5")] {
        let (status, _, said) = post(&at, path, key, body);
        assert_eq!((status, said.trim()), (422, "key-reused"), "{path} {body}");
    }
    assert_eq!(post(&at, "/pay", "", "1").0, 400);
    // A request that was rejected leaves its key free.
    assert_eq!(post(&at, "/pay", "k3", "a lot").0, 422);
    assert_eq!(post(&at, "/pay", "k3", "3").2, "50");
    assert_eq!(sum(&host), "[50,4]");
}

#[test]
fn tell_with_a_key_is_sent_once() {
    let home = tempfile::tempdir().unwrap();
    let (mut host, _) = start(&home, "kind = \"durable\"");
    for _ in 0..2 {
        host.ok(&["tell", "/till", "40", "--key", "k"]);
    }
    host.die();
    let (host, _) = start(&home, "kind = \"durable\"");
    host.ok(&["tell", "/till", "40", "--key", "k"]);
    host.ok(&["tell", "/till", "2", "--key", "other"]);
    let refused = host.run(&["tell", "/till", "41", "--key", "k"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("the key `k` belongs to another request"), "{said}");
    assert_eq!(sum(&host), "[42,2]");
}

#[test]
fn actor_in_memory_takes_no_keys() {
    let home = tempfile::tempdir().unwrap();
    let (host, at) = start(&home, "capacity = 9");
    let refused = host.run(&["tell", "/till", "40", "--key", "k"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("a key needs a durable mailbox"), "{said}");
    // Of HTTP, the key is only passed on.
    for _ in 0..2 {
        assert_eq!(post(&at, "/later/a", "k1", "5").0, 202);
    }
    host.actor_when("/till", |till| till["handled"] == 2);
}
