//! The turn: the messages of one call, with their recorded effects and outcomes. An incarnation records in it, and
//! [`Turn::commit`] is the only way out. Before the commit, nothing that a handler did is visible to others.
//!
//! | file | content |
//! |---|---|
//! | `batch` | the messages, which of them is current, the outcomes of the finished ones |
//! | `outbox` | the recorded sends, as bytes |
//! | `routes` | the targets of sends, each resolved once |
//! | `budget` | the use of limits |
//! | `effect`, `effects`, `reservations` | what is recorded beside sends: children, timers, watches; the names of children that are taken |
//! | `measurements`, `metrics` | counts and observations of the actor's own metrics; the calls that record them |
//! | `state_changes`, `keyed_state` | changes of the actor's keyed state; the calls that read and record them |
//! | `sends`, `broadcast`, `children`, `timer_effects`, `watch_effects` | what code records, one message at a time |
//! | `bulk`, `bulk_error` | what code records for a whole batch of messages; its mistakes |
//! | `commit` | the way out |
//! | `members` | sends to members of families, which may have to be made |
//! | `entering`, `entered`, `kept_effects` | the way out in a play with a store |

mod batch;
mod broadcast;
mod budget;
pub(crate) mod bulk;
pub(crate) mod bulk_error;
mod children;
mod commit;
mod effect;
mod effects;
mod entered;
mod entering;
mod kept_effects;
mod keyed_state;
mod measurements;
mod members;
pub(crate) mod metrics;
mod outbox;
mod outcomes;
mod reservations;
mod routes;
mod sends;
pub(crate) mod spawn;
mod state_changes;
pub(crate) mod timer_effects;
mod watch_effects;

use std::sync::Arc;
use std::time::Duration;

use playhouse_frame::{Content, Pairs, Parts};

use crate::actor::Actor;
use crate::actor::host_wait::HostWait;
use crate::actor::instance::Instance;
use crate::actor::task_crashes::TaskCrashes;
use crate::dispatch::Shared;
use crate::dispatch::ingress::Ingress;
use crate::mailbox::message_log::TakenMessages;
use crate::words::address::Address;
use crate::words::message::{ActorId, Envelope, Message, MessageId, ReplyToken};
use crate::words::notice::Notice;
use crate::words::outcome::{Failure, Outcome};
use crate::words::overrun::Overrun;
use crate::words::resource_use::ResourceUse;

use batch::Batch;
use budget::{Budget, FULL_BYTES, FULL_SENDS};
use effects::Effects;
use entered::Entered;
use measurements::Measurements;
use outbox::Outbox;
use routes::Routes;
use state_changes::StateChanges;

pub(crate) use batch::Hook;

/// The messages of one incarnation's turn, and everything that they did so far.
///
/// The turn is all that an actor's code has of the kernel, so that it has more fields and methods than other types: for the current
/// message, its outcome, sends, children, timers, watches and metrics. Code that handles whole batches uses [`Turn::bulk`].
pub struct Turn {
    shared: Arc<Shared>,
    actor: Arc<Actor>,
    instance: Arc<Instance>,
    incarnation: u64,
    batch: Batch,
    outbox: Outbox,
    routes: Routes,
    budget: Budget,
    effects: Effects,
    measurements: Measurements,
    /// Changes of the keyed state, from the first one on.
    state: Option<Box<StateChanges>>,
    /// Whether the code gets a report about each message.
    calls_back: bool,
    /// The numbers of the kept reports that the current hook got.
    told: Vec<u64>,
    /// A turn that has entered the journal, until all its effects are carried out.
    entered: Option<Entered>,
    /// A function of the code that runs when no work is left.
    when_idle: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Turn {
    pub(crate) fn new(shared: Arc<Shared>, actor: Arc<Actor>, instance: Arc<Instance>, incarnation: u64) -> Self {
        Self {
            calls_back: actor.spec.code.calls_back(),
            shared,
            actor,
            instance,
            incarnation,
            batch: Batch::default(),
            outbox: Outbox::default(),
            routes: Routes::default(),
            budget: Budget::default(),
            effects: Effects::default(),
            measurements: Measurements::default(),
            state: None,
            told: Vec::new(),
            entered: None,
            when_idle: None,
        }
    }

    /// The actor's address.
    pub fn address(&self) -> &Address {
        self.actor.address()
    }

    /// Sends messages of this actor outside of its turns. See [`Ingress`].
    pub fn ingress(&self) -> Ingress {
        let cause = MessageId::seeded(self.address().as_str(), self.incarnation).caused(self.shared.seed).caused(0);
        Ingress::new(self.shared.clone(), self.actor.id, cause)
    }

    /// The way of crashes of tasks that the code runs beside its turns.
    pub fn task_crashes(&self) -> TaskCrashes {
        TaskCrashes::new(self.actor.clone(), self.instance.clone(), self.incarnation)
    }

    /// The number of this incarnation, from 1. It is unique in the actor, over all instances.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The time limit of one message, including its waits.
    pub fn timeout(&self) -> Duration {
        self.actor.spec.limits.timeout
    }

    /// Number of messages in this call.
    pub fn len(&self) -> usize {
        self.batch.messages.len()
    }

    /// Whether this call has no message.
    pub fn is_empty(&self) -> bool {
        self.batch.messages.len() == 0
    }

    /// The index of the current message: the first one without an outcome. None when all have one.
    pub fn current(&self) -> Option<usize> {
        self.batch.current()
    }

    /// The envelope of the current message.
    pub fn envelope(&self) -> Option<Envelope> {
        self.batch.envelope()
    }

    /// The body of the current message; empty when there is none.
    pub fn body(&self) -> &[u8] {
        self.current().map_or(&[], |index| self.batch.messages.body(index))
    }

    /// The pairs of metadata of the current message; none when there is no message.
    pub fn metadata(&self) -> Pairs<'_> {
        self.content().map(|content| content.metadata).unwrap_or_default()
    }

