//! `playhouse store` and `playhouse mailbox`, on running hosts and on the stores of stopped ones.

mod backups;
mod waiting;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Host, command, folder};

/// A play whose actors are stopped until an operator starts them. Its store is in `home`.
fn play(home: &TempDir, actors: &[&str]) -> TempDir {
    let actors: String = actors.iter().map(|address| actor(address, "echo")).collect();
    folder(&(actors + &store_of(home)))
}

fn actor(address: &str, plugin: &str) -> String {
    format!(
        "[[actor]]\naddress = {address:?}\nplugin = {plugin:?}\nstart = \"manual\"\n\
         mailbox = {{ kind = \"durable\", capacity = 100000, bytes = \"64MiB\" }}\n"
    )
}

fn store_of(home: &TempDir) -> String {
    format!("[play.store]\npath = {:?}\n", path(home))
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The folder of the store.
fn path(home: &TempDir) -> String {
    home.path().join("store").display().to_string()
}

fn database(home: &TempDir) -> PathBuf {
    home.path().join("store/store.db")
}

/// Runs a command that needs no host.
fn alone(home: &TempDir, arguments: &[&str]) -> Output {
    command(home.path()).args(arguments).output().unwrap()
}

/// The stdout of a command that needs no host, and must succeed.
fn ok(home: &TempDir, arguments: &[&str]) -> String {
    let output = alone(home, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The exit code and the stderr of a command that must fail.
fn failed(output: &Output) -> (Option<i32>, String) {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs a command with this stdin.
fn fed(folder: &Path, arguments: &[&str], stdin: &[u8]) -> Output {
    let mut child = command(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // A command that fails reads no further.
        scope.spawn(move || drop(pipe.write_all(stdin)));
        child.wait_with_output().unwrap()
    })
}

/// The texts of the messages in a mailbox, in order.
fn texts(shown: &str) -> Vec<String> {
    messages(shown).iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

fn messages(shown: &str) -> Vec<Value> {
    let page: Value = serde_json::from_str(shown).unwrap();
    page["messages"].as_array().unwrap().clone()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

const SHOW: [&str; 4] = ["mailbox", "show", "/till", "--json"];

#[test]
fn store_is_described_and_checked() {
    let home = home();
    let mut host = Host::start(play(&home, &["/till", "/desk"]), &[]);
    for body in ["a", "b", "c"] {
        host.ok(&["tell", "/till", body]);
    }
    let info = json(&host.ok(&["store", "info", "--json"]));
    let of = |field: &str| info[field].as_u64().unwrap();
    assert_eq!((of("runs"), of("mailboxes"), of("waiting"), of("dead_letters")), (1, 1, 3, 0));
    assert_eq!((info["path"].as_str(), of("format")), (Some(path(&home).as_str()), 3));
    assert!(host.ok(&["store", "info"]).contains("\nmessages     3 in 1 durable mailbox\n"));
    assert_eq!(host.ok(&["store", "check"]), "3 messages, 0 dead letters, 0 keys of states and 0 timers are sound\n");
    let (code, said) = failed(&alone(&home, &["store", "info", "--store", &path(&home)]));
    assert_eq!(code, Some(2));
    assert!(said.contains(&format!("the store is in use by process {}", host.process_id())), "{said}");
    host.die();
    assert_eq!(
        ok(&home, &["store", "check", "--store", "store"]),
        "3 messages, 0 dead letters, 0 keys of states and 0 timers are sound\n"
    );
    assert_eq!(json(&ok(&home, &["store", "info", "--store", "store", "--json"]))["waiting"], 3);
    let (code, said) = failed(&alone(&home, &["store", "info"]));
    assert!(code == Some(3) && said.contains("`--store PATH` names the store of a stopped host"), "{said}");
    let (code, said) = failed(&alone(&home, &["store", "info", "--store", "nothing"]));
    assert!(code == Some(2) && said.contains("there is no store in `nothing`"), "{said}");
    assert!(!home.path().join("nothing").exists());
}

#[test]
fn play_without_a_store_says_so() {
    let host = Host::start(folder(&crate::harness::actors(&[("/echo", "echo")])), &[]);
    for arguments in [&["store", "info"][..], &["mailbox", "list"], &["mailbox", "drop", "/echo", "--all"]] {
        let (code, said) = failed(&host.run(arguments));
        assert!(code == Some(1) && said.contains("this play has no store: `[play.store]`"), "{arguments:?}: {said}");
    }
}

/// Flips one bit in each of some texts of the database.
fn flip(database: &Path, texts: &[&str]) {
    let mut bytes = std::fs::read(database).unwrap();
    for text in texts {
        let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
        bytes[at + 3] ^= 4;
    }
    std::fs::write(database, bytes).unwrap();
}

#[test]
fn check_names_flipped_bits_in_several_pages() {
    let home = home();
    let mut host = Host::start(play(&home, &["/till"]), &[]);
    for number in 0..20 {
        host.ok(&["tell", "/till", &format!("number {number} {}", "x".repeat(2000))]);
    }
    host.die();
    ok(&home, &["store", "compact", "--store", "store"]);
    flip(&database(&home), &["number 3 ", "number 9 ", "number 17 "]);
    let output = alone(&home, &["store", "check", "--store", "store"]);
    let (code, said) = failed(&output);
    let found = String::from_utf8(output.stdout).unwrap();
    assert_eq!(code, Some(2), "{said}");
    for number in [4, 10, 18] {
        let place = format!("damaged: message {number} of `/till`, in row {number} of table `frame`\n");
        assert!(found.contains(&place), "{found}");
    }
    assert!(
        found.ends_with("17 messages, 0 dead letters, 0 keys of states and 0 timers are sound\n")
            && found.lines().count() == 4,
        "{found}"
    );
    assert!(said.contains("the store is damaged: `playhouse store restore FILE --replace`"), "{said}");
    let (code, said) = failed(&alone(&home, &["mailbox", "show", "/till", "--store", "store"]));
    assert!(code == Some(2) && said.contains("message 4 of actor"), "{said}");
}

#[test]
fn newer_store_is_refused_by_commands() {
    let home = home();
    Host::start(play(&home, &["/till"]), &[]).die();
    ok(&home, &["store", "compact", "--store", "store"]);
    let mut bytes = std::fs::read(database(&home)).unwrap();
    // The number of the format in the header of the file, as SQLite documents it.
    bytes[60..64].copy_from_slice(&9_u32.to_be_bytes());
    std::fs::write(database(&home), bytes).unwrap();
    for arguments in [&["store", "info"][..], &["store", "compact"], &["mailbox", "list"]] {
        let (code, said) = failed(&alone(&home, &[arguments, &["--store", "store"]].concat()));
        assert!(code == Some(2) && said.contains("the store has format 9, which is newer"), "{arguments:?}: {said}");
    }
}
