//! The turn: the messages of one call, with their recorded effects and outcomes. An incarnation records here, and
//! [`Turn::commit`] is the only way out. Before the commit, nothing that a handler did is visible to others.

mod broadcast;
mod bulk;
mod commit;
mod effects;
mod outcomes;
mod reports;
mod routes;
pub(crate) mod spawn;
mod usage;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxBuildHasher;
use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::host_wait::{HostWait, passed_on};
use crate::actor::instance::Instance;
use crate::dispatch::Shared;
use crate::dispatch::ask::AskEndpoint;
use crate::dispatch::routing::delivery::{Run, check_size};
use crate::mailbox::message_log::TakenMessages;
use crate::words::address::Address;
use crate::words::crash::cut;
use crate::words::message::{ActorId, Envelope, Message, MessageId, ReplyToken};
use crate::words::outcome::{Failure, Outcome};
use crate::words::send_error::{Answer, AskError, SendError};

use effects::Effects;
use outcomes::Outcomes;
use usage::TurnUsage;

pub use bulk::{Bulk, BulkError, Resolved};
pub use effects::TimerError;

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

/// More than the number of hooks, so that each hook has ids of its own.
const HOOKS: u64 = 8;

/// The messages of one incarnation's turn, and everything that they did so far.
pub struct Turn {
    shared: Arc<Shared>,
    actor: Arc<Actor>,
    instance: Arc<Instance>,
    incarnation: u64,
    batch: TakenMessages,
    /// Messages of the batch whose outcome is final.
    committed: usize,
    /// Outcomes of the finished messages after the committed ones.
    outcomes: Outcomes,
    /// Sends in order, in runs to one target each: first those of finished messages, then those of the current message. Other
    /// effects have their places among them.
    runs: Vec<Run>,
    /// How many of `runs` belong to finished messages.
    runs_finished: usize,
    /// How many of those a commit has carried out; after a dropped commit, the next one goes on from here.
    runs_delivered: usize,
    /// Number of sends and other effects in `runs`, and how many of them that commit has carried out.
    recorded: usize,
    delivered: usize,
    /// The records to send, as they will lie in mailboxes, and the bytes between them in the frames that they came in.
    bytes: Vec<u8>,
    effects: Effects,
    /// The use of limits by the current message, or by the hook.
    usage: TurnUsage,
    hook: Option<Hook>,
    /// Number of hooks so far of the kinds that run more than once: part of their ids.
    hooks: u64,
    /// Whether the code gets the outcome of each message.
    calls_back: bool,
    has_notices: bool,
    /// The envelope of the current message, or a hook's stand-in for one; read at the first send.
    cause: Option<Envelope>,
    /// Number of sends and asks of the current message so far: the index in their ids.
    caused: u64,
    /// Targets by the text that the code used for them. A route outlives restarts of its target.
    names: HashMap<Box<str>, usize, FxBuildHasher>,
    routes: Vec<Route>,
    routes_by_id: HashMap<ActorId, usize, FxBuildHasher>,
    /// From this number of routes on, [`Turn::has_stale_routes`] counts the stale ones.
    enough_routes: usize,
    /// A function of the code that runs when no work is left.
    when_idle: Option<Box<dyn FnOnce() + Send + Sync>>,
}

/// Below this number, routes are never given up.
const FEW_ROUTES: usize = 1024;

/// A target of sends.
struct Route {
    target: Arc<Actor>,
    /// Whether it may be used at any time. Otherwise only while a message from the target is handled, or once the target is
    /// spawned.
    lasting: bool,
}

const NO_CAUSE: Envelope =
    Envelope { id: MessageId(0), sender: ActorId::OUTSIDE, flow: 0, hops: 0, attempt: 0, reply: ReplyToken::NONE };

