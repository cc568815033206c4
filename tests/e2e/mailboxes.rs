//! aplay's `_mailbox`, `prepare_mailbox` and the `policy` of a mailbox: plugins that decide the order, and the reports of a
//! full mailbox to operators.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Host, actors, command, folder, root};

/// A folder with the example's manifest, which names the built plugins.
fn help_desk(changes: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = folder("");
    let file = root().join("plugins/priority/playhouse.toml");
    let mut text = std::fs::read_to_string(file).unwrap();
    text = text.replace("plugins = \"..\"", &format!("plugins = {:?}", root().join("plugins").display().to_string()));
    for (before, after) in changes {
        assert!(text.contains(before), "{before}");
        text = text.replace(before, after);
    }
    std::fs::write(folder.path().join("playhouse.toml"), text).unwrap();
    folder
}

fn ticket(level: i64, text: &str) -> String {
    format!("{{\"text\":\"{text}\",\"level\":{level}}}\n")
}

/// The row "`_mailbox`; `prepare_mailbox` chooses or defines one".
#[test]
fn mailbox_plugin_of_the_manifest_decides_the_order() {
    let host = Host::start(help_desk(&[]), &[]);
    let tickets = [ticket(1, "a"), ticket(9, "b"), "no JSON\n".to_owned(), ticket(5, "c"), ticket(9, "d")];
    for ticket in &tickets {
        host.ok(&["tell", "/desk", ticket]);
    }
    let desk = host.actor("/desk");
    assert_eq!((&desk["waiting"], &desk["mailbox"]["plugin"]["state"]), (&5.into(), &"running".into()));
    host.ok(&["start", "/desk"]);
    host.actor_when("/desk", |desk| desk["handled"] == 5);
    host.signal(rustix::process::Signal::INT);
    let [a, b, none, c, d] = &tickets;
    assert_eq!(host.end().stdout, format!("{b}{d}{c}{a}{none}"));
}

/// The row "`policy` of a mailbox (abandon or warn when there is too much)", decided by a plugin.
#[test]
fn full_mailbox_drops_its_plugins_choice_with_one_warning() {
    let mut host = Host::start(help_desk(&[("capacity = 100", "capacity = 3")]), &[]);
    for level in [5, 1, 7, 6, 2, 8] {
        host.ok(&["tell", "/desk", &ticket(level, "x")]);
    }
    let warning = host.wait_for("the mailbox is full");
    assert!(warning.contains("WARN") && warning.contains("/desk") && warning.contains("waiting=4"), "{warning}");
    let desk = host.actor_when("/desk", |desk| desk["mailbox"]["dropped"] == 3);
    let mailbox = &desk["mailbox"];
    assert_eq!((&mailbox["waiting"], &mailbox["full"], &mailbox["overflow"]), (&3.into(), &1.into(), &"block".into()));
    let letters: serde_json::Value = serde_json::from_str(&host.ok(&["dead-letters", "list", "--json"])).unwrap();
    assert_eq!(letters["counts"]["overflow"]["all"], 3, "{letters}");
    let tree = host.ok(&["tree"]);
    assert!(tree.contains("the mailbox of /desk was full (") && tree.contains(" of 3): 3 dropped"), "{tree}");
    host.ok(&["start", "/desk"]);
    host.actor_when("/desk", |desk| desk["handled"] == 3);
    host.signal(rustix::process::Signal::INT);
    let ended = host.end();
    assert_eq!(ended.stdout, [8, 7, 6].map(|level| ticket(level, "x")).concat());
    assert_eq!(ended.stderr.matches("the mailbox is full").count(), 1, "{}", ended.stderr);
}

