//! `playhouse store` and `playhouse mailbox`, on running hosts and on the stores of stopped ones.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Host, command, folder, playhouse};

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

#[test]
fn messages_are_shown_without_disturbing_the_actor() {
    let home = home();
    let host = Host::start(play(&home, &["/till", "/desk"]), &[]);
    for body in ["one", "two", "three\u{1b}[2J"] {
        host.ok(&["tell", "/till", body]);
    }
    let list = host.ok(&["mailbox", "list"]);
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!(rows, [["ADDRESS", "WAITING", "RETRIES"], ["/till", "3", "0"], ["/desk", "0", "0"]]);
    let shown = host.ok(&["mailbox", "show", "/till", "--limit", "2"]);
    assert!(
        shown.contains("\nfrom      (outside)\n") && shown.contains("  one\n") && shown.contains("  two\n"),
        "{shown}"
    );
    assert!(shown.ends_with("\n3 messages waiting, 1 not shown (--limit)\n"), "{shown}");
    assert!(host.ok(&["mailbox", "show", "/till"]).contains("  00000000  74 68 72 65 65 1b"));
    assert!(host.ok(&["mailbox", "show", "/till", "--text"]).contains("  three\\u{1b}[2J\n"));
    let (code, said) = failed(&host.run(&["mailbox", "show", "/tilt"]));
    assert!(code == Some(1) && said.contains("the store has no mailbox of `/tilt`: did you mean `/till`?"), "{said}");
    let till = host.actor("/till");
    assert_eq!((till["waiting"].as_u64(), till["handled"].as_u64()), (Some(3), Some(0)));
    host.ok(&["start", "/till"]);
    host.actor_when("/till", |till| till["handled"] == 3);
    assert_eq!(host.ok(&["mailbox", "show", "/till"]), "0 messages waiting\n");
}

