//! The circuit breaker under the kernel, and what counts as a failure.

use std::time::Duration;

use playhouse_kernel::supervision::events::{Ended, Event, Fault, NodeSpec, State, WhyGaveUp};
use playhouse_kernel::{Backoff, MessageId, RestartKind, StartKind, Strategy, SupervisionSpec};

use crate::house::*;

/// Two failures in ten seconds are allowed.
const STRICT: SupervisionSpec = SupervisionSpec { intensity: 2, ..SUPERVISOR };
const TRIED_AGAIN: NodeSpec = NodeSpec { cooldown: Some(Duration::from_mins(1)), ..PLAIN };
const NEVER: NodeSpec = NodeSpec { cooldown: None, ..PLAIN };

fn message(n: u64) -> Fault {
    Fault::Message(MessageId::seeded("poison", n))
}

/// Crashes without a current message until its window is exceeded.
fn fail(house: &mut House, name: &str) {
    for _ in 0..3 {
        house.crash(name);
        house.answer();
    }
    assert_eq!(house.state(name), State::Failed);
}

/// A kernel with a neighbour, and an actor that has just failed.
fn failed(spec: NodeSpec) -> House {
    let mut house = House::of_kernel(STRICT, &[("a", spec), ("z", PLAIN)]);
    fail(&mut house, "a");
    house.lines();
    house
}

#[test]
fn actor_that_exceeds_its_window_fails_with_its_subtree_alone() {
    let mut house = House::of_kernel(STRICT, &[("a", TRIED_AGAIN), ("a/x", PLAIN), ("z", PLAIN)]);
    house.spawn("a/d", PLAIN);
    house.settle();
    fail(&mut house, "a");
    assert_eq!(["a", "a/x", "z"].map(|name| house.state(name)), [State::Failed, State::Failed, State::Running]);
    let shown = house.view("a").failed.expect("it failed");
    assert!(matches!(shown.why, WhyGaveUp::TooOften(window) if window.restarts == 3), "{shown:?}");
    assert_eq!((shown.since, shown.trial_at), (house.now, Some(house.now + 60 * SECOND)));
    assert_eq!(house.view("a/x").failed, None);
}

#[test]
fn all_attempts_at_one_message_are_one_failure() {
    let mut house = House::of_kernel(STRICT, &[("a", PLAIN), ("z", PLAIN)]);
    house.crash_over("a", 0, Fault::Batch);
    house.answer();
    for _ in 0..7 {
        house.crash_over("a", 0, message(1));
        house.answer();
    }
    assert_eq!((house.window("a").restarts, house.state("a")), (1, State::Running));
    house.crash_over("a", 0, message(2));
    house.answer();
    assert_eq!(house.window("a").restarts, 2, "another message is another failure");
    house.crash_over("a", 0, message(1));
    house.answer();
    assert_eq!(house.window("a").restarts, 2, "and the first is still the first");
    house.crash_over("a", 0, Fault::Batch);
    assert_eq!(house.state("a"), State::Failed);
}

/// Otherwise the innocent that is looked at first would end the culprit before its crash is.
#[test]
fn fault_of_another_actor_restarts_no_siblings() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let parent = NodeSpec { supervision: SupervisionSpec { strategy, ..SUPERVISOR }, ..PLAIN };
        let mut house = House::of_kernel(STRICT, &[("p", parent), ("p/a", PLAIN), ("p/b", PLAIN)]);
        house.crash_over("p/a", 0, Fault::Another);
        assert_eq!(house.state("p/b"), State::Running, "{strategy:?}");
        house.answer();
        assert_eq!(["p", "p/a", "p/b"].map(|name| house.state(name)), [State::Running; 3]);
    }
}

