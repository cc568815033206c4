//! Sources and sinks of files.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use playhouse_gateway::file::{FileOutlet, FileSinkSettings, FileSourceSettings, FileSupply, Frame, From, Rotation};
use tempfile::TempDir;

use crate::stage::{Builder, addr, numbers, wait_for};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// A play that follows the file `log` of a folder from its start.
fn follows(folder: &TempDir) -> Builder {
    let settings = FileSourceSettings { path: folder.path().join("log"), from: From::Start, most_bytes: 100 };
    Builder::default()
        .with(|receiver| receiver.limits.message_bytes = 100)
        .source(8, |_| Arc::new(FileSupply::new(settings)))
}

fn lines(texts: &[String]) -> String {
    texts.iter().map(|text| format!("{text}\n")).collect()
}

#[tokio::test]
async fn file_is_followed_over_rotation() {
    let folder = folder();
    let log = folder.path().join("log");
    append(&log, &lines(&numbers(40)));
    let stage = follows(&folder).start().await;
    stage.wait_seen(40).await;
    append(&log, "40\nhal");
    stage.wait_seen(41).await;
    append(&log, "f\n");
    std::fs::rename(&log, folder.path().join("log.1")).unwrap();
    append(&log, "new\n");
    let seen = stage.wait_seen(43).await;
    let mut expected = numbers(41);
    expected.extend(["half".to_owned(), "new".to_owned()]);
    assert_eq!(seen, expected);
    let pairs = stage.handler.pairs.lock().clone();
    assert_eq!((pairs["file"].as_str(), pairs["offset"].as_str()), (log.to_str().unwrap(), "0"));
    stage.stop().await;
}

#[tokio::test]
async fn long_line_is_a_letter_with_its_first_bytes() {
    let folder = folder();
    append(&folder.path().join("log"), &format!("short\n{}\nafter\n", "x".repeat(5000)));
    let stage = follows(&folder).start().await;
    assert_eq!(stage.wait_seen(2).await, ["short", "after"]);
    let letters =
        wait_for("a letter", || Some(stage.kernel.dead_letters()).filter(|letters| !letters.is_empty())).await;
    let (letter, pairs) = (&letters[0], letters[0].message.metadata());
    assert_eq!((letter.reason.kind(), letter.message.body.len(), letters.len()), ("rejected", 100, 1));
    assert_eq!(pairs.filter(|(key, _)| *key == "length").collect::<Vec<_>>(), [("length", "5000")]);
    stage.stop().await;
}

#[tokio::test]
async fn restarted_source_goes_on_with_lines_that_have_not_ended() {
    let folder = folder();
    append(&folder.path().join("log"), &lines(&numbers(100)));
    let stage = follows(&folder).start().await;
    stage.wait_seen(1).await;
    let source = addr("/gate/orders");
    stage.kernel.halt(&source).await;
    stage.kernel.resume(&source).await;
    let mut seen = wait_for("all lines", || {
        let seen = stage.seen();
        numbers(100).iter().all(|n| seen.contains(n)).then_some(seen)
    })
    .await;
    seen.dedup();
    assert!(seen.len() >= 100);
    stage.stop().await;
}

#[tokio::test]
async fn sink_appends_in_order_and_rotates() {
    let folder = folder();
    let path = folder.path().join("out");
    let rotation = Some(Rotation { bytes: 100, keep: 50 });
    let outlet = FileOutlet::new(FileSinkSettings { path: path.clone(), frame: Frame::Line, rotation, sync: true });
    let stage = Builder::default().sink(3, Arc::new(outlet)).start().await;
    for n in numbers(200) {
        stage.tell("/out", &n).await;
    }
    stage.tell("/out", "two\nlines").await;
    stage.kernel.wait_idle().await;
    let text = |number: usize| {
        let name = if number == 0 { "out".to_owned() } else { format!("out.{number}") };
        std::fs::read_to_string(folder.path().join(name)).unwrap_or_default()
    };
    let all: String = (0..=50).rev().map(text).collect();
    assert_eq!(all, lines(&numbers(200)));
    assert!((0..=50).all(|number| text(number).len() <= 100));
    assert_eq!(stage.letters(), ["failed two\nlines"]);
    stage.stop().await;
}

#[tokio::test]
async fn folder_that_comes_later_is_waited_for() {
    let folder = folder();
    let path = folder.path().join("later/out");
    let settings = FileSinkSettings { path: path.clone(), frame: Frame::Line, rotation: None, sync: false };
    let stage = Builder::default().sink(1, Arc::new(FileOutlet::new(settings))).start().await;
    stage.tell("/out", "kept").await;
    stage.status("/out", "not connected: cannot open").await;
    std::fs::create_dir(folder.path().join("later")).unwrap();
    stage.kernel.wait_idle().await;
    assert_eq!(std::fs::read_to_string(path).unwrap(), "kept\n");
    stage.stop().await;
}

#[tokio::test]
async fn device_is_no_file_to_append_to() {
    let settings = FileSinkSettings { path: "/dev/full".into(), frame: Frame::Line, rotation: None, sync: false };
    let stage = Builder::default().sink(2, Arc::new(FileOutlet::new(settings))).start().await;
    stage.tell("/out", "waits").await;
    stage.status("/out", "not connected: cannot open /dev/full: it is no regular file").await;
    assert_eq!(stage.letters(), [""; 0], "it waits for a file");
    stage.kernel.kill();
}
