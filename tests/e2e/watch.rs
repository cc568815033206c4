//! Rates of actors in `tree`, and `tree --watch`: on a terminal, into a pipe, and at its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Host, actors, command, folder, playhouse};

#[test]
fn tree_has_rates_cpu_and_memory_without_metrics() {
    let host = Host::start(folder(&actors(&[("/counter", "counter")])), &[]);
    for _ in 0..3 {
        host.ok(&["tell", "/counter", "one more"]);
    }
    let counter = host.actor_when("/counter", |counter| counter["rates"]["handled_1m"].as_f64() > Some(0.0));
    let rate = |key: &str| counter["rates"][key].as_f64().unwrap();
    // The first samples are some seconds old at most; a busy machine may take them late.
    assert!(rate("handled_1m") <= 3.0 && rate("cpu_1m") <= 1.0, "{counter}");
    assert!(rate("handled_1s") >= 0.0 && rate("cpu_1s") >= 0.0, "{counter}");
    assert!(counter["memory_bytes"].as_u64() >= Some(65536) && counter["cpu_ms"].is_u64(), "{counter}");
    assert_eq!(counter["oldest_ms"], 0);
    let text = host.ok(&["tree"]);
    assert!(text.contains("MEMORY") && text.contains(" MiB"), "{text}");
}

#[test]
fn tree_has_the_age_of_the_oldest_message() {
    let manifest = actors(&[("/flaky", "flaky")]) + "[actor.limits]\ntimeout = \"10m\"\n";
    let host = Host::start(folder(&manifest), &[]);
    host.ok(&["tell", "/flaky", "!sleep"]);
    let flaky = host.actor_when("/flaky", |flaky| flaky["oldest_ms"].as_u64() >= Some(1000));
    assert_eq!((&flaky["waiting"], &flaky["handled"]), (&0.into(), &0.into()), "it is in process");
    assert!(host.ok(&["tree"]).contains("OLDEST"));
}

/// A watch of a host that writes into a pipe.
fn watch(host: &Host, arguments: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let mut watch = command(host.folder.path());
    let watch = watch.args(["tree", "--watch=100ms"]).args(arguments);
    let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let shown = BufReader::new(watch.stdout.take().unwrap());
    (watch, shown)
}

fn next(shown: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    shown.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn watch_into_a_pipe_has_a_json_object_in_each_line() {
    let host = Host::start(folder(&actors(&[("/counter", "counter")])), &[]);
    let (mut watch, mut shown) = watch(&host, &["--json"]);
    assert_eq!(next(&mut shown)["actors"][0]["handled"], 0);
    host.ok(&["tell", "/counter", "one more"]);
    while next(&mut shown)["actors"][0]["handled"] != 1 {}
    kill_process(Pid::from_child(&watch), Signal::INT).unwrap();
    let mut rest = String::new();
    shown.read_to_string(&mut rest).unwrap();
    assert!(rest.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{rest}");
    assert_eq!(watch.wait().unwrap().code(), Some(0));
}

#[test]
fn watch_into_a_pipe_prints_one_tree_after_the_other() {
    let host = Host::start(folder(&actors(&[("/counter", "counter")])), &[]);
    let (mut watch, mut shown) = watch(&host, &[]);
    let mut text = String::new();
    while text.matches("ADDRESS").count() < 3 {
        assert!(shown.read_line(&mut text).unwrap() > 0, "it ended");
    }
    assert!(!text.contains('\u{1b}') && text.contains("\n\ntest\n"), "{text:?}");
    // A reader that goes away ends it.
    drop(shown);
    assert_eq!(watch.wait().unwrap().code(), Some(1));
}

#[test]
fn watch_ends_with_3_when_the_host_ends() {
    let host = Host::start(folder(&actors(&[("/counter", "counter")])), &[]);
    let (watch, mut shown) = watch(&host, &["--json"]);
    next(&mut shown);
    host.signal(Signal::TERM);
    let socket = host.folder.path().join(".playhouse/control.sock");
    std::io::copy(&mut shown, &mut std::io::sink()).unwrap();
    let ended = watch.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "{said}");
    assert!(said.contains("the host ended: none listens on `.playhouse/control.sock` any more"), "{said}");
    host.end();
    assert!(!socket.exists());
}

#[test]
fn watch_on_a_terminal_draws_over_the_last_frame() {
    let many: Vec<_> = (0..40).map(|n| format!("/counter-{n}")).collect();
    let host = Host::start(folder(&actors(&many.iter().map(|at| (at.as_str(), "counter")).collect::<Vec<_>>())), &[]);
    let line = format!("stty columns 80 rows 24; exec '{}' tree --watch=100ms", playhouse().display());
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(host.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`script` of util-linux runs");
    let (mut shown, mut text) = (terminal.stdout.take().unwrap(), String::new());
    let end = "\u{1b}[J\u{1b}[?7h";
    while text.matches(end).count() < 2 {
        let mut chunk = [0; 4096];
        let read = shown.read(&mut chunk).unwrap();
        assert!(read > 0, "it ended: {text}");
        text.push_str(&String::from_utf8_lossy(&chunk[..read]));
    }
    terminal.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    shown.read_to_string(&mut text).unwrap();
    assert_eq!(terminal.wait().unwrap().code(), Some(0));
    let frame = text.split(end).nth(1).unwrap();
    let frame = frame.strip_prefix("\u{1b}[H\u{1b}[?7l").unwrap_or_else(|| panic!("no frame: {frame:?}"));
    let lines: Vec<_> = frame.split_terminator("\u{1b}[K\r\n").collect();
    assert_eq!(lines.len(), 23, "{lines:#?}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80 && !line.contains('\u{1b}')), "{lines:#?}");
    assert_eq!(lines[22], "20 more lines: `playhouse tree` prints them all");
}
