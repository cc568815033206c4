use serde_json::Value;

use crate::harness::{Host, actors, folder};

/// An entry that tells `/counter` each second.
fn each_second() -> String {
    actors(&[("/counter", "counter")])
        + "[[cron]]\nname = \"tick\"\nschedule = \"* * * * * *\"\nzone = \"Europe/Berlin\"\ntell = \"/counter\"\nbody = \"one\"\n"
}

#[test]
fn entry_tells_its_actor_each_second() {
    let host = Host::start(folder(&each_second()), &[]);
    host.actor_when("/counter", |counter| counter["handled"].as_u64() >= Some(2));
    let entry = host.actor("/gate/tick");
    let status = entry["status"].as_str().expect("a status");
    assert!(status.starts_with("next run 20") && status.contains(" runs"), "{status}");
    assert_eq!((&entry["plugin"], &entry["state"]), (&"native:Cron".into(), &"idle".into()));
    let tree = host.ok(&["tree"]);
    assert!(tree.contains("\n/gate ") && tree.contains("\n/gate/tick: next run 20"), "{tree}");
    host.signal(rustix::process::Signal::INT);
    let ended = host.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}

#[test]
fn check_shows_the_next_time() {
    let host_less = folder(&each_second().replace("* * * * * *", "30 2 29 2 *"));
    let check = |arguments: &[&str]| {
        let output =
            crate::harness::command(host_less.path()).arg("check").args(arguments).output().expect("it was built");
        String::from_utf8(output.stdout).expect("text")
    };
    let text = check(&[]);
    let row = text.lines().find(|line| line.starts_with("tick ")).unwrap_or_else(|| panic!("{text}"));
    assert!(
        row.contains("30 2 29 2 *  Europe/Berlin  /counter  20") && row.ends_with("-02-29T02:30:00+01:00"),
        "{row}"
    );
    let json: Value = serde_json::from_str(&check(&["--json"])).expect("JSON");
    assert_eq!(json["cron"][0]["address"], "/gate/tick");
}
