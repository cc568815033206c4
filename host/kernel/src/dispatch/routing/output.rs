//! The outputs of journal entries: everything by which others than stored actors learn of an entry. They are carried out when the
//! entry is durable.

use std::sync::Arc;

use crate::actor::Actor;
use crate::mailbox::Load;
use crate::words::dead_letter::DeadLetter;
use crate::words::message::ReplyToken;
use crate::words::send_error::FullAnswer;

/// One output.
pub(crate) enum Output {
    /// The answer to an ask, or the news for a receipt.
    Answer(ReplyToken, FullAnswer),
    /// Messages for an actor at the edge.
    Deliver {
        target: Arc<Actor>,
        /// Their records, with the numbers that the store gave them.
        records: Vec<u8>,
        load: Load,
        /// Whether space for them is reserved.
        reserved: bool,
    },
    /// A dead letter, for those that get all of them.
    Feed(Arc<DeadLetter>),
    /// The answer to an operator whose order is kept.
    Ordered(Box<dyn FnOnce() + Send>),
}
