//! An operator can act when a host is stopped or its loop is stuck, and when other clients crowd its socket.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;

use playhouse_runtime::control::socket::default_path;
use playhouse_runtime::{Message, NativeActor, NativeContext, NativeResult, Play};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::{Host, actors, command, folder};
use crate::metrics::{METRICS, get};

#[test]
fn clients_of_a_stopped_host_end_with_1_and_name_its_socket() {
    let host = Host::start(folder(&actors(&[("/echo", "echo"), ("/other", "echo")])), &[]);
    host.signal(Signal::STOP);
    let commands: [&[&str]; 7] = [
        &["health"],
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

#[derive(Clone)]
struct Quiet;

impl NativeActor for Quiet {
    async fn msg_handler(&mut self, _: Message, _: &mut NativeContext) -> NativeResult {
        Ok(())
    }
}

/// A program that embeds a play and blocks the thread of its runtime, on which the kernel's loop runs.
pub struct Stuck {
    /// The address of its metrics.
    pub metrics: String,
    folder: TempDir,
    /// The thread goes on when this is dropped.
    _blocks: mpsc::Sender<()>,
}

impl Stuck {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("playhouse.toml");
        std::fs::write(&manifest, format!("[play]\nname = \"stuck\"\nnative = [\"/quiet\"]\n{METRICS}")).unwrap();
        let ((up, is_up), (blocks, blocked)) = (mpsc::channel::<SocketAddr>(), mpsc::channel::<()>());
        std::thread::spawn(move || block(&manifest, &up, &blocked));
        Self { metrics: is_up.recv().unwrap().to_string(), folder, _blocks: blocks }
    }
}

fn block(manifest: &Path, up: &mpsc::Sender<SocketAddr>, blocked: &mpsc::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let play = Play::from_manifest(manifest).unwrap().native("/quiet", Quiet);
        let play = play.control_socket(default_path(manifest.parent().unwrap())).start().await.unwrap();
        play.wait_booted().await;
        up.send(play.metrics_address().unwrap()).unwrap();
        let _ = blocked.recv();
    });
}

#[test]
fn kernel_that_is_stuck_fails_every_health_check() {
    let stuck = Stuck::start();
    let health = get(&stuck.metrics, "/healthz");
    assert_eq!(health, "not healthy: the kernel did not answer within 1 s\n");
    for arguments in [&["health"][..], &["health", "--ready"]] {
        let output = command(stuck.folder.path()).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("did not answer within 2s"), "{said}");
    }
}
