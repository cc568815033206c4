//! FIFOs and sockets, which are neither files nor folders, and names that are not UTF-8.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::UNIX_EPOCH;

use crate::folders::{open, scene};
use crate::harness::{Play, folders};

/// The open of a FIFO without another end would block for ever.
#[tokio::test(flavor = "multi_thread")]
async fn fifo_or_socket_is_refused_at_once() {
    let top = scene();
    let granted = top.path().join("granted");
    assert!(Command::new("mkfifo").arg(granted.join("fifo")).status().unwrap().success());
    let _socket = UnixListener::bind(granted.join("socket")).unwrap();
    symlink("fifo", granted.join("to-fifo")).unwrap();
    let play = Play::start(folders(vec![open(&top, "granted", "/data", true)])).await;
    for name in ["fifo", "to-fifo", "socket"] {
        for what in ["read", "write", "append", "truncate", "resize", "keep", "list"] {
            let said = play.ask(&format!("{what} /data/{name} text")).await;
            assert!(said.starts_with("error "), "{what} {name}: {said}");
        }
    }
    assert_eq!(play.ask("read /data/fifo").await, "error unsupported");
    assert_eq!(play.ask("rename /data/fifo /data/file").await, "done");
    assert_eq!(play.ask("read /data/file").await, "error unsupported");
    assert_eq!(play.ask("link /data/file /data/again").await, "done");
    assert_eq!(play.ask("keep /data/again").await, "error unsupported");
    assert_eq!(play.ask("list /data").await, "again file socket sub to-fifo");
}

/// The open of a FIFO for writing waits for a reader, and the open of a device may have a side effect.
#[tokio::test(flavor = "multi_thread")]
async fn fifo_is_not_opened_to_set_its_times() {
    let top = scene();
    let granted = top.path().join("granted");
    assert!(Command::new("mkfifo").arg(granted.join("fifo")).status().unwrap().success());
    symlink("fifo", granted.join("to-fifo")).unwrap();
    symlink("file", granted.join("to-file")).unwrap();
    let play = Play::start(folders(vec![open(&top, "granted", "/data", true)])).await;
    for name in ["fifo", "to-fifo"] {
        assert_eq!(play.ask(&format!("touch {name}")).await, "error unsupported", "{name}");
    }
    for name in ["file", "to-file", "sub"] {
        let path = granted.join(name);
        fs::File::open(&path).unwrap().set_modified(UNIX_EPOCH).unwrap();
        assert_eq!(play.ask(&format!("touch {name}")).await, "done", "{name}");
        assert_ne!(path.metadata().unwrap().modified().unwrap(), UNIX_EPOCH, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn path_of_a_million_parts_is_refused_unread() {
    let top = scene();
    let play = Play::start(folders(vec![open(&top, "granted", "/data", true)])).await;
    for part in ["./", "sub/../", "x"] {
        assert_eq!(play.ask(&format!("long {part}")).await, "name-too-long", "{part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_writes_no_more_than_a_piece() {
    let top = scene();
    let play = Play::start(folders(vec![open(&top, "granted", "/data", true)])).await;
    assert_eq!(play.ask("write-at-once new 10000000").await, "65536");
    assert_eq!(play.ask("write-at-once new 5").await, "5");
}

/// The position of a stream moves only after a successful write.
#[tokio::test(flavor = "multi_thread")]
async fn stream_beyond_all_offsets_fails_and_nothing_else() {
    let top = scene();
    let play = Play::start(folders(vec![open(&top, "granted", "/data", true)])).await;
    assert_eq!(play.ask(&format!("stream-at new {}", u64::MAX)).await, "error insufficient-space");
    assert_eq!(play.ask("stream-at new 2").await, "done");
    assert_eq!(play.ask("read /data/new").await, "\0\0text");
}

#[tokio::test(flavor = "multi_thread")]
async fn listing_leaves_out_names_that_are_not_utf8() {
    let top = scene();
    let granted = top.path().join("granted");
    for bytes in [&b"b\xff"[..], b"\xc3(", b"\xed\xa0\x80"] {
        fs::write(granted.join(OsStr::from_bytes(bytes)), "x").unwrap();
    }
    fs::write(granted.join("größer"), "x").unwrap();
    let play = Play::start(folders(vec![open(&top, "granted", "/data", false)])).await;
    assert_eq!(play.ask("list /data").await, "file größer sub");
}

#[tokio::test(flavor = "multi_thread")]
async fn listing_of_a_large_folder_is_whole() {
    let top = scene();
    let sub = top.path().join("granted/sub");
    let mut names: Vec<_> = (0..2000).map(|n| format!("{n}-{}", "x".repeat(n % 200))).collect();
    for name in &names {
        fs::write(sub.join(name), "").unwrap();
    }
    names.push("deep".to_owned());
    names.sort();
    let play = Play::start(folders(vec![open(&top, "granted", "/data", false)])).await;
    assert_eq!(play.ask("list /data/sub").await, names.join(" "));
}
