//! Times plays with a store, beside the floors below them: a write and its sync alone, SQLite alone, Redis alone.
//!
//! Each measurement is a process of its own with a new store. Rounds are interleaved; the table has medians.
//!
//! | file | content |
//! |---|---|
//! | `floors.rs` | the floors |
//! | `appended.rs` | a store that only appends |
//! | `counted.rs` | a store that counts its groups |
//! | `house.rs` | a play in this process, on a store |
//! | `tells.rs` | messages from outside, from actor to actor, and along a pipeline |
//! | `states.rs` | turns that change one key of a state |
//! | `members.rs` | the same by members of a family, most of which the store alone has |
//! | `starts.rs` | hosts that are killed, and start again |
//! | `role.rs` | the processes of one measurement |
//! | `requests.rs` | HTTP requests to durable actors |
//! | `services.rs` | work of services: along a pipeline, and in a host that is killed with messages waiting |
//! | `figures.rs` | the figures of one measurement |

#![allow(missing_docs, clippy::unwrap_used)]

mod appended;
mod counted;
mod figures;
mod floors;
mod house;
mod members;
mod requests;
mod role;
mod services;
mod starts;
mod states;
mod tells;

use std::path::Path;

use anyhow::{Context, Result, bail};
use figures::Figures;
use playhouse_benches::effort::Effort;
use playhouse_benches::report::{Report, median};

const USAGE: &str = "usage: cargo xtask bench durable [--quick] [--rounds N] [WORD...]

  --quick      little work and one round, for correctness only
  --rounds N   number of rounds; the default is 5
  WORD         only workloads with one of these words: tell, lone, inside, pipeline, state, members, start, drain, http, chain, recover

With PLAYHOUSE_BENCH_APPEND=1 in the environment, tell, lone and state run on a store that only appends to a file and syncs it: the least
that any store costs. It reads nothing back, which the other workloads need.
";

/// A measurement: its name, its full amount of work, and its code.
type Measurement = (&'static str, usize, fn(usize, &Path) -> Result<Figures>);

const MEASUREMENTS: [Measurement; 21] = [
    ("append", 2_000, floors::append),
    ("sqlite", 2_000_000, floors::sqlite),
    ("redis", 1_000_000, floors::redis),
    ("tell", 2_000_000, tells::in_flight),
    ("lone", 2_000, tells::alone),
    ("inside", 5_000_000, tells::inside),
    ("pipeline", 1_000, tells::pipeline),
    ("state", 1_000_000, states::batches),
    ("state-single", 500_000, states::singles),
    ("members", 1_000_000, members::native),
    ("members-components", 200_000, members::components),
    ("start-killed", 100_000, starts::after_kill),
    ("start-many", 10_000_000, starts::with_many),
    ("drain", 10_000_000, starts::drain),
    ("http", 100_000, requests::many),
    ("http-lone", 2_000, requests::alone),
    ("http-sends", 100_000, requests::sends),
    ("http-members", 100_000, requests::members),
    ("http-cold", 100_000, requests::cold_members),
    ("chain", 200_000, services::chain),
    ("recover", 85_000, services::recover),
];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut effort, mut words) = (Effort { quick: false, rounds: 5 }, Vec::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--one" => {
                let (name, units) = (arguments.next().context("a name")?, arguments.next().context("an amount")?);
                return measure_here(&name, units.parse()?);
            }
            "--role" => {
                let (role, folder) = (arguments.next().context("a role")?, arguments.next().context("a folder")?);
                let units = arguments.next().context("an amount")?;
                let play = if role.starts_with("adders") { services::play_role } else { starts::play_role };
                return play(&role, Path::new(&folder), units.parse()?);
            }
            "--serve" => return requests::serve(Path::new(&arguments.nth(1).context("a manifest")?)),
            "--quick" => effort = Effort { quick: true, rounds: 1 },
            "--rounds" => effort.rounds = arguments.next().context("--rounds needs a number")?.parse()?,
            "--bench" => {} // cargo says so
            "--help" => {
                print!("{USAGE}");
                return Ok(());
            }
            word if !word.starts_with('-') => words.push(word.to_owned()),
            other => bail!("unknown option `{other}`\n\n{USAGE}"),
        }
    }
    let wanted = |name: &str| {
        words.is_empty() || FLOORS.contains(&name) || words.iter().any(|word| name.contains(word.as_str()))
    };
    let mut rounds: Vec<Figures> = Vec::new();
    for _ in 0..effort.rounds {
        let mut round = Figures::default();
        for (name, units, _) in MEASUREMENTS {
            if wanted(name) {
                round.extend(measure_apart(name, effort.of(units)).with_context(|| name.to_owned())?);
            }
        }
        rounds.push(round);
    }
    let mut report = Report::default();
    judge(&rounds, &mut report);
    report.print();
    Ok(())
}

