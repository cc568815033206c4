//! The examples of the ways in and out, each as its README says.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

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

/// A port that is free now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
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
fn readmes_of_examples_name_existing_files() {
    for name in ["web", "cron", "queue"] {
        let folder = root().join("plugins").join(name);
        let files = ["README.md", "playhouse.toml", "src/lib.rs"];
        assert!(files.iter().all(|file| Path::exists(&folder.join(file))), "{name}");
    }
}
