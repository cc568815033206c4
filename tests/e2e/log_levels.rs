//! Levels of the log by actor, and the fields of guests' lines. The actors are the puppet of `tests/guests/puppet`: `print X` writes
//! a line to stderr.

use std::process::Command;

use playhouse_tests::{built, cargo};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Host, command, folder};

/// A play of puppets that may spawn puppets as `worker`. `keys` are the other keys of the manifest.
pub fn puppets(play: &str, actors: &[(&str, &str)], others: &str) -> TempDir {
    cargo(&["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "puppet"]);
    let folder = folder("");
    let puppet = built().join("../wasm32-wasip2/guest/puppet.wasm");
    for name in ["puppet.wasm", "worker.wasm"] {
        std::fs::copy(&puppet, folder.path().join(name)).unwrap();
    }
    let actor = |(address, keys): &(&str, &str)| {
        format!("[[actor]]\naddress = {address:?}\nplugin = \"puppet\"\nspawns = [\"worker\"]\n{keys}\n")
    };
    let actors: String = actors.iter().map(actor).collect();
    let others = if others.contains("[[plugin]]") {
        others.to_owned()
    } else {
        format!("{others}\n[[plugin]]\nname = \"worker\"\n")
    };
    let manifest = format!("[play]\nname = \"test\"\nplugins = \".\"\n{play}\n{actors}{others}");
    std::fs::write(folder.path().join("playhouse.toml"), manifest).unwrap();
    folder
}

fn run(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = command(folder.path());
    command.args(["run", "--no-socket", "--until-idle", "--log-format", "json"]).args(arguments);
    command
}

/// The events of a run.
fn events(mut run: Command) -> Vec<Value> {
    let said = String::from_utf8(run.output().unwrap().stderr).unwrap();
    said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The lines that guests wrote, each with its address.
fn lines(events: &[Value]) -> Vec<String> {
    let of_guests = events.iter().filter(|event| event["target"] == "playhouse::guest");
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    of_guests.map(|event| format!("{} {}", text(event, "actor"), text(event, "message"))).collect()
}

#[test]
fn line_of_a_guest_has_its_plugin_and_message() {
    let events = events(run(&puppets("", &[("/a", "")], ""), &["--tell", "/a=print hello"]));
    let line = events.iter().find(|event| event["message"] == "hello").unwrap();
    assert_eq!(
        [&line["target"], &line["level"], &line["actor"], &line["plugin"], &line["incarnation"]],
        [&Value::from("playhouse::guest"), &"info".into(), &"/a".into(), &"puppet".into(), &1.into()]
    );
    assert_eq!((line["flow"].as_str().map(str::len), line["id"] == line["flow"]), (Some(32), true), "{line}");
}

#[test]
fn level_of_an_actor_overrides_the_hosts_both_ways() {
    let actors = [("/loud", "log = { level = \"info\" }"), ("/plain", ""), ("/quiet", "log.level = \"error\"")];
    let tells = [
        "--tell",
        "/loud=print x;retry again",
        "--tell",
        "/plain=print x;retry again",
        "--tell",
        "/quiet=print x;reject bad",
    ];
    let events_at = |play: &str, more: &[&str]| events(run(&puppets(play, &actors, ""), &[&tells[..], more].concat()));
    for (play, more) in [("[play.log]\nlevel = \"warn\"", &[][..]), ("", &["--log", "error"])] {
        let events = events_at(play, more);
        let lines = lines(&events);
        assert!(lines.iter().all(|line| line == "/loud x") && !lines.is_empty(), "{lines:?}");
        let is_retry = |event: &&Value| event["level"] == "info" && event["target"] == "playhouse";
        let retried: Vec<_> = events.iter().filter(is_retry).map(|event| &event["actor"]).collect();
        assert!(retried.iter().all(|actor| **actor == "/loud") && !retried.is_empty(), "the host's lines as well");
    }
    let events = events_at("", &[]);
    assert!(lines(&events).contains(&"/plain x".to_owned()));
    let about_quiet = events.iter().any(|event| event["actor"] == "/quiet");
    assert!(!about_quiet, "{events:?}");
    let folder = puppets("", &actors, "");
    let mut from_environment = run(&folder, &tells);
    from_environment.env("RUST_LOG", "off");
    assert!(lines(&self::events(from_environment)).contains(&"/loud x".to_owned()));
}

#[test]
fn spawned_actor_has_the_level_of_its_plugin_or_parent() {
    let tells = ["--tell", "/a=spawn c;tell /a/c print x", "--tell", "/b=spawn c;tell /b/c print x"];
    let warn = "[play.log]\nlevel = \"warn\"";
    let of_parent = puppets(warn, &[("/a", "log = { level = \"info\" }"), ("/b", "")], "");
    assert_eq!(lines(&events(run(&of_parent, &tells))), ["/a/c x"]);
    let plugin = "[[plugin]]\nname = \"worker\"\nlog = { level = \"info\" }\n";
    let of_plugin = puppets(warn, &[("/a", "log = { level = \"error\" }"), ("/b", "")], plugin);
    let mut lines = lines(&events(run(&of_plugin, &tells)));
    lines.sort_unstable();
    assert_eq!(lines, ["/a/c x", "/b/c x"]);
}

#[test]
fn guest_logs_with_levels_of_its_own() {
    let folder = puppets("", &[("/a", ""), ("/loud", "log = { level = \"trace\" }")], "");
    let a = "/a=log debug hidden;log warn \u{1b}[31mred\u{202e};log critical down";
    let events = events(run(&folder, &["--tell", a, "--tell", "/loud=log trace shown"]));
    let of = |text: &str| events.iter().find(|event| event["message"] == text).unwrap_or_else(|| panic!("{events:?}"));
    assert_eq!(of("\u{1b}[31mred\u{202e}")["level"], "warn");
    assert_eq!((&of("down")["level"], &of("down")["critical"]), (&"error".into(), &true.into()));
    assert_eq!((&of("shown")["level"], &of("shown")["plugin"]), (&"trace".into(), &"puppet".into()));
    assert!(of("down")["id"].is_string() && events.iter().all(|event| event["message"] != "hidden"));
    let mut text = command(folder.path());
    let said = text.args(["run", "--no-socket", "--until-idle", "--tell", a]).output().unwrap().stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains(r"WARN /a \u{1b}[31mred\u{202e}") && !said.contains('\u{1b}'), "{said}");
    let checked = command(folder.path()).args(["check"]).output().unwrap();
    assert!(checked.status.success() && String::from_utf8_lossy(&checked.stdout).contains("logging"), "{checked:?}");
}

/// Lets the actor write a line, and waits until it has.
fn print(host: &Host, actor: &str, line: &str) {
    assert_eq!(host.ok(&["ask", actor, &format!("print {line};reply done")]).trim_end(), "done");
}

#[test]
fn quiet_host_logs_changes_of_levels() {
    // The line by which the start is noticed is an `info`, and of another target.
    let filter = ["--log", "info,playhouse::control=warn"];
    let mut host = Host::start(puppets("", &[("/a", "")], ""), &filter);
    host.ok(&["log-level", "/a", "debug", "--for", "1h"]);
    host.wait_for("the log level of /a is debug for 1h, set by user");
    host.ok(&["log-level", "/a", "--reset"]);
    host.wait_for("the log level of /a, debug by user");
    host.ok(&["log-level", "/a", "error", "--for", "20ms"]);
    host.wait_for("ended after 20ms");
}

#[test]
fn operator_sets_a_level_while_the_play_runs() {
    let quiet = ("/a", "log = { level = \"error\" }");
    let mut host = Host::start(puppets("", &[quiet, ("/b", "")], ""), &[]);
    print(&host, "/a", "first");
    let set = host.ok(&["log-level", "/a", "info", "--for", "1h"]);
    assert_eq!(set, "/a: info for 1h (1 actor now)\n");
    let user = format!("user {}", rustix::process::geteuid().as_raw());
    host.wait_for(&format!("the log level of /a is info for 1h, set by {user}"));
    print(&host, "/a", "second");
    host.wait_for("second");
    let list: Value = serde_json::from_str(&host.ok(&["log-level", "--json"])).unwrap();
    assert_eq!(list[0]["by"], user);
    assert!(list[0]["left_ms"].as_u64().is_some_and(|left| (3_000_000..=3_600_000).contains(&left)), "{list}");
    assert_eq!(list[1], serde_json::json!({ "actors": "/a", "level": "error", "from": "manifest" }));
    let replaced = host.ok(&["log-level", "/a", "info", "--for", "20ms"]);
    assert_eq!(replaced, "/a: info for 20ms, instead of info (1 actor now)\n");
    host.wait_for(&format!("the log level of /a, info by {user}, ended after 20ms"));
    print(&host, "/a", "third");
    print(&host, "/b", "last");
    host.wait_for("last");
    let table = host.ok(&["log-level"]);
    assert_eq!(
        table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).next_back().unwrap(),
        ["/a", "error", "manifest"]
    );
    host.signal(rustix::process::Signal::TERM);
    let log = host.end().stderr;
    assert!(log.contains("second") && !log.contains("first") && !log.contains("third"), "{log}");
}

#[test]
fn operators_pattern_reaches_actors_that_come_later() {
    let mut host = Host::start(puppets("", &[("/a", "")], ""), &[]);
    let set = host.ok(&["log-level", "/a/**", "error", "--for", "forever"]);
    assert_eq!(set, "/a/**: error until it is reset (no actor matches it now: it holds for those that come)\n");
    host.ok(&["ask", "/a", "spawn c;reply done"]);
    print(&host, "/a/c", "hidden");
    assert_eq!(host.ok(&["log-level", "/a/**", "--reset"]), "/a/**: error no more\n");
    host.wait_for("was reset by user");
    print(&host, "/a/c", "shown");
    assert!(!host.wait_for("/a/c").contains("hidden"));
    let refused = host.run(&["log-level", "/a/**", "--reset"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("`/a/**` cannot be reset: no operator has set a level for exactly this pattern"), "{said}");
    for wrong in [&["log-level", "/", "debug"][..], &["log-level", "/a", "loud"], &["log-level", "/a"]] {
        assert_eq!(host.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
    let alone = folder("");
    let code = command(alone.path()).args(["log-level"]).output().unwrap().status.code();
    assert_eq!(code, Some(3));
}
