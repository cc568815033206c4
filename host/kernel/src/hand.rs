//! The messages in hand and what came of them. An incarnation records here; [`Hand::commit`] is the only way
//! out. Until then nothing that a handler did is visible to anybody.

mod broadcast;
mod bulk;
mod effects;
mod outcomes;
mod reports;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxBuildHasher;
use tokio::time::Instant;

use crate::actor::{Actor, World};
use crate::address::Address;
use crate::ask::{Answer, AskError, SendError};
use crate::crash::cut;
use crate::dead_letter::DeadReason;
use crate::delivery::{Patience, Run, check_size};
use crate::lane::Lane;
use crate::log::Batch;
use crate::message::{ActorId, Envelope, Message, MessageId, ReplyToken};

use effects::Effects;
use outcomes::Outcomes;

pub use bulk::{Bulk, BulkError, Resolved};
pub use effects::TimerError;

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

    /// Wall-clock time for one message.
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
        if self.effects.reserved.iter().any(|child| child.route == route && child.message == self.current()) {
            // What it waits for would come after what waits for it.
            return Err(SendError::UnknownAddress(target.address().clone()).into());
        }
        let world = self.world.clone();
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
            ask.answer_to(world.deliver_one(&target, &envelope, body, deadline)).await
        };
        let answer = tokio::time::timeout_at(deadline, asked).await.unwrap_or(Err(AskError::Timeout));
        world.explained(target.address(), answer).await
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

    fn check_reply(&self, reply: &[u8]) -> Result<(), Failure> {
        let (bytes, limit_bytes) = (reply.len(), self.actor.spec.message_bytes);
        if bytes <= limit_bytes {
            return Ok(());
        }
        let text = format!("its reply of {bytes} bytes is larger than limits.message, {limit_bytes} bytes");
        Err(Failure::Reject(text))
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

    /// Delivers what the finished messages sent, in order, then makes their outcomes final. May wait for
    /// room in mailboxes. If it is dropped half-way, the next commit goes on where it was.
    pub(crate) async fn commit(&mut self) {
        self.commit_with(Patience::Yes).await;
    }

    /// As [`Hand::commit`], without waiting: what finds no room is a dead letter.
    pub(crate) async fn commit_now(&mut self) {
        self.commit_with(Patience::No).await;
    }

    async fn commit_with(&mut self, patience: Patience) {
        while self.runs_delivered < self.runs_finished {
            let index = self.runs_delivered;
            let route = self.runs[index].route;
            if route == Run::EFFECT {
                self.carry_out();
                self.delivered += 1;
                self.runs_delivered += 1;
                continue;
            }
            if self.routes[route].target.is_gone() {
                self.renew(route);
            }
            let target = self.routes[route].target.clone();
            let before = self.bytes.len();
            let (run, bytes, delivered) = (&mut self.runs[index], &mut self.bytes, &mut self.delivered);
            self.world.deliver_run(&target, run, bytes, delivered, patience).await;
            self.runs_delivered += 1;
            let gone = before - self.bytes.len();
            if gone > 0 {
                // What lay before went into the mailbox as it was.
                for run in &mut self.runs[index + 1..] {
                    run.from -= gone;
                    run.to -= gone;
                }
            }
        }
        self.forget_delivered();
        if self.calls_back {
            self.report_outcomes();
        }
        let mut outcomes = std::mem::take(&mut self.outcomes);
        let mut finished = outcomes.len();
        self.committed += finished;
        for (index, outcome) in outcomes.drain() {
            if !self.settle(index, outcome) {
                finished -= 1;
            }
        }
        self.outcomes = outcomes;
        self.actor.finish(finished as u64);
    }

    /// Makes the outcome of one message final; false when the message lives on, for a retry.
    fn settle(&self, index: usize, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Done(reply) => {
                let token = self.batch.reply(index);
                if token.is_some() {
                    self.world.asks.answer(token, reply.ok_or(AskError::NoReply));
                }
                return true;
            }
            Outcome::Failed(failure) => {
                let mut message = self.batch.message(index);
                message.envelope.attempt += 1;
                let attempt = message.envelope.attempt;
                let restart = &self.actor.spec.restart;
                match failure {
                    Failure::Retry(text) if attempt < restart.attempts => {
                        let ceiling = restart.backoff.ceiling(attempt);
                        tracing::info!(
                            target: "playhouse", address = %self.address(), id = %message.envelope.id,
                            attempt, flow = format!("{:016x}", message.envelope.flow), hops = message.envelope.hops,
                            "will retry: {text}"
                        );
                        let due = Instant::now() + self.world.jitter(ceiling);
                        self.lane.backlog.lock().delayed.push((due, message));
                        return false;
                    }
                    Failure::Retry(text) => {
                        self.world.bury(&self.actor, [message], &DeadReason::Failed(text), false);
                    }
                    Failure::Reject(text) => {
                        self.world.bury(&self.actor, [message], &DeadReason::Rejected(text), false);
                    }
                }
            }
        }
        true
    }

    fn forget_delivered(&mut self) {
        self.runs.drain(..self.runs_delivered);
        self.recorded -= self.delivered;
        (self.runs_finished, self.runs_delivered, self.delivered) = (0, 0, 0);
        if self.runs.is_empty() {
            self.forget_bytes();
        }
    }

    fn forget_bytes(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > 1 << 20 {
            self.bytes = Vec::new();
        }
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
        self.outcomes.clear();
        self.runs.clear();
        self.forget_bytes();
        self.effects.clear();
        (self.runs_finished, self.runs_delivered, self.recorded, self.delivered) = (0, 0, 0, 0);
        (self.committed..self.batch.len()).map(|index| self.batch.message(index)).collect()
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
    }

    fn caused_envelope(&mut self, reply: ReplyToken) -> Envelope {
        let index = self.caused;
        self.caused += 1;
        let (sender, in_hook) = (self.actor.id, self.hook.is_some());
        let cause = self.cause();
        let hops = if in_hook { 0 } else { cause.hops.saturating_add(1) };
        Envelope { id: cause.id.caused(index), sender, flow: cause.flow, hops, attempt: 0, reply }
    }

    /// The route to `to`, resolved once. Whether it may be sent to is checked before whether it exists.
    /// `sender`: that of the message on whose behalf.
    fn route(&mut self, to: &str, sender: ActorId) -> Result<usize, SendError> {
        if let Some(&route) = self.names.get(to)
            && !self.routes[route].target.is_gone()
        {
            return Ok(route);
        }
        let from = self.address();
        let address = from.resolve(to)?;
        let lasting = address.is_below(from) || self.actor.spec.is_granted(&address);
        if !lasting && self.address_of(sender).as_ref() != Some(&address) {
            return Err(SendError::NotGranted { from: from.clone(), to: address });
        }
        if let Some(route) = self.reserved_at(&address) {
            return Ok(route);
        }
        let target = self.world.registry.get(&address).ok_or(SendError::UnknownAddress(address))?;
        let route = match self.names.get(to).copied() {
            Some(route) if self.renew(route) => route,
            _ => self.route_to(target, lasting),
        };
        if lasting {
            self.names.insert(to.into(), route);
        }
        Ok(route)
    }

    fn route_to(&mut self, target: Arc<Actor>, lasting: bool) -> usize {
        *self.routes_by_id.entry(target.id).or_insert_with(|| {
            self.routes.push(Route { target, lasting });
            self.routes.len() - 1
        })
    }

    /// The actor of a route is gone: the route is that of whoever has its address now, if that one takes as large a
    /// body as was promised. A route to a sender alone stays as it is.
    fn renew(&mut self, route: usize) -> bool {
        let old = &self.routes[route];
        let new = old.lasting.then(|| self.world.registry.get(old.target.address())).flatten();
        let Some(new) = new.filter(|new| new.spec.message_bytes >= old.target.spec.message_bytes) else { return false };
        self.routes_by_id.insert(new.id, route);
        self.routes[route].target = new;
        true
    }
}
