//! Grants, from the manifest to the guest: the output and refusals of `check`, and the access of a running actor.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use expect_test::expect;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned, crypto};

use playhouse_tests::{built, cargo};

use crate::harness::{Host, command, folder};

/// The folder of components, with that of `tests/guests/reach` in it.
fn guests() -> PathBuf {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        cargo(&["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "reach"]);
        built().join("../wasm32-wasip2/guest")
    });
    BUILT.clone()
}

/// A folder with `data/file`, and a manifest whose only plugin is `reach`.
pub fn reaching(actors: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    std::fs::copy(guests().join("reach.wasm"), plugins.join("reach.wasm")).unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/file"), "inside").unwrap();
    std::fs::write(folder.path().join("playhouse.toml"), format!("[play]\nname = \"test\"\n{actors}")).unwrap();
    folder
}

/// Answers requests, one after another, for as long as the test lives.
fn serve(answer: impl Fn(std::net::TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(answer));
    address
}

/// Reads a request and answers it.
fn respond(mut stream: impl Read + Write) {
    let mut lines = BufReader::new(&mut stream).lines();
    if lines.by_ref().map_while(Result::ok).any(|line| line.is_empty()) {
        // A client that closed its connection gets no answer.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npage");
        let _ = stream.flush();
    }
}

