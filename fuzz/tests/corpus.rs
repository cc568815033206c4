//! The inputs that are kept, each fed to the rule it was found for. Each file that once broke a rule stays here.

use std::path::Path;

/// Runs a rule over the folder of its name.
fn check(name: &str, least: usize, rule: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("the corpus is there").map(|file| file.expect("readable").path()).collect();
    assert!(files.len() >= least, "{} inputs for `{name}`, and there were {least} once", files.len());
    files.sort();
    for file in files {
        let bytes = std::fs::read(&file).expect("readable");
        // The name of the file that breaks the rule comes out above the panic.
        println!("{}", file.display());
        rule(&bytes);
    }
}

#[test]
fn frames() {
    check("frames", 25, playhouse_fuzz::frames);
}

#[test]
fn addresses() {
    check("address", 10, playhouse_fuzz::address);
}

#[test]
fn manifests() {
    check("manifest", 10, playhouse_fuzz::manifest);
}

#[test]
fn control_requests() {
    check("control", 10, playhouse_fuzz::control);
}

#[test]
fn components() {
    check("component", 10, playhouse_fuzz::component);
}
