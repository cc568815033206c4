//! The public face: plays that are embedded in a program, with native actors.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use playhouse_runtime::{
    AskError, Message, Metadata, Native, NativeActor, NativeContext, NativeOrder, NativeResult, Play, PlayError,
    RequestError, RunningPlay, SendError, Stage,
};

const SOON: Duration = Duration::from_secs(20);

/// Counts its messages; `panic` panics, and `to ADDRESS` sends there.
#[derive(Clone, Default)]
struct Counter {
    count: u32,
    /// Names of actors in the order of their stops.
    stops: Arc<Mutex<Vec<String>>>,
}

impl NativeActor for Counter {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        assert_ne!(msg.body, b"panic", "as told");
        self.count += 1;
        match std::str::from_utf8(&msg.body)?.strip_prefix("to ") {
            Some(to) => ctx.tell(to, "told")?,
            None => ctx.reply(self.count.to_string()),
        }
        Ok(())
    }

    async fn shutdown(&mut self, ctx: &mut NativeContext) -> NativeResult {
        self.stops.lock().unwrap().push(ctx.address().to_string());
        Ok(())
    }
}

async fn count(play: &RunningPlay, at: &str) -> String {
    String::from_utf8(play.ask(at, "", SOON).await.expect("a reply")).expect("a number")
}

