//! The door to whatever decides the order and the overflow of one mailbox: a mailbox plugin in the sandbox, plain Rust in
//! tests. The messages stay with the kernel: a policy is told of them by number and names numbers, so its crash loses none.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::address::Address;
use crate::crash::Crash;
use crate::mailbox::{MailboxSpec, Overflow};
use crate::plan::Backoff;

/// Names one message of one mailbox, in the order in which they came: a later one has a larger key.
pub type Key = u64;

/// Makes the runs of one mailbox's policy.
pub trait PolicyLauncher: Send + Sync + 'static {
    /// Makes a fresh run. [`MailboxPolicy::rules`] is the first that it is asked.
    fn launch(&self, about: About) -> BoxFuture<'_, Result<Box<dyn MailboxPolicy>, Crash>>;

    /// What decides here, as shown to people: the plugin's name.
    fn plugin(&self) -> &str;
}

/// What a run of a policy is made for.
#[derive(Debug, Clone)]
pub struct About {
    /// Whose mailbox it is.
    pub address: Address,
    /// The number of this run, from 1.
    pub run: u64,
    /// The mailbox's bounds, which the kernel keeps.
    pub mailbox: MailboxSpec,
}

/// One run of a policy. Calls come one after another. Each future may be dropped half-way (a timeout, the end of the
/// mailbox), and after that, an error or a panic nothing is called any more: the next run is told of all messages again.
pub trait MailboxPolicy: Send {
    /// What it wants to see, and what it wants to decide. Called once, before anything else.
    fn rules(&mut self) -> BoxFuture<'_, Result<Rules, Crash>>;

    /// These messages came, in this order. Returns the keys of those to drop: of these or of others that it was told of.
    fn put<'a>(&'a mut self, arrivals: &'a Arrivals) -> BoxFuture<'a, Result<Vec<Key>, Crash>>;

    /// Returns the keys of the messages that come next, at least one and at most `most`, `overdue` among them; it is not asked
    /// when it has none. What it returns is no longer its own.
    fn take(&mut self, most: u32, overdue: Option<Key>) -> BoxFuture<'_, Result<Vec<Key>, Crash>>;

    /// How many messages it was told of and has neither dropped nor returned.
    fn size(&mut self) -> BoxFuture<'_, Result<u64, Crash>>;
}

/// What a policy wants to see and to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// What happens to a message that finds the mailbox full, unless the plan says.
    pub when_full: WhenFull,
    /// How many bytes of each body it is shown, from the front. The kernel shows no more than [`MOST_PREFIX_BYTES`].
    pub prefix_bytes: u32,
}

/// What a policy does about a full mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// As [`Overflow::Block`].
    Block,
    /// As [`Overflow::Reject`].
    Reject,
    /// As [`Overflow::DropNewest`].
    DropNewest,
    /// It drops as many as there are too many of; [`Arrivals::excess`] says how many.
    Choose,
}

impl From<WhenFull> for Overflow {
    fn from(rule: WhenFull) -> Self {
        match rule {
            // Who comes while it chooses waits for that.
            WhenFull::Block | WhenFull::Choose => Self::Block,
            WhenFull::Reject => Self::Reject,
            WhenFull::DropNewest => Self::DropNewest,
        }
    }
}

/// Of a body, at most this much is shown.
pub const MOST_PREFIX_BYTES: u32 = 64 << 10;

/// Messages that came, as a policy sees them.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// One for each, oldest first.
    pub entries: Vec<Entry>,
    /// The beginnings of their bodies, one after another. Shared, so that it can be lent to a call.
    pub prefixes: Arc<Vec<u8>>,
    /// How much of all that it was told of, these included, is to be dropped: none, unless it may choose.
    pub excess: Excess,
}

/// More than a mailbox has room for. Both are to be dropped at least.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    /// Messages.
    pub messages: u32,
    /// Bytes of bodies, with 64 more for each message.
    pub bytes: u64,
}

impl Excess {
    /// Nothing is to be dropped.
    pub const NONE: Self = Self { messages: 0, bytes: 0 };
}

/// One message, as a policy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Names it.
    pub key: Key,
    /// A number that stands for its sender: 0 for the outside, [`crate::ActorId::NOTICE`] for the kernel's notices.
    pub sender: u64,
    /// Common to all messages that follow from one message from outside.
    pub flow: u64,
    /// Sends between that message and this one.
    pub hops: u32,
    /// Somebody waits for the reply.
    pub asked: bool,
    /// Bytes of its whole body.
    pub bytes: u32,
    /// Where the beginning of its body ends in [`Arrivals::prefixes`]; it begins where that of the one before ends.
    pub prefix_end: u32,
}

/// How a mailbox's policy is run.
#[derive(Clone)]
pub struct PolicySpec {
    /// Makes its runs.
    pub launcher: Arc<dyn PolicyLauncher>,
    /// The plan's word on a full mailbox; none: the policy's own. Not [`Overflow::DropOldest`], which is a choice.
    pub overflow: Option<Overflow>,
    /// When so many more messages than the mailbox holds were handed out since a message came, it is overdue.
    pub overtakes: u64,
    /// Time in which one call runs or waits.
    pub timeout: Duration,
    /// The pause before it starts again after a crash.
    pub backoff: Backoff,
    /// More crashes than this within [`PolicySpec::period`], or with fewer messages given out or dropped between them, and the
    /// mailbox goes on without the policy, first in, first out.
    pub intensity: u32,
    /// The time of [`PolicySpec::intensity`]. A call that did not return in time adds nothing to it.
    pub period: Duration,
}

impl PolicySpec {
    /// Without a word: [`PolicySpec::overtakes`].
    pub const OVERTAKES: u64 = 10_000;
    /// Without a word: [`PolicySpec::timeout`].
    pub const TIMEOUT: Duration = Duration::from_secs(1);
    /// Without a word: [`PolicySpec::backoff`].
    pub const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(10), max: Duration::from_secs(1) };
    /// Without a word: [`PolicySpec::intensity`].
    pub const INTENSITY: u32 = 10;
    /// Without a word: [`PolicySpec::period`].
    pub const PERIOD: Duration = Duration::from_secs(10);

    /// Every default.
    pub fn new(launcher: Arc<dyn PolicyLauncher>) -> Self {
        Self {
            launcher,
            overflow: None,
            overtakes: Self::OVERTAKES,
            timeout: Self::TIMEOUT,
            backoff: Self::BACKOFF,
            intensity: Self::INTENSITY,
            period: Self::PERIOD,
        }
    }
}

impl fmt::Debug for PolicySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicySpec").field("plugin", &self.launcher.plugin()).finish_non_exhaustive()
    }
}

/// What people see of a mailbox's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyView {
    /// Its plugin.
    pub plugin: String,
    /// Where it stands.
    pub state: PolicyState,
    /// How often it crashed.
    pub crashes: u64,
    /// Why, the last time.
    pub last_crash: Option<String>,
}

/// Where a mailbox's policy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyState {
    /// It comes up, for the first time or again. Messages wait.
    Starting,
    /// It decides.
    Running,
    /// It crashed too often: the mailbox goes on without it, first in, first out.
    GaveUp,
    /// The mailbox is closed.
    Ended,
}
