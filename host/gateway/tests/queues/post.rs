//! Sinks that post to a server.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_gateway::post::{PostOutlet, PostSettings};
use playhouse_gateway::{Secret, SecretUrl};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::stage::{Builder, Stage, addr};

/// A server that answers each request with the next text of its list, and then with 204. An empty text closes the connection.
struct Server {
    url: String,
    /// Heads in lower case, and bodies.
    requests: Arc<Mutex<Vec<(String, String)>>>,
    _task: JoinSet<()>,
}

const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\n\r\n";

impl Server {
    async fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?a=1", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let answers = answers.iter().rev().map(|text| (*text).to_owned()).collect();
        let (noted, answers) = (requests.clone(), Arc::new(Mutex::new(answers)));
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, noted.clone(), answers.clone()));
            }
        });
        Self { url, requests, _task: task }
    }

    async fn stage(&self, attempts: u32) -> Stage {
        self.stage_with(attempts, None).await
    }

    async fn stage_with(&self, attempts: u32, bearer: Option<&str>) -> Stage {
        let bearer = bearer.map(Secret::new);
        let settings = PostSettings { url: SecretUrl::new(&self.url), timeout: Duration::from_millis(500), bearer };
        Builder::default().sink(attempts, Arc::new(PostOutlet::new(&settings))).start().await
    }

    fn bodies(&self) -> Vec<String> {
        self.requests.lock().iter().map(|(_, body)| body.clone()).collect()
    }
}

