//! Refused plugins, and the texts of their errors.

use std::fmt::Write;
use std::path::Path;

use expect_test::{Expect, expect};
use playhouse_sandbox::{Compilation, CompilePlace, Compiled, LoadError, Sandbox, SandboxConfig, inspect};

use crate::play::small_sandbox;
use crate::template::{ECHO, actor, actor_with_hooks, actor_with_import};

/// One line for each component that is refused, in the order given.
fn check(refused: &[&[u8]], expected: Expect) {
    let sandbox = small_sandbox();
    let mut lines = String::new();
    for wasm in refused {
        let error = sandbox.load_bytes("plugins/cart.wasm", wasm).err().expect("it must be refused");
        writeln!(lines, "{error}").unwrap();
    }
    expected.assert_eq(&lines);
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[test]
fn files_other_than_components_are_refused() {
    check(
        &[
            b"",
            b"# Notes\n",
            b"(module)",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"\x7fELF\x02\x01\x01\0\0\0\0\0",
            &wat("(module)"),
            b"\0asm",
            b"\0asm\x0d\0\x02\0",
            &actor(ECHO)[..1000],
        ],
        expect![[r#"
            `plugins/cart.wasm` is not a WebAssembly component but an empty file; build the actor with `cargo build --target wasm32-wasip2`
            `plugins/cart.wasm` is not a WebAssembly component but a text file; build the actor with `cargo build --target wasm32-wasip2`
            `plugins/cart.wasm` is not a WebAssembly component but WebAssembly text; build the actor with `cargo build --target wasm32-wasip2`
            `plugins/cart.wasm` is not a WebAssembly component but a file that begins with the bytes 89 50 4e 47 0d 0a 1a 0a; build the actor with `cargo build --target wasm32-wasip2`
            `plugins/cart.wasm` is not a WebAssembly component but a program for this machine (ELF); build the actor with `cargo build --target wasm32-wasip2`
            `plugins/cart.wasm` is a core WebAssembly module, not a component; build it for `wasm32-wasip2`, or turn it into a component with `wasm-tools component new`
            `plugins/cart.wasm` is not a valid component: it ends within its first bytes; build it again
            `plugins/cart.wasm` is not a valid component: its version [0d, 00, 02, 00] is unknown here; 0d 00 01 00 was expected; build it again
            `plugins/cart.wasm` is not a valid component: unexpected end-of-file (at offset 0x3d1); build it again
        "#]],
    );
}

#[test]
fn missing_file_is_refused() {
    let error = small_sandbox().load("cart", Path::new("no/such/cart.wasm")).err().expect("it must be refused");
    assert!(matches!(error, LoadError::NotFound { .. }));
    expect!["there is no file `no/such/cart.wasm`; build the actor, and put its component at this path"]
        .assert_eq(&error.to_string());
}

#[test]
fn link_out_of_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cart.wasm"), actor(ECHO)).unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    let link = folder.path().join("plugins/cart.wasm");
    std::os::unix::fs::symlink("../cart.wasm", &link).unwrap();
    let error = small_sandbox().load("cart", &link).err().expect("it must be refused").to_string();
    expect!["`FOLDER/plugins/cart.wasm` is a link that leads out of its folder, and a plugin is a file of the plugins folder: copy it there, or set `plugins` in the manifest's [play] to the folder that it is in"]
        .assert_eq(&error.replace(folder.path().to_str().unwrap(), "FOLDER"));
}

#[test]
fn loaded_plugin_does_not_change_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("echo.wasm");
    std::fs::write(&file, actor(ECHO)).unwrap();
    let sandbox = small_sandbox();
    let first = sandbox.load("echo", &file).unwrap();
    std::fs::write(&file, "something else").unwrap();
    let again = sandbox.load_bytes("echo", &actor(ECHO)).unwrap();
    assert_eq!(first.info().sha256, again.info().sha256);
    assert!(sandbox.load("echo", &file).is_err());
}

#[test]
fn machine_code_is_never_loaded() {
    let engine = wasmtime::Engine::default();
    check(
        &[&engine.precompile_component(&actor(ECHO)).unwrap()],
        expect![[r#"
        `plugins/cart.wasm` is precompiled machine code, which is never loaded from a file, because it cannot be checked; use the `.wasm` component that it was made from
    "#]],
    );
}

#[test]
fn components_of_other_worlds_are_refused() {
    let command = r#"(component
      (core module $m (func (export "run") (result i32) (i32.const 0)))
      (core instance $i (instantiate $m))
      (func $run (result (result)) (canon lift (core func $i "run")))
      (instance $cli (export "run" (func $run)))
      (export "wasi:cli/run@0.2.0" (instance $cli)))"#;
    check(
        &[&wat("(component)"), &wat(command)],
        expect![[r#"
        `plugins/cart.wasm` does not export `playhouse:actor/handler@0.2.0`, so it cannot handle messages; it exports nothing. Build it with playhouse-sdk, or for the world `actor` of wit/actor.wit
        `plugins/cart.wasm` does not export `playhouse:actor/handler@0.2.0`, so it cannot handle messages; it exports `wasi:cli/run@0.2.0`. Build it with playhouse-sdk, or for the world `actor` of wit/actor.wit
    "#]],
    );
}

#[test]
fn component_of_another_contract_is_refused_with_the_way_out() {
    let old = |interface: &str| {
        let wasm = format!(
            r#"(component
              (core module $m (func (export "f")))
              (core instance $i (instantiate $m))
              (func $f (canon lift (core func $i "f")))
              (instance $old (export "f" (func $f)))
              (export "playhouse:actor/{interface}@0.1.0" (instance $old)))"#
        );
        wat(&wasm)
    };
    check(
        &[&old("handler")],
        expect![[r#"
            `plugins/cart.wasm` is built for `playhouse:actor` 0.1.0, and this host has 0.2.0: build it again with playhouse-sdk 0.2, or with wit/actor.wit of this host
        "#]],
    );
    let error = small_sandbox().load_mailbox_bytes("cart", &old("mailbox")).err().expect("it is refused").to_string();
    assert!(error.contains("built for `playhouse:actor` 0.1.0"), "{error}");
}

#[test]
fn export_of_another_type_is_refused() {
    let other = r#"(component
      (core module $m (func (export "f") (param i32) (result i32) (i32.const 0)))
      (core instance $i (instantiate $m))
      (func $f (param "body" u32) (result u32) (canon lift (core func $i "f")))
      (instance $handler (export "msg-handler" (func $f)))
      (export "playhouse:actor/handler@0.2.0" (instance $handler)))"#;
    check(
        &[&wat(other), &wat(&other.replace("msg-handler", "handle"))],
        expect![[r#"
            `plugins/cart.wasm`: its `playhouse:actor/handler@0.2.0#msg-handler` does not match wit/actor.wit: expected `list` found `u32`. Build it again with this version's wit/actor.wit or playhouse-sdk
            `plugins/cart.wasm`: its `playhouse:actor/handler@0.2.0#msg-handler` does not match wit/actor.wit: it is missing. Build it again with this version's wit/actor.wit or playhouse-sdk
        "#]],
    );
}

#[test]
fn imports_that_are_not_provided_are_refused() {
    let http = r#"(import "wasi:http/incoming-handler@0.2.0" (instance (export "handle" (func))))"#;
    let timers = r#"(import "playhouse:actor/timers@0.2.0" (instance (export "after" (func (param "ms" u64)))))"#;
    let other =
        r#"(import "wasi:random/insecure@0.2.0" (instance (export "get-insecure-random-u64" (func (result u32)))))"#;
    check(
        &[&actor_with_import(http), &actor_with_import(timers), &actor_with_import(other)],
        expect![[r#"
            `plugins/cart.wasm` imports `wasi:http/incoming-handler@0.2.0`, which this host does not provide: its `handle` is missing. An actor may import `playhouse:actor/kernel@0.2.0`, `playhouse:actor/batch@0.2.0`, `playhouse:actor/metrics@0.2.0`, WASI 0.2; with `hosts` granted `wasi:http/outgoing-handler`; and with [actor.state] `playhouse:actor/state@0.2.0` and `wasi:keyvalue/store`
            `plugins/cart.wasm` imports `playhouse:actor/timers@0.2.0`, which this host does not provide: its `after` is missing. An actor may import `playhouse:actor/kernel@0.2.0`, `playhouse:actor/batch@0.2.0`, `playhouse:actor/metrics@0.2.0`, WASI 0.2; with `hosts` granted `wasi:http/outgoing-handler`; and with [actor.state] `playhouse:actor/state@0.2.0` and `wasi:keyvalue/store`
            `plugins/cart.wasm` imports `wasi:random/insecure@0.2.0`, which this host does not provide: its `get-insecure-random-u64` has another type: type mismatch with results: expected `u64` found `u32`. An actor may import `playhouse:actor/kernel@0.2.0`, `playhouse:actor/batch@0.2.0`, `playhouse:actor/metrics@0.2.0`, WASI 0.2; with `hosts` granted `wasi:http/outgoing-handler`; and with [actor.state] `playhouse:actor/state@0.2.0` and `wasi:keyvalue/store`
        "#]],
    );
}

#[test]
fn features_that_are_switched_off_are_refused() {
    let threads = wat("(component (core module (memory 1 1 shared)))");
    let wide = wat("(component (core module (memory i64 1)))");
    check(
        &[&threads, &wide],
        expect![[r#"
        `plugins/cart.wasm` is not a valid component: threads must be enabled for shared memories (at offset 0x15); build it again
        `plugins/cart.wasm` is not a valid component: memory64 must be enabled for 64-bit memories (at offset 0x15); build it again
    "#]],
    );
}

#[test]
fn plugin_info_describes_the_component() {
    let wasm = actor(ECHO);
    let plugin = small_sandbox().load_bytes("echo", &wasm).unwrap();
    let info = plugin.info();
    assert_eq!(plugin.name(), "echo");
    assert_eq!(info.size_bytes, wasm.len() as u64);
    assert_eq!(info.sha256.len(), 64);
    assert_eq!(info.exports, ["playhouse:actor/handler@0.2.0"]);
    assert!(info.imports.contains(&"playhouse:actor/kernel@0.2.0".to_owned()));
    assert!(info.hooks.is_empty());
    assert!(matches!(info.compiled, Compiled::Fresh(_)));
}

#[test]
fn any_component_can_be_inspected() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.wasm");
    let hook = r#"(func (export "HOOK") (result i32) (i32.const 0))"#;
    let code = format!("{ECHO} {} {}", hook.replace("HOOK", "init"), hook.replace("HOOK", "shutdown"));
    std::fs::write(&file, actor_with_hooks(&code)).unwrap();
    let seen = inspect(&file, Compilation::default()).unwrap();
    assert_eq!(seen.hooks, ["init", "shutdown"]);
    assert!(seen.obstacle.is_none());
    std::fs::write(&file, wat::parse_str("(component)").unwrap()).unwrap();
    assert!(matches!(inspect(&file, Compilation::default()).unwrap().obstacle, Some(LoadError::MissingExport { .. })));
    std::fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
    assert!(matches!(inspect(&file, Compilation::default()), Err(LoadError::CoreModule { .. })));
}

/// An actor with `more` beside the one memory of its template.
fn with_memories(more: usize) -> Vec<u8> {
    actor(&format!("{} {ECHO}", "(memory 1)".repeat(more)))
}

#[test]
fn inspect_refuses_what_load_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cart.wasm");
    let instances = "(core module $none) ".to_owned() + &"(core instance (instantiate $none))".repeat(70);
    let tables = format!("{} {ECHO}", "(table 1 funcref)".repeat(65));
    let cases = [
        (with_memories(15), None),
        (with_memories(16), Some("has 17 memories")),
        (
            actor_with_import(&instances),
            Some("core instances, those of the components in it included, and this host allows 64"),
        ),
        (actor(&tables), Some("has 65 tables")),
        (actor(&format!("(table 65537 funcref) {ECHO}")), Some("has 65537 elements in one table")),
    ];
    for (wasm, expected) in cases {
        std::fs::write(&file, &wasm).unwrap();
        let loaded = small_sandbox().load("cart", &file).err().map(|error| error.to_string());
        let seen = inspect(&file, Compilation::default()).unwrap().obstacle.map(|error| error.to_string());
        assert_eq!(loaded, seen);
        assert_eq!(loaded.is_some(), expected.is_some(), "{loaded:?}");
        let said = loaded.unwrap_or_default();
        assert!(said.contains(expected.unwrap_or_default()), "{said}");
    }
}

#[test]
fn plugin_info_counts_all_initial_memories_and_tables() {
    let info = |wasm: &[u8]| small_sandbox().load_bytes("cart", wasm).unwrap().info().initial_bytes.unwrap();
    let one = info(&actor(ECHO));
    assert_eq!(info(&with_memories(3)), one + 3 * 65_536);
    assert_eq!(info(&actor(&format!("(table 10 funcref) {ECHO}"))), one + 10 * 8);
}

#[test]
fn compiler_panic_is_reported_with_its_message() {
    let shell = |script: &str| CompilePlace::Child {
        program: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
    };
    let place = shell("echo 'the compiler panicked: no entry at src/a.rs:7:9' >&2; exit 101");
    let compilation = Compilation { place, ..Compilation::default() };
    let sandbox = Sandbox::new(SandboxConfig { max_instances: 1, compilation, ..SandboxConfig::default() }).unwrap();
    let error = sandbox.load_bytes("plugins/cart.wasm", &actor(ECHO)).err().unwrap();
    assert!(matches!(error, LoadError::CompilerPanicked { .. }), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("the compiler panicked at `plugins/cart.wasm`: no entry at src/a.rs:7:9"), "{text}");
}

#[test]
fn function_with_a_huge_name_is_refused() {
    let with_name = |bytes| actor(&format!("(func ${}) {ECHO}", "x".repeat(bytes)));
    let sandbox = small_sandbox();
    assert!(sandbox.load_bytes("named", &with_name(1000)).is_ok());
    let error = sandbox.load_bytes("cart.wasm", &with_name(100_000)).err().expect("it must be refused").to_string();
    expect!["`cart.wasm` is not a valid component: the name of one of its functions has 100000 bytes, and a name may have 65536; strip it; build it again"]
        .assert_eq(&error);
}
