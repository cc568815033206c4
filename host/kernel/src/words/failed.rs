//! An actor that failed too often, as its askers and operators see it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::words::address::Address;
use crate::words::clock::later;
use crate::words::crash::CrashReport;
use crate::words::failure::WhyGaveUp;
use tokio::time::Instant;

/// Why an actor is in the state `failed`.
#[derive(Debug, Clone)]
pub struct FailedActor {
    /// The actor directly under `/` that failed: this one, or the one above it.
    pub actor: Address,
    /// When it failed.
    pub since: SystemTime,
    /// The cause.
    pub why: WhyGaveUp,
    /// When its trial start is due; none when only an operator starts it.
    pub trial_at: Option<SystemTime>,
    /// Its last failure.
    pub last: Option<Arc<CrashReport>>,
}

impl FailedActor {
    /// The text for an asker: the actor that failed, the cause, and the next step.
    pub(crate) fn told(&self) -> String {
        let Self { actor, why, .. } = self;
        let last =
            self.last.as_ref().map(|report| format!(", the last: it {}", report.crash.reason)).unwrap_or_default();
        let trial = self.trial_at.map_or_else(
            || "only an operator starts it".to_owned(),
            |at| {
                let left = at.duration_since(SystemTime::now()).unwrap_or_default();
                format!("a trial start is due in {}s", left.as_secs_f64().ceil())
            },
        );
        format!("`{actor}` failed ({why}{last}); {trial}")
    }
}

/// A time after the deadline of any ask. As `back_at` of a failed actor it refuses each ask at once, and asks to other actors
/// need no extra check.
pub(crate) fn never() -> Instant {
    later(Duration::MAX) + Duration::from_hours(24 * 365)
}
