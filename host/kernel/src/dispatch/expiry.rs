//! Since when members of a family are idle, as their store knows it: a position of a source for each, in the order of the times, and another
//! one by which a member's time is found. A member that is used often does not write its time each time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::actor::family::Family;
use crate::dispatch::origins::{Origin, origin_gone};
use crate::dispatch::routing::output::Output;
use crate::journal::order::Draft;
use crate::words::address::Address;

/// A time is written again when it is older than this part of the time until a member expires.
const PRECISION: u64 = 16;

/// Seconds since 1970.
pub(crate) type Seconds = u64;

pub(crate) fn seconds(time: SystemTime) -> Seconds {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The positions of a family whose members expire.
pub(crate) struct Expiry {
    /// The source of the positions in the order of times.
    pub(crate) by_time: String,
    /// The source of the positions by name.
    pub(crate) by_name: String,
    /// The time until a member expires.
    pub(crate) after: Duration,
}

impl Expiry {
    pub(crate) fn of(family: &Family) -> Option<Self> {
        let (address, after) = (family.address(), family.expire()?);
        let by_time = format!("playhouse:idle:{address}");
        Some(Self { by_time, by_name: format!("playhouse:idle-since:{address}"), after })
    }

    /// The pause between two looks for members that expire.
    pub(crate) fn pause(&self) -> Duration {
        let part = self.after / u32::try_from(PRECISION).unwrap_or(1);
        part.clamp(Duration::from_secs(1), Duration::from_hours(1))
    }

    /// Whether a member that has been idle since `before` has to note that it is in use now.
    pub(crate) fn is_outdated(&self, before: Option<Seconds>, now: Seconds) -> bool {
        before.is_none_or(|before| now.saturating_sub(before) > self.after.as_secs() / PRECISION)
    }

    /// Notes that a member is in use, or idle, at this moment.
    pub(crate) fn note(&self, draft: &mut Draft<Output>, member: &Address, before: Option<Seconds>, now: Seconds) {
        if let Some(before) = before.filter(|before| *before != now) {
            origin_gone(draft, &self.by_time, &position(before, member.name()));
        }
        let (at, since) = (position(now, member.name()), now.to_be_bytes());
        Origin { source: &self.by_time, position: &at, value: &[], is_unique: false }.enter_in(draft);
        let name = member.name().as_bytes();
        Origin { source: &self.by_name, position: name, value: &since, is_unique: false }.enter_in(draft);
    }

    /// Forgets a member that is gone, or that has something beside its state.
    pub(crate) fn forget(&self, draft: &mut Draft<Output>, member: &Address, before: Option<Seconds>) {
        if let Some(before) = before {
            origin_gone(draft, &self.by_time, &position(before, member.name()));
            origin_gone(draft, &self.by_name, member.name().as_bytes());
        }
    }
}

/// The position of a member in the order of times.
fn position(since: Seconds, name: &str) -> Vec<u8> {
    [&since.to_be_bytes(), name.as_bytes()].concat()
}

/// The time and the name of such a position.
pub(crate) fn idle_at(position: &[u8]) -> Option<(Seconds, &str)> {
    let (since, name) = position.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*since), std::str::from_utf8(name).ok()?))
}

/// The time of a position by name.
pub(crate) fn since_of(value: &[u8]) -> Option<Seconds> {
    Some(u64::from_be_bytes(*value.first_chunk::<8>()?))
}
