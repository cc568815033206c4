//! Cron: messages at times of the calendar. Each entry is an actor `/gate/NAME` that tells a message to another actor.
//!
//! | module | content |
//! |---|---|
//! | `schedule` | the times that a schedule has in a zone, without a clock |
//! | `pace` | which time is due, is waited for or is missed, from the readings of two clocks |
//! | `counts` | the counts of an entry |
//! | `settings` | the keys of an entry, as plain data |
//! | `delivery` | the patience and the end of a run's message |
//! | `settled` | how far an entry is, in the play's store |
//! | `actor` | the actor, and its task that waits |

mod actor;
mod counts;
mod delivery;
mod pace;
mod schedule;
mod settings;
mod settled;

use std::sync::Arc;

use chrono::Utc;
use playhouse_kernel::{ActorSpec, NativeLauncher};

use crate::{Common, Placed, place_groups_above};
use actor::Cron;
use settings::shown;

pub use counts::CronCounts;
pub use schedule::{Schedule, ScheduleError, Zone};
pub use settings::{CronSettings, Missed, Overlap, WallClock};

/// All zones by their names in the IANA database, such as `Europe/Berlin`.
pub fn zones() -> impl Iterator<Item = Zone> {
    chrono_tz::TZ_VARIANTS.into_iter()
}

/// The zone with this name.
pub fn zone(name: &str) -> Option<Zone> {
    name.parse().ok()
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
        let counts = common.traffic.cron(&entry.address);
        let launcher = NativeLauncher::new(move || {
            Cron::new(settings.clone(), common.statuses.clone(), clock.clone(), counts.clone())
        });
        place_groups_above(&entry.address, |_| false, &mut placed.gates);
        placed.gates.push(ActorSpec::new(entry.address.clone(), launcher));
    }
}
