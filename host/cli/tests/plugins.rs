//! The whole message that the real binary prints for a bad plugin.

// expect-test writes snapshots in this form.
#![allow(clippy::needless_raw_string_hashes)]

use std::path::Path;
use std::process::Command;

use expect_test::{Expect, expect};

const MANIFEST: &str = "[[actor]]\naddress = \"/count\"\nplugin = \"count\"\n";

/// Checks the stderr of `playhouse check` for a manifest and the file `plugins/count.wasm`; the command must end with code 2.
fn check(manifest: &str, plugin: &[u8], expected: Expect) {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("written");
    std::fs::create_dir(folder.path().join("plugins")).expect("made");
    write("playhouse.toml", manifest.as_bytes());
    write("plugins/count.wasm", plugin);
    let output = playhouse(folder.path(), &["check"]);
    expected.assert_eq(&output);
}

fn playhouse(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_playhouse"))
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    // The first line has no indentation, so that the snapshots keep the indentation of the other lines.
    format!("$ playhouse {}\n{}", arguments.join(" "), String::from_utf8(output.stderr).expect("UTF-8"))
}

#[test]
fn file_that_is_no_wasm_is_refused() {
    check(
        MANIFEST,
        b"#!/bin/sh\n",
        expect![[r#"
            $ playhouse check
              × `plugins/count.wasm` is not a WebAssembly component but a text file; build the actor with `cargo build --target wasm32-wasip2`
               ╭─[playhouse.toml:3:10]
             2 │ address = "/count"
             3 │ plugin = "count"
               ·          ───┬───
               ·             ╰── the plugin of `/count`
               ╰────
        "#]],
    );
}

#[test]
fn core_module_is_refused() {
    check(
        MANIFEST,
        b"\0asm\x01\0\0\0",
        expect![[r#"
            $ playhouse check
              × `plugins/count.wasm` is a core WebAssembly module, not a component; build it for `wasm32-wasip2`, or turn it into a component with `wasm-tools component new`
               ╭─[playhouse.toml:3:10]
             2 │ address = "/count"
             3 │ plugin = "count"
               ·          ───┬───
               ·             ╰── the plugin of `/count`
               ╰────
        "#]],
    );
}

#[test]
fn component_of_another_world_is_refused() {
    check(
        MANIFEST,
        b"\0asm\x0d\0\x01\0",
        expect![[r#"
            $ playhouse check
              × `plugins/count.wasm` does not export `playhouse:actor/handler@0.2.0`, so it cannot handle messages; it exports nothing. Build it with playhouse-sdk, or for the world `actor` of wit/actor.wit
               ╭─[playhouse.toml:3:10]
             2 │ address = "/count"
             3 │ plugin = "count"
               ·          ───┬───
               ·             ╰── the plugin of `/count`
               ╰────
        "#]],
    );
}

#[test]
fn missing_manifest_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    expect![[r#"
        $ playhouse run nowhere.toml
        playhouse: the manifest `nowhere.toml` cannot be read: No such file or directory (os error 2)
        name another manifest on the command line, or go to its folder
    "#]]
    .assert_eq(&playhouse(folder.path(), &["run", "nowhere.toml"]));
}

#[test]
fn missing_plugins_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("playhouse.toml"), MANIFEST).expect("written");
    expect![[r#"
        $ playhouse check
          × there is no plugin `count`: no file `plugins/count.wasm`
           ╭─[playhouse.toml:3:10]
         2 │ address = "/count"
         3 │ plugin = "count"
           ·          ───┬───
           ·             ╰── no such file
           ╰────
          help: the plugins folder `plugins` cannot be read: No such file or directory (os error 2)
    "#]]
    .assert_eq(&playhouse(folder.path(), &["check"]));
}

#[test]
fn memory_limit_below_the_declared_minimum_is_refused() {
    // Two memories of a page and a table count together.
    let wasm = wat::parse_str(ACTOR_OF_TWO_PAGES).expect("a component");
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("written");
    std::fs::create_dir(folder.path().join("plugins")).expect("made");
    write("plugins/count.wasm", &wasm);
    let own = "[actor.limits]\nmemory = \"100KiB\"\nmessage = \"1KiB\"\n";
    write("playhouse.toml", format!("{MANIFEST}{own}").as_bytes());
    for command in ["check", "run"] {
        let said = playhouse(folder.path(), &[command]);
        let words = said.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert!(words.contains("`/count` cannot start: its plugin begins with 131152 bytes of memories and tables, and `limits.memory` is 102400 bytes"), "{said}");
        assert!(said.contains("[playhouse.toml:5:10]"), "{said}");
    }
    let below = MANIFEST.replace("/count", "/count/below");
    for (manifest, key) in [
        (format!("[play.limits]\nmemory = \"100KiB\"\n{MANIFEST}"), "`play.limits.memory` is 102400 bytes"),
        (format!("{MANIFEST}[actor.limits.subtree]\nmemory = \"100KiB\"\n"), "`limits.subtree.memory` is 102400 bytes"),
        (
            format!("{MANIFEST}[actor.limits.subtree]\nmemory = \"100KiB\"\n{below}"),
            "`/count/below` cannot start: its plugin begins with 131152 bytes of memories and tables, and \
             `limits.subtree.memory` of `/count` is 102400 bytes",
        ),
    ] {
        write("playhouse.toml", manifest.as_bytes());
        let said = playhouse(folder.path(), &["check"]);
        let words = said.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert!(words.contains(key), "{said}");
    }
    let spawned = format!(
        "[[plugin]]\nname = \"count\"\n{MANIFEST}spawns = [\"count\"]\n[actor.limits]\nmemory = \"100KiB\"\nmessage = \"1KiB\"\n"
    );
    write("playhouse.toml", spawned.as_bytes());
    let said = playhouse(folder.path(), &["check"]);
    let words = said.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
    assert!(words.contains("`/count` cannot spawn `count`: that plugin begins with 131152 bytes"), "{said}");
}

const ACTOR_OF_TWO_PAGES: &str = r#"(component
  (core module $m
    (memory (export "memory") 1) (memory 1) (table 10 funcref)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "handle") (param i32 i32) (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (type $failure' (variant (case "reject" string) (case "retry" string)))
  (import "playhouse:actor/types@0.2.0" (instance $types
    (type $failure (variant (case "reject" string) (case "retry" string)))
    (export "failure" (type (eq $failure)))))
  (alias export $types "failure" (type $failure))
  (func $handle (param "body" (list u8)) (result (result (option (list u8)) (error $failure)))
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (instance $handler (export "msg-handler" (func $handle)))
  (export "playhouse:actor/handler@0.2.0" (instance $handler)))"#;

#[test]
fn manifest_and_folders_that_are_pipes_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = |name: &str| {
        let made = Command::new("mkfifo").arg(folder.path().join(name)).status().expect("mkfifo runs");
        assert!(made.success());
    };
    pipe("pipe.toml");
    pipe("pipe");
    std::fs::create_dir(folder.path().join("plugins")).expect("made");
    let grant = "[actor.grants]\ndirs = [{ host = \"pipe\", guest = \"/data\" }]\n";
    std::fs::write(folder.path().join("playhouse.toml"), format!("{MANIFEST}{grant}")).expect("written");
    for command in ["check", "run"] {
        let said = playhouse(folder.path(), &[command, "pipe.toml"]);
        assert!(said.contains("`pipe.toml` cannot be read: it is a pipe, and a manifest is a regular file"), "{said}");
        let said = playhouse(folder.path(), &[command, "/dev/zero"]);
        assert!(said.contains("`/dev/zero` cannot be read: it is a device"), "{said}");
        let said = playhouse(folder.path(), &[command]);
        assert!(said.contains("cannot open the folder `pipe`: Not a directory"), "{said}");
    }
}
