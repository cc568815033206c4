//! The keys of an entry, as plain data, and the form of its times.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use playhouse_kernel::Address;

use super::schedule::{Schedule, Zone};

/// The clock of the calendar: an argument, so that tests have one of their own.
pub type WallClock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The rule for a time at which the message of the last run has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// The time has no run.
    #[default]
    Skip,
    /// One run waits for the end; further times have no run.
    Queue,
}

/// The rule for times that pass while nothing runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missed {
    /// They have no run.
    #[default]
    Skip,
    /// They have one run together. It needs a play with a store.
    Once,
}

/// One entry: a message at each time of a schedule.
#[derive(Debug, Clone)]
pub struct CronSettings {
    /// The actor of the entry: `/gate/NAME`.
    pub address: Address,
    /// The times.
    pub schedule: Schedule,
    /// The receiver of the messages.
    pub tell: Address,
    /// The body of each message.
    pub body: Arc<[u8]>,
    /// The rule for a time at which the last run has not ended.
    pub overlap: Overlap,
    /// The rule for times that pass while the host does not run.
    pub missed: Missed,
}

/// A time as messages and operators see it: RFC 3339 with the offset of the zone.
pub(super) fn shown(time: DateTime<Utc>, zone: Zone) -> String {
    time.with_timezone(&zone).fixed_offset().to_rfc3339_opts(SecondsFormat::Secs, true)
}
