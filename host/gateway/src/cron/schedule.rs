//! The times of a schedule. This part has no clock: a time goes in, and the next one comes out.
//!
//! A change of a zone's clock repeats a part of the local day, or leaves one out. As in the cron of Vixie, the hour and the minute
//! decide what that means. When one of them begins with `*`, the schedule follows local times as they really pass: it has runs in
//! both passes of a repeated part, and none for a part that was left out. Otherwise its times are fixed: a time in a repeated part
//! has one run, in the first pass, and the times in a part that was left out have one run together, at the first moment after it.

use std::ops::Range;

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use croner::Cron;

pub use chrono_tz::Tz as Zone;

/// Names of schedules, and their fields.
const NAMED: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The fields of six: the name of each, and the values that it may have.
const FIELDS: [(&str, &str); 6] = [
    ("second", "0 to 59"),
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, `L` for the last day, `15W` for the weekday nearest to the 15th"),
    ("month", "1 to 12, or JAN to DEC"),
    (
        "day of the week",
        "0 to 7 (0 and 7 are Sunday), or SUN to SAT; `5L` is the last Friday, `1#2` the second Monday of a month",
    ),
];

/// Maximum number of steps from one local time to the next, in the search for one whose moment comes later. A clock is put back
/// by three hours at most in all zones, and has one time each second then.
const MOST_STEPS: usize = 4 * 60 * 60;

/// The times of a schedule in a zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    text: String,
    zone: Zone,
    /// Whether local times count as they really pass: see the module.
    is_real_time: bool,
}

/// The fault of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScheduleError {
    /// The fault.
    pub message: String,
    /// The bytes of the text that have the fault.
    pub place: Range<usize>,
    /// The name that may have been meant.
    pub meant: Option<&'static str>,
    /// The values that are possible.
    pub help: String,
}

const FORM: &str = "a schedule has five fields (minute, hour, day of the month, month, day of the week), six with the second before \
                    them, or is a name such as @hourly";

impl Schedule {
    /// Reads a schedule: five fields, six with seconds, or a name such as `@hourly`.
    pub fn parse(text: &str, zone: Zone) -> Result<Self, ScheduleError> {
        let written = fields(text);
        let (fields, is_named): (Vec<&str>, bool) = match written[..] {
            [(name, ref place)] if name.starts_with('@') => (named(name, place)?.split(' ').collect(), true),
            _ => (written.iter().map(|(field, _)| *field).collect(), false),
        };
        if !matches!(fields.len(), 5 | 6) {
            let count = match fields.len() {
                0 => "no field".to_owned(),
                1 => "one field".to_owned(),
                many => format!("{many} fields"),
            };
            let message = format!("a schedule has five or six fields, and this has {count}");
            return Err(ScheduleError { message, place: 0..text.len(), meant: None, help: FORM.into() });
        }
        let first = 6 - fields.len();
        if !is_named {
            for (n, (field, place)) in written.iter().enumerate() {
                check_field(field, first + n, place)?;
            }
        }
        let whole = fields.join(" ");
        let cron = whole.parse::<Cron>().map_err(|_| ScheduleError {
            message: format!("`{}` is no schedule", text.escape_debug()),
            place: 0..text.len(),
            meant: None,
            help: FORM.into(),
        })?;
        let [minute, hour] = [fields[1 - first], fields[2 - first]];
        let is_real_time = minute.starts_with('*') || hour.starts_with('*');
        let schedule = Self { cron, text: text.to_owned(), zone, is_real_time };
        if schedule.next_after(DateTime::UNIX_EPOCH).is_none() {
            let message = format!("`{}` has no time: no such day ever comes", text.escape_debug());
            let help = "the day of the month must be one that the month has in some year".into();
            return Err(ScheduleError { message, place: 0..text.len(), meant: None, help });
        }
        Ok(schedule)
    }

    /// The text that the schedule was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The zone of its times.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// The first time after a moment; `None` when there is none until the year 5000.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = after.with_timezone(&self.zone);
        if self.is_real_time {
            let next = self.cron.find_next_occurrence(&local, false).ok()?;
            return Some(next.with_timezone(&Utc)).filter(|next| *next > after);
        }
        // Local times are counted as if they were in UTC, which has no changes.
        let mut time = local.naive_local().with_nanosecond(0)?.and_utc();
        for _ in 0..MOST_STEPS {
            time = self.cron.find_next_occurrence(&time, false).ok()?;
            let moment = self.moment(time.naive_utc());
            if moment > after {
                return Some(moment);
            }
        }
        None
    }

    /// The moment at which a fixed local time has its run.
    fn moment(&self, local: NaiveDateTime) -> DateTime<Utc> {
        match self.zone.from_local_datetime(&local) {
            LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => moment.with_timezone(&Utc),
            LocalResult::None => self.first_moment_past(local),
        }
    }

    /// The first moment, to a second, whose local time is after one that the zone leaves out.
    fn first_moment_past(&self, local: NaiveDateTime) -> DateTime<Utc> {
        let is_past = |moment: NaiveDateTime| self.zone.from_utc_datetime(&moment).naive_local() > local;
        // No zone is a day from UTC.
        let (mut before, mut past) = (local - TimeDelta::days(1), local + TimeDelta::days(1));
        while past - before > TimeDelta::seconds(1) {
            let middle = before + TimeDelta::seconds((past - before).num_seconds() / 2);
            if is_past(middle) { past = middle } else { before = middle }
        }
        past.and_utc()
    }
}

