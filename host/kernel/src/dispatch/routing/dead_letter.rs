//! Messages that will not be handled: they become dead letters, and their askers get an error.

use std::sync::atomic::Ordering;

use crate::actor::Actor;
use crate::dispatch::routing::Routing;
use crate::words::dead_letter::DeadReason;
use crate::words::event::{AboutMessage, AboutRun, Described, LogEvent};
use crate::words::events::{DeadLettered, MessagesDropped};
use crate::words::message::{ActorId, Message};
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
        self.dead_letter_after(run, actor, messages, reason, counted);
    }

    /// Makes a dead letter of a message that failed in this incarnation.
    pub(crate) fn dead_letter_of_run(&self, run: u64, actor: &Actor, message: Message, reason: &DeadReason) {
        self.dead_letter_after(Some(run), actor, [message], reason, false);
    }

    fn dead_letter_after(
        &self,
        run: Option<u64>,
        actor: &Actor,
        messages: impl IntoIterator<Item = Message>,
        reason: &DeadReason,
        counted: bool,
    ) {
        let is_dropped = actor.spec.drops_at_end && matches!(reason, DeadReason::Stopped);
        let mut ended = 0;
        for message in messages {
            ended += 1;
            if message.envelope.sender == ActorId::NOTICE
                && matches!(reason, DeadReason::Stopped | DeadReason::FailedStart(_))
            {
                // The next run would ignore this notice.
                continue;
            }
            let answer = match reason {
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
                DeadReason::Stopped => AskError::Stopped,
                DeadReason::Expired => AskError::Timeout,
            };
            self.asks.answer(message.envelope.reply, Err(answer));
            if is_dropped {
                actor.mailbox.count_loss(reason);
                continue;
            }
            actor.mailbox.count_letter(reason);
            let sender = self.registry.by_id(message.envelope.sender).map(|s| s.address().clone());
            let event = DeadLettered {
                subject: (AboutRun { actor: actor.about(), incarnation: run }, AboutMessage::from(&message.envelope)),
                reason: reason.kind(),
                crash: reason.crash().map(|report| report.crash.reason.kind()),
                why: reason,
            };
            event.log();
            // The letters of all descendants count for the actor of the plan above them.
            let accountable = self.registry.planned_above(actor);
            self.dead_letters.add(accountable, message, actor.address().clone(), sender, reason.clone());
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
}
