//! HTTP gateways of the real binary, before real components.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use playhouse_tests::{built, cargo};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::{Host, actors, command, folder};

/// Far longer than any step of a test takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// A folder with the actor `/a`, which follows the steps in its messages, and a server with one route for it.
fn server(listen: &str, route: &str) -> TempDir {
    cargo(&["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "puppet"]);
    let folder = folder("");
    std::fs::create_dir(folder.path().join("plugins")).expect("our own folder");
    let puppet = built().join("../wasm32-wasip2/guest/puppet.wasm");
    std::fs::copy(puppet, folder.path().join("plugins/puppet.wasm")).expect("built");
    let actor = actors(&[("/a", "puppet")]);
    let route = format!("[[http.route]]\npath = \"/do/:name\"\nask = \"/a\"\n{route}");
    let manifest = format!("{actor}[[http]]\nlisten = \"{listen}\"\n{route}");
    std::fs::write(folder.path().join("playhouse.toml"), manifest).expect("our own folder");
    folder
}

/// A host that serves, and the address of its server.
fn serve(folder: TempDir) -> (Host, String) {
    let mut host = Host::spawn(folder, &[]);
    let line = host.wait_for("takes requests at ");
    let (_, at) = line.split_once("takes requests at ").expect("an address");
    let at = at.split_whitespace().next().expect("an address").to_owned();
    host.wait_for(" is up: ");
    (host, at)
}

/// The answer to a request on a connection of its own.
fn ask(at: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(at).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let length = body.len();
    let request = format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn request_is_a_message_and_the_reply_is_the_response() {
    let (host, at) = serve(server("127.0.0.1:0", ""));
    let answer = ask(&at, "POST /do/it", "answer made");
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nmade"), "{answer}");
    assert!(answer.contains("x-playhouse-message: "), "{answer}");
    let refused = ask(&at, "POST /do/it", "reject secret");
    assert!(refused.starts_with("HTTP/1.1 422 ") && refused.ends_with("\r\n\r\nrejected\n"), "{refused}");
    assert!(ask(&at, "POST /do/it", "trap").starts_with("HTTP/1.1 500 "), "a crash");
    assert!(ask(&at, "GET /do/it", "").contains("\r\nallow: POST\r\n"));
    assert!(ask(&at, "POST /", "").starts_with("HTTP/1.1 404 "));
    let gate = host.actor("/gate/http");
    assert_eq!(gate["status"], format!("listens at {at}"));
    host.signal(Signal::INT);
    let ended = host.end();
    assert!(ended.status.success(), "{}", ended.stderr);
}

#[test]
fn port_that_is_taken_is_a_fault_of_the_manifest() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = taken.local_addr().expect("bound");
    let folder = server(&at.to_string(), "");
    let run = command(folder.path()).arg("run").output().expect("it runs");
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot listen at") && said.contains("choose another port"), "{said}");
    let check = command(folder.path()).arg("check").output().expect("it runs");
    assert_eq!(check.status.code(), Some(0), "the play itself may have it: {}", String::from_utf8_lossy(&check.stderr));
}
