//! The examples of the ways in and out, each as its README says.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use playhouse_tests::servers::{Nats, Redis, Reply, free_port, nats, redis, wait_for};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::*;

/// A folder with the manifest of an example, whose HTTP port is replaced by a free one, and the command of its README.
fn example(name: &str) -> (TempDir, String) {
    let folder = root().join("plugins").join(name);
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let command = format!("playhouse run plugins/{name}/playhouse.toml\n```");
    assert!(readme.contains(&command), "the README of {name} has the command that runs it");
    let manifest = std::fs::read_to_string(folder.join("playhouse.toml")).unwrap();
    let port = manifest.lines().find_map(|line| line.strip_prefix("listen = \"127.0.0.1:")?.strip_suffix('"'));
    let free = free_port().to_string();
    let manifest = port.map_or(manifest.clone(), |port| manifest.replace(port, &free));
    let copy = tempfile::tempdir().unwrap();
    let plugins = format!("plugins = \"{}\"", root().join("plugins").display());
    std::fs::write(copy.path().join("playhouse.toml"), manifest.replace("plugins = \"..\"", &plugins)).unwrap();
    (copy, format!("127.0.0.1:{free}"))
}

/// The status line and the body of a response.
fn request(address: &str, line: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(stream, "{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").expect("a whole response");
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

#[test]
fn web_example_serves_its_api_and_its_page() {
    let (folder, address) = example("web");
    let _host = Host::start(folder, &[]);
    let note = r#"{"id":1,"text":"buy tea"}"#;
    let added = request(&address, "POST /notes", r#"{"text": "buy tea"}"#);
    assert_eq!(added, ("HTTP/1.1 201 Created".into(), note.into()));
    assert_eq!(request(&address, "GET /notes/1", "").1, note);
    assert_eq!(request(&address, "GET /notes/2", "").0, "HTTP/1.1 404 Not Found");
    assert_eq!(request(&address, "POST /notes", "tea").0, "HTTP/1.1 422 Unprocessable Entity");

    let browser = Browser::start();
    let mut page = browser.open(&format!("http://{address}/"));
    page.wait_until("document.querySelector('#notes li').firstChild.data === 'buy tea'");
    page.evaluate("document.getElementById('text').value = 'call ann'; document.getElementById('add').requestSubmit()");
    page.wait_until("document.querySelectorAll('#notes li').length === 2");
    page.evaluate("document.querySelector('#notes button').click()");
    page.wait_until("document.querySelectorAll('#notes li').length === 1");
    assert_eq!(request(&address, "GET /notes", "").1, r#"[{"id":2,"text":"call ann"}]"#);
}

#[test]
fn chat_example_connects_browsers() {
    let (folder, address) = example("chat");
    let host = Host::start(folder, &[]);
    let browser = Browser::start();
    let say = |line: &str| {
        format!("document.getElementById('line').value = '{line}'; document.getElementById('send').requestSubmit()")
    };
    let hears = |line: &str| format!("document.getElementById('lines').innerText.includes('{line}')");
    let visitors = ["ann", "bob"].map(|name| {
        let mut page = browser.open(&format!("http://{address}/"));
        page.wait_until("document.body.dataset.state === 'open'");
        page.evaluate(&say(name));
        page.wait_until(&hears(&format!("{name} came")));
        page
    });
    let [mut ann, mut bob] = visitors;
    bob.evaluate(&say("hello"));
    ann.wait_until(&hears("bob: hello"));
    bob.close();
    ann.wait_until(&hears("bob left"));
    host.signal(rustix::process::Signal::TERM);
    ann.wait_until(&hears("closed: 1001"));
    let ended = host.end();
    assert!(ended.status.success(), "{}", ended.stderr);
}

#[test]
fn cron_example_reports() {
    let (folder, _) = example("cron");
    let host = Host::start(folder, &[]);
    host.actor_when("/report", |actor| actor["handled"].as_u64() >= Some(1));
    host.signal(rustix::process::Signal::TERM);
    let ended = host.end();
    assert!(ended.stdout.contains("report 1: often, due 20"), "{}", ended.stdout);
    assert!(ended.stdout.contains(": a short report"), "{}", ended.stdout);
}

#[test]
fn queue_example_makes_bills_of_orders() {
    let (folder, _) = example("queue");
    let (orders, bills) = (nats(&[]), redis(&[]));
    let urls = [
        ("NATS_URL", format!("nats://127.0.0.1:{}", orders.port())),
        ("REDIS_URL", format!("redis://127.0.0.1:{}/0", bills.port())),
    ];
    let urls = urls.each_ref().map(|(name, url)| (*name, url.as_str()));
    let host = Host::start_with(folder, &[], &urls);
    let (mut orders, mut bills) = (Nats::connect(orders.port()), Redis::connect(bills.port()));
    // The source makes the stream, so that an order may come before it.
    let order = r#"{"item": "tea", "quantity": 2, "price": 150}"#;
    wait_for("the stream of orders", || orders.ask("ORDERS", order).contains("\"seq\"").then_some(()));
    orders.ask("ORDERS", "no order");
    orders.ask("ORDERS", r#"{"item": "bread", "quantity": 1, "price": 100}"#);
    wait_for("the bills", || (bills.ask(&["XLEN", "bills"]).number() >= 2).then_some(()));
    let entries = bills.ask(&["XRANGE", "bills", "-", "+"]);
    let bodies: Vec<&str> = entries.list().iter().map(|entry| body_of(entry.list()[1].list())).collect();
    assert_eq!(bodies, [r#"{"item":"tea","total":357}"#, r#"{"item":"bread","total":119}"#]);
    let letters: serde_json::Value = serde_json::from_str(&host.ok(&["dead-letters", "list", "--json"])).unwrap();
    assert_eq!(letters["letters"].as_array().map(Vec::len), Some(1), "{letters}");
}

/// The value of the field `body` among the fields and values of an entry.
fn body_of(fields: &[Reply]) -> &str {
    fields.chunks(2).find(|pair| pair[0].text() == "body").expect("a body")[1].text()
}

#[test]
fn till_example_adds_up_and_is_corrected_by_an_operator() {
    let (folder, _) = example("till");
    let host = Host::start(folder, &[]);
    host.ok(&["tell", "/till", "250"]);
    host.ok(&["tell", "/till", "--", "-50"]);
    assert_eq!(host.ok(&["ask", "/till", "sum"]), "[200,2]");
    host.ok(&["stop", "/till"]);
    host.ok(&["state", "set", "/till", "sum", "1000"]);
    host.ok(&["start", "/till"]);
    assert_eq!(host.ok(&["ask", "/till", "sum"]), "[1000,2]");
    let exported = host.ok(&["state", "export", "/till"]);
    assert_eq!(exported, "{\"key\":\"payments\",\"text\":\"2\"}\n{\"key\":\"sum\",\"text\":\"1000\"}\n");
}

#[test]
fn readmes_of_examples_name_existing_files() {
    for name in ["web", "chat", "cron", "queue", "till"] {
        let folder = root().join("plugins").join(name);
        let files = ["README.md", "playhouse.toml", "src/lib.rs"];
        assert!(files.iter().all(|file| Path::exists(&folder.join(file))), "{name}");
    }
}
