//! The task that answers asks whose time is over.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::dispatch::Shared;
use crate::dispatch::deadlines::Deadlines;

/// A search for asks that are late is followed by a pause of so many times its duration: it never takes more than a twentieth of a thread.
const PAUSE: u32 = 20;
/// The shortest pause between two searches: timers have this resolution.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// Answers asks whose time is over, as long as the play has them.
pub(crate) async fn answer_late(shared: Weak<Shared>, deadlines: Arc<Deadlines>) {
    let mut earliest = Instant::now();
    while deadlines.reached(earliest).await {
        let Some(shared) = shared.upgrade() else { return };
        let began = Instant::now();
        shared.routing.asks.answer_late(began);
        earliest = Instant::now() + (PAUSE * began.elapsed()).max(SHORTEST_PAUSE);
    }
}
