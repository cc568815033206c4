//! A message apart from any mailbox and any store.

use playhouse_frame::{Metadata, Parts};

use crate::words::address::Address;
use crate::words::message::{ActorId, Envelope, FlowId, Message, MessageId, ReplyToken};

/// A message apart from any mailbox, as an operator takes it from one store to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortableMessage {
    /// Its id.
    pub id: MessageId,
    /// The sender; none for the outside, or when the sender was gone.
    pub from: Option<Address>,
    /// Its flow.
    pub flow: FlowId,
    /// Number of sends from the message that began the flow to this one.
    pub hops: u32,
    /// Failures so far that it was to blame for.
    pub attempts: u32,
    /// The pairs beside the body.
    pub metadata: Metadata,
    /// The body.
    pub body: Vec<u8>,
}

impl PortableMessage {
    /// The message as a mailbox takes it.
    pub fn sent_by(&self, sender: ActorId) -> Message {
        let envelope = Envelope {
            id: self.id,
            sender,
            flow: self.flow,
            hops: self.hops,
            attempt: self.attempts,
            reply: ReplyToken::NONE,
            parts: Parts::NONE,
        };
        Message::with_metadata(envelope, &self.metadata, self.body.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::message::number_of;

    #[test]
    fn stored_record_is_read_with_its_number() {
        let metadata = Metadata::collect([("path", "/a")]).expect("short");
        let portable = PortableMessage {
            id: MessageId(5),
            from: None,
            flow: FlowId(6),
            hops: 7,
            attempts: 2,
            metadata,
            body: b"body".to_vec(),
        };
        let message = portable.sent_by(ActorId(9));
        let record = message.stored_record(12);
        assert_eq!(number_of(&record), 12);
        assert_eq!(number_of(&message.record()), 0);
        let read = Message::read(&record).expect("a record");
        assert_eq!((read.sequence(), &read.body), (12, &portable.body));
        assert_eq!(read.metadata().collect::<Vec<_>>(), [("path", "/a")]);
        let Envelope { id, sender, flow, hops, attempt, .. } = read.envelope;
        assert_eq!((id, sender, flow, hops, attempt), (MessageId(5), ActorId(9), FlowId(6), 7, 2));
    }
}