impl Turn {
    pub(crate) fn new(shared: Arc<Shared>, actor: Arc<Actor>, instance: Arc<Instance>, incarnation: u64) -> Self {
        let calls_back = actor.spec.code.calls_back();
        Self {
            shared,
            actor,
            instance,
            incarnation,
            batch: TakenMessages::default(),
            committed: 0,
            outcomes: Outcomes::default(),
            runs: Vec::new(),
            runs_finished: 0,
            runs_delivered: 0,
            recorded: 0,
            delivered: 0,
            bytes: Vec::new(),
            effects: Effects::default(),
            usage: TurnUsage::default(),
            hook: None,
            hooks: 0,
            calls_back,
            has_notices: false,
            cause: None,
            caused: 0,
            names: HashMap::default(),
            routes: Vec::new(),
            routes_by_id: HashMap::default(),
            enough_routes: FEW_ROUTES,
            when_idle: None,
        }
    }

    /// The actor's address.
    pub fn address(&self) -> &Address {
        self.actor.address()
    }

    /// The number of this incarnation, from 1. It is unique in the actor, over all instances.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The time limit of one message, including its waits.
    pub fn timeout(&self) -> Duration {
        self.actor.spec.timeout
    }

    /// Number of messages in this call.
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether this call has no message.
    pub fn is_empty(&self) -> bool {
        self.batch.len() == 0
    }

    /// The index of the current message: the first one without an outcome. None when all have one.
    pub fn current(&self) -> Option<usize> {
        let index = self.committed + self.outcomes.len();
        (self.hook.is_none() && index < self.batch.len()).then_some(index)
    }

    /// The envelope of the current message.
    pub fn envelope(&self) -> Option<Envelope> {
        self.current().map(|index| self.batch.envelope(index))
    }

    /// The body of the current message; empty when there is none.
    pub fn body(&self) -> &[u8] {
        self.current().map_or(&[], |index| self.batch.body(index))
    }

    /// The sender of the current message; none from the outside or when the sender is gone.
    pub fn sender(&self) -> Option<Address> {
        self.address_of(self.envelope()?.sender)
    }

    fn address_of(&self, actor: ActorId) -> Option<Address> {
        self.shared.routing.registry.by_id(actor).map(|actor| actor.address().clone())
    }

    /// Records a send of the current message. `to` is absolute, or relative to this actor.
    pub fn tell(&mut self, to: &str, body: &[u8]) -> Result<(), SendError> {
        let sender = self.cause().sender;
        let route = self.route(to, sender)?;
        check_size(&self.routes[route].target, body)?;
        self.admit(body.len())?;
        self.send(route, body);
        Ok(())
    }

    /// Records a send on a route that was checked.
    fn send(&mut self, route: usize, body: &[u8]) {
        let envelope = self.caused_envelope(ReplyToken::NONE);
        let from = self.bytes.len();
        self.bytes.extend_from_slice(&envelope.encode(body.len()));
        self.bytes.extend_from_slice(body);
        self.push_send(route, from, self.bytes.len());
    }

    /// Commits the finished messages, sends at once, and waits for the reply. `timeout` bounds all of it.
    pub async fn ask(&mut self, to: &str, body: &[u8], timeout: Duration) -> Answer {
        let sender = self.cause().sender;
        let route = self.route(to, sender)?;
        let target = self.routes[route].target.clone();
        check_size(&target, body)?;
        self.within_limits().map_err(SendError::from)?;
        if self.effects.reserved.iter().any(|child| child.route == route && child.message == self.current()) {
            // The child starts only after the commit of the message that would wait for it.
            return Err(SendError::UnknownAddress(target.address().clone()).into());
        }
        let (shared, instance) = (self.shared.clone(), self.instance.clone());
        // The commit may have to wait for space. An ask that is sure to end in a deadlock is refused before it.
        let finished = self.committed..self.committed + self.outcomes.len();
        let has_answer = |token| finished.clone().any(|index| self.batch.reply(index) == token);
        shared.routing.asks.check(
            AskEndpoint::of(&self.actor),
            self.instance.index,
            AskEndpoint::of(&target),
            has_answer,
        )?;
        let deadline = Instant::now() + timeout;
        let asked = async {
            // If the time is over in here, the next commit goes on.
            self.commit().await;
            let mut ask = shared.routing.asks.open(target.id, deadline);
            target.check_back_by(deadline)?;
            // After the commit: an asker that it answered does not wait any more.
            let _waiting = shared.routing.asks.wait_for(
                AskEndpoint::of(&self.actor),
                self.instance.index,
                AskEndpoint::of(&target),
                ask.token(),
            )?;
            let envelope = self.caused_envelope(ask.token());
            passed_on(&instance, &target, ask.answer_to(shared.routing.deliver_one(&target, &envelope, body, deadline)))
                .await
        };
        let answer = tokio::time::timeout_at(deadline, asked).await.unwrap_or(Err(AskError::Timeout));
        shared.explained(target.address(), answer).await
    }

