//! The view of actors, crashes and dead letters for operators and programs: plain data, made from the kernel's types.

use std::collections::BTreeMap;
use std::time::Duration;

use playhouse_kernel::{
    ActorView, CrashReport, DeadLetterCounts, Decision, Fates, InstanceView, MailboxView, MessageId, Overflow,
    PolicyState, State, Usage,
};
use playhouse_observe::Recent;
use serde::{Deserialize, Serialize};

pub use super::failed_line::FailedLine;
use crate::printable::timestamp;

/// A running play.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tree {
    /// The play's name.
    pub play: String,
    /// The actors, in start order.
    pub actors: Vec<ActorLine>,
    /// The counts of dead letters, by reason.
    pub dead_letters: BTreeMap<String, FatesView>,
    /// The reason why memory is short, so that messages from outside are refused; `None` while it is not.
    #[serde(default)]
    pub memory_pressure: Option<String>,
    /// The play's store; `None` without one.
    #[serde(default)]
    pub store: Option<StoreView>,
    /// Bytes of memory of all instances together: `play.limits.memory`.
    #[serde(default)]
    pub guest_memory: Option<UsageView>,
    /// Files, folders and connections that all instances together have open; the limit is that of the system without the host's
    /// reserve.
    #[serde(default)]
    pub guest_descriptors: Option<UsageView>,
}

/// The store of a play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreView {
    /// Its folder.
    pub path: String,
    /// Number of runs of a host on it, this one included.
    pub runs: u64,
    /// Entries that wait to be written.
    pub behind: u64,
    /// The reason why it takes nothing now, so that messages from outside are refused; `None` while it does.
    pub full: Option<String>,
}

/// The use of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageView {
    /// The amount in use.
    pub used: u64,
    /// The limit.
    pub most: u64,
}

/// The counts of the dead letters with one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FatesView {
    /// Letters in the store.
    pub kept: u64,
    /// Letters that an operator sent again.
    pub replayed: u64,
    /// Letters that an operator removed.
    pub dropped: u64,
    /// Letters that newer ones pushed out of the store: see `[play.dead_letters]`.
    pub forgotten: u64,
    /// All letters so far.
    pub all: u64,
    /// Letters of earlier runs of the host, which the store kept; they are not in `all`.
    #[serde(default)]
    pub restored: u64,
}

/// One actor. Its fields are those of the JSON that `playhouse tree --json` prints.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ActorLine {
    /// The actor's address.
    pub address: String,
    /// The actor's plugin.
    pub plugin: String,
    /// Whether another actor spawned it.
    pub spawned: bool,
    /// See [`State::name`]; of several instances, the state of the one that is furthest up.
    pub state: String,
    /// The part of the host that the actor waits for, as in `waiting for stdout`.
    #[serde(default)]
    pub detail: Option<String>,
    /// The instances that run side by side on the mailbox.
    pub instances: Vec<InstanceLine>,
    /// The latest incarnation, from 1; 0 before the first.
    pub incarnation: u64,
    /// Number of restarts after a failure.
    pub restarts: u64,
    /// Number of waiting messages.
    pub waiting: u64,
    /// The actor's mailbox.
    pub mailbox: MailboxLine,
    /// Number of handled messages.
    pub handled: u64,
    /// Rates of the last second and of the last minute.
    #[serde(default)]
    pub rates: RatesView,
    /// Milliseconds since the oldest unfinished message came, at least; within a second.
    #[serde(default)]
    pub oldest_ms: u64,
    /// Milliseconds of CPU time of the actor's plugin and of its mailbox's plugin, sampled every 10 ms; `None` for native code.
    #[serde(default)]
    pub cpu_ms: Option<u64>,
    /// Bytes of memory of all its instances; `None` for native code.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Bytes of memory of the instance that it shares with other actors, or of that which the members of the family share; `None` with
    /// an instance of its own.
    #[serde(default)]
    pub shared_memory_bytes: Option<u64>,
    /// Dead letters among the messages for the actor, by reason; those that a drop rule dropped have the reason `overflow`.
    #[serde(default)]
    pub dead_letters: BTreeMap<String, u64>,
    /// The actor's last crash.
    pub last_crash: Option<CrashView>,
    /// The use by the actor and all actors below it, by the keys of its `limits.subtree`; `None` without that table.
    #[serde(default)]
    pub subtree: Option<BTreeMap<String, UsageView>>,
    /// Bytes of the actor's state in the play's store: `state.bytes`; `None` for an actor without state.
    #[serde(default)]
    pub state_bytes: Option<UsageView>,
    /// The failure, while the actor is failed.
    #[serde(default)]
    pub failed: Option<FailedLine>,
    /// A gateway's line about itself, such as the time of its next run; `None` for other actors.
    #[serde(default)]
    pub status: Option<String>,
    /// The members of the family at the addresses directly below this one; `None` for an actor.
    #[serde(default)]
    pub family: Option<FamilyLine>,
}

