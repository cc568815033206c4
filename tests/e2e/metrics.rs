//! Metrics and health of the real binary, read by a client, by `playhouse health`, by promtool, and by a Prometheus.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use crate::harness::{Host, actors, command, folder};
use crate::prometheus::{Alert, Prometheus, Scraped, promtool};

/// `[play.metrics]` at a port that the system chooses.
pub const METRICS: &str = "[play.metrics]\nlisten = \"127.0.0.1:0\"\n\n";

fn with_metrics(list: &[(&str, &str)]) -> String {
    format!("{METRICS}{}", actors(list))
}

/// The address at which a host said that its metrics are.
pub fn metrics_of(host: &Host) -> String {
    let said = host.said().iter().find_map(|line| line.split("metrics are at http://").nth(1));
    said.and_then(|rest| rest.split_once("/metrics")).unwrap().0.to_owned()
}

/// A host with metrics, and their address.
fn start(list: &[(&str, &str)]) -> (Host, String) {
    let host = Host::start(folder(&with_metrics(list)), &[]);
    let at = metrics_of(&host);
    (host, at)
}

/// The body of a response.
pub fn get(at: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {at}\r\n\r\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn host_serves_its_counts_and_its_health() {
    let (host, at) = start(&[("/counter", "counter")]);
    host.ok(&["tell", "/counter", "one more"]);
    assert_eq!(host.ok(&["ask", "/counter", "get"]), "1");
    let text = get(&at, "/metrics");
    for line in [
        "playhouse_messages_total{actor=\"/counter\",plugin=\"counter\",outcome=\"done\"} 2\n",
        "playhouse_asks_total{result=\"reply\"} 1\n",
        "playhouse_play_info{name=\"test\"} 1\n",
        "playhouse_instances 1\n",
        "playhouse_kernel_answers 1\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    assert_eq!(get(&at, "/healthz"), "healthy: the kernel answers\n");
    assert_eq!(get(&at, "/readyz"), "ready\n");
    assert_eq!(host.ok(&["health"]), "healthy: the kernel answers\n");
    assert_eq!(host.ok(&["health", "--ready"]), "ready\n");
}

/// The value of a sample.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

/// Whether two whole numbers are the same.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() < 0.5
}

#[test]
fn scrape_shows_resources_of_guests_and_of_the_process() {
    let (host, at) = start(&[("/counter", "counter"), ("/echo", "echo")]);
    assert_eq!(host.ok(&["ask", "/counter", "get"]), "0");
    let text = get(&at, "/metrics");
    let of = |series: &str| value(&text, series);
    let both = ["counter", "echo"].map(|name| format!("{{actor=\"/{name}\",plugin=\"{name}\"}}"));
    let memory = both.clone().map(|labels| of(&format!("playhouse_actor_memory_bytes{labels}")));
    assert!(memory.iter().all(|bytes| *bytes >= 65536.0), "{memory:?}");
    assert!(same(memory.iter().sum(), of("playhouse_guest_memory_bytes")), "{memory:?}");
    for labels in both {
        assert!(of(&format!("playhouse_guest_cpu_seconds_total{labels}")) >= 0.0);
        assert!(same(of(&format!("playhouse_actor_open_resources{labels}")), 0.0));
    }
    let origins = ["fresh", "cache", "rebuilt"];
    let loaded = origins.map(|origin| of(&format!("playhouse_compilations_total{{origin=\"{origin}\"}}")));
    assert!(same(loaded.iter().sum(), 2.0), "{loaded:?}");
    assert_eq!(of("playhouse_compile_seconds_total") > 0.0, loaded[0] + loaded[2] > 0.0);
    assert!(of("playhouse_host_memory_bytes{kind=\"code\"}") > 100_000.0);
    assert!(of("process_resident_memory_bytes") > of("playhouse_host_memory_bytes{kind=\"code\"}"));
    assert!(of("process_virtual_memory_bytes") > of("process_resident_memory_bytes"));
    assert!(of("process_open_fds") >= 3.0 && of("process_max_fds") >= of("process_open_fds"));
    assert!(of("process_threads") >= 4.0 && of("process_cpu_seconds_total") > 0.0);
    assert!(same(of("playhouse_uncaught_errors_total{kind=\"panic\"}"), 0.0));
}

#[test]
fn left_out_log_lines_are_counted() {
    let manifest = with_metrics(&[("/picky", "flaky")]) + "[actor.limits]\nlog_lines = 20\n";
    let mut host = Host::start(folder(&manifest), &["--stdin", "/picky"]);
    let at = metrics_of(&host);
    host.feed("!reject this\n".repeat(500).as_bytes());
    let letters = "playhouse_dead_letters_total{actor=\"/picky\",plugin=\"flaky\",reason=\"rejected\"}";
    let text = std::iter::repeat_with(|| get(&at, "/metrics"))
        .find(|text| text.contains(letters) && value(text, letters) >= 500.0)
        .unwrap();
    let left_out = value(&text, "playhouse_log_lines_left_out_total{actor=\"/picky\",source=\"host\"}");
    assert!((1.0..=480.0).contains(&left_out), "{left_out} lines");
    assert!(same(value(&text, "playhouse_log_lines_dropped_total"), 0.0));
}

#[test]
fn health_without_a_host_exits_with_3() {
    let ended = command(folder("").path()).arg("health").output().unwrap();
    assert_eq!(ended.status.code(), Some(3), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn health_answers_while_the_first_plugin_compiles() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    // The compilation takes longer than the test, and ends with the host.
    std::fs::write(folder.path().join("plugins/bomb.wasm"), playhouse_tests::compiles_for_ever()).unwrap();
    let limits = "[play.limits]\ncompile_time = \"1h\"\n";
    let manifest = format!("[play]\nname = \"test\"\n{METRICS}{limits}{}", actors(&[("/bomb", "bomb")]));
    std::fs::write(folder.path().join("playhouse.toml"), manifest).unwrap();
    let mut host = Host::spawn(folder, &[]);
    host.wait_for("compiling bomb");
    let at = metrics_of(&host);
    assert_eq!(get(&at, "/healthz"), "healthy: the plugins are being loaded\n");
    assert_eq!(get(&at, "/readyz"), "not ready: the plugins are being loaded\n");
    for arguments in [&["health"][..], &["health", "--ready"]] {
        let output = host.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "there is no control socket yet: {said}");
    }
}

#[test]
fn readiness_says_everything_that_is_missing() {
    let stubborn = "config = { at_shutdown = \"sleep\" }\nlimits = { timeout = \"1h\" }\n";
    let manifest = format!(
        "memory_high = \"1B\"\n[play.supervision]\nshutdown = \"1h\"\n{METRICS}{}{stubborn}",
        actors(&[("/stubborn", "flaky")])
    );
    let mut host = Host::start(folder(&manifest), &[]);
    let at = metrics_of(&host);
    assert_eq!(get(&at, "/healthz"), "healthy: the kernel answers\n");
    host.signal(rustix::process::Signal::TERM);
    host.wait_for("waiting for /stubborn");
    let ready = get(&at, "/readyz");
    let wanted = "not ready: it is stopping; memory is short: ";
    assert!(ready.starts_with(wanted) && ready.contains("`memory_high` in [play] is \"1B\""), "{ready}");
    let output = host.run(&["health", "--ready"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains(wanted), "{said}");
    assert_eq!(host.ok(&["health"]), "healthy: the kernel answers\n", "it stops in order, and is healthy");
}

#[test]
fn taken_port_of_the_metrics_is_said() {
    let (_host, at) = start(&[("/echo", "echo")]);
    let second = folder(&with_metrics(&[("/echo", "echo")]).replace("127.0.0.1:0", &at));
    let ended = command(second.path()).arg("run").output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("cannot listen at {at}: Address already in use")), "{said}");
    assert!(said.contains("playhouse.toml:6:10") && said.contains(&format!("listen = \"{at}\"")), "{said}");
    assert!(said.contains("choose another port, or end the program that listens there"), "{said}");
}

