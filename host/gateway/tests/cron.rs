//! Cron in a running kernel, on paused time and with a calendar clock that the test sets.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use playhouse_gateway::cron::{CronSettings, Missed, Overlap, Schedule, WallClock, place_with_clock, zone};
use playhouse_gateway::{Common, Placed, Statuses};
use playhouse_kernel::{
    ActorSpec, Address, Failure, JournalEntry, Keep, Kernel, MemoryStore, Message, NativeActor, NativeContext,
    NativeLauncher, NativeResult, Op, Plan,
};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// The calendar: real time from a beginning, moved by what the test sets.
#[derive(Clone)]
struct Calendar {
    begin: DateTime<Utc>,
    started: Instant,
    moved_ms: Arc<AtomicI64>,
    /// The number of looks that panic.
    panics: Arc<AtomicI64>,
}

impl Calendar {
    fn at(begin: &str) -> Self {
        let begin = begin.parse().unwrap();
        Self { begin, started: Instant::now(), moved_ms: Arc::default(), panics: Arc::default() }
    }

    fn now(&self) -> DateTime<Utc> {
        let moved = TimeDelta::milliseconds(self.moved_ms.load(Ordering::Relaxed));
        self.begin + TimeDelta::from_std(self.started.elapsed()).unwrap() + moved
    }

    fn set(&self, now: &str) {
        let moved = now.parse::<DateTime<Utc>>().unwrap() - self.now();
        self.moved_ms.fetch_add(moved.num_milliseconds(), Ordering::Relaxed);
    }

    fn clock(&self) -> WallClock {
        let calendar = self.clone();
        Arc::new(move || {
            let panics = calendar.panics.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n > 0).then(|| n - 1));
            assert!(panics.is_err(), "as told");
            calendar.now()
        })
    }
}

/// Notes what comes, and handles each message when the test gives a permit.
#[derive(Clone)]
struct Receiver {
    came: Arc<Mutex<Vec<String>>>,
    permits: Arc<Semaphore>,
    calendar: Calendar,
    /// How late the messages came, at most.
    latest: Arc<Mutex<TimeDelta>>,
}

impl NativeActor for Receiver {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let pair = |key: &str| msg.metadata().get(key).unwrap_or_default().to_owned();
        let due = pair("due");
        let late = self.calendar.now() - due.parse::<DateTime<Utc>>()?;
        let latest = *self.latest.lock();
        *self.latest.lock() = latest.max(late);
        let (sender, body) = (ctx.sender().unwrap(), String::from_utf8_lossy(&msg.body).into_owned());
        self.came.lock().push(format!("{sender} {} {due} {body}", pair("cron")));
        self.permits.acquire().await?.forget();
        if body == "bad" { Err(Failure::Reject("bad".into())) } else { Ok(()) }
    }
}

struct Stage {
    kernel: Kernel,
    receiver: Receiver,
    statuses: Statuses,
    calendar: Calendar,
    /// The gateways read it until the end of the test.
    _draining: watch::Sender<bool>,
}

impl Stage {
    async fn start(
        begin: &str,
        schedule: &str,
        in_zone: &str,
        body: &str,
        overlap: Overlap,
        configure: fn(&mut ActorSpec),
    ) -> Self {
        let calendar = Calendar::at(begin);
        let receiver = Receiver {
            came: Arc::default(),
            permits: Arc::new(Semaphore::new(0)),
            calendar: calendar.clone(),
            latest: Arc::default(),
        };
        let (draining, drains) = watch::channel(false);
        let common = Common::new(Statuses::default(), drains);
        let settings = CronSettings {
            missed: Missed::Skip,
            address: Address::parse("/gate/tick").unwrap(),
            schedule: Schedule::parse(schedule, zone(in_zone).unwrap()).unwrap(),
            tell: Address::parse("/report").unwrap(),
            body: body.as_bytes().into(),
            overlap,
        };
        let mut placed = Placed::default();
        place_with_clock(&[settings], &common, &calendar.clock(), &mut placed);
        let made = receiver.clone();
        let mut report = ActorSpec::new(Address::parse("/report").unwrap(), NativeLauncher::new(move || made.clone()));
        report.limits.timeout = Duration::from_hours(1000);
        configure(&mut report);
        let mut actors = vec![report];
        actors.extend(placed.gates);
        let kernel = Kernel::start(&Plan { actors, ..Plan::default() }).unwrap();
        kernel.wait_booted().await;
        Self { kernel, receiver, statuses: common.statuses, calendar, _draining: draining }
    }

