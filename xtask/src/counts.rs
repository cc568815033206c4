//! `cargo xtask counts`: counts the instructions of the hot paths with callgrind, and compares them with the checked-in table.
//! The counted code is in `benches/instructions`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{Done, cargo, root, run, shown, target_dir};
use crate::{guests, installed};

const TABLE: &str = "benches/instructions/counts.toml";
const HEAD: &str = "\
# Instructions for one unit of work on each counted path: a message, an ask, a crash, a start. The sources in
# benches/instructions explain the names. `cargo xtask test` fails when a count grows by over 10 %; `cargo xtask counts
# --update` enters an intended growth, a gain or a new path.

";
/// Maximum difference of a count from the table, in percent of the table's value.
const TOLERANCE: u64 = 10;

/// The runner of the counting library `gungraun`. Runner and library must have the same version.
const RUNNER: &str = "gungraun-runner";
const MANIFEST_KEY: &str = "gungraun = \"=";

/// Paths through the sandbox: name, work of `counted-sandbox`, and number of repetitions.
const SANDBOXED: [(&str, &str, &str); 3] =
    [("sandbox_handler", "handler", "256"), ("sandbox_turns", "turns", "1024"), ("sandbox_spawn", "spawn", "32")];

/// Instructions by path.
type Counts = BTreeMap<String, u64>;

/// Counts and compares. Returns the number of paths that match the table and of those that do not.
pub(crate) fn check() -> Result<(u64, u64), String> {
    let before = read_table()?;
    let now = count()?;
    let lines = compare(&before, &now);
    print!("\n{}", shown_lines(&lines));
    let failed = lines.iter().filter(|line| line.verdict.fails()).count() as u64;
    Ok((lines.len() as u64 - failed, failed))
}

/// `cargo xtask counts`.
pub(crate) fn run_check() -> Done {
    tools()?;
    match check()? {
        (_, 0) => Ok(()),
        (_, failed) => Err(format!("{failed} counts differ from {TABLE}: see the lines with FAILED")),
    }
}

/// `cargo xtask counts --update`.
pub(crate) fn update() -> Done {
    tools()?;
    let now = count()?;
    let mut lines = compare(&read_table()?, &now);
    for line in &mut lines {
        // The caller asked for all changes.
        line.verdict = Verdict::Same;
    }
    print!("\n{}", shown_lines(&lines));
    let table = now.iter().fold(HEAD.to_owned(), |mut text, (path, count)| {
        let _ = writeln!(text, "{path} = {count}");
        text
    });
    std::fs::write(root().join(TABLE), table).map_err(|error| format!("{TABLE}: {error}"))
}

/// Prepares the counting: checks that valgrind is installed, and installs the runner into cargo's target folder.
pub(crate) fn tools() -> Done {
    let callgrind = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    if !callgrind.is_ok_and(|status| status.success()) {
        return Err("`valgrind` is missing, which counts instructions: install it (`apt-get install valgrind`, \
                    `dnf install valgrind`), or leave the counts out with `cargo xtask test --without-counts`"
            .to_owned());
    }
    installed::program(RUNNER, &runner_version()?).map(drop)
}

/// The version of the library in the workspace's `Cargo.toml`, which the runner must have as well.
fn runner_version() -> Result<String, String> {
    let manifest =
        std::fs::read_to_string(root().join("Cargo.toml")).map_err(|error| format!("Cargo.toml: {error}"))?;
    let version = manifest.lines().find_map(|line| line.strip_prefix(MANIFEST_KEY)?.split_once('"'));
    version.map(|(version, _)| version.to_owned()).ok_or_else(|| format!("Cargo.toml has no `{MANIFEST_KEY}…\"`"))
}

/// Runs all counted work.
fn count() -> Result<Counts, String> {
    let home = target_dir().join("counts").join("callgrind");
    // The files of an earlier run would be read again.
    if home.exists() {
        std::fs::remove_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    }
    let mut bench = cargo();
    bench.args(["bench", "--profile", "counts", "--package", "playhouse-instructions", "--features", "counted"]);
    bench.env("GUNGRAUN_RUNNER", installed::place(RUNNER, &runner_version()?)).env("GUNGRAUN_HOME", &home);
    // Containers often cannot switch address randomisation off, and it makes no difference here.
    bench.env("GUNGRAUN_ALLOW_ASLR", "yes");
    bench.env_remove("RUST_BACKTRACE");
    let name = shown(&bench);
    eprintln!("$ {name}");
    let output = bench.stderr(Stdio::inherit()).output().map_err(|error| format!("`{name}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("{}`{name}` ended with {}", String::from_utf8_lossy(&output.stdout), output.status));
    }
    count_sandboxed(&home.join("sandbox"))?;
    let mut counts = Counts::new();
    read_results(&home, &mut counts)?;
    Ok(counts)
}

/// Counts sandboxed actors in the build that the tests use: an optimised build takes ten minutes.
fn count_sandboxed(home: &Path) -> Done {
    guests::build(&["echo"])?;
    // All packages are selected, so that features, and with them the build, are those of the tests.
    run(cargo().args(["build", "--workspace", "--bin", "counted-sandbox"]))?;
    for (name, work, times) in SANDBOXED {
        let folder = home.join(format!("{name}.per_{times}"));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut counted = Command::new(target_dir().join("debug").join("counted-sandbox"));
        counted.arg("count").arg(folder.join("callgrind.out")).args([work, times]);
        // Code compiled under valgrind fits valgrind's processor, which differs from the real one.
        counted.arg(root().join("plugins")).arg(target_dir().join("counts").join("compiled"));
        run(counted.env_remove("RUST_BACKTRACE"))?;
    }
    Ok(())
}

/// Callgrind's results: `…/NAME.per_UNITS/callgrind.….out`.
fn read_results(folder: &Path, counts: &mut Counts) -> Done {
    let said = |error: std::io::Error| format!("{}: {error}", folder.display());
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for entry in std::fs::read_dir(folder).map_err(said)? {
        let path = entry.map_err(said)?.path();
        if path.is_dir() {
            read_results(&path, counts)?;
        } else if path.extension().is_some_and(|ending| ending == "out") {
            let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let (path, count) = result(&name, &text).ok_or_else(|| format!("{}: no result", path.display()))?;
            counts.insert(path, count);
        }
    }
    Ok(())
}

/// The path, and the instructions for one unit of its work.
fn result(name: &str, callgrind: &str) -> Option<(String, u64)> {
    let (path, units) = name.split_once(".per_")?;
    let totals = callgrind.lines().find_map(|line| line.strip_prefix("totals: "))?;
    // The first total is the number of instructions, which is zero if the counter was never switched on.
    let instructions: u64 = totals.split(' ').next()?.parse().ok().filter(|count| *count > 0)?;
    let units: u64 = units.parse().ok().filter(|units| *units > 0)?;
    Some((path.to_owned(), (instructions + units / 2) / units))
}

fn read_table() -> Result<Counts, String> {
    let text = std::fs::read_to_string(root().join(TABLE)).map_err(|error| format!("{TABLE}: {error}"))?;
    parse_table(&text)
}

fn parse_table(text: &str) -> Result<Counts, String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &str| {
        let (path, count) = line.split_once(" = ")?;
        Some((path.to_owned(), count.parse().ok()?))
    };
    lines.map(|line| entry(line).ok_or_else(|| format!("{TABLE}: `{line}` is not `path = count`"))).collect()
}

