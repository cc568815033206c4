//! The view of a store for operators and programs: plain data, made from the types of the store and of the kernel.

use std::time::SystemTime;

use playhouse_kernel::{Address, FlowId, Message, MessageId, Metadata, MetadataError, PortableMessage, StoredMessage};
use playhouse_store::{Checked, MailboxFacts, StoreFacts};
use serde::{Deserialize, Serialize};

use super::wire::Body;
use crate::printable::timestamp;

/// The version of the lines of exported messages.
const LINE_VERSION: u64 = 1;

/// The facts about a store. Its many fields are those of the JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreInfo {
    /// Its folder.
    pub path: String,
    /// The number of its format.
    pub format: u32,
    /// Number of runs of a host on it.
    pub runs: u64,
    /// Whether it was restored from a backup.
    pub restored: bool,
    /// The number of the last entry.
    pub last_entry: u64,
    /// Bytes of the database.
    pub bytes: u64,
    /// Bytes of the database's log.
    pub log_bytes: u64,
    /// Bytes of the database without content.
    pub free_bytes: u64,
    /// Mailboxes that have messages, or had some.
    pub mailboxes: u64,
    /// Messages that wait in them.
    pub waiting: u64,
    /// Dead letters.
    pub dead_letters: u64,
}

impl StoreInfo {
    pub(super) fn new(path: String, facts: &StoreFacts) -> Self {
        Self {
            path,
            format: facts.format,
            runs: facts.runs,
            restored: facts.is_restored,
            last_entry: facts.last_entry,
            bytes: facts.bytes,
            log_bytes: facts.log_bytes,
            free_bytes: facts.free_bytes,
            mailboxes: facts.mailboxes.iter().filter(|mailbox| mailbox.is_used()).count() as u64,
            waiting: facts.mailboxes.iter().map(|mailbox| mailbox.waiting).sum(),
            dead_letters: facts.letters,
        }
    }
}

/// The result of a check of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreChecked {
    /// Each damage with its place, at most 100.
    pub damages: Vec<String>,
    /// Whether there are more damages.
    pub more: bool,
    /// The messages that were read.
    pub messages: u64,
    /// The dead letters that were read.
    pub dead_letters: u64,
    /// The keys of states that were read.
    pub keys: u64,
    /// The timers that were read.
    pub timers: u64,
}

impl From<Checked> for StoreChecked {
    fn from(Checked { damages, has_more, messages, letters, keys, timers }: Checked) -> Self {
        Self { damages, more: has_more, messages, dead_letters: letters, keys, timers }
    }
}

/// A mailbox in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMailbox {
    /// The address of its actor.
    pub address: String,
    /// Messages that wait, those that are being handled included.
    pub waiting: u64,
    /// Messages among them that wait for a retry.
    pub held: u64,
    /// Bytes of their records.
    pub bytes: u64,
    /// Whether an operator stopped its actor.
    pub stopped: bool,
    /// Whether the running play has an actor with this durable mailbox; `None` without a running host.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub in_play: Option<bool>,
}

impl StoredMailbox {
    pub(super) fn new(facts: &MailboxFacts, in_play: Option<bool>) -> Self {
        Self {
            address: facts.address.to_string(),
            waiting: facts.waiting,
            held: facts.held,
            bytes: facts.bytes,
            stopped: facts.halted == Some(true),
            in_play,
        }
    }
}

/// Some of the messages in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesPage {
    /// All messages that wait in the mailbox.
    pub waiting: u64,
    /// The messages, in order of their numbers.
    pub messages: Vec<WaitingMessage>,
    /// The number from which on there may be more; `None` at the end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<u64>,
}

/// A message that waits in a mailbox. Its fields are those of the JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingMessage {
    /// Its number in the mailbox.
    pub number: u64,
    /// Its id.
    pub id: String,
    /// Its flow.
    pub flow: String,
    /// Sends between the message that began the flow and this one.
    pub hops: u32,
    /// The sender's address; `None` for the outside, and for a sender that is gone.
    pub from: Option<String>,
    /// Number of failed attempts.
    pub attempts: u32,
    /// The time before which it is not tried again, in UTC; `None` for a message that waits in order.
    pub due: Option<String>,
    /// The pairs of its metadata, keys and values.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub metadata: Vec<(String, String)>,
    /// The body's size.
    pub bytes: u64,
    /// The body.
    pub body: Body,
    /// The body as text, if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
}

