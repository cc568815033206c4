//! Test of the log: the host logs by its types of events alone.

use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::files;
use crate::process::root;

/// The macros of `tracing` that report an event.
const MACROS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "event"];
/// The file of the macro that declares types of events, and that of the lines of guests, whose levels the guests give.
const DECLARED: [&str; 2] = ["host/kernel/src/words/event.rs", "host/runtime/src/log_output.rs"];

/// The calls of these macros outside tests, by the lines in which they are called.
#[derive(Default)]
struct Calls(Vec<String>);

impl Calls {
    fn note(&mut self, path: &syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let [of, name] = names.as_slice()
            && of == "tracing"
            && MACROS.contains(&name.as_str())
        {
            self.0.push(names.join("::"));
        }
    }

    /// Calls inside the arguments of another macro.
    fn note_inside(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.note_inside(group.stream()),
                TokenTree::Ident(name) if MACROS.contains(&name.to_string().as_str()) && at >= 3 => {
                    let is_call = matches!(tokens.get(at + 1), Some(TokenTree::Punct(mark)) if mark.as_char() == '!');
                    if is_call && matches!(&tokens[at - 3], TokenTree::Ident(of) if of == "tracing") {
                        self.0.push(format!("tracing::{name}"));
                    }
                }
                _ => {}
            }
        }
    }
}

impl Visit<'_> for Calls {
    fn visit_macro(&mut self, call: &syn::Macro) {
        self.note(&call.path);
        self.note_inside(call.tokens.clone());
    }

    fn visit_item_mod(&mut self, module: &syn::ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        let mut names = String::new();
        flatten(&item.tree, "", &mut names);
        let imported = |name: &&&str| names.split(' ').any(|path| path == format!("tracing::{name}"));
        self.0.extend(MACROS.iter().filter(imported).map(|name| format!("use tracing::{name}")));
    }
}

/// All paths of a `use`, each after a space.
fn flatten(tree: &syn::UseTree, before: &str, names: &mut String) {
    match tree {
        syn::UseTree::Path(path) => flatten(&path.tree, &format!("{before}{}::", path.ident), names),
        syn::UseTree::Name(name) => names.extend([" ", before, &name.ident.to_string()]),
        syn::UseTree::Rename(name) => names.extend([" ", before, &name.ident.to_string()]),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, names)),
        syn::UseTree::Glob(_) => {}
    }
}

fn calls(source: &str) -> Vec<String> {
    let mut calls = Calls::default();
    calls.visit_file(&syn::parse_file(source).expect("Rust"));
    calls.0
}

#[test]
fn events_are_logged_by_their_types_alone() {
    let mut found = Vec::new();
    for file in files(&root().join("host"), ".rs") {
        let path = file.strip_prefix(root()).unwrap_or(&file);
        if path.components().nth(2).is_none_or(|part| part.as_os_str() != "src")
            || DECLARED.iter().any(|declared| path == Path::new(declared))
        {
            continue;
        }
        if path.ends_with("tests.rs") {
            continue;
        }
        let source = std::fs::read_to_string(&file).expect("readable");
        found.extend(calls(&source).into_iter().map(|call| format!("  {}: {call}", path.display())));
    }
    assert!(found.is_empty(), "declare these events with `log_events!`:\n{}", found.join("\n"));
}

#[test]
fn calls_are_found_wherever_they_stand() {
    let source = "use tracing::{Level, info};
        fn a() { tracing::warn!(\"x\"); tokio::select! { _ = b => tracing::debug!(\"x\") } tracing::enabled!(Level::INFO); }
        mod tests { fn b() { tracing::error!(\"x\"); } }";
    assert_eq!(calls(source), ["use tracing::info", "tracing::warn", "tracing::debug"]);
}
