//! Descriptors: a guest that holds all its descriptors locks out neither the operator nor other actors.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::grants::reaching;
use crate::harness::{Host, command};

/// `/a` and its children, and `/b`, with a folder each.
fn play(limits: &str) -> tempfile::TempDir {
    let dirs = "grants = { dirs = [{ host = \"data\", guest = \"/data\" }], hosts = [\"http://127.0.0.1:9\"] }";
    let kind = format!("plugin = \"reach\"\nspawns = [\"reach\"]\n{dirs}\n");
    reaching(&format!(
        "[[actor]]\naddress = \"/a\"\n{kind}{limits}\n[[actor]]\naddress = \"/b\"\n{kind}\n\
         [[plugin]]\nname = \"reach\"\nrecursive = true\n{dirs}\n"
    ))
}

fn of_all_guests(host: &Host) -> (u64, u64) {
    let tree: Value = serde_json::from_str(&host.ok(&["tree", "--json"])).unwrap();
    let part = |key: &str| tree["guest_descriptors"][key].as_u64().unwrap();
    (part("used"), part("most"))
}

/// Waits until `holds` is true: descriptors of a turn are closed soon after it, on another thread.
fn until(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_mins(2);
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn operator_reaches_a_host_whose_descriptors_guests_use_up() {
    let limits = "limits = { descriptors = 5000, resources = 5000 }";
    let mut host = Host::start_under("--nofile=200", play(limits), &[]);
    let said = host.said().iter().find(|line| line.contains("at most 200")).expect("the log has the limit").clone();
    assert!(said.contains("RLIMIT_NOFILE") && said.contains("actors together may have"), "{said}");
    let (used, most) = of_all_guests(&host);
    assert!(used == 0 && (50..150).contains(&most), "{used} of {most}");
    let idle = host.descriptors();

    let children: Vec<_> = (0..10).map(|n| format!("/a/child{n}")).collect();
    for (n, child) in children.iter().enumerate() {
        assert_eq!(host.ok(&["ask", "/a", &format!("spawn child{n}")]), "done");
        assert_eq!(host.ok(&["ask", child, "keep /data/file"]), "done");
    }
    assert_eq!(host.ok(&["ask", "/a", "keep-many /data/file"]), (most - 10).to_string());
    assert_eq!(of_all_guests(&host), (most, most));
    for at in children.iter().map(String::as_str).chain(["/a", "/b"]) {
        assert_eq!(host.ok(&["ask", at, "keep /data/file"]), "error out of memory", "{at}");
    }
    host.wait_for("all actors together, by RLIMIT_NOFILE");

    // Clients have no more descriptors than their share either.
    let socket = host.folder.path().join(".playhouse/control.sock");
    let crowd: Vec<_> = (0..100).map(|_| UnixStream::connect(&socket).expect("it listens")).collect();
    assert_eq!(host.ok(&["ask", "/b", "env"]), "");
    assert!(host.descriptors() < 200, "{}", host.descriptors());
    drop(crowd);

    // A crash closes the descriptors of the actor and of its children.
    assert!(!host.run(&["ask", "/a", "panic"]).status.success());
    until("a crash closes all descriptors", || of_all_guests(&host).0 == 0 && host.descriptors() <= idle + 1);
    host.actor_when("/a", |actor| actor["state"] == "idle");
    assert_eq!(host.ok(&["ask", "/a", "keep-many /data/file"]), most.to_string());
    assert!(host.run(&["stop", "/a"]).status.success());
    until("a stop closes all descriptors", || of_all_guests(&host).0 == 0 && host.descriptors() <= idle + 1);
    assert_eq!(host.ok(&["ask", "/b", "read /data/file"]), "inside");
}

#[test]
fn subtree_has_its_descriptors_and_no_more() {
    let host = Host::start(play("limits = { descriptors = 30, subtree = { descriptors = 10 } }"), &[]);
    assert_eq!(host.ok(&["ask", "/a", "spawn x"]), "done");
    assert_eq!(host.ok(&["ask", "/a/x", "keep-many /data/file"]), "10");
    assert_eq!(host.ok(&["ask", "/a", "keep /data/file"]), "error out of memory");
    let usage = &host.actor("/a")["subtree"]["descriptors"];
    assert_eq!((usage["used"].as_u64(), usage["most"].as_u64()), (Some(10), Some(10)));
    let shown = host.ok(&["tree"]);
    assert!(shown.contains("/a and all below it use 10 of 10 descriptors"), "{shown}");
    assert_eq!(
        host.ok(&["ask", "/b", "keep-many /data/file"]),
        "256",
        "the default: `/b` is not in the subtree of `/a`"
    );
    assert_eq!(of_all_guests(&host).0, 266);
}

#[test]
fn check_warns_of_limits_that_descriptors_put_out_of_reach() {
    let warnings = |limits: &str| {
        let play = reaching(&format!(
            "[[actor]]\naddress = \"/a\"\nplugin = \"reach\"\ngrants = {{ hosts = [\"http://127.0.0.1:9\"] }}\n{limits}\n"
        ));
        let output = command(play.path()).arg("check").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    };
    let said = warnings("limits = { requests = 300 }");
    assert!(said.contains("/a may have 300 HTTP requests") && said.contains("only 256 connections"), "{said}");
    let said = warnings("limits = { subtree = { descriptors = 3 } }");
    assert!(said.contains("only 3 connections (`limits.subtree.descriptors`)"), "{said}");
    let said = warnings("limits = { descriptors = 4000000000 }");
    assert!(said.contains("may have 4000000000 files") && said.contains("RLIMIT_NOFILE"), "{said}");
    let said = warnings("limits = { requests = 256 }");
    assert!(!said.contains("descriptors"), "{said}");
}

#[test]
fn run_with_too_few_descriptors_beside_its_folders_says_so() {
    let dirs: Vec<_> = (0..40).map(|n| format!("{{ host = \"data\", guest = \"/data{n}\" }}")).collect();
    let actor =
        format!("[[actor]]\naddress = \"/a\"\nplugin = \"reach\"\ngrants = {{ dirs = [{}] }}\n", dirs.join(","));
    let play = reaching(&actor);
    let mut command = std::process::Command::new("prlimit");
    command.arg("--nofile=64").arg(crate::harness::playhouse()).args(["run", "--until-idle"]).current_dir(play.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("40 granted folders") && said.contains("RLIMIT_NOFILE is 64"), "{said}");
}

#[test]
fn idle_connections_close_when_no_descriptor_is_left() {
    let mut host = Host::start(play(""), &[]);
    let socket = host.folder.path().join(".playhouse/control.sock");
    let before = host.descriptors();
    let crowd: Vec<_> = (0..20).map(|_| UnixStream::connect(&socket).expect("it listens")).collect();
    until("all are accepted", || host.descriptors() >= before + crowd.len());
    // A file that the host reads from time to time may have been open just then, and leave its descriptor to one of these.
    let free = host.limit_descriptors_to_highest() + 3;
    let more: Vec<_> = (0..free).map(|_| UnixStream::connect(&socket).expect("it listens")).collect();
    for _ in 0..3 {
        assert!(host.ok(&["tree"]).contains("/a"));
    }
    let said = host.wait_for("cannot accept a connection, and closes idle ones for it");
    assert!(said.contains("RLIMIT_NOFILE is ") && said.contains("ulimit -n"), "{said}");
    drop((crowd, more));
    host.signal(rustix::process::Signal::TERM);
    let ended = host.end();
    assert_eq!(ended.stderr.matches("cannot accept a connection").count(), 1, "{}", ended.stderr);
}
