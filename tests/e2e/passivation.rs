//! Actors without an instance: kept from their start by `decide_to_start`, started by a message, passivated when idle; and
//! stopped by an operator, also when their parent restarts.

use rustix::process::Signal;

use crate::harness::{Ended, Host, actors, folder};

/// Stops the host in order, as Ctrl-C does.
fn stopped(host: Host) -> Ended {
    host.signal(Signal::INT);
    host.end()
}

/// The actor `/watch`, which starts only while `/sun` is stopped, with more keys for `/watch`.
fn watch(keys: &str) -> String {
    let watch = "[[actor]]\naddress = \"/watch\"\nplugin = \"nightwatch\"\n";
    format!("{}{watch}{keys}", actors(&[("/sun", "counter")]))
}

#[test]
fn decide_to_start_delays_a_start_while_messages_wait() {
    let keys = "config = { recheck_ms = 60000 }\n[actor.mailbox]\ncapacity = 3\noverflow = \"reject\"\n";
    let host = Host::start(folder(&watch(keys)), &[]);
    assert_eq!(host.actor("/watch")["state"], "waiting");
    for n in 0..3 {
        host.ok(&["tell", "/watch", &n.to_string()]);
    }
    let refused = host.run(&["tell", "/watch", "one too many"]);
    assert!(!refused.status.success(), "the mailbox has its limits");
    // A message has the code asked again.
    let watch = host.actor_when("/watch", |watch| watch["state"] == "waiting");
    assert_eq!((&watch["waiting"], &watch["restarts"]), (&3.into(), &0.into()));
    host.ok(&["stop", "/sun"]);
    // An operator's start takes effect without another message.
    host.ok(&["start", "/watch"]);
    host.actor_when("/watch", |watch| watch["handled"] == 3);
    assert_eq!(stopped(host).stdout, "call 1: 0\ncall 2: 1\ncall 3: 2\ngoes home after 3\n");
}

#[test]
fn decide_to_start_is_asked_again_when_its_time_has_passed() {
    let host = Host::start(folder(&watch("config = { recheck_ms = 20 }\n")), &[]);
    host.ok(&["tell", "/watch", "noise"]);
    host.ok(&["stop", "/sun"]);
    host.actor_when("/watch", |watch| watch["handled"] == 1);
}

#[test]
fn actor_starts_on_a_message_and_is_passivated_when_idle() {
    let keys = "start = \"on-message\"\nidle = \"stop\"\nidle_after = \"20ms\"\nconfig = { sun = \"/moon\" }\n";
    let host = Host::start(folder(&watch(keys)), &[]);
    let watch = host.actor("/watch");
    assert_eq!((&watch["state"], &watch["incarnation"]), (&"passivated".into(), &0.into()));
    for run in 1..=3 {
        assert_eq!(host.ok(&["ask", "/watch", "noise"]), format!("run {run}, call 1"));
        let watch = host.actor_when("/watch", |watch| watch["state"] == "passivated");
        assert_eq!(
            (&watch["incarnation"], &watch["restarts"], &watch["handled"]),
            (&run.into(), &0.into(), &run.into())
        );
    }
    assert_eq!(stopped(host).stdout, "call 1: noise\ngoes home after 1\n".repeat(3));
}

#[test]
fn actors_beyond_max_instances_take_turns_and_lose_no_message() {
    let watches: String = (0..20)
        .map(|n| {
            format!("[[actor]]\naddress = \"/w{n}\"\nplugin = \"nightwatch\"\nidle = \"stop\"\nidle_after = \"1h\"\n")
        })
        .collect();
    let folder = folder(&watches);
    let manifest = folder.path().join("playhouse.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replacen("[play]", "[play]\nmax_instances = 3", 1)).unwrap();
    let tells: Vec<_> = (0..60).flat_map(|n| ["--tell".to_owned(), format!("/w{}=noise", n % 20)]).collect();
    let mut arguments: Vec<_> = tells.iter().map(String::as_str).collect();
    arguments.push("--until-idle");
    let ended = Host::spawn(folder, &arguments).end();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(ended.stdout.lines().filter(|line| line.ends_with(": noise")).count(), 60);
}

#[test]
fn child_stopped_by_operator_stays_stopped_at_parent_restart() {
    let flaky =
        "[[actor]]\naddress = \"/flaky\"\nplugin = \"flaky\"\nsends_to = [\"/sink\"]\nconfig = { to = \"/sink\" }\n";
    let manifest = format!("{}{flaky}{}", actors(&[("/sink", "counter")]), actors(&[("/flaky/child", "counter")]));
    let host = Host::start(folder(&manifest), &[]);
    host.ok(&["stop", "/flaky/child"]);
    host.ok(&["tell", "/flaky/child", "one more"]);
    host.ok(&["tell", "/flaky", "!panic"]);
    host.actor_when("/flaky", |flaky| flaky["restarts"].as_u64() >= Some(3) && flaky["state"] == "idle");
    let child = host.actor("/flaky/child");
    assert_eq!((&child["state"], &child["waiting"]), (&"stopped".into(), &1.into()));
    host.ok(&["start", "/flaky/child"]);
    assert_eq!(host.ok(&["ask", "/flaky/child", "get"]), "1");
}