#[test]
fn promtool_finds_no_fault_in_a_scrape() {
    let (host, at) = start(&[("/counter", "counter")]);
    host.ok(&["tell", "/counter", "one more"]);
    promtool(&["check", "metrics"], get(&at, "/metrics").as_bytes(), Path::new("."));
}

/// A host whose play has a name for each trouble of the formats.
fn with_hostile_name() -> (Host, String) {
    let manifest = with_metrics(&[("/counter", "counter")]);
    let folder = folder(&manifest);
    let file = folder.path().join("playhouse.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let name = r#"name = "a\"b\\c\nd\re\u001b[31m\u0000{f}=\u202e,# HELP""#;
    std::fs::write(&file, text.replace("name = \"test\"", name)).unwrap();
    let host = Host::start(folder, &[]);
    let at = metrics_of(&host);
    (host, at)
}

#[test]
fn promtool_accepts_hostile_names() {
    let (_host, at) = with_hostile_name();
    let text = get(&at, "/metrics");
    assert!(!text.replace('\n', "").chars().any(char::is_control), "{text}");
    promtool(&["check", "metrics"], text.as_bytes(), Path::new("."));
}

/// Prometheus asks for OpenMetrics.
#[test]
fn prometheus_scrapes_a_host() {
    let (host, at) = with_hostile_name();
    host.ok(&["tell", "/counter", "one more"]);
    assert_eq!(host.ok(&["ask", "/counter", "get"]), "1");
    let scraped = Scraped { name: "host", at: at.parse().unwrap(), every_ms: 200 };
    let rule = "groups:\n- name: test\n  rules:\n  - alert: Scraped\n    expr: |\n      \
                (playhouse_messages_total{actor=\"/counter\",outcome=\"done\"} == 2)\n      \
                * on (instance) group_left (name) playhouse_play_info\n";
    let mut prometheus = Prometheus::start(&[scraped], rule);
    let (mut seen, is_scraped) = (Vec::new(), |seen: &[Alert]| seen.iter().any(|alert| alert.name() == "Scraped"));
    prometheus.wait_for("sample of /counter", &mut seen, is_scraped);
    assert_eq!(seen[0].label("name"), "a\"b\\c\nd\\u{d}e\\u{1b}[31m\\u{0}{f}=\\u{202e},# HELP");
}
