//! `share` of the manifest: actors of one plugin that share an instance. The actors are the puppet of `tests/guests/puppet-shared`.

use playhouse_tests::{built, cargo};
use tempfile::TempDir;

use crate::harness::{Host, command, folder};

/// A play of this manifest and of `/log`, with the plugins `worker` and `savings`, whose actors can share an instance, and `alone`, whose
/// actors cannot.
/// A puppet that starts again tells `/log` that it has no child.
fn play(manifest: &str) -> TempDir {
    let packages = ["--package", "puppet", "--package", "puppet-shared", "--package", "savings-shared"];
    cargo(&[&["build", "--profile", "guest", "--target", "wasm32-wasip2"][..], &packages].concat());
    let folder = folder("");
    for (built_as, name) in [("puppet_shared", "worker"), ("puppet", "alone"), ("savings_shared", "savings")] {
        let file = built().join(format!("../wasm32-wasip2/guest/{built_as}.wasm"));
        std::fs::copy(file, folder.path().join(format!("{name}.wasm"))).unwrap();
    }
    std::fs::write(
        folder.path().join("playhouse.toml"),
        format!("[play]\nplugins = \".\"\n[[actor]]\naddress = \"/log\"\nplugin = \"alone\"\n{manifest}"),
    )
    .unwrap();
    folder
}

