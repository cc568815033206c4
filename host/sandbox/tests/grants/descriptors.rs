//! The number of an actor's open descriptors is bounded, and a close gives one back.

use std::path::Path;

use playhouse_sandbox::{Descriptors, Folder, Grants};

use crate::folders::scene;
use crate::harness::{Play, folders, hosts};
use crate::server::Server;

/// The error of the guest's library for `insufficient-memory`.
const TOO_MANY: &str = "error out of memory";

fn data(top: &Path) -> Vec<Folder> {
    vec![Folder::open(&top.join("granted"), "/data", true).unwrap()]
}

/// Asks until the answer is not `error` any more: a connection is closed a moment later, when its task is dropped.
async fn until_it_is_no(error: &str, play: &Play, what: &str) -> String {
    loop {
        let said = play.ask(what).await;
        if said != error {
            return said;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_beyond_the_limit_is_refused_until_one_is_closed() {
    let top = scene();
    let play = Play::start(Grants { descriptors: Descriptors::new(2), ..folders(data(top.path())) }).await;
    for _ in 0..5 {
        assert_eq!(play.ask("keep /data/file").await, "done");
        assert_eq!(play.ask("keep /data/file").await, "done");
        assert_eq!(play.open_resources().await, 2);
        for what in ["keep /data/file", "read /data/file", "list /data", "write /data/new x"] {
            assert_eq!(play.ask(what).await, TOO_MANY, "{what}");
        }
        assert!(!top.path().join("granted/new").exists());
        assert_eq!(play.ask("close").await, "done");
    }
    assert_eq!(play.ask("read /data/file").await, "inside");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_descriptor_is_enough_for_files_one_after_another() {
    let top = scene();
    let play = Play::start(Grants { descriptors: Descriptors::new(1), ..folders(data(top.path())) }).await;
    for _ in 0..50 {
        assert_eq!(play.ask("read /data/file").await, "inside");
        assert_eq!(play.ask("write /data/file inside").await, "done");
        assert_eq!(play.ask("touch file").await, "done");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_beyond_the_limit_is_refused() {
    let (server, echo) = (Server::silent().await, Server::echo().await);
    let play = Play::start(Grants { descriptors: Descriptors::new(2), ..hosts(&[server.url(), echo.url()]) }).await;
    let (hold, get) = (format!("hold {}/", server.url()), format!("get {}/", echo.url()));
    assert_eq!(play.ask(&hold).await, "1");
    assert_eq!(play.ask(&hold).await, "2");
    assert_eq!(play.open_resources().await, 2);
    assert_eq!(play.ask(&get).await, "error ConnectionLimitReached");
    assert_eq!(play.ask("let-go").await, "done");
    for _ in 0..5 {
        let said = until_it_is_no("error ConnectionLimitReached", &play, &get).await;
        assert_eq!(said, "200 GET / 127.0.0.1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn crash_gives_back_files_and_connections() {
    let (top, server, echo) = (scene(), Server::silent().await, Server::echo().await);
    let hosts = hosts(&[server.url(), echo.url()]).hosts;
    let grants = Grants { descriptors: Descriptors::new(2), hosts, ..folders(data(top.path())) };
    let play = Play::start(grants).await;
    let (hold, get) = (format!("hold {}/", server.url()), format!("get {}/", echo.url()));
    // Files and connections count together.
    assert_eq!(play.ask(&hold).await, "1");
    assert_eq!(play.ask("keep /data/file").await, "done");
    assert_eq!(play.ask("keep /data/file").await, TOO_MANY);
    assert_eq!(play.ask(&get).await, "error ConnectionLimitReached");
    assert!(play.try_ask("panic").await.is_err());
    for _ in 0..2 {
        assert_eq!(until_it_is_no(TOO_MANY, &play, "keep /data/file").await, "done");
    }
    assert_eq!(play.ask("keep /data/file").await, TOO_MANY);
}