    /// The time until the asker of the current message stops waiting: zero when it has; none when no asker waits.
    pub fn time_left(&self) -> Option<Duration> {
        self.current().and_then(|index| self.time_left_of(index))
    }

    /// The number of the current message in its mailbox; 0 when the mailbox does not store it.
    pub fn sequence(&self) -> u64 {
        self.content().map_or(0, |content| content.sequence)
    }

    /// The id of the first message of this call.
    pub(crate) fn first_id(&self) -> Option<MessageId> {
        (!self.is_empty()).then(|| self.batch.messages.cause(0).id)
    }

    /// Whether the current message has metadata.
    pub fn has_metadata(&self) -> bool {
        self.current().is_some_and(|index| self.batch.messages.parts(index).has(Parts::METADATA))
    }

    /// The optional parts of the current message.
    fn content(&self) -> Option<Content<'_>> {
        let index = self.current().filter(|&index| self.batch.messages.parts(index) != Parts::NONE)?;
        Some(self.batch.messages.content(index))
    }

    fn time_left_of(&self, index: usize) -> Option<Duration> {
        if !self.batch.messages.parts(index).has(Parts::DEADLINE) {
            return None;
        }
        let deadline = self.batch.messages.content(index).deadline?;
        Some(self.shared.until(deadline))
    }

    /// The current message, whose envelope this is.
    pub(crate) fn message(&self, envelope: Envelope) -> Message {
        let index = self.current().expect("its envelope was read");
        Message::of(envelope, self.batch.messages.payload(index))
    }

    /// Copies of the messages from the current one on, for code that hands all of them over at once. Each still needs its
    /// [`Turn::finish`].
    pub fn rest(&self) -> impl Iterator<Item = Message> {
        (self.current().unwrap_or(self.len())..self.len()).map(|index| self.batch.messages.message(index))
    }

    /// The sender of the current message; none from the outside or when the sender is gone.
    pub fn sender(&self) -> Option<Address> {
        self.address_of(self.envelope()?.sender)
    }

    /// The notice in the current message, about an actor that this one watches; none for an ordinary message.
    pub fn notice(&self) -> Option<Notice> {
        if !self.batch.has_notices() {
            return None;
        }
        let messages = &self.batch.messages;
        let index = self.current().filter(|&index| messages.envelope(index).sender == ActorId::NOTICE)?;
        Notice::read(messages.body(index)).map(|(_, notice)| notice)
    }

    /// Ends the current message and turns to the next.
    ///
    /// # Panics
    /// When there is no current message.
    pub fn finish(&mut self, outcome: Outcome) {
        assert!(self.current().is_some(), "finish without a current message");
        if matches!(outcome, Outcome::Done(None)) && !self.batch.messages.is_special() {
            // It holds no memory; a drop would be a call for each message.
            std::mem::forget(outcome);
            self.batch.outcomes.push_plain(1);
            return self.message_ended();
        }
        self.finish_notable(outcome);
    }

    /// As [`Turn::finish`], of an outcome that may be an answer or a failure.
    #[inline(never)]
    fn finish_notable(&mut self, mut outcome: Outcome) {
        let checked = match &outcome {
            Outcome::Done(Some(reply)) => self.check_reply(reply),
            Outcome::DoneWith(reply) => self.check_reply(&reply.body),
            Outcome::Done(None) | Outcome::Failed(_) => Ok(()),
        };
        if let Err(failure) = checked {
            // Reported as the incarnation's end, if it must be.
            let _ = self.check_state_of_refused();
            outcome = Outcome::Failed(failure);
        }
        if let Outcome::Failed(_) = outcome {
            self.drop_current();
        }
        self.push_outcome(outcome);
    }

    /// Fails the current message, at which the code made this number of attempts within the turn, and turns to the next.
    ///
    /// # Panics
    /// When there is no current message.
    pub fn fail_after(&mut self, attempts: u32, failure: Failure) {
        self.batch.keep_attempts(attempts);
        self.finish(Outcome::Failed(failure));
    }

    /// Marks the times in which this incarnation's code waits for the host itself: they are not billed to its limits. `what`
    /// names the wait for operators.
    pub fn host_wait(&self, what: &'static str) -> HostWait {
        HostWait { instance: self.instance.clone(), what }
    }

    /// The place where this incarnation's code counts the resources that it uses.
    pub fn resource_use(&self) -> Arc<ResourceUse> {
        self.actor.resource_use().clone()
    }

    /// Runs `then` once, when the incarnation has no work: no message waits, and none is to be handled again. `then` must not
    /// block. A later call replaces it.
    pub fn when_idle(&mut self, then: impl FnOnce() + Send + Sync + 'static) {
        self.when_idle = Some(Box::new(then));
    }

    /// Whether this call may be committed. Code that handles messages in plain Rust need not call this: the kernel does.
    pub fn within_limits(&self) -> Result<(), Overrun> {
        self.budget.check()
    }

    /// Whether the recorded effects are so large that the remaining messages should wait until these are committed.
    pub fn is_full(&self) -> bool {
        let (changes, bytes) = self.state.as_ref().map_or((0, 0), |state| (state.len(), state.bytes()));
        self.outbox.bytes.len() + self.batch.outcomes.bytes() + bytes >= FULL_BYTES
            || self.outbox.recorded() + self.measurements.len() + changes >= FULL_SENDS
    }
}

