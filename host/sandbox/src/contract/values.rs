//! The values that cross between the host and an actor: failures, errors, states, envelopes, notices.

mod images;

use std::time::Duration;

use playhouse_kernel as kernel;
use playhouse_kernel::Metadata;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Lower, WasmList, WasmStr};

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
pub(crate) enum Failure {
    #[component(name = "reject")]
    Reject(String),
    #[component(name = "retry")]
    Retry(String),
}

impl From<&kernel::Failure> for Failure {
    fn from(failure: &kernel::Failure) -> Self {
        match failure {
            kernel::Failure::Reject(text) | kernel::Failure::BadReply(text) => Self::Reject(text.clone()),
            kernel::Failure::Retry(text) => Self::Retry(text.clone()),
        }
    }
}

impl From<Failure> for kernel::Failure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Reject(text) => Self::Reject(text),
            Failure::Retry(text) => Self::Retry(text),
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(crate) enum SendError {
    #[component(name = "bad-address")]
    BadAddress(String),
    #[component(name = "unknown-address")]
    UnknownAddress(String),
    #[component(name = "not-granted")]
    NotGranted(String),
    #[component(name = "too-large")]
    TooLarge(u64),
    #[component(name = "bad-metadata")]
    BadMetadata(String),
}

/// Pairs that a guest gets.
type Pairs = Vec<(String, String)>;

/// Pairs that a guest passes. They stay in its memory until they are read.
pub(crate) type GuestPairs = WasmList<(WasmStr, WasmStr)>;

/// Reads the pairs that a guest passed, up to the first that is too much.
pub(crate) fn metadata<T: 'static>(
    store: &mut StoreContextMut<'_, T>,
    pairs: &GuestPairs,
) -> wasmtime::Result<Result<Metadata, SendError>> {
    let mut metadata = Metadata::new();
    for index in 0..pairs.len() {
        let Some(pair) = pairs.get(&mut *store, index) else { break };
        let (key, value) = pair?;
        if let Err(error) = metadata.push(&key.to_str(&*store)?, &value.to_str(&*store)?) {
            return Ok(Err(SendError::BadMetadata(error.to_string())));
        }
    }
    Ok(Ok(metadata))
}

fn pairs(pairs: kernel::Pairs<'_>) -> Pairs {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Reply {
    body: Vec<u8>,
    metadata: Pairs,
}

impl From<kernel::Reply> for Reply {
    fn from(reply: kernel::Reply) -> Self {
        Self { metadata: pairs(reply.metadata.pairs()), body: reply.body }
    }
}

impl SendError {
    fn new(error: &kernel::SendError) -> Self {
        match error {
            kernel::SendError::BadAddress(error) => Self::BadAddress(error.to_string()),
            kernel::SendError::NoGroup(_) => Self::BadAddress(error.to_string()),
            kernel::SendError::NotGranted { to, .. } => Self::NotGranted(to.to_string()),
            kernel::SendError::TooLarge { limit_bytes, .. } => Self::TooLarge(*limit_bytes as u64),
            // Of these, a tell returns only `UnknownAddress`: for the others its message becomes a dead letter. An ask reports
            // the others in cases of its own.
            kernel::SendError::UnknownAddress(to)
            | kernel::SendError::MailboxFull(to)
            | kernel::SendError::Dropped { to, .. }
            | kernel::SendError::Stopped(to) => Self::UnknownAddress(to.to_string()),
            // An error that the contract does not know: no actor takes the message.
            other => Self::UnknownAddress(other.to_string()),
        }
    }
}

