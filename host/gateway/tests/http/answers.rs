//! Requests become messages, and replies become responses.

use std::time::Duration;

use playhouse_gateway::http::{Action, HttpBounds, HttpRoute, HttpSettings, Receiver};

use playhouse_kernel::{ActorView, State};

use crate::play::*;

async fn simple() -> Play {
    play(HttpBounds::default(), vec![route("/a", "/a")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_is_the_response() {
    let play = simple().await;
    let response = play.post("/a", "hello").await;
    assert_eq!((response.status, response.body.as_str()), (200, "hello!"));
    assert_eq!(response.header("content-type"), Some("application/octet-stream"));
    let id = response.header("x-playhouse-message").expect("an id");
    assert_eq!(play.lines(), [format!("/a /gate/http {id} hello []")], "the message begins its own flow");
}

#[tokio::test(flavor = "multi_thread")]
async fn tell_is_accepted_with_its_id() {
    let to = Action::Tell(Receiver::Fixed(address("/a")));
    let play = play(HttpBounds::default(), vec![HttpRoute { action: to, ..route("/a", "/a") }]).await;
    let response = play.post("/a", "hello").await;
    assert_eq!(response.status, 202);
    assert_eq!(Some(response.body.trim_end()), response.header("x-playhouse-message"));
    play.kernel.wait_idle().await;
    assert_eq!(play.lines().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_has_what_the_route_names() {
    let items = ["method", "path", "query", "host", "client", "header:User-Agent", "header:none"];
    let play = play(HttpBounds::default(), vec![with_meta(route("/o/:id/*", "/a"), &items)]).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let head = format!(
        "GET /o/a%20b/c/d?q=%20 HTTP/1.1\r\nHost: shop.example:80\r\nUser-Agent: test\r\nIdempotency-Key: k1\r\n\
         traceparent: 00-{trace}-00f067aa0ba902b7-01\r\n\r\n"
    );
    assert_eq!(play.ask(&head).await.status, 200);
    let pairs = "param:id=a b param:*=c/d method=GET path=/o/a%20b/c/d query=q=%20 host=shop.example client=127.0.0.1 \
                 header:user-agent=test header:idempotency-key=k1";
    assert_eq!(play.lines(), [format!("/a /gate/http {trace}  [{pairs}]")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameter_completes_the_address() {
    let play = play(HttpBounds::default(), vec![route("/o/:name", "/a/:name")]).await;
    assert_eq!(play.post("/o/b", "x").await.status, 200);
    assert!(play.lines()[0].starts_with("/a/b "));
    for (name, kind) in
        [("c", "unknown-address"), ("b%2Fc", "bad-address"), ("..", "bad-address"), ("%C3%A9", "bad-address")]
    {
        let response = play.post(&format!("/o/{name}"), "x").await;
        assert_eq!((response.status, response.body.trim_end()), (404, kind), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parameter_does_not_lead_to_gateways() {
    let reserved = vec![address("/gate")];
    let play = serve(HttpSettings { reserved, ..settings(vec![route("/:to", "/:to")]) }, None, |_| ()).await;
    assert_eq!(play.post("/a", "x").await.status, 200);
    let response = play.post("/gate", "x").await;
    assert_eq!((response.status, response.body.as_str()), (404, "bad-address\n"));
    assert_eq!(play.kernel.dead_letters().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_sets_status_and_allowed_headers() {
    let play = simple().await;
    let response = play.post("/a", "with status=201 location=/o/1 content-type=text/html x-inside=secret").await;
    assert_eq!((response.status, response.body.as_str()), (201, "made"));
    assert_eq!(response.header("location"), Some("/o/1"));
    assert_eq!(response.header("content-type"), Some("text/html"));
    assert!(!response.head.contains("secret"));
    for bad in ["status=99", "status=600", "location=a\r\nx:y"] {
        let response = play.post("/a", &format!("with {bad}")).await;
        assert_eq!((response.status, response.body.as_str()), (500, "bad-reply\n"), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_has_its_status_and_says_no_more_than_its_kind() {
    let play = play_with(
        HttpBounds::default(),
        vec![HttpRoute { body_bytes: 200, ..route("/a", "/a") }, HttpRoute { body_bytes: 2000, ..route("/big", "/a") }],
        |actor| {
            actor.limits.message_bytes = 1000;
            actor.restart.attempts = 1;
        },
    )
    .await;
    let big = "x".repeat(1001);
    for (path, body, status, kind) in [
        ("/a", "none", 204, ""),
        ("/a", "reject secret", 422, "rejected"),
        ("/a", "retry secret", 503, "retries-spent"),
        ("/a", "panic", 500, "crashed"),
        ("/a", &big, 413, "message-too-large"),
        ("/big", &big, 413, "message-too-large"),
        ("/b", "x", 404, "unknown-route"),
    ] {
        let response = play.post(path, body).await;
        assert_eq!((response.status, response.body.trim_end()), (status, kind), "{body}");
        assert_eq!(response.header("x-playhouse-message").map(str::len), Some(32));
    }
    let response = play.ask("DELETE /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD, POST")));
    let counted: Vec<_> = play.counts.responses().collect();
    assert!(counted.contains(&(Some(0), 422, 1)) && counted.contains(&(None, 404, 1)), "{counted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn receiver_that_is_full_slow_or_stopped_has_its_status() {
    let short = HttpRoute { timeout: Duration::from_millis(50), ..route("/short", "/a") };
    let play = play_with(HttpBounds::default(), vec![route("/a", "/a"), short], |actor| {
        actor.mailbox.capacity = 1;
        actor.batch = 1;
    })
    .await;
    let waits = play.connect();
    let waiting = blocking(move || {
        let mut client = waits;
        client.send(post("/a", "wait one").as_bytes());
        client.response()
    });
    let (response, ()) = tokio::join!(waiting, async {
        play.until("it waits", |play| play.lines().len() == 1).await;
        assert_eq!(play.post("/short", "x").await.status, 504, "it waits in the mailbox");
        let response = play.post("/short", "y").await;
        assert_eq!((response.status, response.header("retry-after")), (429, Some("1")), "{response:?}");
        play.seen.go.add_permits(1);
    });
    assert_eq!((response.status, response.body.as_str()), (200, "one"));
    let until_it = async |holds: fn(&ActorView) -> bool| {
        while !play.kernel.actors().await.iter().any(|actor| actor.address == address("/a") && holds(actor)) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    // The message whose ask was late waits still, and a full mailbox is an answer of its own.
    until_it(|actor| actor.waiting == 0).await;
    play.kernel.halt(&address("/a")).await;
    until_it(|actor| actor.state == State::Stopped).await;
    let response = play.post("/short", "x").await;
    assert_eq!((response.status, response.body.as_str()), (503, "stopped-by-operator\n"));
}
