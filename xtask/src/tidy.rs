//! Tests that documents and code agree: paths, commands and tests that documents name exist, and files stay small.

mod events;
mod imports;
mod layers;
mod names;
mod sentences;
mod types;

use std::path::{Path, PathBuf};

use crate::process::root;

/// Files under `folder` with this ending, without build output and hidden folders.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// The Rust files that are no tests.
fn sources() -> impl Iterator<Item = PathBuf> {
    files(&root(), ".rs").into_iter().filter(|path| path.components().any(|part| part.as_os_str() == "src"))
}

fn documents() -> Vec<(PathBuf, String)> {
    files(&root(), ".md").into_iter().map(|p| (p.clone(), std::fs::read_to_string(&p).expect("readable"))).collect()
}

/// The texts between backticks on lines outside code blocks.
fn quoted(document: &str) -> impl Iterator<Item = &str> {
    document.lines().filter(|line| !line.starts_with("```")).flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn paths_that_documents_name_exist() {
    let tops = ["host/", "guest-sdk/", "plugins/", "wit/", "tests/", "xtask/", "benches/", "docs/", ".ci/", "fuzz/"];
    let mut missing = Vec::new();
    for (file, document) in documents() {
        for text in quoted(&document) {
            let is_path = tops.iter().any(|top| text.starts_with(top)) && !text.contains(['*', ' ', '<', '{']);
            // Files that a build drops there are absent in a fresh clone.
            if is_path && Path::new(text).extension().is_none_or(|e| e != "wasm") && !root().join(text).exists() {
                missing.push(format!("{}: `{text}`", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "documents name paths that do not exist:\n{}", missing.join("\n"));
}

#[test]
fn short_paths_that_the_architecture_names_exist() {
    let document = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("readable");
    let all: Vec<_> = files(&root(), ".rs").iter().map(|path| path.display().to_string()).collect();
    let is_short = |text: &&str| {
        Path::new(text).extension().is_some_and(|e| e == "rs")
            && !text.contains(['*', ' '])
            && !root().join(text).exists()
    };
    let missing: Vec<_> = quoted(&document)
        .filter(is_short)
        .filter(|text| !all.iter().any(|path| path.ends_with(&format!("/{text}"))))
        .collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names files that do not exist: {missing:?}");
}

#[test]
fn commands_that_documents_name_exist() {
    let mut unknown = Vec::new();
    for (file, document) in documents() {
        for line in document.lines() {
            for rest in line.split("cargo xtask ").skip(1) {
                let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
                if !name.is_empty() && !crate::usage::USAGE.contains(&format!("\n  {name} ")) {
                    unknown.push(format!("{}: {name}", file.display()));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "documents name commands that do not exist:\n{}", unknown.join("\n"));
}

#[test]
fn tests_that_the_table_of_limits_names_exist() {
    let table = std::fs::read_to_string(root().join("docs/limits.md")).expect("readable");
    let rust = ["host", "tests", "guest-sdk"].into_iter().flat_map(|folder| files(&root().join(folder), ".rs"));
    let all: String = rust.map(|path| std::fs::read_to_string(path).expect("readable")).collect();
    let exists = |name: &str| {
        all.contains(&format!("fn {name}("))
            || all.contains(&format!(" {name} =>"))
            || all.contains(&format!(" {name}."))
    };
    // Tables of the page with another number of columns name no tests.
    let rows = table.lines().filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 4);
    let named = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    let missing: Vec<_> = named.flat_map(quoted).filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "docs/limits.md names tests that do not exist: {missing:?}");
}

/// Documents, besides the table of limits, in which each name with at least three underscores is that of a test.
const NAMERS_OF_TESTS: [&str; 4] = ["ARCHITECTURE.md", "docs/invariants.md", "docs/supervision.md", "docs/limits.md"];

#[test]
fn tests_that_documents_name_exist() {
    let rust = ["host", "tests", "guest-sdk", "xtask", "fuzz"].into_iter();
    let paths: Vec<_> = rust.flat_map(|folder| files(&root().join(folder), ".rs")).collect();
    let known: std::collections::HashSet<String> = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).expect("readable"))
        .flat_map(|text| text.split(|c: char| c != '_' && !c.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>())
        // Each hostile guest is a file, and its test has the file's name.
        .chain(paths.iter().filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())))
        .collect();
    let is_name = |text: &str| {
        text.matches('_').count() >= 3 && text.chars().all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    let mut missing = Vec::new();
    for name in NAMERS_OF_TESTS {
        let document = std::fs::read_to_string(root().join(name)).expect("readable");
        let named: Vec<_> = quoted(&document).filter(|text| is_name(text)).collect();
        assert!(!named.is_empty(), "{name} names no test");
        missing.extend(named.into_iter().filter(|text| !known.contains(*text)).map(|text| format!("{name}: `{text}`")));
    }
    assert!(missing.is_empty(), "documents name tests that do not exist:\n{}", missing.join("\n"));
}

#[test]
fn every_file_has_at_most_five_hundred_lines() {
    let lines = |path: &PathBuf| std::fs::read_to_string(path).expect("readable").lines().count();
    let large: Vec<_> = sources().filter(|path| lines(path) > 500).collect();
    assert!(
        large.is_empty(),
        "these files have over 500 lines; move their second concept to a file of its own: {large:?}"
    );
}

#[test]
fn every_rust_file_begins_with_its_purpose() {
    let silent = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("readable");
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
        !first.starts_with("//!")
    };
    let silent: Vec<_> = sources().filter(silent).collect();
    assert!(silent.is_empty(), "these files do not begin with a `//!` line that says their purpose: {silent:?}");
}

#[test]
fn kernel_knows_no_webassembly_no_file_and_no_socket() {
    let manifest = std::fs::read_to_string(root().join("host/kernel/Cargo.toml")).expect("readable");
    for word in ["wasmtime", "sandbox", "\"fs\"", "\"net\"", "\"process\"", "io-util"] {
        assert!(!manifest.contains(word), "host/kernel/Cargo.toml names {word}");
    }
    for file in files(&root().join("host/kernel/src"), ".rs") {
        let text = std::fs::read_to_string(&file).expect("readable");
        // Cargo unites the features of tokio over the workspace, so that the manifest alone proves nothing.
        for word in ["std::fs", "std::net", "std::os", "std::process", "tokio::net", "tokio::process", "tokio::signal"]
        {
            assert!(!text.contains(word), "{} uses {word}", file.display());
        }
    }
}

/// The crates of the host, and those that each may depend on.
const HOST_CRATES: [(&str, &[&str]); 7] = [
    ("host/kernel", &[]),
    ("host/sandbox", &["playhouse-kernel"]),
    ("host/gateway", &["playhouse-kernel"]),
    ("host/observe", &["playhouse-kernel"]),
    ("host/store", &["playhouse-kernel"]),
    (
        "host/runtime",
        &["playhouse-gateway", "playhouse-kernel", "playhouse-observe", "playhouse-sandbox", "playhouse-store"],
    ),
    ("host/cli", &["playhouse-runtime"]),
];

#[test]
fn host_crates_depend_in_one_direction() {
    let mut wrong = Vec::new();
    for (folder, allowed) in HOST_CRATES {
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("readable");
        let names = manifest.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
        let of_host = names.filter(|name| name.starts_with("playhouse") && *name != "playhouse-frame");
        wrong.extend(of_host.filter(|name| !allowed.contains(name)).map(|name| format!("{folder} -> {name}")));
    }
    assert!(
        wrong.is_empty(),
        "cli -> runtime -> (gateway, observe, store, sandbox) -> kernel is the only direction: {wrong:?}"
    );
}

#[test]
fn library_takes_no_signal_no_exit_and_no_standard_stream() {
    let words = [
        "tokio::signal",
        "libc::signal",
        "process::exit",
        "process::abort",
        "set_hook",
        "tracing_subscriber",
        "io::stdin",
        "io::stdout",
        "io::stderr",
        "println!",
    ];
    for file in files(&root().join("host/runtime/src"), ".rs") {
        let text = std::fs::read_to_string(&file).expect("readable");
        for word in words {
            assert!(!text.contains(word), "{} uses {word}", file.display());
        }
    }
}

#[test]
fn supervision_is_pure() {
    let sources = files(&root().join("host/kernel/src/supervision"), ".rs");
    for source in &sources {
        let text = std::fs::read_to_string(source).expect("readable");
        for word in ["tokio", "Instant", "SystemTime", "Mutex", "async", "spawn(", "crate::actor"] {
            assert!(!text.contains(word), "{} uses {word}", source.display());
        }
    }
}
