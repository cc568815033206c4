//! The end of a run: the log and the exit code tell of each accepted message that was not handled.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use rustix::process::Signal;

use crate::harness::{Host, actors, command, folder};

#[test]
fn closed_stdout_ends_the_run_with_1_and_counts_what_was_lost() {
    let manifest = "[play.supervision]\nintensity = 1000\n".to_owned() + &actors(&[("/guide", "guide")]);
    let folder = folder(&(manifest + "restart = { attempts = 1, backoff = { initial = \"1ms\", max = \"1ms\" } }\n"));
    let mut run = command(folder.path());
    let run = run.args(["run", "--stdin", "/guide", "--no-socket"]);
    let mut host = run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(host.stdout.take());
    // Stdin stays open: the host ends by itself.
    let mut stdin = host.stdin.take().unwrap();
    stdin.write_all("note a task\n".repeat(50).as_bytes()).unwrap();
    let output = host.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("stdout takes no more output (its reader is gone): stopping in order"), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.contains("bytes of output lost; ") && last.contains("messages not handled"), "{said}");
    drop(stdin);
}

#[test]
fn hangup_drains_and_removes_the_socket() {
    let mut host = Host::start(folder(&actors(&[("/counter", "counter")])), &["--stdin", "/counter"]);
    host.feed(b"a\nb\n");
    host.actor_when("/counter", |counter| counter["handled"] == 2);
    let socket = host.folder.path().join(".playhouse/control.sock");
    // A closed terminal sends the signal twice.
    host.signal(Signal::HUP);
    host.signal(Signal::HUP);
    host.wait_for("stopping in order");
    let folder = std::mem::replace(&mut host.folder, tempfile::tempdir().unwrap());
    let ended = host.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(!socket.exists());
    drop(folder);
}

#[test]
fn ignored_hangup_stays_ignored() {
    let folder = folder(&actors(&[("/echo", "echo")]));
    let mut shell = std::process::Command::new("sh");
    let shell = shell.args(["-c", "trap '' HUP; exec \"$0\" run --no-socket"]).arg(crate::harness::playhouse());
    let shell = shell.current_dir(folder.path()).env("XDG_CACHE_HOME", crate::harness::cache());
    let mut host = shell.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(host.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains(" is up: ") {
        assert!(lines.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let pid = rustix::process::Pid::from_child(&host);
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    assert_eq!(host.try_wait().unwrap(), None);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    lines.read_to_string(&mut said).unwrap();
    assert!(host.wait().unwrap().success() && said.matches("stopping in order").count() == 1, "{said}");
}

#[test]
fn dead_letters_make_a_run_until_idle_end_with_1() {
    let tells = ["--tell", "/flaky=!reject", "--tell", "/flaky=fine", "--until-idle"];
    let ended = Host::spawn(folder(&actors(&[("/flaky", "flaky")])), &tells).end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("1 message handled; 1 dead letter (rejected 1)"), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("playhouse: 1 message not handled"), "{}", ended.stderr);
}

#[test]
fn letters_of_a_drop_rule_are_no_failure_of_the_run() {
    for overflow in ["drop-newest", "drop-oldest"] {
        let mailbox = format!("mailbox = {{ capacity = 1, overflow = {overflow:?} }}\n");
        let arguments = ["--until-idle", "--stdin", "/flaky"];
        let mut host = Host::spawn(folder(&(actors(&[("/flaky", "flaky")]) + &mailbox)), &arguments);
        host.feed("x\n".repeat(10_000).as_bytes());
        let ended = host.end();
        assert_eq!(ended.status.code(), Some(0), "{overflow}: {}", ended.stderr);
        assert!(ended.stderr.contains("overflow"), "{overflow}: {}", ended.stderr);
    }
}

#[test]
fn killed_handler_at_shutdown_ends_the_run_with_1() {
    let manifest = "[play.supervision]\nshutdown = \"200ms\"\n".to_owned()
        + &actors(&[("/flaky", "flaky")])
        + "limits = { timeout = \"1h\" }\n";
    let host = Host::start(folder(&manifest), &["--tell", "/flaky=!sleep"]);
    host.actor_when("/flaky", |flaky| flaky["state"] == "running");
    for _ in 0..2 {
        host.ok(&["tell", "/flaky", "waits"]);
    }
    host.signal(Signal::INT);
    let ended = host.end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("1 failed shutdown"), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("playhouse: 3 messages not handled"), "{}", ended.stderr);
}

#[test]
fn ctrl_c_excludes_earlier_letters_from_the_exit_code() {
    let host = Host::start(folder(&actors(&[("/flaky", "flaky")])), &["--tell", "/flaky=!reject"]);
    host.actor_when("/flaky", |flaky| flaky["dead_letters"]["rejected"] == 1);
    host.signal(Signal::INT);
    let ended = host.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}

#[test]
fn run_goes_on_without_stdin_and_stderr() {
    let folder = folder(&actors(&[("/flaky", "flaky")]));
    for closed in ["<&- 2>&-", "2>&1 | true"] {
        let script = format!(
            "{{ \"$0\" run --no-socket --until-idle --tell /flaky=x --stdin /flaky; echo $? >code; }} {closed}"
        );
        let mut shell = std::process::Command::new("sh");
        let shell = shell.args(["-c", &script]).arg(crate::harness::playhouse()).current_dir(folder.path());
        let shell = shell.env("XDG_CACHE_HOME", crate::harness::cache()).stdin(Stdio::null());
        assert!(shell.stdout(Stdio::null()).status().is_ok());
        let code = std::fs::read_to_string(folder.path().join("code")).unwrap();
        assert_eq!(code.trim(), "0", "{closed}");
    }
}

#[test]
fn until_idle_names_the_stopped_actor_that_it_waits_for() {
    let manual = actors(&[("/report", "report")]) + "start = \"manual\"\n";
    let mut host = Host::spawn(folder(&manual), &["--until-idle", "--tell", "/report=hello"]);
    let said = host.wait_for("which is stopped");
    assert!(said.ends_with("waiting for /report, which is stopped: `playhouse start /report`, or Ctrl-C"), "{said}");
    host.ok(&["start", "/report"]);
    let ended = host.end();
    assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(0), "hello"), "{}", ended.stderr);
}