#[test]
fn fault_of_another_actor_does_not_count_and_has_no_pause() {
    let backoff = Backoff { initial: SECOND, max: SECOND };
    let mut house = House::of_kernel(STRICT, &[("a", NodeSpec { backoff, ..PLAIN }), ("p", PLAIN), ("p/c", PLAIN)]);
    for _ in 0..20 {
        for name in ["a", "p/c"] {
            house.crash_over(name, 0, Fault::Another);
            house.answer();
        }
    }
    assert_eq!(["a", "p", "p/c"].map(|name| house.state(name)), [State::Running; 3]);
    assert_eq!((house.window("a").restarts, house.window("p/c").restarts), (0, 0));
    assert_eq!(house.pauses(), [Duration::ZERO; 40]);
    house.crash_over("a", 0, Fault::Actor);
    assert_eq!(house.window("a").restarts, 1, "its own fault counts");
}

#[test]
fn start_that_another_actor_broke_off_is_made_again() {
    let mut house = House::of(&[("p", PLAIN)]);
    house.spawn("p/c", PLAIN);
    house.crash_over("p/c", 0, Fault::Another);
    assert_eq!(house.state("p/c"), State::Starting, "as if it had not been the first start");
    house.answer();
    assert_eq!((house.state("p/c"), house.window("p/c").restarts), (State::Running, 0));
}

#[test]
fn attempts_are_one_failure_in_a_parents_window_too() {
    let strict = NodeSpec { supervision: STRICT, ..PLAIN };
    let mut house = House::of(&[("p", strict), ("p/a", PLAIN), ("p/b", PLAIN)]);
    for n in [1, 1, 1, 2, 2, 2] {
        house.crash_over("p/a", 0, message(n));
        house.answer();
    }
    assert_eq!((house.window("p/b").restarts, house.view("p").restarts), (2, 0));
    house.crash_over("p/a", 7, message(3));
    house.answer();
    assert_eq!(house.window("p/b").restarts, 0, "it handled more than it failed");
    house.crash("p/b");
    house.answer();
    assert_eq!(house.window("p/a").restarts, 1, "of its sibling they say nothing");
}

#[test]
fn blamed_failures_count_only_while_they_outnumber_handled() {
    let mut house = House::of_kernel(STRICT, &[("a", PLAIN), ("z", PLAIN)]);
    for n in 0..100 {
        house.crash_over("a", 1, message(n));
        house.answer();
    }
    assert_eq!(house.window("a").restarts, 0);
    house.crash_over("a", 0, message(100));
    assert_eq!(house.state("a"), State::Failed, "101 failures, and 100 were handled");
}

#[test]
fn messages_handled_long_ago_do_not_outweigh_failures_of_now() {
    let mut house = House::of_kernel(STRICT, &[("a", PLAIN), ("z", PLAIN)]);
    house.wait(10_000 * SECOND);
    house.crash_over("a", 1000, message(0));
    house.answer();
    assert_eq!(house.window("a").restarts, 0, "on average one of them was handled in the last ten seconds");
    house.crash_over("a", 0, message(1));
    house.answer();
    assert_eq!(house.window("a").restarts, 2);
}

#[test]
fn failures_in_a_row_fail_an_actor_however_long_its_pauses() {
    let slow = NodeSpec { backoff: Backoff { initial: 30 * SECOND, max: 60 * SECOND }, ..PLAIN };
    let mut house = House::of_kernel(STRICT, &[("a", slow), ("z", PLAIN)]);
    for n in 0..3 {
        house.crash_over("a", 0, message(n));
        house.settle();
    }
    let why = house.view("a").failed.map(|failed| failed.why);
    assert_eq!(why, Some(WhyGaveUp::NothingHandled(3)));
}

#[test]
fn failed_start_at_boot_holds_up_no_sibling() {
    let mut house = House::new(STRICT);
    for (name, spec) in [("a", TRIED_AGAIN), ("b", PLAIN)] {
        house.add(name, spec);
    }
    house.step(Event::Boot);
    house.end("a", Ended::FailedStart);
    house.up("b");
    assert_eq!(house.lines(), ["+a#1", "a: restart 1 of 2", "+a#2", "+b#1", "booted"]);
    house.end("a", Ended::FailedStart);
    house.end("a", Ended::FailedStart);
    assert_eq!(house.lines().last().unwrap(), "a failed: too often");
    assert_eq!(house.state("b"), State::Running);
}

