use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Host, actors, folder};

#[test]
fn ctrl_c_and_term_handle_waiting_messages_and_exit_with_0() {
    for signal in [Signal::INT, Signal::TERM] {
        let manifest = include_str!("../../plugins/word-count/playhouse.toml");
        let (_, actors) = manifest.split_once("shutdown = ").unwrap();
        let host_folder = folder(&format!("[play.supervision]\nshutdown = {actors}"));
        let mut host = Host::start(host_folder, &["--stdin", "/split"]);
        host.feed(&b"two words\n".repeat(1000));
        host.actor_when("/split", |split| split["handled"] == 1000);
        host.signal(signal);
        let ended = host.end();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert_eq!(ended.stdout, "1000\ttwo\n1000\twords\n", "{}", ended.stderr);
    }
}

#[test]
fn first_ctrl_c_after_the_end_began_is_only_logged() {
    let manifest = "[play.supervision]\nshutdown = \"1h\"\n".to_owned()
        + &actors(&[("/flaky", "flaky")])
        + "mailbox = { capacity = 1, overflow = \"reject\" }\nlimits = { timeout = \"1h\" }\n";
    // A refused message ends the run while `/flaky` still sleeps.
    let tells = ["--tell", "/flaky=!sleep", "--tell", "/flaky=a", "--tell", "/flaky=b"];
    let mut host = Host::start(folder(&manifest), &tells);
    host.wait_for("found no room in the mailbox");
    host.signal(Signal::INT);
    host.wait_for("stopping in order");
    host.signal(Signal::INT);
    let ended = host.end();
    assert_eq!(ended.status.code(), Some(130), "{}", ended.stderr);
}

#[test]
fn a_second_ctrl_c_stops_at_once() {
    let manifest = "[play.supervision]\nshutdown = \"1h\"\n".to_owned()
        + &actors(&[("/flaky", "flaky")])
        + "[actor.limits]\ntimeout = \"1h\"\n";
    let mut host = Host::start(folder(&manifest), &["--tell", "/flaky=!sleep"]);
    host.actor_when("/flaky", |flaky| flaky["state"] == "running");
    host.signal(Signal::INT);
    host.wait_for("stopping in order");
    host.signal(Signal::INT);
    let ended = host.end();
    assert_eq!(ended.status.code(), Some(130), "{}", ended.stderr);
    assert!(ended.stderr.contains("1 dead letter"), "the message in process is a dead letter: {}", ended.stderr);
}

#[test]
fn host_that_was_stopped_crashes_no_actor() {
    let limit = Duration::from_secs(5);
    let manifest = actors(&[("/flaky", "flaky")]) + "[actor.limits]\ntimeout = \"5s\"\n";
    let mut host = Host::start(folder(&manifest), &["--tell", "/flaky=!sleep"]);
    host.actor_when("/flaky", |flaky| flaky["state"] == "running");
    host.signal(Signal::STOP);
    // The host is stopped for longer than the actor's time limit.
    std::thread::sleep(limit);
    let continued = Instant::now();
    host.signal(Signal::CONT);
    host.wait_for("did not finish within 5s");
    assert!(continued.elapsed() > limit / 5, "the actor had the remainder of its time: {:?}", continued.elapsed());
}
