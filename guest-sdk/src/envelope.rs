//! The envelope of a message, and the flow that it belongs to.

use std::fmt;
use std::time::Duration;

/// The id of a flow: a W3C trace id, which is shown as 32 hexadecimal digits, in the host's log and in its dead letters, too.
///
/// ```
/// # use playhouse_sdk::FlowId;
/// let flow = FlowId(0x4bf92f3577b34da6a3ce929d0e0e4736);
/// assert_eq!(flow.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u128);

impl FlowId {
    /// Reads the contract's text.
    #[cfg(target_family = "wasm")]
    pub(crate) fn read(text: &str) -> Self {
        Self(u128::from_str_radix(text, 16).unwrap_or_default())
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// All messages that follow from one message from outside, through any number of actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The id that the messages share.
    pub id: FlowId,
    /// The number of sends between the message from outside and the current one.
    pub hops: u32,
}

/// The envelope of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// 32 hexadecimal digits; the same when the message is delivered again.
    pub id: String,
    /// The address of the actor that sent it; none when it came from outside or the sender does not exist any more.
    pub sender: Option<String>,
    /// Common to all messages that follow from one message from outside.
    pub flow: FlowId,
    /// The number of sends between the message from outside and this one.
    pub hops: u32,
    /// 1 the first time, one more after each failure.
    pub attempt: u32,
    /// Whether an asker waits for the reply.
    pub asked: bool,
    /// The time until the asker stops waiting: zero when it has; none for a tell.
    pub time_left: Option<Duration>,
    /// The number of the message in its mailbox; 0 when the mailbox does not store its messages.
    pub sequence: u64,
}

/// A message from outside, at its first attempt, that is not an ask.
impl Default for Envelope {
    fn default() -> Self {
        Self {
            id: "0".repeat(32),
            sender: None,
            flow: FlowId(1),
            hops: 0,
            attempt: 1,
            asked: false,
            time_left: None,
            sequence: 0,
        }
    }
}
