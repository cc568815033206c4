//! Open asks: the waiter of each reply, and the graph of waits in which a deadlock is found at once.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
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
use crate::words::apart::Apart;
use crate::words::clock::later;
use crate::words::message::{ActorId, MessageId, ReplyToken};
use crate::words::send_error::{AskError, FullAnswer, SendError};

/// A power of two: the number of its shard is the low bits of a token.
const SHARDS: usize = 16;
/// Timers for one moment fire within this time of each other.
const SAME_TIME: Duration = Duration::from_millis(10);

#[derive(Default)]
pub(crate) struct Asks {
    /// The deadlines of the asks that wait.
    deadlines: Arc<Deadlines>,
    /// Each thread opens asks in one of them, so that threads do not wait for each other.
    waiting: [Apart<Mutex<Records>>; SHARDS],
    /// The asks that instances wait for: at most one each, because a handler does one thing at a time.
    waits_for: Mutex<HashMap<AskingInstance, Wait, FxBuildHasher>>,
}

/// A part of the open asks, by their tokens.
#[derive(Default)]
struct Records {
    by_token: HashMap<u64, Open, FxBuildHasher>,
    /// The number of asks that were opened here.
    opened: u64,
}

thread_local! {
    /// The shard in which this thread opens asks.
    static OWN_SHARD: u64 = {
        static THREADS: AtomicU64 = AtomicU64::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS as u64
    };
}

/// An instance of an actor.
type AskingInstance = (ActorId, usize);

/// An ask endpoint: the actor that asks, or the actor that is asked.
#[derive(Clone, Copy)]
pub(crate) struct AskEndpoint<'a> {
    pub(crate) id: ActorId,
    /// Number of its instances.
    pub(crate) instances: usize,
    pub(crate) address: &'a Address,
}

impl<'a> AskEndpoint<'a> {
    pub(crate) fn of(actor: &'a Actor) -> Self {
        Self { id: actor.id, instances: actor.instances.len(), address: actor.address() }
    }
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
        self.open_as(0, target, deadline)
    }

    /// As [`Asks::open`], for a question under a key.
    pub(crate) fn open_keyed(&self, target: ActorId, deadline: Instant) -> OpenAsk<'_> {
        self.open_as(ReplyToken::KEYED, target, deadline)
    }

    #[inline]
    fn open_as(&self, bits: u64, target: ActorId, deadline: Instant) -> OpenAsk<'_> {
        let token = self.insert(bits, Open { waiter: Waiter::Asker(None), target, deadline, question: None });
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
        let open = Open { waiter, target, deadline: later(Duration::MAX), question: None };
        ReplyToken(self.insert(ReplyToken::RECEIPT, open))
    }

    /// Inserts a record under a new token, which it returns.
    #[inline]
    fn insert(&self, bits: u64, open: Open) -> u64 {
        let shard = OWN_SHARD.with(|own| *own);
        let mut records = self.waiting[shard as usize].lock();
        records.opened += 1;
        let token = (records.opened * SHARDS as u64) | shard | bits;
        records.by_token.insert(token, open);
        token
    }

    /// Notes what an ask is about, which a stored actor may ask again.
    pub(crate) fn note_question(&self, token: ReplyToken, question: OpenQuestion) {
        if let Some(open) = self.shard(token.0).get_mut(&token.0) {
            open.question = Some(Box::new(question));
        }
    }

    /// The noted question of an ask that waits.
    pub(crate) fn question(&self, token: ReplyToken) -> Option<OpenQuestion> {
        let shard = self.shard(token.0);
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
        self.shard(receipt.0).remove(&receipt.0);
    }

    /// Answers all asks to `target` whose deadline comes before `back_at`.
    pub(crate) fn answer_those_before(&self, target: ActorId, back_at: Instant, answer: &AskError) {
        for shard in &self.waiting {
            let mut waiting = shard.lock();
            let late = waiting.by_token.iter_mut().filter(|(token, open)| {
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
            let asks =
                waiting.by_token.iter_mut().filter(|(token, open)| !ReplyToken(**token).is_receipt() && open.waits());
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
            let mut shard = self.shard(token.0);
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
        self.shard(token.0).get(&token.0).is_some_and(Open::waits)
    }

    /// Records that an instance of `asker` waits for the answer of `target`, unless it would wait forever.
    pub(crate) fn wait_for(
        &self,
        asker: AskEndpoint<'_>,
        instance: usize,
        target: AskEndpoint<'_>,
        token: ReplyToken,
    ) -> Result<Waiting<'_>, AskError> {
        let asking = (asker.id, instance);
        let mut waits = self.waits_for.lock();
        if let Some(circle) = self.circle(&waits, asker, instance, target, |_| false) {
            return Err(AskError::Deadlock(circle));
        }
        waits.insert(
            asking,
            Wait { id: target.id, instances: target.instances, address: target.address.clone(), token },
        );
        Ok(Waiting { asks: self, instance: asking })
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
        waits: &HashMap<AskingInstance, Wait, FxBuildHasher>,
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

    fn shard(&self, token: u64) -> MappedMutexGuard<'_, HashMap<u64, Open, FxBuildHasher>> {
        MutexGuard::map(self.waiting[token as usize % SHARDS].lock(), |records| &mut records.by_token)
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
            let mut shard = self.asks.shard(self.token);
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
            self.asks.shard(self.token).remove(&self.token);
        }
    }
}

/// An edge of the graph of waits; dropping it removes the edge.
pub(crate) struct Waiting<'a> {
    asks: &'a Asks,
    instance: AskingInstance,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.asks.waits_for.lock().remove(&self.instance);
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
