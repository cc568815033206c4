//! FIFOs and sockets, which are neither files nor folders, and names that are no text.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::folders::{open, scene};
use crate::stage::{Play, folders};

/// An open of a FIFO without another end never comes back.
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