#[test]
fn members_of_a_family_share_an_instance() {
    let family = "[[family]]\naddress = \"/user/*\"\nplugin = \"worker\"\ncreate = [\"/\"]\nshare = true\nsends_to = [\"/log\"]\n";
    let host = Host::start(play(family), &[]);
    for (name, kept) in [("ada", "x"), ("bob", "y")] {
        host.ok(&["ask", &format!("/user/{name}"), &format!("keep {kept};reply done")]);
    }
    assert_eq!(host.ok(&["ask", "/user/ada", "kept"]).trim(), "x");
    let family = host.actor("/user");
    assert!(family["shared_memory_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{family}");
    assert!(host.ok(&["tree"]).contains("SHARED MEMORY"));
    let crashed = host.run(&["ask", "/user/bob", "trap"]);
    assert!(!crashed.status.success());
    assert_eq!(host.ok(&["ask", "/user/ada", "kept"]).trim(), "", "its value began again");
    let lost = host.actor("/user/ada")["last_crash"].to_string();
    assert!(lost.contains("lost the instance that it shares with /user/bob"), "{lost}");
    let log = host.ok(&["logs", "--lines", "100"]);
    let ended = "ended the instance that it shares, since it panicked: as told";
    let told: Vec<_> = log.lines().filter(|line| line.contains(ended)).collect();
    assert!(told.len() == 1 && told[0].contains("/user/bob") && told[0].contains("restart: 1"), "{log}");
    let of_ada: Vec<_> = log.lines().filter(|line| line.contains("/user/ada")).collect();
    assert!(of_ada.is_empty(), "an innocent writes no line: {of_ada:?}");
}

#[test]
fn spawned_actors_share_an_instance() {
    let manifest = "[[actor]]\naddress = \"/a\"\nplugin = \"alone\"\nspawns = [\"worker\"]\nsends_to = [\"/log\"]\n\
                    [[plugin]]\nname = \"worker\"\nshare = true\nsends_to = [\"/log\"]\n";
    let host = Host::start(play(manifest), &[]);
    host.ok(&["ask", "/a", "spawn v;spawn w;reply done"]);
    host.ok(&["ask", "/a/v", "keep x;reply done"]);
    assert_eq!(host.ok(&["ask", "/a/v", "kept"]).trim(), "x");
    host.ok(&["stop", "/a/w"]);
    assert_eq!(host.ok(&["ask", "/a/v", "kept"]).trim(), "x", "a stop is no crash");
    host.ok(&["start", "/a/w"]);
    assert!(!host.run(&["ask", "/a/w", "trap"]).status.success());
    assert_eq!(host.ok(&["ask", "/a/v", "kept"]).trim(), "", "its value began again");
}

/// `/savings/*`, whose members share an instance and have states, and `/door`, which keeps them from their start.
const SAVINGS: &str = "[[actor]]\naddress = \"/door\"\nplugin = \"alone\"\n[play.store]\npath = \"store\"\n\
                       [[family]]\naddress = \"/savings/*\"\nplugin = \"savings\"\ncreate = [\"/\"]\nshare = true\n\
                       mailbox = { kind = \"durable\" }\nstate = {}\n";

#[test]
fn states_of_members_outlive_the_shared_instance() {
    let host = Host::start(play(SAVINGS), &[]);
    host.ok(&["stop", "/door"]);
    let add = |member: &str, amount: &str| host.ok(&["ask", member, amount]).trim().to_owned();
    assert_eq!((add("/savings/ada", "add 1"), add("/savings/bob", "add 10")), ("1 1".into(), "10 10".into()));
    assert!(!host.run(&["ask", "/savings/bob", "trap"]).status.success());
    let lost = host.actor("/savings/ada")["last_crash"].to_string();
    assert!(lost.contains("lost the instance that it shares with /savings/bob"), "{lost}");
    assert_eq!((add("/savings/ada", "add 2"), add("/savings/bob", "add 20")), ("3 3".into(), "30 30".into()));
}

#[test]
fn gate_of_a_member_is_asked_in_the_shared_instance() {
    let mut host = Host::start(play(SAVINGS), &[]);
    host.ok(&["tell", "/savings/ada", "add 1"]);
    host.wait_for("its code refused to start: its messages wait");
    assert_eq!(host.actor("/savings/ada")["handled"], 0);
    host.ok(&["stop", "/door"]);
    assert_eq!(host.ok(&["ask", "/savings/ada", "add 2"]).trim(), "3 3");
    assert_eq!(host.ok(&["ask", "/savings/bob", "add 5"]).trim(), "5 5");
}

#[test]
fn check_and_inspect_show_shared_instances() {
    let tables = "[[family]]\naddress = \"/user/*\"\nplugin = \"worker\"\nshare = true\n\
                  [[family]]\naddress = \"/order/*\"\nplugin = \"worker\"\n[[plugin]]\nname = \"worker\"\nshare = true\n";
    let folder = play(tables);
    let said = |arguments: &[&str]| {
        let done = command(folder.path()).args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    let shown = said(&["check"]);
    let has = |first: &str, fact: &str| {
        let mut rows = shown.lines().filter(|line| line.starts_with(first));
        rows.any(|row| row.split_whitespace().any(|cell| cell == fact))
    };
    assert!(has("/user/*", "shared") && has("/order/*", "own") && has("worker", "shared"), "{shown}");
    let checked: serde_json::Value = serde_json::from_str(&said(&["check", "--json"])).unwrap();
    let shares = |of: &serde_json::Value| of["share"].as_bool();
    let all: Vec<_> = checked["actors"].as_array().unwrap().iter().map(shares).collect();
    assert_eq!((all, shares(&checked["plugins"][0])), (vec![Some(false), Some(true), Some(false)], Some(true)));
    assert!(said(&["inspect", "worker.wasm"]).contains("share   yes"));
    assert!(said(&["inspect", "alone.wasm"]).contains("share   no"));
}

#[test]
fn component_that_cannot_share_is_refused() {
    let family = "[[family]]\naddress = \"/user/*\"\nplugin = \"alone\"\ncreate = [\"/\"]\nshare = true\n";
    let checked = command(play(family).path()).arg("check").output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    let what =
        "the actors of `/user/*` cannot share an instance: their plugin does not export `playhouse:actor/shared@0.2.0`";
    assert!(checked.status.code() == Some(2) && said.contains(what), "{said}");
    assert!(said.contains("export the actor with `export_actor!(..., shared)`, or leave `share` out"), "{said}");
}
