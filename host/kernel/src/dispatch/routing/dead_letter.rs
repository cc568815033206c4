//! Messages that will not be handled: they become dead letters, and their askers get an error.

use std::sync::atomic::Ordering;

use crate::actor::Actor;
use crate::dispatch::routing::Routing;
use crate::dispatch::routing::output::Output;
use crate::journal::order::{Draft, EntrySpace};
use crate::words::address::Address;
use crate::words::dead_letter::DeadReason;
use crate::words::event::{AboutActor, AboutMessage, AboutRun, Described, LogEvent};
use crate::words::events::{DeadLettered, MessagesDropped};
use crate::words::message::{ActorId, Envelope, Message};
use crate::words::restart::RestartKind;
use crate::words::send_error::{AskError, SendError};

impl Routing {
    /// Makes dead letters of messages for `actor`, and answers their asks with an error. `counted`: the mailbox had accepted
    /// the messages.
    pub(crate) fn dead_letter(
        &self,
        actor: &Actor,
        messages: impl IntoIterator<Item = Message>,
        reason: &DeadReason,
        counted: bool,
    ) {
        let run = reason.crash().map(|report| report.incarnation);
        self.dead_letter_after(run, actor, messages, reason, counted, |_, _| ());
    }

    /// As [`Routing::dead_letter`], for messages of a run that crashed. `and`: carried out for each of them, in its entry if there is a
    /// journal.
    pub(crate) fn dead_letter_and(
        &self,
        actor: &Actor,
        messages: impl IntoIterator<Item = Message>,
        reason: &DeadReason,
        and: impl FnMut(Option<&mut Draft<Output>>, &Message),
    ) {
        let run = reason.crash().map(|report| report.incarnation);
        self.dead_letter_after(run, actor, messages, reason, true, and);
    }

    /// Makes a dead letter of a message that failed in this incarnation.
    pub(crate) fn dead_letter_of_run(&self, run: u64, actor: &Actor, message: Message, reason: &DeadReason) {
        self.dead_letter_after(Some(run), actor, [message], reason, false, |_, _| ());
    }

    fn dead_letter_after(
        &self,
        run: Option<u64>,
        actor: &Actor,
        messages: impl IntoIterator<Item = Message>,
        reason: &DeadReason,
        counted: bool,
        mut and: impl FnMut(Option<&mut Draft<Output>>, &Message),
    ) {
        let is_dropped = actor.spec.drops_at_end && matches!(reason, DeadReason::Stopped);
        let mut ended = 0;
        for message in messages {
            ended += 1;
            if message.envelope.sender == ActorId::NOTICE
                && message.sequence() == 0
                && matches!(reason, DeadReason::Stopped | DeadReason::FailedStart(_))
            {
                // The next run would ignore this notice.
                continue;
            }
            if is_dropped {
                self.asks.answer(message.envelope.reply, Err(Self::answer_of(actor, reason)));
                actor.mailbox.count_loss(reason);
                continue;
            }
            log_letter(run, actor, &message.envelope, reason);
            let Some(journal) = &self.journal else {
                self.asks.answer(message.envelope.reply, Err(Self::answer_of(actor, reason)));
                let sender = self.sender_of(&message);
                and(None, &message);
                // The letters of all descendants count for the actor of the plan above them.
                let owner = self.registry.planned_above(actor);
                let (_, letter, _) =
                    self.dead_letters.add(owner, message, actor.address().clone(), sender, reason.clone());
                self.dead_letters.feed(&letter);
                continue;
            };
            self.enter(journal, None, EntrySpace::NONE, |draft| {
                and(Some(draft), &message);
                self.letter_in(draft, actor, message, reason);
            });
        }
        if is_dropped && counted && ended > 0 {
            MessagesDropped { subject: actor.about(), messages: ended }.log();
        }
        // A commit counts the messages that it rejects as ended.
        if counted || matches!(reason, DeadReason::Rejected(_) | DeadReason::Failed(_) | DeadReason::BadReply(_)) {
            actor.mailbox.count_unhandled(ended);
            self.unhandled.fetch_add(ended, Ordering::Relaxed);
        }
        if counted {
            actor.finish(ended);
        }
    }

    /// The sender of a message; none for the outside, or when the sender is gone.
    pub(super) fn sender_of(&self, message: &Message) -> Option<Address> {
        self.registry.by_id(message.envelope.sender).map(|sender| sender.address().clone())
    }

    /// The error for the asker of a message that became a dead letter.
    pub(super) fn answer_of(actor: &Actor, reason: &DeadReason) -> AskError {
        match reason {
            DeadReason::Rejected(text) => AskError::Rejected(text.clone()),
            DeadReason::Failed(text) => AskError::RetriesSpent(text.clone()),
            DeadReason::BadReply(text) => AskError::Failed(text.clone()),
            DeadReason::AskCrashed(report)
                if report.blamed.is_none() && actor.spec.restart.kind != RestartKind::Temporary =>
            {
                AskError::Restarting(format!("while it handled several messages, it {}", report.crash.reason))
            }
            DeadReason::Crashed(report) | DeadReason::AskCrashed(report) | DeadReason::FailedStart(report) => {
                AskError::Crashed(report.crash.reason.to_string())
            }
            DeadReason::MailboxFull | DeadReason::Overflow | DeadReason::Abandoned => {
                SendError::MailboxFull(actor.address().clone()).into()
            }
            DeadReason::Stopped | DeadReason::HostDied(_) | DeadReason::Recorded(..) => AskError::Stopped,
            DeadReason::NotMade(error) => AskError::NotSent((**error).clone()),
            DeadReason::Expired => AskError::Timeout,
        }
    }
}

/// Logs and counts a letter.
pub(crate) fn log_letter(run: Option<u64>, actor: &Actor, envelope: &Envelope, reason: &DeadReason) {
    actor.mailbox.count_letter(reason);
    let event = DeadLettered {
        subject: (AboutRun { actor: actor.about(), incarnation: run }, AboutMessage::from(envelope)),
        reason: reason.kind(),
        crash: reason.crash().map(|report| report.crash.reason.kind()),
        why: reason,
    };
    event.log();
}

/// As [`log_letter`], of a message to an address that no actor has.
pub(crate) fn log_letter_to_none(to: &Address, envelope: &Envelope, reason: &DeadReason) {
    let run = AboutRun { actor: AboutActor { address: to, plugin: "" }, incarnation: None };
    DeadLettered { subject: (run, AboutMessage::from(envelope)), reason: reason.kind(), crash: None, why: reason }
        .log();
}