/// The floors are measured in each run: other figures stand beside them.
const FLOORS: [&str; 3] = ["append", "sqlite", "redis"];

/// One measurement in a process of its own.
fn measure_apart(name: &str, units: usize) -> Result<Figures> {
    let mut run = std::process::Command::new(std::env::current_exe()?);
    run.args(["--one", name, &units.to_string()]).stderr(std::process::Stdio::inherit());
    let output = run.env_remove("RUST_BACKTRACE").output()?;
    anyhow::ensure!(output.status.success(), "the measurement ended with {}", output.status);
    let figures = Figures::parse(&String::from_utf8(output.stdout)?)?;
    eprintln!("{name}: {figures}");
    Ok(figures)
}

/// One measurement in this process; prints its figures.
fn measure_here(name: &str, units: usize) -> Result<()> {
    playhouse_runtime::allocator::keep_freed();
    let (_, _, code) = MEASUREMENTS.iter().find(|(of, ..)| *of == name).context("no such measurement")?;
    // The folder is on the disk of the build, since the system's folder for temporary files may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    println!("{}", code(units, folder.path())?);
    Ok(())
}

/// Adds the medians of all rounds, with their goals.
fn judge(rounds: &[Figures], report: &mut Report) {
    let of = |name: &str| median(rounds.iter().filter_map(|round| round.get(name)).collect());
    let ratio = |name: &str, floor: &str| {
        median(rounds.iter().filter_map(|round| Some(round.get(name)? / round.get(floor)?)).collect())
    };
    let has = |name: &str| rounds.iter().any(|round| round.get(name).is_some());
    let mut row = |name: &str, what: &str, text: String, goal: &str, reached: Option<bool>| {
        if has(name) {
            report.add(what, text, goal, reached);
        }
    };
    let (append, redis, sqlite) = (of("append"), of("redis"), of("sqlite"));
    row("append", "floor: append of 164 bytes and fdatasync, p50", format!("{append:.0} us"), "", None);
    row("redis", "floor: redis-server, `appendfsync always`, XADD pipelined 256", thousands(redis), "", None);
    row("sqlite", "floor: SQLite, a row of state and one of its mailbox for each turn", thousands(sqlite), "", None);
    let (tell, beside) = (of("tell"), ratio("tell", "redis"));
    row(
        "tell",
        "tell from outside, 4,096 in flight, 100 bytes",
        format!("{}, {beside:.2}x of redis-server; {:.0} messages a group", thousands(tell), of("tell-group")),
        ">= 300k/s, >= 1.0x",
        Some(tell >= 300e3 && beside >= 1.0),
    );
    let lone = ratio("lone", "append");
    row(
        "lone",
        "tell from outside, one at a time, p50",
        format!("{:.0} us, {lone:.2}x of the append", of("lone")),
        "<= 2.5x",
        Some(lone <= 2.5),
    );
    let inside = of("inside");
    row("inside", "actor to actor in batches", thousands(inside), ">= 800k/s", Some(inside >= 800e3));
    for length in tells::LENGTHS {
        let (passed, groups) = (format!("pipeline-{length}"), of(&format!("pipeline-{length}-groups")));
        row(
            &passed,
            &format!("one message along {length} durable actors, p50"),
            format!("{:.0} us, {:.2}x of the append; {groups:.2} groups", of(&passed), ratio(&passed, "append")),
            "<= 2 fsyncs",
            Some(groups <= 2.05),
        );
    }
    let (state, beside) = (of("state"), ratio("state", "sqlite"));
    row(
        "state",
        "messages that change one key, 100 actors",
        format!("{}, {beside:.2}x of SQLite; {:.0} turns a group", thousands(state), of("state-group")),
        ">= 300k/s, >= 0.9x",
        Some(state >= 300e3 && beside >= 0.9),
    );
    let (single, beside) = (of("state-single"), ratio("state-single", "sqlite"));
    row(
        "state-single",
        "the same, each message a turn of its own (`batch = 1`)",
        format!("{}, {beside:.2}x of SQLite; {:.0} turns a group", thousands(single), of("state-single-group")),
        "",
        None,
    );
    let (members, bytes) = (of("members"), of("members-bytes"));
    row(
        "members",
        "the same by 1,000,000 members of a family in random order, native",
        format!(
            "{}; {:.1} KB written a turn; {:.0} turns a group",
            thousands(members),
            bytes / 1e3,
            of("members-group")
        ),
        ">= 50k/s, <= 6 KB",
        Some(members >= 50e3 && bytes <= 6e3),
    );
    row(
        "members-components",
        "the same by 200,000 members, each with an instance of a component that starts for the turn",
        format!(
            "{}; {:.1} KB written a turn",
            thousands(of("members-components")),
            of("members-components-bytes") / 1e3
        ),
        "",
        None,
    );
    let first = of("start-killed");
    row(
        "start-killed",
        "kill -9 with 100,000 waiting, from the start of the process to the first message",
        format!("{first:.0} ms"),
        "<= 300 ms",
        Some(first <= 300.0),
    );
    let first = of("start-many");
    row(
        "start-many",
        "the same with 10,000,000 waiting in 1,000 mailboxes",
        format!("{first:.0} ms"),
        "<= 500 ms",
        Some(first <= 500.0),
    );
    let (drain, memory) = (of("drain"), of("drain-memory"));
    row(
        "drain",
        "drain of 10,000,000 spilled messages of 1,000 mailboxes",
        format!("{}, {memory:.0} MiB beyond the memory of mailboxes", thousands(drain)),
        ">= 700k/s, <= 64 MiB",
        Some(drain >= 700e3 && memory <= 64.0),
    );
    let (http, p99) = (of("http"), of("http-p99"));
    row(
        "http",
        "HTTP `add` of a durable actor with state, 256 connections, 100 actors",
        format!("{}; p99 {p99:.1} ms; {:.0} us of CPU each", thousands(http), of("http-cpu")),
        ">= 15k/s, <= 50 ms",
        Some(http >= 15e3 && p99 <= 50.0),
    );
    let lone = ratio("http-lone", "append");
    row(
        "http-lone",
        "the same, one at a time, p50",
        format!("{:.0} us, {lone:.2}x of the append", of("http-lone")),
        "<= 3x",
        Some(lone <= 3.0),
    );
    let (http, p99) = (of("http-members"), of("http-members-p99"));
    row(
        "http-members",
        "HTTP `add`, 256 connections, 100 members of a family",
        format!("{}; p99 {p99:.1} ms", thousands(http)),
        ">= 15k/s, <= 50 ms",
        Some(http >= 15e3 && p99 <= 50.0),
    );
    row(
        "http-cold",
        "the same, each request to another member of 100,000",
        format!("{}; {:.0} MiB of memory", thousands(of("http-cold")), of("http-cold-memory")),
        "",
        None,
    );
    row("http-sends", "HTTP sends without an answer, 256 connections", thousands(of("http-sends")), "", None);
    row("chain", "along three durable actors, 256 in flight", thousands(of("chain")), "", None);
    let (first, last) = (of("recover"), of("recover-last"));
    row(
        "recover",
        "kill -9 with 85,000 waiting for 100 actors with state, to the first and to the last message, each handled once",
        format!("{first:.0} ms, {last:.0} ms"),
        "",
        None,
    );
}

fn thousands(per_second: f64) -> String {
    format!("{:.0}k/s", per_second / 1e3)
}
