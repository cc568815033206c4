//! Children that are spawned and stopped in frames.

use super::*;

#[test]
fn child_is_reserved_at_once_and_spawned_in_the_frame() {
    let mut play = Play::start();
    assert_eq!(play.batch(&["/a", "spawn /a"]), "2:/a, done, spawn { route: 51 }, 2:/a, done");
    assert_eq!(play.crossed(), ["resolve /a for 0", "reserve w for 1"]);
}

#[test]
fn host_learns_at_once_of_a_failed_message_that_spawned() {
    let mut play = Play::start();
    assert_eq!(play.batch(&["spawn reject", "spawn", "reject"]), "spawn { route: 51 }, done, reject(\"no\")");
    assert_eq!(play.crossed(), ["reserve w for 0", "hand over reject(\"no\")", "reserve w for 1"]);
}

#[test]
fn address_of_a_stopped_child_is_resolved_again() {
    let mut play = Play::start();
    assert_eq!(play.batch(&["/bb stop /bb"]), "3:/bb, stop { route: 3 }, 3:/bb, done");
    play.batch(&["/bb"]);
    assert_eq!(play.crossed(), ["resolve /bb for 0", "find /bb", "resolve /bb for 0"]);
}
