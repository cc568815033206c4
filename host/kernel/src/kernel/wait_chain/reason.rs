//! The reasons why an instance of an actor does not go on: plain data.

use std::sync::Arc;
use std::time::Duration;

use crate::mailbox::policy::PolicyState;
use crate::words::address::Address;
use crate::words::crash::CrashReport;
use crate::words::failed::FailedActor;
use crate::words::message::MessageId;
use crate::words::state::State;

/// Why one instance of an actor does not go on.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Its state.
    pub state: State,
    /// How long the reason holds, as far as that is known.
    pub lasts: Option<Duration>,
    /// The reason.
    pub reason: Reason,
}

/// The reason why an instance does not go on.
#[derive(Debug, Clone)]
pub enum Reason {
    /// It waits for the answer to an ask.
    Answer {
        /// The actor that was asked.
        of: Address,
        /// When the ask ends without an answer.
        ends_in: Duration,
    },
    /// It waits for space in a mailbox.
    Space {
        /// The owner of the mailbox.
        of: Address,
        /// Its `block_timeout`: a message that waits longer becomes a dead letter.
        limit: Duration,
    },
    /// Its start waits for a slot.
    Slot {
        /// The bound, as in "all that `play.max_instances` admits".
        rule: String,
        /// Slots in use, and all slots.
        used: (usize, usize),
        /// Number of starts that wait for one.
        queue: usize,
    },
    /// It waits until the store has what it entered.
    Disk {
        /// Entries that wait to be written.
        behind: u64,
        /// Why the store takes nothing now.
        full: Option<String>,
    },
    /// Its code waits for a part of the host, as for `stdout`.
    Host(&'static str),
    /// It waits for the instance that it shares with other actors.
    Shared {
        /// The actor whose call runs in it, as far as that is known.
        with: Option<Address>,
    },
    /// Its parent is asked what to do about its failure.
    Directive {
        /// The parent.
        of: Address,
    },
    /// The start or the stop of another actor comes before its own.
    Before {
        /// The other actor: a parent, a sibling, or a child.
        of: Address,
    },
    /// Its code runs, or waits for something outside of the play.
    Code {
        /// The first message of the call; none in a hook.
        first: Option<MessageId>,
        /// Messages in the call.
        messages: usize,
        /// The time limit of the call.
        limit: Duration,
    },
    /// It handles messages.
    Busy,
    /// Its messages wait for their next attempts.
    Retry {
        /// Number of these messages.
        messages: usize,
        /// When the first of them is handled again.
        due_in: Duration,
    },
    /// The plugin of its mailbox has not given out the messages that wait.
    Policy {
        /// The plugin.
        plugin: String,
        /// The plugin's state.
        state: PolicyState,
    },
    /// Its code refused to start.
    Gate {
        /// When it is asked again, if not by a message before.
        asked_in: Option<Duration>,
    },
    /// It waits for its restart.
    Restart {
        /// When the pause is over.
        due_in: Option<Duration>,
        /// The crash before.
        crash: Option<Arc<CrashReport>>,
    },
    /// It, or an actor above it, failed too often.
    Failed(Arc<FailedActor>),
    /// An operator stopped it.
    Stopped,
    /// It waits for an operator's first start.
    NotStarted,
    /// Its start is under way.
    Starting,
    /// It stops.
    Stopping,
    /// It is not started yet, or its parent is down.
    Down,
    /// It has no instance, and no message.
    Passivated,
    /// It has no work.
    Idle,
    /// It ended, and is not started again.
    Ended,
    /// It stands for a family.
    Family,
}

impl Reason {
    /// The name of its kind, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Answer { .. } => "answer",
            Self::Space { .. } => "space",
            Self::Slot { .. } => "slot",
            Self::Disk { .. } => "disk",
            Self::Host(_) => "host",
            Self::Shared { .. } => "shared-instance",
            Self::Directive { .. } => "directive",
            Self::Before { .. } => "order",
            Self::Code { .. } => "code",
            Self::Busy => "busy",
            Self::Retry { .. } => "retry",
            Self::Policy { .. } => "mailbox-plugin",
            Self::Gate { .. } => "gate",
            Self::Restart { .. } => "restart",
            Self::Failed(_) => "failed",
            Self::Stopped => "stopped",
            Self::NotStarted => "not-started",
            Self::Starting => "starting",
            Self::Stopping => "stopping",
            Self::Down => "down",
            Self::Passivated => "passivated",
            Self::Idle => "idle",
            Self::Ended => "ended",
            Self::Family => "family",
        }
    }

    /// The actor for which it waits.
    pub fn on(&self) -> Option<&Address> {
        match self {
            Self::Answer { of, .. } | Self::Space { of, .. } | Self::Directive { of } | Self::Before { of } => Some(of),
            Self::Shared { with } => with.as_ref(),
            _ => None,
        }
    }

    /// How bad it is among the instances of one actor: an instance that waits hides no other one's rest.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Idle | Self::Passivated | Self::Ended | Self::Down => 0,
            Self::Failed(_) | Self::Stopped | Self::NotStarted | Self::Restart { .. } | Self::Gate { .. } => 1,
            Self::Starting | Self::Stopping | Self::Retry { .. } => 2,
            Self::Busy => 3,
            _ => 4,
        }
    }
}