impl From<kernel::SendError> for SendError {
    fn from(error: kernel::SendError) -> Self {
        Self::new(&error)
    }
}

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(crate) enum AskError {
    #[component(name = "not-sent")]
    NotSent(SendError),
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "deadlock")]
    Deadlock(String),
    #[component(name = "no-reply")]
    NoReply,
    #[component(name = "rejected")]
    Rejected(String),
    #[component(name = "retries-spent")]
    RetriesSpent(String),
    #[component(name = "failed")]
    Failed(String),
    #[component(name = "crashed")]
    Crashed(String),
    #[component(name = "restarting")]
    Restarting(String),
    #[component(name = "actor-failed")]
    ActorFailed(String),
    #[component(name = "mailbox-full")]
    MailboxFull(String),
    #[component(name = "stopped")]
    Stopped(String),
    #[component(name = "stopped-by-operator")]
    StoppedByOperator(String),
}

impl From<kernel::AskError> for AskError {
    fn from(error: kernel::AskError) -> Self {
        match error {
            kernel::AskError::NotSent(kernel::SendError::MailboxFull(to) | kernel::SendError::Dropped { to, .. }) => {
                Self::MailboxFull(to.to_string())
            }
            kernel::AskError::NotSent(error @ kernel::SendError::Stopped(_)) => Self::Stopped(error.to_string()),
            kernel::AskError::NotSent(error) => Self::NotSent(SendError::new(&error)),
            kernel::AskError::Timeout => Self::Timeout,
            kernel::AskError::Deadlock(chain) => Self::Deadlock(chain),
            kernel::AskError::NoReply => Self::NoReply,
            kernel::AskError::Rejected(text) => Self::Rejected(text),
            kernel::AskError::RetriesSpent(text) => Self::RetriesSpent(text),
            kernel::AskError::Failed(text) => Self::Failed(text),
            kernel::AskError::Crashed(text) => Self::Crashed(text),
            kernel::AskError::Restarting(text) => Self::Restarting(text),
            kernel::AskError::ActorFailed(why) => Self::ActorFailed(why),
            kernel::AskError::StoppedByOperator(to) => Self::StoppedByOperator(to.to_string()),
            other => Self::Stopped(other.to_string()),
        }
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct SpawnOptions {
    config: Vec<(String, String)>,
}

impl SpawnOptions {
    pub(crate) fn config(self) -> kernel::Config {
        self.config.into_iter().collect()
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct FullSubtree {
    top: String,
    limit: u32,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(crate) enum SpawnError {
    #[component(name = "bad-name")]
    BadName(String),
    #[component(name = "unknown-plugin")]
    UnknownPlugin(String),
    #[component(name = "not-granted")]
    NotGranted(String),
    #[component(name = "duplicate")]
    Duplicate(String),
    #[component(name = "too-many-children")]
    TooManyChildren(u32),
    #[component(name = "subtree-full")]
    SubtreeFull(FullSubtree),
    #[component(name = "too-deep")]
    TooDeep,
    #[component(name = "circular")]
    Circular(String),
    #[component(name = "stopping")]
    Stopping,
    #[component(name = "not-lasting")]
    NotLasting(String),
    #[component(name = "child-of-member")]
    ChildOfMember(String),
}

impl From<kernel::SpawnError> for SpawnError {
    fn from(error: kernel::SpawnError) -> Self {
        match error {
            kernel::SpawnError::BadName(error) => Self::BadName(error.to_string()),
            kernel::SpawnError::UnknownPlugin(plugin) => Self::UnknownPlugin(plugin),
            kernel::SpawnError::NotGranted { plugin, .. } => Self::NotGranted(plugin),
            kernel::SpawnError::Duplicate(address) => Self::Duplicate(address.to_string()),
            kernel::SpawnError::TooManyChildren { most, .. } => Self::TooManyChildren(count(most)),
            kernel::SpawnError::SubtreeFull { top, most } => {
                Self::SubtreeFull(FullSubtree { top: top.to_string(), limit: count(most) })
            }
            kernel::SpawnError::TooDeep(_) | kernel::SpawnError::DepthLimit(_) => Self::TooDeep,
            kernel::SpawnError::Circular(chain) => Self::Circular(chain),
            kernel::SpawnError::NotLasting { plugin, .. } => Self::NotLasting(plugin),
            kernel::SpawnError::ChildOfMember { plugin, .. } => Self::ChildOfMember(plugin),
            // An error that the contract does not know: the actor cannot spawn now.
            _ => Self::Stopping,
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(crate) enum StopError {
    #[component(name = "bad-address")]
    BadAddress(String),
    #[component(name = "unknown-address")]
    UnknownAddress(String),
    #[component(name = "not-spawned")]
    NotSpawned(String),
}

impl From<kernel::StopError> for StopError {
    fn from(error: kernel::StopError) -> Self {
        match error {
            kernel::StopError::BadAddress(error) => Self::BadAddress(error.to_string()),
            kernel::StopError::UnknownAddress(address) => Self::UnknownAddress(address.to_string()),
            kernel::StopError::NotSpawned(address) => Self::NotSpawned(address.to_string()),
            other => Self::NotSpawned(other.to_string()),
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(crate) enum TimerError {
    #[component(name = "not-sent")]
    NotSent(SendError),
    #[component(name = "too-many-timers")]
    TooManyTimers(u32),
}

impl From<kernel::TimerError> for TimerError {
    fn from(error: kernel::TimerError) -> Self {
        match error {
            kernel::TimerError::NotSent(error) => Self::NotSent(SendError::new(&error)),
            kernel::TimerError::TooManyTimers { most, .. } => Self::TooManyTimers(count(most)),
            other => Self::NotSent(SendError::UnknownAddress(other.to_string())),
        }
    }
}

/// A time in whole milliseconds, rounded up: a time that is not over is never 0.
pub(crate) fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// A number in the type of the contract, at most `u32::MAX`.
pub(crate) fn count(most: usize) -> u32 {
    u32::try_from(most).unwrap_or(u32::MAX)
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum ActorState {
    #[component(name = "running")]
    Running,
    #[component(name = "idle")]
    Idle,
    #[component(name = "starting")]
    Starting,
    #[component(name = "draining")]
    Draining,
    #[component(name = "stopping")]
    Stopping,
    #[component(name = "backing-off")]
    BackingOff,
    #[component(name = "failed")]
    Failed,
    #[component(name = "waiting")]
    Waiting,
    #[component(name = "passivated")]
    Passivated,
    #[component(name = "down")]
    Down,
    #[component(name = "stopped")]
    Stopped,
    #[component(name = "ended")]
    Ended,
}

impl From<kernel::State> for ActorState {
    fn from(state: kernel::State) -> Self {
        match state {
            kernel::State::Down => Self::Down,
            kernel::State::Starting => Self::Starting,
            kernel::State::Running => Self::Running,
            kernel::State::Idle => Self::Idle,
            kernel::State::Draining => Self::Draining,
            kernel::State::Stopping => Self::Stopping,
            kernel::State::Waiting => Self::Waiting,
            kernel::State::Passivated => Self::Passivated,
            kernel::State::BackingOff => Self::BackingOff,
            kernel::State::Failed => Self::Failed,
            kernel::State::Stopped => Self::Stopped,
            kernel::State::Ended => Self::Ended,
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Envelope {
    id: String,
    sender: Option<String>,
    flow: String,
    hops: u32,
    attempt: u32,
    asked: bool,
    #[component(name = "time-left-ms")]
    time_left_ms: Option<u64>,
    sequence: u64,
    metadata: Pairs,
}

impl Envelope {
    /// The envelope of the current message.
    pub(crate) fn of(turn: &kernel::Turn) -> Option<Self> {
        let envelope = turn.envelope()?;
        Some(Self {
            id: envelope.id.to_string(),
            sender: turn.sender().map(|sender| sender.to_string()),
            flow: envelope.flow.to_string(),
            hops: envelope.hops,
            // The kernel counts failures; the contract counts attempts.
            attempt: envelope.attempt.saturating_add(1),
            asked: envelope.reply.is_some(),
            time_left_ms: turn.time_left().map(whole_millis),
            sequence: turn.sequence(),
            metadata: pairs(turn.metadata()),
        })
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Resolved {
    route: u32,
    #[component(name = "limit-bytes")]
    limit_bytes: u64,
    lasting: bool,
}

impl From<kernel::Resolved> for Resolved {
    fn from(resolved: kernel::Resolved) -> Self {
        let kernel::Resolved { route, limit_bytes, lasting } = resolved;
        Self { route, limit_bytes: limit_bytes as u64, lasting }
    }
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Decision {
    #[component(name = "start")]
    Start,
    #[component(name = "wait")]
    Wait(Option<u64>),
}

impl From<Decision> for kernel::Gate {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Start => Self::Start,
            Decision::Wait(recheck_ms) => Self::Wait(recheck_ms.map(Duration::from_millis)),
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct CrashNoticed {
    pub(super) kind: String,
    pub(super) reason: String,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(crate) enum Change {
    #[component(name = "started")]
    Started,
    #[component(name = "crashed")]
    Crashed(CrashNoticed),
    #[component(name = "stopped")]
    Stopped(bool),
    #[component(name = "ended")]
    Ended,
    #[component(name = "gone")]
    Gone,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Notice {
    watch: u64,
    address: String,
    incarnation: u64,
    change: Change,
}

impl From<kernel::Notice> for Notice {
    fn from(notice: kernel::Notice) -> Self {
        let kernel::Notice { watch, address, incarnation, change } = notice;
        let change = match change {
            kernel::Change::Started => Change::Started,
            kernel::Change::Crashed(kind, reason) => Change::Crashed(CrashNoticed { kind, reason }),
            kernel::Change::Stopped { by_operator } => Change::Stopped(by_operator),
            kernel::Change::Ended => Change::Ended,
            kernel::Change::Gone => Change::Gone,
        };
        Self { watch, address: address.to_string(), incarnation, change }
    }
}

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(crate) enum WatchError {
    #[component(name = "bad-address")]
    BadAddress(String),
    #[component(name = "not-granted")]
    NotGranted(String),
    #[component(name = "too-many-watches")]
    TooManyWatches(u32),
    #[component(name = "not-a-watcher")]
    NotAWatcher,
}

impl From<kernel::WatchError> for WatchError {
    fn from(error: kernel::WatchError) -> Self {
        match error {
            kernel::WatchError::BadAddress(error) => Self::BadAddress(error.to_string()),
            kernel::WatchError::NotGranted { to, .. } => Self::NotGranted(to.to_string()),
            kernel::WatchError::TooManyWatches { most, .. } => Self::TooManyWatches(count(most)),
            // An error that the contract does not know: this actor cannot watch.
            _ => Self::NotAWatcher,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_and_full_receivers_have_their_own_errors() {
        let error = AskError::from(kernel::AskError::ActorFailed("3 failures".into()));
        assert!(matches!(&error, AskError::ActorFailed(text) if text == "3 failures"));
        let full = kernel::SpawnError::SubtreeFull { top: kernel::Address::root(), most: 7 };
        let SpawnError::SubtreeFull(full) = SpawnError::from(full) else { panic!("another error") };
        assert_eq!((full.top.as_str(), full.limit), ("/", 7));
        assert!(matches!(ActorState::from(kernel::State::Failed), ActorState::Failed));
    }

    #[test]
    fn ask_errors_tell_a_reject_from_spent_retries() {
        let of = |error: fn(String) -> kernel::AskError| AskError::from(error("why".into()));
        assert!(matches!(of(kernel::AskError::Rejected), AskError::Rejected(text) if text == "why"));
        assert!(matches!(of(kernel::AskError::RetriesSpent), AskError::RetriesSpent(text) if text == "why"));
        assert!(matches!(of(kernel::AskError::Failed), AskError::Failed(text) if text == "why"));
    }
}
