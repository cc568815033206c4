//! The members of a family whose mailboxes are stored, as far as memory knows of those that are not in it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::actor::family::Family;
use crate::actor::instance::Suspects;
use crate::journal::entry::EntryNumber;
use crate::words::address::Address;
use crate::words::message::ActorId;

/// Addresses of one lock are loaded one after another.
const LOCKS: usize = 64;
/// With more notes than this, those that are not needed any more are removed.
const MANY_NOTES: usize = 64;

/// What memory knows of stored members that are not in it.
pub(crate) struct StoredMembers {
    locks: Box<[Arc<AsyncMutex<()>>]>,
    hasher: RandomState,
    /// Members that left the memory: the last entry that may be about them. Only a store that has it knows them as they are.
    left: Mutex<HashMap<Address, Option<EntryNumber>>>,
    /// Members that could not leave the memory, since another one with the same lock was being loaded.
    delayed: Mutex<Vec<ActorId>>,
    /// Messages that may have ended runs of the host, of members that have not been in memory in this run.
    suspects: Mutex<HashMap<ActorId, Suspects>>,
    /// Whether the run before did not end in order.
    is_unclean: AtomicBool,
}

/// The right to load members, or to let them leave the memory. Those that waited for it are looked at when it ends.
pub(crate) struct Loading {
    family: Arc<Family>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Drop for Loading {
    fn drop(&mut self) {
        drop(self.guard.take());
        if let Some(stored) = &self.family.stored {
            let delayed = std::mem::take(&mut *stored.delayed.lock());
            delayed.into_iter().for_each(|member| self.family.is_unused(member));
        }
    }
}

impl StoredMembers {
    pub(super) fn new() -> Self {
        Self {
            locks: (0..LOCKS).map(|_| Arc::default()).collect(),
            hasher: RandomState::new(),
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
    pub(crate) async fn load(&self, family: &Arc<Family>, member: &Address) -> Loading {
        Loading { family: family.clone(), guard: Some(self.lock_of(member).clone().lock_owned().await) }
    }

    /// The right to let a member leave the memory, if nobody loads one with the same lock. Otherwise the family says when to look again.
    pub(crate) fn try_leave(&self, member: (ActorId, &Address)) -> Option<OwnedMutexGuard<()>> {
        let (id, address) = member;
        // The order matters: the one that loads looks after it has given the lock back.
        self.delayed.lock().push(id);
        let guard = self.lock_of(address).clone().try_lock_owned().ok()?;
        self.delayed.lock().retain(|other| *other != id);
        Some(guard)
    }

    /// Notes that a member leaves the memory, before lookups do not find it any more.
    pub(crate) fn leaves(&self, member: &Address) {
        self.left.lock().insert(member.clone(), None);
    }

    /// Notes the last entry that may be about a member that left. Notes up to the entry `durable` are not needed.
    pub(crate) fn has_left(&self, member: &Address, last: EntryNumber, durable: EntryNumber) {
        let mut left = self.left.lock();
        if left.len() > MANY_NOTES {
            left.retain(|_, last| last.is_none_or(|last| last > durable));
        }
        left.insert(member.clone(), Some(last));
    }

    /// The last entry that may be about a member that left: none when the store knows it as it is, and `Some(None)` while it is leaving.
    pub(crate) fn left(&self, member: &Address) -> Option<Option<EntryNumber>> {
        self.left.lock().get(member).copied()
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