#[test]
fn actor_that_is_not_up_a_period_after_the_boot_fails() {
    let mut house = House::new(SUPERVISOR);
    for (name, spec) in [("a", TRIED_AGAIN), ("b", PLAIN)] {
        house.add(name, spec);
    }
    house.step(Event::Boot);
    for seconds in [6, 6] {
        house.wait(seconds * SECOND);
        house.end("a", Ended::FailedStart);
    }
    let why = house.view("a").failed.map(|failed| failed.why);
    assert_eq!(why, Some(WhyGaveUp::NotUp(10 * SECOND)));
}

#[test]
fn last_attempt_to_come_up_is_made_when_the_period_ends() {
    let pauses_for_an_hour = NodeSpec { cooldown: Some(Duration::from_mins(1)), ..pausing(Duration::from_hours(1)) };
    let mut house = House::new(SUPERVISOR);
    house.add("a", pauses_for_an_hour);
    house.add("b", PLAIN);
    house.step(Event::Boot);
    house.wait(4 * SECOND);
    house.end("a", Ended::FailedStart);
    house.up("b");
    house.wait(6 * SECOND);
    assert_eq!(house.lines(), ["+a#1", "a: restart 1 of 10", "+b#1", "booted", "+a#2"]);
    house.end("a", Ended::FailedStart);
    assert_eq!(house.view("a").failed.map(|failed| failed.why), Some(WhyGaveUp::NotUp(10 * SECOND)));
}

#[test]
fn success_of_a_trial_after_the_cooldown_closes_the_circuit() {
    let mut house = failed(TRIED_AGAIN);
    house.wait(60 * SECOND - MS);
    assert!(house.lines().is_empty());
    house.wait(MS);
    house.answer();
    assert_eq!(house.lines(), ["a is failed no more", "+a#4"]);
    house.crash_over("a", 1, message(1));
    house.answer();
    assert_eq!(house.lines(), ["a: restart 0 of 2", "+a#5"], "one handled message closed it");
}

#[test]
fn trial_that_fails_opens_the_circuit_for_another_cooldown() {
    let mut house = failed(TRIED_AGAIN);
    for how in [Ended::Crashed, Ended::FailedStart, Ended::Crashed] {
        house.wait(60 * SECOND);
        house.lines();
        house.end("a", how);
        assert_eq!(house.lines(), ["a failed: its trial start failed before it handled a message"]);
        assert_eq!(house.view("a").failed.and_then(|failed| failed.trial_at), Some(house.now + 60 * SECOND));
    }
}

#[test]
fn trial_that_is_up_for_a_period_closes_the_circuit() {
    let mut house = failed(TRIED_AGAIN);
    house.wait(60 * SECOND);
    house.answer();
    house.wait(10 * SECOND);
    house.crash("a");
    assert_eq!(house.state("a"), State::Starting);
}

#[test]
fn trial_of_a_parent_closes_when_a_child_handles_a_message() {
    let mut house = House::of_kernel(STRICT, &[("a", TRIED_AGAIN), ("a/x", PLAIN), ("z", PLAIN)]);
    fail(&mut house, "a");
    house.wait(60 * SECOND);
    house.answer();
    house.crash_over("a/x", 1, message(1));
    house.answer();
    house.crash("a");
    house.answer();
    assert_eq!(house.state("a"), State::Running);
}

#[test]
fn operators_start_of_a_failed_actor_is_a_trial_at_once() {
    for spec in [TRIED_AGAIN, NEVER] {
        let mut house = failed(spec);
        house.wait(5 * SECOND);
        house.resume("a");
        assert_eq!(house.lines(), ["a is failed no more", "+a#4"]);
        house.crash("a");
        assert_eq!(house.state("a"), State::Failed, "one failure more is too many");
    }
}

#[test]
fn failed_actor_without_a_cooldown_waits_for_an_operator() {
    let house = failed(NEVER);
    assert_eq!(house.tree.next_timer(), None);
    assert_eq!(house.view("a").failed.and_then(|failed| failed.trial_at), None);
}

