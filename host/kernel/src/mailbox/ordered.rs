//! The operations of a mailbox for its policy driver. The driver waits outside the lock; these functions only look, and move
//! messages in one step.

use std::task::{Context, Poll, Waker};

use crate::mailbox::inner::{Inner, remember};
use crate::mailbox::order::Breach;
use crate::mailbox::policy::{Arrivals, Key, PolicyState, Rules};
use crate::mailbox::queue::Mailbox;
use crate::words::message::Message;

/// Why an operation of the policy driver fails.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The mailbox was closed since the driver began.
    Closed,
    /// The policy broke the contract.
    Breach(Breach),
}

impl Mailbox {
    /// The generation that a new policy driver serves; none without a policy.
    pub(super) fn begin_order(&self) -> Option<u64> {
        let mut inner = self.inner.lock();
        let order = inner.order.as_mut()?;
        order.state = PolicyState::Starting;
        order.tell_all_again();
        Some(order.generation)
    }

    /// Runs `act` if the policy driver of this generation is current.
    fn serve<T>(&self, generation: u64, act: impl FnOnce(&mut Inner) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut inner = self.inner.lock();
        match &inner.order {
            Some(order) if order.generation == generation && !inner.closed => act(&mut inner),
            _ => Err(Refusal::Closed),
        }
    }

    /// Marks a run of the policy as started.
    pub(super) fn order_is_up(&self, generation: u64, rules: Rules) -> Result<(), Refusal> {
        self.serve(generation, |inner| {
            let order = inner.order.as_mut().expect("it was looked at");
            (order.state, order.rules) = (PolicyState::Running, rules);
            Ok(())
        })
    }

    /// Records a crash of a run: the next run is told about all messages again. In the meantime the messages wait.
    pub(super) fn order_crashed(&self, generation: u64, why: String) -> Result<(), Refusal> {
        self.serve(generation, |inner| {
            let order = inner.order.as_mut().expect("it was looked at");
            (order.state, order.crashes, order.last_crash) = (PolicyState::Starting, order.crashes + 1, Some(why));
            order.tell_all_again();
            Ok(())
        })
    }

    /// Gives up the policy: all messages go to the instances, in order of arrival.
    pub(super) fn order_gives_up(&self, generation: u64) {
        let wakers = self.serve(generation, |inner| {
            let order = inner.order.as_mut().expect("it was looked at");
            (order.state, order.given_up_after) = (PolicyState::GaveUp, inner.accepted);
            for message in order.drain() {
                inner.log.append(&message.envelope, &message.payload());
            }
            let instance = if inner.log.len() > 0 { inner.next_instance() } else { None };
            Ok([instance, inner.next_sender(&self.spec)])
        });
        wakers.into_iter().flatten().flatten().for_each(Waker::wake);
    }

    /// Resolves to `true` when there is work, and to `false` when the mailbox was closed.
    pub(super) fn poll_work(&self, generation: u64, cx: &Context<'_>) -> Poll<bool> {
        let work = self.serve(generation, |inner| {
            let wanted = inner.wanted();
            let order = inner.order.as_mut().expect("it was looked at");
            let work = order.has_work(wanted);
            if !work {
                remember(&mut order.driver, cx);
            }
            Ok(work)
        });
        match work {
            Ok(true) => Poll::Ready(true),
            Ok(false) => Poll::Pending,
            Err(_) => Poll::Ready(false),
        }
    }

    /// Resolves when the mailbox is closed.
    pub(super) fn poll_closed(&self, generation: u64, cx: &Context<'_>) -> Poll<()> {
        let open = self.serve(generation, |inner| {
            remember(&mut inner.order.as_mut().expect("it was looked at").driver, cx);
            Ok(())
        });
        if open.is_ok() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// The key of the next message: all messages with smaller keys have arrived.
    pub(super) fn order_end(&self, generation: u64) -> Result<Key, Refusal> {
        self.serve(generation, |inner| Ok(inner.order.as_ref().expect("it was looked at").next_key()))
    }

    /// The messages that the run is to be told about; false when there are no more before `end`.
    pub(super) fn arrivals(&self, generation: u64, end: Key, arrivals: &mut Arrivals) -> Result<bool, Refusal> {
        self.serve(generation, |inner| {
            let order = inner.order.as_mut().expect("it was looked at");
            Ok(order.tell(end, &inner.log, &self.spec, arrivals))
        })
    }

    /// Removes the messages that the run drops.
    pub(super) fn drop_chosen(
        &self,
        generation: u64,
        keys: &[Key],
        arrivals: &Arrivals,
    ) -> Result<Vec<Message>, Refusal> {
        let (dropped, wakers) = self.serve(generation, |inner| {
            let order = inner.order.as_mut().expect("it was looked at");
            let dropped = order.drop_these(keys, arrivals.excess).map_err(Refusal::Breach)?;
            let mut wakers = if dropped.is_empty() { Vec::new() } else { inner.drained_instances() };
            wakers.extend(inner.next_sender(&self.spec));
            Ok((dropped, wakers))
        })?;
        wakers.into_iter().for_each(Waker::wake);
        Ok(dropped)
    }

    /// How many messages the instances ask for, as far as there are any, and the message that is overdue.
    pub(super) fn asked_for(&self, generation: u64) -> Result<Option<(u32, Option<Key>)>, Refusal> {
        self.serve(generation, |inner| {
            let wanted = inner.wanted();
            let order = inner.order.as_ref().expect("it was looked at");
            let most = u32::try_from(wanted.min(order.available())).unwrap_or(u32::MAX);
            Ok((most > 0).then(|| (most, order.overdue(&self.spec))))
        })
    }

    /// Gives the instances the messages that the run gave out.
    pub(super) fn give(
        &self,
        generation: u64,
        keys: &[Key],
        (most, overdue): (u32, Option<Key>),
    ) -> Result<(), Refusal> {
        let instance = self.serve(generation, |inner| {
            let order = inner.order.as_mut().expect("it was looked at");
            order.give(keys, most, overdue, &mut inner.log).map_err(Refusal::Breach)?;
            Ok(inner.next_instance())
        })?;
        instance.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Checks that the run has as many messages as it should.
    pub(super) fn check_size(&self, generation: u64, size: u64) -> Result<(), Refusal> {
        self.serve(generation, |inner| {
            inner.order.as_ref().expect("it was looked at").check_size(size).map_err(Refusal::Breach)
        })
    }
}
