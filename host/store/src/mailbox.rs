//! The writer's knowledge of an actor and its mailbox, and the changes of one group. A change is checked against the state before
//! it: an entry that cannot be true is an error of the host, and must not be kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::SystemTime;

use playhouse_kernel::{ActorId, Address, StateSize, StoredActor, StoredTimer, records_of};

use crate::suspects::Suspects;
use crate::taken::Taken;
use crate::timers::Timers;
use crate::values::ValueChange;

/// Most bytes of a frame, after its first message.
const FRAME_BYTES: usize = 64 << 10;

/// An actor, and its mailbox. The state is that after the changes of the group under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) address: String,
    pub(crate) halted: Option<bool>,
    /// The highest number of a message.
    pub(crate) last_number: u64,
    /// The messages that wait, held ones included.
    pub(crate) waiting: u64,
    /// The numbers that are in no frame any more: those of messages that ended, and of held ones.
    pub(crate) taken: Taken,
    /// The frames in the database.
    pub(crate) frames: u64,
    /// The bytes of their records.
    pub(crate) frame_bytes: u64,
    /// The numbers of held messages.
    pub(crate) held: BTreeSet<u64>,
    /// The size of its state.
    pub(crate) state: StateSize,
    pub(crate) timers: Timers,
    /// The messages that may have ended runs.
    pub(crate) suspects: Suspects,
}

/// The changes of one group to one mailbox.
#[derive(Default)]
pub(crate) struct Changes<'g> {
    /// Messages that came: the number of the first one, and their records.
    puts: Vec<(Range<u64>, &'g [u8])>,
    /// Messages that are held from now on, by number; none for those that are not held any more.
    pub(crate) held: BTreeMap<u64, Option<(SystemTime, &'g [u8])>>,
    /// Whether messages left frames.
    pub(crate) took: bool,
    /// Changes of the actor's state, by key.
    pub(crate) state: BTreeMap<&'g str, ValueChange<'g>>,
    /// Timers of the actor, by id; none for those that end.
    pub(crate) timers: BTreeMap<u64, Option<&'g StoredTimer>>,
    /// The suspects that changed.
    pub(crate) suspects: BTreeSet<u64>,
}

/// Messages in order, for one row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) first: u64,
    pub(crate) messages: u64,
    pub(crate) records: Vec<u8>,
}

impl Known {
    /// The actor, as a kernel gets it. Whether it was spawned is in another table.
    pub(crate) fn stored(&self, id: ActorId, address: Address) -> StoredActor {
        StoredActor {
            id,
            address,
            last_number: self.last_number,
            waiting: self.waiting,
            bytes: self.frame_bytes,
            halted: self.halted,
            state: self.state,
            timers: self.timers.rows,
            timer_ids: self.timers.highest,
            child: None,
            leaves: false,
            values: Vec::new(),
        }
    }

    pub(crate) fn new(address: String) -> Self {
        Self {
            address,
            halted: None,
            last_number: 0,
            waiting: 0,
            taken: Taken::default(),
            frames: 0,
            frame_bytes: 0,
            held: BTreeSet::new(),
            state: StateSize::default(),
            timers: Timers::default(),
            suspects: Suspects::default(),
        }
    }

    pub(crate) fn suspect(
        &mut self,
        changes: &mut Changes<'_>,
        number: u64,
        (ends, boot): (u32, u64),
    ) -> Result<(), String> {
        let in_frame = number <= self.last_number && !self.taken.contains(number);
        if !in_frame && !self.held.contains(&number) {
            return Err(format!("message {number} of `{}` is a suspect, and gone", self.address));
        }
        self.suspects.insert(number, ends, boot);
        changes.suspects.insert(number);
        Ok(())
    }

