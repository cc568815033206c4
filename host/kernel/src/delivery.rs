//! Into mailboxes: the sends of a commit, in runs to one target, and single messages whose sender is told
//! what became of them. Whoever delivers does it in place and waits here when there is no room.

use tokio::time::Instant;

use crate::actor::{Actor, World};
use crate::ask::SendError;
use crate::dead_letter::DeadReason;
use crate::mailbox::{Overflow, Place, Refused, Room};
use crate::message::{Envelope, Message};

/// Whether a delivery may wait for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    Yes,
    No,
}

/// One send, recorded and not yet delivered.
pub(crate) struct Send {
    /// The target, as the sender numbers its targets.
    pub(crate) route: usize,
    pub(crate) envelope: Envelope,
    /// Where the body lies among the sender's bodies.
    pub(crate) from: usize,
    pub(crate) to: usize,
}

impl Send {
    /// The route of what is no send at all, but another effect in its place among them.
    pub(crate) const EFFECT: usize = usize::MAX;
}

/// Refuses a body that is too large for its receiver.
pub(crate) fn check_size(target: &Actor, body: &[u8]) -> Result<(), SendError> {
    let limit_bytes = target.spec.message_bytes;
    if body.len() <= limit_bytes {
        return Ok(());
    }
    Err(SendError::TooLarge { to: target.address().clone(), bytes: body.len(), limit_bytes })
}

impl World {
    /// Delivers the longest run of sends to one target, from `sends[*delivered]` on. May wait for room in its
    /// mailbox; `delivered` counts up with each send, so that a dropped delivery can go on.
    pub(crate) async fn deliver_run(
        &self,
        target: &Actor,
        sends: &[Send],
        bodies: &[u8],
        delivered: &mut usize,
        patience: Patience,
    ) {
        let Some(route) = sends.get(*delivered).map(|send| send.route) else { return };
        let mut place = None;
        while let Some(next) = sends.get(*delivered).filter(|send| send.route == route) {
            let before = *delivered;
            let fill = |room: &mut Room<'_>| {
                while let Some(send) = sends.get(*delivered).filter(|send| send.route == route) {
                    if !room.put(&send.envelope, &bodies[send.from..send.to]) {
                        break;
                    }
                    *delivered += 1;
                }
            };
            let pushed = match &place {
                None => target.mailbox.push(fill),
                Some((place, deadline)) => {
                    let place: &Place<'_> = place;
                    place.push(next.to - next.from, *deadline, fill).await
                }
            };
            match pushed {
                Ok(displaced) => self.bury(target, displaced, &DeadReason::Overflow, true),
                Err(Refused::Full) => {}
                Err(Refused::Closed) => {
                    self.bury_send(target, next, bodies, &DeadReason::Stopped);
                    *delivered += 1;
                    continue;
                }
            }
            let Some(stuck) = sends.get(*delivered).filter(|send| send.route == route) else { break };
            match target.mailbox.overflow() {
                // It waited for its whole time and did not get in.
                Overflow::Block if patience == Patience::No || place.is_some() && *delivered == before => {
                    self.bury_send(target, stuck, bodies, &DeadReason::MailboxFull);
                    *delivered += 1;
                }
                Overflow::Block => {
                    let deadline = Instant::now() + target.mailbox.spec().block_timeout;
                    place = Some((target.mailbox.queue_up(), deadline));
                }
                Overflow::Reject => {
                    self.bury_send(target, stuck, bodies, &DeadReason::MailboxFull);
                    *delivered += 1;
                }
                Overflow::DropNewest | Overflow::DropOldest => {
                    self.bury_send(target, stuck, bodies, &DeadReason::Overflow);
                    *delivered += 1;
                }
            }
        }
    }

    /// Delivers one message now, or says why not. Used where the sender is told: asks, and the outside.
    pub(crate) async fn deliver_one(
        &self,
        target: &Actor,
        envelope: &Envelope,
        body: &[u8],
        deadline: Instant,
    ) -> Result<(), SendError> {
        match self.offer(target, envelope, body, deadline).await {
            Err(SendError::MailboxFull(_)) if target.mailbox.overflow() == Overflow::DropNewest => {
                let message = Message { envelope: *envelope, body: body.to_vec() };
                self.bury(target, [message], &DeadReason::Overflow, false);
                Ok(())
            }
            offered => offered,
        }
    }

    /// Puts one message into the mailbox, or says why not; then it is no dead letter.
    pub(crate) async fn offer(
        &self,
        target: &Actor,
        envelope: &Envelope,
        body: &[u8],
        deadline: Instant,
    ) -> Result<(), SendError> {
        check_size(target, body)?;
        let mut inside = false;
        let fill = |room: &mut Room<'_>| inside = room.put(envelope, body);
        let mut pushed = target.mailbox.push(fill);
        let full = match &pushed {
            Ok(_) => !inside,
            Err(refused) => *refused == Refused::Full,
        };
        if full && target.mailbox.overflow() == Overflow::Block {
            let place = target.mailbox.queue_up();
            pushed = place.push(body.len(), deadline, |room| inside = room.put(envelope, body)).await;
        }
        match pushed {
            Ok(displaced) => self.bury(target, displaced, &DeadReason::Overflow, true),
            Err(Refused::Closed) => return Err(SendError::Stopped(target.address().clone())),
            Err(Refused::Full) => {}
        }
        if inside {
            return Ok(());
        }
        // What an overflow rule drops is counted as its dead letter.
        if target.mailbox.overflow() != Overflow::DropNewest {
            target.mailbox.count_loss(&DeadReason::MailboxFull);
        }
        Err(SendError::MailboxFull(target.address().clone()))
    }

    fn bury_send(&self, target: &Actor, send: &Send, bodies: &[u8], reason: &DeadReason) {
        let message = Message { envelope: send.envelope, body: bodies[send.from..send.to].to_vec() };
        self.bury(target, [message], reason, false);
    }
}