    /// Marks the times in which this incarnation's code waits for the host itself: they are not billed to its limits. `what`
    /// names the wait for operators.
    pub fn host_wait(&self, what: &'static str) -> HostWait {
        HostWait { instance: self.instance.clone(), what }
    }

    /// Runs `then` once, when the incarnation has no work: no message waits, and none is to be handled again. `then` must not
    /// block. A later call replaces it.
    pub fn when_idle(&mut self, then: impl FnOnce() + Send + Sync + 'static) {
        self.when_idle = Some(Box::new(then));
    }

    /// Runs the function of [`Turn::when_idle`].
    pub(crate) fn run_when_idle(&mut self) {
        if let Some(then) = self.when_idle.take() {
            then();
        }
    }

    /// Sends recorded and not yet committed.
    pub fn sends(&self) -> usize {
        self.recorded
    }

    /// Ends the current message and turns to the next.
    ///
    /// # Panics
    /// When there is no current message.
    pub fn finish(&mut self, outcome: Outcome) {
        assert!(self.current().is_some(), "finish without a current message");
        let outcome = match outcome {
            Outcome::Done(Some(reply)) => match self.check_reply(&reply) {
                Ok(()) => Outcome::Done(Some(reply)),
                Err(failure) => Outcome::Failed(failure),
            },
            other => other,
        };
        if let Outcome::Failed(_) = outcome {
            self.drop_current_runs();
        }
        self.push_outcome(outcome);
    }

    /// Adds a send of the current message, whose record lies in `from..to` of the bytes.
    fn push_send(&mut self, route: usize, from: usize, to: usize) {
        self.recorded += 1;
        match self.runs[self.runs_finished..].last_mut() {
            Some(run) if run.route == route && run.to == from => {
                run.to = to;
                run.messages += 1;
            }
            _ => self.runs.push(Run { route, from, to, messages: 1 }),
        }
    }

    fn push_outcome(&mut self, mut outcome: Outcome) {
        if let Outcome::Failed(Failure::Reject(text) | Failure::Retry(text)) = &mut outcome {
            *text = cut(std::mem::take(text));
        }
        let index = self.committed + self.outcomes.len();
        let plain = outcome == Outcome::Done(None) && !self.batch.reply(index).is_some();
        self.outcomes.push(index, (!plain).then_some(outcome));
        self.message_ended();
    }

    /// Ends `messages` messages in a row, all of them done without a reply.
    fn push_done(&mut self, messages: usize) {
        if messages == 1 || self.batch.is_special() {
            return (0..messages).for_each(|_| self.push_outcome(Outcome::Done(None)));
        }
        self.outcomes.push_plain(messages);
        self.message_ended();
    }

    fn message_ended(&mut self) {
        self.instance.note_progress();
        self.finish_runs();
        self.forget_cause();
    }

    /// Moves the runs of the current message to the finished ones. A run that continues the last finished run becomes one
    /// with it.
    fn finish_runs(&mut self) {
        let first = self.runs_finished;
        if let Some([before, next]) = first.checked_sub(1).and_then(|last| self.runs.get_mut(last..=first))
            && before.messages > 0
            && next.messages > 0
            && (before.route, before.to) == (next.route, next.from)
        {
            before.to = next.to;
            before.messages += next.messages;
            self.runs.remove(first);
        }
        self.runs_finished = self.runs.len();
    }

