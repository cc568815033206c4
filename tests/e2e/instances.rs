use crate::stage::{Host, actors, command, folder};

#[test]
fn while_one_instance_is_blocked_the_others_answer_and_one_that_crashes_comes_back() {
    let several = "instances = 2\n[actor.limits]\ntimeout = \"1h\"\n";
    let host = Host::start(folder(&(actors(&[("/flaky", "flaky")]) + several)), &[]);
    host.ok(&["tell", "/flaky", "!sleep"]);
    for _ in 0..3 {
        assert_eq!(host.ok(&["ask", "/flaky", "alive"]), "alive");
    }
    let crash = host.run(&["ask", "/flaky", "!panic"]);
    assert!(String::from_utf8_lossy(&crash.stderr).contains("the receiver panicked"), "only one took it");
    assert_eq!(host.ok(&["ask", "/flaky", "alive"]), "alive");
    let flaky = host.actor_when("/flaky", |actor| actor["handled"] == 5);
    let instances = flaky["instances"].as_array().unwrap();
    let mut seen: Vec<_> = instances.iter().map(|i| (i["incarnation"].as_u64(), i["restarts"].as_u64())).collect();
    seen.sort();
    assert!(matches!(seen[..], [(Some(1 | 2), Some(0)), (Some(3), Some(1))]), "{flaky}");
    assert_eq!((&flaky["incarnation"], &flaky["restarts"]), (&3.into(), &1.into()));
    assert!(host.ok(&["tree"]).contains("  2/2  "), "both are up");
}

#[test]
fn check_says_what_several_instances_mean() {
    let folder = folder(&(actors(&[("/echo", "echo")]) + "instances = 4\n"));
    let checked = command(folder.path()).arg("check").output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert!(checked.status.success() && stdout.contains("INSTANCES"), "{stdout}{stderr}");
    let warning = "warning: /echo runs 4 instances: messages may overtake each other, and what its code remembers, each instance remembers for itself";
    assert!(stderr.contains(warning), "{stderr}");
}
