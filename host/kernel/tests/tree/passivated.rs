//! The rules that hold when nothing is pending, the longest time of the end, and the state that an actor's instances share.

use std::time::Duration;

use playhouse_kernel::supervision::events::{Ended, Node, State};
use playhouse_kernel::supervision::tree::Tree;
use playhouse_kernel::{RestartKind, SupervisionSpec};

use crate::watchful::{Known, Watcher};

impl Watcher {
    /// All answers were given and all timers fired: nothing is pending.
    pub fn check_passivated(&self, tree: &Tree) {
        assert_eq!(tree.next_timer(), None);
        for (&node, known) in &self.nodes {
            let view = tree.view(node).expect("it is there");
            let parent_up = self.may_have_children(known.parent);
            match view.state {
                State::Running => assert!(known.alive && known.up && parent_up),
                State::Stopped => assert!(known.halted && !known.alive),
                State::Down => assert!(!known.alive && !parent_up, "no start is planned for it: {node:?}"),
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

    pub fn instances_of(&self, node: Node) -> Vec<Node> {
        let first = self.nodes[&node].first.unwrap_or(node);
        let same = self.nodes.iter().filter(|(node, other)| other.first.unwrap_or(**node) == first);
        same.map(|(&node, _)| node).collect()
    }

    pub fn instances_beside(&self, node: Node) -> impl Iterator<Item = &Known> {
        self.instances_of(node).into_iter().filter(move |&other| other != node).map(|other| &self.nodes[&other])
    }

    /// Whether it is one of several instances, which have no children.
    pub fn is_several(&self, node: Node) -> bool {
        self.nodes.contains_key(&node) && self.instances_of(node).len() > 1
    }

    /// Restarts that a child's supervisor counts at this time.
    pub fn recent(&self, child: Node, now: Duration) -> u32 {
        let known = &self.nodes[&child];
        let count = |restarts: &[Duration], spec: SupervisionSpec| {
            restarts.iter().filter(|&&at| at + spec.period > now).count() as u32
        };
        if let Some(above) = self.nodes.get(&known.parent) {
            return count(&above.restarts, above.spec.supervision);
        }
        // All instances of an actor count together.
        self.instances_of(child).iter().map(|node| count(&self.nodes[node].own_restarts, self.kernel)).sum()
    }
}
