//! Messages and timers that the store has of an actor, as they come into memory.

use crate::actor::Actor;
use crate::actor::instance::Suspects;
use crate::dispatch::Shared;
use crate::dispatch::shared::unread::checked_record;
use crate::journal::entry::TimerIds;
use crate::journal::store::{Store, StoreError, StoredActor};
use crate::mailbox::message_log::message_of;
use crate::words::clock::later;
use crate::words::message::Message;

/// Bytes of messages that are read at a time.
const PAGE_BYTES: usize = 256 << 10;
/// Of the messages that wait in order, so many bytes of each mailbox are read before the play starts, or the member of a family is in
/// memory. The others are read as those that are only in the store: a start with millions of them takes no longer than one with thousands.
const START_BYTES: usize = 16 << 10;
/// Timers that are read at a time.
const READ_TIMERS: usize = 1024;
/// After a run that did not end in order, so many messages of each mailbox are handled one at a time: of those that wait in order, and of
/// those that wait for a retry.
const FIRST_SUSPECTS: usize = 64;

/// The restore of one mailbox.
pub(crate) struct MailboxRestore {
    /// Whether its first messages may have ended the run before.
    pub(crate) is_unclean: bool,
    /// How many runs each may have ended.
    pub(crate) suspects: Suspects,
    /// The messages that ended too many runs.
    pub(crate) host_died: Vec<(Message, u32)>,
}

impl MailboxRestore {
    /// Held messages are in memory; of the others, the first ones. Returns the messages that are dead letters now.
    pub(crate) async fn run(
        mut self,
        shared: &Shared,
        actor: &Actor,
        known: &StoredActor,
        store: &dyn Store,
    ) -> Result<Vec<(Message, u32)>, StoreError> {
        let (mailbox, mut found) = (&actor.mailbox, Suspects::new());
        // A message that is handled alone is not in the log, and so are those before it.
        let looks = self.is_unclean || self.suspects.values().any(|ends| *ends > 0);
        mailbox.restore(&[], 0, known.last_number);
        let mut left = known.waiting;
        let mut messages = if left > 0 { store.held(actor.id, 1, PAGE_BYTES).await? } else { Vec::new() };
        let latest = later(actor.spec.restart.backoff.max);
        while let Some(last) = messages.last().map(|last| last.number).filter(|_| left > 0) {
            left = left.saturating_sub(messages.len() as u64);
            for stored in &messages {
                // However the clock jumped, a retry is no further away than its longest pause.
                let due = shared.moment_of(stored.due.unwrap_or(shared.began_at)).min(latest);
                let message = message_of(checked_record(stored, actor)?);
                let Some((message, ends)) = self.unless_host_died(actor, stored.number, message) else { continue };
                if ends > 0 || self.is_unclean && found.len() < FIRST_SUSPECTS {
                    found.insert(stored.number, ends);
                }
                mailbox.count_restored(1);
                actor.instances[0].backlog.lock().delayed.push((due, message));
            }
            messages = store.held(actor.id, last + 1, PAGE_BYTES).await?;
        }
        let memory_bytes = mailbox.spec().memory_bytes;
        let start_bytes = memory_bytes.min(START_BYTES);
        let (mut from, mut alone, mut alone_bytes, mut read_bytes) = (1, 0, 0, 0);
        let is_done = |alone, alone_bytes, read_bytes| {
            let all_suspects = !looks || alone == FIRST_SUSPECTS || alone_bytes >= memory_bytes;
            all_suspects && read_bytes >= start_bytes
        };
        while left > 0 && (looks && alone == 0 || mailbox.has_memory() && !is_done(alone, alone_bytes, read_bytes)) {
            let messages = store.messages(actor.id, from, start_bytes).await?;
            let Some(last) = messages.last() else {
                return Err(StoreError::Damaged { at: format!("message {from} of `{}`", actor.address()) });
            };
            from = last.number + 1;
            let mut records = Vec::new();
            let mut waiting = 0;
            for stored in messages.iter().filter(|message| message.due.is_none()) {
                left = left.saturating_sub(1);
                let record = checked_record(stored, actor)?;
                read_bytes += record.len();
                if !looks || alone == FIRST_SUSPECTS {
                    records.extend_from_slice(record);
                    waiting += 1;
                    continue;
                }
                let message = self.unless_host_died(actor, stored.number, message_of(record));
                let Some((message, ends)) = message else { continue };
                (alone, alone_bytes) = (alone + 1, alone_bytes + record.len());
                if ends > 0 || self.is_unclean {
                    found.insert(stored.number, ends);
                }
                mailbox.count_restored(1);
                actor.instances[0].backlog.lock().returned.push_back(message);
            }
            mailbox.restore(&records, waiting, known.last_number);
        }
        if left > 0 {
            let bytes = usize::try_from(known.bytes).unwrap_or(usize::MAX).saturating_sub(read_bytes);
            mailbox.restore_unread(left as usize, bytes, from);
        }
        actor.instances[0].backlog.lock().suspect(found);
        Ok(self.host_died)
    }

    /// The message, with the number of runs that it may have ended; none when these are too many.
    fn unless_host_died(&mut self, actor: &Actor, number: u64, message: Message) -> Option<(Message, u32)> {
        let ends = self.suspects.get(&number).copied().unwrap_or_default();
        if ends > 0 && ends >= actor.spec.restart.attempts {
            self.host_died.push((message, ends));
            return None;
        }
        Some((message, ends))
    }
}

/// Goes on with the timers of an actor.
pub(crate) async fn restore_timers(shared: &Shared, known: &StoredActor, store: &dyn Store) -> Result<(), StoreError> {
    let timers = &shared.routing.kept_timers;
    if known.timer_ids != TimerIds::default() {
        timers.restore_ids(known.id, known.timer_ids);
    }
    let (mut after, mut left) = (0, known.timers);
    while left > 0 {
        let read = store.timers(known.id, after, READ_TIMERS).await?;
        let damaged = |id: u64| StoreError::Damaged { at: format!("timer {id} of `{}`", known.address) };
        after = read.last().ok_or_else(|| damaged(after + 1))?.id;
        left = left.saturating_sub(read.len() as u64);
        for timer in &read {
            let message = Message::read(&timer.record).ok_or_else(|| damaged(timer.id))?;
            shared.restore_kept((known.id, &known.address), timer, &message);
        }
    }
    Ok(())
}
