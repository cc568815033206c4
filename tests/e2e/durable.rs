//! `[play.store]` and durable mailboxes: hosts that are killed, stopped, and started again on what they kept.

use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Host, command, folder};

/// A play whose actor is stopped until an operator starts it. `store`: keys of `[play.store]`.
fn play(store: &str) -> TempDir {
    let till = "[[actor]]\naddress = \"/till\"\nplugin = \"echo\"\nstart = \"manual\"\n\
                mailbox = { kind = \"durable\", bytes = \"64MiB\" }\n";
    folder(&format!("{till}[play.store]\n{store}\n"))
}

/// A folder for stores, and the key for a store in it.
fn store() -> (TempDir, String) {
    let home = tempfile::tempdir().unwrap();
    let path = format!("path = {:?}", home.path().join("store").display().to_string());
    (home, path)
}

fn tree(host: &Host) -> Value {
    serde_json::from_str(&host.ok(&["tree", "--json"])).unwrap()
}

#[test]
fn kill_9_loses_nothing_that_was_confirmed() {
    let (home, path) = store();
    let mut host = Host::start(play(&path), &[]);
    for body in ["a", "b", "c"] {
        host.ok(&["tell", "/till", body]);
    }
    host.die();
    let host = Host::start(play(&path), &[]);
    assert_eq!(host.actor("/till")["waiting"], 3);
    assert_eq!(host.actor("/till")["mailbox"]["durable"], true);
    let shown = host.ok(&["tree"]);
    let place = home.path().join("store").display().to_string();
    assert!(shown.contains("durable") && shown.contains(&format!("the store is {place}, in its run 2")), "{shown}");
    host.ok(&["start", "/till"]);
    host.actor_when("/till", |till| till["handled"] == 3);
    host.signal(Signal::INT);
    assert_eq!(host.end().status.code(), Some(0));
    let host = Host::start(play(&path), &[]);
    host.actor_when("/till", |till| till["waiting"] == 0 && till["state"] == "idle");
    assert_eq!(tree(&host)["store"]["runs"], 3, "the operator's start holds, too");
}

#[test]
fn messages_wait_over_an_orderly_stop() {
    let (_home, path) = store();
    let host = Host::start(play(&path), &[]);
    host.ok(&["tell", "/till", "a"]);
    host.signal(Signal::INT);
    let ended = host.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let host = Host::start(play(&path), &[]);
    assert_eq!(
        (host.actor("/till")["waiting"].as_u64(), &tree(&host)["dead_letters"]),
        (Some(1), &serde_json::json!({}))
    );
}

/// Runs a play that does not start; returns its exit code and stderr.
fn refused(folder: &Path) -> (Option<i32>, String) {
    let output = command(folder).args(["run", "--no-socket"]).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn second_host_on_a_store_is_refused() {
    let (_home, path) = store();
    let host = Host::start(play(&path), &[]);
    let (code, said) = refused(play(&path).path());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&format!("the store is in use by process {}", host.process_id())), "{said}");
}

#[test]
fn damaged_store_is_refused_with_its_place() {
    let (home, path) = store();
    std::fs::create_dir(home.path().join("store")).unwrap();
    std::fs::write(home.path().join("store/store.db"), [7; 9000]).unwrap();
    let (code, said) = refused(play(&path).path());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the store is damaged at the database `store.db`"), "{said}");
    let at = home.path().join("store").display().to_string();
    assert!(said.contains(&format!("`playhouse store check --store {at}` names each damage with its place")), "{said}");
    assert!(said.contains(&format!("`playhouse store restore FILE --replace --store {at}`")), "{said}");
}

#[test]
fn full_store_refuses_the_outside_until_messages_are_handled() {
    let (_home, path) = store();
    let mut host = Host::start(play(&format!("{path}\nsize = \"1MiB\"")), &[]);
    let body = "x".repeat(100_000);
    let tell = || command(host.folder.path()).args(["tell", "/till", &body]).spawn().unwrap();
    let tells: Vec<_> = (0..20).map(|_| tell()).collect();
    let why = "`size` of `[play.store]` is used up, but for what is kept for turns and orders";
    host.wait_for(&format!("the store is full: {why}: senders wait"));
    let told = host.run(&["tell", "/till", "y"]);
    let said = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(1), "{said}");
    assert!(said.contains("the store did not confirm the message for `/till`: the store is full"), "{said}");
    assert!(host.ok(&["tree"]).contains("nothing from outside is taken: the store is full"));
    host.ok(&["start", "/till"]);
    host.wait_for("the store has space again");
    for mut tell in tells {
        // Confirmed before the store was full or when it had space again, or refused in between.
        assert!(matches!(tell.wait().unwrap().code(), Some(0 | 1)));
    }
    host.ok(&["tell", "/till", "z"]);
}

#[test]
fn full_store_follows_orders_that_make_space() {
    let (_home, path) = store();
    let mut host = Host::start(play(&format!("{path}\nsize = \"1MiB\"")), &[]);
    let body = "x".repeat(100_000);
    while host.run(&["tell", "/till", &body]).status.success() {}
    host.wait_for("the store is full: ");
    assert!(host.ok(&["health"]).starts_with("healthy: the kernel answers; the store is full: "));
    assert_eq!(host.run(&["health", "--ready"]).status.code(), Some(1));
    host.ok(&["stop", "/till"]);
    host.ok(&["mailbox", "drop", "/till", "--all"]);
    host.wait_for("the store has space again");
    host.ok(&["tell", "/till", "z"]);
}

#[test]
fn timer_fires_once_after_kill_9() {
    let (home, path) = store();
    let guide = "[[actor]]\naddress = \"/guide\"\nplugin = \"guide\"\nmailbox = { kind = \"durable\" }\n";
    let play = || folder(&format!("{guide}[play.store]\n{path}\n"));
    let mut host = Host::start(play(), &[]);
    host.ok(&["ask", "/guide", "remind 5000 tea"]);
    host.die();
    let place = home.path().join("store").display().to_string();
    let checked = command(home.path()).args(["store", "check", "--store", &place]).output().unwrap();
    let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.ends_with("and 1 timer are sound\n"), "{checked}");
    let host = Host::start(play(), &[]);
    host.actor_when("/guide", |guide| guide["handled"] == 1 && guide["state"] == "idle");
    host.signal(Signal::INT);
    assert_eq!(host.end().stdout.matches("/guide tea").count(), 1);
    let host = Host::start(play(), &[]);
    host.actor_when("/guide", |guide| guide["waiting"] == 0 && guide["state"] == "idle");
    host.signal(Signal::INT);
    assert_eq!(host.end().stdout, "");
}