/// The members of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyLine {
    /// Those with a live instance; those that wait for the reply to an ask do not count.
    pub live: UsageView,
    /// Those that exist, in memory or in the play's store.
    pub members: UsageView,
}

/// Rates from samples that the host takes each second: between the last two samples, and over the samples of the last 60 s,
/// or of the time since the actor came if that is shorter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct RatesView {
    /// Messages handled in each second, over the last second.
    pub handled_1s: f64,
    /// Messages handled in each second, over the last minute.
    pub handled_1m: f64,
    /// CPU time in each second of time, over the last second: 1 is a whole core.
    pub cpu_1s: f64,
    /// CPU time in each second of time, over the last minute.
    pub cpu_1m: f64,
}

/// A mailbox, and the counts of messages that found it full. Its fields are those of the JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MailboxLine {
    /// Messages that wait in the mailbox, without those that an instance has to handle again.
    pub waiting: u64,
    /// The bytes of these messages, with 64 more for each.
    pub bytes: u64,
    /// Of these bytes, those in the host's memory. The others are only in the play's store.
    #[serde(default)]
    pub memory_bytes: u64,
    /// The largest number of messages that waited so far.
    pub most: u64,
    /// Maximum number of waiting messages.
    pub capacity: u64,
    /// The rule in force for a message that finds the mailbox full.
    pub overflow: String,
    /// Whether the messages are in the play's store as well.
    #[serde(default)]
    pub durable: bool,
    /// How often the mailbox became full, after at least ten seconds in which it was not: the number of warnings.
    pub full: u64,
    /// Messages that were refused, or whose wait for space ended without space.
    pub refused: u64,
    /// Messages that were dropped because the mailbox was full.
    pub dropped: u64,
    /// Messages that the plugin dropped although the mailbox had space.
    pub abandoned: u64,
    /// Messages that operators dropped while they waited.
    #[serde(default)]
    pub removed: u64,
    /// Senders that wait for space now.
    pub blocked_now: u64,
    /// Number of times that a sender waited for space.
    pub blocked: u64,
    /// Milliseconds of all these waits together.
    pub blocked_ms: u64,
    /// Milliseconds of the longest of these waits.
    pub longest_block_ms: u64,
    /// The plugin that decides the order.
    pub plugin: Option<MailboxPluginLine>,
}

/// The plugin that decides the order of a mailbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MailboxPluginLine {
    /// The plugin's name.
    pub name: String,
    /// `starting`, `running`, `given up` (it crashed too often), or `ended`.
    pub state: String,
    /// Number of crashes.
    pub crashes: u64,
    /// The reason of the last crash.
    pub last_crash: Option<String>,
}

/// One instance of an actor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceLine {
    /// See [`State::name`].
    pub state: String,
    /// Like [`ActorLine::detail`].
    #[serde(default)]
    pub detail: Option<String>,
    /// The latest incarnation; 0 before the first. All instances of an actor are numbered together.
    pub incarnation: u64,
    /// Number of restarts after a failure.
    pub restarts: u64,
    /// The instance's last crash.
    pub last_crash: Option<CrashView>,
    /// The failure, while the instance itself is failed.
    #[serde(default)]
    pub failed: Option<FailedLine>,
}

/// A crash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CrashView {
    /// The address of the actor that crashed.
    pub address: String,
    /// The incarnation that crashed.
    pub incarnation: u64,
    /// The time of the crash, in UTC.
    pub at: String,
    /// The kind of the crash, in one word.
    pub kind: String,
    /// The reason, for operators.
    pub reason: String,
    /// The only message that can have caused the crash, when it is known.
    pub blamed: Option<BlamedView>,
    /// Number of messages that were handled again after the crash, one at a time.
    pub replayed: u64,
    /// The decision about the crash, once it is made.
    pub decision: Option<DecisionView>,
    /// Function names, innermost first.
    pub backtrace: Vec<String>,
    /// The last lines that the actor wrote to stderr.
    pub stderr: Vec<String>,
    /// The failure of a child that led to this crash.
    pub cause: Option<Box<CrashView>>,
}