/// The words of a text, with their places.
fn fields(text: &str) -> Vec<(&str, Range<usize>)> {
    let place = |word: &str| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        start..start + word.len()
    };
    text.split_whitespace().map(|word| (word, place(word))).collect()
}

/// The fields of a schedule with a name.
fn named(name: &str, place: &Range<usize>) -> Result<&'static str, ScheduleError> {
    let known = NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map(|(_, fields)| *fields).ok_or_else(|| {
        let near = |known: &str| known.get(1..3) == name.get(1..3);
        ScheduleError {
            message: format!("there is no schedule `{}`", name.escape_debug()),
            place: place.clone(),
            meant: NAMED.into_iter().map(|(known, _)| known).find(|known| near(known)),
            help: "the names are @yearly, @monthly, @weekly, @daily and @hourly".into(),
        }
    })
}

/// Checks one field by itself, so that an error has its place.
fn check_field(field: &str, number: usize, place: &Range<usize>) -> Result<(), ScheduleError> {
    let mut alone = ["*"; 6];
    alone[number] = field;
    // An empty part of a list is no value, and the parser leaves it out.
    let is_whole = field.split(',').all(|part| !part.is_empty()) && !field.contains('@');
    if is_whole && alone.join(" ").parse::<Cron>().is_ok() {
        return Ok(());
    }
    let (name, values) = FIELDS[number];
    Err(ScheduleError {
        message: format!("`{}` is not possible for the {name}", field.escape_debug()),
        place: place.clone(),
        meant: None,
        help: format!("the {name} is {values}; `*` is every one, `*/5` every fifth, `1-4` a range, `1,4` a list"),
    })
}

#[cfg(test)]
mod tests {
    use chrono_tz::{Australia, Europe, Pacific};

    use super::super::settings::shown;
    use super::*;

    /// The first times of a schedule after a moment, as the zone shows them.
    fn times(schedule: &str, zone: Zone, after: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(schedule, zone).expect("a schedule");
        let mut time = after.parse::<DateTime<Utc>>().expect("a time");
        let next = || {
            time = schedule.next_after(time)?;
            Some(shown(time, zone))
        };
        std::iter::from_fn(next).take(count).collect()
    }

    #[test]
    fn fields_and_names_give_times() {
        let utc = |schedule| times(schedule, Zone::UTC, "2026-11-29T12:30:15.5Z", 2).join(" ");
        assert_eq!(utc("0 3 * * *"), "2026-11-30T03:00:00Z 2026-12-01T03:00:00Z");
        assert_eq!(utc("* * * * * *"), "2026-11-29T12:30:16Z 2026-11-29T12:30:17Z");
        assert_eq!(utc("*/20 * * * * *"), "2026-11-29T12:30:20Z 2026-11-29T12:30:40Z");
        assert_eq!(utc("@hourly"), "2026-11-29T13:00:00Z 2026-11-29T14:00:00Z");
        assert_eq!(utc("@Midnight"), "2026-11-30T00:00:00Z 2026-12-01T00:00:00Z");
        assert_eq!(utc("0 9 13 * FRI"), "2026-12-04T09:00:00Z 2026-12-11T09:00:00Z", "either day is enough");
        assert_eq!(utc("0 0 L * *"), "2026-11-30T00:00:00Z 2026-12-31T00:00:00Z");
        assert_eq!(utc("30 12 * * MON-FRI"), "2026-11-30T12:30:00Z 2026-12-01T12:30:00Z");
    }

    #[test]
    fn time_itself_is_not_after_itself() {
        assert_eq!(times("0 3 * * *", Zone::UTC, "2026-01-01T03:00:00Z", 1), ["2026-01-02T03:00:00Z"]);
        assert_eq!(times("0 3 * * *", Zone::UTC, "2026-01-01T02:59:59.999Z", 1), ["2026-01-01T03:00:00Z"]);
        assert_eq!(times("* * * * * *", Zone::UTC, "2026-01-01T03:00:00Z", 1), ["2026-01-01T03:00:01Z"]);
    }

    #[test]
    fn leap_day_comes_every_four_years() {
        let days = times("30 2 29 2 *", Europe::Berlin, "2026-01-01T00:00:00Z", 2);
        assert_eq!(days, ["2028-02-29T02:30:00+01:00", "2032-02-29T02:30:00+01:00"]);
    }

