//! The messages in hand and what came of them. An incarnation records here; [`Hand::commit`] is the only way
//! out. Until then nothing that a handler did is visible to anybody.

mod broadcast;
mod bulk;
mod commit;
mod effects;
mod outcomes;
mod reports;
mod routes;
mod turn;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxBuildHasher;
use tokio::time::Instant;

use crate::actor::{Actor, World};
use crate::address::Address;
use crate::ask::{Answer, AskError, SendError};
use crate::crash::cut;
use crate::delivery::{Run, check_size};
use crate::host_wait::{HostWait, passed_on};
use crate::lane::Lane;
use crate::log::Batch;
use crate::message::{ActorId, Envelope, Message, MessageId, ReplyToken};

use effects::Effects;
use outcomes::Outcomes;
use turn::Turn;

pub use bulk::{Bulk, BulkError, Resolved};
pub use effects::TimerError;
pub use turn::Overrun;

/// How a handler fails a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It will never succeed.
    Reject(String),
    /// It may succeed later.
    Retry(String),
}

/// How one message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Handled, perhaps with a reply.
    Done(Option<Vec<u8>>),
    /// Not handled; what it sent is dropped.
    Failed(Failure),
}

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

/// More than there are hooks: each has numbers of its own.
const HOOKS: u64 = 8;

/// The messages in hand of one incarnation, and everything they did so far.
pub struct Hand {
    world: Arc<World>,
    actor: Arc<Actor>,
    lane: Arc<Lane>,
    incarnation: u64,
    batch: Batch,
    /// Messages of the batch whose outcome is final.
    committed: usize,
    /// Those of the finished messages after those.
    outcomes: Outcomes,
    /// Sends in order, in runs to one target each: first those of finished messages, then those of the message in hand. Other
    /// effects have their places among them.
    runs: Vec<Run>,
    /// How many of `runs` belong to finished messages.
    runs_finished: usize,
    /// How many of those a commit has carried out so far; a dropped commit goes on from here.
    runs_delivered: usize,
    /// Sends and other effects in `runs`, and how many of them that commit has carried out.
    recorded: usize,
    delivered: usize,
    /// The records that are sent, as they will lie in mailboxes, and whatever lay between them in the frames that they came in.
    bytes: Vec<u8>,
    effects: Effects,
    /// What the message in hand, or the hook, has used of its limits.
    turn: Turn,
    hook: Option<Hook>,
    /// Hooks so far that run more than once: part of their ids.
    hooks: u64,
    /// The code is told what came of each message.
    calls_back: bool,
    has_notices: bool,
    /// The message in hand's envelope, or the hook's stand-in for one; read when something is first sent for it.
    cause: Option<Envelope>,
    /// Sends and asks of the message in hand so far: the index in their ids.
    caused: u64,
    /// Targets by the text the code used for them. A route outlives restarts of its target.
    names: HashMap<Box<str>, usize, FxBuildHasher>,
    routes: Vec<Route>,
    routes_by_id: HashMap<ActorId, usize, FxBuildHasher>,
    /// With so many routes, it is time to see how many of them lead to nobody.
    enough_routes: usize,
    /// A function of the code that runs when there is nothing else to do.
    when_idle: Option<Box<dyn FnOnce() + Send + Sync>>,
}

/// Fewer routes are never given up.
const FEW_ROUTES: usize = 1024;

/// Somebody to send to.
struct Route {
    target: Arc<Actor>,
    /// It may be sent to at any time; otherwise only while a message that it sent is in hand, or once it is spawned.
    lasting: bool,
}

const NO_CAUSE: Envelope =
    Envelope { id: MessageId(0), sender: ActorId::OUTSIDE, flow: 0, hops: 0, attempt: 0, reply: ReplyToken::NONE };

