//! Watches and reports of durable actors, whose host is killed again and again: each change and each outcome is told once.

use std::path::Path;

use playhouse_tests::{built, cargo};
use tempfile::TempDir;

use crate::harness::{Host, folder};

const LIVES: usize = 8;
/// Messages of each life that are confirmed.
const MESSAGES: usize = 4;

/// A watcher, an actor that it watches, and the log of what it was told, which nobody starts.
fn play(store: &Path) -> TempDir {
    cargo(&["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "puppet"]);
    let folder = folder("");
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    let puppet = built().join("../wasm32-wasip2/guest/puppet.wasm");
    std::fs::copy(puppet, folder.path().join("plugins/puppet.wasm")).unwrap();
    let actor = |address: &str, more: &str| {
        format!("[[actor]]\naddress = \"{address}\"\nplugin = \"puppet\"\nmailbox = {{ kind = \"durable\" }}\n{more}\n")
    };
    let mut manifest = format!("[play.store]\npath = {:?}\n", store.display().to_string());
    manifest += &actor("/log", "start = \"manual\"");
    manifest += &actor("/target", "");
    manifest += &actor("/watcher", "sends_to = [\"/log\", \"/target\"]\nconfig = { reports = \"yes\" }");
    std::fs::write(folder.path().join("playhouse.toml"), manifest).unwrap();
    folder
}

/// Everything that the watcher was told, in order.
fn told(host: &Host) -> Vec<String> {
    let shown = host.ok(&["mailbox", "show", "/log", "--json", "--limit", "100000"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let messages = shown["messages"].as_array().unwrap();
    messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn notices_and_reports_are_told_once_over_many_kills() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    let mut host = Host::start(play(&store), &[]);
    host.ok(&["tell", "/watcher", "watch /target"]);
    for life in 0..LIVES {
        for message in 0..MESSAGES {
            host.ok(&["tell", "/watcher", "nothing", "--key", &format!("{life}-{message}")]);
        }
        // The kill comes when the order is confirmed, with the notice and the reports somewhere on their way.
        host.ok(if life % 2 == 0 { &["stop", "/target"] } else { &["start", "/target"] });
        host.die();
        host = Host::start(play(&store), &[]);
        // Its request of the life before is the same one.
        host.ok(&["tell", "/watcher", "nothing", "--key", &format!("{life}-0")]);
    }
    host.actor_when("/watcher", |watcher| watcher["mailbox"]["waiting"] == 0 && watcher["state"] != "running");
    let told = told(&host);
    let of_target: Vec<_> = told.iter().filter(|line| line.starts_with("/target ")).map(String::as_str).collect();
    let expected: Vec<_> = (0..LIVES).map(|n| if n % 2 == 0 { "/target stopped" } else { "/target started" }).collect();
    assert_eq!(of_target, expected, "{told:?}");
    let reports = told.iter().filter(|line| line.ends_with(" done")).count();
    // One more for the message that began the watch; notices have reports, too.
    assert_eq!(reports, 1 + LIVES * MESSAGES + LIVES, "{told:?}");
}
