//! `playhouse logs` against a running host.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Stdio};

use playhouse_tests::{built, cargo};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Host, actors, command, folder};

/// The events of `logs --json`.
fn events(host: &Host, arguments: &[&str]) -> Vec<Value> {
    let said = host.ok(&[&["logs", "--json"], arguments].concat());
    said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// A host whose `/flaky` has crashed.
fn crashed() -> Host {
    let list = actors(&[("/echo", "echo"), ("/flaky", "flaky")]);
    let mut host = Host::start(folder(&(list + "restart = { attempts = 1 }\n")), &[]);
    host.ok(&["tell", "/flaky", "!panic"]);
    host.wait_for("dead letter");
    host
}

/// `logs -f` with piped output, and its first line.
fn follow(host: &Host, arguments: &[&str]) -> (Child, BufReader<ChildStdout>, String) {
    let mut follow: Command = command(host.folder.path());
    let follow = follow.args(["logs", "-f"]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut follow = follow.spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    (follow, lines, first)
}

#[test]
fn logs_are_selected_by_actor_flow_level_and_number() {
    let host = crashed();
    let all = events(&host, &[]);
    let of = |arguments: &[&str]| events(&host, arguments);
    let about = |event: &Value| event["actor"] == "/flaky";
    assert!(all.iter().any(about) && !all.iter().all(about), "{all:?}");
    let flaky: Vec<_> = all.iter().filter(|event| about(event)).cloned().collect();
    for pattern in ["/flaky", "/*", "/**"] {
        assert_eq!(of(&["--actor", pattern]), flaky, "{pattern}");
    }
    assert!(of(&["--actor", "/flaky/**", "--actor", "/echo"]).is_empty());
    let severe: Vec<_> = all.iter().filter(|event| event["level"] == "error" || event["level"] == "warn").collect();
    assert!(!severe.is_empty() && severe.len() < all.len());
    assert!(of(&["--level", "warn"]).iter().eq(severe));
    assert_eq!(of(&["-n", "2"]), all[all.len() - 2..]);
    assert_eq!(of(&["-n", "1", "--actor", "/flaky"]), flaky[flaky.len() - 1..]);
    assert_eq!((of(&["--since", "2h"]), of(&["--since", "0s"])), (all.clone(), Vec::new()));
    let flow = all.iter().find_map(|event| event["flow"].as_str()).unwrap();
    let in_flow: Vec<_> = all.iter().filter(|event| event["flow"] == flow).cloned().collect();
    for id in [flow, &flow[..20], &flow[..8].to_uppercase()] {
        assert_eq!(of(&["--flow", id]), in_flow, "{id}");
    }
}

#[test]
fn logs_show_the_lines_of_stderr_as_they_were() {
    let host = crashed();
    let shown = host.ok(&["logs"]);
    let said: Vec<_> = host.said().iter().filter(|line| line.starts_with("20")).collect();
    assert!(said.len() > 1, "{said:?}");
    for line in said {
        assert!(shown.lines().any(|other| other == line), "{line}\n{shown}");
    }
}

#[test]
fn follower_gets_the_last_line_of_the_run() {
    let host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    host.ok(&["stop", "/echo"]);
    host.ok(&["tell", "/echo", "nobody handles this"]);
    let (mut follow, lines, first) = follow(&host, &["--json"]);
    assert!(first.starts_with("{\"time\":"), "{first}");
    host.signal(Signal::TERM);
    let last = lines.lines().map_while(Result::ok).last().unwrap();
    assert!(last.contains("\"message\":\"1 message not handled\""), "{last}");
    assert_eq!(follow.wait().unwrap().code(), Some(0));
    assert_eq!(host.end().status.code(), Some(1));
}

#[test]
fn follower_of_a_killed_host_fails() {
    let mut host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    let (follow, lines, _) = follow(&host, &[]);
    host.die();
    drop(lines);
    let ended = follow.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("the host closed the connection before the end of the log"), "{said}");
}

#[test]
fn follower_without_a_reader_ends_quietly() {
    let host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    let (follow, lines, _) = follow(&host, &[]);
    drop(lines);
    // A line for the closed pipe.
    host.ok(&["stop", "/echo"]);
    host.ok(&["start", "/echo"]);
    host.signal(Signal::TERM);
    let ended = follow.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap()), (Some(1), String::new()));
}

