//! Tests of names: no identifier and no file has a word that the house style replaced by a standard term, and test names are short.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::files;
use crate::process::root;

/// Words that stood for a concept of the host, and the term for it.
const DROPPED: [(&str, &str); 20] = [
    ("autopsy", "crash report"),
    ("bury", "dead-letter"),
    ("buried", "dead-lettered"),
    ("clerk", "policy driver"),
    ("curtain", "the effect itself"),
    ("desk", "store data"),
    ("door", "interface"),
    ("doors", "interfaces"),
    ("hand", "turn"),
    ("heir", "live sibling"),
    ("lane", "instance"),
    ("leave", "eviction, or the effect itself"),
    ("party", "ask endpoint"),
    ("parties", "ask endpoints"),
    ("person", "operator"),
    ("remains", "facts about a failed run"),
    ("rest", "passivation"),
    ("room", "capacity, space, store data"),
    ("seat", "instance"),
    ("shelf", "the contents"),
];

/// Names that may have such a word, with the reason.
const ALLOWED: [(&str, &str); 4] = [
    ("rest", "the remainder of a slice or of a text"),
    ("hand_over", "the function `hand-over` of the WIT contract passes a frame on"),
    ("hand-over", "as above"),
    ("RestForOne", "the name of a strategy of OTP"),
];

/// Parts of names that are no words of their own, with the reason.
const PARTS: [(&str, &str); 3] = [
    ("rest_for_one", "the name of a strategy of OTP"),
    ("rest-for-one", "the name of a strategy of OTP"),
    ("hand_over", "the function of the WIT contract"),
];

/// Places with a help desk, that of an example play.
const EXAMPLE_PLAY: [&str; 3] = ["plugins/desk", "plugins/priority", "tests/e2e"];

/// The words of an identifier: parts between underscores and hyphens, split at capitals.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = c.is_lowercase() || c.is_numeric();
        if c.is_alphanumeric() {
            words.last_mut().expect("it is never empty").extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The dropped word in a name, and its term.
fn dropped(name: &str, place: &str) -> Option<(&'static str, &'static str)> {
    if ALLOWED.iter().any(|(allowed, _)| *allowed == name) {
        return None;
    }
    let name = PARTS.iter().fold(name.to_owned(), |name, (part, _)| name.replace(part, ""));
    let words = words(&name);
    let found = DROPPED.iter().find(|(word, _)| words.iter().any(|own| own == word)).copied()?;
    let is_allowed = found.0 == "desk" && EXAMPLE_PLAY.iter().any(|folder| place.starts_with(folder));
    (!is_allowed).then_some(found)
}

/// All identifiers of Rust code, those in macros included. Texts and comments have none.
fn identifiers(tokens: TokenStream, found: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => found.push(ident.to_string()),
            TokenTree::Group(group) => identifiers(group.stream(), found),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// The names in a file: Rust identifiers, words of WIT, keys and the package's name in TOML.
fn names(path: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("rs") => identifiers(text.parse().expect("Rust"), &mut found),
        Some("wit") => {
            for line in text.lines().map(|line| line.split("//").next().unwrap_or_default()) {
                found.extend(line.split(|c: char| c != '-' && !c.is_alphanumeric()).map(str::to_owned));
            }
        }
        Some("toml") => {
            for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
                let (key, value) = line.split_once('=').unwrap_or((line.trim_matches(['[', ']']), ""));
                found.extend(key.trim().split('.').map(|key| key.trim_matches('"').to_owned()));
                if key.trim() == "name" {
                    found.push(value.trim().trim_matches('"').to_owned());
                }
            }
        }
        _ => {}
    }
    found
}

/// A path of the project, from its root.
fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The files with one of these endings.
fn all(endings: &[&str]) -> Vec<PathBuf> {
    endings.iter().flat_map(|ending| files(&root(), ending)).collect()
}

#[test]
fn names_have_no_dropped_word() {
    let mut said = Vec::new();
    for path in all(&[".rs", ".wit", ".toml", ".wat"]) {
        let place = short(&path);
        let text = std::fs::read_to_string(&path).expect("readable");
        let of_the_path = place.split(['/', '.']).map(|part| format!("{part}/"));
        let names: BTreeSet<_> = names(&path, &text).into_iter().chain(of_the_path).collect();
        for name in names {
            if let Some((word, term)) = dropped(&name, &place) {
                said.push(format!("{place}: `{name}` has `{word}`; the term is: {term}"));
            }
        }
    }
    assert!(said.is_empty(), "these names have words that the house style replaced:\n{}", said.join("\n"));
}

#[test]
fn words_of_names_are_split_at_capitals_and_underscores() {
    assert_eq!(words("HandOver_toTheDoor"), ["hand", "over", "to", "the", "door"]);
    assert_eq!(words("timer-room"), ["timer", "room"]);
    assert_eq!(dropped("handle_batch", ""), None);
    assert_eq!(dropped("in_hand", "").map(|found| found.0), Some("hand"));
    assert_eq!(dropped("rest_for_one_restarts_siblings", ""), None);
    assert_eq!((dropped("rest", ""), dropped("at_rest", "").is_some()), (None, true));
    assert!(dropped("rest/", "").is_some(), "a file of that name is about something else than a remainder");
}

/// The most characters of a test's name.
const TEST_NAME_CHARS: usize = 60;

/// The names of a file's tests.
struct Tests(Vec<String>);

impl<'ast> Visit<'ast> for Tests {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        let is_test =
            |attribute: &syn::Attribute| attribute.path().segments.last().is_some_and(|last| last.ident == "test");
        if function.attrs.iter().any(is_test) {
            self.0.push(function.sig.ident.to_string());
        }
        visit::visit_item_fn(self, function);
    }

    /// `proptest!` has functions with attributes as its tokens, and other macros make a test of each name.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let mut found = Vec::new();
        identifiers(call.tokens.clone(), &mut found);
        let in_sentence = |name: &String| name.matches('_').count() >= 3;
        self.0.extend(found.into_iter().filter(in_sentence));
    }
}

#[test]
fn test_names_have_at_most_sixty_characters() {
    let mut long = Vec::new();
    for path in all(&[".rs"]) {
        let text = std::fs::read_to_string(&path).expect("readable");
        let mut tests = Tests(Vec::new());
        tests.visit_file(&syn::parse_file(&text).expect("Rust"));
        let names = tests.0.into_iter().filter(|name| name.len() > TEST_NAME_CHARS);
        long.extend(names.map(|name| format!("{}: {name}", short(&path))));
    }
    assert!(long.is_empty(), "say subject, verb and object in at most 60 characters:\n{}", long.join("\n"));
}
