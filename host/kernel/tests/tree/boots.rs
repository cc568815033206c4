//! Starts that fail: at the boot, by an operator's order, and of spawned children.

use playhouse_kernel::supervision::events::{Ended, Event, NodeSpec, ROOT, State};
use playhouse_kernel::{RestartKind, StartKind, Strategy, SupervisionSpec};

use crate::house::*;

const MANUAL: NodeSpec = NodeSpec { start: StartKind::Manual, ..PLAIN };

/// A parent whose second child still starts during the boot.
fn coming_up(parent: NodeSpec) -> House {
    let mut house = House::new(SUPERVISOR);
    house.add("g", PLAIN);
    house.add("g/p", parent);
    for name in ["g/p/a", "g/p/b", "g/z"] {
        house.add(name, PLAIN);
    }
    house.step(Event::Boot);
    house.up("g");
    house.up("g/p");
    house.up("g/p/a");
    assert_eq!(house.lines(), ["+g#1", "+g/p#1", "+g/p/a#1", "+g/p/b#1"]);
    house
}

#[test]
fn parent_that_crashes_at_boot_restarts_with_its_children() {
    let mut house = coming_up(PLAIN);
    house.crash("g/p");
    house.settle();
    let again = ["-g/p/b", "-g/p/a", "g/p: restart 1 of 10", "+g/p#2", "+g/p/a#2", "+g/p/b#2", "+g/z#1", "booted"];
    assert_eq!(house.lines(), again);
}

#[test]
fn parent_that_gives_up_at_boot_restarts_with_its_children() {
    let strict = NodeSpec { supervision: SupervisionSpec { intensity: 0, ..SUPERVISOR }, ..PLAIN };
    let mut house = coming_up(strict);
    house.crash("g/p/a");
    house.settle();
    let gave_up = ["g/p gave up on g/p/a: too often", "-g/p/b", "-g/p"];
    let again = ["g/p: restart 1 of 10", "+g/p#2", "+g/p/a#2", "+g/p/b#2", "+g/z#1", "booted"];
    assert_eq!(house.lines(), [&gave_up[..], &again[..]].concat());
}

#[test]
fn parent_that_exits_at_boot_ends_by_its_kind() {
    let mut house = coming_up(kind(RestartKind::Transient));
    house.end("g/p", Ended::Exited);
    house.settle();
    assert_eq!(house.lines(), ["-g/p/b", "-g/p/a", "retire g/p/b", "retire g/p/a", "retire g/p", "+g/z#1", "booted"]);
}

#[test]
fn nested_parent_that_crashes_at_boot_leaves_its_own_parent_up() {
    let mut house = House::new(SUPERVISOR);
    for name in ["g", "g/p", "g/p/a"] {
        house.add(name, PLAIN);
    }
    house.step(Event::Boot);
    house.up("g");
    house.up("g/p");
    house.lines();
    house.crash("g/p");
    house.settle();
    assert_eq!(house.lines(), ["-g/p/a", "g/p: restart 1 of 10", "+g/p#2", "+g/p/a#2", "booted"]);
}

#[test]
fn failed_restart_at_boot_counts_and_is_tried_again() {
    let mut house = coming_up(PLAIN);
    house.crash("g/p/a");
    house.end("g/p/a", Ended::FailedStart);
    assert_eq!(house.lines(), ["g/p/a: restart 1 of 10", "+g/p/a#2", "g/p/a: restart 2 of 10", "+g/p/a#3"]);
}

#[test]
fn first_start_that_fails_below_an_actor_at_boot_fails_it() {
    let mut house = House::of(&[("g", PLAIN), ("g/p", MANUAL), ("g/p/a", PLAIN)]);
    house.resume("g/p");
    house.up("g/p");
    house.lines();
    house.end("g/p/a", Ended::FailedStart);
    house.settle();
    assert_eq!(house.lines(), ["g/p gave up on g/p/a: failed start", "-g/p", "g/p did not start"]);
    assert_eq!((house.state("g/p"), house.window("g/p").restarts), (State::Stopped, 0));
}

#[test]
fn ordered_start_that_fails_counts_for_nothing() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let kernel = SupervisionSpec { strategy, intensity: 0, ..SUPERVISOR };
        let mut house = House::of_kernel(kernel, &[("a", PLAIN), ("m", MANUAL), ("z", PLAIN)]);
        for incarnation in 1..4 {
            house.resume("m");
            house.end("m", Ended::FailedStart);
            house.settle();
            assert_eq!(house.lines(), [format!("+m#{incarnation}"), "m did not start".to_owned()], "{strategy:?}");
            assert_eq!((house.state("m"), house.state("z")), (State::Stopped, State::Running));
        }
        assert_eq!(house.tree.outcome_of_start(house.node("m")), Some(State::Stopped));
    }
}

#[test]
fn ordered_start_has_an_outcome_once_all_below_are_up() {
    let mut house = House::of(&[("m", MANUAL), ("m/a", PLAIN)]);
    house.resume("m");
    let outcome = |house: &House| house.tree.outcome_of_start(house.node("m"));
    assert_eq!(outcome(&house), None);
    house.up("m");
    assert_eq!(outcome(&house), None, "its child starts");
    house.up("m/a");
    assert_eq!(outcome(&house), Some(State::Running));
    house.crash("m");
    house.settle();
    assert_eq!(house.window("m").restarts, 1, "a crash after the start counts");
}

