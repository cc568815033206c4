//! Backups of stores, restores, and orders that are killed or find no space.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{SHOW, alone, failed, fed, home, json, messages, ok, play, texts};
use crate::harness::{Host, command, playhouse};

#[test]
fn backup_of_a_running_host_is_restored() {
    let home = home();
    let mut host = Host::start(play(&home, &["/till"]), &[]);
    host.ok(&["tell", "/till", "a"]);
    host.ok(&["tell", "/till", "b"]);
    let said = host.ok(&["store", "backup", "monday.db"]);
    let file = host.folder.path().join("monday.db");
    assert!(said.starts_with(&format!("{}: ", file.display())) && said.contains(", up to entry "), "{said}");
    let (code, said) = failed(&host.run(&["store", "backup", "monday.db"]));
    assert!(code == Some(1) && said.contains("monday.db` exists already: name a new file"), "{said}");
    host.ok(&["tell", "/till", "after the backup"]);
    let file = file.display().to_string();
    let (code, said) = failed(&alone(&home, &["store", "restore", &file, "--store", "store"]));
    assert!(code == Some(2) && said.contains("the store is in use by process"), "{said}");
    host.die();
    let (code, said) = failed(&alone(&home, &["store", "restore", &file, "--store", "store"]));
    assert!(code == Some(2) && said.contains("with --replace it is kept aside"), "{said}");
    let said = ok(&home, &["store", "restore", &file, "--store", "store", "--replace"]);
    assert_eq!(said, format!("restored store from {file}\nthe store from before is store/store.db.replaced\n"));
    let host = Host::start(play(&home, &["/till"]), &[]);
    assert_eq!(texts(&host.ok(&SHOW)), ["a", "b"]);
    let info = json(&host.ok(&["store", "info", "--json"]));
    assert_eq!((info["runs"].as_u64(), info["restored"].as_bool()), (Some(2), Some(true)));
    drop(host);
    let kept = home.path().join("store/store.db.replaced").display().to_string();
    ok(&home, &["store", "restore", &kept, "--store", "before"]);
    assert_eq!(
        ok(&home, &["mailbox", "list", "--store", "before"]).lines().nth(1).unwrap().split_whitespace().nth(1),
        Some("3")
    );
}

/// Two hosts go on from one backup, and each is the second run of its store. No message has the id of another.
#[test]
fn restored_store_gives_no_id_again() {
    let home = home();
    let first = |host: &Host| messages(&host.ok(&SHOW)).last().unwrap()["id"].as_str().unwrap().to_owned();
    let mut host = Host::start(play(&home, &["/till"]), &[]);
    let file = home.path().join("backup.db").display().to_string();
    host.ok(&["store", "backup", &file]);
    host.die();
    let mut ids = Vec::new();
    for life in 0..3 {
        if life > 0 {
            ok(&home, &["store", "restore", &file, "--store", "store", "--replace"]);
        }
        let mut host = Host::start(play(&home, &["/till"]), &[]);
        host.ok(&["tell", "/till", "the first message of the second run"]);
        ids.push(first(&host));
        host.die();
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "{ids:?}");
}

#[test]
fn database_with_a_log_is_no_backup() {
    let home = home();
    Host::start(play(&home, &["/till"]), &[]).die();
    assert!(home.path().join("store/store.db-wal").exists(), "the host could not clean up");
    let (code, said) = failed(&alone(&home, &["store", "restore", "store/store.db", "--store", "other"]));
    assert!(code == Some(2) && said.contains("has a log beside it"), "{said}");
    assert!(!home.path().join("other/store.db").exists());
}

/// A store of some megabytes.
fn large_store(home: &TempDir) -> Vec<String> {
    let host = Host::start(play(home, &["/till"]), &[]);
    let lines: Vec<_> = (0..4000).map(|number| format!("{number} {}", "x".repeat(4000))).collect();
    let told = fed(host.folder.path(), &["tell", "/till", "--lines"], lines.join("\n").as_bytes());
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    host.ok(&["store", "backup", &home.path().join("whole.db").display().to_string()]);
    lines
}

/// Kills a command once one of its unfinished files has this many bytes. Returns whether it was still running.
fn kill_in_the_middle(mut child: Child, part: &Path, bytes: u64) -> bool {
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if std::fs::metadata(part).is_ok_and(|part| part.len() >= bytes) {
            child.kill().unwrap();
            return child.wait().unwrap().code().is_none();
        }
        std::thread::yield_now();
    }
}

fn start(home: &TempDir, arguments: &[&str]) -> Child {
    command(home.path()).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn store_is_good_after_killed_orders() {
    let home = home();
    let lines = large_store(&home);
    let in_store = |name: &str| home.path().join("store").join(name);
    let is_whole = || {
        let shown = ok(&home, &["mailbox", "show", "/till", "--json", "--limit", "100000", "--store", "store"]);
        assert_eq!(texts(&shown), lines);
        assert!(ok(&home, &["store", "check", "--store", "store"]).starts_with("4000 messages"));
        let files = std::fs::read_dir(home.path().join("store")).unwrap();
        let parts = files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().contains(".part"));
        assert_eq!(parts.count(), 0, "the next command has cleaned up");
    };
    let mut killed = [0; 3];
    for bytes in [0, 1 << 20, 8 << 20] {
        let compact = start(&home, &["store", "compact", "--store", "store"]);
        killed[0] += u32::from(kill_in_the_middle(compact, &in_store("store.db.compacted.part"), bytes));
        is_whole();
        let arguments = ["store", "restore", "whole.db", "--store", "store", "--replace"];
        let restore = start(&home, &arguments);
        killed[1] += u32::from(kill_in_the_middle(restore, &in_store("store.db.restored.part"), bytes));
        is_whole();
        let backup = start(&home, &["store", "backup", "new.db", "--store", "store"]);
        killed[2] += u32::from(kill_in_the_middle(backup, &home.path().join("new.db.part"), bytes));
        assert!(!home.path().join("new.db").exists() || std::fs::remove_file(home.path().join("new.db")).is_ok());
        is_whole();
    }
    assert!(killed.iter().all(|killed| *killed > 0), "{killed:?} were killed in the middle");
    ok(&home, &["store", "backup", "new.db", "--store", "store"]);
}

#[test]
fn backup_without_space_is_a_full_disk() {
    let home = home();
    large_store(&home);
    // In units of 512 bytes or of a kibibyte, as the shell has it.
    let limited = "ulimit -f 1000; exec \"$0\" store backup new.db --store store";
    let output = Command::new("sh").arg("-c").arg(limited).arg(playhouse()).current_dir(home.path()).output().unwrap();
    let (code, said) = failed(&output);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("new.db.part` cannot be written: a file is as large as the system allows"), "{said}");
    assert!(!home.path().join("new.db").exists() && !home.path().join("new.db.part").exists());
    assert!(ok(&home, &["store", "check", "--store", "store"]).starts_with("4000 messages"));
}
