//! The alert rules of `docs/operation/alerts.yml`: each fires for its real fault, and none for a healthy play under load. The
//! test runs the expressions of the file, with a second in the place of each minute.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStderr, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use playhouse_tests::root;
use tempfile::TempDir;

use crate::grants::reaching;
use crate::harness::{Host, actors, command, folder, playhouse};
use crate::metrics::{METRICS, get, metrics_of};
use crate::prometheus::{Alert, Gateway, Prometheus, Scraped, names, promtool};
use crate::stuck::Stuck;

fn rules() -> String {
    std::fs::read_to_string(root().join("docs/operation/alerts.yml")).unwrap()
}

/// The lines with a key of the rules, and its value.
fn values<'r>(rules: &'r str, key: &'r str) -> impl Iterator<Item = &'r str> {
    rules.lines().filter_map(move |line| line.trim_start().trim_start_matches("- ").strip_prefix(key))
}

/// The rules with a second in the place of each minute.
fn in_seconds(rules: &str) -> String {
    let durations = rules.lines().filter(|line| !line.trim_start().starts_with('#'));
    let line = |line: &str| match line.trim_start() {
        text if text.starts_with("for: ") => line.strip_suffix('m').expect("minutes").to_owned() + "s",
        text if ["summary: ", "description: "].iter().any(|key| text.starts_with(key)) => line.to_owned(),
        text if text.contains(" offset ") => line.strip_suffix('m').expect("minutes").to_owned() + "s",
        _ => line.replace("m]", "s]").replace(" * 60", " * 1"),
    };
    let text = durations.map(line).collect::<Vec<_>>().join("\n");
    assert!(!["h]", "d]", "[30s]"].iter().any(|unit| text.contains(unit)), "times are in minutes:\n{text}");
    text
}

#[test]
fn promtool_accepts_the_alert_rules() {
    promtool(&["check", "rules", "docs/operation/alerts.yml"], b"", root());
}

#[test]
fn alerts_name_a_severity_and_a_heading_of_their_runbook() {
    let rules = rules();
    let alerts: Vec<_> = values(&rules, "alert: ").collect();
    assert!(alerts.len() > 15, "{alerts:?}");
    for key in ["summary: ", "description: ", "labels: { severity: "] {
        assert_eq!(values(&rules, key).count(), alerts.len(), "{key}");
    }
    let runbooks: Vec<_> = values(&rules, "runbook: ").collect();
    let wanted = alerts.iter().map(|alert| format!("docs/operation/alerts.md#{}", alert.to_lowercase()));
    assert_eq!(runbooks, wanted.collect::<Vec<_>>());
    let page = std::fs::read_to_string(root().join("docs/operation/alerts.md")).unwrap();
    let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## Playhouse")).collect();
    assert_eq!(headings, alerts.iter().map(|alert| alert.trim_start_matches("Playhouse")).collect::<Vec<_>>());
}

/// The alerts that must fire, each with its host and actor.
const FAULTS: [(&str, &str, &str); 22] = [
    ("PlayhouseHostDown", "short", ""),
    ("PlayhouseHostRestarted", "short", ""),
    ("PlayhouseKernelStuck", "stuck", ""),
    ("PlayhouseNotReady", "short", ""),
    ("PlayhouseMemoryShort", "short", ""),
    ("PlayhouseGuestMemoryNearlyUsed", "narrow", ""),
    ("PlayhouseInstancesNearlyUsed", "narrow", ""),
    ("PlayhouseOpenResourcesNearlyUsed", "faulty", ""),
    ("PlayhouseActorHangs", "faulty", "/hangs"),
    ("PlayhouseMessagesWait", "faulty", "/hangs"),
    ("PlayhouseActorRestartsOften", "faulty", "/crashes"),
    ("PlayhouseActorFailed", "faulty", "/fails"),
    ("PlayhouseMailboxNearlyFull", "faulty", "/hangs"),
    ("PlayhouseSendersBlocked", "faulty", "/hangs"),
    ("PlayhouseDeadLetters", "faulty", "/crashes"),
    ("PlayhouseAsksFail", "faulty", ""),
    ("PlayhouseStopsFail", "faulty", ""),
    ("PlayhouseLogLinesLeftOut", "faulty", "/chatty"),
    ("PlayhouseDescriptorsNearlyUsed", "narrow", ""),
    ("PlayhouseHostErrors", "narrow", ""),
    ("PlayhouseLogLinesDropped", "mute", ""),
    ("PlayhouseGatewayAway", "faulty", ""),
];

