use crate::harness::{Host, actors, command, folder, root};

/// aplay's `max_tasks`, and several actors on one address.
#[test]
fn free_instances_answer_and_a_crashed_one_restarts() {
    let several = "instances = 2\n[actor.limits]\ntimeout = \"1h\"\n";
    let host = Host::start(folder(&(actors(&[("/flaky", "flaky")]) + several)), &[]);
    host.ok(&["tell", "/flaky", "!sleep"]);
    for _ in 0..3 {
        assert_eq!(host.ok(&["ask", "/flaky", "alive"]), "alive");
    }
    let crash = host.run(&["ask", "/flaky", "!panic"]);
    assert!(
        String::from_utf8_lossy(&crash.stderr).contains("the receiver panicked"),
        "only one instance took the message"
    );
    assert_eq!(host.ok(&["ask", "/flaky", "alive"]), "alive");
    let flaky =
        host.actor_when("/flaky", |actor| actor["handled"] == 4 && actor["dead_letters"] != serde_json::json!({}));
    let instances = flaky["instances"].as_array().unwrap();
    let mut seen: Vec<_> = instances.iter().map(|i| (i["incarnation"].as_u64(), i["restarts"].as_u64())).collect();
    seen.sort();
    assert!(matches!(seen[..], [(Some(1 | 2), Some(0)), (Some(3), Some(1))]), "{flaky}");
    assert_eq!((&flaky["incarnation"], &flaky["restarts"]), (&3.into(), &1.into()));
    assert!(host.ok(&["tree"]).contains("  2/2  "), "both instances are up");
}

#[test]
fn check_warns_of_instances_of_a_plugin_that_keeps_state() {
    let several = |at: &str, plugin: &str| actors(&[(at, plugin)]) + "instances = 4\n";
    let folder = folder(&(several("/counter", "counter") + &several("/echo", "echo")));
    let checked = command(folder.path()).arg("check").output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert!(checked.status.success() && stdout.contains("INSTANCES"), "{stdout}{stderr}");
    let warning = "warning: /counter runs 4 instances, and its plugin `counter` keeps state: messages may overtake each other, and each instance has its own state";
    assert!(stderr.contains(warning), "{stderr}");
    assert!(!stderr.contains("/echo"), "`/echo` keeps no state: {stderr}");
    let inspect = |plugin: &str| {
        let file = root().join("plugins").join(format!("{plugin}.wasm"));
        let output = command(folder.path()).args(["inspect", "--json"]).arg(file).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["keeps_state"].clone()
    };
    assert_eq!((inspect("counter"), inspect("echo")), (true.into(), false.into()));
}
