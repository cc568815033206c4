//! Lines on stderr when it is the journal of systemd, which `JOURNAL_STREAM` names by device and inode.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use crate::harness::command;
use crate::log_levels::puppets;

/// Runs a play with its stderr in a file. `inode` makes the inode in `JOURNAL_STREAM` from that of the file.
fn stderr_of(arguments: &[&str], inode: impl Fn(u64) -> u64) -> String {
    let folder = puppets("", &[("/a", "log = { level = \"trace\" }")], "");
    let path = folder.path().join("stderr");
    let file = File::create(&path).unwrap();
    let facts = file.metadata().unwrap();
    let stream = format!("{}:{}", facts.dev(), inode(facts.ino()));
    let tell = "/a=print said;log debug details;log warn careful;trap";
    let mut run = command(folder.path());
    run.args(["run", "--no-socket", "--until-idle", "--tell", tell]).args(arguments);
    run.env("JOURNAL_STREAM", stream).stderr(file).status().unwrap();
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn lines_of_the_journal_begin_with_their_priority() {
    let said = stderr_of(&[], |inode| inode);
    assert!(said.lines().all(|line| line.starts_with('<') && line[2..].starts_with('>')), "{said}");
    for line in ["<6>INFO /a said", "<7>DEBUG /a details", "<4>WARN /a careful", "<3>ERROR /a crashed", "<3>    at "] {
        assert!(said.lines().any(|of| of.starts_with(line)), "{line}: {said}");
    }
    assert!(said.lines().any(|line| line.starts_with("<6>INFO test is up")), "the time is the journal's: {said}");
}

#[test]
fn objects_of_the_journal_have_priority_and_time() {
    let said = stderr_of(&["--log-format", "json"], |inode| inode);
    for line in said.lines() {
        let (priority, object) = line.split_at(3);
        let event: serde_json::Value = serde_json::from_str(object).unwrap_or_else(|error| panic!("{error}: {line}"));
        let level = match priority {
            "<3>" => &["error"][..],
            "<4>" => &["warn"],
            "<6>" => &["info"],
            "<7>" => &["debug", "trace"],
            other => panic!("{other}: {line}"),
        };
        assert!(level.contains(&event["level"].as_str().unwrap()) && event["time"].is_string(), "{line}");
    }
    assert!(said.lines().any(|line| line.starts_with("<7>")), "{said}");
}

#[test]
fn stderr_of_another_file_has_no_priorities() {
    let said = stderr_of(&[], |inode| inode + 1);
    assert!(said.contains("INFO /a said") && !said.lines().any(|line| line.starts_with('<')), "{said}");
}
