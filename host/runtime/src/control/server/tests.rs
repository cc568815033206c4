//! Connections, requests and refusals of a host without actors.

use super::*;
use crate::control::protocol::{Body, Which, decode_response, encode};
use tokio::io::AsyncWriteExt;

#[test]
fn hint_names_the_family_of_a_member_that_is_not_there() {
    let [user, ada, till] = ["/user", "/user/ada", "/till"].map(|text| Address::parse(text).expect("good"));
    let known = [(&user, true), (&ada, false), (&till, false)];
    let hint = |wanted: &str| hint_for(&Address::parse(wanted).expect("good"), &known);
    assert_eq!(hint("/user"), "it is that of a family, whose members are `/user/NAME`");
    assert_eq!(hint("/user/adb"), "the family `/user/*` has no such member, or its `names` do not allow it");
    assert_eq!(hint("/tills"), "did you mean `/till`?");
    assert_eq!(hint("/completely-other"), "`playhouse tree` shows who is there");
}

/// A host without actors that serves on a socket of its own.
fn host() -> (tempfile::TempDir, std::path::PathBuf, tokio::task::JoinHandle<()>) {
    host_for(role)
}

fn host_for(
    role: fn(&Peer, u32, Option<u32>) -> Option<Role>,
) -> (tempfile::TempDir, std::path::PathBuf, tokio::task::JoinHandle<()>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).expect("bound");
    let kernel = Kernel::start(&playhouse_kernel::Plan::default()).expect("an empty plan is sound");
    let complaints = Arc::default();
    let tree = WholeTree::new(kernel.clone(), "test".into(), None, playhouse_gateway::Statuses::default());
    let host = Server {
        kernel,
        tree,
        patience: Arc::default(),
        longest_request: 1 << 10,
        store: None,
        import_ids: Arc::default(),
        complaints,
        log: None,
        subscriptions: Subscriptions::among(CONNECTIONS),
        connections: CONNECTIONS,
        readers: None,
        audit: Arc::default(),
        role,
    };
    (folder, path, tokio::spawn(host.serve(listener)))
}

#[tokio::test]
async fn other_user_is_told_the_owner_of_the_host() {
    let (_folder, path, serving) = host_for(|_, _, _| None);
    let mut stream = UnixStream::connect(&path).await.expect("it listens");
    let mut said = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut said).await.expect("it is closed");
    let me = rustix::process::geteuid().as_raw();
    let said = decode_response(&said).expect("an answer");
    let Response::Error(refusal) = said else { panic!("{said:?}") };
    assert!(refusal.message.contains(&format!("belongs to user {me}")), "{refusal}");
    assert_eq!(refusal.kind, FOREIGN_USER);
    serving.abort();
}

/// Sends bytes and ends the stream; returns the kinds of the errors that come back until the host closes the connection.
async fn says(bytes: &[u8]) -> Vec<String> {
    let (_folder, path, serving) = host();
    let mut stream = UnixStream::connect(&path).await.expect("it listens");
    // A host that refuses the input closes its side before all bytes are written.
    let _ = stream.write_all(bytes).await;
    stream.shutdown().await.expect("still open");
    let mut said = String::new();
    let _ = tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut said).await;
    serving.abort();
    let kind = |line: &str| match decode_response(line.as_bytes()) {
        Ok(Response::Error(refusal)) => refusal.kind,
        other => format!("{other:?}").split('(').nth(1).unwrap_or_default().to_owned(),
    };
    said.lines().map(kind).collect()
}

#[tokio::test]
async fn malformed_request_gets_an_error_and_the_next_one_is_read() {
    let lines = [
        &b"\n"[..],
        b"GET / HTTP/1.1\r\n",
        b"\0\xff\xfe\n",
        b"{\"v\":1,\"request\":\"tell\",\"to\":\"/\xff\",\"body\":\"\"}\n",
        b"{\"v\":1,\"request\":\"tell\",\"to\":\"/a\",\"body\":\"=\"}\n",
        b"{\"v\":9,\"request\":\"tree\"}\n",
        b"{\"v\":1,\"request\":\"tree\"}\n",
        b"{\"v\":1,\"request\":\"tr",
    ];
    let bad = "malformed";
    assert_eq!(says(&lines.concat()).await, [bad, bad, bad, bad, bad, "version", "Tree", bad]);
}

#[tokio::test]
async fn too_long_request_is_answered_and_ends_the_connection() {
    assert_eq!(says(&[b'x'; 2000]).await, ["too-large"]);
}

#[tokio::test(start_paused = true)]
async fn slow_request_has_a_time_limit() {
    let (_folder, path, serving) = host();
    let mut stream = UnixStream::connect(&path).await.expect("it listens");
    let began = tokio::time::Instant::now();
    let (mut reader, mut writer) = stream.split();
    let slowly = async {
        loop {
            // Each byte comes in time, but not all of them together.
            let _ = writer.write_all(b" ").await;
            tokio::time::sleep(PATIENCE / 4).await;
        }
    };
    let mut said = Vec::new();
    tokio::select! {
        () = slowly => {}
        read = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut said) => drop(read),
    }
    assert!(began.elapsed() < 2 * PATIENCE);
    let said = decode_response(&said).expect("an answer");
    assert!(matches!(&said, Response::Error(refusal) if refusal.kind == "too-slow"), "{said:?}");
    serving.abort();
}

#[tokio::test(start_paused = true)]
async fn silent_client_stays_connected() {
    let (_folder, path, serving) = host();
    let mut stream = UnixStream::connect(&path).await.expect("it listens");
    tokio::time::sleep(10 * PATIENCE).await;
    stream.write_all(&encode(&Request::Tree {})).await.expect("still open");
    let mut said = [0; 8];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut said).await.expect("an answer");
    serving.abort();
}

#[tokio::test]
async fn reader_looks_and_is_refused_anything_else() {
    let (_folder, path, serving) = host_for(|_, _, _| Some(Role::Reader));
    let mut stream = UnixStream::connect(&path).await.expect("it listens");
    let address = Address::parse("/a").expect("good");
    let requests = [
        Request::Tree {},
        Request::DeadLetters { which: Which::default(), bodies: true },
        Request::Stop { address: address.clone() },
        Request::Tell { to: address, body: Body::default(), key: None },
    ];
    let lines: Vec<u8> = requests.iter().flat_map(encode).collect();
    stream.write_all(&lines).await.expect("still open");
    stream.shutdown().await.expect("still open");
    let mut said = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut said).await.expect("it is closed");
    let said: Vec<_> = said.lines().map(|line| decode_response(line.as_bytes()).expect("an answer")).collect();
    assert!(matches!(&said[..2], [Response::Tree(_), Response::DeadLetters(_)]), "{said:?}");
    for (response, command) in said[2..].iter().zip(["stop", "tell"]) {
        let Response::Error(refusal) = response else { panic!("{response:?}") };
        assert_eq!(refusal.kind, "not-permitted");
        assert!(refusal.message.starts_with(&format!("`playhouse {command}` is for user ")), "{refusal}");
    }
    serving.abort();
}