#[test]
fn failed_actor_that_an_operator_stops_has_no_trial() {
    let mut house = failed(TRIED_AGAIN);
    house.halt("a");
    assert_eq!((house.state("a"), house.tree.next_timer()), (State::Stopped, None));
    house.resume("a");
    house.answer();
    house.crash("a");
    house.answer();
    assert_eq!(house.state("a"), State::Running, "that was no trial");
}

#[test]
fn stop_of_a_trial_makes_the_next_start_an_ordinary_one() {
    let mut house = failed(TRIED_AGAIN);
    house.wait(60 * SECOND);
    house.answer();
    house.halt("a");
    house.answer();
    house.resume("a");
    house.answer();
    house.crash("a");
    house.answer();
    assert_eq!(house.state("a"), State::Running);
}

#[test]
fn stable_trial_closes_the_circuit_however_its_run_ends() {
    for is_idle in [true, false] {
        let kernel = SupervisionSpec { strategy: Strategy::OneForAll, ..STRICT };
        let mut house = House::of_kernel(kernel, &[("a", TRIED_AGAIN), ("z", PLAIN)]);
        fail(&mut house, "a");
        house.wait(60 * SECOND);
        house.answer();
        house.wait(10 * SECOND);
        if is_idle {
            house.end("a", Ended::Idle);
            house.wanted("a");
        } else {
            house.crash("z");
        }
        house.answer();
        assert_eq!((house.state("a"), house.view("a").incarnation), (State::Running, 5));
        house.crash("a");
        house.answer();
        assert_eq!(house.state("a"), State::Running, "idle: {is_idle}");
    }
}

#[test]
fn cooldown_that_ends_in_a_shutdown_starts_no_actor() {
    for required in [true, false] {
        let last = NodeSpec { required, kind: RestartKind::Temporary, ..PLAIN };
        let mut house = House::of_kernel(STRICT, &[("a", TRIED_AGAIN), ("z", PLAIN), ("r", last)]);
        fail(&mut house, "a");
        house.wait(59 * SECOND);
        house.lines();
        if required {
            house.crash("r");
        } else {
            drop(house.step(Event::Shutdown));
        }
        house.wait(2 * SECOND);
        if required {
            house.resume("a");
        }
        house.answer();
        let lines = house.lines();
        assert!(!lines.iter().any(|line| line.starts_with("+a") || line.starts_with("a is")), "{lines:?}");
    }
}

#[test]
fn siblings_restart_without_a_failed_actor() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let kernel = SupervisionSpec { strategy, intensity: 0, ..SUPERVISOR };
        let mut house = House::of_kernel(kernel, &[("a", TRIED_AGAIN), ("b", PLAIN)]);
        house.crash("a");
        house.answer();
        assert_eq!(house.lines(), ["a failed: too often"], "{strategy:?}");
        house.wait(60 * SECOND);
        house.answer();
        assert_eq!(house.lines(), ["a is failed no more", "+a#2"], "{strategy:?}: alone, too");

        let kernel = SupervisionSpec { strategy, ..STRICT };
        let mut house = House::of_kernel(kernel, &[("s", PLAIN), ("a", TRIED_AGAIN), ("b", PLAIN)]);
        fail(&mut house, "a");
        house.lines();
        house.crash("s");
        house.answer();
        assert_eq!(
            house.lines(),
            ["s: restart 1 of 2", "-b", "+s#", "+b#"].map(|line| match line {
                "+s#" => format!("+s#{}", house.view("s").incarnation),
                "+b#" => format!("+b#{}", house.view("b").incarnation),
                line => line.to_owned(),
            })
        );
        assert_eq!(house.state("a"), State::Failed);
    }
}

#[test]
fn required_actor_that_fails_ends_the_play() {
    let required = NodeSpec { required: true, ..TRIED_AGAIN };
    let mut house = House::of_kernel(STRICT, &[("a", required), ("z", PLAIN)]);
    for _ in 0..3 {
        house.crash("a");
        house.answer();
    }
    let lines = house.lines();
    assert_eq!(lines[lines.len() - 3..], ["kernel gave up on a: too often", "-z", "over: gave up"]);
}

