//! The age of the oldest unfinished message of an actor. Messages carry no time, so that they cost nothing more: the numbers of
//! accepted messages are noted from time to time, and the oldest message is at least as old as the first note that has it. That age is exact to a second while the actor handles
//! nothing, and at least three fifths of the true one while it falls behind.

use std::time::{Duration, Instant};

use playhouse_kernel::Progress;

/// Most notes about one actor. For a further one, the note goes whose loss changes an age least, as a part of the age: the notes are
/// close together where they are new, and further apart where they are old.
const MOST_NOTES: usize = 32;

/// The time of each number of accepted messages, for one actor.
#[derive(Default)]
pub(crate) struct Notes(Vec<(Instant, u64)>);

impl Notes {
    /// Notes how far the actor is. An actor without unfinished messages has no notes.
    pub(crate) fn note(&mut self, progress: &Progress, now: Instant) {
        let Self(notes) = self;
        if progress.accepted == progress.finished {
            *notes = Vec::new();
            return;
        }
        notes.retain(|note| note.1 > progress.finished);
        if notes.last().is_some_and(|last| last.1 >= progress.accepted) {
            return;
        }
        if notes.len() == MOST_NOTES {
            // The first note has the oldest message.
            let loss = |index: usize| {
                let (before, after) = (notes[index - 1].0, notes.get(index + 1).map_or(now, |note| note.0));
                (after - before).as_secs_f64() / (now - before).as_secs_f64()
            };
            let least = (1..notes.len()).min_by(|a, b| loss(*a).total_cmp(&loss(*b)));
            notes.remove(least.unwrap_or_default());
        }
        notes.push((now, progress.accepted));
    }

    /// A lower bound of the age of the actor's oldest unfinished message; zero before the first note that has it.
    pub(crate) fn age(&self, progress: &Progress, now: Instant) -> Duration {
        if progress.accepted == progress.finished {
            return Duration::ZERO;
        }
        let first = self.0.iter().find(|note| note.1 > progress.finished);
        first.map_or(Duration::ZERO, |(at, _)| now.saturating_duration_since(*at))
    }
}

#[cfg(test)]
mod tests {
    use playhouse_kernel::ActorId;

    use super::*;

    fn progress(accepted: u64, finished: u64) -> Progress {
        Progress { actor: ActorId::OUTSIDE, accepted, finished, handled: finished, cpu: Duration::ZERO }
    }

    /// The age, in seconds, after notes at these seconds.
    fn age(all: &[(u64, u64, u64)], at: u64, last: Progress) -> u64 {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut notes = Notes::default();
        for (at, accepted, finished) in all {
            notes.note(&progress(*accepted, *finished), after(*at));
            assert!(notes.0.capacity() <= MOST_NOTES);
        }
        notes.age(&last, after(at)).as_secs()
    }

    #[test]
    fn age_begins_with_the_first_note_of_the_message() {
        assert_eq!(age(&[(1, 5, 4)], 10, progress(5, 4)), 9);
        assert_eq!(age(&[(1, 5, 4), (2, 7, 4), (3, 9, 5)], 10, progress(9, 5)), 8, "message 6 came between");
        assert_eq!(age(&[(1, 5, 4)], 10, progress(6, 5)), 0, "message 6 was not noted");
        assert_eq!(age(&[(1, 5, 4), (2, 5, 5)], 10, progress(5, 5)), 0);
    }

    #[test]
    fn age_is_at_least_three_fifths_of_the_true_one() {
        for slowness in [2, 3, 10, 1000] {
            let began = Instant::now();
            let mut notes = Notes::default();
            for second in 1..=5000_u64 {
                let finished = second / slowness;
                let progress = progress(second, finished);
                let now = began + Duration::from_secs(second);
                notes.note(&progress, now);
                // Message number N is accepted in second N.
                let (age, truth) = (notes.age(&progress, now).as_secs(), second - finished - 1);
                assert!(age <= truth && age * 5 >= truth * 3, "{age} of {truth} s, one in {slowness} is finished");
            }
        }
    }

    #[test]
    fn stuck_actor_keeps_its_first_note() {
        let notes: Vec<_> = (0..1000).map(|second| (second, second + 1, 0)).collect();
        assert_eq!(age(&notes, 1000, progress(1000, 0)), 1000);
    }
}