/// The row "`policy` of a mailbox", decided by the manifest: refused messages are counted, and waiting senders are shown.
#[test]
fn full_mailbox_warns_once_and_counts_under_each_rule() {
    for (overflow, counter) in [("reject", "refused"), ("drop-newest", "dropped"), ("drop-oldest", "dropped")] {
        let slow = format!("start = \"manual\"\nmailbox = {{ capacity = 2, overflow = {overflow:?} }}\n");
        let mut host = Host::start(folder(&(actors(&[("/echo", "echo")]) + &slow)), &[]);
        for n in 0..5 {
            let told = host.run(&["tell", "/echo", &n.to_string()]);
            assert_eq!(told.status.code(), Some(i32::from(n >= 2 && overflow != "drop-oldest")), "{overflow}");
            let said = String::from_utf8_lossy(&told.stderr);
            assert_eq!(said.contains("dropped the message: it is dead letter"), n >= 2 && overflow == "drop-newest");
        }
        let warning = host.wait_for("the mailbox is full");
        assert!(warning.contains("/echo") && warning.contains("waiting=2"), "{warning}");
        let mailbox = host.actor("/echo")["mailbox"].clone();
        assert_eq!((&mailbox[counter], &mailbox["full"], &mailbox["most"]), (&3.into(), &1.into(), &2.into()));
        host.ok(&["start", "/echo"]);
        // A dropped message does not count as handled.
        let echo = host.actor_when("/echo", |echo| echo["waiting"] == 0 && echo["handled"] == 2);
        assert_eq!(echo["dead_letters"]["overflow"], if overflow == "reject" { Value::Null } else { 3.into() });
    }
    let slow = "start = \"manual\"\nmailbox = { capacity = 1, timeout = \"1h\" }\n";
    let host = Host::start(folder(&(actors(&[("/echo", "echo")]) + slow)), &[]);
    host.ok(&["tell", "/echo", "first"]);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| host.ok(&["tell", "/echo", "second"]));
        host.actor_when("/echo", |echo| echo["mailbox"]["blocked_now"] == 1);
        assert!(host.ok(&["tree"]).contains("1 wait now"));
        host.ok(&["start", "/echo"]);
        waits.join().unwrap();
    });
    let mailbox = host.actor_when("/echo", |echo| echo["handled"] == 2)["mailbox"].clone();
    assert_eq!((&mailbox["blocked_now"], &mailbox["blocked"], &mailbox["refused"]), (&0.into(), &1.into(), &0.into()));
}

/// The row's "Its crash loses no message": a plugin that cannot start is given up with a log line, and all messages are handled
/// in order.
#[test]
fn a_mailbox_plugin_that_crashes_loses_no_message() {
    let wrong = [("config = { field = \"level\" }", "config = { first = \"loudest\" }\nrestart = { intensity = 2 }")];
    let mut host = Host::start(help_desk(&wrong), &[]);
    let crash = host.wait_for("first in, first out");
    let says = "its mailbox plugin `priority` failed to start: `first = \"loudest\"` in the mailbox's config: it is \"highest\" or \"lowest\"";
    assert!(crash.contains(says) && crash.contains("no message is lost"), "{crash}");
    for n in 0..3 {
        host.ok(&["tell", "/desk", &format!("{n}\n")]);
    }
    let plugin = host.actor("/desk")["mailbox"]["plugin"].clone();
    assert_eq!((&plugin["state"], &plugin["crashes"]), (&"given up".into(), &3.into()));
    assert!(
        host.ok(&["tree"])
            .contains("the mailbox plugin priority of /desk crashed 3 times and is given up: failed to start")
    );
    host.ok(&["start", "/desk"]);
    host.actor_when("/desk", |desk| desk["handled"] == 3);
    host.signal(rustix::process::Signal::INT);
    assert_eq!(host.end().stdout, "0\n1\n2\n");
}

#[test]
fn check_and_inspect_know_mailbox_plugins() {
    let check = |folder: &Path, arguments: &[&str]| {
        let output = command(folder).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text.into_owned())
    };
    let desk = help_desk(&[]);
    let (code, text) = check(desk.path(), &["check"]);
    assert!(code == Some(0) && text.contains("MAILBOX OF") && text.contains("as the plugin says"), "{text}");
    let (_, json) = check(desk.path(), &["check", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let plugin = &json["actors"][0]["mailbox"]["plugin"];
    assert_eq!((&plugin["name"], &plugin["exports"][0]), (&"priority".into(), &"playhouse:actor/mailbox@0.2.0".into()));

    let no_mailbox = help_desk(&[("plugin = \"priority\"", "plugin = \"echo\"")]);
    let (code, text) = check(no_mailbox.path(), &["check"]);
    assert!(code == Some(2) && text.contains("does not export `playhouse:actor/mailbox@0.2.0`"), "{text}");
    assert!(text.contains("the mailbox plugin of `/desk`") && text.contains("playhouse.toml:15:10"), "{text}");

    let pin = format!("plugin = \"priority\"\nsha256 = \"{}\"", "0".repeat(64));
    let pinned = help_desk(&[("plugin = \"priority\"", &pin)]);
    let (code, text) = check(pinned.path(), &["check"]);
    assert!(code == Some(2) && text.contains("is not the file that the mailbox of `/desk` is pinned to"), "{text}");

    let file = root().join("plugins/priority.wasm").display().to_string();
    let (code, text) = check(desk.path(), &["inspect", &file]);
    assert!(code == Some(0) && text.contains("mailbox yes") && text.contains("actor   no: "), "{text}");
}