fn has((name, host, actor): (&str, &str, &str)) -> impl Fn(&[Alert]) -> bool {
    move |seen| {
        let is_wanted = |alert: &Alert| {
            alert.name() == name
                && alert.label("instance") == host
                && (actor.is_empty() || alert.label("actor") == actor)
        };
        seen.iter().any(is_wanted)
    }
}

#[test]
fn each_alert_fires_for_its_fault_and_none_for_a_healthy_play() {
    let rules = rules();
    let tested: BTreeSet<_> = FAULTS.iter().map(|fault| fault.0).collect();
    assert_eq!(tested, values(&rules, "alert: ").collect(), "each alert has its fault here");

    let gateways = ["faulty", "short", "narrow", "healthy", "stuck", "mute"].map(|name| (name, Gateway::new()));
    let [faulty_at, short_at, narrow_at, healthy_at, stuck_at, mute_at] =
        gateways.each_ref().map(|(_, gateway)| gateway);

    let mut faulty = FaultyHost::start(faulty_at);
    let mut short = short_of_memory(short_at);
    let mut narrow = narrow(narrow_at);
    let mut mute = MuteHost::start(mute_at);
    let busy = Busy::start(healthy_at);
    let stuck = Stuck::start();
    stuck_at.leads_to(&stuck.metrics);
    // A scrape of a stuck kernel takes a second.
    let scraped = gateways.each_ref().map(|(name, gateway)| {
        let every_ms = if *name == "stuck" { 2000 } else { 500 };
        Scraped { name, at: gateway.at, every_ms }
    });
    // The healthy play is watched for longer than any rule takes.
    let watched = "\n  - alert: Scraped\n    expr: up == 1\n  - alert: Watched\n    expr: up == 1\n    for: 15s\n";
    let mut prometheus = Prometheus::start(&scraped, &(in_seconds(&rules) + watched));
    let mut seen = Vec::new();
    for (name, _) in &gateways {
        prometheus.wait_for(name, &mut seen, has(("Scraped", name, "")));
    }
    faulty.fail();
    use_descriptors(&mut narrow);
    mute.write_log();
    let (of_short, others): (Vec<_>, Vec<_>) = FAULTS.into_iter().partition(|fault| fault.1 == "short");
    for fault in of_short {
        match fault.0 {
            "PlayhouseHostDown" | "PlayhouseHostRestarted" => {}
            name => prometheus.wait_for(name, &mut seen, has(fault)),
        }
    }
    short.die();
    prometheus.wait_for("alert for the host that died", &mut seen, has(FAULTS[0]));
    let _again = short_of_memory(short_at);
    prometheus.wait_for("alert for the host that was started again", &mut seen, has(FAULTS[1]));
    for fault in others {
        prometheus.wait_for(fault.0, &mut seen, has(fault));
    }
    prometheus.wait_for("long look at the healthy play", &mut seen, has(("Watched", "healthy", "")));
    busy.end();
    let of_host = |host: &str| -> BTreeSet<String> {
        let of_host: Vec<_> = seen.iter().filter(|alert| alert.label("instance") == host).cloned().collect();
        names(&of_host).into_iter().filter(|name| name.starts_with("Playhouse")).collect()
    };
    assert_eq!(of_host("healthy"), BTreeSet::new());
    assert_eq!(of_host("stuck"), BTreeSet::from(["PlayhouseKernelStuck stuck ".to_owned()]));
    assert_eq!(of_host("narrow").len(), 4, "{:?}", of_host("narrow"));
    let texts = seen.iter().flat_map(|alert| alert.annotations.values());
    for text in texts {
        assert!(!text.contains("{{") && !text.contains("<error") && !text.contains("<no value>"), "{text}");
    }
}

