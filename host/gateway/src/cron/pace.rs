//! The decision between a run and a wait. It is made from the readings of two clocks: that of the calendar, which may be set, and
//! that of real time, which may not.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use super::schedule::Schedule;
use super::settings::Missed;

/// Maximum time between two looks at the clock: a clock that was set, or a machine that slept, is noticed within it.
const LOOK: Duration = Duration::from_secs(1);
/// A time that is noticed later than this is missed.
const LATEST: TimeDelta = TimeDelta::minutes(1);
/// A time up to which runs were decided is believed if it is no further ahead of the clock than this.
const MOST_AHEAD: TimeDelta = TimeDelta::days(1);
/// Maximum number of missed times that are counted at once.
const MOST_MISSED: u64 = 1000;

/// The progress of one schedule.
pub(super) struct Pace {
    schedule: Schedule,
    missed: Missed,
    /// The time that comes next.
    due: Option<DateTime<Utc>>,
    /// The latest reading of the clock.
    seen: DateTime<Utc>,
    /// The latest time that had its run, and when that was.
    last: Option<(DateTime<Utc>, Instant)>,
}

/// The next thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Wait this long, and look again.
    Wait(Duration),
    /// Times have come: one, unless the clock was not read for some time.
    Come {
        /// The time that has its run: the latest one, unless that is too late as well.
        run: Option<DateTime<Utc>>,
        /// The first of the times.
        first: DateTime<Utc>,
        /// Number of times without a run.
        missed: u64,
    },
}

impl Pace {
    /// The progress of a schedule from `now` on. `settled`: the time up to which runs before this one have decided.
    pub(super) fn new(
        schedule: Schedule,
        now: DateTime<Utc>,
        (missed, settled): (Missed, Option<DateTime<Utc>>),
    ) -> Self {
        let after = match settled {
            // The clock was set back: what had its run has no other one, unless the clock was quite wrong.
            Some(settled) if settled > now && settled - now <= MOST_AHEAD => settled,
            Some(settled) if settled <= now && missed == Missed::Once => settled,
            _ => now,
        };
        Self { due: schedule.next_after(after), schedule, missed, seen: now, last: None }
    }

    /// The time that comes next.
    pub(super) fn due(&self) -> Option<DateTime<Utc>> {
        self.due
    }

    /// Decides what to do at this reading of both clocks.
    pub(super) fn step(&mut self, now: DateTime<Utc>, at: Instant) -> Step {
        if now < self.seen {
            self.due = self.due_after_set_back(now, at);
        }
        self.seen = now;
        let Some(due) = self.due else { return Step::Wait(LOOK) };
        if let Ok(wait) = (due - now).to_std()
            && !wait.is_zero()
        {
            return Step::Wait(wait.min(LOOK));
        }
        let (mut latest, mut missed) = (due, 0);
        self.due = self.schedule.next_after(due);
        while let Some(next) = self.due.filter(|next| *next <= now) {
            missed += 1;
            if missed == MOST_MISSED {
                self.due = self.schedule.next_after(now);
                break;
            }
            latest = next;
            self.due = self.schedule.next_after(next);
        }
        let run = Some(latest).filter(|latest| self.missed == Missed::Once || now - *latest <= LATEST);
        match run {
            Some(run) => self.last = Some((run, at)),
            None => missed += 1,
        }
        Step::Come { run, first: due, missed }
    }

