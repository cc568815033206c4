//! Parents that decide about a child that failed.

use playhouse_kernel::supervision::events::{Directive, Ended, Event, NodeSpec, State};
use playhouse_kernel::{RestartKind, Strategy, SupervisionSpec};

use crate::house::*;

const DECIDES: NodeSpec = NodeSpec { decides_failures: true, ..PLAIN };

/// A parent that decides, with a child that has just failed.
fn asked(child: NodeSpec) -> House {
    let mut house = House::of(&[("p", DECIDES), ("p/a", PLAIN), ("p/c", child), ("p/z", PLAIN)]);
    house.crash("p/c");
    assert_eq!(house.lines(), ["p is asked about p/c"]);
    assert_eq!(house.state("p/c"), State::BackingOff);
    house
}

#[test]
fn parent_is_asked_about_failures_and_not_exits() {
    let mut house = asked(PLAIN);
    house.directive("p/c", Directive::Default);
    house.end("p/c", Ended::FailedStart);
    assert_eq!(house.lines(), ["p/c: restart 1 of 10", "+p/c#2", "p is asked about p/c"]);
    house.settle();
    house.lines();
    house.end("p/c", Ended::Exited);
    assert_eq!(house.lines(), ["p/c: restart 3 of 10", "+p/c#4"]);
}

#[test]
fn restart_restarts_even_a_temporary_child_and_counts() {
    let mut house = asked(kind(RestartKind::Temporary));
    house.directive("p/c", Directive::Restart);
    assert_eq!(house.lines(), ["p/c: restart 1 of 10", "+p/c#2"]);
}

#[test]
fn restart_follows_the_strategy() {
    let mut parent = DECIDES;
    parent.supervision.strategy = Strategy::RestForOne;
    let mut house = House::of(&[("p", parent), ("p/a", PLAIN), ("p/c", PLAIN), ("p/z", PLAIN)]);
    house.crash("p/c");
    house.directive("p/c", Directive::Restart);
    house.settle();
    assert_eq!(house.lines(), ["p is asked about p/c", "p/c: restart 1 of 10", "-p/z", "+p/c#2", "+p/z#2"]);
}

#[test]
fn stop_ends_it_for_good() {
    let mut house = asked(PLAIN);
    house.directive("p/c", Directive::Stop);
    assert_eq!((house.lines(), house.state("p/c")), (vec!["retire p/c".to_owned()], State::Ended));

    let mut house = House::of(&[("p", DECIDES)]);
    house.spawn("p/d", PLAIN);
    house.settle();
    house.crash("p/d");
    house.lines();
    house.directive("p/d", Directive::Stop);
    assert_eq!(house.lines(), ["forget p/d"]);
}

#[test]
fn escalate_fails_the_parent_at_once() {
    let mut house = asked(PLAIN);
    house.directive("p/c", Directive::Escalate);
    house.answer_times(3);
    let down = ["p gave up on p/c: escalated", "-p/z", "-p/a", "-p"];
    assert_eq!(house.lines(), [&down[..], &["p: restart 1 of 10", "+p#2"]].concat());
}

#[test]
fn default_and_silence_are_the_ordinary_rule() {
    let mut house = asked(kind(RestartKind::Temporary));
    house.directive("p/c", Directive::Default);
    assert_eq!(house.lines(), ["retire p/c"]);

    let mut house = asked(PLAIN);
    house.wait(PLAIN.directive_timeout - MS);
    assert!(house.lines().is_empty());
    house.wait(MS);
    assert_eq!(house.lines(), ["p/c: restart 1 of 10", "+p/c#2"]);
    house.step(Event::Directive { child: house.node("p/c"), incarnation: 1, directive: Directive::Stop });
    assert!(house.lines().is_empty(), "an answer that comes too late");
}

#[test]
fn crash_of_the_parent_voids_its_request() {
    let mut house = asked(PLAIN);
    house.crash("p");
    house.directive("p/c", Directive::Escalate);
    house.settle();
    assert_eq!(house.lines()[..4], ["-p/z", "-p/a", "p: restart 1 of 10", "+p#2"]);
    assert_eq!(house.state("p/c"), State::Running);
}

#[test]
fn operators_stop_voids_the_request() {
    let mut house = asked(PLAIN);
    house.halt("p/c");
    house.directive("p/c", Directive::Restart);
    assert_eq!((house.lines().len(), house.state("p/c")), (0, State::Stopped));
}

#[test]
fn group_restart_includes_the_child_of_a_request() {
    let mut parent = DECIDES;
    parent.supervision.strategy = Strategy::OneForAll;
    let mut house = House::of(&[("p", parent), ("p/a", PLAIN), ("p/b", PLAIN), ("p/c", PLAIN)]);
    house.crash("p/a");
    house.crash("p/b");
    house.directive("p/b", Directive::Restart);
    house.lines();
    house.directive("p/a", Directive::Restart);
    house.settle();
    assert_eq!(house.lines(), ["+p/a#2", "+p/b#2", "+p/c#2"], "it does not count again");
    assert_eq!(house.window("p/a").restarts, 1);
}

#[test]
fn failed_start_in_a_group_waits_for_a_directive() {
    let mut parent = DECIDES;
    parent.supervision = SupervisionSpec { strategy: Strategy::OneForAll, ..SUPERVISOR };
    for stopped in [false, true] {
        let mut house = House::of(&[("p", parent), ("p/a", PLAIN), ("p/b", PLAIN)]);
        house.crash("p/a");
        house.directive("p/a", Directive::Default);
        house.answer_times(1);
        house.end("p/a", Ended::FailedStart);
        house.lines();
        if stopped {
            house.halt("p/a");
        } else {
            house.directive("p/a", Directive::Stop);
        }
        house.settle();
        assert_eq!(house.lines().last().unwrap(), "+p/b#2", "the others continue");
    }
}

#[test]
fn shutdown_drains_the_child_that_a_request_is_about() {
    let mut house = asked(PLAIN);
    house.step(Event::Shutdown);
    house.settle();
    let lines = house.lines();
    assert_eq!(lines[..4], ["-p/z drained", "retire p/z", "+p/c#2", "-p/c drained"]);
}
