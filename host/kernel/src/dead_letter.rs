//! Dead letters: every message that will not be handled, with the reason. The store is bounded; what it had
//! to let go of is counted.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use crate::address::Address;
use crate::crash::CrashReport;
use crate::message::Message;

/// Why a message will not be handled.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DeadReason {
    /// The handler said that it will never succeed.
    Rejected(String),
    /// The handler failed it as often as `restart.attempts` allows; the last reason.
    Failed(String),
    /// The actor crashed over it as often as `restart.attempts` allows; the last crash.
    Crashed(Arc<CrashReport>),
    /// The actor crashed while somebody waited for the answer to it; the asker was told.
    AskCrashed(Arc<CrashReport>),
    /// The mailbox stayed full for as long as the sender could wait, or refuses what it has no room for.
    MailboxFull,
    /// A newer message took its place in the mailbox (`overflow = "drop-oldest"`), or there was none for it
    /// (`"drop-newest"`).
    Overflow,
    /// The receiver is stopped for good.
    Stopped,
    /// The asker stopped waiting before the message was handled.
    Expired,
}

impl DeadReason {
    /// One word for counters and for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rejected(_) => "rejected",
            Self::Failed(_) => "failed",
            Self::Crashed(_) => "crashed",
            Self::AskCrashed(_) => "ask-crashed",
            Self::MailboxFull => "mailbox-full",
            Self::Overflow => "overflow",
            Self::Stopped => "stopped",
            Self::Expired => "expired",
        }
    }

    /// Bytes that it keeps in memory, about. A crash report may be shared; each letter counts it whole.
    fn bytes(&self) -> usize {
        match self {
            Self::Rejected(text) | Self::Failed(text) => text.len(),
            Self::Crashed(report) | Self::AskCrashed(report) => report.crash.text_bytes(),
            _ => 0,
        }
    }

    /// The crash behind it, if one is.
    pub fn crash(&self) -> Option<&CrashReport> {
        match self {
            Self::Crashed(report) | Self::AskCrashed(report) => Some(report),
            _ => None,
        }
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(text) => write!(f, "rejected: {text}"),
            Self::Failed(text) => write!(f, "failed at its last attempt: {text}"),
            Self::Crashed(report) => write!(f, "the actor {}", report.crash.reason),
            Self::AskCrashed(report) => write!(f, "the actor {}, and the asker was told", report.crash.reason),
            Self::MailboxFull => f.write_str("the mailbox stayed full"),
            Self::Overflow => f.write_str("dropped by the mailbox's overflow rule"),
            Self::Stopped => f.write_str("the actor is stopped"),
            Self::Expired => f.write_str("the asker stopped waiting before it was handled"),
        }
    }
}

/// A message that will not be handled.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The message as it was; `envelope.attempt` counts the attempts at it.
    pub message: Message,
    /// Whom it was for.
    pub to: Address,
    /// Who sent it; none for the outside, or when the sender is gone.
    pub sender: Option<Address>,
    /// Why.
    pub reason: DeadReason,
    /// When it became one.
    pub at: SystemTime,
}

impl DeadLetter {
    fn bytes(&self) -> usize {
        self.message.body.len() + self.reason.bytes()
    }
}

/// The bounds of the store.
#[derive(Debug, Clone, Copy)]
pub struct DeadLetterSpec {
    /// Most letters kept; the oldest goes first.
    pub capacity: usize,
    /// Most bytes of bodies and reasons kept; the oldest goes first.
    pub capacity_bytes: usize,
}

impl Default for DeadLetterSpec {
    fn default() -> Self {
        Self { capacity: 10_000, capacity_bytes: 64 << 20 }
    }
}

/// How many there were, whatever is still kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterCounts {
    /// By [`DeadReason::kind`].
    pub by_reason: BTreeMap<&'static str, u64>,
    /// Letters that the store's bounds pushed out.
    pub forgotten: u64,
}

impl DeadLetterCounts {
    /// All dead letters of this run.
    pub fn total(&self) -> u64 {
        self.by_reason.values().sum()
    }
}

pub(crate) struct DeadLetters {
    spec: DeadLetterSpec,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    letters: VecDeque<DeadLetter>,
    bytes: usize,
    counts: DeadLetterCounts,
}

impl DeadLetters {
    pub(crate) fn new(spec: DeadLetterSpec) -> Self {
        Self { spec, inner: Mutex::default() }
    }

    pub(crate) fn add(&self, letter: DeadLetter) {
        let mut inner = self.inner.lock();
        *inner.counts.by_reason.entry(letter.reason.kind()).or_default() += 1;
        inner.bytes += letter.bytes();
        inner.letters.push_back(letter);
        while inner.letters.len() > self.spec.capacity || inner.bytes > self.spec.capacity_bytes {
            let Some(oldest) = inner.letters.pop_front() else { break };
            inner.bytes -= oldest.bytes();
            inner.counts.forgotten += 1;
        }
    }

    pub(crate) fn list(&self) -> Vec<DeadLetter> {
        self.inner.lock().letters.iter().cloned().collect()
    }

    pub(crate) fn counts(&self) -> DeadLetterCounts {
        self.inner.lock().counts.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{ActorId, Envelope, MessageId, ReplyToken};

    fn letter(n: u128, body_bytes: usize) -> DeadLetter {
        let envelope = Envelope {
            id: MessageId(n),
            sender: ActorId::OUTSIDE,
            flow: 0,
            hops: 0,
            attempt: 1,
            reply: ReplyToken::NONE,
        };
        DeadLetter {
            message: Message { envelope, body: vec![0; body_bytes] },
            to: Address::root(),
            sender: None,
            reason: DeadReason::Stopped,
            at: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_oldest_letters_go_first_and_are_counted() {
        let store = DeadLetters::new(DeadLetterSpec { capacity: 3, capacity_bytes: 100 });
        for n in 0..5 {
            store.add(letter(n, 10));
        }
        store.add(letter(5, 90));
        let kept: Vec<_> = store.list().iter().map(|l| l.message.envelope.id.0).collect();
        assert_eq!(kept, [4, 5]);
        assert_eq!((store.counts().total(), store.counts().forgotten), (6, 4));
    }
}
