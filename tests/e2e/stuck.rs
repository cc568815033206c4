//! An operator can act when a host is stopped, and when other clients crowd its socket.

use std::os::unix::net::UnixStream;
use std::process::Stdio;

use rustix::process::Signal;

use crate::harness::{Host, actors, command, folder};

#[test]
fn clients_of_a_stopped_host_end_with_1_and_name_its_socket() {
    let host = Host::start(folder(&actors(&[("/echo", "echo"), ("/other", "echo")])), &[]);
    host.signal(Signal::STOP);
    let commands: [&[&str]; 6] = [
        &["ask", "/echo", "x", "--timeout", "100ms"],
        &["tell", "/echo", "x"],
        &["tree"],
        &["stop", "/other"],
        &["start", "/other"],
        &["dead-letters", "list"],
    ];
    // The clients run at the same time: each has its own deadline.
    let clients = commands.map(|arguments| {
        let mut client = command(host.folder.path());
        let client = client.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        (arguments, client.spawn().unwrap())
    });
    for (arguments, client) in clients {
        let output = client.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("the host that listens on `.playhouse/control.sock` (process "), "{arguments:?}: {said}");
    }
    host.signal(Signal::CONT);
    assert_eq!(host.ok(&["ask", "/echo", "y"]), "y");
}

#[test]
fn idle_connections_lock_out_no_client_and_lose_no_line() {
    let host = Host::start(folder(&actors(&[("/counter", "counter")])), &[]);
    let mut client = command(host.folder.path());
    let mut client = client.args(["tell", "/counter", "--lines"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut lines = client.stdin.take().unwrap();
    std::io::Write::write_all(&mut lines, b"1\n").unwrap();
    host.actor_when("/counter", |counter| counter["handled"] == 1);
    // The connections of other clients push the idle client out, twice.
    let socket = host.folder.path().join(".playhouse/control.sock");
    for handled in 2..4 {
        let crowd: Vec<_> = (0..300).map(|_| UnixStream::connect(&socket).unwrap()).collect();
        assert!(host.ok(&["tree"]).contains("/counter"));
        std::io::Write::write_all(&mut lines, format!("{handled}\n").as_bytes()).unwrap();
        host.actor_when("/counter", |counter| counter["handled"] == handled);
        drop(crowd);
    }
    drop(lines);
    assert!(client.wait().unwrap().success());
    assert_eq!(host.actor("/counter")["handled"], 3);
}
