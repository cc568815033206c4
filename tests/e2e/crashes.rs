use crate::stage::{Host, actors, folder};

#[test]
fn a_loop_a_memory_bomb_and_a_stack_overflow_end_within_limits_while_others_answer() {
    let host = Host::start(folder(&actors(&[("/echo", "echo"), ("/flaky", "flaky")])), &[]);
    for (message, reason) in [
        ("!loop", "the receiver used up its CPU budget of 100ms (limits.cpu)"),
        ("!memory", "the receiver ran out of memory (limits.memory is 67108864 bytes)"),
        ("!stack", "the receiver overflowed its call stack"),
        ("!panic", "the receiver panicked: the message asked for a panic"),
    ] {
        std::thread::scope(|scope| {
            let crash = scope.spawn(|| host.run(&["ask", "/flaky", message]));
            for _ in 0..5 {
                assert_eq!(host.ok(&["ask", "/echo", "still there"]), "still there");
            }
            let crash = crash.join().unwrap();
            let stderr = String::from_utf8_lossy(&crash.stderr);
            assert_eq!(crash.status.code(), Some(1));
            assert!(stderr.contains(reason), "{message}: {stderr}");
        });
        assert_eq!(host.ok(&["ask", "/flaky", "alive"]), "alive", "it restarts after {message}");
    }
    let letters: serde_json::Value = serde_json::from_str(&host.ok(&["dead-letters", "list", "--json"])).unwrap();
    assert_eq!(letters.to_string().matches("\"ask-crashed\"").count(), 4 + 1, "four letters and a counter: {letters}");
}

#[test]
fn a_blocked_host_call_ends_with_the_timeout() {
    let limits = "[actor.limits]\ntimeout = \"50ms\"\n";
    let host = Host::start(folder(&(actors(&[("/flaky", "flaky")]) + limits)), &[]);
    let asked = host.run(&["ask", "/flaky", "!sleep"]);
    let stderr = String::from_utf8_lossy(&asked.stderr);
    assert!(stderr.contains("did not finish within 50ms (limits.timeout)"), "{stderr}");
    assert_eq!(host.ok(&["ask", "/flaky", "alive"]), "alive");
}

#[test]
fn a_blocked_host_call_within_a_batch_has_the_time_of_one_message() {
    let limits = "[actor.restart]\nattempts = 1\n[actor.limits]\ntimeout = \"300ms\"\n";
    let mut host =
        Host::start(folder(&(actors(&[("/flaky", "flaky")]) + limits)), &["--stdin", "/flaky", "--until-idle"]);
    host.feed(&[&b"a line\n".repeat(1000)[..], b"!sleep\n", &b"a line\n".repeat(1000)[..]].concat());
    let ended = host.end();
    assert!(ended.stderr.contains("did not finish within 300ms (limits.timeout)"), "{}", ended.stderr);
    assert!(ended.stderr.contains("1 dead letter (crashed 1)"), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("did not finish within").count(), ended.stderr.matches("within 300ms").count());
}

#[test]
fn a_crash_is_shown_with_its_backtrace_in_the_tree() {
    let host = Host::start(folder(&actors(&[("/flaky", "flaky")])), &[]);
    host.run(&["ask", "/flaky", "!stack"]);
    let flaky = host.actor("/flaky");
    assert_eq!(flaky["last_crash"]["kind"], "stack", "{flaky}");
    assert!(flaky["last_crash"]["backtrace"].to_string().contains("flaky::descend"), "{flaky}");
}

#[test]
fn a_kernel_that_gives_up_says_what_led_there_and_exits_with_4() {
    let supervision = "[play.supervision]\nintensity = 1\n";
    let restart = "[actor.restart]\nbackoff = { initial = \"1ms\", max = \"1ms\" }\n";
    let manifest = supervision.to_owned() + &actors(&[("/flaky", "flaky")]) + restart;
    let ended = Host::start(folder(&manifest), &["--tell", "/flaky=!panic"]).end();
    assert_eq!(ended.status.code(), Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("/flaky (incarnation 2) panicked"), "{}", ended.stderr);
    assert!(ended.stderr.contains("/flaky (incarnation 1) panicked"), "{}", ended.stderr);
}
