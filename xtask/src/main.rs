//! The project's own commands. Run them as `cargo xtask COMMAND`.
//!
//! | file | content |
//! |---|---|
//! | `usage.rs` | the list of commands |
//! | `process.rs` | folders, and the processes that a command starts |
//! | `guests.rs` | builds the plugins and drops them into `plugins/` |
//! | `demo.rs` | the demonstration of the README |
//! | `reference.rs` | the manifest's reference page |
//! | `counts.rs` | instructions of the hot paths, compared with their table |
//! | `fuzz.rs` | rules that must hold for any bytes, with bytes from a fuzzer |
//! | `deny.rs` | licences, sources, duplicates and known flaws of dependencies |
//! | `installed.rs` | programs from crates.io that commands need |
//! | `checks.rs` | all checks that must pass before a change lands |
//! | `tidy.rs` | tests that documents and code agree |

mod checks;
mod counts;
mod demo;
mod deny;
mod fuzz;
mod guests;
mod installed;
mod process;
mod reference;
#[cfg(test)]
mod tidy;
mod usage;

use std::process::ExitCode;

use process::{Done, cargo, run};
use usage::USAGE;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["demo"] => demo::run_demo(),
        ["test"] => checks::run(true),
        ["test", "--without-counts"] => checks::run(false),
        ["ci"] => deny::check().and_then(|()| checks::run(true)),
        ["deny"] => deny::check(),
        ["features"] => checks::check_features(),
        ["fuzz", ..] => fuzz::run_targets(&words[1..]),
        ["soak"] => soak("60"),
        ["soak", seconds] => soak(seconds),
        ["kill"] => kill("1000"),
        ["kill", kills] => kill(kills),
        ["counts"] => counts::run_check(),
        ["counts", "--update"] => counts::update(),
        ["bench", "gateways", ..] => bench_servers("gateways", &checks::QUICK_GATEWAYS, &words[2..]),
        ["bench", "durable", ..] => bench_servers("durable", &checks::QUICK_DURABLE, &words[2..]),
        ["bench", "--plot", ..] => plot(&words[2..]),
        ["bench", ..] => bench(&words[1..]),
        ["docs"] => reference::write(),
        ["build-guests"] => guests::build(guests::PLUGINS),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the benches. A quick run only checks correctness, and is built with the tests.
fn bench(arguments: &[&str]) -> Done {
    guests::build(guests::BENCH_GUESTS)?;
    let mut bench = cargo();
    if arguments.contains(&"--quick") {
        bench.args(checks::QUICK_BENCH);
    } else {
        bench.args(["bench", "--package", "playhouse-benches", "--bench", "paths"]);
    }
    // The benches must not measure the backtrace of each error.
    run(bench.arg("--").args(arguments).env_remove("RUST_BACKTRACE"))
}

/// Draws the figures of a run of the benches.
fn plot(arguments: &[&str]) -> Done {
    run(cargo()
        .args(["run", "--quiet", "--package", "playhouse-benches", "--example", "plots", "--"])
        .args(arguments)
        .env_remove("RUST_BACKTRACE"))
}

/// Runs the benches of gateways, or of plays with a store. They start `nats-server` and `redis-server`.
fn bench_servers(name: &str, quick: &[&str], arguments: &[&str]) -> Done {
    guests::build(&[guests::PLUGINS, guests::BENCH_GUESTS].concat())?;
    let mut bench = cargo();
    if arguments.contains(&"--quick") {
        bench.args(quick);
    } else {
        bench.args(["bench", "--package", "playhouse-benches", "--bench", name]);
    }
    run(bench.arg("--").args(arguments).env_remove("RUST_BACKTRACE"))
}

/// Runs the soak, which is built with the tests.
fn soak(seconds: &str) -> Done {
    guests::build(guests::PLUGINS)?;
    run(cargo().args(checks::SOAK).args(["--", "--seconds", seconds]))
}

/// Kills hosts: the end-to-end test with more kills.
fn kill(kills: &str) -> Done {
    run(cargo().args(checks::KILL).env("PLAYHOUSE_KILLS", kills))
}