#[test]
fn dropped_messages_are_gone_for_good() {
    let home = home();
    let mut host = Host::start(play(&home, &["/till"]), &[]);
    for body in ["one", "two", "three", "four"] {
        host.ok(&["tell", "/till", body]);
    }
    let id = |text: &str| {
        let all = messages(&host.ok(&SHOW));
        all.iter().find(|message| message["text"] == text).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let second = id("two");
    assert_eq!(host.ok(&["mailbox", "drop", "/till", &second[..12]]), "dropped 1 message of /till\n");
    let (code, said) = failed(&host.run(&["mailbox", "drop", "/till", &second]));
    assert!(code == Some(1) && said.contains("no message waits for `/till` whose id begins with"), "{said}");
    let (code, _) = failed(&host.run(&["mailbox", "drop", "/till", "no-id"]));
    assert_eq!(code, Some(1));
    assert_eq!(host.actor("/till")["waiting"], 3);
    assert!(host.ok(&["tree"]).contains("operators dropped 1 message that waited for /till"));
    let me = rustix::process::geteuid().as_raw();
    host.wait_for(&format!("user {me} dropped 1 waiting messages"));
    host.die();
    assert_eq!(
        ok(&home, &["mailbox", "drop", "/till", &id_on_disk(&home, "three"), "--store", "store"]),
        "dropped 1 message of /till\n"
    );
    let mut host = Host::start(play(&home, &["/till"]), &[]);
    assert_eq!(texts(&host.ok(&SHOW)), ["one", "four"]);
    assert_eq!(host.ok(&["mailbox", "drop", "/till", "--all"]), "dropped 2 messages of /till\n");
    assert_eq!(host.ok(&["dead-letters", "list"]), "no dead letters\n");
    host.ok(&["tell", "/till", "five"]);
    host.die();
    let host = Host::start(play(&home, &["/till"]), &[]);
    host.ok(&["start", "/till"]);
    host.actor_when("/till", |till| till["handled"] == 1 && till["waiting"] == 0);
}

fn id_on_disk(home: &TempDir, text: &str) -> String {
    let shown = ok(home, &[&SHOW[..], &["--store", "store"]].concat());
    messages(&shown).iter().find(|message| message["text"] == text).unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn messages_of_an_actor_that_left_can_be_moved() {
    let home = home();
    let mut host = Host::start(play(&home, &["/till", "/desk"]), &[]);
    for body in ["one", "two", "three"] {
        host.ok(&["tell", "/till", body]);
    }
    host.die();
    let host = Host::start(play(&home, &["/desk"]), &[]);
    let list = host.ok(&["mailbox", "list"]);
    assert!(list.lines().any(|line| line.starts_with("/till") && line.ends_with("not in this play")), "{list}");
    assert_eq!(texts(&host.ok(&SHOW)), ["one", "two", "three"]);
    let exported = host.ok(&["mailbox", "export", "/till"]);
    assert_eq!(exported.lines().count(), 3);
    let (code, said) = failed(&fed(host.folder.path(), &["mailbox", "import", "/till"], exported.as_bytes()));
    assert!(code == Some(1) && said.contains("/till"), "{said}");
    let imported = fed(host.folder.path(), &["mailbox", "import", "/desk"], exported.as_bytes());
    assert_eq!(String::from_utf8_lossy(&imported.stdout), "imported 3 messages into /desk\n");
    assert_eq!(host.ok(&["mailbox", "drop", "/till", "--all"]), "dropped 3 messages of /till\n");
    assert_eq!(host.ok(&["mailbox", "export", "/desk"]), exported, "ids and bodies are the same");
    assert_eq!(host.ok(&["mailbox", "show", "/till"]), "0 messages waiting\n");
    host.ok(&["start", "/desk"]);
    host.actor_when("/desk", |desk| desk["handled"] == 3);
}

#[test]
fn import_adds_no_message_that_waits_already() {
    let home = home();
    let mut host = Host::start(play(&home, &["/till"]), &[]);
    host.ok(&["tell", "/till", "one"]);
    let exported = host.ok(&["mailbox", "export", "/till"]);
    let import = |lines: &str| fed(host.folder.path(), &["mailbox", "import", "/till"], lines.as_bytes());
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let twice = "imported 0 messages into /till; 1 message left out, since such ids wait there\n";
    assert_eq!(said(&import(&exported)), twice);
    let other = exported.replacen("\"id\":\"", "\"id\":\"f", 1).replacen("\"id\":\"f0", "\"id\":\"f", 1);
    let other = json(&other);
    let id = &other["id"].as_str().unwrap()[..32];
    let other = exported.replace(json(&exported)["id"].as_str().unwrap(), id);
    assert_eq!(
        said(&import(&format!("{other}\n{exported}"))),
        twice.replace('0', "1").replacen("1 messages", "1 message", 1)
    );
    let (code, text) = failed(&import(&format!("{}no message\n", other.replace(id, &"e".repeat(32)))));
    let expected = "line 2 of stdin was not imported, nor were the lines after it (before it: 1 message): it is no exported message";
    assert!(code == Some(2) && text.contains(expected), "{text}");
    host.die();
    let stopped = fed(home.path(), &["mailbox", "import", "/till", "--store", "store"], exported.as_bytes());
    assert_eq!(said(&stopped), twice);
    assert_eq!(ok(&home, &["mailbox", "export", "/till", "--store", "store"]).lines().count(), 3);
    let unknown = fed(home.path(), &["mailbox", "import", "/tilt", "--store", "store"], exported.as_bytes());
    assert!(failed(&unknown).1.contains("did you mean `/till`?"));
}

#[test]
fn lines_that_are_confirmed_survive_a_kill_in_order() {
    let home = home();
    let mut host = Host::start(play(&home, &["/till"]), &[]);
    let lines: Vec<_> = (0..20_000).map(|number| format!("line {number}")).collect();
    let told = fed(host.folder.path(), &["tell", "/till", "--lines"], lines.join("\n").as_bytes());
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    host.die();
    let shown = ok(&home, &["mailbox", "show", "/till", "--json", "--limit", "100000", "--store", "store"]);
    assert_eq!(texts(&shown), lines);
}

#[test]
fn refused_line_is_the_first_that_is_missing() {
    let home = home();
    let manifest = actor("/till", "echo")
        .replace("capacity = 100000, bytes = \"64MiB\"", "capacity = 100, overflow = \"reject\"")
        + &store_of(&home);
    let host = Host::start(folder(&manifest), &[]);
    let lines: Vec<_> = (1..=150).map(|number| format!("line {number}")).collect();
    let (code, said) = failed(&fed(host.folder.path(), &["tell", "/till", "--lines"], lines.join("\n").as_bytes()));
    assert!(code == Some(1) && said.contains("line 101 of stdin was not sent, nor were the lines after it"), "{said}");
    assert_eq!(texts(&host.ok(&[&SHOW[..], &["--limit", "1000"]].concat())), lines[..100]);
}

/// The lines of `run --stdin` wait for the disk together; those that were handled before a kill are not handled again.
#[test]
fn fed_lines_are_kept_in_order() {
    let home = home();
    let mut host = Host::start(play(&home, &["/till"]), &["--stdin", "/till"]);
    let lines: Vec<_> = (0..5000).map(|number| format!("line {number}")).collect();
    host.feed((lines.join("\n") + "\n").as_bytes());
    host.actor_when("/till", |till| till["waiting"] == 5000);
    let shown = loop {
        let shown = host.ok(&[&SHOW[..], &["--limit", "100000"]].concat());
        if messages(&shown).len() == 5000 {
            break shown;
        }
    };
    assert_eq!(texts(&shown), lines);
    host.die();
    let shown = ok(&home, &[&SHOW[..], &["--limit", "100000", "--store", "store"]].concat());
    assert_eq!(texts(&shown), lines);
}

/// A host that is killed while letters are replayed: each letter is either there, or its message is.
#[test]
fn replayed_letters_survive_kills_exactly_once() {
    let home = home();
    let play = || {
        let flaky = "[[actor]]\naddress = \"/flaky\"\nplugin = \"flaky\"\nmailbox = { kind = \"durable\" }\n";
        folder(&(flaky.to_owned() + &store_of(&home)))
    };
    let host = Host::start(play(), &[]);
    let rejects: Vec<_> = (0..300).map(|number| format!("!reject {number}")).collect();
    let told = fed(host.folder.path(), &["tell", "/flaky", "--lines"], rejects.join("\n").as_bytes());
    assert!(told.status.success());
    host.actor_when("/flaky", |flaky| flaky["waiting"] == 0 && flaky["dead_letters"]["rejected"] == 300);
    host.ok(&["stop", "/flaky"]);
    let letters =
        |host: &Host| json(&host.ok(&["dead-letters", "list", "--json"]))["letters"].as_array().unwrap().clone();
    let ids =
        |letters: &[Value]| letters.iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let all = ids(&letters(&host));
    let mut host = host;
    let mut in_the_middle = 0;
    for _ in 0..4 {
        let before = ids(&letters(&host));
        let place = host.folder.path().to_owned();
        let replays = before.iter().take(60).cloned().collect::<Vec<_>>();
        let replaying = std::thread::spawn(move || {
            let replay = |id: &String| command(&place).args(["dead-letters", "replay", id]).output().unwrap();
            replays.iter().take_while(|id| replay(id).status.success()).count()
        });
        // Some are replayed, and the next ones are on their way.
        while letters(&host).len() + 10 > before.len() && !replaying.is_finished() {}
        host.die();
        let replayed = replaying.join().unwrap();
        host = Host::start(play(), &[]);
        let (kept, waiting) =
            (letters(&host), messages(&host.ok(&["mailbox", "show", "/flaky", "--json", "--limit", "10000"])));
        let mut texts: Vec<_> =
            kept.iter().chain(&waiting).map(|message| message["text"].as_str().unwrap().to_owned()).collect();
        texts.sort();
        let mut expected = rejects.clone();
        expected.sort();
        assert_eq!(texts, expected, "{} letters, {} messages", kept.len(), waiting.len());
        assert!(ids(&kept).iter().all(|id| all.contains(id)), "ids stay");
        let gone = before.len() - kept.len();
        assert!(
            (replayed..=replayed + 1).contains(&gone),
            "{replayed} replays were confirmed, {gone} letters are gone"
        );
        in_the_middle += u32::from(replayed > 0 && replayed < 60);
    }
    assert!(in_the_middle > 0, "no kill was in the middle");
}
