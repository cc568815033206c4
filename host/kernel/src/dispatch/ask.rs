//! Open asks: the waiter of each reply, and the graph of waits in which a deadlock is found at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rustc_hash::FxBuildHasher;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::words::address::{Address, AddressError};
use crate::words::message::{ActorId, MessageId, ReplyToken};
use crate::words::overrun::Overrun;

/// Why a message was not sent. Nothing was recorded; nothing will be delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Not an address.
    #[error(transparent)]
    BadAddress(#[from] AddressError),
    /// Not a group of actors.
    #[error("`{0}` names no group of actors: it must end with `/*` (children) or `/**` (all below), as in `/shop/**`")]
    NoGroup(String),
    /// No such actor.
    #[error("no actor has the address `{0}`")]
    UnknownAddress(Address),
    /// The manifest does not allow it.
    #[error("`{from}` may not send to `{to}`: add it to `sends_to` of `{from}`")]
    NotGranted {
        /// The sender.
        from: Address,
        /// The receiver.
        to: Address,
    },
    /// The body is too large for the receiver.
    #[error("{bytes} bytes are too many for `{to}`, whose limits.message is {limit_bytes} bytes")]
    TooLarge {
        /// The receiver.
        to: Address,
        /// The body's size.
        bytes: usize,
        /// The receiver's limit.
        limit_bytes: usize,
    },
    /// The receiver's mailbox stayed full. Only senders outside the play get this error; an actor's tell becomes a dead
    /// letter.
    #[error("the mailbox of `{0}` is full")]
    MailboxFull(Address),
    /// The receiver's mailbox is full, and its overflow rule dropped the message: it is a dead letter. Only senders outside
    /// the play get this error.
    #[error("the mailbox of `{to}` is full, and its rule `drop-newest` dropped the message: it is dead letter {id}")]
    Dropped {
        /// The receiver.
        to: Address,
        /// The message's id.
        id: MessageId,
    },
    /// The receiver is stopped for good. Only senders outside the play get this error; an actor's tell becomes a dead letter.
    #[error("`{0}` is stopped")]
    Stopped(Address),
    /// The turn does more than its limits allow, and will not be committed.
    #[error("more than {0}")]
    Overrun(#[from] Overrun),
    /// Memory is short; the text comes from the memory watch. Only senders outside the play get this error; actors may still
    /// send.
    #[error("memory is short, and no messages from outside are taken: {0}")]
    MemoryPressure(Arc<str>),
}

impl SendError {
    /// The kind in one word, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::BadAddress(_) | Self::NoGroup(_) => "bad-address",
            Self::UnknownAddress(_) => "unknown-address",
            Self::NotGranted { .. } => "not-granted",
            Self::TooLarge { .. } => "message-too-large",
            Self::MailboxFull(_) => "mailbox-full",
            Self::Dropped { .. } => "dropped",
            Self::Stopped(_) => "stopped",
            Self::MemoryPressure(_) => "memory-pressure",
            Self::Overrun(_) => "limit",
        }
    }
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
    /// The wait would never end; the chain of actors that wait for each other.
    #[error("deadlock: {0}")]
    Deadlock(String),
    /// The receiver handled the message and gave no reply.
    #[error("it was handled, and there is no reply")]
    NoReply,
    /// The receiver's handler rejected the message: it will never succeed.
    #[error("the receiver rejected it: {0}")]
    Rejected(String),
    /// The receiver's handler failed the message at each of its attempts.
    #[error("the receiver failed it at its last attempt: {0}")]
    RetriesSpent(String),
    /// The receiver handled the message, and the kernel refused the result: its reply is too large, for example.
    #[error("the receiver handled it, and the result was refused: {0}")]
    Failed(String),
    /// The receiver crashed while it handled this message alone; or it does not start again.
    #[error("the receiver {0}")]
    Crashed(String),
    /// The receiver crashed while it handled several messages, so the one to blame is unknown, and it starts again; or it
    /// does not restart before the ask's deadline.
    #[error("the receiver is restarting: {0}")]
    Restarting(String),
    /// The receiver stopped for good before it handled the question.
    #[error("the receiver is stopped")]
    Stopped,
    /// The receiver, or the actor under `/` above it, failed too often.
    #[error("the receiver is failed: {0}")]
    ActorFailed(String),
    /// No reply came in time, because an operator stopped the receiver or has not started it yet.
    #[error("no reply in time: an operator stopped `{0}`, and only an operator starts it")]
    StoppedByOperator(Address),
}

