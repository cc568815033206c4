//! The host's memory for the requests of a guest is bounded by `limits.request_head`, for each and for all together.

use http_body_util::BodyExt;
use playhouse_kernel::{AskError, CrashReason};
use playhouse_sandbox::Grants;

use crate::harness::{Play, address, hosts};
use crate::server::{Server, text_response};

/// Makes requests that crash the actor, and returns the reason.
async fn crash(play: &Play, what: &str) -> String {
    let error = play.try_ask(what).await.map(|reply| String::from_utf8(reply).unwrap()).expect_err(what);
    assert!(matches!(error, AskError::Crashed(_) | AskError::Restarting(_)), "{what}: {error}");
    let actor = play.kernel.actors().await.into_iter().find(|actor| actor.address == address("/a")).unwrap();
    let reason = &actor.last_crash.as_ref().unwrap().crash.reason;
    assert!(matches!(reason, CrashReason::Limit { .. }), "{what}: {reason}");
    reason.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn part_beyond_request_head_crashes_and_names_the_key() {
    for part in ["method", "scheme", "authority", "path", "append", "name", "set", "list", "trailers"] {
        for bytes in [66_000, 20_000_000] {
            let play = Play::start_with(Grants::default(), |spec| spec.restart.attempts = 1).await;
            let said = crash(&play, &format!("unsent {part} {bytes} 1")).await;
            assert_eq!(
                said,
                "asked for more than 65536 bytes for the method, address, fields and trailers of a request \
                 (limits.request_head)",
                "{part}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_request_count_together() {
    let play = Play::start_with(Grants::default(), |spec| spec.restart.attempts = 1).await;
    for parts in ["method+authority", "authority+path", "path+trailers", "trailers+path"] {
        assert_eq!(play.ask(&format!("unsent {parts} 30000 1")).await, "done", "{parts}");
        let said = crash(&play, &format!("unsent {parts} 35000 1")).await;
        assert!(said.contains("of a request (limits.request_head)"), "{parts}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn part_that_is_replaced_counts_once() {
    let play = Play::start(Grants::default()).await;
    for parts in ["set", "path+path+path", "method+method", "name", "list"] {
        assert_eq!(play.ask(&format!("unsent {parts} 40000 1")).await, "done", "{parts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_of_an_incarnation_are_bounded_together() {
    let play = Play::start_with(Grants::default(), |spec| spec.restart.attempts = 1).await;
    for part in ["method", "append", "clones"] {
        // A dropped request does not count any more.
        for _ in 0..4 {
            assert_eq!(play.ask(&format!("unsent {part} 60000 60")).await, "done", "{part}");
            assert_eq!(play.ask("let-go").await, "done");
        }
        let said = crash(&play, &format!("unsent {part} 60000 100")).await;
        assert!(said.contains("64 times limits.request_head (65536 bytes)"), "{part}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_count_until_their_request_is_dropped() {
    let play = Play::start_with(Grants::default(), |spec| spec.restart.attempts = 1).await;
    for _ in 0..4 {
        assert_eq!(play.ask("unsent trailers 60000 60").await, "done");
        assert_eq!(play.ask("let-go").await, "done");
    }
    assert_eq!(play.ask("unsent trailers 60000 60").await, "done");
    let said = crash(&play, "unsent append 60000 30").await;
    assert!(said.contains("64 times limits.request_head (65536 bytes)"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unsent_requests_with_bodies_are_bounded() {
    let play = Play::start_with(Grants::default(), |spec| spec.restart.attempts = 1).await;
    assert_eq!(play.ask("unsent body 0 64").await, "done");
    let said = crash(&play, "unsent body 0 1").await;
    assert!(said.contains("64 requests at a time that have a body and were not sent"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_requests_count_no_more() {
    // A server that answers before it read the body may reset the connection, and the answer is lost.
    let server = Server::start(|request| async {
        request.into_body().collect().await.unwrap();
        text_response(200, "fine")
    })
    .await;
    let play = Play::start(hosts(&[server.url()])).await;
    let body = "b".repeat(1000);
    let path = "p".repeat(50_000);
    for _ in 0..100 {
        assert_eq!(play.ask(&format!("send POST {}/{path} {body}", server.url())).await, "200 fine");
    }
}