/// One path, before and now.
struct Line {
    path: String,
    before: Option<u64>,
    now: Option<u64>,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Same,
    Grew,
    Shrank,
    New,
    Gone,
}

impl Verdict {
    fn of(before: Option<u64>, now: Option<u64>) -> Self {
        match (before, now) {
            (None, _) => Self::New,
            (_, None) => Self::Gone,
            (Some(before), Some(now)) if now * 100 > before * (100 + TOLERANCE) => Self::Grew,
            (Some(before), Some(now)) if now * 100 < before * (100 - TOLERANCE) => Self::Shrank,
            _ => Self::Same,
        }
    }

    fn fails(self) -> bool {
        matches!(self, Self::Grew | Self::New | Self::Gone)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Grew => {
                "  FAILED: more instructions; find the reason, or enter the count with `cargo xtask counts --update`"
            }
            Self::Shrank => "  fewer instructions: enter the count with `cargo xtask counts --update`",
            Self::New => "  FAILED: not in the table; enter it with `cargo xtask counts --update`",
            Self::Gone => "  FAILED: not counted any more; `cargo xtask counts --update` removes it from the table",
        }
    }
}

fn compare(before: &Counts, now: &Counts) -> Vec<Line> {
    let paths: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let line = |path: &String| {
        let (before, now) = (before.get(path).copied(), now.get(path).copied());
        Line { path: path.clone(), before, now, verdict: Verdict::of(before, now) }
    };
    paths.into_iter().map(line).collect()
}

fn shown_lines(lines: &[Line]) -> String {
    let mut text = format!("{:<24} {:>10} {:>10} {:>9}\n", "instructions", "table", "now", "change");
    for Line { path, before, now, verdict } in lines {
        let number = |count: &Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let change = match (*before, *now) {
            (Some(before), Some(now)) if before > 0 => {
                format!("{:+.1} %", (now as f64 - before as f64) / before as f64 * 100.0)
            }
            _ => String::new(),
        };
        let _ = writeln!(text, "{path:<24} {:>10} {:>10} {change:>9}{}", number(before), number(now), verdict.words());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_over_ten_percent_fails_and_a_gain_is_only_shown() {
        let verdict = |before, now| Verdict::of(Some(before), Some(now));
        assert_eq!(verdict(1000, 1100), Verdict::Same);
        assert_eq!(verdict(1000, 1101), Verdict::Grew);
        assert_eq!(verdict(1000, 900), Verdict::Same);
        assert_eq!(verdict(1000, 899), Verdict::Shrank);
        assert!(Verdict::Grew.fails() && !Verdict::Shrank.fails() && !Verdict::Same.fails());
    }

    #[test]
    fn table_and_counts_have_the_same_paths() {
        let table = |text: &str| parse_table(text).expect("a table");
        let lines = compare(&table("# words\n\na = 1\nb = 2\n"), &table("b = 2\nc = 3\n"));
        let verdicts: Vec<_> = lines.iter().map(|line| (line.path.as_str(), line.verdict)).collect();
        assert_eq!(verdicts, [("a", Verdict::Gone), ("b", Verdict::Same), ("c", Verdict::New)]);
        assert!(Verdict::Gone.fails() && Verdict::New.fails());
    }

    #[test]
    fn a_result_is_the_first_of_the_totals_by_the_unit() {
        let file = "events: Ir Dr\nsummary: 9 9\n\ntotals: 2047 511\n";
        assert_eq!(result("push.per_1024", file), Some(("push".to_owned(), 2)));
        assert_eq!(result("push.per_1024", "totals: 0\n"), None);
        assert_eq!(result("push", file), None);
    }

    #[test]
    fn checked_in_table_can_be_read() {
        assert!(!read_table().expect("readable").is_empty());
        assert!(runner_version().is_ok());
    }
}
