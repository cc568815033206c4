//! Why an incarnation ended badly, as data: the reason, where, and the last words on stderr.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::address::Address;
use crate::message::MessageId;

/// The typed reason of a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CrashReason {
    /// The actor's own code panicked.
    Panic {
        /// What it said, with the place.
        message: String,
    },
    /// The code trapped: an unreachable, a bad memory access, a division by zero ...
    Trap {
        /// What kind of trap.
        kind: String,
    },
    /// It asked for more memory than its limit and gave up over it.
    Memory {
        /// `limits.memory`.
        limit_bytes: u64,
    },
    /// It asked for more of something else than a fixed limit allows.
    Limit {
        /// Of what, and how much is allowed.
        more_than: String,
    },
    /// It used more CPU than its budget.
    Cpu {
        /// `limits.cpu` times the messages of the call.
        budget: Duration,
    },
    /// It took longer than its timeout.
    Timeout {
        /// `limits.timeout` times the messages of the call.
        limit: Duration,
    },
    /// Its call stack overflowed.
    Stack,
    /// It ended its process by itself.
    Exit {
        /// The exit status it asked for.
        status: i32,
    },
    /// What it returned for a batch cannot be read, or asks for what the contract does not allow.
    BadFrame {
        /// What is wrong with it.
        message: String,
    },
    /// It could not be started, or its `init` said no.
    Start {
        /// What went wrong.
        message: String,
    },
    /// Its `shutdown` hook said no.
    Shutdown {
        /// What went wrong.
        message: String,
    },
    /// It gave up on its children.
    Children {
        /// What went wrong there.
        message: String,
    },
}

impl CrashReason {
    /// One word for counters and for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Panic { .. } => "panic",
            Self::Trap { .. } => "trap",
            Self::Memory { .. } => "memory",
            Self::Limit { .. } => "limit",
            Self::Cpu { .. } => "cpu",
            Self::Timeout { .. } => "timeout",
            Self::Stack => "stack",
            Self::Exit { .. } => "exit",
            Self::BadFrame { .. } => "bad-frame",
            Self::Start { .. } => "start",
            Self::Shutdown { .. } => "shutdown",
            Self::Children { .. } => "children",
        }
    }
}

impl fmt::Display for CrashReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic { message } => write!(f, "panicked: {message}"),
            Self::Trap { kind } => write!(f, "trapped: {kind}"),
            Self::Memory { limit_bytes } => write!(f, "ran out of memory (limits.memory is {limit_bytes} bytes)"),
            Self::Limit { more_than } => write!(f, "asked for more than {more_than}"),
            Self::Cpu { budget } => write!(f, "used up its CPU budget of {budget:?} (limits.cpu)"),
            Self::Timeout { limit } => write!(f, "did not finish within {limit:?} (limits.timeout)"),
            Self::Stack => f.write_str("overflowed its call stack"),
            Self::Exit { status } => write!(f, "ended itself with exit status {status}"),
            Self::BadFrame { message } => write!(f, "returned a bad frame: {message}"),
            Self::Start { message } => write!(f, "failed to start: {message}"),
            Self::Shutdown { message } => write!(f, "failed to shut down: {message}"),
            Self::Children { message } => write!(f, "gave up on its children: {message}"),
        }
    }
}

/// A crash as the code's host sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// Why.
    pub reason: CrashReason,
    /// Function names, innermost first; empty when there are none.
    pub backtrace: Vec<String>,
    /// The last lines that the actor wrote to stderr.
    pub stderr: Vec<String>,
}

impl Crash {
    /// Bytes of all its texts, about.
    pub(crate) fn text_bytes(&self) -> usize {
        self.backtrace.iter().chain(&self.stderr).map(String::len).sum::<usize>() + 256
    }

    /// A crash of which only the reason is known.
    pub fn new(reason: CrashReason) -> Self {
        Self { reason, backtrace: Vec::new(), stderr: Vec::new() }
    }
}

/// At most this much of a text that an actor gave as a reason is kept.
pub(crate) const REASON_BYTES: usize = 4 << 10;

/// Cuts a reason to [`REASON_BYTES`].
pub(crate) fn cut(mut text: String) -> String {
    if text.len() > REASON_BYTES {
        text.truncate(text.floor_char_boundary(REASON_BYTES));
        text.push('…');
    }
    text
}

/// A crash as the kernel reports it.
#[derive(Debug, Clone)]
pub struct CrashReport {
    /// Who crashed.
    pub address: Address,
    /// Which run of it.
    pub incarnation: u64,
    /// When.
    pub at: SystemTime,
    /// The message that alone is to blame, when that is known, and which attempt at it this was.
    pub blamed: Option<(MessageId, u32)>,
    /// Messages that will be handled again, one at a time.
    pub replayed: usize,
    /// The crash itself.
    pub crash: Crash,
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (incarnation {}) {}", self.address, self.incarnation, self.crash.reason)?;
        if let Some((id, attempt)) = self.blamed {
            write!(f, "; message {id}, attempt {attempt}")?;
        }
        Ok(())
    }
}
