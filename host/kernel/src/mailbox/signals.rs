//! The supervisor's signal to each instance, which reads it when it looks for messages, or while it does something else. Also
//! instances that sleep without an incarnation.

use std::task::{Context, Poll, Waker};

use super::{Mailbox, Seat, Signal, bit, remember};

impl Mailbox {
    /// The supervisor's signal, for an instance that looks into its backlog first.
    pub(crate) fn look(&self, lane: usize) -> Signal {
        let mut inner = self.inner.lock();
        inner.idle &= !bit(lane);
        inner.seats[lane].signal
    }

    /// Whether the instance waits until a message comes.
    pub(crate) fn sleeps(&self, lane: usize) -> bool {
        self.inner.lock().idle & bit(lane) != 0
    }

    /// The last signal to the instance.
    pub(crate) fn signal(&self, lane: usize) -> Signal {
        self.inner.lock().seats[lane].signal
    }

    /// Resolves when the signal to the instance is at least `at_least`.
    pub(crate) fn poll_signal(&self, lane: usize, cx: &mut Context<'_>, at_least: Signal) -> Poll<Signal> {
        let mut inner = self.inner.lock();
        let seat = &mut inner.seats[lane];
        if seat.signal >= at_least {
            return Poll::Ready(seat.signal);
        }
        remember(&mut seat.watcher, cx);
        Poll::Pending
    }

    /// For an instance that takes no messages now: resolves when the signal differs from `before`, or when the instance is to
    /// look into its backlog.
    pub(crate) fn poll_next_signal(&self, lane: usize, cx: &mut Context<'_>, before: Signal) -> Poll<()> {
        let mut inner = self.inner.lock();
        let seat = &mut inner.seats[lane];
        if seat.signal != before || std::mem::take(&mut seat.nudged) {
            return Poll::Ready(());
        }
        remember(&mut seat.consumer, cx);
        Poll::Pending
    }

    /// Begins an incarnation of the instance.
    pub(crate) fn begin(&self, lane: usize) {
        let mut inner = self.inner.lock();
        inner.idle &= !bit(lane);
        inner.passivated &= !bit(lane);
        inner.seats[lane] = Seat { nudged: inner.seats[lane].nudged, ..Seat::new() };
    }

    /// Lets the instance sleep without an incarnation until a message calls `waker`. False when messages wait already; with
    /// `since`, false when more messages than `since` were accepted.
    pub(crate) fn sleep(&self, lane: usize, waker: Waker, since: Option<u64>) -> bool {
        let mut inner = self.inner.lock();
        let nudged = std::mem::take(&mut inner.seats[lane].nudged);
        let news = match since {
            Some(since) => inner.accepted != since,
            None => inner.waiting() > 0 || nudged,
        };
        if news {
            return false;
        }
        if inner.waiting() == 0 {
            // A sleeping instance keeps no memory from busier times.
            inner.log.shrink();
            inner.blocked.shrink_to_fit();
        }
        inner.seats[lane].wants = 0;
        inner.seats[lane].consumer = Some(waker);
        inner.idle |= bit(lane);
        inner.passivated |= bit(lane);
        true
    }

    /// Sends a signal to the instance's incarnation. Signals only escalate.
    pub(crate) fn set_signal(&self, lane: usize, signal: Signal) {
        let wakers = {
            let mut inner = self.inner.lock();
            inner.idle &= !bit(lane);
            let seat = &mut inner.seats[lane];
            seat.signal = signal.max(seat.signal);
            [seat.consumer.take(), seat.watcher.take()]
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Makes the instance look into its backlog.
    pub(crate) fn nudge(&self, lane: usize) {
        let waker = {
            let mut inner = self.inner.lock();
            inner.idle &= !bit(lane);
            let seat = &mut inner.seats[lane];
            seat.nudged = true;
            seat.consumer.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