    async fn seconds(begin: &str, overlap: Overlap) -> Self {
        Self::start(begin, "* * * * * *", "UTC", "run", overlap, |_| ()).await
    }

    fn status(&self) -> String {
        self.statuses.get(&Address::parse("/gate/tick").unwrap()).unwrap()
    }

    /// The times that came, as they are shown.
    fn dues(&self) -> Vec<String> {
        self.receiver.came.lock().iter().map(|line| line.split(' ').nth(2).unwrap().to_owned()).collect()
    }
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

#[tokio::test(start_paused = true)]
async fn message_says_its_entry_and_its_time() {
    let stage = Stage::start("2026-06-01T00:59:30Z", "0 3 * * *", "Europe/Berlin", "run", Overlap::Skip, |_| ()).await;
    stage.receiver.permits.add_permits(10);
    assert_eq!(stage.status(), "next run 2026-06-01T03:00:00+02:00");
    pass(SECOND * 31).await;
    assert_eq!(*stage.receiver.came.lock(), ["/gate/tick tick 2026-06-01T03:00:00+02:00 run"]);
    assert_eq!(stage.status(), "next run 2026-06-02T03:00:00+02:00; 1 run");
}

#[tokio::test(start_paused = true)]
async fn messages_come_within_50_ms_of_their_times() {
    let stage = Stage::seconds("2026-06-01T00:00:00.4Z", Overlap::Skip).await;
    stage.receiver.permits.add_permits(1000);
    pass(SECOND * 300).await;
    assert_eq!(stage.dues().len(), 300);
    assert!(*stage.receiver.latest.lock() <= TimeDelta::milliseconds(2), "{:?}", stage.receiver.latest.lock());
}

#[tokio::test(start_paused = true)]
async fn fixed_time_runs_once_in_both_changes_of_berlin() {
    for (begin, dues) in [
        ("2026-03-28T12:00:00Z", ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]),
        ("2026-10-24T12:00:00Z", ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]),
    ] {
        let stage = Stage::start(begin, "30 2 * * *", "Europe/Berlin", "run", Overlap::Skip, |_| ()).await;
        stage.receiver.permits.add_permits(10);
        pass(HOUR * 47).await;
        assert_eq!(stage.dues(), dues);
    }
}

#[tokio::test(start_paused = true)]
async fn time_is_skipped_while_the_last_message_has_not_ended() {
    let stage = Stage::seconds("2026-06-01T00:00:00Z", Overlap::Skip).await;
    pass(SECOND * 3 + MS * 500).await;
    assert_eq!(stage.dues(), ["2026-06-01T00:00:01Z"]);
    assert_eq!(stage.status(), "next run 2026-06-01T00:00:04Z, the last run has not ended; 2 skipped");
    stage.receiver.permits.add_permits(1);
    pass(SECOND).await;
    assert_eq!(stage.dues(), ["2026-06-01T00:00:01Z", "2026-06-01T00:00:04Z"]);
}

#[tokio::test(start_paused = true)]
async fn queue_keeps_one_run_for_the_end_of_the_last() {
    let stage = Stage::seconds("2026-06-01T00:00:00Z", Overlap::Queue).await;
    pass(SECOND * 4 + MS * 500).await;
    assert_eq!(stage.dues(), ["2026-06-01T00:00:01Z"]);
    assert_eq!(stage.status(), "next run 2026-06-01T00:00:05Z, one run waits; 2 skipped");
    stage.receiver.permits.add_permits(1);
    pass(MS).await;
    assert_eq!(stage.dues(), ["2026-06-01T00:00:01Z", "2026-06-01T00:00:02Z"]);
}

