//! Bodies and lines from the command line and from stdin: those that are sent unchanged, and those that are refused.

use std::io::Write;
use std::process::{Output, Stdio};

use crate::harness::{Host, actors, command, folder};

const SMALL: &str = "[actor.limits]\nmessage = \"10B\"\n";

/// Runs a client command with `bytes` on its stdin. A client that refuses its input may stop reading.
fn fed(host: &Host, arguments: &[&str], bytes: &[u8]) -> Output {
    let mut client = command(host.folder.path());
    let client = client.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = client.spawn().unwrap();
    let _ = client.stdin.take().unwrap().write_all(bytes);
    client.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn tell_lines_refuses_long_lines_and_sends_the_others() {
    let host = Host::start(folder(&(actors(&[("/counter", "counter")]) + SMALL)), &[]);
    let output =
        fed(&host, &["tell", "/counter", "--lines"], b"a\n12345678901\n\n\xff\xfe\r\n1234567890\n12345678901234");
    assert_eq!(output.status.code(), Some(1));
    for (line, bytes) in [(2, 11), (6, 14)] {
        let refused =
            format!("line {line} of stdin was not sent: it has {bytes} bytes, and `limits.message` of `/counter`");
        assert!(said(&output).contains(&refused), "{}", said(&output));
    }
    host.actor_when("/counter", |counter| counter["handled"] == 4);
}

#[test]
fn body_on_stdin_is_read_only_up_to_the_limit() {
    let host = Host::start(folder(&(actors(&[("/echo", "echo")]) + SMALL)), &[]);
    for command in ["tell", "ask"] {
        let output = fed(&host, &[command, "/echo"], &vec![b'x'; 8 << 20]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            said(&output).contains("stdin has more than 10 bytes, the `limits.message` of `/echo`"),
            "{}",
            said(&output)
        );
    }
    assert_eq!(fed(&host, &["ask", "/echo"], b"1234567890").stdout, b"1234567890");
}

#[test]
fn body_that_begins_with_a_dash_is_sent() {
    let host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    for body in ["-1", "--nothing"] {
        assert_eq!(host.ok(&["ask", "/echo", body]), body);
    }
    assert_eq!(host.ok(&["ask", "/echo", "--", "--help"]), "--help");
}

#[test]
fn run_refuses_long_lines_and_sends_the_others() {
    let mut host =
        Host::spawn(folder(&(actors(&[("/counter", "counter")]) + SMALL)), &["--stdin", "/counter", "--until-idle"]);
    host.feed(b"a\n12345678901\nb\r\n\n\xff");
    let ended = host.end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let refused = "line 2 of stdin was not sent: it has 11 bytes, and `limits.message` of `/counter` is 10 bytes";
    assert!(ended.stderr.contains(refused), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("was not sent").count(), 1, "{}", ended.stderr);
}

#[test]
fn refused_input_is_reported_when_a_signal_ends_the_run() {
    let manual = "start = \"manual\"\nmailbox = { capacity = 1, overflow = \"reject\" }\n";
    let mut host = Host::start(folder(&(actors(&[("/echo", "echo")]) + manual)), &["--stdin", "/echo"]);
    host.feed(b"1\n2\n3\n");
    host.actor_when("/echo", |echo| echo["mailbox"]["refused"] == 2);
    host.signal(rustix::process::Signal::TERM);
    host.wait_for("Ctrl-C again");
    let ended = host.end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("2 messages of the input found no room in the mailbox of /echo"), "{}", ended.stderr);
}
