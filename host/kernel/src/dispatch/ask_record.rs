//! The record of an ask or of a receipt: who waits, and the answer until it is taken.

use std::task::Waker;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::dispatch::open_question::OpenQuestion;
use crate::words::message::{ActorId, MessageId};
use crate::words::send_error::{AskError, FullAnswer};

/// An ask without an answer, or one whose answer its asker has not taken yet.
pub(crate) struct Open {
    pub(crate) waiter: Waiter,
    pub(crate) target: ActorId,
    pub(crate) deadline: Instant,
    /// The question of a stored actor in a turn that may come again.
    pub(crate) question: Option<Box<OpenQuestion>>,
}

/// Where an answer goes.
pub(crate) enum Waiter {
    /// To the asker, which has left its waker if it was polled.
    Asker(Option<Waker>),
    /// It is here, until the asker takes it.
    Answered(FullAnswer),
    /// To the holder of a receipt.
    Receipt(oneshot::Sender<FullAnswer>),
    /// With the ends of other messages.
    Many(Ends, MessageId),
}

/// Takes the ends of messages as they come, each with the id of its message. `Err`: it is a dead letter; the error says why, in the words of
/// an ask.
pub type Ends = mpsc::UnboundedSender<(MessageId, Result<(), AskError>)>;

/// How a message ended, by the answer to its sender.
pub(crate) fn end_of(answer: FullAnswer) -> Result<(), AskError> {
    match answer {
        Ok(_) | Err(AskError::NoReply) => Ok(()),
        Err(error) => Err(error),
    }
}

impl Open {
    /// Whether an asker waits for the answer.
    pub(crate) fn waits(&self) -> bool {
        !matches!(self.waiter, Waiter::Answered(_))
    }

    /// Keeps the answer for the asker, and returns the rest of the work.
    pub(crate) fn keep(&mut self, answer: FullAnswer) -> Option<Waker> {
        match std::mem::replace(&mut self.waiter, Waiter::Answered(answer)) {
            Waiter::Asker(waker) => waker,
            _ => None,
        }
    }
}

impl Waiter {
    /// Passes on the end of a message with a receipt.
    pub(crate) fn answer(self, answer: FullAnswer) {
        match self {
            Self::Asker(_) | Self::Answered(_) => {}
            Self::Receipt(waiter) => drop(waiter.send(answer)),
            Self::Many(ends, id) => drop(ends.send((id, end_of(answer)))),
        }
    }
}
