//! Asks in flight: who waits for which reply, and for whom, so that a circle of waiting is seen at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::address::{Address, AddressError};
use crate::message::{ActorId, ReplyToken};

/// Why a message was not sent. Nothing was recorded; nothing will be delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Not an address.
    #[error(transparent)]
    BadAddress(#[from] AddressError),
    /// No such actor.
    #[error("no actor has the address `{0}`")]
    UnknownAddress(Address),
    /// The manifest does not allow it.
    #[error("`{from}` may not send to `{to}`: add it to `sends_to` of `{from}`")]
    NotGranted {
        /// Who wanted to send.
        from: Address,
        /// Where to.
        to: Address,
    },
    /// The body is too large for the receiver.
    #[error("{bytes} bytes are too many for `{to}`, whose limits.message is {limit_bytes} bytes")]
    TooLarge {
        /// Where to.
        to: Address,
        /// The body's size.
        bytes: usize,
        /// The receiver's limit.
        limit_bytes: usize,
    },
    /// The receiver's mailbox stayed full. Only the outside is told so; an actor's tell becomes a dead letter.
    #[error("the mailbox of `{0}` is full")]
    MailboxFull(Address),
    /// The receiver is stopped for good. Only the outside is told so; an actor's tell becomes a dead letter.
    #[error("`{0}` is stopped")]
    Stopped(Address),
}

/// Why an ask has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The question could not be sent.
    #[error(transparent)]
    NotSent(#[from] SendError),
    /// No reply came in time.
    #[error("no reply in time")]
    Timeout,
    /// Waiting would never end; the chain of those who wait for each other.
    #[error("deadlock: {0}")]
    Deadlock(String),
    /// It was handled, and there was no reply.
    #[error("it was handled, and there is no reply")]
    NoReply,
    /// The receiver failed it.
    #[error("the receiver failed it: {0}")]
    Failed(String),
    /// The receiver crashed while it had the question in hand.
    #[error("the receiver {0}")]
    Crashed(String),
    /// The receiver stopped before it handled the question.
    #[error("the receiver is stopped")]
    Stopped,
}

/// What an asker gets.
pub type Answer = Result<Vec<u8>, AskError>;

const SHARDS: usize = 16;

#[derive(Default)]
pub(crate) struct Asks {
    last_token: AtomicU64,
    waiting: [Mutex<HashMap<u64, oneshot::Sender<Answer>>>; SHARDS],
    /// Which actor waits for which: at most one each, since a handler does one thing at a time.
    waits_for: Mutex<HashMap<ActorId, (ActorId, Address)>>,
}

impl Asks {
    /// Opens an ask. Dropping the result closes it; a reply that comes later is dropped.
    pub(crate) fn open(&self) -> OpenAsk<'_> {
        let token = self.last_token.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, receiver) = oneshot::channel();
        self.shard(token).lock().insert(token, sender);
        OpenAsk { asks: self, token, receiver }
    }

    /// Hands the answer to whoever waits for it, if anyone still does.
    pub(crate) fn answer(&self, token: ReplyToken, answer: Answer) {
        if token.is_some() {
            let waiter = self.shard(token.0).lock().remove(&token.0);
            if let Some(waiter) = waiter {
                let _ = waiter.send(answer);
            }
        }
    }

    /// Whether somebody still waits for this reply.
    pub(crate) fn is_waiting(&self, token: ReplyToken) -> bool {
        self.shard(token.0).lock().contains_key(&token.0)
    }

    /// Notes that `asker` waits for `target`, unless that would close a circle.
    pub(crate) fn wait_for(
        &self,
        asker: (ActorId, &Address),
        target: (ActorId, &Address),
    ) -> Result<Waiting<'_>, AskError> {
        let mut waits = self.waits_for.lock();
        let mut chain = format!("{} -> {}", asker.1, target.1);
        let mut at = target.0;
        while at != asker.0 {
            let Some((next, address)) = waits.get(&at) else {
                waits.insert(asker.0, (target.0, target.1.clone()));
                return Ok(Waiting { asks: self, asker: asker.0 });
            };
            chain.push_str(" -> ");
            chain.push_str(address.as_str());
            at = *next;
        }
        Err(AskError::Deadlock(chain))
    }

    fn shard(&self, token: u64) -> &Mutex<HashMap<u64, oneshot::Sender<Answer>>> {
        &self.waiting[token as usize % SHARDS]
    }
}

pub(crate) struct OpenAsk<'a> {
    asks: &'a Asks,
    token: u64,
    receiver: oneshot::Receiver<Answer>,
}

impl OpenAsk<'_> {
    pub(crate) fn token(&self) -> ReplyToken {
        ReplyToken(self.token)
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        (&mut self.receiver).await.unwrap_or(Err(AskError::Stopped))
    }
}

impl Drop for OpenAsk<'_> {
    fn drop(&mut self) {
        self.asks.shard(self.token).lock().remove(&self.token);
    }
}

/// An edge of the wait-for graph, for as long as it lives.
pub(crate) struct Waiting<'a> {
    asks: &'a Asks,
    asker: ActorId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.asks.waits_for.lock().remove(&self.asker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_of_waiting_is_refused_and_named() {
        let asks = Asks::default();
        let address: Vec<_> = ["/a", "/b", "/c"].map(|a| Address::parse(a).expect("good")).into();
        let actor = |n: usize| (ActorId(n as u64 + 1), &address[n]);
        let _ab = asks.wait_for(actor(0), actor(1)).expect("no circle");
        let bc = asks.wait_for(actor(1), actor(2)).expect("no circle");
        let chain = |result: Result<Waiting<'_>, AskError>| result.err().map(|e| e.to_string());
        assert_eq!(chain(asks.wait_for(actor(2), actor(0))), Some("deadlock: /c -> /a -> /b -> /c".into()));
        assert_eq!(chain(asks.wait_for(actor(2), actor(2))), Some("deadlock: /c -> /c".into()));
        drop(bc);
        assert_eq!(chain(asks.wait_for(actor(2), actor(0))), None);
    }
}
