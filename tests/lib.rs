//! The parts that several tests need: the workspace, its built files, and components that are bad for compilers.

#![allow(clippy::expect_used)]

pub mod servers;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The workspace's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lie in the workspace")
}

/// Runs cargo in the workspace.
pub fn cargo(arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO"));
    // Variables about the package of this test: a build script that looks at them would run again, and all that needs it.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    let status = command.args(arguments).current_dir(root()).status();
    assert!(status.is_ok_and(|status| status.success()), "cargo {arguments:?} failed");
}

/// Cargo's folder for the profile of the test that runs.
pub fn built() -> PathBuf {
    let here = std::env::current_exe().expect("a running test has a file");
    here.ancestors().nth(2).expect("tests run from target/PROFILE/deps").to_owned()
}

/// The binary under test.
pub fn playhouse() -> &'static Path {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        cargo(&["build", "--package", "playhouse"]);
        built().join("playhouse")
    });
    &BUILT
}

/// A component of 23 KB that compiles for far longer than a test would: half a minute when it was written.
///
/// The compiler looks for the value of each variable in every loop around its use.
pub fn compiles_for_ever() -> Vec<u8> {
    component(&loops(5_000, 1_000))
}

/// A component of 250 KB whose compilation allocates gigabytes within a second.
pub fn compiles_into_all_memory() -> Vec<u8> {
    component(&loops(50_000, 2_000))
}

/// A function that uses each of its variables within loops in loops.
fn loops(variables: u32, deep: usize) -> Vec<u8> {
    let mut code = [&[1][..], &leb128(variables), &[I32]].concat();
    code.extend([LOOP, NO_RESULT].repeat(deep));
    (0..variables).for_each(|n| code.extend([&[LOCAL_GET][..], &leb128(n), &[DROP]].concat()));
    code.extend([END].repeat(deep + 1));
    code
}

const I32: u8 = 0x7f;
const LOOP: u8 = 0x03;
const NO_RESULT: u8 = 0x40;
const LOCAL_GET: u8 = 0x20;
const DROP: u8 = 0x1a;
const END: u8 = 0x0b;

/// A component of one module with this function.
fn component(function: &[u8]) -> Vec<u8> {
    let section = |id: u8, content: &[u8]| [&[id][..], &leb128(content.len() as u32), content].concat();
    let types = section(1, &[1, 0x60, 0, 0]);
    let functions = section(3, &[1, 0]);
    let code = section(10, &[&[1][..], &leb128(function.len() as u32), function].concat());
    let module = [b"\0asm\x01\0\0\0", &types[..], &functions, &code].concat();
    [b"\0asm\x0d\0\x01\0", &section(1, &module)[..]].concat()
}

fn leb128(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
