//! Conversions between the contract's types and the SDK's, for results and arguments of calls to the kernel.

use crate::bindings::playhouse::actor::{batch, metrics, state, types};
use crate::errors::{AskError, MetricError, SendError, SpawnError, StateError, StopError, TimerError, WatchError};
use crate::spawn_options::SpawnOptions;
use crate::status::ActorState;
use crate::turn::Route;

impl From<batch::Resolved> for Route {
    fn from(resolved: batch::Resolved) -> Self {
        let batch::Resolved { route, limit_bytes, lasting } = resolved;
        Self { number: route, limit_bytes, lasting }
    }
}

impl From<&SpawnOptions> for types::SpawnOptions {
    fn from(options: &SpawnOptions) -> Self {
        Self { config: options.config.clone() }
    }
}

impl From<types::SpawnError> for SpawnError {
    fn from(error: types::SpawnError) -> Self {
        match error {
            types::SpawnError::BadName(reason) => Self::BadName(reason),
            types::SpawnError::UnknownPlugin(plugin) => Self::UnknownPlugin(plugin),
            types::SpawnError::NotGranted(plugin) => Self::NotGranted(plugin),
            types::SpawnError::Duplicate(address) => Self::Duplicate(address),
            types::SpawnError::TooManyChildren(most) => Self::TooManyChildren { most },
            types::SpawnError::SubtreeFull(types::FullSubtree { top, limit: most }) => Self::SubtreeFull { top, most },
            types::SpawnError::TooDeep => Self::TooDeep,
            types::SpawnError::Circular(chain) => Self::Circular(chain),
            types::SpawnError::NotLasting(plugin) => Self::NotLasting(plugin),
            types::SpawnError::ChildOfMember(plugin) => Self::ChildOfMember(plugin),
            types::SpawnError::Stopping => Self::Stopping,
        }
    }
}

impl From<types::StopError> for StopError {
    fn from(error: types::StopError) -> Self {
        match error {
            types::StopError::BadAddress(reason) => Self::BadAddress(reason),
            types::StopError::UnknownAddress(address) => Self::UnknownAddress(address),
            types::StopError::NotSpawned(address) => Self::NotSpawned(address),
        }
    }
}

impl From<types::TimerError> for TimerError {
    fn from(error: types::TimerError) -> Self {
        match error {
            types::TimerError::NotSent(error) => Self::NotSent(error.into()),
            types::TimerError::TooManyTimers(most) => Self::TooManyTimers { most },
        }
    }
}

impl From<types::WatchError> for WatchError {
    fn from(error: types::WatchError) -> Self {
        match error {
            types::WatchError::BadAddress(reason) => Self::BadAddress(reason),
            types::WatchError::NotGranted(address) => Self::NotGranted(address),
            types::WatchError::TooManyWatches(most) => Self::TooManyWatches { most },
            types::WatchError::NotAWatcher => Self::NotAWatcher,
        }
    }
}

impl From<metrics::MetricError> for MetricError {
    fn from(error: metrics::MetricError) -> Self {
        match error {
            metrics::MetricError::Undeclared(text) => Self::Undeclared(text),
            metrics::MetricError::BadValue(text) => Self::BadValue(text),
        }
    }
}

impl From<state::StateError> for StateError {
    fn from(error: state::StateError) -> Self {
        match error {
            state::StateError::NotGranted(text) => Self::NotGranted(text),
            state::StateError::BadKey(text) => Self::BadKey(text),
            state::StateError::TooLarge(limit_bytes) => Self::TooLarge { limit_bytes },
            state::StateError::Full(limit_bytes) => Self::Full { limit_bytes },
            state::StateError::Failed(text) => Self::Failed(text),
        }
    }
}

impl From<types::ActorState> for ActorState {
    fn from(state: types::ActorState) -> Self {
        match state {
            types::ActorState::Down => Self::Down,
            types::ActorState::Starting => Self::Starting,
            types::ActorState::Running => Self::Running,
            types::ActorState::Idle => Self::Idle,
            types::ActorState::Draining => Self::Draining,
            types::ActorState::Stopping => Self::Stopping,
            types::ActorState::Waiting => Self::Waiting,
            types::ActorState::Passivated => Self::Passivated,
            types::ActorState::BackingOff => Self::BackingOff,
            types::ActorState::Failed => Self::Failed,
            types::ActorState::Stopped => Self::Stopped,
            types::ActorState::Ended => Self::Ended,
        }
    }
}

impl From<types::SendError> for SendError {
    fn from(error: types::SendError) -> Self {
        match error {
            types::SendError::BadAddress(reason) => Self::BadAddress(reason),
            types::SendError::UnknownAddress(address) => Self::UnknownAddress(address),
            types::SendError::NotGranted(address) => Self::NotGranted(address),
            types::SendError::TooLarge(limit_bytes) => Self::TooLarge { limit_bytes },
            types::SendError::BadMetadata(reason) => Self::BadMetadata(reason),
        }
    }
}

impl From<types::AskError> for AskError {
    fn from(error: types::AskError) -> Self {
        match error {
            types::AskError::NotSent(error) => Self::NotSent(error.into()),
            types::AskError::Timeout => Self::Timeout,
            types::AskError::Deadlock(chain) => Self::Deadlock(chain),
            types::AskError::NoReply => Self::NoReply,
            types::AskError::Rejected(reason) => Self::Rejected(reason),
            types::AskError::RetriesSpent(reason) => Self::RetriesSpent(reason),
            types::AskError::Failed(reason) => Self::Failed(reason),
            types::AskError::Crashed(reason) => Self::Crashed(reason),
            types::AskError::Restarting(reason) => Self::Restarting(reason),
            types::AskError::ActorFailed(reason) => Self::ActorFailed(reason),
            types::AskError::MailboxFull(address) => Self::MailboxFull(address),
            types::AskError::Stopped(reason) => Self::Stopped(reason),
            types::AskError::StoppedByOperator(address) => Self::StoppedByOperator(address),
        }
    }
}
