//! What people and machines see of actors, crashes and dead letters: plain data, and the kernel's words turned
//! into it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use playhouse_kernel::{
    ActorView, CrashReport, DeadLetter, DeadLetterCounts, Decision, FailedActor, Fates, InstanceView, MailboxView,
    MessageId, Overflow, PolicyState, State, Usage,
};
use serde::{Deserialize, Serialize};

use super::protocol::Body;
use crate::printable::timestamp;

/// A running play.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tree {
    /// The play's name.
    pub play: String,
    /// In start order.
    pub actors: Vec<ActorLine>,
    /// What became of messages that were not handled, by reason.
    pub dead_letters: BTreeMap<String, FatesView>,
    /// Why memory is short, and no messages from outside are taken; none when it is not.
    #[serde(default)]
    pub memory_pressure: Option<String>,
    /// Bytes of memory of all instances together: `play.limits.memory`.
    #[serde(default)]
    pub guest_memory: Option<UsageView>,
    /// Files, folders and connections that all instances together have open: what the system allows, less the host's reserve.
    #[serde(default)]
    pub guest_descriptors: Option<UsageView>,
}

/// How much of a limit is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageView {
    /// How much is used.
    pub used: u64,
    /// How much there is.
    pub most: u64,
}

/// What became of dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FatesView {
    /// How many are kept.
    pub kept: u64,
    /// Sent again by a person.
    pub replayed: u64,
    /// Removed by a person.
    pub dropped: u64,
    /// Pushed out by newer ones: see `[play.dead_letters]`.
    pub forgotten: u64,
    /// How many there were.
    pub all: u64,
}

/// One actor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ActorLine {
    /// Its address.
    pub address: String,
    /// Its plugin.
    pub plugin: String,
    /// Another actor spawned it.
    pub spawned: bool,
    /// See [`State::name`]; that of the instance which is furthest up.
    pub state: String,
    /// The part of the host that the actor waits for, as in `waiting for stdout`.
    #[serde(default)]
    pub detail: Option<String>,
    /// Those that run side by side on its mailbox.
    pub instances: Vec<InstanceLine>,
    /// Its latest run, from 1; 0 before the first.
    pub incarnation: u64,
    /// How often it was started again after a failure.
    pub restarts: u64,
    /// Messages that wait.
    pub waiting: u64,
    /// Its mailbox.
    pub mailbox: MailboxLine,
    /// Messages that it handled.
    pub handled: u64,
    /// Dead letters among the messages for it, by reason: `overflow` are those that a drop rule dropped.
    #[serde(default)]
    pub dead_letters: BTreeMap<String, u64>,
    /// Its last crash.
    pub last_crash: Option<CrashView>,
    /// The use by the actor and all below it, by the keys of its `limits.subtree`; none without.
    #[serde(default)]
    pub subtree: Option<BTreeMap<String, UsageView>>,
    /// Why it is failed, while it is.
    #[serde(default)]
    pub failed: Option<FailedLine>,
}

/// Why an actor is failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedLine {
    /// The actor directly under `/` that failed: this one, or the one that it is below.
    pub actor: String,
    /// Since when, in UTC.
    pub since: String,
    /// How long ago that was.
    pub for_ms: u64,
    /// For operators.
    pub why: String,
    /// When its trial start is due, in UTC; none: only an operator starts it.
    pub next_trial: Option<String>,
    /// How long until then.
    pub next_trial_in_ms: Option<u64>,
}

