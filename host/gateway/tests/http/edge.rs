//! A public edge: tokens, proxies, rates, pages of other origins, hosts.

use std::time::Duration;

use playhouse_gateway::http::{Cors, HttpBounds, HttpRoute, HttpSettings, Rate};
use playhouse_kernel::Secret;

use crate::play::*;

/// A request with these header lines.
async fn with_lines(play: &Play, request: &str, lines: &[&str]) -> Response {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    play.ask(&format!("{request} HTTP/1.1\r\nHost: x\r\n{lines}\r\n")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn request_without_a_token_is_refused() {
    let bearer = Some(Secret::new("one-token\ntwo-token\n"));
    let routes = vec![HttpRoute { bearer, ..route("/a", "/a") }, route("/open", "/a")];
    let play = serve(settings(routes), None, |_| ()).await;
    for good in ["Authorization: Bearer one-token", "authorization: bearer  two-token"] {
        assert_eq!(with_lines(&play, "GET /a", &[good]).await.status, 200, "{good}");
    }
    for bad in [
        &[][..],
        &["Authorization: Bearer"],
        &["Authorization: Bearer one"],
        &["Authorization: Bearer one-token two-token"],
        &["Authorization: Basic one-token"],
        &["Authorization: one-token"],
        &["Authorization: Bearer one-token", "Authorization: Bearer bad"],
    ] {
        let response = with_lines(&play, "GET /a", bad).await;
        assert_eq!((response.status, response.body.as_str()), (401, "unauthorized\n"), "{bad:?}");
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(with_lines(&play, "GET /open", &[]).await.status, 200);
    assert_eq!(play.lines().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn trusted_proxy_names_the_client() {
    let routes = || vec![with_meta(route("/a", "/a"), &["client"])];
    let trusting = HttpSettings { proxies: vec!["127.0.0.0/8".parse().expect("good")], ..settings(routes()) };
    for (settings, client) in [(trusting, "203.0.113.9"), (settings(routes()), "127.0.0.1")] {
        let play = serve(settings, None, |_| ()).await;
        with_lines(&play, "GET /a", &["X-Forwarded-For: 6.6.6.6, 203.0.113.9"]).await;
        assert!(play.lines()[0].ends_with(&format!("[client={client}]")), "{:?}", play.lines());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_beyond_its_rate_is_told_to_wait() {
    let rate = Some(Rate { requests: 2, per: Duration::from_hours(1) });
    let proxies = vec!["127.0.0.0/8".parse().expect("good")];
    let play = serve(HttpSettings { rate, proxies, ..settings(vec![route("/a", "/a")]) }, None, |_| ()).await;
    for status in [200, 200, 429] {
        assert_eq!(with_lines(&play, "GET /a", &[]).await.status, status);
    }
    let response = with_lines(&play, "GET /a", &[]).await;
    assert_eq!((response.header("retry-after"), response.body.as_str()), (Some("1800"), "rate-limited\n"));
    assert_eq!(with_lines(&play, "GET /a", &["X-Forwarded-For: 203.0.113.9"]).await.status, 200, "another client");
}

#[tokio::test(flavor = "multi_thread")]
async fn page_of_a_listed_origin_may_use_the_server() {
    let cors = Some(Cors {
        origins: vec!["https://app.example".into()],
        headers: vec!["content-type".parse().expect("good")],
        credentials: true,
        max_age: Duration::from_mins(10),
    });
    let play = serve(HttpSettings { cors, ..settings(vec![route("/a", "/a")]) }, None, |_| ()).await;
    let ours = "Origin: https://app.example";
    let asked = "Access-Control-Request-Method: POST";
    let preflight = with_lines(&play, "OPTIONS /a", &[ours, asked]).await;
    assert_eq!(preflight.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", "https://app.example"),
        ("access-control-allow-methods", "GET, HEAD, POST"),
        ("access-control-allow-headers", "content-type"),
        ("access-control-allow-credentials", "true"),
        ("access-control-max-age", "600"),
        ("vary", "origin"),
    ] {
        assert_eq!(preflight.header(name), Some(value), "{name}");
    }
    let other = "Origin: https://evil.example";
    assert_eq!(with_lines(&play, "OPTIONS /a", &[other, asked]).await.status, 403);
    assert_eq!(with_lines(&play, "OPTIONS /b", &[ours, asked]).await.status, 404);
    assert_eq!(play.lines().len(), 0, "a preflight is no message");
    let response = with_lines(&play, "GET /a", &[ours]).await;
    assert_eq!(response.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(with_lines(&play, "GET /a", &[other]).await.header("access-control-allow-origin"), None);
    let failed = with_lines(&play, "GET /b", &[ours]).await;
    assert_eq!((failed.status, failed.header("access-control-allow-origin")), (404, Some("https://app.example")));
}

#[tokio::test(flavor = "multi_thread")]
async fn route_may_be_for_one_host() {
    let ours = HttpRoute { host: Some("shop.example".into()), ..route("/a", "/a/b") };
    let play = serve(settings(vec![route("/a", "/a"), ours]), None, |_| ()).await;
    for (host, actor) in [("SHOP.example:8080", "/a/b "), ("other.example", "/a ")] {
        play.ask(&format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert!(play.lines().last().expect("a message").starts_with(actor), "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_all_requests_have_a_limit_together() {
    let bounds = HttpBounds { bodies_bytes: 10, ..HttpBounds::default() };
    let play = play(bounds, vec![route("/a", "/a")]).await;
    let mut first = play.connect();
    first.send(post("/a", "wait six").as_bytes());
    play.until("the first is held", |play| play.lines().len() == 1).await;
    let response = play.post("/a", "three").await;
    assert_eq!((response.status, response.body.as_str()), (503, "bodies-too-large\n"));
    play.seen.go.add_permits(1);
    assert_eq!(blocking(move || first.response()).await.status, 200);
    assert_eq!(play.post("/a", "three").await.status, 200);
}
