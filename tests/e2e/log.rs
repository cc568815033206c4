//! The log of the real binary as JSON.

use serde_json::Value;

use crate::harness::{actors, command, folder};

/// The events of a run, whose lines are all objects.
fn events(log: &str, arguments: &[&str]) -> Vec<Value> {
    let manifest = format!("{log}\n{}", actors(&[("/echo", "echo")]));
    let ended = command(folder(&manifest).path()).args(["run", "--no-socket", "--until-idle"]).args(arguments).output();
    let said = String::from_utf8(ended.unwrap().stderr).unwrap();
    said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn every_line_of_a_json_log_is_an_event() {
    for (log, arguments) in [("[play.log]\nformat = \"json\"", &[][..]), ("", &["--log-format", "json"])] {
        let events = events(log, arguments);
        let up = events.iter().find(|event| event["message"] == "test is up: 1 actor").unwrap();
        assert_eq!((&up["level"], &up["target"]), (&"info".into(), &"playhouse".into()));
        assert!(events.iter().all(|event| event["time"].is_string() && event["message"].is_string()), "{events:?}");
    }
}

#[test]
fn level_of_the_manifest_counts_unless_the_command_line_has_one() {
    let quiet = "[play.log]\nformat = \"json\"\nlevel = \"error\"";
    let is_up = |event: &Value| event["message"] == "test is up: 1 actor";
    assert!(!events(quiet, &[]).iter().any(is_up));
    assert!(events(quiet, &["--log", "info"]).iter().any(is_up));
}
