//! Times the hot paths of Playhouse, native actor libraries and raw wasmtime, interleaved, in five rounds.
//!
//! Each run of one workload by one subject is a process of its own, so that no run uses the heap, threads or page tables of
//! another. Each run checks the count and the sum of the bodies that arrived. An error ends the whole bench.
//!
//! | file | content |
//! |---|---|
//! | `workload.rs` | the list of workloads, their amount of work, and their subjects |
//! | `playhouse` | the workloads in sandboxed guests; the guest itself is `benches/driver` |
//! | `native` | the same in ractor, kameo and actix |
//! | `raw.rs` | calls of the guest through wasmtime alone |
//! | `figure.rs` | the figures of one run, and the checks of its result |
//! | `runtime.rs` | the runtime of a run, with its number of workers |
//! | `once.rs` | one run of a workload by a subject |
//! | `report.rs`, `goals.rs` | medians, ratios, the table, the JSON; the goals |

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../driver/src/body.rs"]
mod body;
mod figure;
mod goals;
mod native;
mod once;
mod playhouse;
mod raw;
mod report;
mod runtime;
mod workload;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use figure::Figures;
use report::Report;
use workload::{Subject, WORKLOADS, Workload};

const USAGE: &str = "usage: cargo xtask bench [--quick] [--rounds N] [--workers N] [--json FILE] [WORD...]

  --quick      little work and one round, for correctness only
  --rounds N   number of rounds; the default is 5
  --workers N  worker threads of each runtime, of Playhouse, ractor and kameo; the default is 2
  --json FILE  file for the figures; the default is target/bench/paths.json, with --quick quick.json
  WORD         only workloads with one of these words in their name
";

/// Longer than any run takes. Without a limit, a run would wait for a lost message without end.
const PATIENCE: Duration = Duration::from_mins(3);

struct Options {
    quick: bool,
    rounds: usize,
    workers: usize,
    json: PathBuf,
    words: Vec<String>,
    /// The hidden option `--one WORKLOAD SUBJECT`: one run, in this process.
    one: Option<(String, String)>,
}

fn main() -> Result<()> {
    let Some(options) = options(std::env::args().skip(1))? else {
        print!("{USAGE}");
        return Ok(());
    };
    match &options.one {
        Some((workload, subject)) => {
            runtime::set_workers(options.workers);
            run_here(workload, subject, options.quick)
        }
        None => run_all(&options),
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>> {
    let (mut quick, mut rounds, mut workers, mut json, mut words, mut one) = (false, None, 2, None, Vec::new(), None);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("`{argument}` needs a value\n\n{USAGE}"));
        match argument.as_str() {
            "--quick" => quick = true,
            "--rounds" => rounds = Some(value()?.parse().context("--rounds is a number")?),
            "--workers" => workers = value()?.parse().context("--workers is a number")?,
            "--json" => json = Some(PathBuf::from(value()?)),
            "--one" => one = Some((value()?, value()?)),
            "--bench" => {} // cargo says so
            "--help" => return Ok(None),
            word if !word.starts_with('-') => words.push(word.to_lowercase()),
            other => bail!("no option is called `{other}`\n\n{USAGE}"),
        }
    }
    let file = if quick { "quick.json" } else { "paths.json" };
    let json = json.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench").join(file));
    let rounds = rounds.unwrap_or(if quick { 1 } else { 5 });
    ensure!(rounds > 0, "--rounds is at least 1");
    ensure!(workers > 0, "--workers is at least 1");
    Ok(Some(Options { quick, rounds, workers, json, words, one }))
}

fn run_all(options: &Options) -> Result<()> {
    let wanted = |name: &str| options.words.is_empty() || options.words.iter().any(|w| name.to_lowercase().contains(w));
    let chosen: Vec<_> = WORKLOADS.iter().filter(|workload| wanted(workload.name)).collect();
    ensure!(!chosen.is_empty(), "no workload has one of these words: {}", options.words.join(", "));
    let mut report = Report::new(options.quick);
    for round in 0..options.rounds {
        for workload in &chosen {
            eprintln!("round {} of {}: {}", round + 1, options.rounds, workload.name);
            let subjects = workload.subjects();
            // Another subject begins each round: the first one finds the machine in the state that the workload before left.
            for turn in 0..subjects.len() {
                let subject = subjects[(round + turn) % subjects.len()];
                let figures = run_apart(workload, subject, options)
                    .with_context(|| format!("{}: {}", workload.name, subject.name()))?;
                report.add(workload, subject, figures);
            }
        }
    }
    let standings = goals::standings(&report);
    print!("{}", report.table(&standings));
    if let Some(folder) = options.json.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    }
    std::fs::write(&options.json, format!("{:#}\n", report.json(&standings)))
        .with_context(|| format!("{}", options.json.display()))?;
    println!("\nwritten to {}", options.json.display());
    Ok(())
}

/// One run in a process of its own.
fn run_apart(workload: &Workload, subject: Subject, options: &Options) -> Result<Figures> {
    let mut run = Command::new(std::env::current_exe()?);
    run.args(["--one", workload.name, subject.name(), "--workers", &options.workers.to_string()]);
    run.args(options.quick.then_some("--quick")).stderr(Stdio::inherit());
    let output = run.output()?;
    ensure!(output.status.success(), "the run ended with {}", output.status);
    Figures::of_json(String::from_utf8(output.stdout)?.trim())
}

/// One run in this process: prints its figures as one line.
fn run_here(workload: &str, subject: &str, quick: bool) -> Result<()> {
    // The host does the same; here it holds for all subjects.
    playhouse_runtime::allocator::keep_freed();
    std::thread::spawn(|| {
        std::thread::sleep(PATIENCE);
        eprintln!("the run does not end: a message was lost");
        std::process::exit(1);
    });
    let workload = WORKLOADS.iter().find(|w| w.name == workload).context("no such workload")?;
    println!("{}", once::run(workload, subject.parse()?, quick)?.to_json());
    Ok(())
}