impl Hand {
    pub(crate) fn new(world: Arc<World>, actor: Arc<Actor>, lane: Arc<Lane>, incarnation: u64) -> Self {
        let calls_back = actor.spec.launcher.calls_back();
        Self {
            world,
            actor,
            lane,
            incarnation,
            batch: Batch::default(),
            committed: 0,
            outcomes: Outcomes::default(),
            runs: Vec::new(),
            runs_finished: 0,
            runs_delivered: 0,
            recorded: 0,
            delivered: 0,
            bytes: Vec::new(),
            effects: Effects::default(),
            turn: Turn::default(),
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

    /// Which run of the actor this is, from 1. No two runs have the same number, those of other instances included.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Time in which one message runs or waits.
    pub fn timeout(&self) -> Duration {
        self.actor.spec.timeout
    }

    /// Messages handed over in this call.
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether no message was handed over.
    pub fn is_empty(&self) -> bool {
        self.batch.len() == 0
    }

    /// The index of the message in hand: the first one without an outcome. None when all have one.
    pub fn current(&self) -> Option<usize> {
        let index = self.committed + self.outcomes.len();
        (self.hook.is_none() && index < self.batch.len()).then_some(index)
    }

    /// The envelope of the message in hand.
    pub fn envelope(&self) -> Option<Envelope> {
        self.current().map(|index| self.batch.envelope(index))
    }

    /// The body of the message in hand; empty when there is none.
    pub fn body(&self) -> &[u8] {
        self.current().map_or(&[], |index| self.batch.body(index))
    }

    /// The sender of the message in hand; none from the outside or when the sender is gone.
    pub fn sender(&self) -> Option<Address> {
        self.address_of(self.envelope()?.sender)
    }

    fn address_of(&self, actor: ActorId) -> Option<Address> {
        self.world.registry.by_id(actor).map(|actor| actor.address().clone())
    }

    /// Records a send of the message in hand. `to` is absolute, or relative to this actor.
    pub fn tell(&mut self, to: &str, body: &[u8]) -> Result<(), SendError> {
        let sender = self.cause().sender;
        let route = self.route(to, sender)?;
        check_size(&self.routes[route].target, body)?;
        self.admit(body.len())?;
        self.send(route, body);
        Ok(())
    }

    /// Records a send to somebody who may be sent it.
    fn send(&mut self, route: usize, body: &[u8]) {
        let envelope = self.caused_envelope(ReplyToken::NONE);
        let from = self.bytes.len();
        self.bytes.extend_from_slice(&envelope.encode(body.len()));
        self.bytes.extend_from_slice(body);
        self.push_send(route, from, self.bytes.len());
    }

    /// Commits the finished messages, sends at once, and waits for the reply: `timeout` for all of it.
    pub async fn ask(&mut self, to: &str, body: &[u8], timeout: Duration) -> Answer {
        let sender = self.cause().sender;
        let route = self.route(to, sender)?;
        let target = self.routes[route].target.clone();
        check_size(&target, body)?;
        self.within_limits().map_err(SendError::from)?;
        if self.effects.reserved.iter().any(|child| child.route == route && child.message == self.current()) {
            // What it waits for would come after what waits for it.
            return Err(SendError::UnknownAddress(target.address().clone()).into());
        }
        let (world, lane) = (self.world.clone(), self.lane.clone());
        // The commit may have to wait for room: what will end in a circle whatever it does is refused before.
        let finished = self.committed..self.committed + self.outcomes.len();
        let has_answer = |token| finished.clone().any(|index| self.batch.reply(index) == token);
        world.asks.check(self.actor.party(), self.lane.index, target.party(), has_answer)?;
        let deadline = Instant::now() + timeout;
        let asked = async {
            // If time runs out in here, the next commit goes on.
            self.commit().await;
            let mut ask = world.asks.open(target.id, deadline);
            target.check_back_by(deadline)?;
            // After the commit: whom it answered waits no more.
            let _waiting = world.asks.wait_for(self.actor.party(), self.lane.index, target.party(), ask.token())?;
            let envelope = self.caused_envelope(ask.token());
            passed_on(&lane, &target, ask.answer_to(world.deliver_one(&target, &envelope, body, deadline))).await
        };
        let answer = tokio::time::timeout_at(deadline, asked).await.unwrap_or(Err(AskError::Timeout));
        world.explained(target.address(), answer).await
    }

    /// Marks the times in which this incarnation's code waits for the host itself: they are not billed to its limits.
    /// `what` names what it waits for to operators.
    pub fn host_wait(&self, what: &'static str) -> HostWait {
        HostWait { lane: self.lane.clone(), what }
    }

    /// Runs this once, when the incarnation has nothing to do: no message waits, and none is to be handled again. It must not
    /// block. A later one takes its place.
    pub fn when_idle(&mut self, then: impl FnOnce() + Send + Sync + 'static) {
        self.when_idle = Some(Box::new(then));
    }

    /// There is nothing to do.
    pub(crate) fn run_when_idle(&mut self) {
        if let Some(then) = self.when_idle.take() {
            then();
        }
    }

    /// Sends recorded and not yet committed.
    pub fn sends(&self) -> usize {
        self.recorded
    }

    /// Ends the message in hand and turns to the next.
    ///
    /// # Panics
    /// When no message is in hand.
    pub fn finish(&mut self, outcome: Outcome) {
        assert!(self.current().is_some(), "finish without a message in hand");
        let outcome = match outcome {
            Outcome::Done(Some(reply)) => match self.check_reply(&reply) {
                Ok(()) => Outcome::Done(Some(reply)),
                Err(failure) => Outcome::Failed(failure),
            },
            other => other,
        };
        if let Outcome::Failed(_) = outcome {
            self.drop_runs_in_hand();
        }
        self.push_outcome(outcome);
    }

    /// A send of the message in hand, whose record lies there.
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

    /// Ends so many messages in a row, all of them done without a reply.
    fn push_done(&mut self, messages: usize) {
        if messages == 1 || self.batch.is_special() {
            return (0..messages).for_each(|_| self.push_outcome(Outcome::Done(None)));
        }
        self.outcomes.push_plain(messages);
        self.message_ended();
    }

    fn message_ended(&mut self) {
        self.lane.note_progress();
        self.finish_runs();
        self.forget_cause();
    }

    /// What the message in hand sent is that of a finished one from now on. Where it goes on with what the one before sent,
    /// they become one run.
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

    /// Of what the message in hand, or the hook, recorded. The bytes stay where they are: others may be read into their place
    /// after them.
    fn drop_runs_in_hand(&mut self) {
        self.drop_effects_from(self.runs_finished);
        let dropped = self.runs.drain(self.runs_finished..).map(|run| run.messages.max(1)).sum::<usize>();
        self.recorded -= dropped;
    }

    /// The messages to be handed over, still empty.
    pub(crate) fn batch_mut(&mut self) -> &mut Batch {
        debug_assert!(self.runs.is_empty() && self.outcomes.is_empty());
        self.lane.set_in_call(1);
        // What was reserved and never said.
        self.effects.reserved.clear();
        self.committed = 0;
        self.batch.clear();
        &mut self.batch
    }

    /// As [`Hand::batch_mut`], keeping what was put there since.
    pub(crate) fn batch_in_progress(&mut self) -> &mut Batch {
        &mut self.batch
    }

    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Turns to the first message of a new batch.
    pub(crate) fn begin(&mut self, has_notices: bool) {
        self.has_notices = has_notices;
        self.forget_cause();
    }

    /// Turns to a hook: its sends have no message behind them.
    pub(crate) fn begin_hook(&mut self, hook: Hook) {
        self.batch_mut();
        self.hook = Some(hook);
        let mut id = MessageId::seeded(self.address().as_str(), self.incarnation * HOOKS + hook as u64);
        if matches!(hook, Hook::ChildFailed | Hook::TaskDone) {
            // The others run once.
            self.hooks += 1;
            id = id.caused(self.hooks);
        }
        self.cause = Some(Envelope { id, flow: id.flow(), ..NO_CAUSE });
        self.caused = 0;
        self.turn = Turn::default();
    }

    /// Ends a hook, keeping or dropping what it sent.
    pub(crate) fn end_hook(&mut self, keep: bool) {
        if !keep {
            self.drop_runs_in_hand();
        }
        self.hook = None;
        self.runs_finished = self.runs.len();
    }

    /// After a crash: drops all that is not being committed. What is left without an outcome is returned, in
    /// order. A commit that was under way must have been gone on with before.
    pub(crate) fn abandon(&mut self) -> Vec<Message> {
        self.hook = None;
        self.turn = Turn::default();
        self.outcomes.clear();
        self.runs.clear();
        self.forget_bytes();
        self.effects.clear();
        (self.runs_finished, self.runs_delivered, self.recorded, self.delivered) = (0, 0, 0, 0);
        (self.committed..self.batch.len()).map(|index| self.batch.message(index)).collect()
    }

    /// Messages without a final outcome that the code has had in hand: all of those that it takes in one call.
    pub(crate) fn tried(&self) -> usize {
        self.outcomes.len() + self.lane.in_call()
    }

    /// Whether a commit was dropped half-way.
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
        self.turn.begin();
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