/// A mailbox, and what became of messages that found no room in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MailboxLine {
    /// Messages that wait in it; those that came back to an instance are not here any more.
    pub waiting: u64,
    /// Their bytes, with 64 more for each.
    pub bytes: u64,
    /// Most messages that ever waited.
    pub most: u64,
    /// Most messages that may wait.
    pub capacity: u64,
    /// What happens, now, to a message that finds it full.
    pub overflow: String,
    /// How often it became full, after it had not been for ten seconds: so many warnings there were.
    pub full: u64,
    /// Messages that were refused, or waited for room in vain.
    pub refused: u64,
    /// Messages that went because it was full.
    pub dropped: u64,
    /// Messages that its plugin dropped though there was room.
    pub abandoned: u64,
    /// Senders that wait for room now.
    pub blocked_now: u64,
    /// How often one had to.
    pub blocked: u64,
    /// How long they waited, all together.
    pub blocked_ms: u64,
    /// How long one of them waited at most.
    pub longest_block_ms: u64,
    /// The plugin that decides about it.
    pub plugin: Option<MailboxPluginLine>,
}

/// The plugin that decides about a mailbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MailboxPluginLine {
    /// Its name.
    pub name: String,
    /// `starting`, `running`, `given up` (it crashed too often), or `ended`.
    pub state: String,
    /// How often it crashed.
    pub crashes: u64,
    /// Why, the last time.
    pub last_crash: Option<String>,
}

/// One instance of an actor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceLine {
    /// See [`State::name`].
    pub state: String,
    /// As [`ActorLine::detail`].
    #[serde(default)]
    pub detail: Option<String>,
    /// Its latest run; 0 before the first. All instances of an actor count together.
    pub incarnation: u64,
    /// How often it was started again after a failure.
    pub restarts: u64,
    /// Its last crash.
    pub last_crash: Option<CrashView>,
    /// Why it is failed itself, while it is.
    #[serde(default)]
    pub failed: Option<FailedLine>,
}

/// A crash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CrashView {
    /// Whose.
    pub address: String,
    /// Which run of the actor.
    pub incarnation: u64,
    /// When, in UTC.
    pub at: String,
    /// One word.
    pub kind: String,
    /// For people.
    pub reason: String,
    /// The message that alone is to blame, when that is known.
    pub blamed: Option<BlamedView>,
    /// Messages that were handled again after it, one at a time.
    pub replayed: u64,
    /// What came of it, once that is known.
    pub decision: Option<DecisionView>,
    /// Function names, innermost first.
    pub backtrace: Vec<String>,
    /// The last lines it wrote to stderr.
    pub stderr: Vec<String>,
    /// The failure of a child that led to it.
    pub cause: Option<Box<CrashView>>,
}

/// A message that crashed its actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlamedView {
    /// Its id.
    pub id: String,
    /// Which attempt at it this was, from 1.
    pub attempt: u32,
    /// How many it has.
    pub of: u32,
    /// Which flow it belongs to: common to all messages that follow from one message from outside.
    #[serde(default)]
    pub flow: String,
    /// Sends between that message and this one.
    #[serde(default)]
    pub hops: u32,
}

/// What was decided about a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionView {
    /// `restarts`, `gave-up` (its supervisor), `failed`, `ended`, `drains`, `stopped` or `not-started`.
    pub kind: String,
    /// For people.
    pub text: String,
    /// `restart`, `stop` or `escalate`, where the parent was asked and said so.
    #[serde(default)]
    pub directive: Option<String>,
    /// Its supervisor's restarts within the period, where they counted.
    pub restarts: Option<u32>,
    /// How many of them are allowed.
    pub intensity: Option<u32>,
    /// The period.
    pub period_ms: Option<u64>,
}

/// The dead letters of a play.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Letters {
    /// How many there were in all, by reason, and what became of them.
    pub counts: BTreeMap<String, FatesView>,
    /// Those that were asked for, oldest first.
    pub letters: Vec<Letter>,
}

/// A letter that is still kept, against what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLetter {
    /// Its id.
    pub id: String,
    /// For people.
    pub why: String,
}

