//! Actors without an incarnation: passivated, or refused by their own code.

use std::time::Duration;

use playhouse_kernel::supervision::events::{Ended, Event, NodeSpec, State};
use playhouse_kernel::{Backoff, StartKind, Strategy, SupervisionSpec};

use crate::house::*;

fn backing_off(initial: Duration) -> NodeSpec {
    NodeSpec { backoff: Backoff { initial, max: 100 * initial }, ..PLAIN }
}

#[test]
fn passivated_actor_starts_at_once_with_a_message() {
    let mut house = House::of(&[("a", pausing(SECOND))]);
    house.end("a", Ended::Idle);
    assert_eq!(house.lines(), ["a is passivated"]);
    assert_eq!(house.state("a"), State::Passivated);
    house.wanted("a");
    house.up("a");
    assert_eq!(house.lines(), ["+a#2"], "no pause, no restart");
    assert_eq!((house.state("a"), house.view("a").restarts, house.window("a").restarts), (State::Running, 0, 0));
}

#[test]
fn on_message_actor_does_not_delay_the_boot() {
    let mut house = House::of(&[("a", ON_MESSAGE), ("b", PLAIN)]);
    assert_eq!((house.state("a"), house.state("b")), (State::Passivated, State::Running));
    house.wanted("a");
    house.wanted("a");
    assert_eq!(house.lines(), ["+a#1"], "once, however many messages come");
    house.end("a", Ended::FailedStart);
    house.settle();
    assert_eq!(
        house.lines()[..1],
        ["a: restart 1 of 10"],
        "a start that fails later is no failure of its parent's start"
    );
    assert_eq!(house.state("a"), State::Running);
}

#[test]
fn crashed_on_message_actor_restarts_without_a_message() {
    let mut house = House::of(&[("a", ON_MESSAGE)]);
    house.wanted("a");
    house.up("a");
    house.crash("a");
    house.settle();
    assert_eq!(house.state("a"), State::Running);
}

#[test]
fn group_restart_skips_a_passivated_sibling() {
    let all = SupervisionSpec { strategy: Strategy::OneForAll, ..SUPERVISOR };
    let mut house = House::of_kernel(all, &[("a", PLAIN), ("b", PLAIN), ("c", PLAIN)]);
    house.end("b", Ended::Idle);
    house.lines();
    house.crash("a");
    house.settle();
    assert_eq!(house.lines(), ["b is passivated", "a: restart 1 of 10", "-c", "+a#2", "+c#2"][1..]);
    assert_eq!(house.state("b"), State::Passivated);
    // A message that comes while they stop starts it afterwards.
    house.crash("a");
    house.wanted("b");
    house.settle();
    assert_eq!(house.lines(), ["a: restart 2 of 10", "-c", "+a#3", "+b#2", "+c#3"]);
}

#[test]
fn operators_restart_in_turn_passivates_the_actor() {
    let all = SupervisionSpec { strategy: Strategy::OneForAll, ..SUPERVISOR };
    let mut house = House::of_kernel(all, &[("a", ON_MESSAGE), ("b", PLAIN)]);
    house.wanted("a");
    house.up("a");
    house.crash("a");
    house.answer_times(1);
    house.halt("a");
    house.resume("a");
    house.settle();
    assert_eq!((house.state("a"), house.state("b")), (State::Passivated, State::Running));
}

#[test]
fn restarted_parent_starts_its_passivated_children() {
    let mut house = House::of(&[("p", PLAIN), ("p/a", PLAIN), ("p/b", ON_MESSAGE)]);
    house.end("p/a", Ended::Idle);
    house.lines();
    house.crash("p");
    house.settle();
    assert_eq!(house.lines(), ["p: restart 1 of 10", "+p#2", "+p/a#2", "p/b is passivated"]);
}

#[test]
fn operator_stops_and_starts_a_passivated_actor() {
    let mut house = House::of(&[("a", PLAIN), ("b", ON_MESSAGE)]);
    house.end("a", Ended::Idle);
    house.halt("a");
    house.wanted("a");
    assert_eq!(house.state("a"), State::Stopped, "a message does not lift an operator's stop");
    house.resume("a");
    house.up("a");
    assert_eq!(house.state("a"), State::Running);
    // Without a stop before, an operator's start counts like a message.
    house.resume("b");
    assert_eq!(house.state("b"), State::Starting);
}

#[test]
fn a_parent_that_stops_a_passivated_child_forgets_it() {
    let mut house = House::of(&[("p", PLAIN)]);
    house.spawn("p/c", DYNAMIC);
    house.up("p/c");
    house.end("p/c", Ended::Idle);
    house.dismiss("p/c");
    assert!(house.is_gone("p/c"));
}

#[test]
fn a_shutdown_starts_no_passivated_actor_but_for_a_message() {
    let mut house = House::of(&[("a", ON_MESSAGE), ("b", ON_MESSAGE), ("c", PLAIN)]);
    house.step(Event::Shutdown);
    house.wanted("b");
    house.answer();
    assert_eq!(
        house.lines(),
        ["-c drained", "+b#1", "retire c", "-b drained", "retire b", "retire a", "over"],
        "an actor that stops earlier may still send to it"
    );
}