/// Failures after which an actor is given up with the next one.
const MOST_FAILURES: usize = 6;

/// A source whose broker does not listen.
const AWAY: &str = "[[source]]\nname = \"away\"\nkind = \"redis\"\nurl = \"redis://127.0.0.1:9\"\nstream = \"none\"\ntell = \"/chatty\"\n";

/// A host with an actor for each fault of actors.
struct FaultyHost {
    host: Host,
    blocked: Option<Child>,
}

impl FaultyHost {
    fn start(gateway: &Gateway) -> Self {
        // Builds the plugins, one of which is copied below.
        let _ = playhouse();
        let flaky = |address: &str, more: &str| {
            format!(
                "{}batch = 1\nrestart = {{ attempts = 1, backoff = {{ initial = \"1ms\", max = \"1ms\" }} }}\n{more}\n",
                actors(&[(address, "flaky")])
            )
        };
        let play = reaching(
            &[
                METRICS,
                &format!("[play.supervision]\nintensity = {MOST_FAILURES}\nperiod = \"1h\"\n"),
                &flaky("/hangs", "mailbox = { capacity = 2, timeout = \"1h\" }\nlimits = { timeout = \"1h\" }"),
                &flaky("/crashes", ""),
                &flaky("/fails", ""),
                &flaky("/chatty", "limits = { log_lines = 5 }"),
                &flaky("/stubborn", "config = { at_shutdown = \"panic\" }"),
                &actors(&[("/hoards", "reach")]),
                "grants = { dirs = [{ host = \"data\", guest = \"/data\" }], hosts = [\"http://127.0.0.1:9\"] }\n",
                "limits = { descriptors = 5000, resources = 5000 }\n",
                AWAY,
            ]
            .concat(),
        );
        std::fs::copy(root().join("plugins/flaky.wasm"), play.path().join("plugins/flaky.wasm")).unwrap();
        let host = Host::start_under("--nofile=200", play, &[]);
        gateway.leads_to(&metrics_of(&host));
        Self { host, blocked: None }
    }

    /// Causes all faults.
    fn fail(&mut self) {
        let host = &self.host;
        // `/crashes` fails as often as it may, and `/fails` once more.
        for (actor, crashes) in [("/crashes", MOST_FAILURES), ("/fails", MOST_FAILURES + 1)] {
            self.tell(&[actor, "--lines"], "!panic\n".repeat(crashes).as_bytes()).wait().unwrap();
            assert_eq!(host.run(&["ask", actor, "!reject"]).status.code(), Some(1));
        }
        for _ in 0..20 {
            assert_eq!(host.run(&["ask", "/crashes", "!reject"]).status.code(), Some(1));
        }
        self.tell(&["/chatty", "--lines"], "!reject\n".repeat(100).as_bytes()).wait().unwrap();
        assert_ne!(host.ok(&["ask", "/hoards", "keep-many /data/file"]), "0");
        host.run(&["stop", "/stubborn"]);
        host.ok(&["tell", "/hangs", "!sleep"]);
        host.actor_when("/hangs", |actor| actor["state"] == "running" && actor["mailbox"]["waiting"] == 0);
        self.tell(&["/hangs", "--lines"], b"second\nthird\n").wait().unwrap();
        self.blocked = Some(self.tell(&["/hangs", "fourth"], b""));
    }

    /// Begins `playhouse tell` with this stdin.
    fn tell(&self, arguments: &[&str], stdin: &[u8]) -> Child {
        let mut tell = command(self.host.folder.path());
        let mut tell = tell.arg("tell").args(arguments).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        tell.stdin.take().unwrap().write_all(stdin).unwrap();
        tell
    }
}

