//! Actors without grants reach no resource.

use playhouse_sandbox::{Access, Grants, Part};

use crate::harness::{Play, reach, variable};
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn without_grants_there_is_nothing() {
    let server = Server::echo().await;
    let play = Play::start(Grants::default()).await;
    assert_eq!(play.ask("env").await, "");
    for path in ["/", ".", "/etc/passwd", "/data", "../../etc/passwd", "/proc/self/environ"] {
        for verb in ["read", "list"] {
            let said = play.ask(&format!("{verb} {path}")).await;
            assert!(said.starts_with("error "), "{verb} {path}: {said}");
        }
        assert!(play.ask(&format!("write {path}x text")).await.starts_with("error "));
    }
    assert_eq!(play.ask(&format!("get {}/", server.url())).await, "error HttpRequestDenied");
    assert_eq!(server.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_grant_opens_sockets() {
    let server = Server::echo().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let play = Play::start(crate::harness::hosts(&[server.url()])).await;
    let to = listener.local_addr().unwrap();
    assert_eq!(play.ask(&format!("connect {to}")).await, "error permission denied");
    assert_eq!(play.ask("listen 127.0.0.1:0").await, "error permission denied");
    assert!(play.ask("lookup localhost:80").await.starts_with("error "));
    let accepted = tokio::time::timeout(std::time::Duration::ZERO, listener.accept()).await;
    assert!(accepted.is_err(), "a guest connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn guest_finds_only_granted_variables() {
    let env = vec![variable("LANG", "de_AT", true), variable("MODE", "a=b c", false)];
    let play = Play::start(Grants { env, ..Grants::default() }).await;
    assert!(std::env::vars().count() > 2, "the host has more");
    assert_eq!(play.ask("env").await, "LANG=de_AT MODE=a=b c");
}

#[test]
fn only_http_imports_need_a_grant() {
    let imports = &reach().info().imports;
    let parts = Part::all_of(imports);
    for part in [Part::Kernel, Part::Environment, Part::Filesystem, Part::Sockets, Part::Http] {
        assert!(parts.contains(&part), "{part:?}: {imports:?}");
    }
    assert_eq!(Part::Sockets.access(), Access::Nobody);
    assert!(imports.iter().all(|import| Part::of(import).is_some()), "{imports:?}");
    let missing = Grants::default().missing(imports).unwrap();
    assert!(missing.import.starts_with("wasi:http/") && missing.grant == "hosts", "{missing:?}");
    assert_eq!(crate::harness::hosts(&["https://*".to_owned()]).missing(imports), None);
}
