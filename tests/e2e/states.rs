//! `[actor.state]` and `playhouse state`: on running hosts, on hosts that are killed, and on stores without one.

use std::io::Write;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::{Host, command, folder};

/// A play with the till, and its store in a folder of its own.
fn play(home: &TempDir) -> TempDir {
    let till = "[[actor]]\naddress = \"/till\"\nplugin = \"till\"\nmailbox = { kind = \"durable\" }\nstate = {}\n";
    folder(&format!("{till}[play.store]\npath = {:?}\n", store(home)))
}

fn store(home: &TempDir) -> String {
    home.path().join("store").display().to_string()
}

/// Runs `playhouse state` on a store without a host.
fn state(home: &TempDir, arguments: &[&str], stdin: &str) -> Output {
    let mut command = command(home.path());
    command.args([&["state"], arguments, &["--store", &store(home)]].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn sum_is_right_after_kill_9_at_any_moment() {
    let home = tempfile::tempdir().unwrap();
    let (mut confirmed, mut tried) = (0, 0);
    for round in 0..4_u64 {
        let mut host = Host::start(play(&home), &[]);
        let folder = host.folder.path().to_owned();
        // Payments go on while the host is killed, after a number of them that differs from round to round.
        let payer = std::thread::spawn(move || {
            let (mut confirmed, mut tried) = (0, 0);
            loop {
                tried += 1;
                let output = command(&folder).args(["tell", "/till", "1"]).output().unwrap();
                if !output.status.success() {
                    return (confirmed, tried);
                }
                confirmed += 1;
            }
        });
        host.actor_when("/till", |till| till["handled"].as_u64() >= Some(3 + round));
        host.die();
        let (more_confirmed, more_tried) = payer.join().unwrap();
        (confirmed, tried) = (confirmed + more_confirmed, tried + more_tried);
    }
    let host = Host::start(play(&home), &[]);
    host.actor_when("/till", |till| till["waiting"] == 0 && till["state"] == "idle");
    let answer: (u64, u64) = serde_json::from_str(&host.ok(&["ask", "/till", "sum"])).unwrap();
    assert_eq!(answer.0, answer.1, "each payment changed sum and count together");
    assert!(
        (confirmed..=tried).contains(&answer.0),
        "{confirmed} confirmed of {tried} payments, and the sum is {}",
        answer.0
    );
}

/// Looks again and again until it is so.
fn until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_mins(2);
    while !is_so() {
        assert!(Instant::now() < end, "it did not become so");
    }
}

/// A till whose values go soon, one whose values stay for long, and a family of the first kind.
fn expiring(home: &TempDir) -> TempDir {
    let till = "plugin = \"till\"\nmailbox = { kind = \"durable\" }\n";
    folder(&format!(
        "[play.store]\npath = {:?}\n\
         [[actor]]\naddress = \"/short\"\n{till}state = {{ expire = \"100ms\" }}\n\
         [[actor]]\naddress = \"/long\"\n{till}state = {{ expire = \"1d\" }}\n\
         [[family]]\naddress = \"/user/*\"\n{till}state = {{ expire = \"100ms\" }}\nidle_after = \"10ms\"\ncreate = [\"/\"]\n",
        store(home)
    ))
}

#[test]
fn values_go_after_their_time_over_hosts_that_are_killed() {
    let home = tempfile::tempdir().unwrap();
    let mut host = Host::start(expiring(&home), &[]);
    for address in ["/short", "/long", "/user/ada"] {
        assert_eq!(host.ok(&["ask", address, "40"]), "40", "{address}");
    }
    host.die();
    // No look at the values sees them for longer than their time, whether they are removed or not.
    until(|| text(&state(&home, &["keys", "/short"], "")).is_empty());
    assert_eq!(text(&state(&home, &["export", "/short"], "")), "");
    assert_eq!(state(&home, &["get", "/short", "sum"], "").status.code(), Some(1));
    let host = Host::start(expiring(&home), &[]);
    assert_eq!(host.ok(&["state", "keys", "/long"]), "payments\nsum\n");
    assert_eq!(host.ok(&["state", "keys", "/short"]), "");
    assert_eq!(host.ok(&["ask", "/long", "2"]), "42");
    assert_eq!(host.ok(&["ask", "/short", "2"]), "2", "the sum began anew");
    // The bytes are given back, and the member that keeps nothing is gone, although neither works again.
    host.actor_when("/short", |till| till["state_bytes"]["used"] == 0);
    let members = || -> serde_json::Value {
        let tree: serde_json::Value = serde_json::from_str(&host.ok(&["tree", "--json"])).unwrap();
        let actors = tree["actors"].as_array().unwrap();
        actors.iter().find_map(|actor| actor.get("family").filter(|family| !family.is_null())).unwrap()["members"]["used"].clone()
    };
    until(|| members() == 0);
}

#[test]
fn operator_changes_the_state_of_a_stopped_actor() {
    let home = tempfile::tempdir().unwrap();
    let host = Host::start(play(&home), &[]);
    host.ok(&["tell", "/till", "40"]);
    host.actor_when("/till", |till| till["handled"] == 1);
    assert_eq!(host.ok(&["state", "keys", "/till"]), "payments\nsum\n");
    assert_eq!(host.ok(&["state", "keys", "/till", "su", "--json"]), "[\n  \"sum\"\n]\n");
    assert_eq!(host.ok(&["state", "get", "/till", "sum"]), "40");
    let json: serde_json::Value = serde_json::from_str(&host.ok(&["state", "get", "/till", "sum", "--json"])).unwrap();
    assert_eq!(json, serde_json::json!({ "key": "sum", "text": "40" }));
    let refused = host.run(&["state", "set", "/till", "sum", "41"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("may change its state itself: stop it first: `playhouse stop /till`"), "{said}");
    let missing = host.run(&["state", "get", "/till", "nothing"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("`/till` has no value under the key `nothing`"));
    host.ok(&["stop", "/till"]);
    assert_eq!(host.ok(&["state", "set", "/till", "sum", "41"]), "set 1 key\n");
    assert_eq!(host.ok(&["state", "set", "/till", "note", "x"]), "set 1 key\n");
    assert_eq!(host.ok(&["state", "delete", "/till", "note", "--json"]), "{\"changed\":1}\n");
    let missing = host.run(&["state", "delete", "/till", "note"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("`/till` has no value under the key `note`"));
    host.ok(&["start", "/till"]);
    assert_eq!(host.ok(&["ask", "/till", "1"]), "42");
    let tree: serde_json::Value = serde_json::from_str(&host.ok(&["tree", "--json"])).unwrap();
    let bytes = &tree["actors"][0]["state_bytes"];
    assert_eq!((bytes["used"].as_u64(), bytes["most"].as_u64()), (Some(8 + 1 + 64 + 3 + 2 + 64), Some(64 << 20)));
    assert!(host.ok(&["tree"]).contains("STORED STATE"));
    let unknown = host.run(&["state", "keys", "/tell"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean `/till`?"));
}

#[test]
fn state_is_moved_with_export_and_import_without_a_host() {
    let home = tempfile::tempdir().unwrap();
    let host = Host::start(play(&home), &[]);
    host.ok(&["tell", "/till", "40"]);
    host.actor_when("/till", |till| till["handled"] == 1);
    host.signal(Signal::INT);
    assert_eq!(host.end().status.code(), Some(0));
    let exported = text(&state(&home, &["export", "/till"], ""));
    assert_eq!(exported, "{\"key\":\"payments\",\"text\":\"1\"}\n{\"key\":\"sum\",\"text\":\"40\"}\n");
    assert_eq!(text(&state(&home, &["set", "/till", "sum"], "7")), "set 1 key\n");
    assert_eq!(text(&state(&home, &["get", "/till", "sum"], "")), "7");
    assert_eq!(text(&state(&home, &["delete", "/till", "payments"], "")), "deleted 1 key\n");
    let missing = state(&home, &["delete", "/till", "payments"], "");
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("`/till` has no value under the key `payments`"));
    assert_eq!(text(&state(&home, &["keys", "/till"], "")), "sum\n");
    let more: String = (0..2500).map(|n| format!("{{\"key\":\"k{n}\",\"base64\":\"/wA=\"}}\n")).collect();
    assert_eq!(text(&state(&home, &["import", "/till"], &format!("{exported}\n{more}"))), "imported 2502 keys\n");
    assert_eq!(text(&state(&home, &["export", "/till"], "")).lines().count(), 2502);
    let bad = state(&home, &["import", "/till"], "{\"key\":\"sum\"}\n");
    assert_eq!(bad.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("line 1 of stdin is no line of an export"));
    let unknown = state(&home, &["keys", "/nobody"], "");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("the store has no actor `/nobody`"));
    let host = Host::start(play(&home), &[]);
    assert_eq!(host.ok(&["ask", "/till", "2"]), "42");
    let taken = state(&home, &["set", "/till", "sum", "1"], "");
    assert_eq!(taken.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&taken.stderr).contains("the store is in use by process"));
}

#[test]
fn plugin_that_imports_state_needs_the_grant() {
    let folder = folder("[[actor]]\naddress = \"/till\"\nplugin = \"till\"\n");
    for arguments in [&["check"][..], &["run", "--no-socket"]] {
        let output = command(folder.path()).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains("`/till` is not granted what its plugin imports: `playhouse:actor/state@0.2.0`"),
            "{said}"
        );
        assert!(said.contains("give it state = {} and mailbox"), "{said}");
    }
}

#[test]
fn check_shows_the_state_that_is_granted() {
    let home = tempfile::tempdir().unwrap();
    let output = command(play(&home).path()).args(["check"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("state up to 64.0 MiB"), "{said}");
}
