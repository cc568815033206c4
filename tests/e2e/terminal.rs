//! Text of a guest never moves an operator's cursor, changes the terminal's title or looks like a line of the host, in any
//! output.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use playhouse_tests::{built, cargo};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::{Host, cache, command, folder, playhouse};

/// The escapes that the guest writes: `tests/guests/hostile/src/acts/name_itself_with_control_characters.rs`.
const ESCAPES: [&str; 5] = ["\u{1b}[2J", "\u{1b}]0;owned", "\u{7}", "\u{9b}31m", "\u{202e}"];
/// A line that looks like one of the log. On stdout, which is data, a guest may write any line.
const FORGED: &str = "\n2026-01-01T00:00";
/// The same escapes as an operator sees them.
const HARMLESS: &str = r"\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\r";

/// A play of the guest and an actor that it may send to.
fn play() -> TempDir {
    cargo(&["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "hostile"]);
    let folder = folder("");
    let plugins = built().join("../wasm32-wasip2/guest").display().to_string();
    let manifest = format!(
        "[play]\nname = \"test\"\nplugins = {plugins:?}\n[[actor]]\naddress = \"/evil\"\nplugin = \"hostile\"\n\
         config = {{ act = \"name_itself_with_control_characters\" }}\nrestart = {{ attempts = 1 }}\n\
         grants = {{ hosts = [\"http://localhost:1\"] }}\n"
    );
    std::fs::write(folder.path().join("playhouse.toml"), manifest).unwrap();
    folder
}

fn assert_harmless(what: &str, shown: &[u8]) {
    let shown = String::from_utf8_lossy(shown);
    for escape in ESCAPES {
        assert!(!shown.contains(escape), "{what}: {escape:?} in {shown:?}");
    }
    assert!(shown.contains("owned"), "{what} does not show the text: {shown:?}");
}

#[test]
fn guest_text_is_harmless_in_every_command_and_the_log() {
    let host = Host::start(play(), &[]);
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\r\n2026-01-01T00:00";
    host.ok(&["tell", "/evil", evil]);
    host.actor_when("/evil", |evil| evil["last_crash"].is_object() && evil["state"] == "idle");
    let list = host.ok(&["dead-letters", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let id = list["letters"][0]["id"].as_str().unwrap();
    let commands: [&[&str]; 8] = [
        &["tree"],
        &["tree", "--json"],
        &["dead-letters", "list"],
        &["dead-letters", "list", "--json"],
        &["dead-letters", "show", id],
        &["dead-letters", "show", id, "--text"],
        &["dead-letters", "show", id, "--json"],
        &["ask", "/evil", "no"],
    ];
    for arguments in commands {
        let Output { stdout, stderr, .. } = host.run(arguments);
        assert_harmless(&arguments.join(" "), &[&stdout[..], b"\n", &stderr].concat());
        assert!(!String::from_utf8_lossy(&[stdout, stderr].concat()).contains(FORGED), "{arguments:?}");
    }
    let mut watch = command(host.folder.path());
    let mut watch = watch.args(["tree", "--watch", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(watch.stdout.take().unwrap()).read_line(&mut line).unwrap();
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert_harmless("tree --watch --json", line.as_bytes());
    let reply = host.run(&["ask", "/evil", "your name?"]);
    assert!(reply.stdout.starts_with(b"\x1b[2J"), "a pipe gets a reply unchanged");
    host.signal(Signal::TERM);
    let ended = host.end();
    assert_harmless("the log and the summary", ended.stderr.as_bytes());
    assert!(!ended.stderr.contains(FORGED), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("stdout \u{1b}[2J"), "a pipe gets the data unchanged");
}

/// The output of a command on a terminal, which ends with this exit code.
fn on_a_terminal(folder: &TempDir, arguments: &str, code: i32) -> Vec<u8> {
    let line = format!("'{}' {arguments}", playhouse().display());
    let done = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(folder.path())
        .env_remove("RUST_LOG")
        .env("XDG_CACHE_HOME", cache())
        .stdin(Stdio::null())
        .output()
        .expect("`script` of util-linux runs");
    assert_eq!(done.status.code(), Some(code), "{}", String::from_utf8_lossy(&done.stdout));
    done.stdout
}

#[test]
fn terminal_gets_guest_text_without_control_characters() {
    let folder = play();
    let shown = on_a_terminal(&folder, "run --no-socket --tell /evil=go --until-idle", 1);
    assert_harmless("a run", &shown);
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains(&format!("stdout {HARMLESS}")), "{shown}");
    assert!(shown.contains(&format!("stderr {HARMLESS}")), "{shown}");
    assert!(shown.contains(&format!("panicked: panic {HARMLESS}")), "{shown}");
    let host = Host::start(folder, &[]);
    let shown = on_a_terminal(&host.folder, "ask /evil 'your name?'", 0);
    assert_harmless("an answer", &shown);
    assert!(String::from_utf8_lossy(&shown).starts_with(HARMLESS));
}