    /// Drops the runs that the current message, or the hook, recorded. Their bytes stay, since other bytes may come after
    /// them.
    fn drop_current_runs(&mut self) {
        self.drop_effects_from(self.runs_finished);
        let dropped = self.runs.drain(self.runs_finished..).map(|run| run.messages.max(1)).sum::<usize>();
        self.recorded -= dropped;
    }

    /// The batch for the next call, empty.
    pub(crate) fn batch_mut(&mut self) -> &mut TakenMessages {
        debug_assert!(self.runs.is_empty() && self.outcomes.is_empty());
        self.instance.set_in_call(1);
        // Reservations that were never recorded as spawns.
        self.effects.reserved.clear();
        self.committed = 0;
        self.batch.clear();
        &mut self.batch
    }

    /// As [`Turn::batch_mut`], but keeps the messages that were put there since.
    pub(crate) fn batch_in_progress(&mut self) -> &mut TakenMessages {
        &mut self.batch
    }

    pub(crate) fn batch(&self) -> &TakenMessages {
        &self.batch
    }

    /// Turns to the first message of a new batch.
    pub(crate) fn begin(&mut self, has_notices: bool) {
        self.has_notices = has_notices;
        self.forget_cause();
    }

    /// Turns to a hook: no message causes its sends.
    pub(crate) fn begin_hook(&mut self, hook: Hook) {
        self.batch_mut();
        self.hook = Some(hook);
        let mut id = MessageId::seeded(self.address().as_str(), self.incarnation * HOOKS + hook as u64);
        if matches!(hook, Hook::ChildFailed | Hook::TaskDone) {
            // The other hooks run once.
            self.hooks += 1;
            id = id.caused(self.hooks);
        }
        self.cause = Some(Envelope { id, flow: id.flow(), ..NO_CAUSE });
        self.caused = 0;
        self.usage = TurnUsage::default();
    }

    /// Ends a hook, and keeps or drops its sends.
    pub(crate) fn end_hook(&mut self, keep: bool) {
        if !keep {
            self.drop_current_runs();
        }
        self.hook = None;
        self.runs_finished = self.runs.len();
    }

    /// Cleans up after a crash: drops everything that is not committed. Returns the messages without a final outcome, in
    /// order. A commit that was under way must have been finished before.
    pub(crate) fn abandon(&mut self) -> Vec<Message> {
        self.hook = None;
        self.usage = TurnUsage::default();
        self.outcomes.clear();
        self.runs.clear();
        self.forget_bytes();
        self.effects.clear();
        (self.runs_finished, self.runs_delivered, self.recorded, self.delivered) = (0, 0, 0, 0);
        (self.committed..self.batch.len()).map(|index| self.batch.message(index)).collect()
    }

    /// Number of messages without a final outcome that the code may have started, including all that it takes in one call.
    pub(crate) fn tried(&self) -> usize {
        self.outcomes.len() + self.instance.in_call()
    }

    /// Whether a commit was dropped before its end.
    pub(crate) fn commit_under_way(&self) -> bool {
        self.delivered > 0
    }

    fn cause(&mut self) -> &Envelope {
        if self.cause.is_none() {
            self.cause = Some(self.envelope().unwrap_or(NO_CAUSE));
        }
        self.cause.as_ref().expect("it was just read")
    }

    fn forget_cause(&mut self) {
        self.cause = None;
        self.caused = 0;
        self.usage.begin();
    }

    fn caused_envelope(&mut self, reply: ReplyToken) -> Envelope {
        let index = self.caused;
        self.caused += 1;
        let (sender, in_hook) = (self.actor.id, self.hook.is_some());
        let cause = self.cause();
        let hops = if in_hook { 0 } else { cause.hops.saturating_add(1) };
        Envelope { id: cause.id.caused(index), sender, flow: cause.flow, hops, attempt: 0, reply }
    }
}
