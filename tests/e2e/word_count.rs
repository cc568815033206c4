use std::collections::HashMap;
use std::fmt::Write as _;
use std::process::{Command, Stdio};

use crate::stage::{command, root};

/// What the play must print: `count<TAB>word`, most frequent first, ties by word.
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
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("input");
    std::fs::write(&input, text).unwrap();
    let output = command(root())
        .args(["run", manifest, "--stdin", to, "--until-idle", "--no-socket"])
        .stdin(std::fs::File::open(input).unwrap())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    (String::from_utf8_lossy(&output.stdout).into_owned(), stderr)
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
fn the_result_equals_the_one_of_tr_sort_and_uniq() {
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
fn a_line_longer_than_a_message_is_cut_between_words() {
    let letters = noise(2).map(|byte| if byte < 40 { b' ' } else { b'a' + byte % 26 });
    let line: Vec<u8> = letters.take(5_000_000).collect();
    assert_eq!(plain(&line), expected(&line));
}

#[test]
fn marked_lines_are_dead_letters_and_every_other_is_counted_once() {
    let line = |n: u32| if n % 100 == 42 { format!("line {n} !panic\n") } else { format!("line a{} b\n", n % 7) };
    let lines: Vec<_> = (0..3000).map(line).collect();
    let kept: String = lines.iter().filter(|line| !line.contains("!panic")).map(String::as_str).collect();
    let (stdout, stderr) = count("plugins/word-count/with-flaky.toml", "/flaky", lines.concat().as_bytes());
    assert_eq!(stdout, expected(kept.as_bytes()));
    assert!(stderr.contains("playhouse: 30 dead letters (crashed 30)"), "{stderr}");
    assert!(stderr.contains("body: line 42 !panic"), "{stderr}");
    assert!(stderr.contains("1 attempt: the actor panicked: the message asked for a panic"), "{stderr}");
    assert!(stderr.contains("backtrace: "), "{stderr}");
}
