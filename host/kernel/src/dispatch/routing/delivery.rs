//! Delivery into mailboxes: the sends of a commit, in runs to one target, and single messages whose sender gets the result. A
//! delivery runs in the sender's task, and waits there when the mailbox has no space.

use std::sync::Arc;
use std::time::Duration;

use playhouse_frame::HEADER_BYTES;
use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::host_wait::BlockedOn;
use crate::actor::pinned::Pinned;
use crate::dispatch::routing::Routing;
use crate::dispatch::routing::entering::{PlayJournal, check_size, found_full};
use crate::dispatch::routing::reservation::{Patience, Sender};
use crate::journal::entry::EntryNumber;
use crate::mailbox::message_log::{first_record, message_of};
use crate::mailbox::{Overflow, Place, Refused, Space};
use crate::words::dead_letter::DeadReason;
use crate::words::message::{Envelope, Message, Payload};
use crate::words::send_error::SendError;

/// Smaller runs are copied: that costs less than a new buffer.
const MOVED_BYTES: usize = 16 << 10;

/// Sends in a row to one target, recorded and not yet delivered.
pub(crate) struct Run {
    /// The target, as the sender numbers its targets.
    pub(crate) route: usize,
    /// The range of the undelivered messages in the sender's bytes: records, one after another.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Their number.
    pub(crate) messages: usize,
}

impl Run {
    /// The route of an effect other than a send, ordered among the sends.
    pub(crate) const EFFECT: usize = usize::MAX;

    /// Whether it is better to move the buffer than to copy the run out of it.
    fn is_most_of(&self, bytes: &Vec<u8>) -> bool {
        let size = self.to - self.from;
        size >= MOVED_BYTES && size >= bytes.capacity() / 4 * 3
    }

    /// Puts as many messages of the run as fit. `whole`: moves `bytes` as they are, if all messages fit.
    fn fill(&mut self, space: &mut Space<'_>, bytes: &mut Vec<u8>, delivered: &mut usize, whole: bool) {
        let (messages, size) = if whole && space.put_whole(bytes, self.from..self.to, self.messages) {
            (self.messages, self.to - self.from)
        } else {
            space.put_run(&bytes[self.from..self.to], self.messages)
        };
        self.advance(size, messages);
        *delivered += messages;
    }

    /// Marks the first `messages` messages, whose records are `bytes` long, as delivered.
    fn advance(&mut self, bytes: usize, messages: usize) {
        self.from += bytes;
        self.messages -= messages;
    }
}

impl Routing {
    /// The actor that gets what others tell to `target`.
    #[inline]
    pub(crate) fn relayed(&self, target: Arc<Actor>) -> Arc<Actor> {
        match &target.spec.relay {
            None => target,
            Some(relay) => self.registry.get(relay).unwrap_or(target),
        }
    }

    /// As [`Routing::relayed`], of an actor that is pinned.
    #[inline]
    pub(crate) fn relay(&self, target: Pinned) -> Pinned {
        match &target.spec.relay {
            None => target,
            Some(relay) => self.registry.pin(relay).unwrap_or(target),
        }
    }

    /// Delivers as much of a run of sends to one target as fits. `run` and `delivered` advance with each message. If the run
    /// is most of `bytes`, the buffer itself may move into the mailbox: then everything up to the run's end is removed from
    /// `bytes`.
    pub(crate) fn deliver_run(
        &self,
        target: &Actor,
        run: &mut Run,
        bytes: &mut Vec<u8>,
        delivered: &mut usize,
    ) -> Result<(), Refused> {
        let whole = run.is_most_of(bytes);
        let pushed = target.mailbox.push(target, |space| run.fill(space, bytes, delivered, whole));
        pushed.map(|displaced| {
            // The call for none would cost each delivery some instructions.
            if !displaced.is_empty() {
                self.dead_letter(target, displaced, &DeadReason::Overflow, true);
            }
        })
    }