/// A manifest with this text in a folder of its own.
fn manifest(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    let file = folder.path().join("playhouse.toml");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

#[tokio::test]
async fn native_actors_send_and_answer() {
    let play = Play::of_natives("test").native("/a", Counter::default()).native("/b", Counter::default());
    let play = play.start().await.unwrap();
    play.tell("/a", "to /b").await.unwrap();
    play.wait_idle().await;
    assert_eq!((count(&play, "/a").await, count(&play, "/b").await), ("2".into(), "2".into()));
    let tree = play.tree().await;
    assert_eq!((tree.play.as_str(), tree.actors.len(), tree.actors[1].plugin.as_str()), ("test", 2, "native:Counter"));
    assert!(matches!(play.stop().await, Stage::Stopped));
    assert!(play.dead_letters().is_empty());
}

#[tokio::test]
async fn panic_restarts_a_clone_of_the_placed_value() {
    let placed = Counter { count: 40, ..Counter::default() };
    let play = Play::of_natives("test").native("/a", placed).start().await.unwrap();
    assert_eq!(count(&play, "/a").await, "41");
    let error = play.ask("/a", "panic", SOON).await.expect_err("it crashes");
    assert!(matches!(error, RequestError::NoReply(AskError::Crashed { .. })), "{error}");
    assert_eq!(count(&play, "/a").await, "41", "what changed since is lost");
    assert_eq!(play.actors().await[0].last_crash.as_ref().unwrap().crash.reason.kind(), "panic");
    play.stop().await;
}

#[tokio::test]
async fn function_makes_each_incarnation_and_settings_hold() {
    let made = Arc::new(AtomicU32::new(0));
    let calls = made.clone();
    let native = Native::new(move || {
        calls.fetch_add(1, Ordering::Relaxed);
        Counter::default()
    });
    let native = native.with(|spec| {
        spec.limits.message_bytes = 10;
        spec.restart.attempts = 1;
    });
    let play = Play::of_natives("test").place("/a", native).start().await.unwrap();
    let error = play.tell("/a", "more than ten bytes").await.expect_err("too large");
    assert!(matches!(error, RequestError::NotSent(SendError::TooLarge { .. })), "{error}");
    play.tell("/a", "panic").await.unwrap();
    play.wait_idle().await;
    assert_eq!(count(&play, "/a").await, "1");
    assert_eq!((made.load(Ordering::Relaxed), play.dead_letters().len()), (2, 1));
    play.stop().await;
}

#[tokio::test]
async fn native_actors_stop_in_the_reverse_order_of_starts() {
    let counter = Counter::default();
    let copy = counter.clone();
    let last = Native::new(move || copy.clone()).starts(NativeOrder::Last);
    let play =
        Play::of_natives("test").place("/last", last).native("/a", counter.clone()).native("/b", counter.clone());
    let play = play.start().await.unwrap();
    play.wait_booted().await;
    play.stop().await;
    assert_eq!(*counter.stops.lock().unwrap(), ["/last", "/b", "/a"]);
}

#[tokio::test]
async fn dropped_play_ends_its_actors() {
    let counter = Counter::default();
    let alive = Arc::downgrade(&counter.stops);
    let play = Play::of_natives("test").native("/a", counter).start().await.unwrap();
    assert_eq!(count(&play, "/a").await, "1");
    drop(play);
    let ended = async {
        while alive.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, ended).await.expect("no value of the actor is left");
}

#[tokio::test]
async fn bad_receiver_and_unknown_receiver_are_errors() {
    let play = Play::of_natives("test").start().await.unwrap();
    assert!(matches!(play.tell("a", "x").await, Err(RequestError::Address(_))));
    let error = play.ask("/a", "x", SOON).await.expect_err("there is no such actor");
    assert!(matches!(error, RequestError::NotSent(SendError::UnknownAddress(_))), "{error}");
}

#[tokio::test]
async fn native_actor_of_the_manifest_must_be_placed() {
    let (_folder, file) = manifest("[play]\nnative = [\"/audit\", \"/audit/log\"]\n");
    let play = || Play::from_manifest(&file).unwrap().native("/audit", Counter::default());
    let error = play().start().await.map(drop).expect_err("one is missing");
    assert!(matches!(&error, PlayError::NativeMissing(address) if address.as_str() == "/audit/log"), "{error}");
    let play = play().native("/audit/log", Counter::default()).start().await.unwrap();
    assert_eq!(count(&play, "/audit/log").await, "1");
    play.stop().await;
}

#[tokio::test]
async fn native_actor_at_no_address_is_an_error() {
    let error = Play::of_natives("test").native("audit", Counter::default()).start().await.map(drop);
    let error = error.expect_err("no address");
    assert!(matches!(error, PlayError::NativeAddress(_)) && error.to_string().contains("`audit`"), "{error}");
    let twice = Play::of_natives("test").native("/a", Counter::default()).native("/a", Counter::default());
    assert!(matches!(twice.start().await.map(drop), Err(PlayError::Plan(_))));
}

#[tokio::test]
async fn faults_of_a_manifest_are_shown_with_their_place() {
    let (_folder, file) = manifest("[play]\nnativ = []\n");
    let error = Play::from_manifest(&file).map(drop).expect_err("unknown key").to_string();
    assert!(error.contains("unknown key `nativ`") && error.contains("playhouse.toml:2:1"), "{error}");
    let error = Play::from_manifest(Path::new("no/such/file")).map(drop).expect_err("no file");
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[tokio::test]
async fn control_socket_answers_and_goes_with_the_play() {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let play = Play::of_natives("test").native("/a", Counter::default()).control_socket(&path).start().await.unwrap();
    let mut stream = BufReader::new(tokio::net::UnixStream::connect(&path).await.unwrap());
    stream.write_all(b"{\"v\":1,\"request\":\"tree\"}\n").await.unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert!(line.contains("\"native:Counter\""), "{line}");
    play.stop().await;
    drop(play);
    assert!(!path.exists());
}

/// Sends the pairs of a message back, and the number of its `sold` messages.
#[derive(Clone, Default)]
struct Mirror {
    sold: u32,
}

impl NativeActor for Mirror {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        self.sold += u32::from(msg.metadata().get("topic") == Some("sold"));
        ctx.reply_with(Metadata::collect(msg.metadata())?, self.sold.to_string());
        Ok(())
    }
}

#[tokio::test]
async fn metadata_travels_beside_message_and_reply() {
    let play = Play::of_natives("test").native("/a", Mirror::default()).start().await.unwrap();
    let mut metadata = Metadata::new();
    metadata.push("topic", "sold").unwrap();
    play.tell_with("/a", &metadata, "x", SOON).await.unwrap();
    let reply = play.ask_with("/a", &metadata, "", SOON).await.unwrap();
    assert_eq!((reply.body.as_slice(), reply.metadata), (&b"2"[..], metadata));
    assert_eq!(play.ask("/a", "", SOON).await.unwrap(), b"2");
    play.stop().await;
}

/// Notes the bodies that come.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Vec<u8>>>>);

impl NativeActor for Notes {
    async fn msg_handler(&mut self, msg: Message, _: &mut NativeContext) -> NativeResult {
        self.0.lock().unwrap().push(msg.body);
        Ok(())
    }
}

#[tokio::test]
async fn dead_letters_are_sent_as_json() {
    let text = "[play]\nnative = [\"/a\", \"/dead\"]\n[play.dead_letters]\nto = \"/dead\"\n";
    let (_folder, file) = manifest(text);
    let notes = Notes::default();
    let play = Play::from_manifest(&file)
        .unwrap()
        .native("/dead", notes.clone())
        .place("/a", Native::new(Counter::default).with(|spec| spec.restart.attempts = 1));
    let play = play.start().await.unwrap();
    play.tell("/a", "panic").await.unwrap();
    let came = async {
        while notes.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, came).await.expect("the letter");
    let letter: serde_json::Value = serde_json::from_slice(&notes.0.lock().unwrap()[0]).unwrap();
    let kept = &play.dead_letters()[0];
    assert_eq!((&letter["id"], &letter["to"]), (&kept.id.to_string().into(), &"/a".into()));
    assert_eq!(
        (&letter["kind"], &letter["body"], &letter["text"]),
        (&"crashed".into(), &"cGFuaWM=".into(), &"panic".into())
    );
    let tree = play.tree().await;
    let sender = tree.actors.iter().find(|actor| actor.address == "/dead-letters").unwrap();
    assert_eq!(sender.status.as_deref(), Some("1 sent to /dead"));
    play.stop().await;
}