#[test]
fn actor_that_ended_idle_before_a_shutdown_drains() {
    let mut house = House::of(&[("a", PLAIN)]);
    house.step(Event::Shutdown);
    assert_eq!(house.state("a"), State::Draining);
    house.end("a", Ended::Idle);
    house.answer();
    assert_eq!(house.lines(), ["-a drained", "+a#2", "-a drained", "retire a", "over"]);
}

#[test]
fn refused_start_is_no_failure_and_delays_no_sibling() {
    let mut house = House::new(SUPERVISOR);
    for name in ["a", "b"] {
        house.add(name, PLAIN);
    }
    house.step(Event::Boot);
    house.end("a", Ended::Refused(None));
    house.up("b");
    assert_eq!(house.lines(), ["+a#1", "a waits", "+b#1", "booted"]);
    assert_eq!((house.state("a"), house.view("a").restarts), (State::Waiting, 0));
}

#[test]
fn group_restart_does_not_ask_a_gate_again() {
    let all = SupervisionSpec { strategy: Strategy::OneForAll, ..SUPERVISOR };
    let mut house = House::of_kernel(all, &[("a", PLAIN), ("b", PLAIN)]);
    house.crash("b");
    house.answer_times(2);
    house.end("b", Ended::Refused(Some(SECOND)));
    house.crash("a");
    house.lines();
    house.answer();
    assert_eq!((house.state("a"), house.state("b")), (State::Running, State::Waiting));
    house.wait(SECOND);
    assert_eq!(house.lines(), ["+b#3"], "but when its time has passed");
}

#[test]
fn gate_is_asked_again_by_a_message_or_its_time() {
    let mut house = House::of(&[("a", PLAIN), ("b", PLAIN)]);
    for name in ["a", "b"] {
        house.crash(name);
        let recheck = (name == "a").then_some(SECOND);
        house.end(name, Ended::Refused(recheck));
    }
    house.lines();
    house.wait(SECOND / 2);
    house.wanted("b");
    assert_eq!(house.lines(), ["+b#3"]);
    house.wait(SECOND / 2);
    assert_eq!(house.lines(), ["+a#3"]);
}

#[test]
fn flood_of_messages_asks_a_gate_within_its_backoff() {
    let mut house = House::of(&[("a", backing_off(10 * MS))]);
    house.crash("a");
    house.wait(10 * MS);
    house.lines();
    let mut asked = Vec::new();
    let began = house.now;
    house.end("a", Ended::Refused(Some(Duration::ZERO)));
    while house.now < began + SECOND {
        house.wait(MS);
        house.wanted("a");
        house.wanted("a");
        if house.state("a") == State::Starting {
            asked.push((house.now - began).as_millis());
            house.end("a", Ended::Refused(None));
        }
    }
    assert_eq!(asked, [10, 30, 70, 150, 310, 630]);
}

#[test]
fn a_start_ends_the_count_of_refusals() {
    let mut house = House::of(&[("a", backing_off(10 * MS))]);
    for round in 0..3 {
        house.crash("a");
        house.wait(SECOND);
        house.end("a", Ended::Refused(None));
        house.wait(9 * MS);
        house.wanted("a");
        assert_eq!(house.state("a"), State::Waiting, "round {round}");
        house.wait(MS);
        assert_eq!(house.state("a"), State::Starting, "round {round}");
        house.up("a");
    }
}

#[test]
fn operator_has_a_gate_asked_again_and_stops_the_actor() {
    let mut house = House::of(&[("a", pausing(SECOND))]);
    house.crash("a");
    house.wait(SECOND);
    house.end("a", Ended::Refused(None));
    house.lines();
    house.resume("a");
    assert_eq!(house.lines(), ["+a#3"], "at once");
    house.end("a", Ended::Refused(Some(SECOND)));
    house.halt("a");
    house.wait(10 * SECOND);
    assert_eq!((house.state("a"), house.lines()), (State::Stopped, vec!["a waits".to_owned()]));
}

#[test]
fn a_shutdown_asks_no_gate_again_but_for_a_new_message() {
    let mut house = House::of(&[("a", PLAIN), ("b", PLAIN)]);
    for name in ["a", "b"] {
        house.crash(name);
        house.end(name, Ended::Refused(Some(SECOND)));
    }
    house.wanted("a");
    house.lines();
    house.step(Event::Shutdown);
    house.answer();
    assert_eq!(house.lines(), ["retire b", "+a#3", "-a drained", "retire a", "over"]);
}

#[test]
fn manual_actor_is_not_passivated_before_its_start() {
    let mut house = House::of(&[("a", NodeSpec { start: StartKind::Manual, ..PLAIN })]);
    house.wanted("a");
    assert_eq!(house.state("a"), State::Stopped);
}