    /// Delivers the messages of a run that did not fit, or were refused. May wait for space in the mailbox. After this future
    /// was dropped, another call can go on.
    pub(crate) async fn deliver_remaining(
        &self,
        target: &Actor,
        run: &mut Run,
        bytes: &mut Vec<u8>,
        delivered: &mut usize,
        mut pushed: Result<(), Refused>,
        (patience, sender): (Patience, Sender<'_>),
    ) {
        let whole = run.is_most_of(bytes);
        let block_timeout = target.mailbox.spec().block_timeout;
        // Its place in the queue of senders, with the mark that it waits there, and until when.
        let mut place: Option<(Place<'_>, BlockedOn<'_>)> = None;
        let (mut deadline, mut waited) = (None, Duration::ZERO);
        // The sender waited for its full time, and nothing was delivered.
        let mut in_vain = false;
        while run.messages > 0 {
            let reason = match target.mailbox.overflow() {
                _ if pushed == Err(Refused::Closed) => Some(target.closed_because()),
                // The receiver waits for the host, so the sender's time begins again.
                Overflow::Block if in_vain && self.waited_for_host(target, &mut waited) => {
                    deadline = Some(Instant::now() + block_timeout);
                    None
                }
                Overflow::Block if patience == Patience::No || in_vain => Some(DeadReason::MailboxFull),
                Overflow::Block => {
                    waited = target.host_waited();
                    if let Some((place, _)) = &mut place {
                        place.queue_up_again();
                    }
                    let place = place.get_or_insert_with(|| {
                        let place = target.mailbox.queue_up(sender.0);
                        let since = place.since();
                        (place, BlockedOn::begin(sender.1, target, since))
                    });
                    deadline = Some(place.0.since() + block_timeout);
                    None
                }
                Overflow::Reject => Some(DeadReason::MailboxFull),
                Overflow::DropNewest | Overflow::DropOldest => Some(DeadReason::Overflow),
            };
            if let Some(reason) = reason {
                let record = first_record(&bytes[run.from..run.to]);
                let letter = message_of(record);
                run.advance(record.len(), 1);
                *delivered += 1;
                self.dead_letter(target, [letter], &reason, false);
                if run.messages == 0 {
                    break;
                }
            }
            let before = *delivered;
            let next = first_record(&bytes[run.from..run.to]).len() - HEADER_BYTES;
            let fill = |space: &mut Space<'_>| run.fill(space, bytes, delivered, whole);
            let again = match place.as_ref().zip(deadline) {
                None => target.mailbox.push(target, fill),
                Some(((place, _), deadline)) => place.push(target, next, deadline, fill).await,
            };
            pushed = again.map(|displaced| self.dead_letter(target, displaced, &DeadReason::Overflow, true));
            in_vain = place.is_some() && *delivered == before;
        }
    }

    /// Delivers one message that is told from outside of turns, or says why not. Into a stored mailbox: returns when the message is
    /// durable.
    pub(crate) async fn deliver_one(
        &self,
        target: &Arc<Actor>,
        envelope: &Envelope,
        payload: &Payload<'_>,
        deadline: Instant,
    ) -> Result<(), SendError> {
        let stores = target.mailbox.is_stored();
        if !stores && let Some(offered) = self.offer_now(target, envelope, payload) {
            return offered;
        }
        // Boxed, so that the usual future stays small.
        Box::pin(self.deliver_waiting(target, (envelope, payload), deadline, stores)).await
    }

    /// Delivers a question, or says why not. Questions are not stored: their askers end with the host.
    pub(crate) async fn deliver_question(
        &self,
        target: &Arc<Actor>,
        envelope: &Envelope,
        payload: &Payload<'_>,
        deadline: Instant,
    ) -> Result<(), SendError> {
        if let Some(offered) = self.offer_now(target, envelope, payload) {
            return offered;
        }
        Box::pin(self.deliver_waiting(target, (envelope, payload), deadline, false)).await
    }

    /// As [`Routing::deliver_one`] into a stored mailbox, without waiting until the message is durable: returns the number of its
    /// entry.
    pub(crate) async fn enter_told(
        &self,
        journal: &PlayJournal,
        target: &Arc<Actor>,
        message: (&Envelope, &Payload<'_>),
        deadline: Instant,
    ) -> Result<EntryNumber, SendError> {
        let entered = self.enter_one(journal, target, message, deadline, |_| ()).await;
        entered.map_err(|error| self.refused(target, message, error))
    }

    async fn deliver_waiting(
        &self,
        target: &Arc<Actor>,
        message: (&Envelope, &Payload<'_>),
        deadline: Instant,
        stores: bool,
    ) -> Result<(), SendError> {
        let offered = match self.journal.as_ref().filter(|_| stores) {
            Some(journal) => self.offer_stored(journal, target, message, deadline).await,
            None => self.offer_waiting(target, message, deadline).await,
        };
        offered.map_err(|error| self.refused(target, message, error))
    }

    /// The error for the sender of a message that was refused. With the rule `drop-newest`, one that found no space becomes a
    /// dead letter.
    fn refused(&self, target: &Actor, (envelope, payload): (&Envelope, &Payload<'_>), error: SendError) -> SendError {
        match error {
            SendError::MailboxFull(_) if target.mailbox.overflow() == Overflow::DropNewest => {
                self.drop_newest(target, envelope, payload)
            }
            error => error,
        }
    }

    /// Makes a dead letter of a message for which there was no space.
    pub(super) fn drop_newest(&self, target: &Actor, envelope: &Envelope, payload: &Payload<'_>) -> SendError {
        let message = Message::of(*envelope, *payload);
        self.dead_letter(target, [message], &DeadReason::Overflow, false);
        SendError::Dropped { to: target.address().clone(), id: envelope.id }
    }

    /// Puts one message into the mailbox, or says why not. A refused message does not become a dead letter here.
    pub(crate) async fn offer(
        &self,
        target: &Arc<Actor>,
        envelope: &Envelope,
        payload: &Payload<'_>,
        deadline: Instant,
    ) -> Result<(), SendError> {
        match self.offer_now(target, envelope, payload) {
            Some(offered) => offered,
            None => self.offer_waiting(target, (envelope, payload), deadline).await,
        }
    }

    /// As [`Routing::offer`], without waiting; none when there is no space.
    #[inline]
    fn offer_now(
        &self,
        target: &Arc<Actor>,
        envelope: &Envelope,
        payload: &Payload<'_>,
    ) -> Option<Result<(), SendError>> {
        if let Err(error) = check_size(target, payload.body) {
            return Some(Err(error));
        }
        let mut inside = false;
        let pushed = target.mailbox.push(&**target, |space| inside = space.put(envelope, payload));
        self.offered(target, inside, pushed)
    }

    /// As [`Routing::offer`], of a message that found no space.
    async fn offer_waiting(
        &self,
        target: &Arc<Actor>,
        (envelope, payload): (&Envelope, &Payload<'_>),
        deadline: Instant,
    ) -> Result<(), SendError> {
        if target.mailbox.overflow() != Overflow::Block {
            return Err(found_full(target));
        }
        let place = target.mailbox.queue_up(envelope.sender);
        let mut inside = false;
        let put = |space: &mut Space<'_>| inside = space.put(envelope, payload);
        let pushed = place.push(&**target, payload.len(), deadline, put).await;
        self.offered(target, inside, pushed).unwrap_or_else(|| Err(found_full(target)))
    }

    /// The result of a push; none when there was no space.
    #[inline]
    fn offered(
        &self,
        target: &Actor,
        inside: bool,
        pushed: Result<Vec<Message>, Refused>,
    ) -> Option<Result<(), SendError>> {
        match pushed {
            // The call for none would cost each delivery some instructions.
            Ok(displaced) if displaced.is_empty() => {}
            Ok(displaced) => self.dead_letter(target, displaced, &DeadReason::Overflow, true),
            Err(Refused::Closed) => return Some(Err(SendError::Stopped(target.address().clone()))),
            Err(Refused::Full) => {}
        }
        inside.then_some(Ok(()))
    }
}
