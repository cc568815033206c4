//! Children that come and go while the play runs.

use playhouse_kernel::supervision::events::{Ended, Event, NodeSpec, ROOT, State};
use playhouse_kernel::supervision::tree::Tree;
use playhouse_kernel::{RestartKind, Strategy, SupervisionSpec};

use crate::house::*;

#[test]
fn a_spawned_child_starts_at_once_when_its_parent_is_up() {
    let mut house = House::of(&[("p", PLAIN), ("p/a", PLAIN)]);
    house.spawn("p/d", PLAIN);
    assert_eq!(house.lines(), ["+p/d#1"]);
}

#[test]
fn failed_spawned_child_does_not_fail_a_booting_parent() {
    let mut house = House::new(SUPERVISOR);
    for name in ["p", "p/a"] {
        house.add(name, PLAIN);
    }
    house.step(Event::Boot);
    house.up("p");
    house.spawn("p/d", PLAIN);
    assert_eq!(house.lines(), ["+p#1", "+p/a#1", "+p/d#1"]);
    house.end("p/d", Ended::FailedStart);
    assert_eq!(house.lines(), ["p/d did not start", "forget p/d"]);
}

#[test]
fn children_spawned_in_init_start_after_their_parent() {
    let mut house = House::new(SUPERVISOR);
    for name in ["p", "p/a"] {
        house.add(name, PLAIN);
    }
    house.step(Event::Boot);
    house.spawn("p/d", PLAIN);
    house.spawn("p/e", PLAIN);
    house.settle();
    assert_eq!(house.lines(), ["+p#1", "+p/a#1", "+p/d#1", "+p/e#1", "booted"]);
}

#[test]
fn a_child_spawned_while_a_group_restarts_starts_in_its_turn() {
    let mut house = House::of_kernel(
        SupervisionSpec { strategy: Strategy::OneForAll, ..SUPERVISOR },
        &[("a", PLAIN), ("b", PLAIN)],
    );
    house.crash("a");
    house.spawn("d", PLAIN);
    house.settle();
    assert_eq!(house.lines(), ["a: restart 1 of 10", "-b", "+a#2", "+b#2", "+d#1"]);
}

#[test]
fn child_spawned_by_a_stopping_parent_is_removed() {
    let mut house = House::of(&[("p", PLAIN)]);
    house.halt("p");
    house.spawn("p/d", PLAIN);
    assert_eq!(house.lines(), ["-p", "forget p/d"]);
    house.settle();
    house.spawn("p/e", PLAIN);
    assert_eq!(house.lines(), ["forget p/e"]);
}

#[test]
fn dismissed_child_drains_with_its_descendants() {
    let mut house = House::of(&[("p", PLAIN)]);
    for name in ["p/d", "p/d/x", "p/d/y"] {
        house.spawn(name, PLAIN);
        house.settle();
    }
    house.lines();
    house.dismiss("p/d");
    house.settle();
    let stops = ["-p/d/y drained", "-p/d/x drained", "-p/d drained"];
    let gone = ["forget p/d/y", "forget p/d/x", "forget p/d"];
    assert_eq!(house.lines(), [stops, gone].concat());
    assert!(house.is_gone("p/d"));
}

#[test]
fn dismissed_child_that_crashes_drains_and_counts_no_restart() {
    let mut house = House::of(&[("p", PLAIN)]);
    house.spawn("p/d", PLAIN);
    house.settle();
    house.dismiss("p/d");
    house.crash("p/d");
    assert_eq!(house.lines(), ["+p/d#1", "-p/d drained", "+p/d#2", "-p/d drained"]);
    house.end("p/d", Ended::Stopped);
    assert_eq!(house.lines(), ["forget p/d"]);
}

#[test]
fn child_dismissed_in_backoff_drains_before_it_is_gone() {
    let mut house = House::of(&[("p", PLAIN)]);
    house.spawn("p/d", pausing(SECOND));
    house.settle();
    house.crash("p/d");
    house.lines();
    house.dismiss("p/d");
    assert_eq!(house.lines(), ["+p/d#2", "-p/d drained"]);
    house.end("p/d", Ended::Stopped);
    assert_eq!(house.lines(), ["forget p/d"]);
}

#[test]
fn dismissed_child_of_the_plan_returns_with_its_parent() {
    let mut house = House::of(&[("p", PLAIN), ("p/a", PLAIN)]);
    house.dismiss("p/a");
    house.settle();
    assert_eq!((house.lines(), house.state("p/a")), (vec!["-p/a drained".into(), "retire p/a".into()], State::Ended));
    house.crash("p");
    house.settle();
    assert_eq!(house.state("p/a"), State::Running);
}

#[test]
fn a_dynamic_child_that_ends_for_good_is_forgotten() {
    for (restart, how) in [(RestartKind::Temporary, Ended::Crashed), (RestartKind::Transient, Ended::Exited)] {
        let mut house = House::of(&[("p", PLAIN)]);
        house.spawn("p/d", kind(restart));
        house.settle();
        house.lines();
        house.end("p/d", how);
        assert_eq!(house.lines(), ["forget p/d"]);
    }
}

/// A crashed parent, whose children d and e wait for its next incarnation.
fn orphaned() -> House {
    let mut house = House::of(&[("p", PLAIN), ("p/a", PLAIN)]);
    for name in ["p/d", "p/e"] {
        house.spawn(name, PLAIN);
        house.settle();
    }
    house.lines();
    house.crash("p");
    house.answer_times(3);
    assert_eq!(house.lines(), ["-p/e", "-p/d", "-p/a", "p: restart 1 of 10", "+p#2"]);
    house
}

