//! The supervisor's word to each lane, and how a lane hears it: when it looks for messages, or while it does something else.
//! And lanes that have no incarnation to hear anything.

use std::task::{Context, Poll, Waker};

use super::{Mailbox, Seat, Signal, bit, remember};

impl Mailbox {
    /// The supervisor's word to a lane that looks into its backlog first.
    pub(crate) fn look(&self, lane: usize) -> Signal {
        let mut inner = self.inner.lock();
        inner.idle &= !bit(lane);
        inner.seats[lane].signal
    }

    /// Whether the lane waits until a message comes.
    pub(crate) fn sleeps(&self, lane: usize) -> bool {
        self.inner.lock().idle & bit(lane) != 0
    }

    /// The word that a lane got last.
    pub(crate) fn signal(&self, lane: usize) -> Signal {
        self.inner.lock().seats[lane].signal
    }

    /// Resolves when the signal to the lane is at least `at_least`.
    pub(crate) fn poll_signal(&self, lane: usize, cx: &mut Context<'_>, at_least: Signal) -> Poll<Signal> {
        let mut inner = self.inner.lock();
        let seat = &mut inner.seats[lane];
        if seat.signal >= at_least {
            return Poll::Ready(seat.signal);
        }
        remember(&mut seat.watcher, cx);
        Poll::Pending
    }

    /// For a lane that takes no messages now: resolves when the signal is another than `before`, or when it is to look into
    /// its backlog.
    pub(crate) fn poll_next_signal(&self, lane: usize, cx: &mut Context<'_>, before: Signal) -> Poll<()> {
        let mut inner = self.inner.lock();
        let seat = &mut inner.seats[lane];
        if seat.signal != before || std::mem::take(&mut seat.nudged) {
            return Poll::Ready(());
        }
        remember(&mut seat.consumer, cx);
        Poll::Pending
    }

    /// The lane gets an incarnation.
    pub(crate) fn begin(&self, lane: usize) {
        let mut inner = self.inner.lock();
        inner.idle &= !bit(lane);
        inner.passivated &= !bit(lane);
        inner.seats[lane] = Seat { nudged: inner.seats[lane].nudged, ..Seat::new() };
    }

    /// The lane has no incarnation until a message comes, which calls `waker`. False when messages wait already; with `since`,
    /// when one was let in after there had been so many.
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
            // No memory of busier days.
            inner.log.shrink();
            inner.blocked.shrink_to_fit();
        }
        inner.seats[lane].wants = 0;
        inner.seats[lane].consumer = Some(waker);
        inner.idle |= bit(lane);
        inner.passivated |= bit(lane);
        true
    }

    /// Tells the lane's incarnation. A word never softens one before it.
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

    /// Has the lane look into its backlog.
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