impl AskError {
    /// The kind in one word, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotSent(error) => error.kind(),
            Self::Timeout => "timeout",
            Self::Deadlock(_) => "deadlock",
            Self::NoReply => "no-reply",
            Self::Rejected(_) => "rejected",
            Self::RetriesSpent(_) => "retries-spent",
            Self::Failed(_) => "failed",
            Self::Crashed(_) => "crashed",
            Self::Restarting(_) => "restarting",
            Self::ActorFailed(_) => "actor-failed",
            Self::Stopped => "stopped",
            Self::StoppedByOperator(_) => "stopped-by-operator",
        }
    }
}

/// The result of an ask.
pub type Answer = Result<Vec<u8>, AskError>;

const SHARDS: usize = 16;

#[derive(Default)]
pub(crate) struct Asks {
    last_token: AtomicU64,
    waiting: [Mutex<HashMap<u64, Open, FxBuildHasher>>; SHARDS],
    /// The asks that instances wait for: at most one each, because a handler does one thing at a time.
    waits_for: Mutex<HashMap<InstanceState, Wait, FxBuildHasher>>,
}

/// An ask without an answer.
struct Open {
    asker: oneshot::Sender<Answer>,
    target: ActorId,
    deadline: Instant,
}

/// An instance of an actor.
type InstanceState = (ActorId, usize);

/// An ask endpoint: the actor that asks, or the actor that is asked.
#[derive(Clone, Copy)]
pub(crate) struct AskEndpoint<'a> {
    pub(crate) id: ActorId,
    /// Number of its instances.
    pub(crate) instances: usize,
    pub(crate) address: &'a Address,
}

/// The actor whose answer an instance waits for.
struct Wait {
    id: ActorId,
    instances: usize,
    address: Address,
    token: ReplyToken,
}

impl Wait {
    fn endpoint(&self) -> AskEndpoint<'_> {
        AskEndpoint { id: self.id, instances: self.instances, address: &self.address }
    }
}