#[test]
fn orphans_wait_for_the_next_incarnation_to_adopt_them() {
    let mut house = orphaned();
    assert_eq!(house.state("p/d"), State::Down);
    for name in ["p/e", "p/d"] {
        house.step(Event::Adopted(house.node(name)));
    }
    house.settle();
    assert_eq!(house.lines(), ["+p/a#2", "+p/e#2", "+p/d#2"], "in the order of adoption");
}

#[test]
fn orphans_without_adoption_are_removed() {
    let mut house = orphaned();
    house.step(Event::Adopted(house.node("p/d")));
    house.settle();
    assert_eq!(house.lines(), ["forget p/e", "+p/a#2", "+p/d#2"]);
}

#[test]
fn adopted_child_has_new_settings_and_stays_stopped() {
    let mut house = orphaned();
    let (d, e) = (house.node("p/d"), house.node("p/e"));
    house.halt("p/e");
    for node in [d, e] {
        assert!(house.tree.respec(node, pausing(SECOND)));
        house.step(Event::Adopted(node));
    }
    house.settle();
    assert_eq!((house.state("p/d"), house.state("p/e")), (State::Running, State::Stopped));
    house.crash("p/d");
    assert_eq!(house.state("p/d"), State::BackingOff);
}

#[test]
fn orphans_outlive_a_failed_start_of_their_parent() {
    let mut house = orphaned();
    house.step(Event::Adopted(house.node("p/d")));
    house.end("p", Ended::FailedStart);
    assert_eq!(house.lines(), ["p: restart 2 of 10", "+p#3"]);
    house.step(Event::Adopted(house.node("p/d")));
    house.settle();
    assert_eq!(house.lines(), ["forget p/e", "+p/a#2", "+p/d#2"]);
    house.dismiss("p");
    house.settle();
    let stops = ["-p/d drained", "-p/a drained", "-p drained"];
    assert_eq!(house.lines(), [&stops[..], &["forget p/d", "retire p/a", "retire p"]].concat());
}

#[test]
fn children_of_a_stopped_parent_wait_for_its_next_run() {
    let mut house = House::of(&[("p", PLAIN)]);
    house.spawn("p/d", PLAIN);
    house.settle();
    house.halt("p");
    house.settle();
    assert!(!house.is_gone("p/d"));
    house.resume("p");
    house.settle();
    assert!(house.is_gone("p/d"), "no actor ordered it");
}

#[test]
fn children_of_a_parent_that_gives_up_are_forgotten() {
    let strict = NodeSpec { supervision: SupervisionSpec { intensity: 0, ..SUPERVISOR }, ..PLAIN };
    let mut house = House::of(&[("p", strict)]);
    for name in ["p/d", "p/e"] {
        house.spawn(name, PLAIN);
        house.settle();
    }
    house.lines();
    house.crash("p/d");
    house.answer_times(2);
    let gave_up = ["p gave up on p/d: too often", "-p/e", "-p", "forget p/e", "forget p/d"];
    assert_eq!(house.lines(), [&gave_up[..], &["p: restart 1 of 10", "+p#2"]].concat());
}

#[test]
fn event_about_a_removed_node_has_no_effect() {
    let mut house = House::of(&[("p", PLAIN)]);
    let old = house.spawn("p/d", PLAIN);
    house.settle();
    house.dismiss("p/d");
    house.settle();
    let new = house.spawn("p/e", PLAIN);
    assert_eq!((old.index(), old == new), (new.index(), false), "the place is used again");
    house.settle();
    house.lines();
    for event in [Event::Ended(old, 1, Ended::Crashed), Event::Halt(old), Event::Dismiss(old), Event::Spawned(old)] {
        house.step(event);
    }
    assert_eq!((house.lines().len(), house.state("p/e")), (0, State::Running));
}

#[test]
fn a_million_spawns_keep_no_memory() {
    let mut tree = Tree::new(SUPERVISOR, 7);
    tree.step(SECOND, Event::Boot);
    for _ in 0..1_000_000 {
        let node = tree.add(ROOT, DYNAMIC).unwrap();
        tree.step(SECOND, Event::Spawned(node));
        tree.step(SECOND, Event::Started(node, 1));
        tree.step(SECOND, Event::Dismiss(node));
        tree.step(SECOND, Event::Ended(node, 1, Ended::Stopped));
        assert_eq!((node.index(), tree.len(), tree.next_timer()), (1, 0, None));
    }
}

#[test]
fn ten_thousand_children_cost_no_walk_over_siblings() {
    let mut house = Tree::new(SUPERVISOR, 7);
    house.step(SECOND, Event::Boot);
    let mut nodes = Vec::new();
    for _ in 0..10_000 {
        let node = house.add(ROOT, DYNAMIC).unwrap();
        house.step(SECOND, Event::Spawned(node));
        house.step(SECOND, Event::Started(node, 1));
        nodes.push(node);
    }
    // Any quadratic walk would take minutes here.
    for _ in 0..20 {
        for node in &mut nodes {
            house.step(SECOND, Event::Dismiss(*node));
            house.step(SECOND, Event::Ended(*node, 1, Ended::Stopped));
            *node = house.add(ROOT, DYNAMIC).unwrap();
            house.step(SECOND, Event::Spawned(*node));
            house.step(SECOND, Event::Started(*node, 1));
        }
    }
    assert_eq!(house.len(), 10_000);
}
