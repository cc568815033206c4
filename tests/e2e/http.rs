//! HTTP gateways of the real binary, before real components.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use playhouse_tests::{built, cargo};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

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
    let request =
        format!("{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
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
    let shown = String::from_utf8_lossy(&check.stdout);
    let route = shown.lines().find(|line| line.starts_with("/gate/http ")).unwrap_or_default();
    let columns: Vec<_> = route.split_whitespace().collect();
    assert_eq!(columns, ["/gate/http", &at.to_string(), "POST", "*", "/do/:name", "ask", "/a"], "{shown}");
    assert!(shown.contains("/gate/http -> /a"), "{shown}");
}

#[test]
fn public_edge_is_encrypted_and_needs_a_token() {
    let folder = server("127.0.0.1:0", "");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).expect("our own folder");
    std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).expect("our own folder");
    std::fs::write(folder.path().join("tokens"), "one-token\ntwo-token\n").expect("our own folder");
    let manifest = folder.path().join("playhouse.toml");
    let edge = "tls = { cert = \"cert.pem\", key = \"key.pem\" }\nauth = { bearer = \"TOKENS\" }\naccess_log = true\n";
    let text = std::fs::read_to_string(&manifest).expect("written").replacen(
        "[[http.route]]",
        &format!("{edge}[[http.route]]"),
        1,
    );
    std::fs::write(&manifest, format!("{text}\n[secrets]\nTOKENS = {{ file = \"tokens\" }}\n"))
        .expect("our own folder");
    let (mut host, at) = serve(folder);
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions").with_root_certificates(roots);
    let config = Arc::new(config.with_no_client_auth());
    let ask = |token: &str| {
        let socket = TcpStream::connect(&at).expect("it listens");
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = StreamOwned::new(ClientConnection::new(config.clone(), name).expect("good"), socket);
        let head = format!("POST /do/it HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n");
        stream.write_all(format!("{head}Content-Length: 10\r\n\r\nreply made").as_bytes()).expect("it reads");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    assert!(ask("two-token").ends_with("\r\n\r\nmade"));
    host.wait_for("POST /do/it: 200");
    assert!(ask("hunter2").starts_with("HTTP/1.1 401 "));
    host.wait_for("POST /do/it: 401");
    assert!(!host.said().iter().any(|line| line.contains("token") || line.contains("hunter2")), "no token is logged");
}

#[test]
fn drain_serves_for_its_delay_and_is_not_ready() {
    let folder = server("127.0.0.1:0", "");
    let manifest = folder.path().join("playhouse.toml");
    let text = std::fs::read_to_string(&manifest).expect("written");
    let play = "[play.drain]\ndelay = \"1h\"\n[play.metrics]\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(&manifest, format!("{text}\n{play}")).expect("our own folder");
    let mut host = Host::spawn(folder, &[]);
    let metrics = host.wait_for("metrics are at http://");
    let metrics = metrics.split_once("http://").and_then(|(_, rest)| rest.split_once('/')).expect("a url").0.to_owned();
    let line = host.wait_for("takes requests at ");
    let at = line
        .split_once("takes requests at ")
        .expect("an address")
        .1
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();
    host.wait_for(" is up: ");
    let ready = || ask(&metrics, "GET /readyz", "");
    assert!(ready().starts_with("HTTP/1.1 200 "));
    host.signal(Signal::TERM);
    host.wait_for("takes requests for 1h more");
    let not = ready();
    assert!(not.starts_with("HTTP/1.1 503 ") && not.contains("it stops soon"), "{not}");
    let answer = ask(&at, "POST /do/it", "reply late");
    assert!(answer.ends_with("\r\n\r\nlate") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
    host.signal(Signal::TERM);
    assert_eq!(host.end().status.code(), Some(130));
}

#[test]
fn check_shows_spawners_and_warns_of_loops_through_files() {
    let manifest = format!(
        "{}sends_to = [\"/out/log\"]\n\
         [[sink]]\naddress = \"/out/log\"\nkind = \"file\"\npath = \"a.log\"\n\
         [[source]]\nname = \"log\"\nkind = \"file\"\npath = \"a.log\"\ntell = \"/echo\"\n\
         [[http]]\nname = \"web\"\nlisten = \"127.0.0.1:0\"\n[[http.route]]\npath = \"/live\"\nwebsocket = \"echo\"\n\
         [[plugin]]\nname = \"echo\"\n",
        actors(&[("/echo", "echo")])
    );
    let checked = command(folder(&manifest).path()).arg("check").output().expect("it runs");
    let (shown, said) = (String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert!(checked.status.success(), "{said}");
    assert!(shown.lines().any(|line| line.starts_with("echo ") && line.contains(" /gate/web ")), "{shown}");
    let warning =
        "warning: /gate/log reads the file that /out/log writes, and its messages can lead there: what is read may be";
    assert!(said.contains(warning), "{said}");
}