async fn serve(mut stream: TcpStream, noted: Arc<Mutex<Vec<(String, String)>>>, answers: Arc<Mutex<Vec<String>>>) {
    let mut bytes = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let text = String::from_utf8(bytes[..head].to_vec()).unwrap().to_lowercase();
        let length: usize = text.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        while bytes.len() < head + length {
            stream.read_buf(&mut bytes).await.unwrap();
        }
        let body = String::from_utf8(bytes[head..head + length].to_vec()).unwrap();
        bytes.drain(..head + length);
        noted.lock().push((text, body));
        let answer = answers.lock().pop().unwrap_or_else(|| NO_CONTENT.to_owned());
        if answer.is_empty() || stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn message_is_posted_with_its_id_as_idempotency_key() {
    let server = Server::start(&[]).await;
    let stage = server.stage(3).await;
    let mut metadata = playhouse_kernel::Metadata::new();
    metadata.push("content-type", "text/plain").unwrap();
    let to = crate::stage::addr("/out");
    let id = stage.kernel.tell_with(&to, &metadata, b"hello", Duration::from_secs(5)).await.unwrap();
    stage.tell("/out", "again").await;
    stage.kernel.wait_idle().await;
    let requests = server.requests.lock().clone();
    let (head, body) = &requests[0];
    assert!(head.starts_with("post /hook?a=1 http/1.1\r\n") && body == "hello", "{head}");
    for line in [format!("idempotency-key: {id}"), "content-type: text/plain".into(), "traceparent: 00-".into()] {
        assert!(head.contains(&format!("\r\n{line}")), "{line}: {head}");
    }
    assert!(requests[1].0.contains("content-type: application/octet-stream"), "{}", requests[1].0);
    stage.stop().await;
}

#[tokio::test]
async fn token_is_sent_and_stands_in_no_letter() {
    let refusal = "no right for Bearer Hunter-2 at /hook?a=1";
    let answer = format!("HTTP/1.1 401 No\r\ncontent-length: {}\r\n\r\n{refusal}", refusal.len());
    let server = Server::start(&[&answer]).await;
    let stage = server.stage_with(1, Some("Hunter-2\nHunter-1\n")).await;
    stage.tell("/out", "1").await;
    stage.tell("/out", "2").await;
    stage.kernel.wait_idle().await;
    let requests = server.requests.lock().clone();
    assert!(requests.iter().all(|(head, _)| head.contains("\r\nauthorization: bearer hunter-2\r\n")), "{requests:?}");
    assert_eq!(stage.letters(), ["failed 1"]);
    let why = stage.kernel.dead_letters()[0].reason.to_string();
    assert!(why.contains("401 Unauthorized: no right for Bearer *** at /hook?***"), "{why}");
    stage.stop().await;
}

#[tokio::test]
async fn token_of_a_secret_url_is_not_sent_unencrypted() {
    let url = SecretUrl::new("http://hook.example/a");
    let bearer = Some(Secret::new("hunter2"));
    let outlet = PostOutlet::new(&PostSettings { url, timeout: Duration::from_secs(1), bearer });
    let stage = Builder::default().sink(1, Arc::new(outlet)).start().await;
    stage.tell("/out", "1").await;
    stage.status("/out", "not connected: a token is sent with https only, or to this machine").await;
    stage.kernel.kill();
}

#[tokio::test]
async fn refusals_are_tried_again_in_order() {
    let busy = "HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy";
    let server = Server::start(&[busy, "HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n"]).await;
    let stage = server.stage(5).await;
    for body in ["1", "2", "3"] {
        stage.tell("/out", body).await;
    }
    stage.kernel.wait_idle().await;
    assert_eq!(server.bodies(), ["1", "1", "1", "2", "3"]);
    let keys: Vec<_> = server.requests.lock().iter().map(|(head, _)| key(head)).collect();
    assert!(keys[0] == keys[1] && keys[1] == keys[2] && keys[2] != keys[3], "{keys:?}");
    assert_eq!(stage.letters(), [""; 0]);
    stage.stop().await;
}

fn key(head: &str) -> String {
    head.split("idempotency-key: ").nth(1).unwrap().lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn other_errors_and_redirects_are_letters_at_once() {
    let moved = "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start(&["HTTP/1.1 422 No\r\ncontent-length: 3\r\n\r\nbad", moved]).await;
    let stage = server.stage(5).await;
    for body in ["1", "2", "3"] {
        stage.tell("/out", body).await;
    }
    stage.kernel.wait_idle().await;
    assert_eq!(server.bodies(), ["1", "2", "3"]);
    assert_eq!(stage.letters(), ["failed 1", "failed 2"]);
    let why = stage.kernel.dead_letters()[0].reason.to_string();
    assert!(why.contains("the server said 422 Unprocessable Entity: bad"), "{why}");
    stage.stop().await;
}

#[tokio::test]
async fn refusal_behind_other_messages_is_one_attempt() {
    let busy = "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n";
    let moved = "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start(&[NO_CONTENT, moved, NO_CONTENT, busy, busy, NO_CONTENT]).await;
    let stage = server.stage(2).await;
    // All of them wait before the first turn, which has them as one batch.
    stage.kernel.halt(&addr("/out")).await;
    for body in ["1", "2", "3", "4", "5"] {
        stage.tell("/out", body).await;
    }
    stage.kernel.resume(&addr("/out")).await;
    stage.kernel.wait_idle().await;
    assert_eq!(server.bodies(), ["1", "2", "3", "4", "4", "5"]);
    assert_eq!(stage.letters(), ["failed 2", "failed 4"]);
    stage.stop().await;
}

#[tokio::test]
async fn last_refusal_makes_a_letter() {
    let busy = "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start(&[busy, busy, busy]).await;
    let stage = server.stage(3).await;
    stage.tell("/out", "1").await;
    stage.tell("/out", "2").await;
    stage.kernel.wait_idle().await;
    assert_eq!((server.bodies().len(), stage.letters()), (4, vec!["failed 1".to_owned()]));
    assert_eq!(stage.kernel.dead_letters()[0].message.envelope.attempt, 3);
    stage.stop().await;
}

#[tokio::test]
async fn broken_connection_loses_no_message() {
    let server = Server::start(&["", NO_CONTENT, ""]).await;
    let stage = server.stage(1).await;
    for body in ["1", "2"] {
        stage.tell("/out", body).await;
    }
    stage.kernel.wait_idle().await;
    assert_eq!((server.bodies(), stage.letters()), (["1", "1", "2", "2"].map(str::to_owned).to_vec(), vec![]));
    stage.stop().await;
}

#[tokio::test]
async fn server_without_an_answer_costs_an_attempt() {
    // Half a response: the rest does not come.
    let server = Server::start(&["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nx"]).await;
    let stage = server.stage(2).await;
    stage.tell("/out", "1").await;
    stage.kernel.wait_idle().await;
    assert_eq!((server.bodies().len(), stage.letters().len()), (2, 0));
    stage.stop().await;
}
