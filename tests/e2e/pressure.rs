//! Memory that is short, by a mark that any process is above.

use std::io::Write;
use std::process::Stdio;

use crate::stage::{Host, actors, command, folder};

/// A play whose host always has more memory than it should.
fn short() -> tempfile::TempDir {
    folder(&format!("memory_high = \"1B\"\n{}", actors(&[("/counter", "counter")])))
}

#[test]
fn while_memory_is_short_the_control_socket_refuses_messages_and_the_tree_says_why() {
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
fn while_memory_is_short_a_tell_of_the_command_line_is_refused_and_the_exit_code_says_so() {
    let folder = short();
    let mut run = command(folder.path());
    let output = run.args(["run", "--until-idle", "--tell", "/counter=x"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("1 message of the input refused: memory is short"), "{said}");
}

#[test]
fn while_memory_is_short_stdin_waits_and_a_person_may_still_end_it() {
    let mut host = Host::spawn(short(), &["--stdin", "/counter", "--until-idle"]);
    host.wait_for(" is up: ");
    host.feed(b"one more\n");
    // A round trip later it still waits: it neither ended nor was handled.
    assert_eq!(host.actor("/counter")["handled"], 0);
    host.signal(rustix::process::Signal::INT);
    let ended = host.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}

#[test]
fn with_memory_to_spare_the_tree_says_nothing_of_it() {
    let mark = format!("memory_high = \"1024GiB\"\n{}", actors(&[("/counter", "counter")]));
    let host = Host::start(folder(&mark), &[]);
    host.ok(&["tell", "/counter", "x"]);
    let tree: serde_json::Value = serde_json::from_str(&host.ok(&["tree", "--json"])).unwrap();
    assert_eq!(tree["memory_pressure"], serde_json::Value::Null);
}

#[test]
fn memory_that_was_short_is_free_again_once_what_waits_is_handled() {
    let mailbox = "start = \"manual\"\nmailbox = { capacity = 1000000, bytes = \"1GiB\" }\n";
    let manifest = format!("memory_high = \"150MiB\"\n{}{mailbox}", actors(&[("/counter", "counter")]));
    let mut host = Host::start(folder(&manifest), &[]);
    let mut flood = command(host.folder.path());
    let mut flood = flood.args(["tell", "/counter", "--lines"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = flood.stdin.take().unwrap();
    // Far more than there is room for; it ends when it is refused.
    let line = [&[b'x'; 4000][..], b"\n"].concat();
    while stdin.write_all(&line).is_ok() {}
    assert_eq!(flood.wait().unwrap().code(), Some(1));
    host.wait_for("memory is short");
    host.ok(&["start", "/counter"]);
    host.wait_for("memory is free again");
    host.ok(&["tell", "/counter", "one more"]);
}
