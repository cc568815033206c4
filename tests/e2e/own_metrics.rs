//! Metrics that actors count and observe themselves, from the manifest to a scrape by Prometheus.

use std::path::Path;

use crate::harness::{Host, folder};
use crate::metrics::{METRICS, get, metrics_of};
use crate::prometheus::{Prometheus, Scraped, promtool};

/// `/orders` declares the metrics that it counts, as do the orders that `/guide` spawns; `/undeclared` declares none.
const ACTORS: &str = r#"
[[actor]]
address = "/orders"
plugin = "orders"
metrics = ["orders", "amount"]
restart = { backoff = { max = "10ms" } }

[[actor]]
address = "/undeclared"
plugin = "orders"
restart = { backoff = { max = "10ms" } }

[[actor]]
address = "/guide"
plugin = "guide"
spawns = ["orders"]

[[plugin]]
name = "orders"
metrics = ["orders", "amount"]
"#;

/// A host with these actors, and the address of its metrics.
fn start() -> (Host, String) {
    let host = Host::start(folder(&format!("{METRICS}{ACTORS}")), &[]);
    let at = metrics_of(&host);
    (host, at)
}

/// The value of a series; none when it is not there.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn actor_counts_what_its_manifest_declares() {
    let (host, at) = start();
    for order in ["tea 2.5", "tea 12.5", "", "later", "!panic"] {
        host.ok(&["tell", "/orders", order]);
    }
    // The ask comes after the tells. Those that fail count nothing, however often they are tried.
    assert_eq!(host.ok(&["ask", "/orders", "tea"]), "one tea");
    let text = get(&at, "/metrics");
    let labels = r#"{actor="/orders",plugin="orders"}"#;
    let sums = ["counted_orders_total", "observed_amount_count", "observed_amount_sum"];
    let sums = sums.map(|name| value(&text, &format!("playhouse_{name}{labels}")));
    assert_eq!(sums, [Some(3.0), Some(2.0), Some(15.0)], "{text}");
    let bucket = r#"playhouse_observed_amount_bucket{actor="/orders",plugin="orders",le="10.0"}"#;
    assert_eq!(value(&text, bucket), Some(1.0), "{text}");
}

#[test]
fn undeclared_metric_is_an_error_with_a_way_out() {
    let (host, at) = start();
    let refused = host.run(&["ask", "/undeclared", "tea"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    let way_out = "`/undeclared` has no metric `orders`: add the name to `metrics` of its [[actor]] in the manifest";
    assert!(!refused.status.success() && said.contains(way_out), "{said}");
    assert!(!get(&at, "/metrics").contains("playhouse_counted_"));
    assert_eq!(host.actor("/undeclared")["restarts"], 0, "an error is no crash");
}

#[test]
fn counts_outlive_children_and_restarts() {
    let (host, at) = start();
    let counted =
        || value(&get(&at, "/metrics"), r#"playhouse_counted_orders_total{actor="/guide/**",plugin="orders"}"#);
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

#[test]
fn promtool_and_prometheus_read_own_metrics() {
    let (host, at) = start();
    host.ok(&["ask", "/orders", "tea 2.5"]);
    promtool(&["check", "metrics"], get(&at, "/metrics").as_bytes(), Path::new("."));
    // Prometheus asks for OpenMetrics.
    let scraped = Scraped { name: "host", at: at.parse().unwrap(), every_ms: 200 };
    let rule = "groups:\n- name: test\n  rules:\n  - alert: Scraped\n    expr: >-\n      \
                playhouse_counted_orders_total == 1 and playhouse_observed_amount_sum == 2.5\n      \
                and histogram_quantile(1, playhouse_observed_amount_bucket) == 2.5\n";
    let mut prometheus = Prometheus::start(&[scraped], rule);
    let is_scraped = |alerts: &[crate::prometheus::Alert]| alerts.iter().any(|alert| alert.name() == "Scraped");
    prometheus.wait_for("sample of /orders", &mut Vec::new(), is_scraped);
}
