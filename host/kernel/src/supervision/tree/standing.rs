//! The wait of a node, as far as the tree knows: for operators who ask why an actor does not go on.

use crate::supervision::events::{Node, ROOT, Standing};
use crate::supervision::node::{Over, Phase};
use crate::supervision::tree::Tree;

impl Tree {
    /// The wait of a node; none when it was removed.
    pub fn standing(&self, node: Node) -> Option<Standing> {
        let entry = self.nodes.get(node)?;
        let is_down = entry.phase == Phase::Down;
        Some(Standing {
            since: entry.since,
            until: entry.timer,
            waits_for: self.comes_before(node),
            is_new: is_down && entry.halted && entry.incarnation == 0 && entry.since.is_zero(),
        })
    }

    /// The node whose step comes before the next one of this node.
    fn comes_before(&self, node: Node) -> Option<Node> {
        let entry = self.nodes.get(node)?;
        let parent = entry.parent?;
        let turn_of = |above: Node| self.nodes.get(above)?.turns?.current.filter(|current| *current != node);
        match entry.phase {
            Phase::AwaitingDirective(_) => Some(parent),
            Phase::StartingChildren | Phase::StoppingChildren(_) => turn_of(node),
            Phase::BackingOff if entry.timer.is_none() => turn_of(parent),
            Phase::Down if !entry.halted && entry.over == Over::No => match self.nodes.get(parent)?.phase {
                Phase::Up | Phase::StartingChildren | Phase::StoppingChildren(_) => turn_of(parent),
                _ => (parent != ROOT).then_some(parent),
            },
            _ => None,
        }
    }
}
