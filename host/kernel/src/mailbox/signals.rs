//! The supervisor's signal to each instance, which reads it when it looks for messages, or while it does something else. Also
//! instances that sleep without an incarnation.

use std::task::{Context, Poll, Waker};

use crate::mailbox::inner::{InstanceState, Signal, bit, remember};
use crate::mailbox::queue::Mailbox;

impl Mailbox {
    /// The supervisor's signal, for an instance that looks into its backlog first.
    pub(crate) fn look(&self, instance: usize) -> Signal {
        let mut inner = self.inner.lock();
        inner.idle &= !bit(instance);
        inner.states[instance].signal
    }

    /// Whether the instance waits until a message comes.
    pub(crate) fn sleeps(&self, instance: usize) -> bool {
        self.inner.lock().idle & bit(instance) != 0
    }

    /// Whether no message waits, is on its way, or waits for space, and no instance has an incarnation.
    pub(crate) fn is_releasable(&self) -> bool {
        let inner = self.inner.lock();
        let sleeps = inner.idle & inner.passivated == inner.passivated
            && inner.passivated.count_ones() as usize == inner.states.len();
        sleeps && inner.waiting() == 0 && inner.blocked.is_empty() && !inner.is_reserved(&self.spec)
    }

    /// The last signal to the instance.
    pub(crate) fn signal(&self, instance: usize) -> Signal {
        self.inner.lock().states[instance].signal
    }

    /// Resolves when the signal to the instance is at least `at_least`.
    pub(crate) fn poll_signal(&self, instance: usize, cx: &mut Context<'_>, at_least: Signal) -> Poll<Signal> {
        let mut inner = self.inner.lock();
        let state = &mut inner.states[instance];
        if state.signal >= at_least {
            return Poll::Ready(state.signal);
        }
        remember(&mut state.watcher, cx);
        Poll::Pending
    }

    /// For an instance that takes no messages now: resolves when the signal differs from `before`, or when the instance is to
    /// look into its backlog.
    pub(crate) fn poll_next_signal(&self, instance: usize, cx: &mut Context<'_>, before: Signal) -> Poll<()> {
        let mut inner = self.inner.lock();
        let state = &mut inner.states[instance];
        if state.signal != before || std::mem::take(&mut state.nudged) {
            return Poll::Ready(());
        }
        remember(&mut state.consumer, cx);
        Poll::Pending
    }

    /// Begins an incarnation of the instance.
    pub(crate) fn begin(&self, instance: usize) {
        let mut inner = self.inner.lock();
        inner.idle &= !bit(instance);
        inner.passivated &= !bit(instance);
        inner.states[instance] = InstanceState { nudged: inner.states[instance].nudged, ..InstanceState::new() };
    }

    /// Lets the instance sleep without an incarnation until a message calls `waker`. False when messages wait already; with
    /// `since`, false when more messages than `since` were accepted.
    pub(crate) fn sleep(&self, instance: usize, waker: Waker, since: Option<u64>) -> bool {
        let mut inner = self.inner.lock();
        let nudged = std::mem::take(&mut inner.states[instance].nudged);
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
        inner.states[instance].wants = 0;
        inner.states[instance].consumer = Some(waker);
        inner.idle |= bit(instance);
        inner.passivated |= bit(instance);
        true
    }

    /// Sends a signal to the instance's incarnation. Signals only escalate.
    pub(crate) fn set_signal(&self, instance: usize, signal: Signal) {
        let wakers = {
            let mut inner = self.inner.lock();
            inner.idle &= !bit(instance);
            let state = &mut inner.states[instance];
            state.signal = signal.max(state.signal);
            [state.consumer.take(), state.watcher.take()]
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Makes the instance look into its backlog.
    pub(crate) fn nudge(&self, instance: usize) {
        let waker = {
            let mut inner = self.inner.lock();
            inner.idle &= !bit(instance);
            let state = &mut inner.states[instance];
            state.nudged = true;
            state.consumer.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
