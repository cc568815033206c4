//! Limits on an actor and all actors below it, and on all guests together.

use crate::harness::{Host, actors, folder};

/// A guide that may spawn guides, with more keys for it and for the play.
fn guides(play: &str, limits: &str, kind: &str) -> tempfile::TempDir {
    let guide = format!("{}spawns = [\"guide\"]\n{limits}\n", actors(&[("/guide", "guide")]));
    let folder = folder(&format!("{guide}[[plugin]]\nname = \"guide\"\nrecursive = true\n{kind}\n"));
    let manifest = folder.path().join("playhouse.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replacen("[play]", &format!("[play]\n{play}"), 1)).unwrap();
    folder
}

#[test]
fn tree_shows_what_a_subtree_uses_of_its_limits() {
    let limits = "[actor.limits.subtree]\nmemory = \"64MiB\"\ninstances = 5\nactors = 2";
    let host = Host::start(guides("", limits, ""), &[]);
    assert_eq!(host.ok(&["ask", "/guide", "spawn ann guide"]), "ok");
    let refused = host.ok(&["ask", "/guide", "spawn bob guide"]);
    assert!(refused.starts_with("subtree-full: ") && refused.contains("limits.subtree.actors"), "{refused}");
    host.actor_when("/guide/ann", |ann| ann["state"] == "idle");
    let guide = host.actor("/guide");
    for (key, used, most) in [("actors", 2, 2), ("instances", 2, 5)] {
        assert_eq!((&guide["subtree"][key]["used"], &guide["subtree"][key]["most"]), (&used.into(), &most.into()));
    }
    let memory = guide["subtree"]["memory"]["used"].as_u64().unwrap();
    assert!((1 << 20..64 << 20).contains(&memory), "{memory}");
    assert!(host.actor("/guide/ann")["subtree"].is_null(), "the child has no such table");
    let shown = host.ok(&["tree"]);
    assert!(shown.contains("/guide and all below it use 2 of 2 actors, 2 of 5 instances, "), "{shown}");
    let json: serde_json::Value = serde_json::from_str(&host.ok(&["tree", "--json"])).unwrap();
    assert_eq!(json["guest_memory"]["used"].as_u64(), Some(memory));
}

#[test]
fn start_beyond_the_memory_of_all_guests_names_the_key() {
    let host = Host::start(guides("limits = { memory = \"2MiB\" }", "", "restart = { kind = \"temporary\" }"), &[]);
    assert_eq!(host.ok(&["ask", "/guide", "spawn ann guide"]), "ok");
    let mut host = host;
    host.wait_for("play.limits.memory");
}

#[test]
fn check_warns_when_spawned_actors_have_no_instance() {
    let folder = guides("max_instances = 1", "", "");
    let checked = crate::harness::command(folder.path()).arg("check").output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success() && said.contains("warning: ") && said.contains("play.max_instances"), "{said}");
    assert!(said.contains("nothing starts that /guide spawn"), "{said}");
    let limits = "[actor.limits.subtree]\ninstances = 1";
    let folder = guides("max_instances = 2", limits, "");
    let checked = crate::harness::command(folder.path()).arg("check").output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(said.contains("limits.subtree.instances") && !said.contains("play.max_instances"), "{said}");
    let folder = guides("max_instances = 2", "", "");
    let checked = crate::harness::command(folder.path()).arg("check").output().unwrap();
    assert!(!String::from_utf8_lossy(&checked.stderr).contains("instances"));
}

#[test]
fn start_without_an_instance_fails_and_names_the_key() {
    let kind = "restart = { kind = \"temporary\" }";
    let mut host = Host::start(guides("max_instances = 1", "", kind), &[]);
    assert_eq!(host.ok(&["ask", "/guide", "spawn ann guide"]), "ok");
    host.wait_for("play.max_instances");
}