#[tokio::test(start_paused = true)]
async fn message_that_waits_in_a_stopped_actor_has_not_ended() {
    let stage = Stage::seconds("2026-06-01T00:00:00Z", Overlap::Skip).await;
    stage.receiver.permits.add_permits(100);
    stage.kernel.halt(&Address::parse("/report").unwrap()).await;
    pass(SECOND * 10 + MS).await;
    assert!(stage.status().ends_with("the last run has not ended; 9 skipped"), "{}", stage.status());
    stage.kernel.resume(&Address::parse("/report").unwrap()).await;
    pass(MS * 10).await;
    assert_eq!(stage.dues(), ["2026-06-01T00:00:01Z"]);
}

#[tokio::test(start_paused = true)]
async fn letter_is_an_end_and_counts_as_failed() {
    let stage = Stage::start("2026-06-01T00:00:00Z", "* * * * * *", "UTC", "bad", Overlap::Skip, |_| ()).await;
    stage.receiver.permits.add_permits(10);
    pass(SECOND * 2 + MS * 500).await;
    assert_eq!(stage.status(), "next run 2026-06-01T00:00:03Z; 2 runs, 2 failed");
    assert_eq!(stage.kernel.dead_letters().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn refused_messages_are_counted() {
    let small = |spec: &mut ActorSpec| spec.limits.message_bytes = 1;
    let stage = Stage::start("2026-06-01T00:00:00Z", "* * * * * *", "UTC", "run", Overlap::Skip, small).await;
    pass(SECOND * 2 + MS * 500).await;
    assert_eq!(stage.status(), "next run 2026-06-01T00:00:03Z; 2 refused");
}

#[tokio::test(start_paused = true)]
async fn clock_that_is_set_neither_silences_nor_repeats() {
    let stage = Stage::seconds("2026-06-01T00:00:00Z", Overlap::Skip).await;
    stage.receiver.permits.add_permits(1000);
    pass(SECOND * 2 + MS * 500).await;
    stage.calendar.set("2026-05-01T00:00:00.5Z");
    pass(SECOND * 3).await;
    stage.calendar.set("2026-07-01T00:00:00.5Z");
    pass(SECOND * 3).await;
    let dues = stage.dues();
    assert_eq!(dues[..2], ["2026-06-01T00:00:01Z", "2026-06-01T00:00:02Z"]);
    assert_eq!(dues.iter().filter(|due| due.starts_with("2026-05-01")).count(), 2, "{dues:?}");
    assert_eq!(dues.iter().filter(|due| due.starts_with("2026-07-01")).count(), 2, "{dues:?}");
    let mut unique = dues.clone();
    unique.dedup();
    assert_eq!(unique, dues);
}

#[tokio::test(start_paused = true)]
async fn status_and_task_go_with_the_play() {
    let stage = Stage::seconds("2026-06-01T00:00:00Z", Overlap::Skip).await;
    stage.receiver.permits.add_permits(1000);
    stage.kernel.shut_down();
    stage.kernel.wait_stopped().await;
    assert_eq!(stage.statuses.get(&Address::parse("/gate/tick").unwrap()), None);
    let came = stage.dues().len();
    pass(SECOND * 10).await;
    assert_eq!(stage.dues().len(), came);
}

#[tokio::test(start_paused = true)]
async fn panic_in_an_entry_restarts_it_and_its_times_go_on() {
    let stage = Stage::seconds("2026-06-01T00:00:00Z", Overlap::Skip).await;
    stage.receiver.permits.add_permits(100);
    pass(SECOND * 2 + MS * 500).await;
    stage.calendar.panics.store(1, Ordering::Relaxed);
    pass(SECOND * 3).await;
    assert_eq!(stage.calendar.panics.load(Ordering::Relaxed), 0, "it crashed");
    let expected: Vec<_> = (1..=5).map(|n| format!("2026-06-01T00:00:0{n}Z")).collect();
    assert_eq!(stage.dues()[..2], expected[..2]);
    assert!(stage.dues().ends_with(&expected[3..]), "the entry goes on: {:?}", stage.dues());
    assert_eq!((stage.kernel.dead_letters().len(), stage.status().starts_with("next run")), (0, true));
}

#[tokio::test(start_paused = true)]
async fn message_to_an_entry_is_a_dead_letter() {
    let stage = Stage::seconds("2026-06-01T00:00:00Z", Overlap::Skip).await;
    stage.kernel.tell(&Address::parse("/gate/tick").unwrap(), b"x", SECOND).await.unwrap();
    pass(MS * 10).await;
    assert_eq!(stage.kernel.dead_letters()[0].reason.kind(), "rejected");
}

/// One life of a host on a store, which is killed at its end. Returns the times that came, without the date.
async fn life(store: &MemoryStore, keep: Keep, missed: Missed, (begin, lasts): (&str, Duration)) -> Vec<String> {
    let calendar = Calendar::at(begin);
    let receiver = Receiver {
        came: Arc::default(),
        permits: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        calendar: calendar.clone(),
        latest: Arc::default(),
    };
    let (_draining, drains) = watch::channel(false);
    let common = Common::new(Statuses::default(), drains);
    let settings = CronSettings {
        missed,
        address: Address::parse("/gate/tick").unwrap(),
        schedule: Schedule::parse("0 * * * *", zone("UTC").unwrap()).unwrap(),
        tell: Address::parse("/report").unwrap(),
        body: b"run"[..].into(),
        overlap: Overlap::Skip,
    };
    let mut placed = Placed::default();
    place_with_clock(&[settings], &common, &calendar.clock(), &mut placed);
    let came = receiver.came.clone();
    let code = NativeLauncher::new(move || receiver.clone());
    let mut report = ActorSpec::new(Address::parse("/report").unwrap(), code);
    report.mailbox.keep = keep;
    let mut actors = vec![report];
    actors.extend(placed.gates);
    let kernel = Kernel::open(&Plan { actors, ..Plan::default() }, Arc::new(store.clone())).await.unwrap();
    kernel.wait_booted().await;
    pass(lasts).await;
    kernel.wait_idle().await;
    kernel.kill();
    kernel.wait_stopped().await;
    let came = came.lock();
    came.iter().map(|line| line.split(' ').nth(2).unwrap()[11..19].to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn times_without_a_host_have_one_run_together_with_once() {
    for keep in [Keep::Stored, Keep::Memory] {
        let store = MemoryStore::new();
        let first = life(&store, keep, Missed::Once, ("2026-03-01T01:30:00Z", HOUR)).await;
        assert_eq!(first, ["02:00:00"], "nothing was missed before the first start");
        let second = life(&store, keep, Missed::Once, ("2026-03-01T06:30:00Z", HOUR)).await;
        assert_eq!(second, ["06:00:00", "07:00:00"]);
        let third = life(&store, keep, Missed::Once, ("2026-03-01T07:59:59Z", SECOND / 2)).await;
        assert_eq!(third, [""; 0], "nothing was missed");
        let fourth = life(&store, keep, Missed::Skip, ("2026-03-01T12:30:00Z", HOUR)).await;
        assert_eq!(fourth, ["13:00:00"]);
    }
}

#[tokio::test(start_paused = true)]
async fn no_time_has_two_runs_over_kills() {
    for keep in [Keep::Stored, Keep::Memory] {
        let store = MemoryStore::new();
        let mut came = Vec::new();
        for begin in ["02:59:59.900", "03:00:00.200", "02:59:59.500", "03:00:00"] {
            let begin = format!("2026-03-01T{begin}Z");
            came.extend(life(&store, keep, Missed::Once, (&begin, SECOND)).await);
        }
        assert_eq!(came, ["03:00:00"], "{keep:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn time_enters_with_its_message() {
    let store = MemoryStore::new();
    life(&store, Keep::Stored, Missed::Skip, ("2026-03-01T02:59:59Z", SECOND * 2)).await;
    let entries: Vec<_> = store.history().iter().flat_map(|group| group.entries.clone()).collect();
    let together = |entry: &JournalEntry| {
        let has = |wanted: fn(&Op) -> bool| entry.ops.iter().any(wanted);
        has(|op| matches!(op, Op::Put { .. })) && has(|op| matches!(op, Op::Origin { .. }))
    };
    assert_eq!(entries.iter().filter(|entry| together(entry)).count(), 1);
}
