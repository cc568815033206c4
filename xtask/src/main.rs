//! The project's own commands. Run them as `cargo xtask COMMAND`.
//!
//! | file | what lives there |
//! |---|---|
//! | `main.rs` | the commands and how processes are run |
//! | `guests.rs` | builds the plugins and drops them into `plugins/` |
//! | `demo.rs` | the tour that the README promises |
//! | `reference.rs` | the manifest's reference page |
//! | `counts.rs` | instructions of the hot paths, beside their table |
//! | `fuzz.rs` | what must hold for any bytes, with bytes that a fuzzer makes up |
//! | `deny.rs` | licences, sources, duplicates and known flaws of dependencies |
//! | `installed.rs` | programs from crates.io that commands need |
//! | `checks.rs` | everything that must hold before a change lands |
//! | `tidy.rs` | tests that docs and code agree |

mod checks;
mod counts;
mod demo;
mod deny;
mod fuzz;
mod guests;
mod installed;
mod reference;
#[cfg(test)]
mod tidy;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  demo           build guests and host, run the word count with an actor that crashes on the way
  test           formatting, lints, all tests, the benches as a check, and the counts; `--without-counts` leaves those out
  ci             what must pass before a change lands: deny, and then test with all its steps
  deny           licences, sources, duplicates and known flaws of dependencies
  fuzz [SECONDS] [TARGET…]
                 feed each door to the outside with made-up bytes for a minute or so many seconds
  bench          time the hot paths beside other libraries (with fat LTO: the first build takes long); bench --help
  soak [SECONDS] crash sandboxed actors for a minute or so many seconds, and see that nothing leaks
  counts         count the instructions of the hot paths; `--update` enters them in the table
  build-guests   build the example plugins into plugins/
  docs           print docs/manifest.md from the types that read the manifest
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["demo"] => demo::run_demo(),
        ["test"] => checks::run(true),
        ["test", "--without-counts"] => checks::run(false),
        ["ci"] => deny::check().and_then(|()| checks::run(true)),
        ["deny"] => deny::check(),
        ["fuzz", ..] => fuzz::run_targets(&words[1..]),
        ["soak"] => soak("60"),
        ["soak", seconds] => soak(seconds),
        ["counts"] => counts::run_check(),
        ["counts", "--update"] => counts::update(),
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

/// The result of a step; the error is what it prints.
type Done = Result<(), String>;

/// A quick run is built as the tests are, and with them: it is for correctness only.
fn bench(arguments: &[&str]) -> Done {
    guests::build(&[guests::BENCH_DRIVER])?;
    let mut bench = cargo();
    if arguments.contains(&"--quick") {
        bench.args(checks::QUICK_BENCH);
    } else {
        bench.args(["bench", "--package", "playhouse-benches"]);
    }
    // A backtrace per error is not what is measured.
    run(bench.arg("--").args(arguments).env_remove("RUST_BACKTRACE"))
}

/// Built as the tests are, and with them.
fn soak(seconds: &str) -> Done {
    guests::build(guests::PLUGINS)?;
    run(cargo().args(checks::SOAK).args(["--", "--seconds", seconds]))
}

/// The workspace's root.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

/// Where cargo puts what it builds.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The cargo that runs us, in the workspace's root.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a step to its end, showing what it prints.
fn run(command: &mut Command) -> Done {
    let shown = shown(command);
    eprintln!("$ {shown}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` ended with {status}")),
        Err(error) => Err(format!("`{shown}` could not be started: {error}")),
    }
}

fn shown(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    std::iter::once(name)
        .chain(command.get_args().map(|a| a.to_string_lossy().into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}