    /// The next time after the clock was set back. A time that had its run before has another one, so that the schedule does not
    /// fall silent until the clock is where it was; but not before half of the schedule's interval has really passed, so that a
    /// small correction of the clock repeats nothing.
    fn due_after_set_back(&self, now: DateTime<Utc>, at: Instant) -> Option<DateTime<Utc>> {
        let mut due = self.schedule.next_after(now)?;
        let Some((last, ran)) = self.last else { return Some(due) };
        for _ in 0..MOST_MISSED {
            let next = self.schedule.next_after(due)?;
            let since = (at - ran).saturating_add((due - now).to_std().unwrap_or_default());
            if due > last || since.saturating_mul(2) >= (next - due).to_std().unwrap_or_default() {
                break;
            }
            due = next;
        }
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::super::schedule::Zone;
    use super::*;

    /// A schedule with a calendar clock that can be set, beside a clock of real time.
    struct Stage {
        pace: Pace,
        now: DateTime<Utc>,
        at: Instant,
        runs: Vec<String>,
        missed: u64,
    }

    fn stage(schedule: &str, now: &str) -> Stage {
        let now = time(now);
        let schedule = Schedule::parse(schedule, Zone::UTC).expect("a schedule");
        let pace = Pace::new(schedule, now, (Missed::Skip, None));
        Stage { pace, now, at: Instant::now(), runs: Vec::new(), missed: 0 }
    }

    /// A stage of a host that starts again.
    fn stage_after(schedule: &str, now: &str, missed: Missed, settled: &str) -> Stage {
        let mut stage = stage(schedule, now);
        let schedule = Schedule::parse(schedule, Zone::UTC).expect("a schedule");
        stage.pace = Pace::new(schedule, stage.now, (missed, Some(time(settled))));
        stage
    }

    fn time(text: &str) -> DateTime<Utc> {
        format!("2026-03-01T{text}Z").parse().expect("a time")
    }

    impl Stage {
        /// Lets real time pass; the runs are noted with their times and the reading of the clock.
        fn pass(&mut self, mut time: Duration) {
            loop {
                match self.pace.step(self.now, self.at) {
                    Step::Wait(wait) => {
                        assert!(wait <= LOOK && !wait.is_zero(), "{wait:?}");
                        let wait = wait.min(time);
                        time -= wait;
                        self.at += wait;
                        self.now += wait;
                        if time.is_zero() {
                            return;
                        }
                    }
                    Step::Come { run, missed, .. } => {
                        self.missed += missed;
                        self.runs.extend(run.map(|run| run.format("%H:%M:%S").to_string()));
                    }
                }
            }
        }

        fn set(&mut self, now: &str) {
            self.now = time(now);
        }
    }

    const HOUR: Duration = Duration::from_hours(1);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_time_has_one_run() {
        let mut stage = stage("*/10 * * * *", "02:55:00.5");
        stage.pass(HOUR);
        assert_eq!(stage.runs, ["03:00:00", "03:10:00", "03:20:00", "03:30:00", "03:40:00", "03:50:00"]);
        assert_eq!(stage.missed, 0);
    }

    #[test]
    fn small_correction_back_repeats_nothing() {
        for schedule in ["0 3 * * *", "0 * * * *", "*/10 * * * *"] {
            let mut stage = stage(schedule, "02:59:50");
            stage.pass(SECOND * 11);
            stage.set("02:59:58");
            stage.pass(SECOND * 60);
            assert_eq!(stage.runs, ["03:00:00"], "{schedule}");
        }
    }

    #[test]
    fn clock_set_back_does_not_silence_a_schedule() {
        let mut hourly = stage("0 * * * *", "11:59:00");
        hourly.pass(SECOND * 90);
        hourly.set("03:00:30");
        hourly.pass(HOUR);
        assert_eq!(hourly.runs, ["12:00:00", "04:00:00"]);
        let mut daily = stage("0 12 * * *", "11:59:00");
        daily.pass(SECOND * 90);
        daily.now -= TimeDelta::days(400);
        daily.pass(HOUR * 24);
        assert_eq!(daily.runs, ["12:00:00", "12:00:00"]);
    }

    #[test]
    fn each_second_goes_on_when_the_clock_is_set_back() {
        let mut stage = stage("* * * * * *", "12:00:00");
        stage.pass(SECOND * 4);
        stage.set("11:00:00");
        stage.pass(SECOND * 4);
        assert_eq!(stage.runs, ["12:00:01", "12:00:02", "12:00:03", "11:00:01", "11:00:02", "11:00:03"]);
    }

    #[test]
    fn set_back_before_a_run_changes_nothing_but_the_wait() {
        let mut stage = stage("0 3 * * *", "02:50:00");
        stage.pass(SECOND * 60);
        stage.set("01:00:00");
        stage.pass(HOUR * 3);
        assert_eq!(stage.runs, ["03:00:00"]);
    }

    #[test]
    fn clock_set_forward_runs_nothing_twice() {
        let mut stage = stage("*/10 * * * *", "02:55:00");
        stage.pass(SECOND * 301);
        stage.set("03:35:00");
        stage.pass(SECOND * 360);
        assert_eq!(stage.runs, ["03:00:00", "03:40:00"], "what the clock passed over is missed");
        assert_eq!(stage.missed, 3, "03:10, 03:20 and 03:30");
    }

    #[test]
    fn clock_set_forward_and_corrected_runs_once() {
        let mut stage = stage("0 3 * * *", "02:10:00");
        stage.pass(SECOND);
        stage.set("05:10:00");
        stage.pass(SECOND * 5);
        stage.set("02:10:10");
        stage.pass(HOUR);
        assert_eq!((stage.runs, stage.missed), (vec!["03:00:00".to_owned()], 1));
    }

    #[test]
    fn times_of_a_sleep_are_missed_and_counted_within_a_bound() {
        let mut stage = stage("* * * * * *", "00:00:00");
        stage.set("20:00:00");
        stage.pass(SECOND * 2);
        assert_eq!(stage.runs, ["20:00:01"]);
        assert_eq!(stage.missed, MOST_MISSED + 1, "more are not counted");
    }

    #[test]
    fn times_without_a_host_have_one_run_or_none() {
        let mut once = stage_after("0 * * * *", "06:30:00", Missed::Once, "02:00:00.010");
        once.pass(SECOND);
        assert_eq!((once.runs, once.missed), (vec!["06:00:00".to_owned()], 3));
        let mut skip = stage_after("0 * * * *", "06:30:00", Missed::Skip, "02:00:00.010");
        skip.pass(HOUR);
        assert_eq!((skip.runs, skip.missed), (vec!["07:00:00".to_owned()], 0));
        let mut none = stage_after("0 * * * *", "02:30:00", Missed::Once, "02:00:00.010");
        none.pass(SECOND);
        assert_eq!((none.runs, none.missed), (Vec::new(), 0), "nothing was missed");
    }

    #[test]
    fn time_that_had_its_run_has_no_other_after_a_start() {
        for missed in [Missed::Once, Missed::Skip] {
            let mut stage = stage_after("0 * * * *", "02:59:59", missed, "03:00:00.010");
            stage.pass(HOUR + SECOND * 2);
            assert_eq!(stage.runs, ["04:00:00"], "{missed:?}, by a clock that was set back a little");
        }
        let now = time("02:59:59");
        let schedule = Schedule::parse("0 * * * *", Zone::UTC).expect("a schedule");
        let wrong = Pace::new(schedule, now, (Missed::Once, Some(now + TimeDelta::days(300))));
        assert_eq!(wrong.due(), Some(time("03:00:00")), "a clock that was quite wrong silences nothing");
    }

    #[test]
    fn sleep_has_one_run_where_missed_times_have_one() {
        let mut stage = stage_after("* * * * * *", "00:00:00", Missed::Once, "00:00:00");
        stage.set("20:00:00");
        stage.pass(SECOND * 2);
        assert_eq!((stage.runs.len(), stage.missed), (2, MOST_MISSED));
    }

    #[test]
    fn late_look_runs_the_latest_time() {
        let mut stage = stage("* * * * * *", "00:00:00");
        stage.set("00:00:03.5");
        stage.pass(Duration::from_millis(400));
        assert_eq!((stage.runs, stage.missed), (vec!["00:00:03".to_owned()], 2));
    }
}
