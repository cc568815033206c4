//! A request never takes longer than the timeout of its message.

use std::time::Duration;

use playhouse_kernel::{ActorSpec, AskError};

use crate::harness::{Play, hosts};
use crate::server::Server;

fn soon(spec: &mut ActorSpec) {
    spec.limits.timeout = Duration::from_millis(300);
}

/// Each piece comes in time, but the body never ends.
#[tokio::test(flavor = "multi_thread")]
async fn endless_response_ends_with_the_messages_timeout() {
    let server = Server::endless().await;
    let play = Play::start_with(hosts(&[server.url()]), soon).await;
    let Err(AskError::Crashed(why)) = play.try_ask(&format!("drain {}/", server.url())).await else {
        panic!("it does not come back")
    };
    assert_eq!(why, "did not finish within 300ms (limits.timeout)");
    assert_eq!(play.ask("env").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_server_ends_with_the_messages_timeout() {
    let server = Server::silent().await;
    let play = Play::start_with(hosts(&[server.url()]), soon).await;
    // Either timeout may be the first: that of the call, or that of the request in it.
    match play.try_ask(&format!("get {}/", server.url())).await {
        Ok(reply) => assert_eq!(String::from_utf8_lossy(&reply), "error ConnectionReadTimeout"),
        Err(error) => assert!(matches!(error, AskError::Crashed(_)), "{error}"),
    }
    assert_eq!(server.asked(), 1);
    // The actor was restarted, or is still alive, and answers.
    assert_eq!(play.ask("env").await, "");
}
