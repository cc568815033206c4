//! Tests of texts: sentences of documents, comments and messages begin with their subject.

use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};

use super::{documents, files};
use crate::process::root;

/// The endings of source files, and the mark of their comments.
const SOURCES: [(&str, &str); 4] = [("rs", "//"), ("wit", "//"), ("toml", "#"), ("wat", ";;")];

/// The sentences of a text that begin with a relative pronoun and are not questions.
fn riddles(text: &str) -> Vec<String> {
    let text: String = text.split("```").step_by(2).collect();
    let starts = ["\n", ". ", "! ", "; ", "\n- ", "**", "| ", "# ", ": "];
    let mut found = Vec::new();
    for word in ["Who ", "What ", "Whom ", "Whoever ", "Whatever "] {
        for (at, _) in text.match_indices(word) {
            let sentence = text[at..].split_inclusive(['.', '?', '|']).next().unwrap_or_default();
            let begins = at == 0 || starts.iter().any(|start| text[..at].ends_with(start));
            if begins && !sentence.ends_with('?') {
                found.push(sentence.lines().next().unwrap_or_default().to_owned());
            }
        }
    }
    found
}

/// The comments after `mark`: the lines of each block are one text. Code in a documentation test stands in lines of its own.
fn comments(source: &str, mark: &str) -> Vec<String> {
    let beside_code = format!(" {mark} ");
    let mut blocks = vec![String::new()];
    for line in source.lines() {
        match line.trim_start().strip_prefix(mark).map(|text| text.trim_start_matches(['/', '!']).trim()) {
            // A paragraph, a list, a table or a code block begins a text of its own.
            Some(text) if text.is_empty() || text.starts_with(['-', '|', '`', '#']) => {
                blocks.push(text.trim_start_matches(['-', '|', '#', ' ']).to_owned());
            }
            Some(text) => {
                let block = blocks.last_mut().expect("it is never empty");
                if !block.is_empty() {
                    block.push(' ');
                }
                block.push_str(text);
            }
            None => {
                let (_, comment) = line.split_once(&beside_code).unwrap_or_default();
                blocks.extend([comment.to_owned(), String::new()]);
            }
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// The string literals of Rust, documentation left out.
fn literals(tokens: TokenStream, found: &mut Vec<String>) {
    let mut is_doc = false;
    for token in tokens {
        match token {
            TokenTree::Literal(literal) if !is_doc => {
                if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                    found.push(text.value());
                }
            }
            TokenTree::Group(group) => literals(group.stream(), found),
            TokenTree::Ident(ident) => is_doc = ident == "doc",
            TokenTree::Punct(punct) => is_doc &= punct.as_char() == '=',
            TokenTree::Literal(_) => {}
        }
    }
}

/// The texts of a source file that people read.
fn texts(path: &Path) -> Vec<String> {
    let source = std::fs::read_to_string(path).expect("readable");
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let mark = SOURCES.iter().find(|(known, _)| *known == ending).map_or("//", |(_, mark)| mark);
    let mut found = comments(&source, mark);
    if ending == "rs" {
        literals(source.parse().expect("Rust"), &mut found);
    }
    found
}

#[test]
fn sentences_of_documents_begin_with_their_subject() {
    let found: Vec<_> = documents()
        .into_iter()
        .flat_map(|(file, text)| riddles(&text).into_iter().map(move |line| format!("{}: {line}", file.display())))
        .collect();
    assert!(found.is_empty(), "begin these sentences with the noun:\n{}", found.join("\n"));
}

#[test]
fn sentences_of_sources_begin_with_their_subject() {
    let mut found = Vec::new();
    for path in SOURCES.iter().flat_map(|(ending, _)| files(&root(), &format!(".{ending}"))) {
        // This file has the words as examples.
        if !path.ends_with("tidy/sentences.rs") {
            let riddles = texts(&path).into_iter().flat_map(|text| riddles(&text));
            found.extend(riddles.map(|line| format!("{}: {line}", path.display())));
        }
    }
    assert!(found.is_empty(), "begin these sentences with the noun:\n{}", found.join("\n"));
}

#[test]
fn relative_pronouns_are_found_at_the_start_of_sentences() {
    let document =
        "What is it? Not with Who or What. What it does is done.\n- Whoever asks\n```\nWhat a code block\n```\n";
    assert_eq!(riddles(document), ["What it does is done.", "Whoever asks"]);
}

#[test]
fn comments_and_literals_are_read_as_texts() {
    let source = "/// One sentence\n/// goes on.\n///\n/// - Another.\nfn f() { \"a message\" } // At the end.\n";
    assert_eq!(comments(source, "//"), ["One sentence goes on.", "Another.", "At the end."]);
    assert_eq!(comments("# What it holds.\nkey = 1 # A number.\n", "#"), ["What it holds.", "A number."]);
    let mut found = Vec::new();
    literals(source.parse().expect("Rust"), &mut found);
    assert_eq!(found, ["a message"]);
}
