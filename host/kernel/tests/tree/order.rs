//! The order in which siblings start and stop.

use playhouse_kernel::Strategy;
use playhouse_kernel::supervision::events::Node;

use crate::watchful::{Known, Watcher};

impl Watcher {
    /// Every runnable actor before it starts first. But a spawned child need not wait where no actor depends on the order.
    pub fn starts_in_order(&self, known: &Known) {
        let strategy = self.nodes.get(&known.parent).map_or(self.kernel, |above| above.spec.supervision).strategy;
        let need_not_wait = known.spec.dynamic && strategy == Strategy::OneForOne;
        let skipped = self.children(known.parent).any(|before| {
            let may_run = !before.halted && !before.retired && !before.orphan && !before.dismissed;
            before.place < known.place && may_run && !before.had_its_turn
        });
        assert!(known.had_its_turn || need_not_wait || !skipped, "started before one that comes first");
    }

    /// Whether it, or one of its descendants, has an order to stop.
    pub fn goes_down(&self, node: Node) -> bool {
        let below = self.nodes.iter().filter(|(_, known)| known.parent == node);
        self.nodes[&node].told || below.into_iter().any(|(&below, _)| self.goes_down(below))
    }
}
