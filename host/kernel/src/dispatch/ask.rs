//! Open asks: the waiter of each reply, and the graph of waits in which a deadlock is found at once.

use std::collections::HashMap;
use std::fmt::Write;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxBuildHasher;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::actor::Actor;
use crate::dispatch::ask_record::{Ends, Open, Waiter};
use crate::dispatch::deadlines::Deadlines;
use crate::dispatch::hops::send_and_run;
use crate::dispatch::open_question::OpenQuestion;
use crate::words::address::Address;
use crate::words::clock::later;
use crate::words::message::{ActorId, MessageId, ReplyToken};
use crate::words::send_error::{AskError, FullAnswer, SendError};

const SHARDS: usize = 16;
/// Timers for one moment fire within this time of each other.
const SAME_TIME: Duration = Duration::from_millis(10);

#[derive(Default)]
pub(crate) struct Asks {
    last_token: AtomicU64,
    /// The deadlines of the asks that wait.
    deadlines: Arc<Deadlines>,
    waiting: [Mutex<HashMap<u64, Open, FxBuildHasher>>; SHARDS],
    /// The asks that instances wait for: at most one each, because a handler does one thing at a time.
    waits_for: Mutex<Waits>,
}

/// An instance of an actor.
type AskingInstance = (ActorId, usize);

/// The asks that instances wait for.
#[derive(Default)]
struct Waits {
    by_instance: HashMap<AskingInstance, Wait, FxBuildHasher>,
    /// The actor that waits in each shared instance, and its address. The others wait until it has its answer.
    by_shared: HashMap<u64, (AskingInstance, Address), FxBuildHasher>,
}

/// The wait of an instance for an answer, for operators.
pub(crate) struct AskWait {
    /// The actor that was asked.
    pub(crate) of: ActorId,
    /// When the code asked.
    pub(crate) since: Instant,
    /// When it waits no longer.
    pub(crate) deadline: Instant,
}

/// An ask endpoint: the actor that asks, or the actor that is asked.
#[derive(Clone, Copy)]
pub(crate) struct AskEndpoint<'a> {
    pub(crate) id: ActorId,
    /// Number of its instances.
    pub(crate) instances: usize,
    pub(crate) address: &'a Address,
    /// The instance that it shares with other actors.
    pub(crate) shared: Option<u64>,
}

impl<'a> AskEndpoint<'a> {
    pub(crate) fn of(actor: &'a Actor) -> Self {
        let shared = actor.spec.code.shared_instance();
        Self { id: actor.id, instances: actor.instances.len(), address: actor.address(), shared }
    }

    /// Whether a wait of one of the two is a wait of the other.
    fn waits_with(&self, other: &Self) -> bool {
        self.id == other.id || self.shared.is_some() && self.shared == other.shared
    }
}

/// The actor whose answer an instance waits for.
struct Wait {
    id: ActorId,
    instances: usize,
    address: Address,
    shared: Option<u64>,
    token: ReplyToken,
    /// When the code asked.
    since: Instant,
}

impl Wait {
    fn endpoint(&self) -> AskEndpoint<'_> {
        AskEndpoint { id: self.id, instances: self.instances, address: &self.address, shared: self.shared }
    }
}

