//! What people and machines see of actors, crashes and dead letters: plain data, and the kernel's words turned
//! into it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use playhouse_kernel::{ActorView, CrashReport, DeadLetter, DeadLetterCounts, State};
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
    /// See [`state_name`].
    pub state: String,
    /// Its latest run, from 1; 0 before the first.
    pub incarnation: u64,
    /// How often it was started again after a failure.
    pub restarts: u64,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that ended, as done or as dead letters.
    pub handled: u64,
    /// Its last crash.
    pub last_crash: Option<CrashView>,
}

/// A crash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CrashView {
    /// Which run of the actor.
    pub incarnation: u64,
    /// When, in UTC.
    pub at: String,
    /// One word.
    pub kind: String,
    /// For people.
    pub reason: String,
    /// The message that alone is to blame, when that is known.
    pub message: Option<String>,
    /// Function names, innermost first.
    pub backtrace: Vec<String>,
    /// The last lines it wrote to stderr.
    pub stderr: Vec<String>,
}

/// The dead letters of a play.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Letters {
    /// How many there were, by reason.
    pub counts: BTreeMap<String, u64>,
    /// How many of those are no longer kept.
    pub forgotten: u64,
    /// Those that are kept, oldest first.
    pub letters: Vec<Letter>,
}

/// A message that will not be handled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Letter {
    /// The message's id.
    pub id: String,
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

/// A state in a word or two.
pub fn state_name(state: State, busy: bool) -> &'static str {
    match state {
        State::Down => "down",
        State::Starting => "starting",
        State::Running if busy => "running",
        State::Running => "idle",
        State::Stopping => "stopping",
        State::BackingOff => "backing off",
        State::Stopped => "stopped",
        State::Ended => "ended",
    }
}

impl From<&ActorView> for ActorLine {
    fn from(actor: &ActorView) -> Self {
        Self {
            address: actor.address.to_string(),
            plugin: actor.plugin.clone(),
            spawned: actor.dynamic,
            state: state_name(actor.state, actor.busy).to_owned(),
            incarnation: actor.incarnation,
            restarts: actor.restarts,
            waiting: actor.waiting as u64,
            handled: actor.handled,
            last_crash: actor.last_crash.as_deref().map(CrashView::from),
        }
    }
}

impl From<&CrashReport> for CrashView {
    fn from(report: &CrashReport) -> Self {
        Self {
            incarnation: report.incarnation,
            at: timestamp(report.at),
            kind: report.crash.reason.kind().to_owned(),
            reason: report.crash.reason.to_string(),
            message: report.blamed.map(|(id, _)| id.to_string()),
            backtrace: report.crash.backtrace.clone(),
            stderr: report.crash.stderr.clone(),
        }
    }
}

impl Letters {
    /// The kernel's store, with the bodies if `bodies`.
    pub fn new(counts: &DeadLetterCounts, letters: &[DeadLetter], bodies: bool) -> Self {
        Self {
            counts: counts.by_reason.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            forgotten: counts.forgotten,
            letters: letters.iter().map(|letter| Letter::new(letter, bodies)).collect(),
        }
    }
}

impl Letter {
    /// One letter, with its body if `with_body`.
    pub fn new(letter: &DeadLetter, with_body: bool) -> Self {
        let body = &letter.message.body;
        let age = SystemTime::now().duration_since(letter.at).unwrap_or(Duration::ZERO);
        Self {
            id: letter.message.envelope.id.to_string(),
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
