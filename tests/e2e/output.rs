//! Output of guests to stdout and to the log.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Host, actors, command, folder};

/// Pages that are more than the host keeps for an unread stdout: at most 1 MiB that waits, 1 MiB in the write, and a pipe.
const PAGES: usize = 100;

/// Longer than `limits.timeout` of the actors here.
const LONGER: Duration = Duration::from_millis(1500);

#[test]
fn slow_reader_of_stdout_crashes_no_actor() {
    let folder = folder("[[actor]]\naddress = \"/report\"\nplugin = \"report\"\n[actor.limits]\ntimeout = \"1s\"\n");
    let (path, page) = (folder.path().to_owned(), "x".repeat(65_535));
    let mut run = command(&path);
    run.args(["run", "--until-idle", "--stdin", "/report"]);
    let mut run = run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, lines) = (run.stdin.take().unwrap(), format!("{page}\n").repeat(PAGES));
    std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let tree = |arguments: &[&str]| {
        let tree = command(&path).arg("tree").args(arguments).output().unwrap();
        String::from_utf8(tree.stdout).unwrap()
    };
    let mut waits_since = None;
    while waits_since.is_none_or(|since: Instant| since.elapsed() < LONGER) {
        assert_eq!(run.try_wait().unwrap(), None, "the host ended");
        if tree(&["--json"]).contains("waiting for stdout") {
            waits_since.get_or_insert_with(Instant::now);
        } else {
            assert!(waits_since.is_none(), "the actor does not wait any more, although stdout has no reader");
        }
    }
    assert!(tree(&[]).contains("waiting for stdout"));
    let (mut text, mut said) = (String::new(), String::new());
    run.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    run.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(run.wait().unwrap().success(), "{said}");
    assert!(text == page.repeat(PAGES), "{} bytes; {said}", text.len());
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
    // The warning of a full mailbox may be in the log as well.
    assert!(
        written < 1000 && (5000..5010).contains(&(written + left_out)),
        "{written} written, {left_out} left out: {:?}",
        said.last()
    );
}

/// A host whose actor writes `page` `times` times, more than a pipe holds. The reader of stdout is the test alone.
fn unread(page: &str, times: usize, arguments: &[&str]) -> (tempfile::TempDir, Child, BufReader<ChildStderr>) {
    let folder = folder(&format!("[play.supervision]\nshutdown = \"200ms\"\n{}", actors(&[("/report", "report")])));
    let mut run = command(folder.path());
    let run = run.args(["run", "--stdin", "/report"]).args(arguments);
    let mut run = run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, lines) = (run.stdin.take().unwrap(), format!("{page}\n").repeat(times));
    std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let said = BufReader::new(run.stderr.take().unwrap());
    (folder, run, said)
}

/// Reads the host's stderr up to a line with `text`.
fn read_until(said: &mut impl BufRead, text: &str) -> String {
    let mut lines = said.lines().map_while(Result::ok);
    lines.find(|line| line.contains(text)).unwrap_or_else(|| panic!("the host ended without saying {text:?}"))
}

/// The end of a host after a signal, while its stdout has no reader.
fn signalled(mut run: Child, mut said: BufReader<ChildStderr>) -> String {
    kill_process(Pid::from_child(&run), Signal::TERM).unwrap();
    let (status, mut text) = (run.wait().unwrap(), String::new());
    said.read_to_string(&mut text).unwrap();
    assert_eq!(status.code(), Some(1), "{text}");
    text
}

#[test]
fn unread_stdout_does_not_keep_a_host_after_a_signal() {
    let (folder, run, said) = unread(&"x".repeat(60_000), 3, &[]);
    while !String::from_utf8_lossy(&command(folder.path()).args(["tree", "--json"]).output().unwrap().stdout)
        .contains("\"handled\": 3")
    {
        std::thread::yield_now();
    }
    let text = signalled(run, said);
    assert!(text.contains("waiting for the reader of stdout"), "{text}");
    assert!(text.contains("did not take all of it within 200ms") && text.contains(" bytes of output lost"), "{text}");
}

#[test]
fn until_idle_waits_for_a_slow_reader_and_says_so() {
    let page = "x".repeat(60_000);
    let (_folder, mut run, mut said) = unread(&page, 3, &["--until-idle"]);
    read_until(&mut said, "waiting for the reader of stdout");
    let mut text = String::new();
    run.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(run.wait().unwrap().success());
    assert!(text == page.repeat(3), "{} bytes", text.len());
}

#[test]
fn signal_bounds_the_wait_of_until_idle_for_a_reader() {
    let (_folder, run, mut said) = unread(&"x".repeat(60_000), 3, &["--until-idle"]);
    read_until(&mut said, "waiting for the reader of stdout");
    let text = signalled(run, said);
    assert!(text.contains("ends without it after 200ms") && text.contains(" bytes of output lost"), "{text}");
}

#[test]
fn until_idle_says_that_actors_wait_for_stdout() {
    let (_folder, mut run, mut said) = unread(&"x".repeat(65_000), PAGES, &["--until-idle"]);
    read_until(&mut said, "waiting for stdout");
    let mut text = String::new();
    run.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(run.wait().unwrap().success());
    assert_eq!(text.len(), PAGES * 65_000);
}
