//! Bad input, and the whole message that an operator sees.

use std::path::Path;

use expect_test::{Expect, expect};

use crate::harness::{Host, actors, command, folder, root};

/// Runs a command in a folder; checks its exit code and its whole stderr, with paths of this machine masked.
fn check(folder: &Path, arguments: &[&str], code: i32, said: Expect) {
    let output = command(folder).args(arguments).output().unwrap();
    let mut stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    for (path, name) in [(folder, "FOLDER"), (root(), "ROOT")] {
        stderr = stderr.replace(path.to_str().unwrap(), name);
    }
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    // The first line has no indentation, so that the snapshots keep the indentation of the other lines.
    said.assert_eq(&format!("stderr:\n{stderr}"));
}

fn check_manifest(actors: &str, said: Expect) {
    let folder = folder(actors);
    check(folder.path(), &["check"], 2, said);
}

/// A folder whose plugin `odd` is these bytes.
fn with_plugin(bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("odd.wasm"), bytes).unwrap();
    let manifest = "[play]\nname = \"test\"\nplugins = \".\"\n[[actor]]\naddress = \"/a\"\nplugin = \"odd\"\n";
    std::fs::write(folder.path().join("playhouse.toml"), manifest).unwrap();
    folder
}

fn check_plugin(bytes: &[u8], said: Expect) {
    let folder = with_plugin(bytes);
    check(folder.path(), &["run"], 2, said);
}

