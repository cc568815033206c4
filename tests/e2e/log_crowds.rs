//! Crowds that write the log, and crowds that read it: the play goes on, and operators have their answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use playhouse_tests::{built, cargo};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::harness::{command, folder};

/// Longest time of an answer on a machine that has other work. `docs/benchmarks.md` has the time on a machine without.
const STALL: Duration = Duration::from_secs(5);

/// Far longer than any step takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// Maximum memory of the host with the ring of 64 MiB, 100 guests, and all else.
const MOST_MIB: u64 = 64 + 100 * 2;

/// A host whose stderr nobody reads, with guests that write to it for ever, and `/echo`.
struct Noisy {
    folder: TempDir,
    child: Child,
}

impl Noisy {
    fn start(writers: usize, memory: &str) -> Self {
        cargo(&["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "hostile"]);
        let folder = folder("");
        for plugin in ["echo", "hostile"] {
            let built = if plugin == "echo" {
                playhouse_tests::root().join("plugins")
            } else {
                built().join("../wasm32-wasip2/guest")
            };
            std::fs::create_dir_all(folder.path().join("plugins")).unwrap();
            let file = format!("{plugin}.wasm");
            std::fs::copy(built.join(&file), folder.path().join("plugins").join(&file)).unwrap();
        }
        let mut manifest = format!(
            "[play]\nname = \"test\"\n[play.log]\nmemory = {memory:?}\n[[actor]]\naddress = \"/echo\"\nplugin = \"echo\"\n"
        );
        manifest.extend((0..writers).map(|n| {
            format!(
                "[[actor]]\naddress = \"/evil-{n}\"\nplugin = \"hostile\"\nconfig = {{ act = \"fill_stderr_for_ever\" }}\n\
                 limits = {{ cpu = \"10s\", timeout = \"1m\", start = \"1m\" }}\n\
                 grants = {{ hosts = [\"http://localhost:1\"] }}\n"
            )
        }));
        std::fs::write(folder.path().join("playhouse.toml"), manifest).unwrap();
        let mut run = command(folder.path());
        let child = run.arg("run").stderr(Stdio::null()).spawn().unwrap();
        let host = Self { folder, child };
        while !command(host.folder.path()).args(["health", "--ready"]).output().unwrap().status.success() {}
        host
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join(".playhouse/control.sock")
    }

    /// KiB of memory that belong to the process alone.
    fn memory_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Noisy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The requests of operators whose time counts.
const REQUESTS: [&str; 5] = [
    r#"{"v":1,"request":"health"}"#,
    r#"{"v":1,"request":"tree"}"#,
    r#"{"v":1,"request":"tell","to":"/echo","body":""}"#,
    r#"{"v":1,"request":"ask","to":"/echo","body":"aGk=","timeout_ms":60000}"#,
    r#"{"v":1,"request":"logs","lines":3}"#,
];

/// Sends a request on a connection of its own. Returns the last line of the response, and the time until it was there.
fn request(socket: &Path, request: &str) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(format!("{request}\n").as_bytes()).unwrap();
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "no answer to {request}");
        if !(line.starts_with(r#"{"v":1,"log""#) || line.starts_with(r#"{"v":1,"working""#)) {
            assert!(!line.starts_with(r#"{"v":1,"error""#), "{request}: {line}");
            return (line, began.elapsed());
        }
    }
}

/// The times of each request, shortest first.
fn times(socket: &Path, rounds: usize) -> Vec<(&'static str, Vec<Duration>)> {
    let mut all: Vec<_> = REQUESTS.iter().map(|request| (*request, Vec::new())).collect();
    for _ in 0..rounds {
        for (wanted, times) in &mut all {
            times.push(request(socket, wanted).1);
        }
    }
    for (_, times) in &mut all {
        times.sort();
    }
    for (request, times) in &all {
        eprintln!("{request}: median {:?}, longest {:?}", times[times.len() / 2], times[times.len() - 1]);
    }
    all
}

/// The time of the first line of a response to this request.
fn time_of_first(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(format!("{request}\n").as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    event["log"]["time"].as_str().unwrap_or_else(|| panic!("{line}")).to_owned()
}

#[test]
fn hundred_guests_that_fill_the_log_delay_no_command() {
    let host = Noisy::start(100, "64MiB");
    let socket = host.socket();
    // One reader follows and reads; another one never reads.
    let follow = |read: bool| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(b"{\"v\":1,\"request\":\"logs\",\"follow\":true}\n").unwrap();
        let mut reader = stream.try_clone().unwrap();
        if read {
            std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        }
        stream
    };
    let (_reading, silent) = (follow(true), follow(false));
    let handled = |host: &Noisy| {
        let tree: serde_json::Value = serde_json::from_str(&request(&host.socket(), REQUESTS[1]).0).unwrap();
        let actors = tree["tree"]["actors"].as_array().unwrap();
        actors.iter().map(|actor| actor["handled"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let before = handled(&host);
    let mut all = times(&socket, 20);
    let (began, newest) = (Instant::now(), time_of_first(&socket, r#"{"v":1,"request":"logs","lines":1}"#));
    // Until all lines of that time have left the ring, and each actor has gone on.
    let mut after = before.clone();
    let has_turned = || time_of_first(&socket, r#"{"v":1,"request":"logs"}"#) > newest;
    while !before.iter().zip(&after).all(|(before, after)| before < after) || !has_turned() {
        assert!(began.elapsed() < PATIENCE, "the play does not go on: {before:?} {after:?}");
        all.extend(times(&socket, 20));
        after = handled(&host);
    }
    let used_mib = host.memory_kb() >> 10;
    eprintln!("the ring turned after {:?}; memory: {used_mib} MiB", began.elapsed());
    assert!(used_mib < MOST_MIB, "{used_mib} MiB");
    for (request, times) in &all {
        let median = times[times.len() / 2];
        assert!(median < STALL / 5 && times.iter().all(|time| *time < STALL), "{request}: {times:?}");
    }
    let lost = BufReader::new(silent).lines().map_while(Result::ok).find(|line| line.starts_with("{\"v\":1,\"lost\""));
    assert!(lost.is_some(), "a reader that was too slow is told so");
}

#[test]
fn thousand_slow_subscribers_delay_no_command() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let host = Noisy::start(2, "1MiB");
    let socket = host.socket();
    let mut slow = Vec::new();
    for n in 0..1000 {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // A connection that the host closed already is one of the crowd, too.
        let _ = stream.write_all(b"{\"v\":1,\"request\":\"logs\",\"follow\":true}\n");
        slow.push(stream);
        if n % 250 == 249 {
            let all = times(&socket, 3).into_iter().flat_map(|(_, times)| times);
            assert!(all.max().is_some_and(|longest| longest < STALL));
        }
    }
    let (mut refused, mut served) = (0, 0);
    for mut stream in slow {
        stream.set_read_timeout(Some(STALL)).unwrap();
        let mut first = [0; 64];
        match stream.read(&mut first) {
            Ok(read) if first[..read].starts_with(br#"{"v":1,"log""#) => served += 1,
            Ok(read) if String::from_utf8_lossy(&first[..read]).contains("busy") => refused += 1,
            other => eprintln!("{other:?}: {}", String::from_utf8_lossy(&first)),
        }
    }
    eprintln!("{refused} refused, {served} served");
    // The place of one that reads nothing for ten seconds goes to another one.
    assert!((1..100).contains(&served) && refused > 500, "{refused} refused, {served} served");
    eprintln!("memory: {} MiB", host.memory_kb() >> 10);
}
