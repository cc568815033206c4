//! The failure of an actor, for operators and programs.

use std::time::{Duration, SystemTime};

use playhouse_kernel::FailedActor;
use serde::{Deserialize, Serialize};

use crate::printable::timestamp;

/// The failure of an actor that is failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedLine {
    /// The actor directly under `/` that failed: this actor, or its ancestor.
    pub actor: String,
    /// The time of the failure, in UTC.
    pub since: String,
    /// Milliseconds since the failure.
    pub for_ms: u64,
    /// The reason, for operators.
    pub why: String,
    /// The time of the next trial start, in UTC; `None` if only an operator starts the actor.
    pub next_trial: Option<String>,
    /// Milliseconds until the next trial start.
    pub next_trial_in_ms: Option<u64>,
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
