//! Why an incarnation ended badly, as data: the reason, the place, and the last lines on stderr.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use crate::words::address::Address;
use crate::words::decision::Decision;
use crate::words::failure::Fault;
use crate::words::message::{FlowId, MessageId};

/// The typed reason of a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CrashReason {
    /// The actor's own code panicked.
    Panic {
        /// The text of the panic, with its place.
        message: String,
    },
    /// The code trapped: an unreachable, a bad memory access, a division by zero ...
    Trap {
        /// The kind of trap.
        kind: String,
    },
    /// It asked for more memory than its limit and gave up.
    Memory {
        /// The limit.
        limit_bytes: u64,
        /// The limit's key, for operators: `limits.memory`, or that of a limit which several actors share.
        key: Cow<'static, str>,
    },
    /// It asked for more than another limit allows.
    Limit {
        /// The limit: the thing it counts, its value and its key.
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
    /// It did not start in time.
    StartTimeout {
        /// `limits.start`.
        limit: Duration,
    },
    /// Its call stack overflowed.
    Stack {
        /// `play.limits.stack`.
        limit_bytes: usize,
    },
    /// It ended its own process.
    Exit {
        /// The exit status it asked for.
        status: i32,
    },
    /// The frame that it returned for a batch cannot be read, or asks for something that the contract does not allow.
    BadFrame {
        /// The problem.
        message: String,
    },
    /// A mailbox's policy named a message that it does not have, or gave out none, or too many.
    BadOrder {
        /// The mistake of the policy.
        message: String,
    },
    /// It could not be started, or its `init` returned an error.
    Start {
        /// The error.
        message: String,
    },
    /// Its `shutdown` hook returned an error.
    Shutdown {
        /// The error.
        message: String,
    },
    /// It gave up on its children.
    Children {
        /// The failure among the children.
        message: String,
    },
    /// Another actor ended the instance that both share. No message of this actor is to blame, and the failure does not count.
    SharedInstance {
        /// The actor that ended it.
        culprit: Address,
        /// The end of that actor, as the rest of a sentence about it.
        how: String,
    },
}

impl CrashReason {
    /// All values of [`CrashReason::kind`].
    pub const KINDS: [&'static str; 14] = [
        "panic",
        "trap",
        "memory",
        "limit",
        "cpu",
        "timeout",
        "stack",
        "exit",
        "bad-frame",
        "bad-order",
        "start",
        "shutdown",
        "children",
        "shared-instance",
    ];

    /// Whether the fault is another actor's.
    pub(crate) fn is_of_another(&self) -> bool {
        matches!(self, Self::SharedInstance { .. })
    }

    /// The kind in one word, for counters and programs.
    pub fn kind(&self) -> &'static str {
        Self::KINDS[self.kind_index()]
    }

    /// The place of its kind in [`CrashReason::KINDS`].
    pub(crate) fn kind_index(&self) -> usize {
        match self {
            Self::Panic { .. } => 0,
            Self::Trap { .. } => 1,
            Self::Memory { .. } => 2,
            Self::Limit { .. } => 3,
            Self::Cpu { .. } => 4,
            Self::Timeout { .. } | Self::StartTimeout { .. } => 5,
            Self::Stack { .. } => 6,
            Self::Exit { .. } => 7,
            Self::BadFrame { .. } => 8,
            Self::BadOrder { .. } => 9,
            Self::Start { .. } => 10,
            Self::Shutdown { .. } => 11,
            Self::Children { .. } => 12,
            Self::SharedInstance { .. } => 13,
        }
    }
}

/// A size as a manifest has it: in the largest unit that gives a whole number.
fn written(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits = |(shift, _): &(u32, &str)| bytes > 0 && bytes.trailing_zeros() >= *shift;
    let unit = units.into_iter().find(fits);
    unit.map_or_else(|| format!("{bytes} bytes"), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

impl fmt::Display for CrashReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic { message } => write!(f, "panicked: {message}"),
            Self::Trap { kind } => write!(f, "trapped: {kind}"),
            Self::Memory { limit_bytes, key } => write!(f, "ran out of memory ({key} is {})", written(*limit_bytes)),
            Self::Limit { more_than } => write!(f, "asked for more than {more_than}"),
            Self::Cpu { budget } => write!(f, "used up its CPU budget of {budget:?} (limits.cpu)"),
            Self::Timeout { limit } => write!(f, "did not finish within {limit:?} (limits.timeout)"),
            Self::StartTimeout { limit } => write!(f, "did not start within {limit:?} (limits.start)"),
            Self::Stack { limit_bytes } => {
                write!(f, "overflowed its call stack of {limit_bytes} bytes (play.limits.stack)")
            }
            Self::Exit { status } => write!(f, "ended itself with exit status {status}"),
            Self::BadFrame { message } => write!(f, "returned a bad frame: {message}"),
            Self::BadOrder { message } => write!(f, "broke the contract of mailboxes: it {message}"),
            Self::Start { message } => write!(f, "failed to start: {message}"),
            Self::Shutdown { message } => write!(f, "failed to shut down: {message}"),
            Self::Children { message } => write!(f, "gave up on its children: {message}"),
            Self::SharedInstance { culprit, how } => {
                write!(f, "lost the instance that it shares with {culprit}, which {how}")
            }
        }
    }
}

