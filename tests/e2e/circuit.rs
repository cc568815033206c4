//! An actor that fails too often: the play goes on without it, and an operator sees why and tries it again.

use super::harness::*;

/// Under a kernel that allows two failures: `/flaky` fails with each message, and `/echo` is its neighbour.
fn two(extra: &str) -> String {
    let kernel = "[play.supervision]\nintensity = 2\n";
    let flaky = format!(
        "{}batch = 1\n{extra}restart = {{ attempts = 1, backoff = {{ initial = \"1ms\", max = \"1ms\" }} }}\n",
        actors(&[("/flaky", "flaky")])
    );
    [kernel, &actors(&[("/echo", "echo")]), &flaky].concat()
}

const BAD: [&str; 6] = ["--tell", "/flaky=!panic 1", "--tell", "/flaky=!panic 2", "--tell", "/flaky=!panic 3"];

#[test]
fn failed_actor_is_shown_refuses_asks_and_is_tried_again() {
    let host = Host::start(folder(&two("")), &BAD);
    let flaky = host.actor_when("/flaky", |flaky| flaky["state"] == "failed");
    let failed = &flaky["failed"];
    assert_eq!(
        (&failed["actor"], &failed["why"]),
        (&"/flaky".into(), &"3 failures within 10s, and 2 restarts are allowed".into())
    );
    assert!(failed["next_trial_in_ms"].as_u64().is_some_and(|ms| (1..=60_000).contains(&ms)), "{flaky}");
    let tree = host.ok(&["tree"]);
    assert!(tree.contains("/flaky is failed since ") && tree.contains("or `playhouse start /flaky`"), "{tree}");
    let refused = host.run(&["ask", "/flaky", "x"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("the receiver is failed") && said.contains("`playhouse start /flaky`"), "{said}");
    assert_eq!((refused.status.code(), host.ok(&["ask", "/echo", "x"]).as_str()), (Some(1), "x"));
    host.ok(&["tell", "/flaky", "fine"]);
    assert_eq!(host.actor("/flaky")["waiting"], 1);
    host.ok(&["start", "/flaky"]);
    host.actor_when("/flaky", |flaky| flaky["state"] == "idle" && flaky["waiting"] == 0);
    assert_eq!(host.ok(&["ask", "/flaky", "y"]), "y");
}

#[test]
fn a_run_until_idle_ends_with_1_and_names_its_failed_actors() {
    let extra = ["--tell", "/flaky=waits", "--tell", "/echo=x", "--until-idle"];
    let ended = Host::start(folder(&two("")), &[&BAD[..], &extra].concat()).end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("playhouse: 1 actor failed:\n  /flaky: 3 failures within 10s"), "{}", ended.stderr);
    assert!(ended.stderr.contains("4 dead letters (crashed 3, stopped 1)"), "{}", ended.stderr);
}

#[test]
fn input_to_a_failed_actor_does_not_wait_for_space() {
    let mut host = Host::start(folder(&two("mailbox = { capacity = 2 }\n")), &["--stdin", "/flaky", "--until-idle"]);
    host.feed("!panic\n".repeat(50).as_bytes());
    let ended = host.end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("of the input found no room in the mailbox of /flaky"), "{}", ended.stderr);
}

#[test]
fn a_required_actor_that_fails_ends_the_play_with_4() {
    let ended = Host::start(folder(&two("required = true\n")), &BAD).end();
    assert_eq!(ended.status.code(), Some(4), "{}", ended.stderr);
    let said = "the play ends with the required actor /flaky: 3 failures within 10s";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("  /flaky (incarnation ").count(), 3, "{}", ended.stderr);
}

#[test]
fn poison_lines_among_a_thousand_cost_nothing_else() {
    let manifest = actors(&[("/echo", "echo"), ("/flaky", "flaky")]);
    let mut host = Host::start(folder(&manifest), &["--stdin", "/flaky", "--until-idle"]);
    let line = |n| if n % 333 == 5 { "!panic\n".to_owned() } else { format!("{n}\n") };
    host.feed((0..1000).map(line).collect::<String>().as_bytes());
    let ended = host.end();
    assert_ne!(ended.status.code(), Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("3 dead letters (crashed 3)"), "{}", ended.stderr);
}

#[test]
fn check_names_required_actors_and_refuses_those_below() {
    let shown = |manifest: &str| {
        let folder = folder(manifest);
        let output = command(folder.path()).arg("check").output().expect("built");
        (output.status.code(), [output.stdout, output.stderr].concat())
    };
    let (code, said) = shown(&two("required = true\n"));
    let said = String::from_utf8_lossy(&said).into_owned();
    let row = said.lines().find(|line| line.starts_with("/flaky")).unwrap_or_default();
    assert!(code == Some(0) && said.contains("REQUIRED") && row.contains("yes"), "{said}");
    let below = format!(
        "{}{}required = true\nrestart = {{ cooldown = \"1s\" }}\n",
        actors(&[("/p", "echo")]),
        actors(&[("/p/c", "echo")])
    );
    let (code, said) = shown(&below);
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(
        code == Some(2) && said.contains("let `/p` be required") && said.contains("`cooldown` has no meaning here"),
        "{said}"
    );
}

#[test]
fn decision_to_fail_an_actor_is_logged_whatever_it_wrote() {
    let flaky = actors(&[("/flaky", "flaky")])
        + "restart = { attempts = 1, backoff = { initial = \"1ms\", max = \"1ms\" } }\nlimits = { log_lines = 1 }\n";
    let mut host = Host::spawn(folder(&flaky), &["--stdin", "/flaky", "--until-idle"]);
    host.feed("!panic\n".repeat(20).as_bytes());
    let ended = host.end();
    assert!(ended.stderr.contains("ERROR /flaky failed: "), "{}", ended.stderr);
}

#[test]
fn tree_shows_an_instance_that_failed_alone() {
    let host = Host::start(folder(&two("instances = 2\n")), &BAD);
    let failed = |flaky: &serde_json::Value| {
        let instances = flaky["instances"].as_array().cloned().unwrap_or_default();
        instances.into_iter().find(|instance| instance["state"] == "failed")
    };
    // The other instance may have had one of the messages, and may start again for a moment.
    let flaky = host.actor_when("/flaky", |flaky| failed(flaky).is_some() && flaky["state"] == "idle");
    assert_eq!(&flaky["failed"], &serde_json::Value::Null, "{flaky}");
    let failed = failed(&flaky).unwrap();
    assert_eq!(failed["failed"]["why"], "3 failures within 10s, and 2 restarts are allowed", "{failed}");
    let tree = host.ok(&["tree"]);
    let shown =
        tree.contains("/flaky has 1 of 2 instances failed since ") && tree.contains("the next trial start is in");
    assert!(shown, "{tree}");
}
