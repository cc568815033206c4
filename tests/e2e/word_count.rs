use std::collections::HashMap;
use std::fmt::Write as _;
use std::process::{Command, Output, Stdio};

use crate::harness::{actors, command, folder, root};

/// The expected output of the play: `count<TAB>word`, most frequent first, ties by word.
fn expected(text: &[u8]) -> String {
    let mut counts = HashMap::<Vec<u8>, u64>::new();
    for word in text.split(|byte| !byte.is_ascii_alphabetic()).filter(|word| !word.is_empty()) {
        *counts.entry(word.to_ascii_lowercase()).or_default() += 1;
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
    sorted.iter().fold(String::new(), |mut out, (word, n)| {
        writeln!(out, "{n}\t{}", String::from_utf8_lossy(word)).unwrap();
        out
    })
}

/// Runs a manifest of the word count over `text`; returns stdout and stderr.
fn count(manifest: &str, to: &str, text: &[u8]) -> (String, String) {
    let output = run(manifest, to, text);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    // A run that leaves dead letters ends with 1.
    assert_eq!(output.status.code(), Some(i32::from(stderr.contains(" dead letter"))), "{stderr}");
    (String::from_utf8_lossy(&output.stdout).into_owned(), stderr)
}

fn run(manifest: &str, to: &str, text: &[u8]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("input");
    std::fs::write(&input, text).unwrap();
    command(root())
        .args(["run", manifest, "--stdin", to, "--until-idle", "--no-socket"])
        .stdin(std::fs::File::open(input).unwrap())
        .output()
        .unwrap()
}

fn plain(text: &[u8]) -> String {
    count("plugins/word-count/playhouse.toml", "/split", text).0
}

/// Numbers from a seed, for texts that are the same in each run.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
}

#[test]
fn a_real_text_is_counted() {
    let text = std::fs::read(root().join("LICENSE-APACHE")).unwrap();
    assert_eq!(plain(&text), expected(&text));
}

#[test]
fn result_equals_that_of_tr_sort_and_uniq() {
    let script = "export LC_ALL=C; tr -cs 'A-Za-z' '\\n' < LICENSE-APACHE | tr A-Z a-z | sed '/^$/d' | sort \
                  | uniq -c | sed 's/^ *\\([0-9]*\\) /\\1\\t/' | sort -k1,1nr -k2,2";
    let piped = Command::new("sh").args(["-c", script]).current_dir(root()).stderr(Stdio::inherit()).output().unwrap();
    let text = std::fs::read(root().join("LICENSE-APACHE")).unwrap();
    assert_eq!(plain(&text), String::from_utf8_lossy(&piped.stdout));
}

#[test]
fn any_bytes_are_counted() {
    let binary: Vec<u8> = noise(1).take(3_000_000).collect();
    assert_eq!(plain(&binary), expected(&binary));
    for text in [&b""[..], b"\n\n\n", b"no newline at the end", b"cr\r\nlf\r\n", "h\u{e9}h\u{e9} \u{4f60}hi".as_bytes()]
    {
        assert_eq!(plain(text), expected(text), "{text:?}");
    }
}

#[test]
fn word_of_nearly_message_size_is_counted_in_one_line() {
    for length in [70_000, 1_000_000] {
        let text = [&b"a".repeat(length)[..], b" b\n"].concat();
        let printed = plain(&text);
        assert!(printed == expected(&text), "{length}: {} bytes", printed.len());
    }
}

#[test]
fn line_longer_than_a_message_is_refused_and_others_go_on() {
    let text = [&b"before\n"[..], &b"a".repeat(2_000_000), b"\nafter\n"].concat();
    let output = run("plugins/word-count/playhouse.toml", "/split", &text);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let refused =
        "line 2 of stdin was not sent: it has 2000000 bytes, and `limits.message` of `/split` is 1048576 bytes";
    assert!(stderr.contains(refused), "{stderr}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1\tafter\n1\tbefore\n"), "{stderr}");
}

#[test]
fn failed_shutdown_is_logged_and_ends_the_run_with_1() {
    // `/count` sends its totals to `/report`, which this play does not have.
    let folder = folder(&actors(&[("/count", "count")]));
    let output = command(folder.path()).args(["run", "--tell", "/count=a", "--until-idle"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("; 1 failed shutdown"), "{stderr}");
    assert!(stderr.contains("failed to shut down: /report did not take a page of totals"), "{stderr}");
}

#[test]
fn full_disk_is_reported() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut run = command(root());
    run.args(["run", "plugins/word-count/playhouse.toml", "--tell", "/report=page", "--until-idle", "--no-socket"]);
    let output = run.stdout(full).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("stdout cannot be written: No space left on device"), "{stderr}");
}

#[test]
fn marked_lines_are_dead_letters_and_others_count_once() {
    let line = |n: u32| if n % 100 == 42 { format!("line {n} !panic\n") } else { format!("line a{} b\n", n % 7) };
    let lines: Vec<_> = (0..3000).map(line).collect();
    let kept: String = lines.iter().filter(|line| !line.contains("!panic")).map(String::as_str).collect();
    let (stdout, stderr) = count("plugins/word-count/with-flaky.toml", "/flaky", lines.concat().as_bytes());
    assert_eq!(stdout, expected(kept.as_bytes()));
    assert!(stderr.contains(" handled; 30 dead letters (crashed 30)"), "{stderr}");
    assert!(stderr.contains("body: line 42 !panic"), "{stderr}");
    assert!(stderr.contains("1 attempt: the actor panicked: the message asked for a panic"), "{stderr}");
    assert!(stderr.contains("backtrace: "), "{stderr}");
}