impl Asks {
    /// Opens an ask. Dropping the result closes it; a later reply is dropped.
    pub(crate) fn open(&self, target: ActorId, deadline: Instant) -> OpenAsk<'_> {
        let token = self.last_token.fetch_add(1, Ordering::Relaxed) + 1;
        let (asker, receiver) = oneshot::channel();
        self.shard(token).lock().insert(token, Open { asker, target, deadline });
        OpenAsk { asks: self, token, receiver, answered: false }
    }

    /// Answers all asks to `target` whose deadline comes before `back_at`.
    pub(crate) fn answer_those_before(&self, target: ActorId, back_at: Instant, answer: &AskError) {
        for shard in &self.waiting {
            let late = |open: &mut Open| open.target == target && open.deadline < back_at;
            for (_, open) in shard.lock().extract_if(|_, open| late(open)) {
                let _ = open.asker.send(Err(answer.clone()));
            }
        }
    }

    /// Passes the answer to the waiter, if there still is one.
    pub(crate) fn answer(&self, token: ReplyToken, answer: Answer) {
        if token.is_some() {
            let open = self.shard(token.0).lock().remove(&token.0);
            if let Some(open) = open {
                let _ = open.asker.send(answer);
            }
        }
    }

    /// Whether a waiter for this reply exists.
    pub(crate) fn is_waiting(&self, token: ReplyToken) -> bool {
        self.shard(token.0).lock().contains_key(&token.0)
    }

    /// Records that an instance of `asker` waits for the answer of `target`, unless it would wait forever.
    pub(crate) fn wait_for(
        &self,
        asker: AskEndpoint<'_>,
        instance: usize,
        target: AskEndpoint<'_>,
        token: ReplyToken,
    ) -> Result<Waiting<'_>, AskError> {
        let state = (asker.id, instance);
        let mut waits = self.waits_for.lock();
        if let Some(circle) = self.circle(&waits, asker, instance, target, |_| false) {
            return Err(AskError::Deadlock(circle));
        }
        waits
            .insert(state, Wait { id: target.id, instances: target.instances, address: target.address.clone(), token });
        Ok(Waiting { asks: self, state })
    }

    /// The actor whose answer an instance waits for.
    pub(crate) fn asked_by(&self, asker: ActorId, instance: usize) -> Option<ActorId> {
        self.waits_for.lock().get(&(asker, instance)).map(|wait| wait.id)
    }

    /// Refuses what [`Asks::wait_for`] would refuse even after the instance has given its recorded answers.
    pub(crate) fn check(
        &self,
        asker: AskEndpoint<'_>,
        instance: usize,
        target: AskEndpoint<'_>,
        has_answer: impl Fn(ReplyToken) -> bool,
    ) -> Result<(), AskError> {
        let circle = self.circle(&self.waits_for.lock(), asker, instance, target, has_answer);
        circle.map_or(Ok(()), |circle| Err(AskError::Deadlock(circle)))
    }

    /// The cycle that an instance of `asker` closes by waiting for `target`. The result is sound: a cycle is reported only if
    /// no actor that is waited for, directly or through others, has a free instance. An instance whose answer has arrived
    /// does not wait.
    fn circle(
        &self,
        waits: &HashMap<InstanceState, Wait, FxBuildHasher>,
        asker: AskEndpoint<'_>,
        instance: usize,
        target: AskEndpoint<'_>,
        has_answer: impl Fn(ReplyToken) -> bool,
    ) -> Option<String> {
        let waits_still = |wait: &&Wait| self.is_waiting(wait.token) && !has_answer(wait.token);
        // The endpoints reached, each with the index of the endpoint before it.
        let mut reached = vec![(target, 0)];
        let mut last = None;
        let mut at = 0;
        while let Some(&(endpoint, _)) = reached.get(at) {
            for other in 0..endpoint.instances {
                let next = if (endpoint.id, other) == (asker.id, instance) {
                    target
                } else {
                    waits.get(&(endpoint.id, other)).filter(waits_still)?.endpoint()
                };
                if next.id == asker.id {
                    last.get_or_insert(at);
                }
                if !reached.iter().any(|(known, _)| known.id == next.id) {
                    reached.push((next, at));
                }
            }
            at += 1;
        }
        let mut circle = vec![asker.address.as_str()];
        if target.id != asker.id {
            let mut at = last.unwrap_or_default();
            while at != 0 {
                circle.push(reached[at].0.address.as_str());
                at = reached[at].1;
            }
            circle.push(target.address.as_str());
        }
        circle.push(asker.address.as_str());
        circle.reverse();
        Some(circle.join(" -> "))
    }

    fn shard(&self, token: u64) -> &Mutex<HashMap<u64, Open, FxBuildHasher>> {
        &self.waiting[token as usize % SHARDS]
    }
}

pub(crate) struct OpenAsk<'a> {
    asks: &'a Asks,
    token: u64,
    receiver: oneshot::Receiver<Answer>,
    /// The answer removed the entry already.
    answered: bool,
}