#[test]
fn ctrl_c_ends_a_follower_without_a_word() {
    let host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    let (follow, _lines, first) = follow(&host, &[]);
    assert!(first.ends_with('\n'));
    kill_process(Pid::from_child(&follow), Signal::INT).unwrap();
    let ended = follow.wait_with_output().unwrap();
    assert_eq!((ended.status.signal(), ended.stderr), (Some(Signal::INT.as_raw()), Vec::new()));
    assert!(host.ok(&["tree"]).contains("/echo"));
}

#[test]
fn logs_say_why_there_are_none() {
    let ended = command(folder("").path()).arg("logs").output().unwrap();
    assert_eq!(ended.status.code(), Some(3));
    let host = Host::start(folder(&format!("[play.log]\nmemory = 0\n{}", actors(&[("/echo", "echo")]))), &[]);
    for (arguments, code, why) in [
        (&["logs"][..], 1, "this host keeps no log lines in memory: `memory` under [play.log] is 0"),
        (&["logs", "--actor", "shop"], 2, "`shop` is no address"),
        (&["logs", "--flow", "no id"], 2, "a flow id has 32 of the digits 0-9 and a-f"),
        (&["logs", "--level", "loud"], 2, "possible values: error, warn, info, debug, trace"),
    ] {
        let ended = host.run(arguments);
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.code() == Some(code) && said.contains(why), "{arguments:?}: {said}");
    }
}

#[test]
fn hostile_lines_are_safe_in_text_and_json() {
    cargo(&["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "hostile"]);
    let folder = folder("");
    let plugins = built().join("../wasm32-wasip2/guest").display().to_string();
    let manifest = format!(
        "[play]\nname = \"test\"\nplugins = {plugins:?}\n[[actor]]\naddress = \"/evil\"\nplugin = \"hostile\"\n\
         config = {{ act = \"write_lines_that_forge_the_log\" }}\n\
         grants = {{ hosts = [\"http://localhost:1\"] }}\n"
    );
    std::fs::write(folder.path().join("playhouse.toml"), manifest).unwrap();
    let host = Host::start(folder, &[]);
    assert_eq!(host.ok(&["ask", "/evil", "go"]), "written");
    let (text, json) = (host.ok(&["logs", "--actor", "/evil"]), host.ok(&["logs", "--actor", "/evil", "--json"]));
    // The host puts one tab between the text of a line and its fields.
    assert!(text.lines().all(|line| line.matches('\t').count() == 1), "{text:?}");
    for shown in [&text.replace('\t', " "), &json] {
        let hostile = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!shown.chars().any(hostile), "{shown:?}");
        assert!(shown.lines().count() == 5, "{shown}");
    }
    assert!(text.lines().all(|line| line.starts_with("20") && line.contains("Z INFO /evil ")), "{text}");
    let message = |line: &str| serde_json::from_str::<Value>(line).unwrap()["message"].as_str().unwrap().to_owned();
    let messages: Vec<_> = json.lines().map(message).collect();
    assert!(messages[0].starts_with("\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\r2026"), "{messages:?}");
    assert_eq!(messages[1..3], ["\"}}", "{\"v\":1,\"end\":{\"stopped\":true}}"]);
    assert!(messages[3].starts_with("\u{fffd}\u{fffd}\0 "), "{messages:?}");
    assert_eq!(messages[4], "\\u001b[31m \\\" {\"v\":1,\"log\":{}}");
}
