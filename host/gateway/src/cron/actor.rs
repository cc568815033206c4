//! The actor of an entry, and its task, which waits for the times and sends the messages.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, FutureExt};
use playhouse_kernel::{
    AboutActor, Address, Failure, Incoming, Ingress, LogEvent, Message, Metadata, NativeActor, NativeContext,
    NativeResult,
};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::counts::CronCounts;
use super::delivery::{End, PATIENCE};
use super::pace::{Pace, Step};
use super::settings::{CronSettings, Overlap, WallClock, shown};
use super::settled::Settled;
use crate::events::{CronMissed, CronRefused, CronSkipped};
use crate::sparse::Sparse;
use crate::status::Statuses;

/// The name of the code in log lines, as the kernel makes it.
const PLUGIN: &str = "native:Cron";

/// The actor of an entry. Its task ends with its incarnation.
pub(super) struct Cron {
    settings: Arc<CronSettings>,
    statuses: Statuses,
    clock: WallClock,
    counts: Arc<CronCounts>,
    task: JoinSet<()>,
}

impl Cron {
    pub(super) fn new(
        settings: Arc<CronSettings>,
        statuses: Statuses,
        clock: WallClock,
        counts: Arc<CronCounts>,
    ) -> Self {
        Self { settings, statuses, clock, counts, task: JoinSet::new() }
    }
}

impl NativeActor for Cron {
    async fn init(&mut self, ctx: &mut NativeContext) -> NativeResult {
        let ingress = Arc::new(ctx.ingress());
        let kept = Settled::of(&self.settings, &ingress);
        let now = (self.clock)();
        let unreadable = |error| Failure::Retry(format!("the time of the last run cannot be read: {error}"));
        let settled = match &kept {
            Some(kept) => Some(kept.begin(&ingress, now).await.map_err(unreadable)?),
            None => None,
        };
        let task = Task {
            pace: Pace::new(self.settings.schedule.clone(), now, (self.settings.missed, settled)),
            kept,
            settings: self.settings.clone(),
            statuses: self.statuses.clone(),
            clock: self.clock.clone(),
            ingress,
            current: None,
            waiting: None,
            counts: self.counts.clone(),
            lines: Lines::default(),
            began: now,
        };
        self.task.spawn(ctx.task(task.run()));
        Ok(())
    }

    async fn msg_handler(&mut self, _: Message, ctx: &mut NativeContext) -> NativeResult {
        Err(Failure::Reject(format!("`{}` sends messages at times, and takes none", ctx.address())))
    }
}

/// The log lines of one entry, by kind.
#[derive(Default)]
struct Lines {
    skipped: Sparse,
    missed: Sparse,
    refused: Sparse,
}

struct Task {
    settings: Arc<CronSettings>,
    statuses: Statuses,
    clock: WallClock,
    ingress: Arc<Ingress>,
    pace: Pace,
    /// None without a store.
    kept: Option<Settled>,
    /// The message of the last run, until it has ended.
    current: Option<BoxFuture<'static, End>>,
    /// The time whose run waits for that end.
    waiting: Option<DateTime<Utc>>,
    counts: Arc<CronCounts>,
    lines: Lines,
    /// When this incarnation began: times before it came without it.
    began: DateTime<Utc>,
}

