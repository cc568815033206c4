//! The members of a family whose mailboxes are stored, as far as memory knows of those that are not in it.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foldhash::quality::FixedState;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::actor::instance::Suspects;
use crate::journal::entry::EntryNumber;
use crate::words::address::Address;
use crate::words::message::ActorId;

/// Addresses of one lock are loaded one after another.
const LOCKS: usize = 1024;
/// Notes that are not needed any more are removed when there are more than this, and twice as many as were left the last time.
const MANY_NOTES: usize = 64;

/// The knowledge of stored members that are not in memory.
pub(crate) struct StoredMembers {
    locks: Box<[Arc<AsyncMutex<()>>]>,
    /// Of the plan's seed, so that a play can be repeated, and nobody outside knows which names have one lock.
    hasher: FixedState,
    /// Members that left the memory: the last entry that may be about them. Only a store that has it knows them as they are.
    left: Mutex<Notes>,
    /// Members that could not leave the memory, since another one with the same lock was being loaded.
    delayed: Mutex<Vec<ActorId>>,
    /// Messages that may have ended runs of the host, of members that have not been in memory in this run.
    suspects: Mutex<HashMap<ActorId, Suspects>>,
    /// Whether the run before did not end in order.
    is_unclean: AtomicBool,
}

/// How a member left the memory.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Left {
    /// It is about to.
    Now,
    /// It left when this was the last entry that may be about it.
    After(EntryNumber),
}

#[derive(Default)]
struct Notes {
    of: HashMap<Address, Left>,
    /// The notes that were needed when they were last looked through.
    needed: usize,
}

impl Notes {
    fn remove_durable(&mut self, durable: EntryNumber) {
        if self.of.len() > MANY_NOTES.max(2 * self.needed) {
            self.of.retain(|_, left| !matches!(left, Left::After(last) if *last <= durable));
            self.needed = self.of.len();
        }
    }
}

impl StoredMembers {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            locks: (0..LOCKS).map(|_| Arc::default()).collect(),
            hasher: FixedState::with_seed(seed),
            left: Mutex::default(),
            delayed: Mutex::default(),
            suspects: Mutex::default(),
            is_unclean: AtomicBool::new(false),
        }
    }

    fn lock_of(&self, member: &Address) -> &Arc<AsyncMutex<()>> {
        &self.locks[self.hasher.hash_one(member) as usize % LOCKS]
    }

    /// Waits until the member at an address can be loaded.
    pub(super) async fn lock(&self, member: &Address) -> OwnedMutexGuard<()> {
        self.lock_of(member).clone().lock_owned().await
    }

    /// The members that could not leave the memory so far.
    pub(super) fn take_delayed(&self) -> Vec<ActorId> {
        std::mem::take(&mut *self.delayed.lock())
    }

    /// The right to let a member leave the memory, if nobody loads one with the same lock. Otherwise the family says when to look again.
    pub(crate) fn try_release(&self, member: (ActorId, &Address)) -> Option<OwnedMutexGuard<()>> {
        let (id, address) = member;
        // The order matters: the one that loads looks after it has given the lock back.
        self.delayed.lock().push(id);
        let guard = self.lock_of(address).clone().try_lock_owned().ok()?;
        self.delayed.lock().retain(|other| *other != id);
        Some(guard)
    }

    /// Notes that a member leaves the memory, before lookups do not find it any more.
    pub(crate) fn leaves(&self, member: &Address) {
        self.left.lock().of.insert(member.clone(), Left::Now);
    }

    /// Notes the last entry that may be about a member that left. Notes up to the entry `durable` are not needed.
    pub(crate) fn has_left(&self, member: &Address, last: EntryNumber, durable: EntryNumber) {
        let mut left = self.left.lock();
        left.remove_durable(durable);
        left.of.insert(member.clone(), Left::After(last));
    }

    /// Notes that a member is removed by this entry, without having been in memory.
    pub(crate) fn removed(&self, member: Address, entry: EntryNumber) {
        self.left.lock().of.insert(member, Left::After(entry));
    }

    /// How a member left the memory; none when the store knows it as it is.
    pub(crate) fn left(&self, member: &Address) -> Option<Left> {
        self.left.lock().of.get(member).copied()
    }

    /// Keeps what the members need when they come into memory.
    pub(crate) fn begin(&self, suspects: HashMap<ActorId, Suspects>, is_unclean: bool) {
        *self.suspects.lock() = suspects;
        self.is_unclean.store(is_unclean, Ordering::Release);
    }

    /// The suspects of a member that comes into memory, and whether the run before did not end in order.
    pub(crate) fn suspects_of(&self, member: ActorId) -> (Suspects, bool) {
        let suspects = self.suspects.lock().remove(&member).unwrap_or_default();
        (suspects, self.is_unclean.load(Ordering::Acquire))
    }
}
