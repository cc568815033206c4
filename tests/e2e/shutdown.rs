//! An end in order ends, whatever the guests do. Times here are bounds on a hang, not measurements: what a guest would take
//! is an hour.

use std::time::{Duration, Instant};

use crate::stage::{Host, actors, folder};

/// Actors that make this trouble when they stop, and may: only `shutdown` bounds them.
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
fn a_shutdown_ends_within_the_sum_of_its_times_although_guests_sleep_and_loop_in_it() {
    let host = Host::start(folder(&stubborn(&["sleep", "loop", "sleep", "loop"])), &["--until-idle"]);
    let began = Instant::now();
    let ended = host.end();
    assert!(began.elapsed() < Duration::from_secs(20), "four times 200 ms took {:?}", began.elapsed());
    assert_eq!(ended.stderr.matches("did not stop in time: killed").count(), 4, "{}", ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "what their hooks would have said is lost: {}", ended.stderr);
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