impl Task {
    async fn run(mut self) {
        self.say();
        loop {
            match self.pace.step((self.clock)(), Instant::now()) {
                Step::Wait(wait) => {
                    let end = async {
                        match &mut self.current {
                            Some(current) => current.await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        // A run that has ended makes way for the time that comes.
                        biased;
                        end = end => self.ended(end),
                        () = tokio::time::sleep(wait) => {}
                    }
                }
                Step::Come { run, first, missed } => {
                    self.missed(first, missed);
                    if let Some(due) = run {
                        self.come(due);
                    }
                    self.say();
                }
            }
        }
    }

    /// A time has come.
    fn come(&mut self, due: DateTime<Utc>) {
        if self.current.is_none() {
            self.start(due);
        } else if self.settings.overlap == Overlap::Queue && self.waiting.is_none() {
            self.waiting = Some(due);
        } else {
            if let Some(kept) = &self.kept {
                kept.skip(&self.ingress, (self.clock)());
            }
            self.counts.skipped.add(1);
            if let Some(left_out) = self.lines.skipped.pass(Instant::now()) {
                let (due, skipped) = (self.shown(due), self.counts.skipped.get());
                let receiver = self.settings.tell.as_str();
                CronSkipped {
                    subject: self.about(),
                    due: &due,
                    receiver,
                    skipped,
                    left_out: Some(left_out).filter(|lines| *lines > 0),
                }
                .log();
            }
        }
    }

    /// Begins the run of a time.
    fn start(&mut self, due: DateTime<Utc>) {
        let (ingress, settings, due) = (self.ingress.clone(), self.settings.clone(), self.shown(due));
        let kept = self.kept.clone().map(|kept| (kept, (self.clock)()));
        let run = async move {
            let metadata = metadata(&settings.address, &due);
            let message = Incoming::new(ingress.next_id(), &metadata, &settings.body);
            if let Some((kept, now)) = kept {
                return kept.tell(&ingress, &message, now).await;
            }
            let receipt = ingress.tell_with_receipt(&settings.tell, &message, PATIENCE).await?;
            Ok(receipt.ended().await)
        };
        // The message is sent by the task's next wait.
        self.current = Some(run.boxed());
    }

    /// The message of the last run has ended, or was refused.
    fn ended(&mut self, end: End) {
        self.current = None;
        match end {
            Ok(end) => {
                self.counts.runs.add(1);
                self.counts.failed.add(end.is_err().into());
            }
            Err(why) => {
                self.counts.refused.add(1);
                if let Some(left_out) = self.lines.refused.pass(Instant::now()) {
                    let (receiver, refused) = (self.settings.tell.as_str(), self.counts.refused.get());
                    CronRefused {
                        subject: self.about(),
                        receiver,
                        refused,
                        left_out: Some(left_out).filter(|lines| *lines > 0),
                        why: &why,
                    }
                    .log();
                }
            }
        }
        if let Some(due) = self.waiting.take() {
            self.start(due);
        }
        self.say();
    }

    fn missed(&mut self, first: DateTime<Utc>, count: u64) {
        if count == 0 {
            return;
        }
        self.counts.missed.add_many(count);
        if let Some(left_out) = self.lines.missed.pass(Instant::now()) {
            let why = if first <= self.began {
                "the host, or this entry, was not running"
            } else {
                "the machine slept, was too busy, or its clock was set forward"
            };
            let (first, missed) = (self.shown(first), self.counts.missed.get());
            CronMissed {
                subject: self.about(),
                first: &first,
                count,
                missed,
                left_out: Some(left_out).filter(|lines| *lines > 0),
                why,
            }
            .log();
        }
    }

    /// Shows the next time, and the counts.
    fn say(&self) {
        let next =
            self.pace.due().map_or_else(|| "no time comes".into(), |due| format!("next run {}", self.shown(due)));
        let state = match (&self.current, self.waiting) {
            (_, Some(_)) => ", one run waits",
            (Some(_), None) => ", the last run has not ended",
            (None, None) => "",
        };
        let counts = self.counts.to_string();
        let before = if counts.is_empty() { "" } else { "; " };
        self.statuses.set(&self.settings.address, format!("{next}{state}{before}{counts}"));
    }

    fn shown(&self, time: DateTime<Utc>) -> String {
        shown(time, self.settings.schedule.zone())
    }

    fn about(&self) -> AboutActor<'_> {
        AboutActor { address: &self.settings.address, plugin: PLUGIN }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.statuses.remove(&self.settings.address);
    }
}

/// The pairs beside a message: the entry, and the time that it has a run for.
fn metadata(entry: &Address, due: &str) -> Metadata {
    let mut metadata = Metadata::new();
    for (key, value) in [("cron", entry.name()), ("due", due)] {
        // Both are far below the limits on metadata.
        let _ = metadata.push(key, value);
    }
    metadata
}
