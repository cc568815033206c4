//! Components that do harm before they run: to the compiler. A running host loads them without an effect on its actors.

use std::path::PathBuf;
use std::time::Duration;

use playhouse_sandbox::{Compilation, CompilePlace, LoadError, Sandbox, SandboxConfig};
use playhouse_tests::{compiles_for_ever, compiles_into_all_memory, playhouse};

use crate::house;

const FAR_LONGER: Duration = Duration::from_mins(10);

/// A sandbox that compiles as the binary does.
fn sandbox(time: Duration, memory_bytes: u64) -> Sandbox {
    sandbox_of(playhouse().to_owned(), &["compile-for-parent"], time, memory_bytes)
}

fn sandbox_of(program: PathBuf, arguments: &[&str], time: Duration, memory_bytes: u64) -> Sandbox {
    let arguments = arguments.iter().map(ToString::to_string).collect();
    let compilation = Compilation { place: CompilePlace::Child { program, arguments }, time, memory_bytes };
    Sandbox::new(SandboxConfig { max_instances: 1, compilation, ..SandboxConfig::default() }).unwrap()
}

#[test]
fn endless_compilation_is_stopped() {
    let _alone = house::alone();
    let sandbox = sandbox(Duration::from_millis(300), 8 << 30);
    let bomb = compiles_for_ever();
    house::beside_the_neighbour(move || match sandbox.load_bytes("bomb", &bomb).err() {
        Some(error @ LoadError::CompileTime { .. }) => {
            assert!(
                error
                    .to_string()
                    .contains("`bomb` takes longer to compile than the 300ms that play.limits.compile_time")
            );
        }
        other => panic!("{other:?}"),
    });
}

#[test]
fn compilation_beyond_memory_is_stopped() {
    let _alone = house::alone();
    let sandbox = sandbox(FAR_LONGER, 256 << 20);
    let bomb = compiles_into_all_memory();
    house::beside_the_neighbour(move || match sandbox.load_bytes("bomb", &bomb).err() {
        Some(error @ LoadError::CompileMemory { .. }) => {
            let said = error.to_string();
            assert!(
                said.contains("more memory to compile than the 268435456 bytes that play.limits.compile_memory"),
                "{said}"
            );
        }
        other => panic!("{other:?}"),
    });
}

#[test]
fn child_process_accepts_the_same_components() {
    let _alone = house::alone();
    let sandbox = sandbox(FAR_LONGER, 1 << 30);
    sandbox.load_bytes("echo", &crate::template::actor(crate::template::ECHO)).unwrap();
    let invalid = b"\0asm\x0d\0\x01\0 and then nonsense";
    let here = house::load("nonsense", invalid).err().unwrap().to_string();
    assert_eq!(sandbox.load_bytes("nonsense", invalid).err().unwrap().to_string(), here);
}

#[test]
fn dead_or_missing_compiler_is_an_error_of_the_component() {
    let _alone = house::alone();
    let echo = crate::template::actor(crate::template::ECHO);
    let load = |program: &str, arguments: &[&str]| {
        let sandbox = sandbox_of(program.into(), arguments, FAR_LONGER, 1 << 30);
        sandbox.load_bytes("echo", &echo).err().unwrap()
    };
    let said = |program: &str, arguments: &[&str]| load(program, arguments).to_string();
    assert!(said("sh", &["-c", "echo it hurts >&2; kill -SEGV $$"]).contains("(signal: 11 (SIGSEGV)"));
    assert!(said("sh", &["-c", "echo it hurts >&2; exit 3"]).contains("(exit status: 3: it hurts)"));
    assert!(matches!(load("sh", &["-c", "echo something else"]), LoadError::CompilerDied { .. }));
    assert!(matches!(load("sh", &["-c", "cat"]), LoadError::CompilerDied { .. }), "an order is no answer");
    assert!(matches!(load("/nowhere/playhouse", &[]), LoadError::NoCompiler { .. }));
}
