//! Tests of the imports between the files of each crate: no circles, and no arrow that goes back up the layers of the kernel or of
//! the sandbox.

use std::path::{Path, PathBuf};

use super::files;
use super::imports::{Crate, circles};
use crate::process::root;

/// The folders of crates that are in layers, lowest first. A folder imports only from those before its own.
const LAYERS: [(&str, &[&str]); 2] = [
    (
        "host/kernel",
        &[
            "words",
            "journal",
            "mailbox",
            "supervision",
            "actor",
            "dispatch",
            "turn",
            "incarnation",
            "supervisor",
            "kernel",
        ],
    ),
    (
        "host/sandbox",
        &[
            "events",
            "limits",
            "contract",
            "component",
            "compile",
            "grants",
            "output",
            "wasi",
            "run",
            "actor",
            "mailbox",
            "sandbox",
            "inspect",
        ],
    ),
];

/// The root files of all crates: libraries, programs, tests and benches.
fn crate_roots() -> Vec<PathBuf> {
    let is_root = |path: &PathBuf| {
        let in_tests =
            path.parent().is_some_and(|folder| folder.ends_with("tests") && !folder.join("main.rs").exists());
        path.ends_with("lib.rs") || path.ends_with("main.rs") || in_tests
    };
    files(&root(), ".rs").into_iter().filter(is_root).collect()
}

/// A path of the project, from its root.
fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn imports_make_no_circles() {
    let mut said = Vec::new();
    for crate_root in crate_roots() {
        let arrows = Crate::read(&crate_root).arrows();
        for circle in circles(&arrows) {
            let inside = arrows.iter().filter(|(from, to)| circle.contains(from) && circle.contains(to));
            let lines: Vec<_> = inside.map(|(from, to)| format!("  {} -> {}", short(from), short(to))).collect();
            said.push(format!("{} files of {}:\n{}", circle.len(), short(&crate_root), lines.join("\n")));
        }
    }
    assert!(said.is_empty(), "files import each other in circles:\n{}", said.join("\n"));
}

/// The place of a file's folder in the layers of its crate. `lib.rs` is above all of them.
fn layer(file: &Path, src: &Path, layers: &[&str]) -> Option<usize> {
    let inside = file.strip_prefix(src).ok()?;
    let folder = inside.components().next()?.as_os_str().to_str()?;
    layers.iter().position(|layer| *layer == folder.trim_end_matches(".rs"))
}

#[test]
fn imports_go_down_the_layers_of_their_crate() {
    for (name, layers) in LAYERS {
        let src = root().join(name).join("src");
        let crate_root = src.join("lib.rs");
        let mut back = Vec::new();
        for (from, to) in Crate::read(&crate_root).arrows() {
            let is_facade = from == crate_root;
            let goes_down = match (layer(&from, &src, layers), layer(&to, &src, layers)) {
                (Some(from), Some(to)) => to <= from,
                _ => false,
            };
            if !is_facade && !goes_down {
                back.push(format!("  {} -> {}", short(&from), short(&to)));
            }
        }
        assert!(back.is_empty(), "imports that go back up the layers:\n{}", back.join("\n"));
    }
}
