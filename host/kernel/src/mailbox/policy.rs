//! The interface to the code that decides the order and the overflow of one mailbox: a mailbox plugin in the sandbox, plain
//! Rust in tests. The messages stay with the kernel: a policy gets and returns only their numbers, so its crash loses none.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::mailbox::spec::{MailboxSpec, Overflow};
use crate::words::address::Address;
use crate::words::crash::Crash;
use crate::words::message::FlowId;
use crate::words::resource_use::ResourceUse;
use crate::words::restart::Backoff;

/// Identifies one message of one mailbox, in order of arrival: a later one has a larger key.
pub type Key = u64;

/// Makes the runs of one mailbox's policy.
pub trait PolicyLauncher: Send + Sync + 'static {
    /// Makes a new run. The first call to it is [`MailboxPolicy::rules`].
    fn launch(&self, about: About) -> BoxFuture<'_, Result<Box<dyn MailboxPolicy>, Crash>>;

    /// The plugin's name, as operators see it.
    fn plugin(&self) -> &str;
}

/// The data for a new run of a policy.
#[derive(Debug, Clone)]
pub struct About {
    /// The address of the mailbox's actor.
    pub address: Address,
    /// The number of this run, from 1.
    pub run: u64,
    /// The mailbox's bounds, which the kernel enforces.
    pub mailbox: MailboxSpec,
    /// The place where the policy counts the resources that it uses: that of the actor.
    pub resources: Arc<ResourceUse>,
}

/// One run of a policy. Calls come one after another. Each future may be dropped before its end (a timeout, the end of the
/// mailbox). After that, an error or a panic no more calls follow: the next run is told about all messages again.
pub trait MailboxPolicy: Send {
    /// Returns the data that it wants to see, and the decisions that it wants to make. Called once, before anything else.
    fn rules(&mut self) -> BoxFuture<'_, Result<Rules, Crash>>;

    /// Tells it about new messages, in order of arrival. Returns the keys of the messages to drop: of these, or of earlier
    /// ones.
    fn put<'a>(&'a mut self, arrivals: &'a Arrivals) -> BoxFuture<'a, Result<Vec<Key>, Crash>>;

    /// Returns the keys of the messages that come next: at least one and at most `most`, with `overdue` among them. Not
    /// called when it has none. The policy no longer has the messages that it returned.
    fn take(&mut self, most: u32, overdue: Option<Key>) -> BoxFuture<'_, Result<Vec<Key>, Crash>>;

    /// The number of messages that it was told about and has neither dropped nor returned.
    fn size(&mut self) -> BoxFuture<'_, Result<u64, Crash>>;
}

/// The data that a policy wants to see, and the decision that it wants to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The rule for a message that finds the mailbox full, unless the plan sets one.
    pub when_full: WhenFull,
    /// Number of bytes that it sees of each body, from the front. The kernel shows no more than [`MOST_PREFIX_BYTES`].
    pub prefix_bytes: u32,
}

/// The decision of a policy about a full mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// As [`Overflow::Block`].
    Block,
    /// As [`Overflow::Reject`].
    Reject,
    /// As [`Overflow::DropNewest`].
    DropNewest,
    /// It drops as many messages as there are too many; [`Arrivals::excess`] gives their number.
    Choose,
}

impl From<WhenFull> for Overflow {
    fn from(rule: WhenFull) -> Self {
        match rule {
            // While it chooses, new senders wait.
            WhenFull::Block | WhenFull::Choose => Self::Block,
            WhenFull::Reject => Self::Reject,
            WhenFull::DropNewest => Self::DropNewest,
        }
    }
}

/// Most bytes of a body that a policy sees.
pub const MOST_PREFIX_BYTES: u32 = 64 << 10;

/// New messages, as a policy sees them.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// One for each, oldest first.
    pub entries: Vec<Entry>,
    /// The beginnings of their bodies, one after another. Shared, so that a call can borrow them.
    pub prefixes: Arc<Vec<u8>>,
    /// How much must be dropped of all messages that it was told about, including these: none, unless it may choose.
    pub excess: Excess,
}

/// The amount above a mailbox's bounds. At least this many messages and this many bytes must be dropped.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    /// Messages.
    pub messages: u32,
    /// Bytes of bodies, with 64 more for each message.
    pub bytes: u64,
}

impl Excess {
    /// Nothing must be dropped.
    pub const NONE: Self = Self { messages: 0, bytes: 0 };
}

/// One message, as a policy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Key,
    /// A number that stands for its sender: 0 for the outside, [`crate::ActorId::NOTICE`] for the kernel's notices.
    pub sender: u64,
    /// Common to all messages that follow from one message from outside.
    pub flow: FlowId,
    /// Number of sends from that message to this one.
    pub hops: u32,
    /// Whether an asker waits for the reply.
    pub asked: bool,
    /// Bytes of its whole body, and of its optional parts.
    pub bytes: u32,
    /// The end of its prefix in [`Arrivals::prefixes`]; the prefix begins at the end of the one before.
    pub prefix_end: u32,
}

/// How a mailbox's policy is run.
#[derive(Clone)]
pub struct PolicySpec {
    /// Makes its runs.
    pub launcher: Arc<dyn PolicyLauncher>,
    /// The plan's rule for a full mailbox; none: the policy's own rule. Not [`Overflow::DropOldest`], which is a choice.
    pub overflow: Option<Overflow>,
    /// A message is overdue when, since its arrival, more messages than this and the mailbox's capacity were given out.
    pub overtakes: u64,
    /// Time in which one call runs or waits.
    pub timeout: Duration,
    /// The pause before it starts again after a crash.
    pub backoff: Backoff,
    /// More crashes than this within [`PolicySpec::period`], or with fewer messages than that given out or dropped between
    /// them, and the mailbox goes on without the policy, first in, first out.
    pub intensity: u32,
    /// The time of [`PolicySpec::intensity`]. A call that did not return in time adds nothing to it.
    pub period: Duration,
}

impl PolicySpec {
    /// The default of [`PolicySpec::overtakes`].
    pub const OVERTAKES: u64 = 10_000;
    /// The default of [`PolicySpec::timeout`].
    pub const TIMEOUT: Duration = Duration::from_secs(1);
    /// The default of [`PolicySpec::backoff`].
    pub const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(10), max: Duration::from_secs(1) };
    /// The default of [`PolicySpec::intensity`].
    pub const INTENSITY: u32 = 10;
    /// The default of [`PolicySpec::period`].
    pub const PERIOD: Duration = Duration::from_secs(10);

    /// A policy with all defaults.
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

/// A mailbox's policy, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyView {
    /// Its plugin.
    pub plugin: String,
    /// Its state.
    pub state: PolicyState,
    /// Number of its crashes.
    pub crashes: u64,
    /// The reason of its last crash.
    pub last_crash: Option<String>,
}

/// The state of a mailbox's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyState {
    /// It starts, for the first time or again. Messages wait.
    Starting,
    /// It decides.
    Running,
    /// It crashed too often: the mailbox goes on without it, first in, first out.
    GaveUp,
    /// The mailbox is closed.
    Ended,
}