impl OpenAsk<'_> {
    pub(crate) fn token(&self) -> ReplyToken {
        ReplyToken(self.token)
    }

    /// Delivers the message and waits for the answer. The answer may come before the mailbox has space for the message.
    pub(crate) async fn answer_to(&mut self, delivery: impl Future<Output = Result<(), SendError>>) -> Answer {
        let answer = tokio::select! {
            biased;
            sent = delivery => match sent {
                Ok(()) => (&mut self.receiver).await,
                Err(error) => return Err(error.into()),
            },
            answer = &mut self.receiver => answer,
        };
        self.answered = true;
        answer.unwrap_or(Err(AskError::Stopped))
    }
}

impl Drop for OpenAsk<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.asks.shard(self.token).lock().remove(&self.token);
        }
    }
}

/// An edge of the graph of waits; dropping it removes the edge.
pub(crate) struct Waiting<'a> {
    asks: &'a Asks,
    state: InstanceState,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.asks.waits_for.lock().remove(&self.state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Actors `/a`, `/b` ...; `instances` holds the number of instances of each.
    struct Cast {
        asks: Asks,
        addresses: Vec<Address>,
        instances: &'static [usize],
    }

    impl Cast {
        fn new(instances: &'static [usize]) -> Self {
            let addresses = ["/a", "/b", "/c"].map(|a| Address::parse(a).expect("good")).into();
            Self { asks: Asks::default(), addresses, instances }
        }

        fn endpoint(&self, n: usize) -> AskEndpoint<'_> {
            AskEndpoint { id: ActorId(n as u64 + 1), instances: self.instances[n], address: &self.addresses[n] }
        }

        /// An ask from the instance `instance` of `from` to `to`; or the cycle that it would close.
        fn ask(&self, from: usize, instance: usize, to: usize) -> Result<(OpenAsk<'_>, Waiting<'_>), String> {
            let ask = self.asks.open(self.endpoint(to).id, Instant::now());
            let waiting = self.asks.wait_for(self.endpoint(from), instance, self.endpoint(to), ask.token());
            waiting.map(|waiting| (ask, waiting)).map_err(|error| error.to_string())
        }

        fn circle(&self, from: usize, instance: usize, to: usize) -> Option<String> {
            self.ask(from, instance, to).err()
        }
    }

    #[test]
    fn cycle_of_waits_is_refused_and_named() {
        let cast = Cast::new(&[1, 1, 1]);
        let _ab = cast.ask(0, 0, 1).expect("no circle");
        let bc = cast.ask(1, 0, 2).expect("no circle");
        assert_eq!(cast.circle(2, 0, 0), Some("deadlock: /c -> /a -> /b -> /c".into()));
        assert_eq!(cast.circle(2, 0, 2), Some("deadlock: /c -> /c".into()));
        drop(bc);
        assert_eq!(cast.circle(2, 0, 0), None);
    }

    #[test]
    fn free_instance_prevents_a_deadlock() {
        let cast = Cast::new(&[2, 1, 1]);
        let own = cast.ask(0, 0, 0).expect("its other instance answers");
        assert_eq!(cast.circle(0, 1, 0), Some("deadlock: /a -> /a".into()), "the last free instance");
        drop(own);
        let _ab = cast.ask(0, 0, 1).expect("no circle");
        let _ba = cast.ask(1, 0, 0).expect("the other instance of /a is free");
        let _ac = cast.ask(0, 1, 2).expect("/c is free");
        assert_eq!(cast.circle(2, 0, 0), Some("deadlock: /c -> /a -> /c".into()), "no instance of /a is free now");
    }

    #[test]
    fn answer_ends_the_wait_of_its_asker() {
        let cast = Cast::new(&[1, 1]);
        let (ask, _ab) = cast.ask(0, 0, 1).expect("no circle");
        assert_eq!(cast.circle(1, 0, 0), Some("deadlock: /b -> /a -> /b".into()));
        cast.asks.answer(ask.token(), Err(AskError::NoReply));
        assert_eq!(cast.circle(1, 0, 0), None);
    }
}
