//! The trait of everything that keeps a play across runs of its host. The kernel knows no file: a store is made elsewhere.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::BoxFuture;

use crate::journal::entry::{
    EntryNumber, ExpiringKey, Group, StoredChild, StoredLetter, StoredOrigin, StoredTimer, StoredValue, TimerIds,
};
use crate::words::address::Address;
use crate::words::keyed_state::StateSize;
use crate::words::message::ActorId;

/// Keeps entries. After a crash, a *prefix* of the written entries is left: whole entries only, without a gap, and with all
/// entries whose [`Store::write`] returned.
pub trait Store: Send + Sync + 'static {
    /// Takes the store for this host alone, repairs what a crash left, and counts one more start. It is called once, before
    /// all other calls.
    fn open(&self) -> BoxFuture<'_, Result<Image, StoreError>>;

    /// Makes a group durable. Calls follow one another, and so do the numbers of their entries. With [`StoreError::Full`]
    /// nothing of the group is kept, and the group is written again later, perhaps with more entries at its end. All other errors end the run: the store is not
    /// written again.
    fn write(&self, group: Arc<Group>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Why messages from outside are to be refused: what is left is kept for turns and for orders of operators, and groups with those
    /// are still written. None when there is space for everything. It is called often, and does not wait.
    fn shortage(&self) -> Option<String> {
        None
    }

    /// As [`Store::shortage`], once messages from outside of so many bytes are kept. It is asked for a message of more than
    /// [`Store::outside_bytes`], while no other one from outside is on its way.
    fn shortage_with(&self, bytes: usize) -> Option<String> {
        let _ = bytes;
        self.shortage()
    }

    /// Most bytes of messages from outside that are on their way at a time; a larger one is so alone. All of them fit into the space that is kept when
    /// [`Store::shortage`] begins.
    fn outside_bytes(&self) -> usize {
        usize::MAX
    }

    /// The actor with an address; none when it was never born, or is gone. It sees all groups that were written.
    fn actor(&self, address: &Address) -> BoxFuture<'_, Result<Option<StoredActor>, StoreError>>;

    /// The addresses of actors directly below `above` and after `after`, in order, at most so many. It sees all groups that were written.
    fn children(
        &self,
        above: &Address,
        after: Option<&Address>,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Address>, StoreError>>;

    /// The messages of a mailbox from a number on, in order of their numbers: at least one if there is one, and then no more
    /// than `most_bytes` of records. It sees all groups that were written.
    fn messages(
        &self,
        mailbox: ActorId,
        from: u64,
        most_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>>;

    /// As [`Store::messages`], of the held ones alone.
    fn held(
        &self,
        mailbox: ActorId,
        from: u64,
        most_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>>;

    /// The value of a key of an actor's state, also one whose time is over and that is not removed yet; none when it has none. It sees all
    /// groups that were written, as the next three.
    fn value(&self, actor: ActorId, key: &str) -> BoxFuture<'_, Result<Option<StoredValue>, StoreError>>;

    /// Keys of an actor's state that begin with `prefix` and come after `after`, in the order of their bytes, at most `most`; without those
    /// whose time is over at `now`.
    fn keys(
        &self,
        actor: ActorId,
        prefix: &str,
        after: Option<&str>,
        most: usize,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<Vec<String>, StoreError>>;

    /// The size of an actor's state, with the values that are not removed yet; nothing for an actor that was never born.
    fn state_size(&self, actor: ActorId) -> BoxFuture<'_, Result<StateSize, StoreError>>;

    /// The keys whose values end first, of all actors, at most `most`, in the order of their times.
    fn expiring(&self, most: usize) -> BoxFuture<'_, Result<Vec<ExpiringKey>, StoreError>>;

    /// Values that were set after `now`, by a clock that was ahead, count as set at `now`. It is called once, after [`Store::open`] and
    /// before the first write, and is no entry. Values that an error leaves live longer.
    fn shorten_lifetimes(&self, now: SystemTime) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Timers of an actor with ids above `after`, in order of their ids, at most `most`. It sees all groups that were written.
    fn timers(&self, actor: ActorId, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredTimer>, StoreError>>;

    /// Dead letters with numbers above `after`, in order of their numbers, at most `most`.
    fn letters(&self, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredLetter>, StoreError>>;

    /// The positions of a source from one on, in the order of their bytes, at most `most`. It sees all groups that were written.
    fn origins(&self, source: &str, from: &[u8], most: usize) -> BoxFuture<'_, Result<Vec<StoredOrigin>, StoreError>>;
}

/// The numbers of starts of one timeline: a store that is restored from a backup begins another one, so that its runs have numbers
/// that no run before had.
pub const STARTS_OF_A_TIMELINE: u64 = 1 << 32;

/// The state of a store when a host opens it, without messages and letters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image {
    /// The number of this start. Its lower 32 bits count the starts on this store, this one included; the upper ones tell its
    /// timeline: see [`STARTS_OF_A_TIMELINE`]. It is durable before [`Store::open`] returns: ids are made from it, and no two runs
    /// may give the same.
    pub boots: u64,
    /// The number of the last entry; 0 when there is none.
    pub last: EntryNumber,
    /// The first id that no actor may have had.
    pub free_id: u64,
    /// The actors with an id of their own, in order of their ids.
    pub actors: Vec<StoredActor>,
    /// The highest number that a dead letter ever had.
    pub last_letter: u64,
    /// Whether the run before this one did not end in order.
    pub is_unclean: bool,
    /// The messages that may have ended runs, in order of their mailboxes and numbers.
    pub suspects: Vec<StoredSuspect>,
}

/// A message that may have ended runs of a host: see [`Op::Suspect`](crate::Op::Suspect).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSuspect {
    /// The receiver.
    pub mailbox: ActorId,
    /// The number of the message.
    pub number: u64,
    /// How many runs ended while it was in process, before the run with the number `boot`.
    pub ends: u32,
    /// The run in which it was in process last; 0 when that run was counted, or the message is to be handled again.
    pub boot: u64,
}

/// An actor, as a store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredActor {
    /// Its id.
    pub id: ActorId,
    /// Its address.
    pub address: Address,
    /// The highest number that a message of its mailbox ever had; 0 when there was none.
    pub last_number: u64,
    /// The messages in its mailbox.
    pub waiting: u64,
    /// The bytes of their records, without the held ones. It may be more, by those of messages that ended lately.
    pub bytes: u64,
    /// The last order of an operator: true when it was stopped, false when it was started, none when there was no order.
    pub halted: Option<bool>,
    /// The size of its state.
    pub state: StateSize,
    /// The number of its timers.
    pub timers: u64,
    /// The ids that its timers had.
    pub timer_ids: TimerIds,
    /// How it was spawned; none for an actor of the plan. Boxed, since most actors are of the plan.
    pub child: Option<Box<StoredChild>>,
    /// Whether its parent has stopped it: see [`Op::Leaves`](crate::Op::Leaves).
    pub leaves: bool,
    /// The values of a small state by key, where [`Store::actor`] read the actor: see [`StateSize::is_small`].
    pub values: Vec<(String, StoredValue)>,
}

/// The state of a store that a kernel writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStatus {
    /// Number of runs on it, this one included.
    pub runs: u64,
    /// Entries that are not durable yet.
    pub behind: u64,
    /// Why it takes nothing from outside now, and perhaps nothing at all; none when it has space.
    pub full: Option<String>,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its number in its mailbox.
    pub number: u64,
    /// The earliest time at which it is handled again; none for a message that waits in order.
    pub due: Option<SystemTime>,
    /// Its record.
    pub record: Vec<u8>,
}

/// Why a store does not do what it is asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no space now. Nothing was kept, and the same may be tried again.
    #[error("the store is full: {0}")]
    Full(String),
    /// Another host has the store.
    #[error("the store is in use by {by}: stop that host first, or use another store")]
    Taken {
        /// The other host.
        by: String,
    },
    /// A newer version wrote the store.
    #[error("the store has format {found}, which is newer than this host: use the version that wrote it")]
    Newer {
        /// Its format.
        found: u32,
    },
    /// The store is not as it was written.
    #[error("the store is damaged at {at}: restore a backup")]
    Damaged {
        /// The place.
        at: String,
    },
    /// Anything else. A group that was not acknowledged may be kept or not.
    #[error("the store failed: {0}")]
    Failed(String),
}