#[test]
fn check_shows_imports_and_grants_of_each_actor() {
    let play = reaching(
        r#"
[[actor]]
address = "/log"
plugin = "reach"
grants = { hosts = ["http://127.0.0.1:9"] }
[[actor]]
address = "/a"
plugin = "reach"
sends_to = ["/log", "/a/**"]
spawns = ["reach"]
config = { top = 3 }
[actor.grants]
env = ["MODE=hidden", "NO_SUCH_VARIABLE_HERE"]
dirs = [{ host = "data", guest = "/data", mode = "read" }]
hosts = ["https://*.example.com"]
networks = ["10.1.0.0/16"]
[[plugin]]
name = "reach"
grants = { hosts = ["https://a.example.com", "http://else.org"], dirs = [{ host = "data", guest = "/d", mode = "write" }] }
"#,
    );
    let output = command(play.path()).arg("check").output().unwrap();
    let text = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes).replace(play.path().canonicalize().unwrap().to_str().unwrap(), "FOLDER")
    };
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let warnings: Vec<_> = stderr.lines().filter(|line| line.starts_with("warning")).collect();
    expect![[r#"
        stdout:
        ACTOR  IMPORTS                                                        GRANTS
        /log   kernel stdio clocks (environment) (filesystem) (sockets) http  hosts http://127.0.0.1:9
        /a     kernel stdio clocks environment filesystem (sockets) http      sends_to /log
                                                                              sends_to /a/**
                                                                              env MODE
                                                                              dirs /data = FOLDER/data (read)
                                                                              hosts https://*.example.com
                                                                              networks 10.1.0.0/16
                                                                              config top
        reach  kernel stdio clocks (environment) filesystem (sockets) http    dirs /d = FOLDER/data (write, grows by at most 1024.0 MiB)
                                                                              hosts https://a.example.com
                                                                              hosts http://else.org
        (…) is imported and not granted: it is there, and empty. No grant opens sockets.

        /a -> /log
        /a -> /a/**

        stderr:
        warning: /a is granted the variable NO_SUCH_VARIABLE_HERE, which this host does not have
        warning: reach spawned by /a gets less than its [[plugin]] grants, because /a does not have: dirs /d = FOLDER/data (write, grows by at most 1024.0 MiB), hosts http://else.org"#]].assert_eq(&format!(
        "stdout:\n{}\nstderr:\n{}",
        &stdout[stdout.find("ACTOR  IMPORTS").unwrap()..],
        warnings.join("\n")
    ));

    let output = command(play.path()).args(["check", "--json"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let actor = &json["actors"][1];
    assert_eq!(actor["grants"]["env"], serde_json::json!(["MODE"]));
    assert_eq!(actor["grants"]["dirs"][0]["mode"], "read");
    assert_eq!(actor["grants"]["hosts"], serde_json::json!(["https://*.example.com"]));
    assert_eq!(actor["sends_to"], serde_json::json!(["/log", "/a/**"]));
    let part =
        |name| actor["parts"].as_array().unwrap().iter().find(|part| part["part"] == name).unwrap()["open"].clone();
    assert_eq!((part("http"), part("sockets")), (true.into(), false.into()));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("hidden"));
}

#[test]
fn component_that_imports_more_than_granted_is_refused() {
    let play = folder("[[actor]]\naddress = \"/fetch\"\nplugin = \"fetch\"\n[[plugin]]\nname = \"fetch\"\n");
    let refused = |verb: &str| {
        let output = command(play.path()).arg(verb).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let stderr = String::from_utf8_lossy(&output.stderr);
        let problems = stderr.lines().skip_while(|line| !line.contains('×')).collect::<Vec<_>>().join("\n");
        format!("stderr:\n{problems}\n")
    };
    let checked = refused("check");
    assert_eq!(checked, refused("run"));
    expect![[r#"
            stderr:
              × `/fetch` is not granted what its plugin imports: `wasi:http/outgoing-handler@0.2.12`
               ╭─[playhouse.toml:7:10]
             6 │ address = "/fetch"
             7 │ plugin = "fetch"
               ·          ───┬───
               ·             ╰── this plugin
             8 │ [[plugin]]
               ╰────
              help: grant it the hosts that it may talk to, as in grants = { hosts = ["https://api.example.com"] }, or use a plugin without that import

              × `fetch` is not granted what its plugin imports: `wasi:http/outgoing-handler@0.2.12`
               ╭─[playhouse.toml:9:8]
             8 │ [[plugin]]
             9 │ name = "fetch"
               ·        ───┬───
               ·           ╰── this plugin
               ╰────
              help: grant it the hosts that it may talk to, as in grants = { hosts = ["https://api.example.com"] }, or use a plugin without that import

            2 problems in playhouse.toml
        "#]]
    .assert_eq(&checked);
}

#[test]
fn grants_of_the_manifest_reach_the_guest_and_its_children() {
    let server = serve(respond);
    let play = reaching(&format!(
        r#"
[[actor]]
address = "/a"
plugin = "reach"
spawns = ["reach"]
[actor.grants]
env = ["LANG", "MODE=test"]
dirs = [{{ host = "data", guest = "/data" }}]
hosts = ["http://{server}"]
[[plugin]]
name = "reach"
recursive = true
[plugin.grants]
env = ["LANG", "PATH"]
dirs = [{{ host = "data", guest = "/mine", mode = "write" }}, {{ host = ".", guest = "/all" }}]
hosts = ["http://{server}", "http://else.org"]
"#
    ));
    let host = Host::start_with(play, &[], &[("LANG", "de_AT.UTF-8")]);
    let ask = |to: &str, what: &str| host.ok(&["ask", to, what]).trim_end().to_owned();
    assert_eq!(ask("/a", "env"), "LANG=de_AT.UTF-8 MODE=test");
    assert_eq!(ask("/a", "read /data/file"), "inside");
    assert!(ask("/a", "write /data/file x").starts_with("error "));
    assert_eq!(ask("/a", &format!("get http://{server}/")), "200 page");
    assert_eq!(ask("/a", "spawn child"), "done");
    let child = "/a/child";
    assert_eq!(ask(child, "env"), "LANG=de_AT.UTF-8");
    assert_eq!(ask(child, "read /mine/file"), "inside");
    assert!(ask(child, "write /mine/file x").starts_with("error "), "the parent has only read access there");
    assert!(ask(child, "read /all/playhouse.toml").starts_with("error "), "the parent has no such grant");
    assert_eq!(ask(child, &format!("get http://{server}/")), "200 page");
    assert_eq!(ask(child, "get http://else.org/"), "error HttpRequestDenied");
    assert_eq!(std::fs::read_to_string(host.folder.path().join("data/file")).unwrap(), "inside");
}

#[test]
fn page_is_fetched_and_refusal_is_answered_and_logged_once() {
    let (server, other) = (serve(respond), serve(respond));
    let actors =
        format!("[[actor]]\naddress = \"/fetch\"\nplugin = \"fetch\"\ngrants = {{ hosts = [\"http://{server}\"] }}\n");
    let mut host = Host::start(folder(&actors), &[]);
    assert_eq!(host.ok(&["ask", "/fetch", &format!("http://{server}/x")]), "page");
    for _ in 0..3 {
        let refused = host.run(&["ask", "/fetch", &format!("http://{other}/x")]);
        assert_eq!(refused.status.code(), Some(1));
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(why.contains("HttpRequestDenied"), "{why}");
    }
    host.wait_for(&format!("refused a request to http://{other}: the actor's grant `hosts` does not list it"));
    host.signal(rustix::process::Signal::INT);
    let ended = host.end();
    assert_eq!(ended.stderr.matches("refused a request").count(), 1, "{}", ended.stderr);
}

/// A server of this machine with a certificate that only a client with this certificate among its roots trusts.
fn serve_tls() -> (SocketAddr, String) {
    serve_tls_by(respond)
}

/// As [`serve_tls`], with connections answered by `respond`.
pub fn serve_tls_by(
    respond: impl Fn(StreamOwned<ServerConnection, TcpStream>) + Send + 'static,
) -> (SocketAddr, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let address = serve(move |stream| {
        let connection = ServerConnection::new(config.clone()).unwrap();
        respond(StreamOwned::new(connection, stream));
    });
    (address, cert.pem())
}

#[test]
fn https_needs_a_certificate_that_this_machine_trusts() {
    let (server, certificate) = serve_tls();
    let url = format!("https://localhost:{}", server.port());
    let actors = format!("[[actor]]\naddress = \"/fetch\"\nplugin = \"fetch\"\ngrants = {{ hosts = [\"{url}\"] }}\n");
    let trusting = folder(&actors);
    let file = trusting.path().join("trusted.pem");
    std::fs::write(&file, certificate).unwrap();
    let file = file.display().to_string();
    let host = Host::start_with(trusting, &[], &[("SSL_CERT_FILE", &file)]);
    assert_eq!(host.ok(&["ask", "/fetch", &url]), "page");
    let host = Host::start(folder(&actors), &[]);
    let refused = host.run(&["ask", "/fetch", &url]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(why.contains("TlsCertificateError"), "{why}");
}
