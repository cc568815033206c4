//! Metrics and health of the real binary, read by a client, by `playhouse health`, by promtool, and by a Prometheus.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{Host, actors, command, folder};

/// `/orders` declares the metrics that it counts, as do the orders that `/guide` spawns; `/undeclared` declares none.
const MEASURING: &str = r#"
    [[actor]]
    address = "/orders"
    plugin = "orders"
    metrics = ["orders", "amount"]
    restart = { backoff = { max = "10ms" } }

    [[actor]]
    address = "/undeclared"
    plugin = "orders"

    [[actor]]
    address = "/guide"
    plugin = "guide"
    spawns = ["orders"]

    [[plugin]]
    name = "orders"
    metrics = ["orders", "amount"]
"#;

/// `[play.metrics]` at a port that the system chooses, after the manifest's actors.
fn with_metrics(list: &[(&str, &str)]) -> String {
    format!("[play.metrics]\nlisten = \"127.0.0.1:0\"\n\n{}", actors(list))
}

/// A host with metrics, and their address.
fn start(list: &[(&str, &str)]) -> (Host, String) {
    start_manifest(&with_metrics(list))
}

fn start_manifest(manifest: &str) -> (Host, String) {
    let mut host = Host::spawn(folder(manifest), &[]);
    let at = address_of(&mut host);
    (host, at)
}

/// The address of the metrics of a host that starts; returns when the host is up.
fn address_of(host: &mut Host) -> String {
    let said = host.wait_for("metrics are at http://");
    let at = said.split("http://").nth(1).and_then(|rest| rest.strip_suffix("/metrics")).unwrap().to_owned();
    host.wait_for(" is up: ");
    at
}

