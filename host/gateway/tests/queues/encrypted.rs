//! Brokers with TLS, users and passwords. The authorities that a process trusts are its own, so that a test which trusts another one
//! runs in a process of its own.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use playhouse_gateway::SecretUrl;
use playhouse_gateway::nats::{self, NatsSink, NatsSource};
use playhouse_gateway::redis::{self, RedisSink};
use playhouse_gateway::sink::Outlet;
use playhouse_gateway::source::Supply;
use playhouse_kernel::Address;
use tempfile::TempDir;

use crate::servers::{self, Redis, Server};
use crate::stage::{Builder, Stage};

/// The variable with the url of a broker, for a process of its own.
const URL: &str = "TEST_BROKER_URL";

/// A folder with a new certificate for `localhost`, which is its own authority, and its key.
fn certificate() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
    folder
}

/// Runs an ignored test in a process that trusts the certificate of a folder.
fn run_trusting(folder: &Path, test: &str, url: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored"]).env("SSL_CERT_FILE", folder.join("cert.pem")).env(URL, url);
    let output = command.env_remove("SSL_CERT_DIR").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

fn given_url() -> SecretUrl {
    SecretUrl::new(std::env::var(URL).expect("another test runs this one"))
}

fn redis_source(url: SecretUrl) -> impl FnOnce(Address) -> Arc<dyn Supply> {
    move |address| redis::supply(url, crate::redis::settings(), address)
}

fn redis_sink(url: SecretUrl) -> Arc<dyn Outlet> {
    redis::outlet(url, RedisSink { stream: "orders".into(), capacity: 1000 })
}

fn nats_source(url: SecretUrl) -> impl FnOnce(Address) -> Arc<dyn Supply> {
    let create = Some(vec!["orders".into()]);
    move |_| nats::supply(url, NatsSource { stream: "ORDERS".into(), consumer: "playhouse".into(), create, meta: None })
}

fn nats_sink(url: SecretUrl) -> Arc<dyn Outlet> {
    nats::outlet(url, NatsSink { subject: "orders".into() })
}

/// Sends a message out, which comes back by the source.
async fn send_round(stage: Stage) {
    stage.status("/gate/orders", "connected").await;
    stage.tell("/out", "round").await;
    assert_eq!(stage.wait_seen(1).await, ["round"]);
    stage.stop().await;
}

/// The account of a source that does not connect.
async fn failure(source: impl FnOnce(Address) -> Arc<dyn Supply>) -> String {
    let stage = Builder::default().source(8, source).start().await;
    let line = stage.status("/gate/orders", "not connected").await;
    stage.stop().await;
    line
}

fn redis_with_tls(folder: &TempDir) -> Server {
    servers::redis_with_tls(folder.path(), &["--user", "shop", "on", ">p@ss", "~*", "&*", "+@all"])
}

fn nats_with_tls(folder: &TempDir) -> Server {
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    servers::nats(&["--tls", "--tlscert", &cert, "--tlskey", &key, "--user", "shop", "--pass", "p@ss"])
}

#[test]
fn redis_with_a_private_authority_is_used() {
    let folder = certificate();
    let server = redis_with_tls(&folder);
    let url = format!("rediss://shop:p%40ss@localhost:{}/0", server.port());
    run_trusting(folder.path(), "encrypted::redis_round", &url);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "redis_with_a_private_authority_is_used runs it"]
async fn redis_round() {
    let builder = Builder::default().source(8, redis_source(given_url())).sink(1, redis_sink(given_url()));
    send_round(builder.start().await).await;
}

#[test]
fn nats_with_a_private_authority_is_used() {
    let folder = certificate();
    let server = nats_with_tls(&folder);
    let url = format!("tls://shop:p%40ss@localhost:{}", server.port());
    run_trusting(folder.path(), "encrypted::nats_round", &url);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "nats_with_a_private_authority_is_used runs it"]
async fn nats_round() {
    let builder = Builder::default().source(8, nats_source(given_url())).sink(1, nats_sink(given_url()));
    send_round(builder.start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_authority_is_refused_with_the_way_out() {
    let folder = certificate();
    let (redis, nats) = (redis_with_tls(&folder), nats_with_tls(&folder));
    let of_redis =
        failure(redis_source(SecretUrl::new(format!("rediss://shop:s3cret@localhost:{}", redis.port())))).await;
    // A server that wants TLS gets it from `nats://` as well.
    for scheme in ["nats", "tls"] {
        let url = SecretUrl::new(format!("{scheme}://shop:s3cret@localhost:{}", nats.port()));
        let of_nats = failure(nats_source(url)).await;
        assert!(of_nats.contains("SSL_CERT_FILE"), "{of_nats}");
    }
    assert!(of_redis.contains("SSL_CERT_FILE"), "{of_redis}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_without_tls_gets_no_password() {
    let nats = servers::nats(&[]);
    let line = failure(nats_source(SecretUrl::new(format!("tls://shop:s3cret@localhost:{}", nats.port())))).await;
    assert!(line.contains("does not speak TLS"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_user_has_a_password_and_rights() {
    let server = servers::redis(&[]);
    let mut client = Redis::connect(server.port());
    client.ask(&["ACL", "SETUSER", "shop", "on", ">p@ss:/w", "~orders", "+@all"]);
    client.ask(&["ACL", "SETUSER", "reader", "on", ">pass", "~*", "+@all", "-xgroup"]);
    client.ask(&["ACL", "SETUSER", "default", "off"]);
    let url = |login: &str| SecretUrl::new(format!("redis://{login}127.0.0.1:{}", server.port()));
    let good = "shop:p%40ss%3A%2Fw@";
    send_round(Builder::default().source(8, redis_source(url(good))).sink(1, redis_sink(url(good))).start().await)
        .await;
    for wrong in ["shop:s3cret@", "nobody:s3cret@", ":s3cret@", ""] {
        let line = failure(redis_source(url(wrong))).await;
        assert_eq!(line, "redis: not connected: the user or the password is wrong, or missing in the url", "{wrong}");
    }
    let line = failure(redis_source(url("reader:pass@"))).await;
    assert!(line.contains("the user may not do this") && line.contains("xgroup"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_user_or_token_is_in_the_url() {
    let with_user = servers::nats(&["--user", "shop", "--pass", "p@ss:/w"]);
    let with_token = servers::nats(&["--auth", "t0ken"]);
    let url = |login: &str, server: &Server| SecretUrl::new(format!("nats://{login}127.0.0.1:{}", server.port()));
    for (login, server) in [("shop:p%40ss%3A%2Fw@", &with_user), ("t0ken@", &with_token)] {
        let builder =
            Builder::default().source(8, nats_source(url(login, server))).sink(1, nats_sink(url(login, server)));
        send_round(builder.start().await).await;
    }
    for (wrong, server) in [("shop:s3cret@", &with_user), ("", &with_user), ("s3cret@", &with_token), ("", &with_token)]
    {
        let line = failure(nats_source(url(wrong, server))).await;
        assert_eq!(line, "nats: not connected: the user or the password is wrong, or missing in the url", "{wrong}");
    }
}
