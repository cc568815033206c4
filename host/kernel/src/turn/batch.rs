//! The batch of a turn: the messages that an incarnation took, how far it is with them, and the outcomes of the finished ones.

use std::ops::Range;

use playhouse_frame::Parts;

use super::outcomes::Outcomes;
use crate::mailbox::message_log::TakenMessages;
use crate::words::crash::cut;
use crate::words::message::{ActorId, Cause, Envelope, FlowId, Message, MessageId, ReplyToken};
use crate::words::outcome::{Failure, Outcome};

/// A hook that runs instead of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    Init = 0,
    Shutdown = 1,
    PrepareChildren = 2,
    ChildFailed = 3,
    TaskDone = 4,
    Gate = 5,
}

impl Hook {
    /// Whether it runs at the start of each incarnation.
    pub(super) fn comes_back(self) -> bool {
        matches!(self, Self::Gate | Self::Init | Self::PrepareChildren)
    }
}

/// More than the number of hooks, so that each hook has ids of its own.
const HOOKS: u64 = 8;

/// The cause of sends when neither a message nor a hook causes them.
pub(super) const NO_CAUSE: Cause = Cause { id: MessageId(0), sender: ActorId::OUTSIDE, flow: FlowId(1), hops: 0 };

#[derive(Default)]
pub(super) struct Batch {
    pub(super) messages: TakenMessages,
    /// Messages whose outcome is final.
    committed: usize,
    /// Outcomes of the finished messages after the committed ones.
    pub(super) outcomes: Outcomes,
    /// The failed messages at which the code itself made several attempts, with their number.
    attempts: Vec<(usize, u32)>,
    /// The hook that runs instead of a message.
    hook: Option<Hook>,
    /// Number of hooks so far of the kinds that run more than once: part of their ids.
    hooks: u64,
    has_notices: bool,
    /// The fields that sends of the current message, or of the hook, take over; read at the first send.
    cause: Option<Cause>,
    /// Number of sends and asks of the current message so far: the index in their ids.
    caused: u64,
}

impl Batch {
    /// The index of the current message: the first one without an outcome. None when all have one, and in a hook.
    pub(super) fn current(&self) -> Option<usize> {
        let index = self.committed + self.outcomes.len();
        (self.hook.is_none() && index < self.messages.len()).then_some(index)
    }

    /// The envelope of the current message.
    pub(super) fn envelope(&self) -> Option<Envelope> {
        self.current().map(|index| self.messages.envelope(index))
    }

    /// The indices of the messages that are finished and not committed.
    pub(super) fn finished(&self) -> Range<usize> {
        self.committed..self.committed + self.outcomes.len()
    }

    pub(super) fn hook(&self) -> Option<Hook> {
        self.hook
    }

    pub(super) fn has_notices(&self) -> bool {
        self.has_notices
    }

    /// Drops the messages. Their outcomes must be final.
    pub(super) fn clear(&mut self) {
        debug_assert!(self.outcomes.is_empty());
        self.committed = 0;
        self.attempts.clear();
        self.messages.clear();
    }

    /// Keeps the number of attempts at the current message.
    pub(super) fn keep_attempts(&mut self, attempts: u32) {
        let index = self.committed + self.outcomes.len();
        self.attempts.push((index, attempts));
    }

    /// The number of attempts in this turn at a message that failed.
    pub(super) fn attempts(&self, index: usize) -> u32 {
        self.attempts.iter().find(|(at, _)| *at == index).map_or(1, |(_, attempts)| *attempts)
    }

    /// Turns to the first message of a new batch.
    pub(super) fn begin(&mut self, has_notices: bool) {
        self.has_notices = has_notices;
        self.forget_cause();
    }

    /// Turns to a hook of an actor's incarnation: no message causes its sends.
    /// `run_seed`: different at each start of a host, so that no two starts give an id twice.
    pub(super) fn begin_hook(&mut self, hook: Hook, address: &str, incarnation: u64, run_seed: u64) {
        self.hook = Some(hook);
        let mut id = MessageId::seeded(address, incarnation * HOOKS + hook as u64).caused(run_seed);
        if matches!(hook, Hook::ChildFailed | Hook::TaskDone) {
            // The other hooks run once.
            self.hooks += 1;
            id = id.caused(self.hooks);
        }
        self.cause = Some(Cause { id, flow: id.flow(), ..NO_CAUSE });
        self.caused = 0;
    }

    pub(super) fn end_hook(&mut self) {
        self.hook = None;
    }

    /// Adds the outcome of the current message.
    pub(super) fn push_outcome(&mut self, mut outcome: Outcome) {
        if let Outcome::Failed(Failure::Reject(text) | Failure::Retry(text) | Failure::BadReply(text)) = &mut outcome {
            *text = cut(std::mem::take(text));
        }
        let index = self.committed + self.outcomes.len();
        let plain = matches!(outcome, Outcome::Done(None)) && !self.messages.reply(index).is_some();
        if plain {
            // It holds no memory; a drop would be a call for each message.
            std::mem::forget(outcome);
            return self.outcomes.push_plain(1);
        }
        self.outcomes.push(index, outcome);
    }

    /// Makes the outcomes of the `finished` finished messages final, and returns their number. The caller took the outcomes.
    pub(super) fn commit_finished(&mut self, finished: usize) -> usize {
        self.committed += finished;
        finished
    }

    /// Drops all outcomes that are not final, and returns their messages and those without an outcome, in order.
    pub(super) fn abandon(&mut self) -> Vec<Message> {
        self.hook = None;
        self.outcomes.clear();
        (self.committed..self.messages.len()).map(|index| self.messages.message(index)).collect()
    }

    /// The fields that sends of the current message, or of the hook, take over.
    #[inline]
    pub(super) fn cause(&mut self) -> &Cause {
        if self.cause.is_none() {
            self.cause = Some(self.current().map_or(NO_CAUSE, |index| self.messages.cause(index)));
        }
        self.cause.as_ref().expect("it was just read")
    }

    /// Turns to the next message.
    pub(super) fn forget_cause(&mut self) {
        self.cause = None;
        self.caused = 0;
    }

    /// The envelope of the next send of `sender`.
    #[expect(clippy::inline_always, reason = "a call costs a send 5 % more instructions, since the envelope is copied")]
    #[inline(always)]
    pub(super) fn caused_envelope(&mut self, sender: ActorId, reply: ReplyToken, parts: Parts) -> Envelope {
        let index = self.caused;
        self.caused += 1;
        let in_hook = self.hook.is_some();
        let cause = self.cause();
        let hops = if in_hook { 0 } else { cause.hops.saturating_add(1) };
        Envelope { id: cause.id.caused(index), sender, flow: cause.flow, hops, attempt: 0, reply, parts }
    }
}
