//! OTP's rules, and the intended differences of this tree.

use std::time::Duration;

use playhouse_kernel::supervision::events::{Ended, Event, NodeSpec, State};
use playhouse_kernel::{Backoff, RestartKind, Strategy, SupervisionSpec};

use crate::house::*;

/// A kernel that restarts its children by this strategy.
fn kernel(strategy: Strategy) -> SupervisionSpec {
    SupervisionSpec { strategy, ..SUPERVISOR }
}

fn three() -> [(&'static str, NodeSpec); 3] {
    ["a", "b", "c"].map(|name| (name, PLAIN))
}

#[test]
fn children_start_in_order_with_their_descendants() {
    let mut house = House::new(SUPERVISOR);
    for name in ["a", "a/x", "b"] {
        house.add(name, PLAIN);
    }
    house.step(Event::Boot);
    house.up("a");
    assert_eq!(house.lines(), ["+a#1", "+a/x#1"]);
    house.up("a/x");
    house.up("b");
    assert_eq!(house.lines(), ["+b#1", "booted"]);
}

#[test]
fn failed_first_start_stops_siblings_and_the_supervisor() {
    let mut house = House::new(SUPERVISOR);
    for name in ["p", "p/a", "p/b", "p/c"] {
        house.add(name, PLAIN);
    }
    house.step(Event::Boot);
    for name in ["p", "p/a", "p/b"] {
        house.up(name);
    }
    house.lines();
    house.end("p/c", Ended::FailedStart);
    house.answer();
    let lines = house.lines();
    assert_eq!(lines[..4], ["p gave up on p/c: failed start", "-p/b", "-p/a", "-p"]);
    assert_eq!(lines[4..6], ["p: restart 1 of 10", "+p#2"], "the kernel tries it again");
}

#[test]
fn restart_kinds_decide_after_a_crash_and_an_exit() {
    for (restart, after_crash, after_exit) in [
        (RestartKind::Permanent, State::Running, State::Running),
        (RestartKind::Transient, State::Running, State::Ended),
        (RestartKind::Temporary, State::Ended, State::Ended),
    ] {
        for (how, expected) in [(Ended::Crashed, after_crash), (Ended::Exited, after_exit)] {
            let mut house = House::of(&[("a", kind(restart))]);
            house.end("a", how);
            house.settle();
            assert_eq!(house.state("a"), expected, "{restart:?} {how:?}");
        }
    }
}

#[test]
fn one_for_one_restarts_that_child_alone() {
    let mut house = House::of_kernel(kernel(Strategy::OneForOne), &three());
    house.crash("b");
    house.settle();
    assert_eq!(house.lines(), ["b: restart 1 of 10", "+b#2"]);
}

#[test]
fn one_for_all_stops_in_reverse_and_starts_in_order() {
    let mut house = House::of_kernel(kernel(Strategy::OneForAll), &three());
    house.crash("b");
    house.settle();
    assert_eq!(house.lines(), ["b: restart 1 of 10", "-c", "-a", "+a#2", "+b#2", "+c#2"]);
}

#[test]
fn rest_for_one_restarts_later_siblings_in_order() {
    let mut house =
        House::of_kernel(kernel(Strategy::RestForOne), &[("a", PLAIN), ("b", PLAIN), ("c", PLAIN), ("d", PLAIN)]);
    house.crash("b");
    house.settle();
    assert_eq!(house.lines(), ["b: restart 1 of 10", "-d", "-c", "+b#2", "+c#2", "+d#2"]);
}

#[test]
fn a_group_starts_only_when_all_of_it_and_below_it_is_down() {
    let mut house = House::of_kernel(kernel(Strategy::OneForAll), &[("a", PLAIN), ("b", PLAIN), ("b/x", PLAIN)]);
    house.crash("a");
    assert_eq!(house.lines(), ["a: restart 1 of 10", "-b/x"]);
    house.wait(Duration::from_secs(5));
    assert_eq!(house.lines(), ["kill b/x"]);
    house.end("b/x", Ended::Stopped);
    assert_eq!(house.lines(), ["-b"]);
    house.end("b", Ended::Stopped);
    assert_eq!(house.lines(), ["+a#2"]);
}

#[test]
fn siblings_restarted_with_it_count_once() {
    let mut house = House::of_kernel(SupervisionSpec { intensity: 2, ..kernel(Strategy::OneForAll) }, &three());
    for name in ["a", "b"] {
        house.crash(name);
        house.settle();
    }
    assert_eq!(["a", "b", "c"].map(|name| house.window(name).restarts), [1, 1, 0]);
    assert_eq!((house.view("a").restarts, house.view("c").restarts), (1, 0));
    assert_eq!(house.state("c"), State::Running);
}

#[test]
fn a_failed_start_counts_again() {
    let mut house = House::of_kernel(SupervisionSpec { intensity: 2, ..SUPERVISOR }, &[("a", PLAIN)]);
    house.crash("a");
    house.end("a", Ended::FailedStart);
    assert_eq!(house.lines(), ["a: restart 1 of 2", "+a#2", "a: restart 2 of 2", "+a#3"]);
    house.end("a", Ended::FailedStart);
    assert_eq!(house.lines()[..2], ["a failed: too often", "kernel gave up on a: every actor failed"]);
}

#[test]
fn failed_start_in_a_group_restarts_the_group_again() {
    let mut house = House::of_kernel(kernel(Strategy::RestForOne), &three());
    house.crash("a");
    house.answer_times(2);
    house.up("a");
    house.lines();
    house.end("b", Ended::FailedStart);
    house.settle();
    assert_eq!(house.lines(), ["b: restart 1 of 10", "+b#3", "+c#2"], "from the one that failed");

    let mut house = House::of_kernel(kernel(Strategy::OneForAll), &three());
    house.crash("a");
    house.answer_times(2);
    house.up("a");
    house.lines();
    house.end("b", Ended::FailedStart);
    house.settle();
    assert_eq!(house.lines(), ["b: restart 1 of 10", "-a", "+a#3", "+b#3", "+c#2"], "all");
}

#[test]
fn the_window_slides() {
    let mut house = House::of_kernel(SupervisionSpec { intensity: 2, ..SUPERVISOR }, &[("a", PLAIN)]);
    for _ in 0..20 {
        house.crash("a");
        house.answer();
        house.wait(Duration::from_secs(5));
    }
    assert_eq!(house.state("a"), State::Running);
    house.crash("a");
    house.answer();
    house.crash("a");
    assert_eq!(house.lines().last().unwrap(), "over: gave up");
}

#[test]
fn a_window_is_a_supervisors_and_under_the_kernel_a_childs() {
    let strict = NodeSpec { supervision: SupervisionSpec { intensity: 2, ..SUPERVISOR }, ..PLAIN };
    let family = [("p", strict), ("p/a", PLAIN), ("p/b", PLAIN), ("p/c", PLAIN)];
    let mut house = House::of(&family);
    for name in ["p/a", "p/b", "p/c"] {
        house.crash(name);
        house.answer();
    }
    assert!(house.lines().contains(&"p gave up on p/c: too often".to_owned()));

    let mut house = House::of_kernel(SupervisionSpec { intensity: 2, ..SUPERVISOR }, &three());
    for name in ["a", "b", "c"] {
        house.crash(name);
        house.answer();
    }
    assert_eq!(["a", "b", "c"].map(|name| house.state(name)), [State::Running; 3]);
}

#[test]
fn with_intensity_0_the_first_failure_is_one_too_many() {
    let mut house = House::of_kernel(SupervisionSpec { intensity: 0, ..SUPERVISOR }, &[("a", PLAIN), ("b", PLAIN)]);
    house.crash("a");
    house.answer();
    assert_eq!(house.lines(), ["a failed: too often"]);
}

#[test]
fn supervisor_that_gives_up_stops_its_children_and_fails() {
    let transient =
        NodeSpec { kind: RestartKind::Transient, supervision: SupervisionSpec { intensity: 0, ..SUPERVISOR }, ..PLAIN };
    let mut house = House::of(&[("p", transient), ("p/a", PLAIN), ("p/b", PLAIN), ("p/c", PLAIN), ("q", PLAIN)]);
    house.crash("p/b");
    house.settle();
    let down = ["p gave up on p/b: too often", "-p/c", "-p/a", "-p"];
    let up = ["p: restart 1 of 10", "+p#2", "+p/a#2", "+p/b#2", "+p/c#2"];
    assert_eq!(house.lines(), [&down[..], &up[..]].concat(), "it failed: a transient one comes back, too");
}

#[test]
fn a_new_incarnation_of_a_supervisor_has_an_empty_window() {
    let strict = NodeSpec { supervision: SupervisionSpec { intensity: 1, ..SUPERVISOR }, ..PLAIN };
    let mut house = House::of(&[("p", strict), ("p/c", PLAIN)]);
    for name in ["p/c", "p", "p/c"] {
        house.crash(name);
        house.settle();
    }
    assert_eq!(house.window("p/c").restarts, 1);
}

#[test]
fn stable_period_resets_the_backoff() {
    let spec = NodeSpec { backoff: Backoff { initial: 100 * MS, max: 800 * MS }, ..PLAIN };
    let mut house = House::of_kernel(SupervisionSpec { intensity: 1000, ..SUPERVISOR }, &[("a", spec)]);
    let longest_of = |house: &mut House, failures: usize| {
        let mut longest = Duration::ZERO;
        for _ in 0..200 {
            house.wait(Duration::from_secs(20));
            house.pauses();
            for _ in 0..failures {
                house.crash("a");
                house.settle();
            }
            longest = longest.max(*house.pauses().last().unwrap());
        }
        longest
    };
    assert!((90 * MS..100 * MS).contains(&longest_of(&mut house, 1)), "full jitter below the first ceiling");
    assert!((150 * MS..200 * MS).contains(&longest_of(&mut house, 2)));
    assert!((700 * MS..800 * MS).contains(&longest_of(&mut house, 7)), "never more than the last");
}

#[test]
fn the_pause_passes_before_the_restart() {
    let mut house = House::of(&[("a", pausing(SECOND))]);
    house.crash("a");
    let pause = house.pauses()[0];
    house.wait(pause - Duration::from_nanos(1));
    assert_eq!((house.state("a"), house.view("a").incarnation), (State::BackingOff, 1));
    house.wait(Duration::from_nanos(1));
    assert_eq!((house.state("a"), house.view("a").incarnation), (State::Starting, 2));
}

#[test]
fn the_pause_of_a_group_begins_when_its_siblings_are_down() {
    let slow = pausing(SECOND);
    let mut house = House::of_kernel(kernel(Strategy::OneForAll), &[("a", slow), ("b", PLAIN)]);
    house.crash("a");
    let pause = house.pauses()[0];
    house.wait(3 * SECOND);
    house.end("b", Ended::Stopped);
    assert_eq!(house.lines(), ["a: restart 1 of 10", "-b"]);
    assert_eq!((house.state("a"), house.state("b")), (State::BackingOff, State::BackingOff));
    house.wait(pause - Duration::from_nanos(1));
    assert!(house.lines().is_empty());
    house.wait(Duration::from_nanos(1));
    assert_eq!(house.lines(), ["+a#2"]);
}

#[test]
fn child_that_fails_to_restart_does_not_block_siblings() {
    let many = SupervisionSpec { intensity: u32::MAX, ..SUPERVISOR };
    let spec = NodeSpec { backoff: Backoff { initial: 10 * MS, max: 10 * SECOND }, ..PLAIN };
    let mut house = House::of_kernel(many, &[("a", PLAIN), ("moody", spec), ("z", PLAIN)]);
    house.crash("moody");
    let mut starts = 0;
    while house.now < 600 * SECOND {
        house.wait(10 * MS);
        if house.state("moody") == State::Starting {
            house.end("moody", Ended::FailedStart);
            starts += 1;
        }
        assert_eq!((house.state("a"), house.state("z")), (State::Running, State::Running));
    }
    assert!((60..250).contains(&starts), "{starts} starts in ten minutes with pauses of up to ten seconds");
}

#[test]
fn a_halted_sibling_stays_halted_when_its_group_restarts() {
    let mut house = House::of_kernel(kernel(Strategy::OneForAll), &three());
    house.halt("b");
    house.settle();
    house.lines();
    house.crash("a");
    house.settle();
    assert_eq!(house.lines(), ["a: restart 1 of 10", "-c", "+a#2", "+c#2"]);
    assert_eq!(house.state("b"), State::Stopped);
}

#[test]
fn a_temporary_sibling_that_a_group_stops_is_gone() {
    let mut house = House::of_kernel(kernel(Strategy::OneForAll), &[("a", PLAIN), ("t", kind(RestartKind::Temporary))]);
    house.spawn("d", kind(RestartKind::Temporary));
    house.settle();
    house.lines();
    house.crash("a");
    house.settle();
    assert_eq!(house.lines(), ["a: restart 1 of 10", "-d", "forget d", "-t", "retire t", "+a#2"]);
}

#[test]
fn exited_transient_sibling_restarts_with_its_group() {
    let mut house = House::of_kernel(kernel(Strategy::OneForAll), &[("a", PLAIN), ("t", kind(RestartKind::Transient))]);
    house.end("t", Ended::Exited);
    assert_eq!(house.lines(), ["retire t"]);
    house.crash("a");
    house.settle();
    assert_eq!(house.lines(), ["a: restart 1 of 10", "revive t", "+a#2", "+t#2"]);
}

#[test]
fn supervisor_starts_all_children_of_the_plan() {
    let mut house = House::of(&[("p", PLAIN), ("p/t", kind(RestartKind::Temporary)), ("p/t/x", PLAIN)]);
    house.crash("p/t");
    house.settle();
    assert_eq!(house.lines(), ["-p/t/x", "retire p/t/x", "retire p/t"], "no descendant runs again either");
    house.crash("p");
    house.settle();
    let back = ["p: restart 1 of 10", "revive p/t", "revive p/t/x", "+p#2", "+p/t#2", "+p/t/x#2"];
    assert_eq!(house.lines(), back);
}

#[test]
fn a_crash_of_a_sibling_that_goes_down_anyway_does_not_count() {
    let mut house = House::of_kernel(kernel(Strategy::OneForAll), &three());
    house.crash("b");
    house.crash("a");
    house.crash("c");
    house.settle();
    assert_eq!(house.lines(), ["b: restart 1 of 10", "-c", "+a#2", "+b#2", "+c#2"]);
}

#[test]
fn crash_before_a_restarting_group_extends_the_group() {
    let mut house = House::of_kernel(kernel(Strategy::RestForOne), &three());
    house.crash("b");
    house.crash("a");
    house.settle();
    assert_eq!(house.lines(), ["b: restart 1 of 10", "-c", "a: restart 1 of 10", "+a#2", "+b#2", "+c#2"]);

    let slow = pausing(SECOND);
    let mut house = House::of_kernel(kernel(Strategy::RestForOne), &[("a", PLAIN), ("b", slow), ("c", PLAIN)]);
    house.crash("b");
    house.answer();
    house.crash("a");
    assert_eq!(house.lines(), ["b: restart 1 of 10", "-c", "a: restart 1 of 10"], "the longer pause holds for all");
    house.settle();
    assert_eq!(house.lines(), ["+a#2", "+b#2", "+c#2"]);
}

#[test]
fn a_crash_while_a_group_comes_up_restarts_it_from_there() {
    let mut house = House::of_kernel(kernel(Strategy::RestForOne), &three());
    house.crash("a");
    house.answer_times(2);
    house.up("a");
    house.lines();
    house.crash("a");
    house.settle();
    assert_eq!(house.lines(), ["a: restart 2 of 10", "-b", "+a#3", "+b#3", "+c#2"]);
}

#[test]
fn group_restart_at_boot_does_not_fail_the_parent() {
    let mut house = House::new(kernel(Strategy::OneForAll));
    for name in ["a", "b"] {
        house.add(name, PLAIN);
    }
    house.step(Event::Boot);
    house.up("a");
    house.crash("a");
    house.end("b", Ended::Stopped);
    house.end("a", Ended::FailedStart);
    house.settle();
    let lines = house.lines();
    assert_eq!(lines[2..], ["a: restart 1 of 10", "-b", "+a#2", "a: restart 2 of 10", "+a#3", "+b#2", "booted"]);
}

#[test]
fn child_that_fails_its_own_start_restarts_no_sibling() {
    let mut house = House::of_kernel(kernel(Strategy::OneForAll), &[("a", PLAIN), ("b", PLAIN)]);
    house.spawn("c", PLAIN);
    house.lines();
    house.end("c", Ended::FailedStart);
    assert_eq!(house.lines(), ["c did not start", "forget c"], "they never depended on it");
}

#[test]
fn a_restart_is_announced_with_the_window_that_it_counts_in() {
    let mut house = House::of(&[("a", PLAIN)]);
    house.crash("a");
    house.settle();
    house.crash("a");
    let window = house.window("a");
    assert_eq!((window.restarts, window.intensity, window.period), (2, 10, 10 * SECOND));
    house.wait(10 * SECOND);
    assert_eq!(house.window("a").restarts, 0, "as operators see it now");
}
