//! Short memory, with a `memory_high` that each process exceeds.

use std::io::Write;
use std::process::Stdio;

use crate::harness::{Host, actors, command, folder};

/// A play whose host always uses more memory than `memory_high`.
fn short() -> tempfile::TempDir {
    folder(&format!("memory_high = \"1B\"\n{}", actors(&[("/counter", "counter")])))
}

#[test]
fn short_memory_makes_the_socket_refuse_and_the_tree_explain() {
    let mut host = Host::spawn(short(), &[]);
    let warning = host.wait_for("memory is short");
    assert!(warning.contains("WARN") && warning.contains("memory_high"), "{warning}");
    host.wait_for(" is up: ");
    for request in [&["tell", "/counter", "x"][..], &["ask", "/counter", "get"]] {
        let output = host.run(request);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("memory is short") && said.contains("`memory_high` in [play] is \"1B\""), "{said}");
    }
    let tree: serde_json::Value = serde_json::from_str(&host.ok(&["tree", "--json"])).unwrap();
    assert!(tree["memory_pressure"].as_str().is_some_and(|why| why.contains("memory_high")), "{tree}");
    assert!(host.ok(&["tree"]).contains("memory is short: this process uses"));
    assert_eq!(host.actor("/counter")["handled"], 0);
}

#[test]
fn short_memory_refuses_a_tell_of_the_command_line() {
    let folder = short();
    let mut run = command(folder.path());
    let output = run.args(["run", "--until-idle", "--tell", "/counter=x"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("1 message of the input refused: memory is short"), "{said}");
}

#[test]
fn short_memory_holds_stdin_and_a_signal_ends_the_run() {
    let mut host = Host::spawn(short(), &["--stdin", "/counter", "--until-idle"]);
    host.wait_for(" is up: ");
    host.feed(b"one more\n");
    // After a round trip the line still waits: the run has not ended, and the line is not handled.
    assert_eq!(host.actor("/counter")["handled"], 0);
    host.signal(rustix::process::Signal::INT);
    let ended = host.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}

#[test]
fn tree_shows_no_pressure_while_memory_is_free() {
    let mark = format!("memory_high = \"1024GiB\"\n{}", actors(&[("/counter", "counter")]));
    let host = Host::start(folder(&mark), &[]);
    host.ok(&["tell", "/counter", "x"]);
    let tree: serde_json::Value = serde_json::from_str(&host.ok(&["tree", "--json"])).unwrap();
    assert_eq!(tree["memory_pressure"], serde_json::Value::Null);
}

#[test]
fn memory_is_free_again_once_waiting_messages_are_handled() {
    let mailbox = "start = \"manual\"\nmailbox = { capacity = 1000000, bytes = \"1GiB\" }\n";
    let manifest = format!("memory_high = \"150MiB\"\n{}{mailbox}", actors(&[("/counter", "counter")]));
    let mut host = Host::start(folder(&manifest), &[]);
    let mut flood = command(host.folder.path());
    let mut flood = flood.args(["tell", "/counter", "--lines"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = flood.stdin.take().unwrap();
    // The input is far more than memory allows; the client ends when a line is refused.
    let line = [&[b'x'; 4000][..], b"\n"].concat();
    while stdin.write_all(&line).is_ok() {}
    assert_eq!(flood.wait().unwrap().code(), Some(1));
    host.wait_for("memory is short");
    host.ok(&["start", "/counter"]);
    host.wait_for("memory is free again");
    host.ok(&["tell", "/counter", "one more"]);
}
