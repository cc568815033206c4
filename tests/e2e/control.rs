use std::io::Write;
use std::process::Stdio;

use crate::stage::{Host, actors, command, folder};

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
