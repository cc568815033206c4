//! Symbolic links that a guest makes: none leads out of the granted folder, also after it is moved, so that programs outside
//! of the sandbox may follow them.

use std::fs;
use std::os::unix::fs::symlink;

use crate::folders::{open, scene};
use crate::harness::{Play, folders};

#[tokio::test(flavor = "multi_thread")]
async fn guest_makes_no_link_that_leads_out() {
    let top = scene();
    let play = Play::start(folders(vec![open(&top, "granted", "/data", true)])).await;
    for target in ["/", "/etc/passwd", "..", "../secret", "sub/../../secret", "./..", "../granted/file"] {
        for path in ["bad", "sub/bad"] {
            assert_eq!(play.ask(&format!("symlink {target} {path}")).await, "error not-permitted", "{target} {path}");
            assert!(top.path().join("granted").join(path).symlink_metadata().is_err(), "{target} {path}");
        }
    }
    for (target, path) in [("file", "good"), ("sub/deep", "better"), ("./file", "best"), ("nothing", "dangling")] {
        assert_eq!(play.ask(&format!("symlink {target} {path}")).await, "done", "{target} {path}");
    }
    assert_eq!(play.ask("read /data/good").await, "inside");
    assert_eq!(play.ask("read /data/better").await, "deep");
}

/// An operator's link may lead up and stay inside the folder. Moved to another place it could lead out.
#[tokio::test(flavor = "multi_thread")]
async fn guest_moves_no_link_that_leads_up() {
    let top = scene();
    let sub = top.path().join("granted/sub");
    symlink("../file", sub.join("up")).unwrap();
    symlink("deep", sub.join("down")).unwrap();
    let play = Play::start(folders(vec![open(&top, "granted", "/data", true)])).await;
    assert_eq!(play.ask("read /data/sub/up").await, "inside");
    for change in ["rename /data/sub/up /data/up", "link /data/sub/up /data/up", "rename /data/sub/up /data/sub/other"]
    {
        assert_eq!(play.ask(change).await, "error permission denied", "{change}");
    }
    assert_eq!(play.ask("rename /data/sub/down /data/down").await, "done");
    assert_eq!(fs::read_link(sub.join("up")).unwrap().to_str(), Some("../file"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_from_one_grant_to_another() {
    let top = scene();
    fs::create_dir(top.path().join("mine")).unwrap();
    let both = vec![open(&top, "mine", "/mine", true), open(&top, "granted", "/data", true)];
    let play = Play::start(folders(both)).await;
    for change in ["rename /data/file /mine/file", "link /data/file /mine/file", "rename /data/sub /mine/sub"] {
        assert!(play.ask(change).await.starts_with("error "), "{change}");
    }
    assert_eq!(fs::read_dir(top.path().join("mine")).unwrap().count(), 0);
}
