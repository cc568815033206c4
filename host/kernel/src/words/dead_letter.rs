//! Dead letters, the data: a message that will not be handled, the reason, and its id. The layer `dispatch` keeps them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::words::address::{Address, MAX_SEGMENT_BYTES, MAX_SEGMENTS};
use crate::words::crash::CrashReport;
use crate::words::message::{Message, MessageId};
use crate::words::send_error::SendError;

/// Why a message will not be handled.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DeadReason {
    /// The handler said that it will never succeed.
    Rejected(String),
    /// The handler failed it at each of its `restart.attempts` attempts; the last reason.
    Failed(String),
    /// The handler's reply is larger than `limits.message`.
    BadReply(String),
    /// The actor crashed over it at each of its `restart.attempts` attempts; the last crash.
    Crashed(Arc<CrashReport>),
    /// The actor crashed while an asker waited for the answer; the asker got an error.
    AskCrashed(Arc<CrashReport>),
    /// The mailbox stayed full for the time that the sender could wait, or refuses messages that do not fit.
    MailboxFull,
    /// A newer message displaced it in the mailbox (`overflow = "drop-oldest"`), or the mailbox had no space for it
    /// (`"drop-newest"`).
    Overflow,
    /// The policy of the mailbox dropped it although there was space.
    Abandoned,
    /// The receiver is stopped for good.
    Stopped,
    /// The asker stopped waiting before the message was handled.
    Expired,
    /// The receiver was spawned, and its first start failed.
    FailedStart(Arc<CrashReport>),
    /// This number of runs of the host, `restart.attempts`, ended without order while it was in process.
    HostDied(u32),
    /// The receiver would have been a new member of a family, and was not made.
    NotMade(Box<SendError>),
    /// An earlier run of the host noted the reason in the store.
    Recorded(Box<RecordedReason>),
}

/// The reason of a dead letter that a store kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedReason {
    /// As [`DeadReason::kind`].
    pub kind: &'static str,
    /// Its text.
    pub why: String,
}

impl DeadReason {
    /// The reason of a letter that was stored. A kind that this version does not know counts as `stopped`.
    pub(crate) fn recorded(kind: &str, why: &str) -> Self {
        let known = Self::KINDS.into_iter().find(|known| *known == kind);
        Self::Recorded(Box::new(RecordedReason { kind: known.unwrap_or("stopped"), why: why.to_owned() }))
    }

    /// All values of [`DeadReason::kind`].
    pub const KINDS: [&'static str; 16] = [
        "rejected",
        "failed",
        "bad-reply",
        "crashed",
        "ask-crashed",
        "mailbox-full",
        "overflow",
        "abandoned",
        "stopped",
        "expired",
        "failed-start",
        "host-died",
        "not-created",
        "too-many-members",
        "creates-too-fast",
        "unknown-address",
    ];

    /// The kind in one word, for counters and programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rejected(_) => "rejected",
            Self::Failed(_) => "failed",
            Self::BadReply(_) => "bad-reply",
            Self::Crashed(_) => "crashed",
            Self::AskCrashed(_) => "ask-crashed",
            Self::MailboxFull => "mailbox-full",
            Self::Overflow => "overflow",
            Self::Abandoned => "abandoned",
            Self::Stopped => "stopped",
            Self::Expired => "expired",
            Self::FailedStart(_) => "failed-start",
            Self::HostDied(_) => "host-died",
            Self::NotMade(error) => error.kind(),
            Self::Recorded(recorded) => recorded.kind,
        }
    }

    /// Bytes that it keeps in memory, approximately. A crash report may be shared; each letter counts it whole.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Rejected(text) | Self::Failed(text) | Self::BadReply(text) => text.len(),
            Self::Crashed(report) | Self::AskCrashed(report) | Self::FailedStart(report) => report.text_bytes(),
            Self::Recorded(recorded) => recorded.why.len(),
            // It has at most two addresses.
            Self::NotMade(_) => 2 * MAX_SEGMENTS * MAX_SEGMENT_BYTES,
            _ => 0,
        }
    }

    /// The crash that caused it, if one did.
    pub fn crash(&self) -> Option<&CrashReport> {
        match self {
            Self::Crashed(report) | Self::AskCrashed(report) | Self::FailedStart(report) => Some(report),
            _ => None,
        }
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(text) => write!(f, "rejected: {text}"),
            Self::Failed(text) => write!(f, "failed at its last attempt: {text}"),
            Self::BadReply(text) => write!(f, "bad reply: {text}"),
            Self::Crashed(report) => write!(f, "the actor {}", report.crash.reason),
            Self::AskCrashed(report) => write!(f, "the actor {}, and the asker got this error", report.crash.reason),
            Self::MailboxFull => f.write_str("the mailbox stayed full"),
            Self::Overflow => f.write_str("dropped by the mailbox's overflow rule"),
            Self::Abandoned => f.write_str("dropped by the mailbox's plugin"),
            Self::Stopped => f.write_str("the actor is stopped"),
            Self::FailedStart(report) => write!(f, "the actor did not start: it {}", report.crash.reason),
            Self::HostDied(ends) => write!(f, "the host died {ends} times while it was in process"),
            Self::NotMade(error) => error.fmt(f),
            Self::Recorded(recorded) => f.write_str(&recorded.why),
            Self::Expired => f.write_str("the asker stopped waiting before it was handled"),
        }
    }
}