#[test]
fn unknown_key_is_reported() {
    check_manifest(
        "[[actor]]\naddress = \"/a\"\nplugin = \"echo\"\nbach = 3\n",
        expect![[r#"
            stderr:
              × unknown key `bach`
               ╭─[playhouse.toml:8:1]
             7 │ plugin = "echo"
             8 │ bach = 3
               · ──┬─
               ·   ╰── did you mean `batch`?
               ╰────
              help: the keys here are `address`, `plugin`, `sends_to`, `spawns`, `metrics`, `sha256`, `instances`, `batch`, `start`, `idle`, `idle_after`, `config`, `required`, `mailbox`, `state`, `restart`, `supervision`, `limits`, `grants`, `log`
        "#]],
    );
}

#[test]
fn wrong_unit_is_reported() {
    check_manifest(
        "[[actor]]\naddress = \"/a\"\nplugin = \"echo\"\n[actor.limits]\ncpu = \"100 parsecs\"\n",
        expect![[r#"
            stderr:
              × `100 parsecs` is no time
               ╭─[playhouse.toml:9:7]
             8 │ [actor.limits]
             9 │ cpu = "100 parsecs"
               ·       ──────┬──────
               ·             ╰── here
               ╰────
              help: a time is a whole number and a unit, one of us, ms, s, m, h, d, as in "100ms"
        "#]],
    );
}

#[test]
fn doubled_address_is_reported() {
    check_manifest(
        &actors(&[("/a", "echo"), ("/a", "counter")]),
        expect![[r#"
            stderr:
              × two actors have the address `/a`
                ╭─[playhouse.toml:9:11]
              5 │ [[actor]]
              6 │ address = "/a"
                ·           ──┬─
                ·             ╰── first here
              7 │ plugin = "echo"
              8 │ [[actor]]
              9 │ address = "/a"
                ·           ──┬─
                ·             ╰── again here
             10 │ plugin = "counter"
                ╰────
              help: give one of them another name
        "#]],
    );
}

#[test]
fn actor_without_its_parent_is_reported() {
    check_manifest(
        &actors(&[("/a", "echo"), ("/b/c", "counter")]),
        expect![[r#"
            stderr:
              × `/b/c` has no parent
                ╭─[playhouse.toml:9:11]
              8 │ [[actor]]
              9 │ address = "/b/c"
                ·           ───┬──
                ·              ╰── no actor has the address `/b`
             10 │ plugin = "counter"
                ╰────
              help: add an actor with address = "/b" before it, or name it "/c"
        "#]],
    );
}

#[test]
fn bad_address_is_reported() {
    check_manifest(
        &actors(&[("/a b", "echo")]),
        expect![[r#"
            stderr:
              × `/a b` is no address: ` ` is not allowed; use letters, digits, `_` and `-`
               ╭─[playhouse.toml:6:11]
             5 │ [[actor]]
             6 │ address = "/a b"
               ·           ───┬──
               ·              ╰── here
             7 │ plugin = "echo"
               ╰────
              help: an address is "/" and the name, below another actor "/parent/name"
        "#]],
    );
}

#[test]
fn missing_plugin_is_reported() {
    let folder = with_plugin(b"");
    let manifest = folder.path().join("playhouse.toml");
    let text = std::fs::read_to_string(&manifest).unwrap().replace("\"odd\"", "\"old\"");
    std::fs::write(manifest, text).unwrap();
    check(
        folder.path(),
        &["check"],
        2,
        expect![[r#"
        stderr:
          × there is no plugin `old`: no file `./old.wasm`
           ╭─[playhouse.toml:6:10]
         5 │ address = "/a"
         6 │ plugin = "old"
           ·          ──┬──
           ·            ╰── did you mean "odd"?
           ╰────
          help: the folder `.` has `odd`
    "#]],
    );
}

#[test]
fn plugin_that_is_no_wasm_is_reported() {
    check_plugin(
        b"#!/bin/sh\necho hello\n",
        expect![[r#"
            stderr:
              × `./odd.wasm` is not a WebAssembly component but a text file; build the actor with `cargo build --target wasm32-wasip2`
               ╭─[playhouse.toml:6:10]
             5 │ address = "/a"
             6 │ plugin = "odd"
               ·          ──┬──
               ·            ╰── the plugin of `/a`
               ╰────
        "#]],
    );
}

#[test]
fn core_module_is_reported() {
    check_plugin(
        b"\0asm\x01\0\0\0",
        expect![[r#"
            stderr:
              × `./odd.wasm` is a core WebAssembly module, not a component; build it for `wasm32-wasip2`, or turn it into a component with `wasm-tools component new`
               ╭─[playhouse.toml:6:10]
             5 │ address = "/a"
             6 │ plugin = "odd"
               ·          ──┬──
               ·            ╰── the plugin of `/a`
               ╰────
        "#]],
    );
}

#[test]
fn component_of_another_world_is_reported() {
    check_plugin(
        b"\0asm\x0d\0\x01\0",
        expect![[r#"
            stderr:
              × `./odd.wasm` does not export `playhouse:actor/handler@0.2.0`, so it cannot handle messages; it exports nothing. Build it with playhouse-sdk, or for the world `actor` of wit/actor.wit
               ╭─[playhouse.toml:6:10]
             5 │ address = "/a"
             6 │ plugin = "odd"
               ·          ──┬──
               ·            ╰── the plugin of `/a`
               ╰────
        "#]],
    );
}

#[test]
fn second_host_on_the_same_socket_is_refused() {
    let host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    let second = command(host.folder.path()).arg("run").output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    let process = if cfg!(target_os = "linux") { format!(" (process {})", host.process_id()) } else { String::new() };
    let said = format!(
        "playhouse: another host listens on `.playhouse/control.sock`{process}: stop it, or name another socket with --socket (or none with --no-socket)\n"
    );
    assert_eq!(String::from_utf8_lossy(&second.stderr), said);
    assert_eq!(host.ok(&["ask", "/echo", "x"]), "x", "the first host goes on");
}

#[test]
fn tell_to_an_unknown_address_is_refused() {
    let host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    check(
        host.folder.path(),
        &["tell", "/ecko", "x"],
        1,
        expect![[r#"
        stderr:
        playhouse: no actor has the address `/ecko`: did you mean `/echo`?
    "#]],
    );
}

#[test]
fn start_of_an_ended_actor_is_refused() {
    let manifest = actors(&[("/flaky", "flaky")]) + "restart = { kind = \"temporary\" }\n";
    let host = Host::start(folder(&manifest), &["--tell", "/flaky=!panic"]);
    host.actor_when("/flaky", |flaky| flaky["state"] == "ended");
    check(
        host.folder.path(),
        &["start", "/flaky"],
        1,
        expect![[r#"
        stderr:
        playhouse: `/flaky` has ended for good, after it panicked: the message asked for a panic (plugins/flaky/src/lib.rs:87:27): by its `restart.kind` it is not started again; the play can be
    "#]],
    );
}

#[test]
fn manifest_that_is_no_text_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("playhouse.toml"), b"[play]\nname = \"caf\xe9\"\n").unwrap();
    check(
        folder.path(),
        &["check"],
        2,
        expect![[r#"
            stderr:
              × the manifest is no text in UTF-8: it has a byte 0xe9
               ╭─[playhouse.toml:2:12]
             1 │ [play]
             2 │ name = "caf�"
               ·            ┬
               ·            ╰── here
               ╰────
              help: a manifest is a text in UTF-8: save it as such
        "#]],
    );
}

#[test]
fn missing_host_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let said = || {
        expect![[r#"
            stderr:
            playhouse: no host is running here (no socket at `.playhouse/control.sock`): start one with `playhouse run`, or name its socket with --socket
        "#]]
    };
    let letters = ["dead-letters list", "dead-letters show 5d", "dead-letters replay --all", "dead-letters drop 5d"];
    for command in ["tree", "tell /a x", "ask /a x", "stop /a", "start /a"].into_iter().chain(letters) {
        check(folder.path(), &command.split(' ').collect::<Vec<_>>(), 3, said());
    }
}

#[test]
fn corrupt_cache_entry_is_rebuilt() {
    let cache = tempfile::tempdir().unwrap();
    let folder = folder(&actors(&[("/echo", "echo")]));
    let run = || {
        let mut run = command(folder.path());
        run.env("XDG_CACHE_HOME", cache.path()).args(["run", "--until-idle", "--tell", "/echo=x"]);
        let output = run.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{stderr}");
        stderr
    };
    assert!(run().contains("compiled echo"));
    assert!(!run().contains("compil"));
    let entries: Vec<_> = std::fs::read_dir(cache.path().join("playhouse")).unwrap().collect();
    assert_eq!(entries.len(), 1);
    let entry = entries[0].as_ref().unwrap().path();
    let mut bytes = std::fs::read(&entry).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&entry, bytes).unwrap();
    let said = run();
    let line = said.lines().find(|line| line.contains("again")).unwrap_or(&said);
    let (what, rest) = line.split_once(" in ").expect("the line has the duration");
    let (_, why) = rest.split_once(": ").expect("it says why");
    expect!["compiled echo again in TIME: its compiled code in the cache was damaged (it is damaged, or was not written with this user's key)"]
        .assert_eq(&format!("{what} in TIME: {why}"));
    assert!(!run().contains("compil"), "the cache entry is sound again");
}
