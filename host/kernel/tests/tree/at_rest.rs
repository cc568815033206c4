//! The rules that hold when nothing is pending, and how long the end may take.

use std::time::Duration;

use playhouse_kernel::RestartKind;
use playhouse_kernel::supervision::events::{Ended, State};
use playhouse_kernel::supervision::tree::Tree;

use crate::watchful::{Known, Watcher};

impl Watcher {
    /// All answers were given and all timers fired: nothing is pending.
    pub fn at_rest(&self, tree: &Tree, now: Duration) {
        assert_eq!(tree.next_timer(), None);
        for (&node, known) in &self.nodes {
            let view = tree.view(node, now).expect("it is there");
            let parent_up = self.may_have_children(known.parent);
            match view.state {
                State::Running => assert!(known.alive && known.up && parent_up),
                State::Stopped => assert!(known.halted && !known.alive),
                State::Down => assert!(!known.alive && !parent_up, "nobody starts it: {node:?}"),
                State::Ended => {
                    let may_end = known.spec.kind != RestartKind::Permanent;
                    let may_end = may_end || known.dismissed || known.may_have_ended || self.over.is_some();
                    assert!(!known.alive && !known.spec.dynamic && may_end);
                    assert!(known.retired);
                }
                State::Passivated => assert!(!known.alive && !known.halted && parent_up && known.passivated),
                State::Waiting => {
                    let refused = matches!(known.end, Some(Ended::Refused(_)));
                    assert!(!known.alive && !known.halted && parent_up && refused);
                }
                State::Failed => assert!(!known.alive && self.is_failed(known)),
                State::Idle | State::Starting | State::Draining | State::Stopping | State::BackingOff => {
                    panic!("{node:?} is {:?} for ever", view.state)
                }
            }
            assert!(!known.halted || !known.alive, "a halted actor runs");
        }
    }

    fn is_failed(&self, known: &Known) -> bool {
        known.failed || self.nodes.get(&known.parent).is_some_and(|above| self.is_failed(above))
    }

    /// The longest that an orderly shutdown may take.
    pub fn longest_shutdown(&self) -> Duration {
        let time = |known: &Known| match self.nodes.get(&known.parent) {
            Some(parent) => parent.spec.supervision.shutdown,
            None => self.kernel.shutdown,
        };
        self.nodes.values().map(time).sum()
    }
}