/// A crash as the code's host sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// The reason.
    pub reason: CrashReason,
    /// Function names, innermost first; may be empty.
    pub backtrace: Vec<String>,
    /// The last lines that the actor wrote to stderr.
    pub stderr: Vec<String>,
}

impl Crash {
    /// Bytes of all its texts, approximately.
    fn text_bytes(&self) -> usize {
        self.backtrace.iter().chain(&self.stderr).map(String::len).sum::<usize>() + 256
    }

    /// The innermost functions as operators read them, in at most `most` lines and one more that counts the rest. Calls in a
    /// row of one function by itself are one line.
    pub fn shown_backtrace(&self, most: usize) -> Vec<String> {
        let runs: Vec<_> = self.backtrace.chunk_by(|a, b| a == b).collect();
        let times = |run: &[String]| if run.len() > 1 { format!(" ({} times)", run.len()) } else { String::new() };
        let mut lines: Vec<_> = runs.iter().take(most).map(|run| format!("{}{}", run[0], times(run))).collect();
        if runs.len() > most {
            lines.push(format!("… and {} more", runs[most..].iter().map(|run| run.len()).sum::<usize>()));
        }
        lines
    }

    /// The innermost functions as a field of an event; none without a backtrace.
    pub(crate) fn logged_backtrace(&self) -> Option<String> {
        (!self.backtrace.is_empty()).then(|| self.shown_backtrace(LOGGED_FRAMES).join("\n"))
    }

    /// A crash of which only the reason is known.
    pub fn new(reason: CrashReason) -> Self {
        Self { reason, backtrace: Vec::new(), stderr: Vec::new() }
    }
}

/// Functions of a backtrace in the log.
const LOGGED_FRAMES: usize = 8;

/// Most bytes that are kept of a text that an actor gave as a reason.
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
    /// The actor that crashed.
    pub address: Address,
    /// The number of its incarnation.
    pub incarnation: u64,
    /// The time of the crash.
    pub at: SystemTime,
    /// The message that alone is to blame, when that is known, and the number of this attempt at it.
    pub blamed: Option<(MessageId, u32)>,
    /// The flow of that message, and the number of sends from its beginning to this one.
    pub flow: Option<(FlowId, u32)>,
    /// Number of attempts that a message has (`restart.attempts`).
    pub attempts: u32,
    /// Messages that will be handled again, one at a time.
    pub replayed: usize,
    /// Whether it was handling messages.
    pub in_turn: bool,
    /// The crash itself.
    pub crash: Crash,
    /// The failure of a child that led to it.
    pub cause: Option<Arc<CrashReport>>,
    /// The decision about the crash, once it is known.
    pub decision: OnceLock<Decision>,
}

impl CrashReport {
    /// A report with the current time that blames no message.
    pub fn new(address: Address, incarnation: u64, crash: Crash) -> Self {
        Self {
            address,
            incarnation,
            at: SystemTime::now(),
            blamed: None,
            flow: None,
            attempts: 0,
            replayed: 0,
            in_turn: false,
            crash,
            cause: None,
            decision: OnceLock::new(),
        }
    }

    /// The fault that the crash is blamed on.
    pub(crate) fn fault(&self) -> Fault {
        match self.blamed {
            _ if self.crash.reason.is_of_another() => Fault::Another,
            Some((id, _)) => Fault::Message(id),
            None if self.in_turn => Fault::Batch,
            None => Fault::Actor,
        }
    }

    /// The decision of its supervisor; none until there is one.
    pub fn decision(&self) -> Option<&Decision> {
        self.decision.get()
    }

    /// Sets the decision. Only the first call counts.
    pub fn decide(&self, decision: Decision) {
        let _ = self.decision.set(decision);
    }

    /// This report, and then the failures below it that caused it, one after another.
    pub fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |report| report.cause.as_deref())
    }

    /// Bytes of all its texts, approximately.
    pub(crate) fn text_bytes(&self) -> usize {
        self.chain().map(|report| report.crash.text_bytes()).sum()
    }
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (incarnation {}) {}", self.address, self.incarnation, self.crash.reason)?;
        if let Some((id, attempt)) = self.blamed {
            write!(f, "; message {}, attempt {attempt} of {}", id.short(), self.attempts)?;
        }
        Ok(())
    }
}

/// The text of a caught panic.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_units_of_the_manifest() {
        let sizes = [32 << 20, 3 << 30, 1536 << 20, 65 << 10, 1000, 0].map(written);
        assert_eq!(sizes, ["32MiB", "3GiB", "1536MiB", "65KiB", "1000 bytes", "0 bytes"]);
    }

    #[test]
    fn backtrace_folds_recursion_and_counts_omitted_frames() {
        let mut crash = Crash::new(CrashReason::Stack { limit_bytes: 1 });
        crash.backtrace = ["a", "b", "b", "b", "c", "d", "d"].map(String::from).into();
        assert_eq!(crash.shown_backtrace(3), ["a", "b (3 times)", "c", "… and 2 more"]);
        assert_eq!(crash.shown_backtrace(4).len(), 4);
    }
}
