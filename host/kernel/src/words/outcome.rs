//! How a message ends: the words of a handler about one message.

use super::message::Reply;

/// How a handler fails a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It will never succeed.
    Reject(String),
    /// It may succeed later.
    Retry(String),
    /// The kernel's own verdict: the handler succeeded, and its reply is larger than `limits.message`. As final as
    /// [`Failure::Reject`].
    BadReply(String),
}

/// How one message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Handled, perhaps with a reply.
    Done(Option<Vec<u8>>),
    /// Handled, with a reply that has metadata.
    DoneWith(Box<Reply>),
    /// Not handled; its sends are dropped.
    Failed(Failure),
}