impl Drop for FaultyHost {
    fn drop(&mut self) {
        if let Some(mut blocked) = self.blocked.take() {
            let _ = blocked.kill();
            let _ = blocked.wait();
        }
    }
}

/// A host that always uses more memory than `memory_high`.
fn short_of_memory(gateway: &Gateway) -> Host {
    let play = folder(&format!("memory_high = \"1B\"\n{METRICS}{}", actors(&[("/echo", "echo")])));
    let host = Host::start(play, &[]);
    gateway.leads_to(&metrics_of(&host));
    host
}

/// A host whose instances are all live, and whose guests have nearly as much memory as they may.
fn narrow(gateway: &Gateway) -> Host {
    let two = actors(&[("/a", "echo"), ("/b", "echo")]);
    let wide = Host::start(folder(&format!("{METRICS}{two}")), &[]);
    let text = get(&metrics_of(&wide), "/metrics");
    let used = text.lines().find_map(|line| line.strip_prefix("playhouse_guest_memory_bytes ")).unwrap();
    let limit = used.parse::<u64>().unwrap() * 105 / 100;
    let limits = format!("max_instances = 2\n[play.limits]\nmemory = \"{limit}B\"\n");
    let host = Host::start(folder(&format!("{limits}{METRICS}{two}")), &[]);
    gateway.leads_to(&metrics_of(&host));
    host
}

/// Leaves this host no descriptor until it cannot accept a connection, and a few after that.
fn use_descriptors(host: &mut Host) {
    host.limit_descriptors(0);
    let _waits = UnixStream::connect(host.folder.path().join(".playhouse/control.sock")).unwrap();
    host.wait_for("cannot accept a connection");
    host.limit_descriptors(3);
}

/// A host whose stderr nobody reads once it is up.
struct MuteHost {
    child: Child,
    _folder: TempDir,
    _stderr: BufReader<ChildStderr>,
}

impl MuteHost {
    fn start(gateway: &Gateway) -> Self {
        let flaky = actors(&[("/flaky", "flaky")]) + "limits = { log_lines = 1000000, log_bytes = \"1GiB\" }\n";
        let folder = folder(&format!("{METRICS}{flaky}"));
        let mut host = command(folder.path());
        let host = host.args(["run", "--stdin", "/flaky"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = host.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains(" is up: ") {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended");
            let url = line.split_once("metrics are at http://").and_then(|(_, url)| url.split_once("/metrics"));
            if let Some((at, _)) = url {
                gateway.leads_to(at);
            }
        }
        Self { child, _folder: folder, _stderr: stderr }
    }

    /// Makes it write more than a pipe and the host's own buffer hold.
    fn write_log(&mut self) {
        // Each line is a dead letter, for which the log gets more than 100 bytes.
        self.child.stdin.as_mut().unwrap().write_all("!reject\n".repeat(20_000).as_bytes()).unwrap();
    }
}

impl Drop for MuteHost {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A healthy host that always has work.
struct Busy {
    is_over: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
}

impl Busy {
    fn start(gateway: &Gateway) -> Self {
        let report = actors(&[("/echo", "echo"), ("/report", "report")]);
        let count = actors(&[("/count", "count")]) + "sends_to = [\"/report\"]\n";
        let split = actors(&[("/split", "split")]) + "sends_to = [\"/count\"]\n";
        let mut host = Host::start(folder(&[METRICS, &report, &count, &split].concat()), &["--stdin", "/split"]);
        gateway.leads_to(&metrics_of(&host));
        let is_over = Arc::<AtomicBool>::default();
        let over = is_over.clone();
        let worker = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                host.feed(&b"a line of some words for a healthy play\n".repeat(100));
                assert_eq!(host.ok(&["ask", "/echo", "still there"]), "still there");
            }
        });
        Self { is_over, worker: Some(worker) }
    }

    fn end(mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.worker.take().unwrap().join().unwrap();
    }
}

/// The host ends with a test that fails, too.
impl Drop for Busy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}
