//! Outgoing HTTP: requests go to granted hosts only.

use playhouse_sandbox::{Grants, Network};

use crate::harness::{Play, hosts};
use crate::server::{Server, redirect, text_response};

#[tokio::test(flavor = "multi_thread")]
async fn granted_host_answers_requests() {
    let server = Server::echo().await;
    let play = Play::start(hosts(&[server.url()])).await;
    assert_eq!(play.ask(&format!("get {}/x?y=1", server.url())).await, "200 GET /x?y=1 127.0.0.1");
    assert_eq!(play.ask(&format!("get {}", server.url())).await, "200 GET / 127.0.0.1");
    let long = "z".repeat(200_000);
    let said = play.ask(&format!("send POST {}/ {long}", server.url())).await;
    assert!(said == format!("200 POST / 127.0.0.1 {long}"), "{} bytes", said.len());
    assert_eq!(play.ask(&format!("send PURGE {}/", server.url())).await, "200 PURGE / 127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_scheme_host_or_port_is_denied() {
    let (server, other) = (Server::echo().await, Server::echo().await);
    let play = Play::start(hosts(&[server.url()])).await;
    let port = server.address.port();
    for url in [
        other.url(),
        format!("https://127.0.0.1:{port}"),
        server.url_of("localhost"),
        format!("http://127.0.0.2:{port}"),
    ] {
        assert_eq!(play.ask(&format!("get {url}/")).await, "error HttpRequestDenied", "{url}");
    }
    assert_eq!(play.ask(&format!("raw ftp 127.0.0.1:{port} /")).await, "error HttpProtocolError");
    assert_eq!((server.asked(), other.asked()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn tricks_with_the_authority_are_refused() {
    let (server, other) = (Server::echo().await, Server::echo().await);
    let play = Play::start(hosts(&[server.url()])).await;
    let (granted, beyond) = (server.address, other.address);
    for authority in [
        format!("{granted}@{beyond}"),
        format!("{beyond}@{granted}"),
        format!("user:pass@{granted}"),
        format!("{granted}:1"),
    ] {
        let said = play.ask(&format!("raw http {authority} /")).await;
        assert!(["error HttpRequestUriInvalid", "error HttpRequestDenied"].contains(&&*said), "{authority}: {said}");
    }
    let said = play.ask(&format!("raw http {granted} http://{beyond}/")).await;
    assert_eq!(said, "error HttpRequestUriInvalid");
    assert_eq!(play.ask(&format!("send CONNECT {}", server.url())).await, "error HttpRequestDenied");
    assert_eq!((server.asked(), other.asked()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn name_of_this_machine_is_refused_unless_granted() {
    let server = Server::echo().await;
    let port = server.address.port();
    // The system's resolver takes this for 127.0.0.1.
    let disguised = server.url_of("2130706433");
    let play = Play::start(hosts(&[format!("http://*:{port}")])).await;
    for url in [
        &disguised,
        &server.url(),
        &server.url_of("localhost"),
        &server.url_of("[::ffff:127.0.0.1]"),
        &server.url_of("0.0.0.0"),
    ] {
        assert_eq!(play.ask(&format!("get {url}/")).await, "error DestinationIpProhibited", "{url}");
    }
    assert_eq!(server.asked(), 0);
    let play = Play::start(hosts(&[server.url_of("localhost")])).await;
    assert_eq!(play.ask(&format!("get {}/", server.url_of("localhost"))).await, "200 GET / localhost");
    let networks = vec![Network::parse("127.0.0.0/8").unwrap()];
    let play = Play::start(Grants { networks, ..hosts(&[format!("http://*:{port}")]) }).await;
    assert!(play.ask(&format!("get {disguised}/")).await.starts_with("200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn redirect_is_followed_by_the_guest_and_checked() {
    let (end, beyond) = (Server::echo().await, Server::echo().await);
    let (to_end, to_beyond) = (end.url(), beyond.url());
    let gate = Server::start(move |request| {
        let answer = match request.uri().path() {
            "/good" => redirect(&to_end),
            _ => redirect(&to_beyond),
        };
        async move { answer }
    })
    .await;
    let play = Play::start(hosts(&[gate.url(), end.url()])).await;
    assert_eq!(play.ask(&format!("get {}/bad", gate.url())).await, "302 ", "the host does not follow the redirect");
    assert_eq!(play.ask(&format!("follow {}/good", gate.url())).await, "200 GET / 127.0.0.1");
    assert_eq!(play.ask(&format!("follow {}/bad", gate.url())).await, "error HttpRequestDenied");
    assert_eq!((end.asked(), beyond.asked()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_host_is_a_typed_error() {
    let gone = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    // A label of a name has at most 63 bytes, so no resolver sends a query for this one.
    let nobody = format!("http://{}", "n".repeat(64));
    let play = Play::start(hosts(&[gone.clone(), nobody.clone()])).await;
    assert_eq!(play.ask(&format!("get {gone}/")).await, "error ConnectionRefused");
    assert_eq!(play.ask(&format!("get {nobody}/")).await, "error DnsError");
}

#[tokio::test(flavor = "multi_thread")]
async fn response_with_too_large_head_is_refused() {
    let server = Server::start(|_| async {
        let mut response = text_response(200, "fine");
        let value = "x".repeat(1_000_000).parse().unwrap();
        response.headers_mut().insert("large", value);
        response
    })
    .await;
    let play = Play::start(hosts(&[server.url()])).await;
    assert_eq!(play.ask(&format!("get {}/", server.url())).await, "error HttpResponseHeaderSectionSize");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_a_time_are_bounded() {
    let (server, echo) = (Server::silent().await, Server::echo().await);
    let play = Play::start(Grants { requests: 2, ..hosts(&[server.url(), echo.url()]) }).await;
    let hold = format!("hold {}/", server.url());
    assert_eq!(play.ask(&hold).await, "1");
    assert_eq!(play.ask(&hold).await, "2");
    assert_eq!(play.ask(&format!("get {}/", server.url())).await, "error ConnectionLimitReached");
    assert_eq!(play.ask("let-go").await, "done");
    // A dropped request may give back its permit a moment later.
    loop {
        match &*play.ask(&format!("get {}/", echo.url())).await {
            "error ConnectionLimitReached" => {}
            said => break assert_eq!(said, "200 GET / 127.0.0.1"),
        }
    }
}
