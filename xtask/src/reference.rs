//! `docs/manifest.md`, printed from the manifest's types: their doc comments are the reference.

use std::fmt::Write as _;

use crate::process::{Done, root};

/// The sources of the tables, in the order of the page.
const SOURCES: &[&str] = &[
    "host/runtime/src/manifest/schema.rs",
    "host/runtime/src/manifest/schema/family.rs",
    "host/runtime/src/manifest/schema/mailbox.rs",
    "host/runtime/src/manifest/schema/supervision.rs",
    "host/runtime/src/manifest/schema/rules.rs",
    "host/runtime/src/manifest/schema/limits.rs",
    "host/runtime/src/manifest/schema/http.rs",
    "host/runtime/src/manifest/schema/store.rs",
    "host/runtime/src/manifest/schema/state.rs",
    "host/runtime/src/manifest/schema/dead_letters.rs",
    "host/runtime/src/manifest/schema/watching.rs",
    "host/runtime/src/manifest/schema/grants.rs",
    "host/runtime/src/manifest/schema/queues.rs",
    "host/runtime/src/manifest/schema/secrets.rs",
    "host/runtime/src/manifest/schema/cron.rs",
];
const PAGE: &str = "docs/manifest.md";

/// Writes the page.
pub(crate) fn write() -> Done {
    std::fs::write(root().join(PAGE), page()?).map_err(|error| format!("{PAGE}: {error}"))
}

/// The page that the types give.
pub(crate) fn page() -> Result<String, String> {
    let source = source()?;
    let mut out = String::from(
        "# The manifest\n\nEvery key of `playhouse.toml`. This page is printed from the types that read it \
         (`cargo xtask docs`). Unknown keys\nand wrong values are errors that show the place; `playhouse check` finds \
         them without running anything.\n\nSizes are a whole number and one of B, KiB, MiB, GiB: `\"64MiB\"`. Times are a \
         whole number and one of us, ms, s, m, h, d:\n`\"100ms\"`.\n",
    );
    for table in tables(&source) {
        let (title, more) = table.title[1..].split_once('`').unwrap_or((&table.title, ""));
        let _ = write!(out, "\n## `{title}`\n\n");
        let more = more.trim_start_matches(['.', ':', ' ']);
        if !more.is_empty() {
            let _ = write!(out, "{}{}\n\n", more[..1].to_uppercase(), &more[1..]);
        }
        out.push_str("| key | meaning | example | default |\n|---|---|---|---|\n");
        for key in table.keys {
            let [meaning, example, default] =
                [key.meaning, key.example, key.default].map(|text| text.replace('|', "\\|"));
            let _ = writeln!(out, "| `{}` | {meaning} | {example} | {default} |", key.name);
        }
    }
    Ok(out)
}

fn source() -> Result<String, String> {
    let read = |path| std::fs::read_to_string(root().join(path)).map_err(|error| format!("{path}: {error}"));
    SOURCES.iter().map(read).collect()
}

struct Table {
    title: String,
    keys: Vec<Key>,
}

struct Key {
    name: String,
    meaning: String,
    example: String,
    default: String,
}

/// The structs that are tables of the manifest: their docs begin with the table's name in backticks.
fn tables(source: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let (mut docs, mut inside) = (String::new(), false);
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            if !docs.is_empty() {
                docs.push(' ');
            }
            docs.push_str(text.trim());
        } else if line.starts_with("pub struct ") {
            inside = docs.starts_with('`');
            if inside {
                tables.push(Table { title: std::mem::take(&mut docs), keys: Vec::new() });
            }
        } else if line.starts_with("pub enum ") || line == "}" {
            inside = false;
        } else if let Some((name, _)) = line.strip_prefix("pub ").and_then(|field| field.split_once(':'))
            && let (true, Some(table)) = (inside, tables.last_mut())
        {
            table.keys.push(key(name, &docs));
        }
        if !line.starts_with("///") && !line.starts_with("#[") {
            docs.clear();
        }
    }
    // The first struct is the file itself: its keys are the tables.
    tables.remove(0);
    tables
}

/// The parts of a key's docs: `Meaning. Example: … . Default: … .`
fn key(name: &str, docs: &str) -> Key {
    let (docs, default) = docs.split_once("Default:").unwrap_or((docs, ""));
    let (meaning, example) = docs.split_once("Example:").unwrap_or((docs, ""));
    let (default, example) =
        if default.is_empty() && meaning.ends_with("Required.") { ("required", example) } else { (default, example) };
    let (example, default) = match example.trim().strip_suffix("Required.") {
        Some(example) => (example, "required"),
        None => (example, default),
    };
    let clean = |text: &str| text.trim().trim_end_matches('.').to_owned();
    Key { name: name.to_owned(), meaning: clean(meaning), example: clean(example), default: clean(default) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifest_page_is_up_to_date() {
        let written = std::fs::read_to_string(root().join(PAGE)).unwrap_or_default();
        assert!(written == page().expect("readable"), "run `cargo xtask docs` and commit {PAGE}");
    }

    #[test]
    fn every_key_has_a_meaning_an_example_and_a_default() {
        let source = source().expect("readable");
        for table in tables(&source) {
            for key in &table.keys {
                let whole = !key.meaning.is_empty() && key.example.is_empty() == key.default.is_empty();
                assert!(whole, "{}: `{}`", table.title, key.name);
            }
        }
    }
}