impl WaitingMessage {
    pub(super) fn new(stored: &StoredMessage, message: Message, from: Option<Address>) -> Self {
        let metadata = message.metadata().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self {
            number: stored.number,
            id: message.envelope.id.to_string(),
            flow: message.envelope.flow.to_string(),
            hops: message.envelope.hops,
            from: from.map(|from| from.to_string()),
            attempts: message.envelope.attempt,
            due: stored.due.filter(|due| *due > SystemTime::UNIX_EPOCH).map(timestamp),
            metadata,
            bytes: message.body.len() as u64,
            text: String::from_utf8(message.body.clone()).ok(),
            body: Body(message.body),
        }
    }

    /// The line of the message in an export.
    pub fn portable(self) -> PortableLine {
        let Self { id, flow, hops, from, attempts, metadata, body, .. } = self;
        PortableLine { v: LINE_VERSION, id, flow, hops, from, attempts, metadata, body }
    }
}

/// A line of exported messages: a JSON object that is one message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortableLine {
    /// The version of the form: 1.
    pub v: u64,
    /// The message's id.
    pub id: String,
    /// The message's flow.
    pub flow: String,
    /// Sends between the message that began the flow and this one.
    pub hops: u32,
    /// The sender's address; `None` for the outside, and for a sender that was gone.
    pub from: Option<String>,
    /// Number of failed attempts.
    pub attempts: u32,
    /// The pairs of its metadata, keys and values.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub metadata: Vec<(String, String)>,
    /// The body.
    pub body: Body,
}

/// The fault in a line of exported messages.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Another version wrote it.
    #[error("the message has the form {0}, and this version reads {LINE_VERSION}: use the version that exported it")]
    Version(u64),
    /// The id or the flow is none.
    #[error("`{0}` is no id: an id has up to 32 of the digits 0-9 and a-f, and is not 0")]
    Id(String),
    /// The sender is no address.
    #[error("`{0}` is no address of a sender")]
    From(String),
    /// The metadata break a rule.
    #[error("the metadata: {0}")]
    Metadata(MetadataError),
}

impl PortableLine {
    /// The message.
    pub fn message(self) -> Result<PortableMessage, LineError> {
        if self.v != LINE_VERSION {
            return Err(LineError::Version(self.v));
        }
        let (id, flow) = (id_of(self.id)?, id_of(self.flow)?);
        let from = self.from.map(|from| Address::parse(&from).map_err(|_| LineError::From(from))).transpose()?;
        let metadata = Metadata::collect(self.metadata).map_err(LineError::Metadata)?;
        let (hops, attempts, body) = (self.hops, self.attempts, self.body.0);
        Ok(PortableMessage { id, from, flow: FlowId(flow.0), hops, attempts, metadata, body })
    }
}

fn id_of(text: String) -> Result<MessageId, LineError> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = text.parse::<MessageId>().ok().filter(|id| is_hex && id.0 != 0);
    id.ok_or(LineError::Id(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> PortableLine {
        PortableLine {
            v: 1,
            id: "5d".into(),
            flow: "6".into(),
            hops: 3,
            from: Some("/shop".into()),
            attempts: 2,
            metadata: vec![("path".into(), "/a".into())],
            body: Body(b"hello".to_vec()),
        }
    }

    #[test]
    fn exported_message_is_read_as_it_was() {
        let message = line().message().expect("sound");
        let stored = StoredMessage { number: 4, due: None, record: Vec::new() };
        let waiting = WaitingMessage::new(&stored, message.sent_by(playhouse_kernel::ActorId(7)), message.from.clone());
        assert_eq!((waiting.number, waiting.text.as_deref(), waiting.due.as_ref()), (4, Some("hello"), None));
        assert_eq!(waiting.portable().message(), Ok(message));
    }

    #[test]
    fn faults_of_a_line_are_named() {
        let faulty = |change: fn(&mut PortableLine)| {
            let mut line = line();
            change(&mut line);
            line.message().expect_err("it is faulty").to_string()
        };
        assert!(faulty(|line| line.v = 2).starts_with("the message has the form 2"));
        for id in ["", "0", "x", "+1", &"1".repeat(33)] {
            let said = PortableLine { id: id.into(), ..line() }.message().expect_err("no id").to_string();
            assert!(said.starts_with(&format!("`{id}` is no id")), "{said}");
        }
        assert!(faulty(|line| line.flow = "0".into()).starts_with("`0` is no id"));
        assert!(faulty(|line| line.from = Some("shop".into())).starts_with("`shop` is no address"));
        assert!(faulty(|line| line.metadata = vec![(String::new(), "x".into())]).starts_with("the metadata: "));
    }
}