/// Names one dead letter: its message, and which of that message's letters it is. A message has more than one when it was
/// sent twice: an ask is sent at once, and again when the message that asks is handled again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterId {
    /// The message's id.
    pub message: MessageId,
    /// The number of the letter, from 1; shown after a `-` from 2 on.
    pub copy: u32,
}

impl LetterId {
    /// As [`MessageId::short`], with the copy.
    pub fn short(&self) -> String {
        let short = self.message.short();
        if self.copy > 1 { format!("{short}-{}", self.copy) } else { short }
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if self.copy > 1 { write!(f, "-{}", self.copy) } else { Ok(()) }
    }
}

/// An id as an operator gives it: its first digits, and optionally a `-` and the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LetterPrefix {
    pub(crate) first: MessageId,
    pub(crate) last: MessageId,
    pub(crate) copy: Option<u32>,
}

impl FromStr for LetterPrefix {
    type Err = LetterError;

    fn from_str(text: &str) -> Result<Self, LetterError> {
        let bad = || LetterError::BadId(text.chars().take(64).collect());
        let (digits, copy) = match text.split_once('-') {
            Some((digits, copy)) => (digits, Some(copy.parse().map_err(|_| bad())?)),
            None => (text, None),
        };
        if digits.len() > 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let free_bits = 128 - 4 * digits.len() as u32;
        let value = u128::from_str_radix(digits, 16).map_err(|_| bad())?;
        // There is at least one digit, since an empty text is no number: fewer than 128 bits are free.
        let (first, rest) = (value << free_bits, (1 << free_bits) - 1);
        Ok(Self { first: MessageId(first), last: MessageId(first | rest), copy })
    }
}

/// Why nothing was done with a dead letter. A letter that is kept stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LetterError {
    /// Not an id.
    #[error("`{0}` is no id of a dead letter: an id is up to 32 hexadecimal digits, as in `5d1f09`")]
    BadId(String),
    /// No kept letter has such an id.
    #[error("no dead letter is kept whose id begins with `{0}`")]
    Unknown(String),
    /// Several kept letters have such an id.
    #[error("`{prefix}` is the beginning of {count} ids: {}", listed(.some, *.count))]
    Ambiguous {
        /// The beginning of an id that was given.
        prefix: String,
        /// The first few ids that it may mean.
        some: Vec<LetterId>,
        /// The number of ids that it may mean.
        count: usize,
    },
    /// A replay of the letter is under way.
    #[error("the letter `{0}` is being replayed just now")]
    InReplay(LetterId),
    /// Its receiver did not accept the message.
    #[error(transparent)]
    NotSent(#[from] SendError),
    /// The store failed before it was noted there that the letter is gone. The next run of the host may have the letter again.
    #[error("the store did not confirm that the letter `{letter}` is gone: {why}")]
    NotStored {
        /// The letter.
        letter: LetterId,
        /// The store's error.
        why: String,
    },
}