#[test]
fn start_that_comes_by_itself_is_no_order() {
    let mut house = House::new(SUPERVISOR);
    for name in ["p", "p/a", "p/b"] {
        house.add(name, PLAIN);
    }
    house.step(Event::Boot);
    house.up("p");
    house.resume("p/b");
    house.up("p/a");
    house.lines();
    house.end("p/b", Ended::FailedStart);
    assert_eq!(house.lines()[0], "p gave up on p/b: failed start");
}

#[test]
fn start_ordered_while_an_actor_stops_counts_for_nothing() {
    let mut house = House::of(&[("a", PLAIN)]);
    house.halt("a");
    house.resume("a");
    house.end("a", Ended::Stopped);
    house.end("a", Ended::FailedStart);
    assert_eq!(house.lines(), ["-a", "+a#2", "a did not start"]);
    assert_eq!(house.state("a"), State::Stopped);
}

#[test]
fn order_ends_with_the_run_of_its_parent() {
    let parent = NodeSpec { supervision: SupervisionSpec { strategy: Strategy::OneForAll, ..SUPERVISOR }, ..PLAIN };
    let mut house = House::of(&[("p", parent), ("p/a", pausing(SECOND)), ("p/m", MANUAL)]);
    house.crash("p/a");
    house.resume("p/m");
    house.crash("p");
    house.answer_times(2);
    assert_eq!(house.state("p/m"), State::Starting);
    house.lines();
    house.end("p/m", Ended::FailedStart);
    assert_eq!(house.lines()[0], "p gave up on p/m: failed start", "it starts as part of its parent's start");
}

#[test]
fn failed_ordered_start_leaves_an_actor_passivated() {
    let mut house = House::of(&[("a", ON_MESSAGE)]);
    house.resume("a");
    house.end("a", Ended::FailedStart);
    assert_eq!(house.lines(), ["+a#1", "a did not start", "a is passivated"]);
    house.wanted("a");
    house.end("a", Ended::FailedStart);
    assert_eq!(house.lines(), ["+a#2", "a: restart 1 of 10", "+a#3"], "without an order it counts");
}

#[test]
fn failed_ordered_start_for_a_waiting_message_stops_it_again() {
    let mut house = House::of(&[("a", ON_MESSAGE)]);
    for (incarnation, message_comes_with_the_order) in [(1, true), (2, false)] {
        house.halt("a");
        house.resume("a");
        if !message_comes_with_the_order {
            house.tree.end_orders_of_passivated();
        }
        house.wanted("a");
        house.end("a", Ended::FailedStart);
        let outcome = if message_comes_with_the_order { "a did not start" } else { "a: restart 1 of 10" };
        let start = format!("+a#{incarnation}");
        assert_eq!(house.lines()[..3], ["a is passivated".to_owned(), start, outcome.to_owned()]);
    }
}

#[test]
fn ordered_start_does_not_wait_for_a_pause() {
    let mut house = House::of(&[("a", pausing(SECOND))]);
    house.crash("a");
    house.resume("a");
    assert_eq!(house.lines(), ["a: restart 1 of 10", "+a#2"]);
    house.settle();
    assert_eq!((house.lines().len(), house.state("a")), (0, State::Running));
}

#[test]
fn spawned_child_whose_first_start_fails_is_gone() {
    let strict = NodeSpec { supervision: SupervisionSpec { intensity: 0, ..SUPERVISOR }, ..PLAIN };
    for start in [StartKind::Auto, StartKind::OnMessage] {
        let mut house = House::of(&[("p", strict), ("p/a", PLAIN)]);
        let spec = NodeSpec { start, ..PLAIN };
        house.spawn("p/d", spec);
        house.wanted("p/d");
        house.lines();
        house.end("p/d", Ended::FailedStart);
        house.settle();
        assert_eq!(house.lines(), ["p/d did not start", "forget p/d"], "{start:?}");
        assert_eq!((house.state("p"), house.window("p/a").restarts), (State::Running, 0));
    }
}

#[test]
fn child_spawned_in_init_that_fails_leaves_its_parent_coming_up() {
    let mut house = House::new(SUPERVISOR);
    house.add("p", PLAIN);
    house.step(Event::Boot);
    for name in ["p/d", "p/e"] {
        house.spawn(name, PLAIN);
    }
    house.up("p");
    house.end("p/d", Ended::FailedStart);
    house.settle();
    assert_eq!(house.lines(), ["+p#1", "+p/d#1", "p/d did not start", "forget p/d", "+p/e#1", "booted"]);
}

#[test]
fn spawned_child_that_was_up_is_tried_again() {
    let mut house = House::of(&[("p", PLAIN)]);
    house.spawn("p/d", PLAIN);
    house.settle();
    house.lines();
    house.crash("p/d");
    house.end("p/d", Ended::FailedStart);
    assert_eq!(house.lines(), ["p/d: restart 1 of 10", "+p/d#2", "p/d: restart 2 of 10", "+p/d#3"]);
}

#[test]
fn spawned_child_of_the_kernel_whose_first_start_fails_is_gone() {
    let mut house = House::of(&[("a", PLAIN)]);
    let node = house.add_below(ROOT, DYNAMIC);
    house.step(Event::Spawned(node));
    house.step(Event::Ended(node, 1, Ended::FailedStart));
    assert_eq!(house.tree.len(), 1);
}

#[test]
fn order_is_over_when_the_gate_does_not_open() {
    let mut house = House::of(&[("a", PLAIN)]);
    house.halt("a");
    house.settle();
    house.resume("a");
    house.end("a", Ended::Refused(Some(SECOND)));
    assert_eq!(house.state("a"), State::Waiting);
    house.wait(SECOND);
    house.lines();
    house.end("a", Ended::FailedStart);
    assert_eq!(house.lines(), ["a: restart 1 of 10", "+a#4"], "by itself it counts");
}
