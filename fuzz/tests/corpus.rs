//! Runs each rule on its inputs in `corpus`. Each file that once broke a rule stays in `corpus`.

use std::path::Path;

/// Runs a rule on each file in the folder of its name, of which there must be at least `least`.
fn check(name: &str, least: usize, rule: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("the corpus is there").map(|file| file.expect("readable").path()).collect();
    assert!(files.len() >= least, "`fuzz/corpus/{name}` has {} inputs, and {least} are expected", files.len());
    files.sort();
    for file in files {
        let bytes = std::fs::read(&file).expect("readable");
        // The output shows the name of the file that breaks the rule before the panic.
        println!("{}", file.display());
        rule(&bytes);
    }
}

#[test]
fn frames_of_the_corpus_break_no_rule() {
    check("frames", 25, playhouse_fuzz::frames);
}

#[test]
fn addresses_of_the_corpus_break_no_rule() {
    check("address", 10, playhouse_fuzz::address);
}

#[test]
fn manifests_of_the_corpus_break_no_rule() {
    check("manifest", 10, playhouse_fuzz::manifest);
}

#[test]
fn control_requests_of_the_corpus_break_no_rule() {
    check("control", 10, playhouse_fuzz::control);
}

#[test]
fn components_of_the_corpus_break_no_rule() {
    check("component", 10, playhouse_fuzz::component);
}

#[test]
fn programs_of_the_corpus_break_no_rule() {
    check("direct", 10, playhouse_fuzz::direct);
}

#[test]
fn entries_of_the_corpus_break_no_rule() {
    check("entries", 8, playhouse_fuzz::entries);
}

#[test]
fn stores_of_the_corpus_break_no_rule() {
    check("store", 8, playhouse_fuzz::store);
}