fn listed(ids: &[LetterId], count: usize) -> String {
    // Of two copies, the first needs its number, too.
    let shown: Vec<_> = ids.iter().map(|id| format!("{}-{}", id.message, id.copy)).collect();
    let more = if count > ids.len() { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// Some of the dead letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Those to this address; none for all.
    pub to: Option<Address>,
    /// Those with this [`DeadReason::kind`]; none for all.
    pub kind: Option<String>,
}

impl LetterFilter {
    /// Whether the letter is one of these.
    pub fn matches(&self, letter: &DeadLetter) -> bool {
        self.to.as_ref().is_none_or(|to| *to == letter.to)
            && self.kind.as_ref().is_none_or(|kind| kind == letter.reason.kind())
    }
}

/// A message that will not be handled.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Names it among those that are kept.
    pub id: LetterId,
    /// The message as it was; `envelope.attempt` counts the attempts at it.
    pub message: Message,
    /// The receiver.
    pub to: Address,
    /// The sender; none for the outside, or when the sender is gone.
    pub sender: Option<Address>,
    /// The reason.
    pub reason: DeadReason,
    /// When the message became a dead letter.
    pub at: SystemTime,
}

impl DeadLetter {
    pub(crate) fn bytes(&self) -> usize {
        self.message.content_bytes() + self.reason.bytes()
    }
}

/// The bounds of the store.
#[derive(Debug, Clone, Copy)]
pub struct DeadLetterSpec {
    /// Most letters kept. Above that, the actor that has the most letters loses its oldest. Letters to a spawned actor count
    /// for the actor of the plan above it.
    pub capacity: usize,
    /// Most bytes of bodies and reasons kept. Above that, the actor that has the most bytes loses its oldest letter.
    pub capacity_bytes: usize,
}

impl Default for DeadLetterSpec {
    fn default() -> Self {
        Self { capacity: 10_000, capacity_bytes: 64 << 20 }
    }
}

/// Counts of the dead letters of one kind, by their fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fates {
    /// All of them.
    pub all: u64,
    /// Sent again by an operator.
    pub replayed: u64,
    /// Removed by an operator.
    pub dropped: u64,
    /// Evicted by the store's bounds.
    pub forgotten: u64,
    /// Kept from earlier runs of the host: they are not in `all`.
    pub restored: u64,
}

impl Fates {
    /// Those that are kept.
    pub fn kept(&self) -> u64 {
        self.restored + self.all - self.replayed - self.dropped - self.forgotten
    }
}

/// Counts of the dead letters of this run, by their reason and their fate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterCounts {
    /// By [`DeadReason::kind`].
    pub by_reason: BTreeMap<&'static str, Fates>,
}

impl DeadLetterCounts {
    /// All of them together.
    pub fn sum(&self) -> Fates {
        self.by_reason.values().fold(Fates::default(), |sum, one| Fates {
            all: sum.all + one.all,
            replayed: sum.replayed + one.replayed,
            dropped: sum.dropped + one.dropped,
            forgotten: sum.forgotten + one.forgotten,
            restored: sum.restored + one.restored,
        })
    }

    /// All dead letters of this run.
    pub fn total(&self) -> u64 {
        self.sum().all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_by_its_first_digits_and_its_copy() {
        let prefix =
            |text: &str| text.parse::<LetterPrefix>().map(|p| (p.first.to_string(), p.last.to_string(), p.copy));
        let (zeros, ones) = ("0".repeat(29), "f".repeat(29));
        assert_eq!(prefix("5D1-2"), Ok((format!("5d1{zeros}"), format!("5d1{ones}"), Some(2))));
        let whole = "5d1f".repeat(8);
        assert_eq!(prefix(&whole), Ok((whole.clone(), whole, None)));
        for bad in ["", "-2", "xyz", "+5", "5-", "5-x", &"5".repeat(33)] {
            assert_eq!(prefix(bad), Err(LetterError::BadId(bad.into())));
        }
    }

    #[test]
    fn kinds_contain_the_kind_of_each_reason() {
        let letters = [
            DeadReason::Rejected(String::new()),
            DeadReason::Failed(String::new()),
            DeadReason::BadReply(String::new()),
            DeadReason::MailboxFull,
            DeadReason::Overflow,
            DeadReason::Abandoned,
            DeadReason::Stopped,
            DeadReason::Expired,
        ];
        assert!(letters.iter().all(|reason| DeadReason::KINDS.contains(&reason.kind())));
    }
}