/// A message that will not be handled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Letter {
    /// Names the letter: the message's id, and a `-` and a number if that message has several.
    pub id: String,
    /// The message's id.
    pub message: String,
    /// Common to all messages that follow from one message from outside.
    pub flow: String,
    /// Sends between that message and this one.
    pub hops: u32,
    /// When it became a dead letter, in UTC.
    pub at: String,
    /// How long ago that was.
    pub age_ms: u64,
    /// Whom it was for.
    pub to: String,
    /// Who sent it; none for the outside, or when the sender is gone.
    pub from: Option<String>,
    /// How often it failed.
    pub attempts: u32,
    /// One word.
    pub kind: String,
    /// For people.
    pub reason: String,
    /// The crash behind it.
    pub crash: Option<CrashView>,
    /// The body's size.
    pub bytes: u64,
    /// The body, if asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<Body>,
    /// The body as text, if asked for and if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
}

impl From<&ActorView> for ActorLine {
    fn from(actor: &ActorView) -> Self {
        Self {
            address: actor.address.to_string(),
            plugin: actor.plugin.clone(),
            spawned: actor.dynamic,
            state: actor.state.name().to_owned(),
            detail: actor.waiting_for.map(waiting_for),
            instances: actor.instances.iter().map(InstanceLine::from).collect(),
            incarnation: actor.incarnation,
            restarts: actor.restarts,
            waiting: actor.waiting as u64,
            mailbox: MailboxLine::from(&actor.mailbox),
            handled: actor.handled,
            dead_letters: actor.mailbox.letters.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            last_crash: actor.last_crash.as_deref().map(CrashView::from),
            subtree: (!actor.subtree.is_empty()).then(|| {
                let usage = |usage: &Usage| (usage.key.to_owned(), UsageView { used: usage.used, most: usage.most });
                actor.subtree.iter().map(usage).collect()
            }),
            failed: actor.failed.as_deref().map(FailedLine::from),
        }
    }
}

impl From<&FailedActor> for FailedLine {
    fn from(failed: &FailedActor) -> Self {
        let (now, ms) = (SystemTime::now(), |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        Self {
            actor: failed.actor.to_string(),
            since: timestamp(failed.since),
            for_ms: ms(now.duration_since(failed.since).unwrap_or_default()),
            why: failed.why.to_string(),
            next_trial: failed.trial_at.map(timestamp),
            next_trial_in_ms: failed.trial_at.map(|at| ms(at.duration_since(now).unwrap_or_default())),
        }
    }
}

impl From<&MailboxView> for MailboxLine {
    fn from(mailbox: &MailboxView) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let pressure = &mailbox.pressure;
        Self {
            waiting: mailbox.waiting as u64,
            bytes: mailbox.bytes as u64,
            most: mailbox.most as u64,
            capacity: mailbox.capacity as u64,
            overflow: overflow_name(mailbox.overflow).to_owned(),
            full: pressure.episodes,
            refused: pressure.refused,
            dropped: pressure.dropped,
            abandoned: pressure.abandoned,
            blocked_now: pressure.blocked_now as u64,
            blocked: pressure.blocked,
            blocked_ms: ms(pressure.blocked_for),
            longest_block_ms: ms(pressure.longest_block),
            plugin: mailbox.policy.as_ref().map(|policy| MailboxPluginLine {
                name: policy.plugin.clone(),
                state: match policy.state {
                    PolicyState::Starting => "starting",
                    PolicyState::Running => "running",
                    PolicyState::GaveUp => "given up",
                    PolicyState::Ended => "ended",
                }
                .to_owned(),
                crashes: policy.crashes,
                last_crash: policy.last_crash.clone(),
            }),
        }
    }
}

fn waiting_for(what: &str) -> String {
    format!("waiting for {what}")
}

/// What the manifest calls a rule.
pub fn overflow_name(overflow: Overflow) -> &'static str {
    match overflow {
        Overflow::Block => "block",
        Overflow::Reject => "reject",
        Overflow::DropNewest => "drop-newest",
        Overflow::DropOldest => "drop-oldest",
    }
}