impl Asks {
    /// Opens an ask. Dropping the result closes it; a later reply is dropped.
    pub(crate) fn open(&self, target: ActorId, deadline: Instant) -> OpenAsk<'_> {
        self.open_as(0, target, deadline)
    }

    /// As [`Asks::open`], for a question under a key.
    pub(crate) fn open_keyed(&self, target: ActorId, deadline: Instant) -> OpenAsk<'_> {
        self.open_as(ReplyToken::KEYED, target, deadline)
    }

    #[inline]
    fn open_as(&self, bits: u64, target: ActorId, deadline: Instant) -> OpenAsk<'_> {
        let token = (self.last_token.fetch_add(1, Ordering::Relaxed) + 1) | bits;
        self.shard(token).lock().insert(token, Open { waiter: Waiter::Asker(None), target, deadline, question: None });
        self.deadlines.add(deadline);
        OpenAsk { asks: self, token, answered: false }
    }

    /// Opens a receipt for a message to `target`. Its answer comes when the message has ended.
    pub(crate) fn open_receipt(&self, target: ActorId) -> (ReplyToken, oneshot::Receiver<FullAnswer>) {
        let (asker, receiver) = oneshot::channel();
        (self.open_end(target, Waiter::Receipt(asker)), receiver)
    }

    /// As [`Asks::open_receipt`]. The end of the message goes to `ends`.
    pub(crate) fn feed_end(&self, target: ActorId, message: MessageId, ends: &Ends) -> ReplyToken {
        self.open_end(target, Waiter::Many(ends.clone(), message))
    }

    fn open_end(&self, target: ActorId, waiter: Waiter) -> ReplyToken {
        let token = (self.last_token.fetch_add(1, Ordering::Relaxed) + 1) | ReplyToken::RECEIPT;
        self.shard(token).lock().insert(token, Open { waiter, target, deadline: later(Duration::MAX), question: None });
        ReplyToken(token)
    }

    /// Notes what an ask is about, which a stored actor may ask again.
    pub(crate) fn note_question(&self, token: ReplyToken, question: OpenQuestion) {
        if let Some(open) = self.shard(token.0).lock().get_mut(&token.0) {
            open.question = Some(Box::new(question));
        }
    }

    /// The noted question of an ask that waits.
    pub(crate) fn question(&self, token: ReplyToken) -> Option<OpenQuestion> {
        let shard = self.shard(token.0).lock();
        shard.get(&token.0).filter(|open| open.waits()).and_then(|open| open.question.as_deref()).copied()
    }

    /// As [`Asks::question`], if all questions above it wait as well: then its root turn goes on.
    pub(crate) fn waiting_question(&self, token: ReplyToken) -> Option<OpenQuestion> {
        let question = self.question(token)?;
        let mut above = question.above;
        while above.is_some() {
            above = self.question(above)?.above;
        }
        Some(question)
    }

    /// Closes a receipt whose message was not sent.
    pub(crate) fn close(&self, receipt: ReplyToken) {
        self.shard(receipt.0).lock().remove(&receipt.0);
    }

    /// Answers all asks to `target` whose deadline comes before `back_at`.
    pub(crate) fn answer_those_before(&self, target: ActorId, back_at: Instant, answer: &AskError) {
        for shard in &self.waiting {
            let mut waiting = shard.lock();
            let late = waiting.iter_mut().filter(|(token, open)| {
                !ReplyToken(**token).is_receipt() && open.waits() && open.target == target && open.deadline < back_at
            });
            let wakers: Vec<_> = late.filter_map(|(_, open)| open.keep(Err(answer.clone()))).collect();
            drop(waiting);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// The deadlines of the asks that wait.
    pub(crate) fn deadlines(&self) -> &Arc<Deadlines> {
        &self.deadlines
    }

    /// Answers all asks whose deadline has come.
    pub(crate) fn answer_late(&self, now: Instant) {
        self.deadlines.forget();
        for shard in &self.waiting {
            let mut waiting = shard.lock();
            let asks = waiting.iter_mut().filter(|(token, open)| !ReplyToken(**token).is_receipt() && open.waits());
            let (mut wakers, mut soonest) = (Vec::new(), None::<Instant>);
            for (_, open) in asks {
                if open.deadline <= now {
                    wakers.extend(open.keep(Err(AskError::Timeout)));
                } else {
                    soonest = Some(soonest.map_or(open.deadline, |soonest| soonest.min(open.deadline)));
                }
            }
            drop(waiting);
            if let Some(soonest) = soonest {
                self.deadlines.add(soonest);
            }
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Passes the answer to the waiter, if there still is one.
    pub(crate) fn answer(&self, token: ReplyToken, answer: FullAnswer) {
        if token.is_some() {
            let mut shard = self.shard(token.0).lock();
            let waiter = match shard.get_mut(&token.0) {
                Some(open) if matches!(open.waiter, Waiter::Asker(_)) => {
                    let waker = open.keep(answer);
                    drop(shard);
                    waker.into_iter().for_each(Waker::wake);
                    return;
                }
                Some(Open { waiter: Waiter::Answered(_), .. }) | None => return,
                Some(_) => shard.remove(&token.0),
            };
            drop(shard);
            if let Some(open) = waiter {
                open.waiter.answer(answer);
            }
        }
    }

    /// Whether a waiter for this reply exists.
    pub(crate) fn is_waiting(&self, token: ReplyToken) -> bool {
        self.shard(token.0).lock().get(&token.0).is_some_and(Open::waits)
    }

    /// Records that an instance of `asker` waits for the answer of `target` since then, unless it would wait forever.
    pub(crate) fn wait_for(
        &self,
        asker: AskEndpoint<'_>,
        instance: usize,
        target: AskEndpoint<'_>,
        (token, since): (ReplyToken, Instant),
    ) -> Result<Waiting<'_>, AskError> {
        let asking = (asker.id, instance);
        let mut waits = self.waits_for.lock();
        if let Some(circle) = self.circle(&waits, asker, instance, target, |_| false) {
            return Err(AskError::Deadlock(circle));
        }
        let AskEndpoint { id, instances, shared, .. } = target;
        let wait = Wait { id, instances, address: target.address.clone(), shared, token, since };
        waits.by_instance.insert(asking, wait);
        if let Some(shared) = asker.shared {
            waits.by_shared.insert(shared, (asking, asker.address.clone()));
        }
        Ok(Waiting { asks: self, instance: asking, shared: asker.shared })
    }

    /// The actor whose answer an instance waits for.
    pub(crate) fn asked_by(&self, asker: ActorId, instance: usize) -> Option<ActorId> {
        self.waits_for.lock().by_instance.get(&(asker, instance)).map(|wait| wait.id)
    }

    /// The wait of an instance for an answer.
    pub(crate) fn wait_of(&self, asker: ActorId, instance: usize) -> Option<AskWait> {
        let (of, token, since) = {
            let waits = self.waits_for.lock();
            let wait = waits.by_instance.get(&(asker, instance))?;
            (wait.id, wait.token, wait.since)
        };
        let deadline = self.shard(token.0).lock().get(&token.0).filter(|open| open.waits())?.deadline;
        Some(AskWait { of, since, deadline })
    }

    /// The actors whose instances wait for an answer of `target`, each with the time since when; and the number of all asks that wait
    /// for one, of those outside of turns as well.
    pub(crate) fn askers_of(&self, target: ActorId) -> (Vec<(ActorId, Instant)>, usize) {
        let is_open = |(token, open): (&u64, &Open)| {
            open.target == target && matches!(open.waiter, Waiter::Asker(_)) && !ReplyToken(*token).is_receipt()
        };
        let all = self.waiting.iter().map(|shard| shard.lock().iter().filter(|open| is_open(*open)).count()).sum();
        let waits = self.waits_for.lock();
        let inside = waits.by_instance.iter().filter(|(_, wait)| wait.id == target && self.is_waiting(wait.token));
        (inside.map(|((asker, _), wait)| (*asker, wait.since)).collect(), all)
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
    /// does not wait. Actors that share an instance wait together.
    fn circle(
        &self,
        waits: &Waits,
        asker: AskEndpoint<'_>,
        instance: usize,
        target: AskEndpoint<'_>,
        has_answer: impl Fn(ReplyToken) -> bool,
    ) -> Option<String> {
        let waits_still = |wait: &&Wait| self.is_waiting(wait.token) && !has_answer(wait.token);
        // The endpoints reached, each with the index of the endpoint before it.
        let mut reached = vec![(target, 0)];
        let (mut last, mut at) = (None, 0);
        // Pairs of actors of which the first waits because the second one does.
        let mut together = Vec::new();
        while let Some(&(endpoint, _)) = reached.get(at) {
            let own = (asker.id, instance);
            let of_instance = |other| {
                if (endpoint.id, other) == own {
                    return Some(target);
                }
                waits.by_instance.get(&(endpoint.id, other)).filter(waits_still).map(Wait::endpoint)
            };
            let instances = if endpoint.shared.is_some() { 1 } else { endpoint.instances };
            for other in 0..instances {
                let next = match endpoint.shared {
                    None => of_instance(other)?,
                    Some(_) if endpoint.waits_with(&asker) => {
                        together.push((endpoint.address, asker.address));
                        target
                    }
                    Some(shared) => {
                        let (waiting, address) = waits.by_shared.get(&shared)?;
                        together.push((endpoint.address, address));
                        waits.by_instance.get(waiting).filter(waits_still)?.endpoint()
                    }
                };
                if next.waits_with(&asker) {
                    last.get_or_insert(at);
                }
                if !reached.iter().any(|(known, _)| known.waits_with(&next)) {
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
        let mut circle = circle.join(" -> ");
        for (one, other) in together.into_iter().filter(|(one, other)| one != other) {
            let _ = write!(circle, "; {one} shares an instance with {other}");
        }
        Some(circle)
    }

    fn shard(&self, token: u64) -> &Mutex<HashMap<u64, Open, FxBuildHasher>> {
        &self.waiting[token as usize % SHARDS]
    }
}

pub(crate) struct OpenAsk<'a> {
    asks: &'a Asks,
    token: u64,
    /// The answer was taken, and its record with it.
    answered: bool,
}

impl OpenAsk<'_> {
    pub(crate) fn token(&self) -> ReplyToken {
        ReplyToken(self.token)
    }

    /// Delivers the message and waits for the answer, until the deadline of the ask, which is also that of the delivery. The answer
    /// may come before the mailbox has space for the message. The receiver runs on the caller's thread, if that is one of `runtime`.
    pub(crate) async fn answer_to(
        &mut self,
        runtime: &Handle,
        mut delivery: Pin<&mut impl Future<Output = Result<(), SendError>>>,
    ) -> FullAnswer {
        let sent = poll_fn(|cx| {
            Poll::Ready(send_and_run(runtime, || delivery.as_mut().poll(cx), || !self.asks.is_waiting(self.token())))
        });
        let answer = match sent.await {
            Poll::Ready(Ok(())) => self.answer().await,
            Poll::Ready(Err(error)) => return Err(error.into()),
            Poll::Pending => tokio::select! {
                biased;
                sent = &mut delivery => match sent {
                    Ok(()) => self.answer().await,
                    Err(error) => return Err(error.into()),
                },
                answer = self.answer() => match answer {
                    // A delivery that waits for space in the mailbox ends at the same time, and says so.
                    Err(AskError::Timeout) => match tokio::time::timeout(SAME_TIME, delivery).await {
                        Ok(Err(error)) => return Err(error.into()),
                        _ => answer,
                    },
                    answer => answer,
                },
            },
        };
        self.answered = true;
        answer
    }

    /// Waits for the answer, and takes it out of its record.
    fn answer(&self) -> impl Future<Output = FullAnswer> + use<'_> {
        poll_fn(|cx| {
            let mut shard = self.asks.shard(self.token).lock();
            match shard.get_mut(&self.token).map(|open| &mut open.waiter) {
                Some(Waiter::Asker(Some(waker))) => waker.clone_from(cx.waker()),
                Some(Waiter::Asker(none)) => *none = Some(cx.waker().clone()),
                _ => {
                    let open = shard.remove(&self.token);
                    return Poll::Ready(match open.map(|open| open.waiter) {
                        Some(Waiter::Answered(answer)) => answer,
                        _ => Err(AskError::Stopped),
                    });
                }
            }
            Poll::Pending
        })
    }
}

impl Drop for Asks {
    fn drop(&mut self) {
        self.deadlines.end();
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
    instance: AskingInstance,
    shared: Option<u64>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waits = self.asks.waits_for.lock();
        waits.by_instance.remove(&self.instance);
        if let Some(shared) = self.shared {
            waits.by_shared.remove(&shared);
        }
    }
}

#[cfg(test)]
mod tests;