    pub(crate) fn set_timer<'g>(&mut self, changes: &mut Changes<'g>, timer: &'g StoredTimer) {
        self.timers.set(timer.id);
        changes.timers.insert(timer.id, Some(timer));
    }

    pub(crate) fn end_timer(&mut self, changes: &mut Changes<'_>, id: u64) -> Result<(), String> {
        if !self.timers.end(id) {
            return Err(format!("timer {id} of `{}` ends twice, or was never set", self.address));
        }
        changes.timers.insert(id, None);
        Ok(())
    }

    /// Whether the messages that wait are those in frames and the held ones.
    pub(crate) fn has_all(&self) -> bool {
        self.waiting == self.taken.missing_up_to(self.last_number) + self.held.len() as u64
    }

    pub(crate) fn put<'g>(
        &mut self,
        changes: &mut Changes<'g>,
        first: u64,
        messages: u32,
        records: &'g [u8],
    ) -> Result<(), String> {
        if first <= self.last_number {
            return Err(format!("number {first} of `{}` is given twice", self.address));
        }
        let (count, bytes) =
            records_of(records).fold((0, 0), |(count, bytes), record| (count + 1, bytes + record.len()));
        if (count, bytes) != (u64::from(messages), records.len()) || count == 0 {
            return Err(format!("{} bytes are not {messages} records for `{}`", records.len(), self.address));
        }
        // Numbers that were left out belong to no message.
        self.taken.insert(self.last_number + 1..first);
        self.last_number = first + count - 1;
        self.waiting += count;
        changes.puts.push((first..first + count, records));
        Ok(())
    }

    pub(crate) fn hold<'g>(
        &mut self,
        changes: &mut Changes<'g>,
        number: u64,
        due: SystemTime,
        record: &'g [u8],
    ) -> Result<(), String> {
        if !self.held.contains(&number) {
            self.remove_from_frames(changes, number..number + 1)?;
            self.held.insert(number);
        }
        changes.held.insert(number, Some((due, record)));
        if self.suspects.hold(number) {
            changes.suspects.insert(number);
        }
        Ok(())
    }

    pub(crate) fn take(&mut self, changes: &mut Changes<'_>, numbers: Range<u64>) -> Result<(), String> {
        self.waiting = self.waiting.saturating_sub(numbers.end - numbers.start);
        changes.suspects.extend(self.suspects.end(numbers.clone()));
        if self.held.range(numbers.clone()).next().is_none() {
            return self.remove_from_frames(changes, numbers);
        }
        for number in numbers {
            if self.held.remove(&number) {
                changes.held.insert(number, None);
            } else {
                self.remove_from_frames(changes, number..number + 1)?;
            }
        }
        Ok(())
    }

    fn remove_from_frames(&mut self, changes: &mut Changes<'_>, numbers: Range<u64>) -> Result<(), String> {
        changes.took = true;
        if numbers.end > self.last_number + 1 || !self.taken.insert(numbers.clone()) {
            return Err(format!("messages {numbers:?} of `{}` end twice, or never came", self.address));
        }
        Ok(())
    }

    /// The new messages that are still in frames.
    pub(crate) fn new_frames(&self, changes: &Changes<'_>) -> Vec<Frame> {
        let mut frames: Vec<Frame> = Vec::new();
        for (numbers, records) in &changes.puts {
            if !self.taken.has_any_of(numbers) && records.len() <= FRAME_BYTES {
                append(&mut frames, numbers.start, numbers.end - numbers.start, records);
                continue;
            }
            for (number, record) in numbers.clone().zip(records_of(records)) {
                if !self.taken.contains(number) {
                    append(&mut frames, number, 1, record);
                }
            }
        }
        frames
    }
}

/// Appends messages to the last frame if they follow it, and fit; else begins the next one.
fn append(frames: &mut Vec<Frame>, first: u64, messages: u64, records: &[u8]) {
    match frames.last_mut() {
        Some(last) if last.first + last.messages == first && last.records.len() + records.len() <= FRAME_BYTES => {
            last.messages += messages;
            last.records.extend_from_slice(records);
        }
        _ => frames.push(Frame { first, messages, records: records.to_vec() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of a message with this body.
    fn record(body: &[u8]) -> Vec<u8> {
        let mut record = vec![0; 64];
        record[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
        record.extend_from_slice(body);
        record
    }

    fn records(count: usize) -> Vec<u8> {
        (0..count).flat_map(|index| record(format!("{index}").as_bytes())).collect()
    }

    fn shape(frames: &[Frame]) -> Vec<(u64, u64)> {
        frames.iter().map(|frame| (frame.first, frame.messages)).collect()
    }

    #[test]
    fn messages_that_end_in_their_group_reach_no_frame() {
        let (mut known, mut changes, five) = (Known::new("/a".into()), Changes::default(), records(5));
        known.put(&mut changes, 1, 5, &five).expect("new");
        known.take(&mut changes, 1..3).expect("they wait");
        known.hold(&mut changes, 4, SystemTime::UNIX_EPOCH, &five[..65]).expect("it waits");
        assert_eq!(shape(&known.new_frames(&changes)), [(3, 1), (5, 1)]);
        assert_eq!((known.waiting, known.taken.below()), (3, 3));
        known.take(&mut changes, 3..6).expect("one of them is held");
        assert_eq!((known.waiting, known.held.len(), changes.held[&4]), (0, 0, None));
        assert_eq!(known.new_frames(&changes), []);
    }

    #[test]
    fn entries_that_follow_one_another_share_a_frame() {
        let (mut known, mut changes, two, large) =
            (Known::new("/a".into()), Changes::default(), records(2), record(&vec![7; FRAME_BYTES]));
        known.put(&mut changes, 1, 2, &two).expect("new");
        known.put(&mut changes, 3, 2, &two).expect("new");
        known.put(&mut changes, 5, 1, &large).expect("new");
        known.put(&mut changes, 9, 1, &two[..65]).expect("numbers may be left out");
        assert_eq!(shape(&known.new_frames(&changes)), [(1, 4), (5, 1), (9, 1)]);
        assert!(known.taken.contains(6) && known.taken.contains(8) && !known.taken.contains(9));
    }

    #[test]
    fn changes_that_cannot_be_true_are_refused() {
        let (mut known, mut changes, two) = (Known::new("/a".into()), Changes::default(), records(2));
        known.put(&mut changes, 1, 2, &two).expect("new");
        assert!(known.put(&mut changes, 2, 2, &two).is_err(), "a number is given twice");
        assert!(known.put(&mut changes, 3, 1, &two).is_err(), "two records are not one message");
        assert!(known.put(&mut changes, 3, 2, &two[..100]).is_err(), "half a record");
        assert!(known.take(&mut changes, 2..4).is_err(), "a message that never came");
        assert!(known.take(&mut changes, 1..2).is_ok());
        assert!(known.take(&mut changes, 1..2).is_err(), "it ends twice");
        assert!(known.hold(&mut changes, 1, SystemTime::UNIX_EPOCH, &two[..65]).is_err(), "it has ended");
    }
}
