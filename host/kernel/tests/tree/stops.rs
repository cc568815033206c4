//! The end of the play, and the stop by an operator.

use std::time::Duration;

use playhouse_kernel::supervision::events::{Ended, Event, NodeSpec, State};
use playhouse_kernel::{RestartKind, StartKind, Strategy, SupervisionSpec};

use crate::house::*;

fn family() -> House {
    House::of(&[("a", PLAIN), ("p", PLAIN), ("p/x", PLAIN), ("p/y", PLAIN), ("z", PLAIN)])
}

#[test]
fn children_drain_in_reverse_start_order() {
    let mut house = family();
    house.step(Event::Shutdown);
    house.settle();
    let stops = house.lines().into_iter().filter(|line| line.starts_with('-'));
    let stops: Vec<_> = stops.map(|line| line.trim_end_matches(" drained").to_owned()).collect();
    assert_eq!(stops, ["-z", "-p/y", "-p/x", "-p", "-a"]);
    assert_eq!(house.watcher.over, Some(false));
}

#[test]
fn shutdown_takes_at_most_the_sum_of_its_times() {
    let mut house = family();
    house.step(Event::Shutdown);
    for name in ["z", "p/y", "p/x", "p", "a"] {
        house.wait(SUPERVISOR.shutdown);
        assert_eq!(house.lines().last().unwrap(), &format!("kill {name}"));
        house.end(name, Ended::Stopped);
    }
    assert_eq!((house.watcher.over, house.now), (Some(false), 5 * SUPERVISOR.shutdown));
}

#[test]
fn crash_while_draining_continues_within_the_same_time() {
    let mut house = House::of(&[("a", PLAIN)]);
    house.step(Event::Shutdown);
    for crashes in 2..6 {
        house.wait(SECOND);
        house.lines();
        house.crash("a");
        if crashes < 6 && house.now < SUPERVISOR.shutdown {
            assert_eq!(house.lines(), [format!("+a#{crashes}"), "-a drained".to_owned()]);
        }
    }
    house.wait(SECOND);
    assert_eq!(house.lines(), ["kill a"]);
}

#[test]
fn crash_before_its_turn_restarts_an_actor() {
    let mut house = House::of(&[("sink", PLAIN), ("source", PLAIN)]);
    house.step(Event::Shutdown);
    house.crash("sink");
    assert_eq!(house.lines(), ["-source drained", "sink: restart 1 of 10", "+sink#2"]);
}

#[test]
fn actor_that_crashes_too_often_waits_for_its_turn() {
    let mut house =
        House::of_kernel(SupervisionSpec { intensity: 1, ..SUPERVISOR }, &[("sink", PLAIN), ("source", PLAIN)]);
    house.step(Event::Shutdown);
    house.crash("sink");
    house.crash("sink");
    house.settle();
    let lines = house.lines();
    assert_eq!(lines[..3], ["-source drained", "sink: restart 1 of 1", "+sink#2"]);
    assert_eq!(lines[3..5], ["retire source", "+sink#3"], "no actor fails any more");
}

#[test]
fn no_actor_starts_below_a_parent_that_ended() {
    let mut house = House::of(&[("p", PLAIN), ("p/x", pausing(SECOND)), ("p/y", PLAIN)]);
    house.step(Event::Shutdown);
    house.crash("p/x");
    house.end("p", Ended::Stopped);
    house.lines();
    house.wait(2 * SECOND);
    assert!(house.lines().is_empty());
    house.settle();
    assert_eq!(house.watcher.over, Some(false));
}

#[test]
fn parent_that_crashes_before_its_turn_still_drains() {
    let mut house = House::of(&[("p", PLAIN), ("p/x", PLAIN)]);
    house.step(Event::Shutdown);
    house.crash("p");
    house.settle();
    assert_eq!(house.lines()[..4], ["-p/x drained", "retire p/x", "+p#2", "-p drained"]);
}

