//! Cron: messages at times of the calendar. Each entry is an actor `/gate/NAME` that tells a message to another actor.
//!
//! | module | content |
//! |---|---|
//! | `schedule` | the times that a schedule has in a zone, without a clock |
//! | `pace` | which time is due, is waited for or is missed, from the readings of two clocks |
//! | `runs` | the messages on their way, the rule for overlaps, and the counts |
//! | `actor` | the actor, and its task that waits |

mod actor;
mod pace;
mod runs;
mod schedule;

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use playhouse_kernel::{ActorSpec, Address, NativeLauncher};

use crate::{Common, Placed, place_groups_above};
use actor::Cron;

pub use chrono_tz::Tz as Zone;
pub use schedule::{Schedule, ScheduleError};

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
}

/// All zones by their names in the IANA database, such as `Europe/Berlin`.
pub fn zones() -> impl Iterator<Item = Zone> {
    chrono_tz::TZ_VARIANTS.into_iter()
}

/// The zone with this name.
pub fn zone(name: &str) -> Option<Zone> {
    name.parse().ok()
}

/// A time as messages and operators see it: RFC 3339 with the offset of the zone.
fn shown(time: DateTime<Utc>, zone: Zone) -> String {
    time.with_timezone(&zone).fixed_offset().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The next time of a schedule after now, in RFC 3339; `None` when none comes.
pub fn next_run(schedule: &Schedule) -> Option<String> {
    Some(shown(schedule.next_after(Utc::now())?, schedule.zone()))
}

/// Adds the actors of these entries to a plan.
pub fn place(entries: &[CronSettings], common: &Common, placed: &mut Placed) {
    place_with_clock(entries, common, &(Arc::new(Utc::now) as WallClock), placed);
}

/// As [`place`], with another clock.
pub fn place_with_clock(entries: &[CronSettings], common: &Common, clock: &WallClock, placed: &mut Placed) {
    for entry in entries {
        let (settings, common, clock) = (Arc::new(entry.clone()), common.clone(), clock.clone());
        let launcher = NativeLauncher::new(move || Cron::new(settings.clone(), common.statuses.clone(), clock.clone()));
        place_groups_above(&entry.address, |_| false, &mut placed.gates);
        placed.gates.push(ActorSpec::new(entry.address.clone(), launcher));
    }
}