/// The interface of the incarnation.
impl Turn {
    /// The messages for the next call, none yet.
    pub(crate) fn new_batch(&mut self) -> &mut TakenMessages {
        debug_assert!(self.outbox.is_empty());
        self.instance.set_in_call(1);
        self.effects.children.clear();
        self.batch.clear();
        &mut self.batch.messages
    }

    /// As [`Turn::new_batch`], but keeps the messages that were put there since.
    pub(crate) fn batch_in_progress(&mut self) -> &mut TakenMessages {
        &mut self.batch.messages
    }

    pub(crate) fn batch(&self) -> &TakenMessages {
        &self.batch.messages
    }

    /// Turns to the first message of a new batch.
    pub(crate) fn begin(&mut self, has_notices: bool) {
        self.batch.begin(has_notices);
        self.budget.begin();
    }

    /// Turns to a hook: no message causes its sends.
    pub(crate) fn begin_hook(&mut self, hook: Hook) {
        self.new_batch();
        self.batch.begin_hook(hook, self.actor.address().as_str(), self.incarnation, self.shared.seed);
        self.budget = Budget::default();
    }

    /// Ends a hook, and keeps or drops its sends.
    pub(crate) fn end_hook(&mut self, keep: bool) {
        if !keep {
            self.drop_current();
            self.told.clear();
        }
        self.batch.end_hook();
        self.outbox.finish_hook();
        self.measurements.finish();
        if let Some(state) = &mut self.state {
            state.end_hook();
        }
    }

    /// Cleans up after a crash: drops everything that is not committed. Returns the messages without a final outcome, in
    /// order. A commit that was under way must have been finished before.
    pub(crate) fn abandon(&mut self) -> Vec<Message> {
        self.budget = Budget::default();
        self.outbox.clear();
        self.effects.clear();
        self.measurements.clear();
        self.state = None;
        self.told.clear();
        self.batch.abandon()
    }

