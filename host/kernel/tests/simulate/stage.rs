//! A play in progress, as all its tasks see it.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::ledger::Ledger;
use crate::world::Play;

/// The script of a play, and the ledger that all its tasks write.
pub struct Stage {
    pub play: Play,
    ledger: Mutex<Ledger>,
    began: Instant,
}

impl Stage {
    pub fn new(play: Play) -> Arc<Self> {
        let most_instances = play.most_instances.unwrap_or(usize::MAX);
        let ledger = Mutex::new(Ledger::new(&play.roles, most_instances));
        Arc::new(Self { play, ledger, began: Instant::now() })
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        let mut ledger = self.ledger.lock();
        ledger.now = self.began.elapsed();
        ledger
    }
}
