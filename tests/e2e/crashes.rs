use expect_test::expect;

use crate::harness::{Host, actors, folder};

#[test]
fn loop_memory_bomb_and_stack_overflow_end_within_limits() {
    let host = Host::start(folder(&actors(&[("/echo", "echo"), ("/flaky", "flaky")])), &[]);
    for (message, reason) in [
        ("!loop", "the receiver used up its CPU budget of 100ms (limits.cpu)"),
        ("!memory", "the receiver ran out of memory (limits.memory is 64MiB)"),
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
        assert_eq!(host.ok(&["ask", "/flaky", "alive"]), "alive", "`/flaky` restarts after {message}");
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
fn blocked_host_call_in_a_batch_has_the_time_of_one_message() {
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
fn crash_is_shown_with_the_decision_about_it() {
    let host = Host::start(folder(&actors(&[("/flaky", "flaky")])), &[]);
    host.run(&["ask", "/flaky", "!panic"]);
    let flaky = host.actor_when("/flaky", |flaky| !flaky["last_crash"]["decision"].is_null());
    let crash = &flaky["last_crash"];
    assert_eq!((&crash["blamed"]["attempt"], &crash["blamed"]["of"]), (&1.into(), &3.into()), "{flaky}");
    let decision = &crash["decision"];
    assert_eq!((&decision["kind"], &decision["restarts"]), (&"restarts".into(), &1.into()), "{flaky}");
    assert_eq!((&decision["intensity"], &decision["period_ms"]), (&10.into(), &10_000.into()), "{flaky}");
}

#[test]
fn crash_is_one_log_line_and_its_backtrace_is_logged_once() {
    let mut host = Host::start(folder(&actors(&[("/flaky", "flaky")])), &["--tell", "/flaky=!stack", "--until-idle"]);
    host.wait_for("dead letter: ");
    let ended = host.end();
    let crashes: Vec<_> = ended.stderr.lines().filter(|line| line.contains("crashed: overflowed")).collect();
    let field = |name: &str, line: &str| {
        line.split(['\t', ' ']).find_map(|field| field.strip_prefix(name)).map(str::to_owned).unwrap_or_default()
    };
    let attempts: Vec<_> = crashes.iter().map(|line| field("attempt=", line)).collect();
    assert_eq!(attempts, ["1", "2", "3"], "{}", ended.stderr);
    let letter = ended.stderr.lines().find(|line| line.contains("dead letter: ")).expect("waited for");
    let flow = field("flow=", letter);
    assert_eq!((flow.len(), field("hops=", letter).as_str()), (32, "0"), "{letter}");
    assert!(crashes.iter().all(|line| field("flow=", line) == flow), "one flow: {}", ended.stderr);
    let functions: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("    at ")).collect();
    assert_eq!(functions, ["    at flaky::descend (32 times)"], "{}", ended.stderr);
}

/// The line with names in place of the parts that differ from run to run.
fn masked(line: &str) -> String {
    let line = line.split_once(" earlier").map_or_else(
        || line.to_owned(),
        |(start, rest)| format!("{}, TIME earlier{rest}", start.rsplit_once(", ").expect("a time").0),
    );
    match line.split_once("; message ") {
        Some((start, rest)) => format!("{start}; message ID{}", &rest[12..]),
        None => line,
    }
}

#[test]
fn required_actor_that_is_given_up_says_why_and_exits_with_4() {
    let supervision = "[play.supervision]\nintensity = 1\n";
    let parent = "required = true\nsupervision = { intensity = 0 }\n";
    let restart = "restart = { backoff = { initial = \"1ms\", max = \"1ms\" } }\n";
    let manifest = [supervision, &actors(&[("/p", "echo")]), parent, restart, &actors(&[("/p/f", "flaky")])].concat();
    let ended = Host::start(folder(&manifest), &["--tell", "/p/f=!panic"]).end();
    assert_eq!(ended.status.code(), Some(4), "{}", ended.stderr);
    let told = ended.stderr.find("playhouse: the play ends").map(|at| &ended.stderr[at..]).expect("it gives up");
    let told: Vec<_> = told.lines().map(masked).collect();
    expect![[r#"
        playhouse: the play ends with the required actor /p: 2 failures within 10s, and 1 restart is allowed ([play.supervision]); the latest failure first:
          /p (incarnation 2) gave up on its children: 1 failure within 10s, and no restart is allowed
          because /p/f (incarnation 2) panicked: the message asked for a panic (plugins/flaky/src/lib.rs:87:27); message ID, attempt 2 of 3
              stderr: panicked: the message asked for a panic (plugins/flaky/src/lib.rs:87:27)
              backtrace: flaky::make
                         playhouse_sdk::instance::Instance<A>::handle
                         playhouse:actor/handler@0.2.0#msg-handler
          /p (incarnation 1) gave up on its children: 1 failure within 10s, and no restart is allowed, TIME earlier
          because /p/f (incarnation 1) panicked: the message asked for a panic (plugins/flaky/src/lib.rs:87:27); message ID, attempt 1 of 3
              stderr: panicked: the message asked for a panic (plugins/flaky/src/lib.rs:87:27)
              backtrace: flaky::make
                         playhouse_sdk::instance::Instance<A>::handle
                         playhouse:actor/handler@0.2.0#msg-handler"#]].assert_eq(&told.join("\n"));
}