#[test]
fn required_temporary_actor_ends_the_play_by_a_crash_alone() {
    let required = NodeSpec { required: true, kind: RestartKind::Temporary, ..PLAIN };
    let mut house = House::of(&[("a", required), ("b", required), ("z", PLAIN)]);
    house.end("a", Ended::Exited);
    house.answer();
    assert_eq!(house.watcher.over, None);
    house.crash("b");
    house.answer();
    assert_eq!(house.watcher.over, Some(true));
}

#[test]
fn play_ends_when_every_actor_failed_or_ended() {
    let temporary = NodeSpec { kind: RestartKind::Temporary, ..PLAIN };
    let mut house = House::of_kernel(STRICT, &[("a", TRIED_AGAIN), ("b", TRIED_AGAIN), ("t", temporary)]);
    fail(&mut house, "a");
    fail(&mut house, "b");
    assert_eq!(house.watcher.over, None);
    house.end("t", Ended::Exited);
    house.answer();
    assert_eq!(house.watcher.over, Some(true));
}

#[test]
fn play_whose_other_actor_an_operator_stopped_goes_on() {
    let manual = NodeSpec { start: StartKind::Manual, ..PLAIN };
    let mut house = House::of_kernel(STRICT, &[("a", TRIED_AGAIN), ("m", manual)]);
    fail(&mut house, "a");
    assert_eq!(house.watcher.over, None);
}

#[test]
fn shutdown_starts_no_failed_actor() {
    let mut house = failed(TRIED_AGAIN);
    house.step(Event::Shutdown);
    house.answer();
    assert_eq!(house.lines(), ["-z drained", "retire z", "retire a", "over"]);
}

#[test]
fn instances_of_an_actor_share_its_window_and_fail_one_by_one() {
    let mut house = House::new(STRICT);
    let first = house.add("a", TRIED_AGAIN);
    house.add_instance("a'", first, TRIED_AGAIN);
    house.add("z", PLAIN);
    house.step(Event::Boot);
    house.answer();
    for name in ["a", "a'", "a"] {
        house.crash(name);
        house.answer();
    }
    assert_eq!(["a", "a'"].map(|name| house.state(name)), [State::Failed, State::Running]);
    house.crash("a'");
    assert_eq!(house.state("a'"), State::Failed);
}

/// The longest of many pauses after such failures in a row.
fn longest_pause(after: impl Fn(&mut House)) -> Duration {
    let backoff = Backoff { initial: 100 * MS, max: 800 * MS };
    let mut house =
        House::of_kernel(SupervisionSpec { intensity: 1000, ..SUPERVISOR }, &[("a", NodeSpec { backoff, ..PLAIN })]);
    let mut longest = Duration::ZERO;
    for _ in 0..200 {
        house.wait(20 * SECOND);
        house.pauses();
        after(&mut house);
        longest = longest.max(*house.pauses().last().unwrap());
    }
    longest
}

#[test]
fn ten_handled_messages_for_each_failure_reset_the_backoff() {
    let failures = |house: &mut House| {
        for n in 0..4 {
            house.crash_over("a", 0, message(n));
            house.settle();
        }
    };
    let handled = |handled: u64| {
        longest_pause(move |house: &mut House| {
            failures(house);
            house.crash_over("a", handled, message(9));
            house.settle();
        })
    };
    assert!((700 * MS..800 * MS).contains(&handled(39)), "the fifth in a row");
    assert!((90 * MS..100 * MS).contains(&handled(40)), "the first");
}

#[test]
fn backoff_of_further_attempts_grows_with_the_attempts() {
    let attempts = |attempts: u32| {
        longest_pause(move |house: &mut House| {
            for n in 0..3 {
                house.crash_over("a", 0, message(n));
                house.settle();
            }
            for _ in 1..attempts {
                house.crash_over("a", 0, message(2));
                house.settle();
            }
        })
    };
    assert!((300 * MS..400 * MS).contains(&attempts(1)), "the third failure in a row");
    assert!((150 * MS..200 * MS).contains(&attempts(2)));
    assert!((300 * MS..400 * MS).contains(&attempts(3)));
}