impl From<&InstanceView> for InstanceLine {
    fn from(instance: &InstanceView) -> Self {
        Self {
            state: instance.state.name().to_owned(),
            detail: instance.waiting_for.map(waiting_for),
            incarnation: instance.incarnation,
            restarts: instance.restarts,
            last_crash: instance.last_crash.as_deref().map(CrashView::from),
            failed: instance.failed.as_ref().map(FailedLine::from),
        }
    }
}

impl ActorLine {
    /// How many of its instances are up.
    pub fn up(&self) -> usize {
        let is_up = |name: &str| State::ALL.iter().any(|state| state.is_up() && state.name() == name);
        self.instances.iter().filter(|instance| is_up(&instance.state)).count()
    }
}

impl From<&CrashReport> for CrashView {
    fn from(report: &CrashReport) -> Self {
        let (flow, hops) = report.flow.unwrap_or_default();
        let blamed = |(id, attempt): (MessageId, u32)| BlamedView {
            id: id.to_string(),
            attempt,
            of: report.attempts,
            flow: format!("{flow:016x}"),
            hops,
        };
        Self {
            address: report.address.to_string(),
            incarnation: report.incarnation,
            at: timestamp(report.at),
            kind: report.crash.reason.kind().to_owned(),
            reason: report.crash.reason.to_string(),
            blamed: report.blamed.map(blamed),
            replayed: report.replayed as u64,
            decision: report.decision().map(DecisionView::from),
            backtrace: report.crash.backtrace.clone(),
            stderr: report.crash.stderr.clone(),
            cause: report.cause.as_deref().map(|cause| Box::new(Self::from(cause))),
        }
    }
}

impl From<&Decision> for DecisionView {
    fn from(decision: &Decision) -> Self {
        let window = decision.window();
        let ms = |period: Duration| u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        Self {
            kind: decision.kind().to_owned(),
            text: decision.to_string(),
            directive: decision.directive().map(|directive| directive.to_string()),
            restarts: window.map(|window| window.restarts),
            intensity: window.map(|window| window.intensity),
            period_ms: window.map(|window| ms(window.period)),
        }
    }
}

/// The kernel's counts.
pub fn fates(counts: &DeadLetterCounts) -> BTreeMap<String, FatesView> {
    let view = |fates: &Fates| FatesView {
        kept: fates.kept(),
        replayed: fates.replayed,
        dropped: fates.dropped,
        forgotten: fates.forgotten,
        all: fates.all,
    };
    counts.by_reason.iter().map(|(kind, fates)| ((*kind).to_owned(), view(fates))).collect()
}

impl Letters {
    /// The kernel's store, with the bodies if `bodies`.
    pub fn new(counts: &DeadLetterCounts, letters: &[Arc<DeadLetter>], bodies: bool) -> Self {
        Self { counts: fates(counts), letters: letters.iter().map(|letter| Letter::new(letter, bodies)).collect() }
    }
}

impl Letter {
    /// One letter, with its body if `with_body`.
    pub fn new(letter: &DeadLetter, with_body: bool) -> Self {
        let body = &letter.message.body;
        let age = SystemTime::now().duration_since(letter.at).unwrap_or(Duration::ZERO);
        Self {
            id: letter.id.to_string(),
            message: letter.id.message.to_string(),
            flow: format!("{:016x}", letter.message.envelope.flow),
            hops: letter.message.envelope.hops,
            at: timestamp(letter.at),
            age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            to: letter.to.to_string(),
            from: letter.sender.as_ref().map(ToString::to_string),
            attempts: letter.message.envelope.attempt,
            kind: letter.reason.kind().to_owned(),
            reason: letter.reason.to_string(),
            crash: letter.reason.crash().map(CrashView::from),
            bytes: body.len() as u64,
            body: with_body.then(|| Body(body.clone())),
            text: if with_body { String::from_utf8(body.clone()).ok() } else { None },
        }
    }
}
