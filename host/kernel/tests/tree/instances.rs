//! Actors with several instances: an instance restarts alone. Siblings restart only when the actor itself fails, which
//! happens when none of its instances is left.

use playhouse_kernel::supervision::events::{Ended, Event, Fault, NodeSpec, State};
use playhouse_kernel::{RestartKind, Strategy, SupervisionSpec};

use crate::house::*;

/// `a`, an actor with three instances, and `z`. All of them run.
fn house(strategy: Strategy) -> House {
    let mut house = House::new(SupervisionSpec { strategy, ..SUPERVISOR });
    house.add("a", PLAIN);
    let pausing = pausing(SECOND);
    let n1 = house.add("n1", pausing);
    house.add_instance("n2", n1, pausing);
    house.add_instance("n3", n1, pausing);
    house.add("z", PLAIN);
    house.step(Event::Boot);
    house.settle();
    house.lines();
    house
}

#[test]
fn instance_that_crashes_restarts_alone() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        for name in ["n1", "n2", "n3"] {
            let mut house = house(strategy);
            house.crash(name);
            house.settle();
            assert_eq!(house.lines(), [format!("{name}: restart 1 of 10"), format!("+{name}#2")], "{strategy:?}");
        }
    }
}

#[test]
fn actor_without_a_live_instance_takes_its_siblings_along() {
    let mut house = house(Strategy::RestForOne);
    for name in ["n3", "n1", "n2"] {
        house.crash(name);
    }
    house.settle();
    let lines = house.lines();
    assert_eq!(lines[..4], ["n3: restart 1 of 10", "n1: restart 2 of 10", "n2: restart 3 of 10", "-z"]);
    assert_eq!(lines[4..], ["+n1#2", "+n2#2", "+n3#2", "+z#2"]);

    let mut house = self::house(Strategy::OneForAll);
    for name in ["n1", "n2", "n3"] {
        house.crash(name);
    }
    house.settle();
    assert_eq!(house.lines()[3..], ["-z", "-a", "+a#2", "+n1#2", "+n2#2", "+n3#2", "+z#2"]);
}

#[test]
fn instance_that_crashes_at_boot_restarts_alone() {
    let mut house = House::new(SupervisionSpec { strategy: Strategy::OneForAll, ..SUPERVISOR });
    house.add("a", PLAIN);
    let n1 = house.add("n1", PLAIN);
    house.add_instance("n2", n1, PLAIN);
    house.step(Event::Boot);
    house.up("a");
    house.up("n1");
    house.lines();
    house.crash("n1");
    house.settle();
    assert_eq!(house.lines(), ["n1: restart 1 of 10", "+n1#2", "booted"]);
}

#[test]
fn siblings_that_restart_take_all_instances_along() {
    let mut house = house(Strategy::RestForOne);
    house.crash("n2");
    house.crash("a");
    house.settle();
    let lines = house.lines();
    assert_eq!(lines[1..5], ["a: restart 1 of 10", "-z", "-n3", "-n1"]);
    assert_eq!(lines[5..], ["+a#2", "+n1#2", "+n2#2", "+n3#2", "+z#2"]);
}

#[test]
fn instance_whose_restart_fails_is_tried_again_alone() {
    let mut house = house(Strategy::RestForOne);
    house.crash("n1");
    house.wait(SECOND);
    house.end("n1", Ended::FailedStart);
    house.settle();
    assert_eq!(house.lines(), ["n1: restart 1 of 10", "+n1#2", "n1: restart 2 of 10", "+n1#3"]);
    assert_eq!(house.state("z"), State::Running);
}

/// `a` with two instances, and `z`: the first failure of `a` exceeds its window.
fn two(spec: NodeSpec) -> House {
    let mut house = House::new(SupervisionSpec { intensity: 0, ..SUPERVISOR });
    let first = house.add("a", spec);
    house.add_instance("a'", first, spec);
    house.add("z", PLAIN);
    house.step(Event::Boot);
    house.answer();
    house.lines();
    house
}

const TRANSIENT: NodeSpec =
    NodeSpec { kind: RestartKind::Transient, cooldown: Some(SECOND.saturating_mul(60)), ..PLAIN };

#[test]
fn last_instance_that_ends_fails_an_actor_with_a_failed_one() {
    let mut house = two(TRANSIENT);
    house.crash("a");
    assert_eq!(house.lines(), ["a failed: too often"]);
    house.wait(SECOND);
    house.end("a'", Ended::Exited);
    assert_eq!(house.lines(), ["retire a'", "a failed: too often"], "now as a whole");
    assert_eq!(house.view("a").failed.and_then(|failed| failed.trial_at), Some(60 * SECOND), "its trial stays due");
    house.wait(60 * SECOND);
    assert_eq!(house.lines(), ["a is failed no more", "+a#2"]);
}

#[test]
fn required_actor_fails_with_its_last_instance() {
    for failed_first in [true, false] {
        let mut house = two(NodeSpec { required: true, ..TRANSIENT });
        if failed_first {
            house.crash("a");
            house.end("a'", Ended::Exited);
        } else {
            house.end("a'", Ended::Exited);
            house.crash("a");
        }
        house.answer();
        assert_eq!(house.watcher.over, Some(true), "failed first: {failed_first}");
    }
}

#[test]
fn required_temporary_actor_lives_with_its_last_instance() {
    let mut house = two(NodeSpec { required: true, kind: RestartKind::Temporary, ..PLAIN });
    house.crash("a");
    house.answer();
    assert_eq!((house.watcher.over, house.state("a'")), (None, State::Running));
    house.crash("a'");
    house.answer();
    assert_eq!(house.watcher.over, Some(true));
}

#[test]
fn failed_order_of_the_last_instance_fails_its_actor() {
    let mut house = two(NodeSpec { kind: RestartKind::Permanent, ..TRANSIENT });
    for name in ["a", "a'"] {
        house.halt(name);
    }
    house.answer();
    for name in ["a", "a'"] {
        house.resume(name);
    }
    house.up("a");
    house.crash("a");
    house.lines();
    house.end("a'", Ended::FailedStart);
    assert_eq!(house.lines(), ["a' did not start", "a failed: too often"]);
}

#[test]
fn instances_outlive_their_first_one() {
    let mut house = House::of(&[("p", PLAIN)]);
    let first = house.add("p/a", DYNAMIC);
    house.add_instance("p/a'", first, DYNAMIC);
    for name in ["p/a", "p/a'"] {
        house.step(Event::Spawned(house.node(name)));
    }
    house.end("p/a", Ended::FailedStart);
    assert!(house.is_gone("p/a"));
    house.answer();
    house.lines();
    house.crash_over("p/a'", 3, Fault::Batch);
    house.answer();
    assert_eq!(house.lines(), ["p/a': restart 0 of 10", "+p/a'#2"], "three messages outweigh the failure");
    house.crash("p/a'");
    assert_eq!(house.lines(), ["p/a': restart 1 of 10", "+p/a'#3"]);
}
