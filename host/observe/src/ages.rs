//! The age of the oldest unfinished message of each actor. Messages carry no time, so that they cost nothing more: the numbers
//! of accepted messages are noted from time to time, and the oldest message is at least as old as the first note that has it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use playhouse_kernel::{ActorId, Kernel, Progress};

/// Most notes about one actor. When there are more, every second of the older ones is dropped.
const MOST_NOTES: usize = 32;

/// The time of each number of accepted messages.
#[derive(Default)]
pub struct Ages(Mutex<HashMap<ActorId, Vec<(Instant, u64)>>>);

impl Ages {
    /// Notes how far all actors of a play are. An actor without unfinished messages has no notes.
    pub fn note(&self, kernel: &Kernel, now: Instant) {
        let mut notes = self.0.lock();
        let mut next = HashMap::with_capacity(notes.len());
        kernel.progress(|progress| {
            if let Some(noted) = noted(notes.remove(&progress.actor), progress, now) {
                next.insert(progress.actor, noted);
            }
        });
        *notes = next;
    }

    /// The least age of the actor's oldest unfinished message; zero before the first note that has it.
    pub fn of(&self, progress: Progress, now: Instant) -> Duration {
        if progress.accepted == progress.finished {
            return Duration::ZERO;
        }
        let notes = self.0.lock();
        let first = notes.get(&progress.actor).and_then(|notes| notes.iter().find(|note| note.1 > progress.finished));
        first.map_or(Duration::ZERO, |(at, _)| now.saturating_duration_since(*at))
    }
}

/// The notes about one actor with a new one; none when no message is unfinished.
fn noted(before: Option<Vec<(Instant, u64)>>, progress: Progress, now: Instant) -> Option<Vec<(Instant, u64)>> {
    if progress.accepted == progress.finished {
        return None;
    }
    let mut notes = before.unwrap_or_default();
    notes.retain(|note| note.1 > progress.finished);
    if notes.last().is_none_or(|last| last.1 < progress.accepted) {
        notes.push((now, progress.accepted));
    }
    if notes.len() > MOST_NOTES {
        let mut index = 0;
        // The first note has the oldest message, and the last one is new.
        notes.retain(|_| {
            index += 1;
            index % 2 == 1
        });
    }
    Some(notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(accepted: u64, finished: u64) -> Progress {
        Progress { actor: ActorId::OUTSIDE, accepted, finished, handled: finished, cpu: Duration::ZERO }
    }

    /// The age, in seconds, after notes at these seconds.
    fn age(notes: &[(u64, u64, u64)], at: u64, last: Progress) -> u64 {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut all = None;
        for (at, accepted, finished) in notes {
            all = noted(all, progress(*accepted, *finished), after(*at));
            assert!(all.as_ref().is_none_or(|notes| notes.len() <= MOST_NOTES));
        }
        let ages = Ages(Mutex::new(all.into_iter().map(|notes| (last.actor, notes)).collect()));
        ages.of(last, after(at)).as_secs()
    }

    #[test]
    fn age_begins_with_the_first_note_of_the_message() {
        assert_eq!(age(&[(1, 5, 4)], 10, progress(5, 4)), 9);
        assert_eq!(age(&[(1, 5, 4), (2, 7, 4), (3, 9, 5)], 10, progress(9, 5)), 8, "message 6 came between");
        assert_eq!(age(&[(1, 5, 4)], 10, progress(6, 5)), 0, "message 6 was not noted");
        assert_eq!(age(&[(1, 5, 4), (2, 5, 5)], 10, progress(5, 5)), 0);
    }

    #[test]
    fn stuck_actor_keeps_its_first_note() {
        let notes: Vec<_> = (0..1000).map(|second| (second, second + 1, 0)).collect();
        assert_eq!(age(&notes, 1000, progress(1000, 0)), 1000);
    }
}
