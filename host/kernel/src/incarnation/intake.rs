//! The next input of an incarnation: a batch of messages, a signal of the supervisor, a directive request, or the end of its
//! idle time.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use crate::actor::instance::First;
use crate::dispatch::hops::spread;
use crate::incarnation::gathering::Gathering;
use crate::incarnation::state::Incarnation;
use crate::journal::order::EntrySpace;
use crate::mailbox::{Signal, Took};
use crate::turn::Turn;
use crate::words::clock::later;
use crate::words::dead_letter::DeadReason;
use crate::words::message::{ActorId, Envelope, Message, ReplyToken};

/// An idle incarnation that a timer, a watch or a child keeps alive checks this often whether that still holds.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Most bytes of one call, after its first message.
const BATCH_BYTES: usize = 256 << 10;
/// A batch of so many bytes takes time: what its take woke runs beside it, on another worker.
const LARGE_BATCH: usize = 64 << 10;

impl Incarnation {
    /// Fills the turn's batch, or returns the supervisor's signal. Messages that were put back go first.
    pub(super) async fn next_batch(&self, turn: &mut Turn, most: usize, gathering: &mut Gathering) -> Took {
        let mailbox = &self.actor.mailbox;
        // An incarnation that may not end yet checks from time to time: a timer that fired elsewhere, or a child that ended,
        // wakes nothing here.
        let idle_stop = self.actor.spec.idle_stop;
        let idle_stop = idle_stop.map(|stop| if turn.is_attached() { stop.max(LOOK_AGAIN) } else { stop });
        turn.new_batch();
        let mut timer = None;
        // When its idle time is over.
        let mut enough = None;
        // Whether it waited for the first message of the batch, and lets other tasks add to it.
        let (mut has_waited, mut gathers) = (false, false);
        let mut others = pin!(tokio::task::yield_now());
        let took = poll_fn(|cx| {
            if has_waited && !gathers && most > 1 && mailbox.len() == 1 && gathering.is_due() {
                gathers = true;
                if others.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
            let (next_due, left, space, signal) = {
                let mut backlog = self.instance.backlog.lock();
                if let Some(first) = backlog.rare.as_ref().and_then(|rare| rare.comes_first())
                    && mailbox.look(self.instance.index) == Signal::Run
                {
                    return Poll::Ready(match first {
                        First::TaskCrash => Took::TaskCrash,
                        First::DirectiveRequest => Took::DirectiveRequest,
                    });
                }
                let (mut next_due, mut signal) = (None, Signal::Run);
                if backlog.len() > 0 {
                    signal = mailbox.look(self.instance.index);
                    if matches!(signal, Signal::Stop | Signal::Kill) {
                        return Poll::Ready(Took::Signal(signal));
                    }
                    // An actor that drains skips the pause before a retry, as it skips the pause before a restart.
                    next_due =
                        if signal == Signal::Drain { backlog.wake_all() } else { backlog.wake_due(Instant::now) };
                    let take = if backlog.solo > 0 { 1 } else { backlog.fitting(most, BATCH_BYTES) };
                    let (take, is_suspect) = backlog.up_to_suspect(take);
                    backlog.alone = backlog.solo > 0;
                    backlog.solo = backlog.solo.saturating_sub(take);
                    for message in backlog.returned.drain(..take) {
                        if message.envelope.attempt > 0 {
                            self.actor.failures.retries();
                        }
                        turn.batch_in_progress().push(&message);
                    }
                    backlog.free_emptied();
                    if is_suspect {
                        mailbox.pass_on();
                        return Poll::Ready(Took::Suspect);
                    }
                    if take > 0 {
                        return Poll::Ready(Took::Messages { shared: mailbox.pass_on() });
                    }
                }
                backlog.alone = false;
                (next_due, backlog.len(), backlog.space(mailbox.spec()), signal)
            };
            let polled = if space == 0 {
                // Only a retry, or the supervisor's next signal, goes on here.
                mailbox.pass_on();
                if mailbox.poll_next_signal(self.instance.index, cx, signal).is_ready() {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            } else {
                let (instance, batch) = (self.instance.index, turn.batch_in_progress());
                // With retries due later, an orderly stop waits for them.
                let took = mailbox.poll_take(instance, cx, most.min(space), BATCH_BYTES, left > 0, batch);
                if took == Poll::Ready(Took::Messages { shared: true })
                    && (batch.bytes_taken() >= LARGE_BATCH || self.actor.instances.len() > 1)
                {
                    // A sender that has space again, or another instance, does not wait for the end of this turn.
                    spread();
                }
                self.shared.read_back(&self.actor);
                took
            };
            match polled {
                Poll::Ready(Took::Signal(Signal::Drain)) if !mailbox.is_drained(self.instance.index) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(took) => return Poll::Ready(took),
                Poll::Pending => {
                    has_waited = true;
                    self.release_sender();
                    if left == 0 {
                        turn.run_when_idle();
                        self.shared.activity.changed();
                    }
                }
            }
            if let Some(idle_stop) = idle_stop
                && mailbox.len() > 0
            {
                // A policy has messages that it has not given out yet.
                enough = Some(later(idle_stop.max(LOOK_AGAIN)));
            } else if left == 0
                && let Some(idle_stop) = idle_stop
                && self.may_go(turn, *enough.get_or_insert_with(|| later(idle_stop)), idle_stop)
            {
                return Poll::Ready(Took::Nothing);
            }
            let Some(due) = next_due.or(enough.filter(|_| left == 0)) else { return Poll::Pending };
            let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
        match took {
            Took::Messages { shared: false } | Took::Suspect => {}
            Took::Messages { shared: true } => {
                self.release_sender();
                requeue().await;
            }
            // The message that may have woken this instance is left to another instance.
            Took::Signal(_) | Took::DirectiveRequest | Took::TaskCrash | Took::Nothing => {
                mailbox.look(self.instance.index);
                mailbox.pass_on();
            }
        }
        if idle_stop.is_some() {
            self.no_longer_idle(&took);
        }
        if gathers {
            gathering.ended(turn.batch_in_progress().len());
        }
        let has_notices = self.drop_expired(turn);
        turn.begin(has_notices);
        took
    }

    /// Whether an incarnation without work ends: its idle time is over, or another start waits for its slot. It is polled
    /// again when either changes.
    fn may_go(&self, turn: &Turn, time_is_up: Instant, idle_stop: Duration) -> bool {
        let now = Instant::now();
        if now >= time_is_up {
            return true;
        }
        let mut bounds = self.shared.bounds_of(&self.actor).peekable();
        if bounds.peek().is_none() || turn.is_attached() {
            return false;
        }
        // The order matters: a start that queues after the check below sees that this instance is idle.
        let since = time_is_up.checked_sub(idle_stop).unwrap_or(now);
        self.instance.eviction.idle(since.saturating_duration_since(self.shared.began));
        self.instance.eviction.is_asked() || bounds.any(|slots| slots.has_queue())
    }

    fn no_longer_idle(&self, took: &Took) {
        if self.instance.eviction.busy() && *took != Took::Nothing {
            for slots in self.shared.bounds_of(&self.actor).filter(|slots| slots.has_queue()) {
                slots.evict_idle();
            }
        }
    }

    /// Drops asks whose asker does not wait any more, and notices for an earlier run, or for code that takes none any more. Returns whether
    /// notices are left.
    fn drop_expired(&self, turn: &mut Turn) -> bool {
        let expired = |reply: ReplyToken| reply.is_ask() && !self.shared.routing.asks.is_waiting(reply);
        let is_notice = |envelope: &Envelope| envelope.sender == ActorId::NOTICE;
        let batch = turn.batch();
        if !batch.is_special() {
            return false;
        }
        let (mut notices, mut some_expired) = (false, false);
        for index in 0..batch.len() {
            notices |= batch.sender(index) == ActorId::NOTICE;
            some_expired |= expired(batch.reply(index));
        }
        if !notices && !some_expired {
            return false;
        }
        let messages: Vec<_> = (0..batch.len()).map(|index| batch.message(index)).collect();
        let before = messages.len();
        let mut for_us = |m: &Message| !is_notice(&m.envelope) || turn.hears(&m.body);
        let (messages, unheard): (Vec<_>, Vec<_>) = messages.into_iter().partition(&mut for_us);
        self.end_stored(&unheard);
        self.actor.finish((before - messages.len()) as u64);
        let notices = messages.iter().any(|m| is_notice(&m.envelope));
        let (expired, wanted): (Vec<_>, Vec<_>) = messages.into_iter().partition(|m| expired(m.envelope.reply));
        let batch = turn.new_batch();
        for message in &wanted {
            batch.push(message);
        }
        self.shared.routing.dead_letter(&self.actor, expired, &DeadReason::Expired, true);
        notices
    }

    /// Ends messages that nobody handles.
    fn end_stored(&self, messages: &[Message]) {
        let mut numbers = messages.iter().map(Message::sequence).filter(|number| *number != 0).peekable();
        if let Some(journal) = self.shared.routing.journal.as_ref().filter(|_| numbers.peek().is_some()) {
            let (routing, id) = (&self.shared.routing, self.actor.id);
            routing.enter(journal, Some(id), EntrySpace::NONE, |draft| {
                for number in numbers {
                    routing.kept_answers.end_turns(draft, id, number..number + 1);
                    draft.take(id, number);
                }
            });
        }
    }
}

/// Goes to the end of the runtime's queue. An instance or sender that was just woken from here is in this thread's slot, from
/// which other threads do not steal: either it runs now, or another thread takes this task.
async fn requeue() {
    let mut queued = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut queued, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