/// The body of a response.
fn get(at: &str, path: &str) -> String {
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

/// The value of one of the metrics of actors' own.
fn own(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix("playhouse_")?.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn actor_counts_what_its_manifest_declares() {
    let (host, at) = start_manifest(&format!("{}{MEASURING}", with_metrics(&[])));
    // The asks come after the tells, so that all of them are handled.
    for order in ["tea 2.5", "tea 12.5", "", "later", "!panic"] {
        host.ok(&["tell", "/orders", order]);
    }
    assert_eq!(host.ok(&["ask", "/orders", "tea"]), "one tea");
    let text = get(&at, "/metrics");
    let labels = r#"{actor="/orders",plugin="orders"}"#;
    let sums = ["counted_orders_total", "observed_amount_count", "observed_amount_sum"];
    assert_eq!(sums.map(|name| own(&text, &format!("{name}{labels}"))), [Some(3.0), Some(2.0), Some(15.0)], "{text}");
    let bucket = r#"observed_amount_bucket{actor="/orders",plugin="orders",le="10.0"}"#;
    assert_eq!(own(&text, bucket), Some(1.0), "{text}");
    let refused = host.run(&["ask", "/undeclared", "tea"]);
    let refused = String::from_utf8_lossy(&refused.stderr);
    let way_out = "`/undeclared` has no metric `orders`: add the name to `metrics` of its [[actor]] in the manifest";
    assert!(refused.contains(way_out), "{refused}");
    assert_eq!(host.ok(&["ask", "/orders", "tea"]), "one tea", "the play goes on");
}

#[test]
fn counts_outlive_children_and_restarts() {
    let (host, at) = start_manifest(&format!("{}{MEASURING}", with_metrics(&[])));
    let counted = || own(&get(&at, "/metrics"), r#"counted_orders_total{actor="/guide/**",plugin="orders"}"#);
    assert_eq!(counted(), None);
    for name in ["x", "y"] {
        assert_eq!(host.ok(&["ask", "/guide", &format!("spawn {name} orders")]), "ok");
        host.ok(&["ask", &format!("/guide/{name}"), "tea"]);
    }
    assert_eq!(counted(), Some(2.0));
    assert_eq!(host.ok(&["ask", "/guide", "stop x"]), "ok");
    assert!(!host.run(&["ask", "/guide/y", "!panic"]).status.success());
    host.ok(&["ask", "/guide/y", "tea"]);
    assert_eq!(counted(), Some(3.0));
}

/// The value of a sample.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
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
    assert_eq!(memory.iter().sum::<f64>(), of("playhouse_guest_memory_bytes"));
    for labels in both {
        assert!(of(&format!("playhouse_guest_cpu_seconds_total{labels}")) >= 0.0);
        assert_eq!(of(&format!("playhouse_actor_open_resources{labels}")), 0.0);
    }
    let origins = ["fresh", "cache", "rebuilt"];
    let loaded = origins.map(|origin| of(&format!("playhouse_compilations_total{{origin=\"{origin}\"}}")));
    assert_eq!(loaded.iter().sum::<f64>(), 2.0, "{loaded:?}");
    assert_eq!(of("playhouse_compile_seconds_total") > 0.0, loaded[0] + loaded[2] > 0.0);
    assert!(of("playhouse_host_memory_bytes{kind=\"code\"}") > 100_000.0);
    assert!(of("process_resident_memory_bytes") > of("playhouse_host_memory_bytes{kind=\"code\"}"));
    assert!(of("process_virtual_memory_bytes") > of("process_resident_memory_bytes"));
    assert!(of("process_open_fds") >= 3.0 && of("process_max_fds") >= of("process_open_fds"));
    assert!(of("process_threads") >= 4.0 && of("process_cpu_seconds_total") > 0.0);
    assert_eq!(of("playhouse_uncaught_errors_total{kind=\"panic\"}"), 0.0);
}

#[test]
fn left_out_log_lines_are_counted() {
    let manifest = with_metrics(&[("/picky", "flaky")]) + "[actor.limits]\nlog_lines = 20\n";
    let mut host = Host::spawn(folder(&manifest), &["--stdin", "/picky"]);
    let at = address_of(&mut host);
    host.feed("!reject this\n".repeat(500).as_bytes());
    let letters = "playhouse_dead_letters_total{actor=\"/picky\",plugin=\"flaky\",reason=\"rejected\"}";
    let text = std::iter::repeat_with(|| get(&at, "/metrics"))
        .find(|text| text.contains(letters) && value(text, letters) >= 500.0)
        .unwrap();
    let left_out = value(&text, "playhouse_log_lines_left_out_total{actor=\"/picky\",source=\"host\"}");
    assert!((1.0..=480.0).contains(&left_out), "{left_out} lines");
    assert_eq!(value(&text, "playhouse_log_lines_dropped_total"), 0.0);
}

#[test]
fn health_without_a_host_exits_with_3() {
    let ended = command(folder("").path()).arg("health").output().unwrap();
    assert_eq!(ended.status.code(), Some(3), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn taken_port_of_the_metrics_is_said() {
    let (_host, at) = start(&[("/echo", "echo")]);
    let second = folder(&with_metrics(&[("/echo", "echo")]).replace("127.0.0.1:0", &at));
    let ended = command(second.path()).arg("run").output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("cannot listen at {at} (`listen` in [play.metrics])")), "{said}");
}

#[test]
fn promtool_finds_no_fault_in_a_scrape() {
    let (host, at) = start_manifest(&format!("{}{MEASURING}", with_metrics(&[("/counter", "counter")])));
    host.ok(&["tell", "/counter", "one more"]);
    host.ok(&["ask", "/orders", "tea 2.5"]);
    let mut promtool = Command::new("promtool");
    let promtool = promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.stdout(Stdio::piped()).spawn().expect("`apt-get install prometheus`");
    promtool.stdin.take().unwrap().write_all(get(&at, "/metrics").as_bytes()).unwrap();
    let ended = promtool.wait_with_output().unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    assert!(ended.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn prometheus_scrapes_a_host() {
    let (host, at) = start_manifest(&format!("{}{MEASURING}", with_metrics(&[("/counter", "counter")])));
    host.ok(&["tell", "/counter", "one more"]);
    assert_eq!(host.ok(&["ask", "/counter", "get"]), "1");
    host.ok(&["ask", "/orders", "tea 2.5"]);
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "global:\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\nscrape_configs:\n- job_name: playhouse\n  \
         static_configs:\n  - targets: ['{at}']\n"
    );
    std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
    // A free port: Prometheus does not say which one the system chose for port 0.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let prometheus = Command::new("prometheus")
        .current_dir(folder.path())
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", &format!("--web.listen-address={port}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _prometheus = Ends(prometheus.expect("`apt-get install prometheus`"));
    let query = "/api/v1/query?query=playhouse_messages_total%7Bactor%3D%22%2Fcounter%22%2Coutcome%3D%22done%22%7D";
    // Each round is a request to a server that starts; a minute is far longer than its start takes.
    let found = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let Ok(mut stream) = TcpStream::connect(port) else { return false };
        let asked = write!(stream, "GET {query} HTTP/1.0\r\nHost: {port}\r\n\r\n");
        let mut said = String::new();
        asked.is_ok() && stream.read_to_string(&mut said).is_ok() && said.contains(",\"2\"]")
    });
    assert!(found, "Prometheus has no sample of /counter");
}
