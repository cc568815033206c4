//! How often an actor failed within its supervisor's period, and how many messages it handled in that time.
//!
//! All attempts at one message are one failure. Failures over messages count only while they outnumber the messages that
//! the actor handled, so that one bad message in a thousand never counts; failures without a message always do.

use std::collections::VecDeque;
use std::time::Duration;

use crate::supervision::events::Node;
use crate::words::failure::Fault;
use crate::words::message::MessageId;

/// Most entries of one actor; above that, neighbours are joined.
const MOST_SPELLS: usize = 512;

/// Failures and handled messages of one actor within the period, over all its instances.
#[derive(Default)]
pub(super) struct Tally {
    /// The entries, oldest first.
    spells: VecDeque<Spell>,
    /// Failures without a message to blame.
    faults: u32,
    /// Messages that failed.
    blamed: u32,
    handled: u64,
}

/// The events at one time.
struct Spell {
    at: Duration,
    faults: u32,
    blamed: u32,
    handled: u64,
    /// The message to blame.
    message: Option<MessageId>,
    /// The instance that crashed with several messages in process, while the one to blame is not known yet.
    suspect: Option<Node>,
}

impl Spell {
    fn new(at: Duration) -> Self {
        Self { at, faults: 0, blamed: 0, handled: 0, message: None, suspect: None }
    }
}

impl Tally {
    /// Removes entries that are older than the period.
    pub(super) fn expire(&mut self, now: Duration, period: Duration) {
        while self.spells.front().is_some_and(|spell| spell.at.saturating_add(period) <= now) {
            let spell = self.spells.pop_front().expect("just seen");
            self.faults -= spell.faults;
            self.blamed -= spell.blamed;
            self.handled -= spell.handled;
        }
    }

    pub(super) fn handle(&mut self, now: Duration, messages: u64) {
        if messages > 0 {
            self.push(Spell { handled: messages, ..Spell::new(now) });
        }
    }

    /// Counts a failure of an instance; false when it is another attempt at a message that failed before.
    pub(super) fn fail(&mut self, now: Duration, instance: Node, fault: Fault) -> bool {
        match fault {
            Fault::Actor => self.push(Spell { faults: 1, ..Spell::new(now) }),
            Fault::Batch => self.push(Spell { blamed: 1, suspect: Some(instance), ..Spell::new(now) }),
            Fault::Message(id) => {
                if self.spells.iter().any(|spell| spell.message == Some(id)) {
                    return false;
                }
                let mut spells = self.spells.iter_mut().rev();
                if let Some(spell) = spells.find(|spell| spell.suspect == Some(instance)) {
                    (spell.suspect, spell.message) = (None, Some(id));
                    return false;
                }
                self.push(Spell { blamed: 1, message: Some(id), ..Spell::new(now) });
            }
            Fault::Another => return false,
        }
        true
    }

    fn push(&mut self, spell: Spell) {
        self.faults = self.faults.saturating_add(spell.faults);
        self.blamed = self.blamed.saturating_add(spell.blamed);
        self.handled = self.handled.saturating_add(spell.handled);
        self.spells.push_back(spell);
        if self.spells.len() > MOST_SPELLS {
            self.join();
        }
    }

    /// Joins each pair of neighbours at the later one's time, which is wrong by at most a few thousandths of a busy period.
    fn join(&mut self) {
        let spells = std::mem::take(&mut self.spells);
        let mut spells = spells.into_iter();
        while let Some(first) = spells.next() {
            let joined = match spells.next() {
                Some(second) => Spell {
                    at: second.at,
                    faults: first.faults + second.faults,
                    blamed: first.blamed + second.blamed,
                    handled: first.handled + second.handled,
                    message: second.message.or(first.message),
                    suspect: second.suspect.or(first.suspect),
                },
                None => first,
            };
            self.spells.push_back(joined);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spells.is_empty()
    }

    /// Number of failures, whether they count or not.
    pub(super) fn failures(&self) -> u32 {
        self.faults.saturating_add(self.blamed)
    }

    pub(super) fn handled(&self) -> u64 {
        self.handled
    }

    /// Number of failures that count.
    pub(super) fn counting(&self) -> u32 {
        counting(self.faults, self.blamed, self.handled)
    }

    /// As [`Tally::counting`], at a time for which entries have not been removed yet.
    pub(super) fn counting_at(&self, now: Duration, period: Duration) -> u32 {
        let (mut faults, mut blamed, mut handled) = (self.faults, self.blamed, self.handled);
        for spell in self.spells.iter().take_while(|spell| spell.at.saturating_add(period) <= now) {
            faults -= spell.faults;
            blamed -= spell.blamed;
            handled -= spell.handled;
        }
        counting(faults, blamed, handled)
    }
}

fn counting(faults: u32, blamed: u32, handled: u64) -> u32 {
    if u64::from(blamed) > handled { faults.saturating_add(blamed) } else { faults }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervision::events::ROOT;

    fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn message(n: u64) -> Fault {
        Fault::Message(MessageId::seeded("test", n))
    }

    #[test]
    fn blamed_failures_count_while_they_outnumber_handled() {
        let mut tally = Tally::default();
        tally.handle(second(0), 2);
        assert_eq!(
            [1, 2, 3].map(|n| (tally.fail(second(1), ROOT, message(n)), tally.counting())).map(|(_, n)| n),
            [0, 0, 3]
        );
        tally.fail(second(1), ROOT, Fault::Actor);
        assert_eq!(tally.counting(), 4, "one without a message always counts");
        tally.handle(second(2), 1);
        assert_eq!(tally.counting(), 1);
        assert_eq!(tally.counting_at(second(10), second(10)), 4, "handled messages expire before the failures");
    }

    #[test]
    fn joining_entries_keeps_all_counts() {
        let mut tally = Tally::default();
        for n in 0..10_000 {
            tally.fail(Duration::from_millis(n), ROOT, message(n));
            tally.handle(Duration::from_millis(n), 3);
        }
        assert_eq!((tally.failures(), tally.handled()), (10_000, 30_000));
        assert!(tally.spells.len() <= MOST_SPELLS);
        tally.expire(second(100), second(10));
        assert_eq!((tally.failures(), tally.handled(), tally.is_empty()), (0, 0, true));
    }
}