    #[test]
    fn fixed_time_in_a_gap_has_one_run_after_it() {
        let berlin = |schedule, count| times(schedule, Europe::Berlin, "2026-03-28T12:00:00Z", count);
        assert_eq!(berlin("30 2 * * *", 2), ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]);
        let several = ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00", "2026-03-30T02:20:00+02:00"];
        assert_eq!(berlin("0,20,40 2 * * *", 3), several);
        assert_eq!(berlin("0 2,3 * * *", 2), ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]);
        assert_eq!(berlin("30 2 29 3 *", 2), ["2026-03-29T03:00:00+02:00", "2027-03-29T02:30:00+02:00"]);
    }

    #[test]
    fn fixed_time_in_a_doubled_hour_has_one_run() {
        let berlin = |schedule, count| times(schedule, Europe::Berlin, "2026-10-24T12:00:00Z", count);
        assert_eq!(berlin("30 2 * * *", 2), ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]);
        let several = ["2026-10-25T02:00:00+02:00", "2026-10-25T02:40:00+02:00", "2026-10-26T02:00:00+01:00"];
        assert_eq!(berlin("0,40 2 * * *", 3), several);
        let second_pass = times("* 30 2 * * *", Europe::Berlin, "2026-10-25T01:10:00Z", 1);
        assert_eq!(second_pass, ["2026-10-26T02:30:00+01:00"], "a start in the second pass");
    }

    #[test]
    fn stars_in_hour_or_minute_follow_real_time() {
        let berlin = |schedule, after, count| times(schedule, Europe::Berlin, after, count);
        let doubled = berlin("0 * * * *", "2026-10-24T23:30:00Z", 4);
        let hours = [
            "2026-10-25T02:00:00+02:00",
            "2026-10-25T02:00:00+01:00",
            "2026-10-25T03:00:00+01:00",
            "2026-10-25T04:00:00+01:00",
        ];
        assert_eq!(doubled, hours);
        let gap = berlin("*/30 * * * *", "2026-03-29T00:15:00Z", 3);
        assert_eq!(gap, ["2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"]);
        let twice = berlin("*/30 2 * * *", "2026-10-24T23:30:00Z", 5);
        let halves =
            ["02:00:00+02:00", "02:30:00+02:00", "02:00:00+01:00", "02:30:00+01:00"].map(|t| format!("2026-10-25T{t}"));
        assert_eq!((&twice[..4], twice[4].as_str()), (&halves[..], "2026-10-26T02:00:00+01:00"));
    }

    #[test]
    fn every_second_of_a_doubled_hour_comes_once() {
        let schedule = Schedule::parse("* * * * * *", Europe::Berlin).expect("a schedule");
        let mut time = "2026-10-24T23:59:59Z".parse::<DateTime<Utc>>().expect("a time");
        for _ in 0..3 * 60 * 60 {
            let next = schedule.next_after(time).expect("a next second");
            assert_eq!(next - time, TimeDelta::seconds(1), "{time}");
            time = next;
        }
    }

    #[test]
    fn changes_of_half_an_hour_and_of_a_day_count() {
        let lord_howe = times("15 2 * * *", Australia::Lord_Howe, "2026-10-03T00:00:00Z", 2);
        assert_eq!(lord_howe, ["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"]);
        // Samoa left out the 30th of December 2011.
        let apia = times("0 9 * * *", Pacific::Apia, "2011-12-29T20:00:00Z", 3);
        assert_eq!(apia, ["2011-12-31T00:00:00+14:00", "2011-12-31T09:00:00+14:00", "2012-01-01T09:00:00+14:00"]);
    }

    #[test]
    fn faults_have_the_place_of_their_field() {
        let fault = |text: &'static str| {
            let error = Schedule::parse(text, Zone::UTC).expect_err(text);
            (error.message, &text[error.place], error.meant)
        };
        let message = |field: &str, name: &str| format!("`{field}` is not possible for the {name}");
        assert_eq!(fault("0  24 * * *"), (message("24", "hour"), "24", None));
        assert_eq!(fault("61 * * * *"), (message("61", "minute"), "61", None));
        assert_eq!(fault("60 0 3 * * *"), (message("60", "second"), "60", None));
        assert_eq!(fault("0 0 32 * *"), (message("32", "day of the month"), "32", None));
        assert_eq!(fault("0 0 * FOO *"), (message("FOO", "month"), "FOO", None));
        assert_eq!(fault("0 0 * * MOO"), (message("MOO", "day of the week"), "MOO", None));
        assert_eq!(fault("0,,5 * * * *"), (message("0,,5", "minute"), "0,,5", None));
        assert_eq!(fault("0 */0 * * *"), (message("*/0", "hour"), "*/0", None));
        assert_eq!(fault("@hourli"), ("there is no schedule `@hourli`".into(), "@hourli", Some("@hourly")));
        assert_eq!(fault("@reboot").2, None);
        assert_eq!(fault("3 * *").0, "a schedule has five or six fields, and this has 3 fields");
        assert_eq!(fault("").0, "a schedule has five or six fields, and this has no field");
        assert_eq!(fault("0 0 1 1 * * 2026").0, "a schedule has five or six fields, and this has 7 fields");
        assert_eq!(fault("0 0 30 2 *").0, "`0 0 30 2 *` has no time: no such day ever comes");
    }
}