/// A message that crashed its actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlamedView {
    /// The message's id.
    pub id: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// Maximum number of attempts.
    pub of: u32,
    /// The message's flow: common to all messages that follow from one message from outside.
    #[serde(default)]
    pub flow: String,
    /// Sends between that message and this one.
    #[serde(default)]
    pub hops: u32,
}

/// The decision about a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionView {
    /// `restarts`, `gave-up` (its supervisor), `failed`, `ended`, `drains`, `stopped` or `not-started`.
    pub kind: String,
    /// The decision, for operators.
    pub text: String,
    /// `restart`, `stop` or `escalate`, if the parent was asked and answered.
    #[serde(default)]
    pub directive: Option<String>,
    /// The failures that count within the period, if the decision counted them.
    pub restarts: Option<u32>,
    /// Maximum number of these failures.
    pub intensity: Option<u32>,
    /// The period.
    pub period_ms: Option<u64>,
}

impl From<Recent> for RatesView {
    fn from(recent: Recent) -> Self {
        let Recent { handled_1s, handled_1m, cpu_1s, cpu_1m, .. } = recent;
        // Three digits are enough, and short.
        let [handled_1s, handled_1m, cpu_1s, cpu_1m] =
            [handled_1s, handled_1m, cpu_1s, cpu_1m].map(|rate| (rate * 1000.0).round() / 1000.0);
        Self { handled_1s, handled_1m, cpu_1s, cpu_1m }
    }
}

impl ActorLine {
    /// An actor, with its recent past.
    pub fn new(actor: &ActorView, recent: Recent) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
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
            rates: recent.into(),
            oldest_ms: ms(recent.oldest),
            cpu_ms: actor.resources.map(|resources| ms(resources.cpu)),
            memory_bytes: actor.resources.map(|resources| resources.memory_bytes),
            shared_memory_bytes: actor.shared_memory,
            dead_letters: actor.mailbox.letters.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            last_crash: actor.last_crash.as_deref().map(CrashView::from),
            subtree: (!actor.subtree.is_empty()).then(|| {
                let usage = |usage: &Usage| (usage.key.to_owned(), UsageView { used: usage.used, most: usage.most });
                actor.subtree.iter().map(usage).collect()
            }),
            state_bytes: actor.keyed_state.map(|(used, most)| UsageView { used, most }),
            failed: actor.failed.as_deref().map(FailedLine::from),
            status: None,
            family: actor.family.map(|family| {
                let usage = |used: usize, most: usize| UsageView { used: used as u64, most: most as u64 };
                FamilyLine {
                    live: usage(family.live, family.most_live),
                    members: usage(family.members, family.most_members),
                }
            }),
        }
    }

    /// Number of instances that are up.
    pub fn up(&self) -> usize {
        let is_up = |name: &str| State::ALL.iter().any(|state| state.is_up() && state.name() == name);
        self.instances.iter().filter(|instance| is_up(&instance.state)).count()
    }
}

impl From<&MailboxView> for MailboxLine {
    fn from(mailbox: &MailboxView) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let pressure = &mailbox.pressure;
        Self {
            waiting: mailbox.waiting as u64,
            bytes: mailbox.bytes as u64,
            memory_bytes: mailbox.memory_bytes as u64,
            most: mailbox.most as u64,
            capacity: mailbox.capacity as u64,
            overflow: overflow_name(mailbox.overflow).to_owned(),
            durable: mailbox.is_stored,
            full: pressure.episodes,
            refused: pressure.refused,
            dropped: pressure.dropped,
            abandoned: pressure.abandoned,
            removed: pressure.removed,
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

/// The manifest's name of a rule.
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

impl From<&CrashReport> for CrashView {
    fn from(report: &CrashReport) -> Self {
        let (flow, hops) = report.flow.unwrap_or_default();
        let blamed = |(id, attempt): (MessageId, u32)| BlamedView {
            id: id.to_string(),
            attempt,
            of: report.attempts,
            flow: flow.to_string(),
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

/// The kernel's counts as views.
pub fn fates(counts: &DeadLetterCounts) -> BTreeMap<String, FatesView> {
    let view = |fates: &Fates| FatesView {
        kept: fates.kept(),
        replayed: fates.replayed,
        dropped: fates.dropped,
        forgotten: fates.forgotten,
        all: fates.all,
        restored: fates.restored,
    };
    counts.by_reason.iter().map(|(kind, fates)| ((*kind).to_owned(), view(fates))).collect()
}
