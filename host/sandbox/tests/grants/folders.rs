//! Folders: a guest reaches only files below a granted folder.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use playhouse_sandbox::Folder;
use tempfile::TempDir;

use crate::harness::{Play, folders};

/// `granted` with a file and a folder in it, and `secret` beside it.
pub fn scene() -> TempDir {
    let top = tempfile::tempdir().unwrap();
    fs::create_dir_all(top.path().join("granted/sub")).unwrap();
    fs::write(top.path().join("granted/file"), "inside").unwrap();
    fs::write(top.path().join("granted/sub/deep"), "deep").unwrap();
    fs::write(top.path().join("secret"), "outside").unwrap();
    top
}

pub fn open(top: &TempDir, name: &str, guest: &str, writable: bool) -> Folder {
    Folder::open(&top.path().join(name), guest, writable).unwrap()
}

async fn play(top: &TempDir, writable: bool) -> Play {
    Play::start(folders(vec![open(top, "granted", "/data", writable)])).await
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn granted_folder_can_be_read() {
    let top = scene();
    let play = play(&top, false).await;
    assert_eq!(play.ask("read /data/file").await, "inside");
    assert_eq!(play.ask("read /data/sub/../sub/deep").await, "deep");
    assert_eq!(play.ask("list /data").await, "file sub");
    assert_eq!(play.ask("read /data/none").await, "error entity not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_folder_cannot_be_changed() {
    let top = scene();
    let granted = top.path().join("granted");
    let play = play(&top, false).await;
    for change in [
        "write /data/new text",
        "write /data/file text",
        "truncate /data/file",
        "make /data/folder",
        "remove /data/file",
        "rename /data/file /data/other",
        "link /data/file /data/other",
        "symlink file other",
    ] {
        let said = play.ask(change).await;
        assert!(said.starts_with("error "), "{change}: {said}");
    }
    let mut names: Vec<_> = fs::read_dir(&granted).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["file", "sub"]);
    assert_eq!(text(&granted.join("file")), "inside");
}

#[tokio::test(flavor = "multi_thread")]
async fn writable_folder_can_be_changed() {
    let top = scene();
    let granted = top.path().join("granted");
    let play = play(&top, true).await;
    for change in
        ["write /data/new text", "make /data/folder", "rename /data/new /data/folder/moved", "remove /data/file"]
    {
        assert_eq!(play.ask(change).await, "done", "{change}");
    }
    assert_eq!(text(&granted.join("folder/moved")), "text");
    assert!(!granted.join("file").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_the_folder() {
    let top = scene();
    let secret = top.path().join("secret");
    let play = play(&top, true).await;
    let absolute = secret.display().to_string();
    for path in ["/data/../secret", "/data/sub/../../secret", "/secret", "../secret", &absolute, "/data//../secret"] {
        for verb in ["read", "remove", "truncate"] {
            let said = play.ask(&format!("{verb} {path}")).await;
            assert!(said.starts_with("error "), "{verb} {path}: {said}");
        }
        assert!(play.ask(&format!("write {path} mine")).await.starts_with("error "), "{path}");
        assert!(play.ask(&format!("rename /data/file {path}")).await.starts_with("error "), "{path}");
    }
    assert_eq!(text(&secret), "outside");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_lead_out_are_not_followed() {
    let top = scene();
    let (granted, secret) = (top.path().join("granted"), top.path().join("secret"));
    symlink(&secret, granted.join("absolute")).unwrap();
    symlink("../secret", granted.join("relative")).unwrap();
    symlink("..", granted.join("up")).unwrap();
    symlink("/", granted.join("root")).unwrap();
    symlink("absolute", granted.join("twice")).unwrap();
    symlink("sub/deep", granted.join("within")).unwrap();
    let play = play(&top, true).await;
    let etc = "root/etc/passwd";
    for path in ["absolute", "relative", "up/secret", "twice", etc, "root/../secret"] {
        for what in [format!("read /data/{path}"), format!("write /data/{path} mine"), format!("truncate /data/{path}")]
        {
            let said = play.ask(&what).await;
            assert!(said.starts_with("error "), "{what}: {said}");
        }
    }
    assert_eq!(text(&secret), "outside");
    assert_eq!(play.ask("read /data/within").await, "deep");
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_file_is_not_written_through_another_folder() {
    let top = scene();
    fs::create_dir(top.path().join("mine")).unwrap();
    let both = vec![open(&top, "mine", "/mine", true), open(&top, "granted", "/data", false)];
    let play = Play::start(folders(both)).await;
    for change in ["link /data/file /mine/file", "rename /data/file /mine/file", "rename /mine /data/mine"] {
        assert!(play.ask(change).await.starts_with("error "), "{change}");
    }
    assert_eq!(play.ask("write /mine/file own").await, "done");
    assert_eq!(text(&top.path().join("granted/file")), "inside");
}

/// One guest may write to `granted`; another one has the grant of `granted/sub`, which the first guest replaces by a link before
/// the other one starts again.
#[tokio::test(flavor = "multi_thread")]
async fn grant_stays_with_a_folder_that_is_replaced() {
    let top = scene();
    let sub = open(&top, "granted/sub", "/data", true);
    fs::rename(top.path().join("granted/sub"), top.path().join("granted/old")).unwrap();
    symlink(top.path(), top.path().join("granted/sub")).unwrap();
    let play = Play::start(folders(vec![sub])).await;
    assert_eq!(play.ask("list /data").await, "deep");
    assert_eq!(play.ask("read /data/secret").await, "error entity not found");
}
