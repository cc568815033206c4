//! The log of an embedded play, read over its control socket.

use std::path::Path;
use std::time::Duration;

use playhouse_runtime::control::protocol::{LogsRequest, Request, Response, decode_response, encode};
use playhouse_runtime::{
    Address, FlowId, HandledMessage, LEAST_RING_BYTES, LineOrigin, Log, LogLine, LogOutput, LogRecord, LogSelection,
    MessageId, Output, Play, RunningPlay,
};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;

/// A play without actors, and the folder of its socket `s`.
async fn play(log: Option<&Log>) -> (RunningPlay, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let play = Play::of_natives("test");
    let play = if let Some(log) = log { play.log(log.clone()) } else { play };
    let play = play.control_socket(folder.path().join("s")).start().await.expect("a sound play");
    (play, folder)
}

fn add(log: &Log, text: &str, flow: &str) {
    let mut line = LogLine::new("info".parse().expect("a level"), "test", text.to_owned());
    flow.clone_into(&mut line.flow);
    log.add(&line);
}

/// A connection with this request.
async fn ask(folder: &Path, request: LogsRequest) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(folder.join("s")).await.expect("it listens");
    stream.write_all(&encode(&Request::Logs(request))).await.expect("it reads");
    BufReader::new(stream)
}

async fn next(lines: &mut BufReader<UnixStream>) -> Response {
    let mut line = String::new();
    lines.read_line(&mut line).await.expect("it writes");
    decode_response(line.trim_end().as_bytes()).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// The messages of all lines of a response that does not follow, or the kind of the refusal.
async fn read(folder: &Path, request: LogsRequest) -> Result<Vec<String>, String> {
    let (mut lines, mut texts) = (ask(folder, request).await, Vec::new());
    loop {
        match next(&mut lines).await {
            Response::Log(event) => texts.push(event["message"].as_str().expect("a text").to_owned()),
            Response::End { stopped: false } => return Ok(texts),
            Response::Error(refusal) => return Err(refusal.kind),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn play_without_a_log_says_so() {
    let (play, folder) = play(None).await;
    assert_eq!(read(folder.path(), LogsRequest::default()).await, Err("no-log".to_owned()));
    play.stop().await;
}

#[tokio::test]
async fn follower_has_all_lines_until_the_play_is_dropped() {
    let log = Log::new(LEAST_RING_BYTES);
    let (play, folder) = play(Some(&log)).await;
    add(&log, "before", "");
    let mut lines = ask(folder.path(), LogsRequest { follow: true, ..LogsRequest::default() }).await;
    assert!(matches!(next(&mut lines).await, Response::Log(event) if event["message"] == "before"));
    for text in ["while", "last"] {
        add(&log, text, "");
    }
    drop(play);
    for text in ["while", "last"] {
        assert!(matches!(next(&mut lines).await, Response::Log(event) if event["message"] == text));
    }
    assert!(matches!(next(&mut lines).await, Response::End { stopped: true }));
}

#[tokio::test(start_paused = true)]
async fn follower_of_no_line_hears_that_the_host_is_there() {
    let log = Log::new(LEAST_RING_BYTES);
    let (play, folder) = play(Some(&log)).await;
    let level = Some("error".to_owned());
    let mut lines = ask(folder.path(), LogsRequest { level, follow: true, ..LogsRequest::default() }).await;
    // Each line wakes the reader, and none is one that the client wants.
    let adding = tokio::spawn(async move {
        loop {
            add(&log, "info", "");
            sleep(Duration::from_millis(100)).await;
        }
    });
    let said = timeout(Duration::from_secs(5), next(&mut lines)).await;
    assert!(matches!(said, Ok(Response::Working {})), "{said:?}");
    adding.abort();
    play.stop().await;
}

#[tokio::test]
async fn request_with_too_many_patterns_is_refused() {
    let log = Log::new(LEAST_RING_BYTES);
    let (play, folder) = play(Some(&log)).await;
    add(&log, "line", "");
    let with = |patterns: usize| LogsRequest { actors: vec!["/**".to_owned(); patterns], ..LogsRequest::default() };
    assert_eq!(read(folder.path(), with(64)).await, Ok(Vec::new()), "the line is about no actor");
    assert_eq!(read(folder.path(), with(65)).await, Err("malformed".to_owned()));
    play.stop().await;
}

#[tokio::test]
async fn refusal_quotes_a_part_of_a_long_request() {
    let (play, folder) = play(Some(&Log::new(LEAST_RING_BYTES))).await;
    let level = Some("x".repeat(40_000));
    let mut lines = ask(folder.path(), LogsRequest { level, ..LogsRequest::default() }).await;
    let Response::Error(refusal) = next(&mut lines).await else { panic!("there is no such level") };
    assert!(refusal.message.len() < 17_000 && refusal.message.ends_with('…'), "{}", refusal.message.len());
    play.stop().await;
}

#[tokio::test]
async fn last_lines_of_a_ring_that_turned_are_exact() {
    let log = Log::new(LEAST_RING_BYTES);
    let (play, folder) = play(Some(&log)).await;
    let long = "x".repeat(1000);
    for n in 0..5000 {
        add(&log, &format!("{n} {long}"), "");
    }
    for lines in [0, 1, 3, 700] {
        let last = read(folder.path(), LogsRequest { lines: Some(lines), ..LogsRequest::default() }).await;
        let numbers = last.expect("no refusal").into_iter().map(|text| text[..4].to_owned());
        assert!(numbers.eq((5000 - lines..5000).map(|n| n.to_string())), "{lines}");
    }
    let all = read(folder.path(), LogsRequest { lines: Some(u64::MAX), ..LogsRequest::default() }).await;
    assert!((700..5000).contains(&all.expect("no refusal").len()));
    play.stop().await;
}

#[tokio::test]
async fn beginning_of_several_flows_is_ambiguous() {
    let log = Log::new(LEAST_RING_BYTES);
    let (play, folder) = play(Some(&log)).await;
    let flows = ["ab1", "ab2"].map(|begin| format!("{begin}{}", "0".repeat(29)));
    for flow in &flows {
        add(&log, flow, flow);
    }
    let of = |flow: &str| LogsRequest { flow: Some(flow.to_owned()), ..LogsRequest::default() };
    assert_eq!(read(folder.path(), of("ab")).await, Err("ambiguous-flow".to_owned()));
    assert_eq!(read(folder.path(), of("ab2")).await, Ok(vec![flows[1].clone()]));
    assert_eq!(read(folder.path(), of(&flows[0])).await, Ok(vec![flows[0].clone()]));
    assert_eq!(read(folder.path(), of("c")).await, Ok(Vec::new()));
    assert_eq!(read(folder.path(), of("xyz")).await, Err("malformed".to_owned()));
    play.stop().await;
}

#[test]
fn record_is_an_event_with_its_context() {
    let (log, actor) = (Log::new(1 << 20), Address::parse("/a").expect("an address"));
    let message = Some(HandledMessage { id: MessageId(1), flow: FlowId(2) });
    let from = LineOrigin { actor: &actor, plugin: "till", incarnation: Some(3), message };
    tracing::subscriber::with_default(tracing_subscriber::registry().with(log.layer(())), || {
        let record = LogRecord { level: Level::ERROR, is_critical: true, context: "cash", text: "no {coins}" };
        LogOutput.log(&from, &record);
        LogOutput.log(&from, &LogRecord { level: Level::DEBUG, is_critical: false, context: "", text: "x" });
    });
    let mut lines = Vec::new();
    let mut reader = log.reader(LogSelection::default()).expect("it has a ring");
    reader.read(|entry| lines.extend(entry.line().map(|json| LogLine::of_json(json).expect("JSON"))));
    let json: serde_json::Value = serde_json::from_str(&lines[0].json()).expect("JSON");
    assert_eq!(
        [&json["level"], &json["context"], &json["critical"], &json["message"], &json["incarnation"]],
        [&"error".into(), &"cash".into(), &true.into(), &"no {coins}".into(), &serde_json::Value::from(3)]
    );
    assert_eq!((json["id"].as_str(), json["flow"].as_str().map(str::len)), (Some(&*format!("{:032x}", 1)), Some(32)));
    assert_eq!((lines[1].level, lines[1].fields.is_empty()), (Level::DEBUG, true));
}
