//! The queue of senders that found a mailbox full. They are served in order of arrival.

use std::task::{Poll, Waker};

use tokio::time::Instant;

use crate::mailbox::inner::Blocked;
use crate::mailbox::load::Load;
use crate::mailbox::queue::{Mailbox, Refused};
use crate::mailbox::space::Space;
use crate::words::event::Described;
use crate::words::message::{ActorId, Message};

impl Mailbox {
    /// Takes a place in the queue of senders that wait for space.
    pub(crate) fn queue_up(&self, sender: ActorId) -> Place<'_> {
        let since = Instant::now();
        let mut inner = self.inner.lock();
        let ticket = inner.blocked.back().map_or(0, |last| last.ticket + 1);
        inner.blocked.push_back(Blocked::new(ticket, sender, since));
        drop(inner);
        self.pressure.begins_to_wait();
        Place { mailbox: self, ticket, since }
    }

    /// The senders that wait for space, each with the time since when, in the order in which they are served.
    pub(crate) fn blocked_senders(&self) -> Vec<(ActorId, Instant)> {
        self.inner.lock().blocked.iter().map(|blocked| (blocked.sender, blocked.since)).collect()
    }

    /// Since when a sender waits for space here. Mailboxes in which nobody ever waited take no lock.
    pub(crate) fn is_blocked_since(&self, sender: ActorId) -> Option<Instant> {
        if !self.pressure.is_used() {
            return None;
        }
        let inner = self.inner.lock();
        inner.blocked.iter().find(|blocked| blocked.sender == sender).map(|blocked| blocked.since)
    }

    /// Whether a sender waits although a take made space.
    #[inline]
    pub(crate) fn holds_sender(&self) -> bool {
        self.pressure.holds_sender()
    }

    /// Wakes the sender for which [`Mailbox::holds_sender`] is true.
    pub(crate) fn wake_held_sender(&self) {
        let sender = {
            let mut inner = self.inner.lock();
            self.pressure.set_holds_sender(false);
            inner.next_sender(&self.spec)
        };
        sender.into_iter().for_each(Waker::wake);
    }
}

/// A place in the queue of senders. Dropping it frees the place.
pub(crate) struct Place<'a> {
    mailbox: &'a Mailbox,
    ticket: u64,
    since: Instant,
}

impl Place<'_> {
    /// When the sender began to wait.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Goes to the end of the queue: the sender got some space, and waits for more.
    pub(crate) fn queue_up_again(&mut self) {
        let now = Instant::now();
        let woken = {
            let mut inner = self.mailbox.inner.lock();
            let ticket = inner.blocked.back().map_or(0, |last| last.ticket + 1);
            let at = inner.blocked.iter().position(|blocked| blocked.ticket == self.ticket);
            let blocked = at.and_then(|at| inner.blocked.remove(at));
            let mut blocked = blocked.expect("a place stays in the queue until it is dropped");
            (blocked.ticket, blocked.since) = (ticket, now);
            inner.blocked.push_back(blocked);
            self.ticket = ticket;
            inner.next_sender(&self.mailbox.spec)
        };
        self.mailbox.pressure.waited(now.duration_since(self.since), now);
        self.mailbox.pressure.begins_to_wait();
        self.since = now;
        woken.into_iter().for_each(Waker::wake);
    }

    /// Waits for space for at least `body_bytes` and runs `fill`; `Err(Full)` when the deadline passes first.
    pub(crate) async fn push(
        &self,
        owner: &impl Described,
        body_bytes: usize,
        deadline: Instant,
        fill: impl FnOnce(&mut Space<'_>),
    ) -> Result<Vec<Message>, Refused> {
        let turn = std::future::poll_fn(|cx| {
            let mut inner = self.mailbox.inner.lock();
            let space = inner.closed || inner.lets_in(&self.mailbox.spec, body_bytes);
            let (place, blocked) = inner
                .blocked
                .iter_mut()
                .enumerate()
                .find(|(_, blocked)| blocked.ticket == self.ticket)
                .expect("a place stays in the queue until it is dropped");
            if space && place == 0 {
                return Poll::Ready(());
            }
            blocked.wait(cx);
            Poll::Pending
        });
        if tokio::time::timeout_at(deadline, turn).await.is_err() {
            return Err(Refused::Full);
        }
        self.mailbox.push_as(owner, Some(self.ticket), fill)
    }

    /// Waits for space and reserves it, as [`Mailbox::reserve`]; `Err(Full)` when the deadline passes first.
    pub(crate) async fn reserve(&self, load: Load, deadline: Instant) -> Result<(), Refused> {
        let turn = std::future::poll_fn(|cx| {
            let mut inner = self.mailbox.inner.lock();
            if inner.refuses() {
                return Poll::Ready(Err(Refused::Closed));
            }
            let is_first = inner.blocked.front().is_some_and(|first| first.ticket == self.ticket);
            if is_first && inner.reserve(&self.mailbox.spec, load) {
                return Poll::Ready(Ok(()));
            }
            let blocked = inner.blocked.iter_mut().find(|blocked| blocked.ticket == self.ticket);
            blocked.expect("a place stays in the queue until it is dropped").wait(cx);
            Poll::Pending
        });
        tokio::time::timeout_at(deadline, turn).await.unwrap_or(Err(Refused::Full))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let woken = {
            let mut inner = self.mailbox.inner.lock();
            inner.blocked.retain(|blocked| blocked.ticket != self.ticket);
            inner.next_sender(&self.mailbox.spec)
        };
        let now = Instant::now();
        self.mailbox.pressure.waited(now.duration_since(self.since), now);
        if let Some(waker) = woken {
            waker.wake();
        }
    }
}
