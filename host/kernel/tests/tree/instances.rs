//! Actors with several instances: an instance restarts alone, and siblings restart only when the actor itself fails, which
//! it does when none of its instances is left.

use playhouse_kernel::supervision::events::{Ended, Event, State};
use playhouse_kernel::{Strategy, SupervisionSpec};

use crate::house::*;

/// `a`, an actor with three instances, `z`; all up.
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
