//! `cargo xtask test`: all checks that must pass before a change lands.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::process::{Done, cargo, shown};
use crate::{counts, guests};

fn run_all(steps: &mut [Command]) -> Result<Counts, String> {
    let mut total = Counts::default();
    for step in steps {
        total.add(run_tests(step)?);
    }
    Ok(total)
}

/// The benches, built as the tests are. All packages are selected here too, so that features, and with them the build, are the
/// same.
pub(crate) const QUICK_BENCH: [&str; 4] = ["test", "--workspace", "--bench", "paths"];
/// The same for the benches of the gateways.
pub(crate) const QUICK_GATEWAYS: [&str; 4] = ["test", "--workspace", "--bench", "gateways"];
/// The same for the benches of plays with a store.
pub(crate) const QUICK_DURABLE: [&str; 4] = ["test", "--workspace", "--bench", "durable"];
/// The same for the soak.
pub(crate) const SOAK: [&str; 4] = ["test", "--workspace", "--test", "soak"];

/// The end-to-end test that kills hosts.
pub(crate) const KILL: [&str; 7] = ["test", "--workspace", "--test", "e2e", "kill::", "--", "--nocapture"];

/// Runs all checks. With `with_counts` it also counts the instructions of the hot paths, which needs valgrind.
pub(crate) fn run(with_counts: bool) -> Done {
    if with_counts {
        counts::tools()?;
    }
    run_step(&["fmt", "--all", "--check"])?;
    guests::build(&[guests::PLUGINS, guests::BENCH_GUESTS].concat())?;
    run_step(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    check_features()?;
    let test = |arguments: &[&str]| {
        let mut command = cargo();
        command.args(["test", "--workspace", "--no-fail-fast"]).args(arguments);
        command
    };
    // The end-to-end tests come last: they take the longest time and need the results of all steps before.
    let mut total = run_all(&mut [
        test(&["--doc"]),
        test(&["--lib", "--bins", "--tests", "--exclude", "playhouse-tests"]),
        // All packages are selected here too, so that features, and with them the build, are the same.
        test(&["--test", "hostile", "--test", "e2e"]),
    ])?;
    let benches = crate::process::run(cargo().args(QUICK_BENCH).args(["--", "--quick"]).env_remove("RUST_BACKTRACE"));
    let soak = crate::process::run(cargo().args(SOAK).args(["--", "--seconds", "5"]));
    if with_counts {
        let (passed, failed) = counts::check()?;
        total.add(Counts { passed, failed, skipped: 0 });
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    benches?;
    soak?;
    if total.failed == 0 { Ok(()) } else { Err("tests failed".into()) }
}

/// The crates that have the features of the brokers. The last one keeps the features of all other dependencies as they are, so that
/// nothing else is built.
const WITH_FEATURES: [&str; 4] = ["playhouse", "playhouse-runtime", "playhouse-gateway", "broker-clients"];
/// The builds without one broker or without both; that with both is the default.
const FEATURES: [&str; 3] = ["", "nats", "redis"];

/// Lints the builds without a broker.
pub(crate) fn check_features() -> Done {
    for features in FEATURES {
        let mut clippy = cargo();
        clippy.arg("clippy");
        for name in WITH_FEATURES {
            clippy.args(["--package", name]);
        }
        clippy.args(["--no-default-features", "--features", features, "--", "--deny", "warnings"]);
        crate::process::run(&mut clippy)?;
    }
    Ok(())
}

fn run_step(arguments: &[&str]) -> Done {
    crate::process::run(cargo().args(arguments))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Reads `test result: ok. 42 passed; 0 failed; 1 ignored; …`.
    fn of_line(line: &str) -> Option<Self> {
        let (_, rest) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut counts = Self::default();
        for part in rest.split("; ") {
            let (number, what) = part.split_once(' ')?;
            let Ok(number) = number.parse() else { continue };
            match what {
                "passed" => counts.passed = number,
                "failed" => counts.failed = number,
                "ignored" => counts.skipped = number,
                _ => {}
            }
        }
        Some(counts)
    }
}

/// Runs a step, shows what it prints, and adds up the runner's own result lines.
fn run_tests(command: &mut Command) -> Result<Counts, String> {
    let name = shown(command);
    eprintln!("$ {name}");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|e| format!("`{name}`: {e}"))?;
    let mut total = Counts::default();
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        let line = line.map_err(|e| format!("`{name}`: {e}"))?;
        println!("{line}");
        total.add(Counts::of_line(&line).unwrap_or_default());
    }
    let status = child.wait().map_err(|e| format!("`{name}`: {e}"))?;
    if status.success() || total.failed > 0 { Ok(total) } else { Err(format!("`{name}` ended with {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_line_of_the_runner_is_read() {
        let line = "test result: FAILED. 41 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.08s";
        assert_eq!(Counts::of_line(line), Some(Counts { passed: 41, failed: 1, skipped: 2 }));
        assert_eq!(Counts::of_line("running 42 tests"), None);
    }
}
