use std::io::Write;
use std::process::Stdio;

use crate::harness::{Host, actors, command, folder};

#[test]
fn ten_thousand_messages_of_eight_senders_are_counted() {
    let host = Host::start(folder(&actors(&[("/counter", "counter")])), &[]);
    let tellers: Vec<_> = (0..8)
        .map(|_| {
            let mut teller = command(host.folder.path());
            let mut teller = teller.args(["tell", "/counter", "--lines"]).stdin(Stdio::piped()).spawn().unwrap();
            let mut stdin = teller.stdin.take().unwrap();
            std::thread::spawn(move || {
                stdin.write_all(&b"one more\n".repeat(1250)).unwrap();
                drop(stdin);
                assert!(teller.wait().unwrap().success());
            })
        })
        .collect();
    for teller in tellers {
        teller.join().unwrap();
    }
    assert_eq!(host.ok(&["ask", "/counter", "get"]), "10000");
}

#[test]
fn actor_stopped_by_operator_waits_for_an_operators_start() {
    let host = Host::start(folder(&actors(&[("/counter", "counter")])), &[]);
    host.ok(&["stop", "/counter"]);
    assert_eq!(host.actor("/counter")["state"], "stopped");
    for _ in 0..3 {
        host.ok(&["tell", "/counter", "one more"]);
    }
    assert_eq!(host.actor("/counter")["waiting"], 3);
    host.ok(&["start", "/counter"]);
    assert_eq!(host.ok(&["ask", "/counter", "get"]), "3");
}

#[test]
fn tree_shows_each_actor_with_its_counters() {
    let manifest = actors(&[("/echo", "echo"), ("/echo/child", "counter")]);
    let host = Host::start(folder(&manifest), &[]);
    host.ok(&["ask", "/echo", "x"]);
    let echo = host.actor_when("/echo", |actor| actor["handled"] == 1);
    assert_eq!((&echo["plugin"], &echo["incarnation"], &echo["restarts"]), (&"echo".into(), &1.into(), &0.into()));
    let text = host.ok(&["tree"]);
    assert!(text.contains("/echo") && text.contains("child"), "{text}");
}

#[test]
fn body_comes_from_stdin_and_reply_goes_to_stdout_unchanged() {
    let host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    let body: Vec<u8> = (0..=255).collect();
    let mut ask = command(host.folder.path());
    let mut ask = ask.args(["ask", "/echo"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    ask.stdin.take().unwrap().write_all(&body).unwrap();
    assert_eq!(ask.wait_with_output().unwrap().stdout, body);
}

#[test]
fn a_socket_of_a_host_that_died_is_taken_over() {
    let mut host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    host.die();
    let folder = tempfile::tempdir().unwrap();
    let socket = host.folder.path().join(".playhouse/control.sock");
    std::fs::copy(host.folder.path().join("playhouse.toml"), folder.path().join("playhouse.toml")).unwrap();
    let socket = socket.to_str().unwrap();
    let again = Host::start(folder, &["--socket", socket]);
    assert_eq!(again.ok(&["ask", "/echo", "x", "--socket", socket]), "x");
}

#[test]
fn socket_is_for_its_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    let mode = |path: &str| std::fs::metadata(host.folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(".playhouse/control.sock"), mode(".playhouse")), (0o600, 0o700));
}

#[test]
fn message_to_an_ended_actor_is_refused_with_the_way_out() {
    let ending = actors(&[("/flaky", "flaky")]) + "restart = { kind = \"temporary\" }\n";
    let host = Host::start(folder(&(actors(&[("/echo", "echo")]) + &ending)), &["--tell", "/flaky=!panic"]);
    host.actor_when("/flaky", |flaky| flaky["state"] == "ended");
    for command in ["tell", "ask"] {
        let output = host.run(&[command, "/flaky", "x"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("`/flaky` has ended and takes no more messages: it starts again with the play"),
            "{said}"
        );
    }
}

#[test]
fn full_disk_under_stdout_is_named() {
    let host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    for arguments in [&["tree"][..], &["ask", "/echo", "x"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command(host.folder.path()).args(arguments).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("stdout cannot be written: No space left"), "{said}");
    }
}

#[test]
fn socket_path_that_is_too_long_is_said_by_every_command() {
    let folder = folder(&actors(&[("/echo", "echo")]));
    let path = "x".repeat(200);
    for arguments in [&["run"][..], &["tree"], &["tell", "/echo", "x"]] {
        let output = command(folder.path()).args(arguments).args(["--socket", &path]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("the socket's path has 200 bytes, and at most 107 are possible"), "{said}");
    }
}
