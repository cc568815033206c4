//! `cargo xtask fuzz`: the rules of the crate in `fuzz`, run on inputs that libFuzzer generates.

use std::process::Command;

use crate::installed;
use crate::process::{Done, root, run, target_dir};

const VERSION: &str = "0.13.2";
/// One target for each interface to the outside.
pub(crate) const TARGETS: [&str; 8] =
    ["frames", "address", "manifest", "control", "component", "direct", "entries", "store"];
const SECONDS: u64 = 60;
/// Time limit for one input, far above what any input needs.
const TIMEOUT_SECONDS: u64 = 30;
const MEMORY_MIB: u64 = 4096;

/// `[SECONDS] [TARGET…]`: runs each named target, or each of all targets, for this time.
pub(crate) fn run_targets(arguments: &[&str]) -> Done {
    let (seconds, targets) = read(arguments)?;
    let program = installed::program("cargo-fuzz", VERSION)?;
    for target in targets {
        let found = target_dir().join("fuzz").join("corpus").join(target);
        std::fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
        let mut fuzz = Command::new(&program);
        fuzz.current_dir(root()).args(["run", "--fuzz-dir", "fuzz", "--features", "libfuzzer"]);
        // The stable compiler has no sanitizers. Sanitizers find faults of unsafe code, which is denied here; the rules need no
        // sanitizer.
        fuzz.args(["--sanitizer", "none", "--target-dir"]).arg(target_dir().join("fuzz")).arg(target);
        // New inputs go to the first folder; the second folder is checked in and only read.
        fuzz.arg(&found).arg(root().join("fuzz").join("corpus").join(target));
        fuzz.args(["--".to_owned(), format!("-max_total_time={seconds}"), format!("-timeout={TIMEOUT_SECONDS}")]);
        fuzz.args([format!("-rss_limit_mb={MEMORY_MIB}"), "-print_final_stats=1".to_owned()]);
        run(fuzz.env("RUST_BACKTRACE", "1")).map_err(|why| {
            format!(
                "{why}\nan input that breaks a rule lies in fuzz/artifacts/{target}: mend the code, and move the input to \
                 fuzz/corpus/{target}, where the tests run it from then on"
            )
        })?;
    }
    Ok(())
}

fn read<'a>(arguments: &[&'a str]) -> Result<(u64, Vec<&'a str>), String> {
    let (seconds, targets) = match arguments.split_first().map(|(first, rest)| (first.parse(), rest)) {
        Some((Ok(seconds), rest)) => (seconds, rest),
        _ => (SECONDS, arguments),
    };
    if let Some(unknown) = targets.iter().find(|target| !TARGETS.contains(target)) {
        return Err(format!("there is no fuzz target `{unknown}`; there are {}", TARGETS.join(", ")));
    }
    Ok((seconds, if targets.is_empty() { TARGETS.to_vec() } else { targets.to_vec() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_come_first_and_no_target_means_all_targets() {
        assert_eq!(read(&[]), Ok((60, TARGETS.to_vec())));
        assert_eq!(read(&["600", "frames"]), Ok((600, vec!["frames"])));
        assert_eq!(read(&["control", "address"]), Ok((60, vec!["control", "address"])));
        assert!(read(&["10", "dance"]).is_err_and(|text| text.contains("no fuzz target `dance`")));
    }

    #[test]
    fn each_target_has_a_rule_a_corpus_and_a_test_over_it() {
        let text = |file: &str| std::fs::read_to_string(root().join("fuzz").join(file)).expect("readable");
        let (rules, tests, manifest) = (text("src/lib.rs"), text("tests/corpus.rs"), text("Cargo.toml"));
        for target in TARGETS {
            assert!(rules.contains(&format!("pub use {target}::{target};")), "{target}");
            assert!(tests.contains(&format!("check(\"{target}\"")), "{target}");
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
            assert!(root().join("fuzz/corpus").join(target).is_dir(), "{target}");
        }
    }
}
