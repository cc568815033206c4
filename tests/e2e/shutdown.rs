//! An orderly shutdown ends even if guests do not cooperate. Times here are limits on a hang, not measurements: without them a
//! guest would take an hour.

use std::time::{Duration, Instant};

use crate::harness::{Host, actors, folder};

/// Actors that sleep or loop in their shutdown hooks. Their own limits are an hour, so that only `shutdown` stops them.
fn stubborn(troubles: &[&str]) -> String {
    let actor = |(n, trouble): (usize, &&str)| {
        let config =
            format!("config = {{ at_shutdown = {trouble:?} }}\nlimits = {{ timeout = \"1h\", cpu = \"1h\" }}\n");
        actors(&[(&format!("/stubborn{n}"), "flaky")]) + &config
    };
    let all: String = troubles.iter().enumerate().map(actor).collect();
    format!("[play.supervision]\nshutdown = \"200ms\"\n{all}")
}

#[test]
fn shutdown_of_stubborn_guests_ends_within_their_time_limits() {
    let host = Host::start(folder(&stubborn(&["sleep", "loop", "sleep", "loop"])), &["--until-idle"]);
    let began = Instant::now();
    let ended = host.end();
    assert!(began.elapsed() < Duration::from_secs(20), "four times 200 ms took {:?}", began.elapsed());
    assert_eq!(ended.stderr.matches("did not stop in time: killed").count(), 4, "{}", ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "a killed hook is a failed shutdown: {}", ended.stderr);
}

#[test]
fn required_actor_that_fails_ends_a_stubborn_play_with_4() {
    let flaky = actors(&[("/flaky", "flaky")]) + "required = true\nrestart = { attempts = 1 }\n";
    let manifest = stubborn(&["sleep", "loop"]).replace("200ms\"", "200ms\"\nintensity = 0") + &flaky;
    let folder = folder(&manifest);
    let began = Instant::now();
    let ended = Host::spawn(folder, &["--tell", "/flaky=!panic"]).end();
    assert!(began.elapsed() < Duration::from_secs(20), "twice 200 ms took {:?}", began.elapsed());
    assert_eq!(ended.stderr.matches("did not stop in time: killed").count(), 2, "{}", ended.stderr);
    assert_eq!(ended.status.code(), Some(4), "{}", ended.stderr);
}
