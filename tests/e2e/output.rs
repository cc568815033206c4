//! Output of guests to stdout and to the log.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::stage::{Host, actors, command, folder};

/// Longer than `limits.timeout` of the actors here.
const LONGER: Duration = Duration::from_millis(1500);

#[test]
fn slow_reader_of_stdout_crashes_no_actor() {
    let folder = folder("[[actor]]\naddress = \"/report\"\nplugin = \"report\"\n[actor.limits]\ntimeout = \"1s\"\n");
    let (path, page) = (folder.path().to_owned(), "x".repeat(65_535));
    let mut run = command(&path);
    run.args(["run", "--until-idle", "--stdin", "/report"]);
    let mut run = run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, lines) = (run.stdin.take().unwrap(), format!("{page}\n").repeat(30));
    std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let tree = |arguments: &[&str]| {
        let tree = command(&path).arg("tree").args(arguments).output().unwrap();
        String::from_utf8(tree.stdout).unwrap()
    };
    let mut waits_since = None;
    while waits_since.is_none_or(|since: Instant| since.elapsed() < LONGER) {
        if tree(&["--json"]).contains("waiting for stdout") {
            waits_since.get_or_insert_with(Instant::now);
        } else {
            assert!(waits_since.is_none(), "it waits no more, though nobody reads");
        }
    }
    assert!(tree(&[]).contains("waiting for stdout"));
    let (mut text, mut said) = (String::new(), String::new());
    run.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    run.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(run.wait().unwrap().success(), "{said}");
    assert!(text == page.repeat(30), "{} bytes; {said}", text.len());
    assert!(!said.contains("crashed"), "{said}");
}

#[test]
fn end_of_a_run_adds_no_newline_to_stdout() {
    let host = Host::spawn(folder(&actors(&[("/report", "report")])), &["--until-idle", "--tell", "/report=hello"]);
    assert_eq!(host.end().stdout, "hello");
}

#[test]
fn partial_line_goes_out_when_its_actor_is_idle() {
    let folder = folder(&actors(&[("/a", "report"), ("/b", "report")]));
    let path = folder.path().to_owned();
    let mut run = command(&path);
    let mut run =
        run.args(["run", "--tell", "/a=name? "]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = run.stdout.take().unwrap();
    let mut read = |wanted: &str| {
        let mut bytes = vec![0; wanted.len()];
        stdout.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), wanted);
    };
    let ask = |to: &str, body: &str| assert!(command(&path).args(["ask", to, body]).output().unwrap().status.success());
    read("name? ");
    ask("/a", "Ada");
    read("Ada");
    ask("/b", "b");
    read("\nb");
    ask("/b", "\n");
    ask("/a", "a\n");
    read("\na\n");
    run.kill().unwrap();
    run.wait().unwrap();
}

#[test]
fn dead_letters_of_a_flood_count_for_log_lines() {
    let folder = folder("[[actor]]\naddress = \"/picky\"\nplugin = \"flaky\"\n[actor.limits]\nlog_lines = 20\n");
    let mut host = Host::spawn(folder, &["--until-idle", "--stdin", "/picky"]);
    host.feed("!reject this\n".repeat(5000).as_bytes());
    let ended = host.end();
    let said: Vec<_> = ended.stderr.lines().filter(|line| line.contains("WARN /picky")).collect();
    let written = said.iter().filter(|line| line.contains("dead letter")).count();
    let left_out: usize = said
        .iter()
        .filter_map(|line| line.split_once("left out ")?.1.split_once(" line")?.0.parse::<usize>().ok())
        .sum();
    // A full mailbox may be said as well.
    assert!(
        written < 1000 && (5000..5010).contains(&(written + left_out)),
        "{written} written, {left_out} left out: {:?}",
        said.last()
    );
}