    /// Number of messages without a final outcome that the code may have started, including all that it takes in one call.
    pub(crate) fn tried(&self) -> usize {
        self.batch.outcomes.len() + self.instance.in_call()
    }

    /// Whether a commit was dropped before its end.
    pub(crate) fn commit_under_way(&self) -> bool {
        self.outbox.is_half_delivered() || self.entered.is_some()
    }

    /// Notes that the current hook got reports with these numbers: they end with its commit.
    pub(crate) fn note_told(&mut self, reports: impl IntoIterator<Item = u64>) {
        self.told.extend(reports.into_iter().filter(|number| *number != 0));
    }

    /// Gives the next call the time of `messages` messages.
    pub(crate) fn set_in_call(&self, messages: usize) {
        self.instance.set_in_call(messages);
    }

    /// Runs the function of [`Turn::when_idle`].
    pub(crate) fn run_when_idle(&mut self) {
        if let Some(then) = self.when_idle.take() {
            then();
        }
    }

    /// Whether a timer, a watch or a child depends on this incarnation.
    pub(crate) fn is_attached(&self) -> bool {
        self.effects.keep_alive() || !self.actor.children.lock().is_empty()
    }

    /// Ends all timers: the incarnation is at its end, and no timer fires or is set. Code that keeps the turn after the end of its
    /// [`crate::Behavior`] calls this then.
    pub fn end_timers(&mut self) {
        self.effects.end_timers();
    }
}

/// The parts in step with each other.
impl Turn {
    fn address_of(&self, actor: ActorId) -> Option<Address> {
        self.shared.routing.registry.by_id(actor).map(|actor| actor.address().clone())
    }

    fn check_reply(&self, reply: &[u8]) -> Result<(), Failure> {
        let (bytes, limit_bytes) = (reply.len(), self.actor.spec.limits.message_bytes);
        if bytes <= limit_bytes {
            return Ok(());
        }
        let text = format!("its reply of {bytes} bytes is larger than limits.message, {limit_bytes} bytes");
        Err(Failure::BadReply(text))
    }

    /// Ends the incarnation when the kernel refuses the reply of a message that changed the state: the code believes that the
    /// message is done, and would go on with a state that is not kept.
    fn check_state_of_refused(&mut self) -> Result<(), Overrun> {
        let maker = self.state_maker();
        if !self.state.as_ref().is_some_and(|state| state.has_of(maker)) {
            return Ok(());
        }
        let most_bytes = self.actor.spec.limits.message_bytes;
        self.budget.fail(Overrun::StateReply { most_bytes })
    }

    /// Checks the limits before one more send or effect with a body of `bytes` bytes is recorded.
    #[inline]
    fn admit(&mut self, bytes: usize) -> Result<(), Overrun> {
        self.budget.admit(&self.actor.spec, bytes, self.outbox.recorded())
    }

    /// Drops the sends and effects that the current message, or the hook, recorded.
    fn drop_current(&mut self) {
        let effects = self.outbox.drop_current();
        self.effects.drop_current(effects, self.batch.current());
        self.measurements.drop_current();
        if self.state.is_some() {
            let maker = self.state_maker();
            self.state.iter_mut().for_each(|state| state.drop_of(maker));
        }
    }

    fn push_outcome(&mut self, outcome: Outcome) {
        self.batch.push_outcome(outcome);
        self.message_ended();
    }

    /// Ends `messages` messages in a row, all of them done without a reply.
    fn push_done(&mut self, messages: usize) {
        if messages == 1 || self.batch.messages.is_special() {
            return (0..messages).for_each(|_| self.push_outcome(Outcome::Done(None)));
        }
        self.batch.outcomes.push_plain(messages);
        self.message_ended();
    }

    fn message_ended(&mut self) {
        self.instance.note_progress();
        self.outbox.finish_message();
        self.measurements.finish();
        self.batch.forget_cause();
        self.budget.begin();
    }

    /// The envelope of the next send of the current message, or of the hook.
    #[inline]
    fn caused_envelope(&mut self, reply: ReplyToken, parts: Parts) -> Envelope {
        self.batch.caused_envelope(self.actor.id, reply, parts)
    }
}
