//! The envelope of a message, and the flow that it belongs to.

/// All messages that follow from one message from outside, through any number of actors.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flow {
    /// 16 hexadecimal digits, as in the host's log and in its dead letters.
    pub id: String,
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
    /// Common to all messages that follow from one message from outside; 16 hexadecimal digits.
    pub flow: String,
    /// The number of sends between the message from outside and this one.
    pub hops: u32,
    /// 1 the first time, one more after each failure.
    pub attempt: u32,
    /// Whether an asker waits for the reply.
    pub asked: bool,
}

/// A message from outside, at its first attempt, that is not an ask.
impl Default for Envelope {
    fn default() -> Self {
        Self { id: "0".repeat(32), sender: None, flow: "0".repeat(16), hops: 0, attempt: 1, asked: false }
    }
}
