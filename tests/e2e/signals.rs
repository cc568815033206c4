use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::stage::{Host, actors, folder};

#[test]
fn ctrl_c_and_term_handle_what_waits_and_exit_with_0() {
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
fn the_first_ctrl_c_of_an_end_that_began_by_itself_only_says_so() {
    let manifest = "[play.supervision]\nshutdown = \"1h\"\n".to_owned()
        + &actors(&[("/flaky", "flaky")])
        + "mailbox = { capacity = 1, overflow = \"reject\" }\nlimits = { timeout = \"1h\" }\n";
    // A message that is refused ends the run while /flaky still sleeps.
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
    assert!(ended.stderr.contains("1 dead letter"), "what was in hand is not lost silently: {}", ended.stderr);
}

#[test]
fn host_that_was_stopped_crashes_no_actor() {
    let limit = Duration::from_secs(5);
    let manifest = actors(&[("/flaky", "flaky")]) + "[actor.limits]\ntimeout = \"5s\"\n";
    let mut host = Host::start(folder(&manifest), &["--tell", "/flaky=!sleep"]);
    host.actor_when("/flaky", |flaky| flaky["state"] == "running");
    host.signal(Signal::STOP);
    // The time that passes meanwhile is more than the actor has.
    std::thread::sleep(limit);
    let continued = Instant::now();
    host.signal(Signal::CONT);
    host.wait_for("did not finish within 5s");
    assert!(continued.elapsed() > limit / 5, "it had the rest of its time: {:?}", continued.elapsed());
}
