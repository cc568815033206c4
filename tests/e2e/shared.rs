//! `share` of the manifest: actors of one plugin that share an instance. The actors are the puppet of `tests/guests/puppet-shared`.

use playhouse_tests::{built, cargo};
use tempfile::TempDir;

use crate::harness::{Host, command, folder};

/// A play of this manifest and of `/log`, with the plugins `worker`, whose actors can share an instance, and `alone`, whose actors cannot.
/// A puppet that starts again tells `/log` that it has no child.
fn play(manifest: &str) -> TempDir {
    let packages = ["--package", "puppet", "--package", "puppet-shared"];
    cargo(&[&["build", "--profile", "guest", "--target", "wasm32-wasip2"][..], &packages].concat());
    let folder = folder("");
    for (built_as, name) in [("puppet_shared", "worker"), ("puppet", "alone")] {
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
    let crashed = host.run(&["ask", "/user/bob", "trap"]);
    assert!(!crashed.status.success());
    assert_eq!(host.ok(&["ask", "/user/ada", "kept"]).trim(), "", "its value began again");
    let lost = host.actor("/user/ada")["last_crash"].to_string();
    assert!(lost.contains("lost the instance that it shares with /user/bob"), "{lost}");
    let log = host.ok(&["logs", "--lines", "100"]);
    assert!(log.contains("lost the instance that it shares with /user/bob, which panicked: as told"), "{log}");
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

#[test]
fn component_that_cannot_share_is_refused() {
    let family = "[[family]]\naddress = \"/user/*\"\nplugin = \"alone\"\ncreate = [\"/\"]\nshare = true\n";
    let checked = command(play(family).path()).arg("check").output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    let what = "cannot share an instance: their plugin does not export `playhouse:actor/shared@0.2.0`";
    assert!(checked.status.code() == Some(2) && said.contains(what), "{said}");
    assert!(said.contains("export the actor with `export_actor!(..., shared)`, or leave `share` out"), "{said}");
}
