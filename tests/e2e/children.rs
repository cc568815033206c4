use crate::harness::{Host, actors, folder};

/// A team whose workers are spawned, with more keys for both.
fn team(keys: &str, worker: &str) -> String {
    let config = "spawns = [\"worker\"]\nconfig = { patience_ms = 300 }\n";
    format!("{}{config}{keys}\n[[plugin]]\nname = \"worker\"\n{worker}\n", actors(&[("/team", "team")]))
}

#[test]
fn team_spawns_a_worker_for_each_order_and_stops_slow_ones() {
    let tells = ["--tell", "/team=tea", "--tell", "/team=nap", "--tell", "/team=soup", "--until-idle"];
    let ended = Host::spawn(folder(&team("", "")), &tells).end();
    let mut lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines.pop(), Some("order-2: took too long"));
    lines.sort_unstable();
    assert_eq!(lines, ["order-1: order-1 done: TEA", "order-3: order-3 done: SOUP"]);
    assert!(ended.status.success() && !ended.stderr.contains("dead letter"), "{}", ended.stderr);
}

#[test]
fn a_spawned_actor_is_shown_in_the_tree() {
    let host = Host::start(folder(&team("", "").replace("300", "60000")), &[]);
    host.ok(&["tell", "/team", "nap"]);
    let worker = host.actor_when("/team/order-1", |worker| worker["state"] == "idle");
    assert_eq!((&worker["plugin"], &worker["spawned"]), (&"worker".into(), &true.into()));
    assert_eq!(host.actor("/team")["spawned"], false);
}

#[test]
fn plugin_outside_spawns_is_not_spawned() {
    let manifest = team("", "").replace("spawns = [\"worker\"]\n", "");
    let ended = Host::spawn(folder(&manifest), &["--tell", "/team=tea", "--until-idle"]).end();
    assert!(ended.stderr.contains("this actor may not spawn `worker`: add it to its `spawns`"), "{}", ended.stderr);
}

#[test]
fn check_shows_spawnable_plugins_and_their_parents() {
    let host = Host::start(folder(&team("", "recursive = true\nspawns = [\"worker\"]")), &[]);
    let shown = host.ok(&["check"]);
    let rows = shown.lines().skip_while(|line| !line.starts_with("SPAWNED"));
    let row: Vec<_> = rows.skip(1).flat_map(str::split_whitespace).take(2).collect();
    assert_eq!(row, ["worker", "/team,worker"], "{shown}");
    let json: serde_json::Value = serde_json::from_str(&host.ok(&["check", "--json"])).unwrap();
    assert_eq!(json["plugins"][0]["spawned_by"].to_string(), r#"["/team","worker"]"#);
}
