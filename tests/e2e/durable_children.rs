//! Durable children: their hosts are killed, and they are there again.

use tempfile::TempDir;

use crate::harness::{Host, folder};

/// A parent that spawns tills on request. `plugin`: more keys of the tills' section.
fn play(home: &TempDir, plugin: &str) -> TempDir {
    folder(&format!(
        "[play.store]\npath = {:?}\n\
         [[actor]]\naddress = \"/desk\"\nplugin = \"guide\"\nspawns = [\"till\"]\nmailbox = {{ kind = \"durable\" }}\n\
         [[plugin]]\nname = \"till\"\nmailbox = {{ kind = \"durable\" }}\nstate = {{}}\n{plugin}\n",
        home.path().join("store").display().to_string()
    ))
}

#[test]
fn durable_child_outlives_kill_9_with_its_state() {
    let home = tempfile::tempdir().unwrap();
    let mut host = Host::start(play(&home, ""), &[]);
    assert_eq!(host.ok(&["ask", "/desk", "spawn one till"]).trim(), "ok");
    assert_eq!(host.ok(&["ask", "/desk/one", "40"]).trim(), "40");
    host.die();
    let mut host = Host::start(play(&home, ""), &[]);
    assert_eq!(host.actor("/desk/one")["state"], "passivated", "nothing waits for it");
    assert_eq!(host.ok(&["ask", "/desk/one", "2"]).trim(), "42");
    host.die();
    let host = Host::start(play(&home, "config = { unused = \"x\" }"), &[]);
    assert_eq!(host.ok(&["ask", "/desk/one", "sum"]).trim(), "[42,2]");
    assert_eq!(host.ok(&["ask", "/desk", "stop one"]).trim(), "ok");
    host.when_gone("/desk/one");
    assert_eq!(host.ok(&["ask", "/desk", "spawn one till"]).trim(), "ok");
    assert_eq!(host.ok(&["ask", "/desk/one", "1"]).trim(), "1", "its state is gone with it");
}

#[test]
fn child_whose_plugin_is_gone_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let mut host = Host::start(play(&home, ""), &[]);
    host.ok(&["ask", "/desk", "spawn one till"]);
    host.ok(&["ask", "/desk/one", "40"]);
    host.die();
    let desk = "[[actor]]\naddress = \"/desk\"\nplugin = \"guide\"\nmailbox = { kind = \"durable\" }\n";
    let store = home.path().join("store").display().to_string();
    let mut host = Host::start(folder(&format!("[play.store]\npath = {store:?}\n{desk}")), &[]);
    assert!(host.said().iter().any(|line| line.contains("/desk/one stays in the store")), "{:?}", host.said());
    assert!(!host.ok(&["state", "keys", "/desk/one"]).trim().is_empty(), "its state can be read");
    host.die();
    let host = Host::start(play(&home, ""), &[]);
    assert_eq!(host.ok(&["ask", "/desk/one", "sum"]).trim(), "[40,1]");
}
