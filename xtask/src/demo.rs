//! `cargo xtask demo`: sends a real text through four sandboxed actors, one of which crashes on marked lines, and compares the
//! result with a native count.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::guests;
use crate::process::{Done, cargo, root, run, target_dir};

/// Every line whose number is a multiple of this is marked.
const MARK_EVERY: usize = 50;
const MARK: &str = "!panic";
/// Number of lines of the result that are shown.
const SHOWN: usize = 10;

pub(crate) fn run_demo() -> Done {
    guests::build(guests::PLUGINS)?;
    run(cargo().args(["build", "--package", "playhouse"]))?;
    let playhouse = target_dir().join("debug").join("playhouse");
    let text = std::fs::read_to_string(root().join("LICENSE-APACHE")).map_err(|e| format!("LICENSE-APACHE: {e}"))?;
    let (input, marked) = mark(&text);
    say(&format!("The text: {} lines of LICENSE-APACHE, {marked} of them marked {MARK:?}.", text.lines().count()));

    let manifest = Path::new("plugins/word-count/with-flaky.toml");
    say(&format!("The play: {}", manifest.display()));
    run(Command::new(&playhouse).arg("check").arg(manifest).current_dir(root()))?;

    let folder = target_dir().join("demo");
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let socket = folder.join("control.sock");
    let mut host = Command::new(&playhouse);
    host.arg("run").arg(manifest).args(["--stdin", "/flaky", "--until-idle", "--socket"]).arg(&socket);
    say("Running it. Crashes, restarts and dead letters appear as they happen:");
    eprintln!("$ playhouse run {} --stdin /flaky --until-idle < LICENSE-APACHE, marked", manifest.display());
    let mut child = host
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{}: {e}", playhouse.display()))?;
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).map_err(|e| format!("the host stopped reading: {e}"))?;

    // The input has not ended, so that the host still runs and answers `tree`.
    let handled = wait_until_handled(&playhouse, &socket, input.lines().count() - marked, marked);
    let tree = Command::new(&playhouse).arg("tree").arg("--socket").arg(&socket).output();
    drop(stdin);
    let output = child.wait_with_output().map_err(|e| format!("the host: {e}"))?;
    handled?;
    // The marked lines are dead letters, and a run that leaves dead letters ends with 1.
    if output.status.code() != Some(1) {
        return Err(format!("the host ended with {}", output.status));
    }
    say("The tree, while it ran (`playhouse tree`):");
    print!("{}", String::from_utf8_lossy(&tree.map_err(|e| format!("playhouse tree: {e}"))?.stdout));

    let result = String::from_utf8_lossy(&output.stdout).into_owned();
    say(&format!("The result, its first {SHOWN} lines of {}:", result.lines().count()));
    for line in result.lines().take(SHOWN) {
        println!("{line}");
    }
    if result != count(&text_without_marked(&input)) {
        return Err("the result differs from a count made natively".into());
    }
    say("The result is right: it equals a native count of every line that is not marked.");
    Ok(())
}

fn say(line: &str) {
    println!("\n{line}");
}

/// Appends the mark to every [`MARK_EVERY`]th line.
fn mark(text: &str) -> (String, usize) {
    let (mut out, mut marked) = (String::new(), 0);
    for (index, line) in text.lines().enumerate() {
        out.push_str(line);
        if (index + 1) % MARK_EVERY == 0 {
            let _ = write!(out, " {MARK}");
            marked += 1;
        }
        out.push('\n');
    }
    (out, marked)
}

fn text_without_marked(input: &str) -> String {
    input.lines().filter(|line| !line.contains(MARK)).flat_map(|line| [line, "\n"]).collect()
}

/// The expected output of the play: `count<TAB>word`, most frequent first, ties by word.
fn count(text: &str) -> String {
    let mut counts = BTreeMap::new();
    for word in text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()) {
        *counts.entry(word.to_ascii_lowercase()).or_insert(0u64) += 1;
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
    sorted.iter().fold(String::new(), |mut out, (word, n)| {
        let _ = writeln!(out, "{n}\t{word}");
        out
    })
}

/// Waits until `/flaky` has handled or lost each line.
fn wait_until_handled(playhouse: &Path, socket: &Path, lines: usize, crashed: usize) -> Done {
    // A minute is far more than the input needs; the limit is for a broken build.
    for _ in 0..600 {
        let tree = Command::new(playhouse).args(["tree", "--json", "--socket"]).arg(socket).output();
        let tree = String::from_utf8_lossy(&tree.map_err(|e| format!("playhouse tree: {e}"))?.stdout).into_owned();
        let wanted = format!("\"handled\":{lines},\"dead_letters\":{{\"crashed\":{crashed}}}");
        if tree.split_whitespace().collect::<String>().contains(&wanted) {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    Err("the host did not handle its input within a minute".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_count_sorts_by_count_then_word() {
        assert_eq!(count("B a\nb, A c2c"), "2\ta\n2\tb\n2\tc\n");
    }

    #[test]
    fn marked_lines_are_left_out_of_the_expectation() {
        let text = "line\n".repeat(120);
        let (marked, count) = mark(&text);
        assert_eq!(count, 2);
        assert_eq!(text_without_marked(&marked).lines().count(), 118);
    }
}