#[test]
fn stopping_actor_drains_when_its_turn_comes() {
    let mut house = House::of(&[("a", PLAIN), ("b", PLAIN)]);
    house.halt("b");
    house.step(Event::Shutdown);
    assert_eq!(house.lines(), ["-b", "-b drained"]);
}

#[test]
fn restarting_group_drains_when_the_play_ends() {
    let kernel = SupervisionSpec { strategy: Strategy::OneForAll, ..SUPERVISOR };
    let mut house = House::of_kernel(kernel, &[("a", pausing(SECOND)), ("b", PLAIN)]);
    house.crash("a");
    house.answer();
    house.lines();
    house.step(Event::Shutdown);
    house.settle();
    let drained = ["+b#2", "-b drained", "retire b", "+a#2", "-a drained", "retire a", "over"];
    assert_eq!(house.lines(), drained);
}

#[test]
fn kill_ends_all_actors_at_once() {
    let mut house = family();
    house.step(Event::Kill);
    assert_eq!(house.lines().len(), 5);
    for name in ["p/x", "a", "p", "z", "p/y"] {
        house.end(name, Ended::Crashed);
    }
    assert_eq!(house.lines(), ["over"]);
}

#[test]
fn only_an_operators_start_ends_an_operators_stop() {
    let mut house = House::of(&[("p", PLAIN), ("p/x", PLAIN)]);
    house.halt("p/x");
    house.settle();
    house.crash("p");
    house.settle();
    assert_eq!((house.state("p/x"), house.window("p/x").restarts), (State::Stopped, 0));
    house.resume("p/x");
    house.settle();
    assert_eq!(house.state("p/x"), State::Running);
}

#[test]
fn crash_during_an_operators_stop_starts_no_actor() {
    let mut house = House::of(&[("a", PLAIN)]);
    house.halt("a");
    house.crash("a");
    house.settle();
    assert_eq!((house.lines(), house.state("a")), (vec!["-a".to_owned()], State::Stopped));
}

#[test]
fn stop_and_start_together_restarts_after_the_stop() {
    let mut house = House::of(&[("a", PLAIN)]);
    house.halt("a");
    house.resume("a");
    assert_eq!(house.lines(), ["-a"]);
    house.settle();
    assert_eq!(house.lines(), ["+a#2"]);
    assert_eq!(house.view("a").restarts, 0);
}

#[test]
fn operator_stops_in_backoff_and_starts_manual_actors() {
    let manual = NodeSpec { start: StartKind::Manual, kind: RestartKind::Transient, ..PLAIN };
    let mut house = House::of(&[("slow", pausing(Duration::from_hours(1))), ("manual", manual)]);
    house.crash("slow");
    house.halt("slow");
    house.wait(2 * Duration::from_hours(1));
    assert_eq!((house.state("slow"), house.state("manual")), (State::Stopped, State::Stopped));
    house.resume("manual");
    house.settle();
    assert_eq!(house.state("manual"), State::Running);
}

#[test]
fn spawned_children_share_a_time_to_stop() {
    let mut house = House::of(&[("p", PLAIN), ("p/kept", PLAIN)]);
    for n in 0..100 {
        let (child, below) = (format!("p/{n}"), format!("p/{n}/below"));
        house.spawn(&child, PLAIN);
        house.up(&child);
        house.spawn(&below, PLAIN);
        house.up(&below);
    }
    house.lines();
    house.step(Event::Shutdown);
    let mut killed = Vec::new();
    while let Some(due) = house.tree.next_timer() {
        house.wait(due.saturating_sub(house.now));
        let late: Vec<_> =
            house.lines().iter().filter_map(|line| Some(line.strip_prefix("kill ")?.to_owned())).collect();
        killed.push(late.len());
        for late in &late {
            house.end(late, Ended::Stopped);
        }
    }
    // Three in their order, the rest of both levels at once, the child of the manifest, the parent.
    assert_eq!(killed, [1, 1, 1, 99, 98, 1, 1]);
    assert_eq!((house.watcher.over, house.now), (Some(false), 6 * SUPERVISOR.shutdown));
}
