//! The native actor of a source: it owns the tasks, and stops them in order.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{Failure, Message, NativeActor, NativeContext, NativeResult};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::deliver::{Awaited, Deliverer, collect};
use super::kept::Kept;
use super::supply::{SourceSettings, Supply};
use super::table::Table;
use super::worker::{Phase, Worker};
use crate::status::Statuses;
use crate::traffic::Counts;

/// The share of the time to stop in which what was taken is still handled. In the rest, what is left is given back.
const HANDLING_SHARE: f64 = 0.75;

/// One incarnation of a source.
pub(super) struct Source {
    settings: SourceSettings,
    supply: Arc<dyn Supply>,
    statuses: Statuses,
    counts: Arc<Counts>,
    /// The time to stop.
    stop: Duration,
    phase: watch::Sender<Phase>,
    /// The task with the connection. All tasks are aborted when the actor is dropped.
    worker: JoinSet<()>,
    tasks: JoinSet<()>,
}

impl Source {
    pub(super) fn new(
        settings: SourceSettings,
        supply: Arc<dyn Supply>,
        statuses: Statuses,
        counts: Arc<Counts>,
        stop: Duration,
    ) -> Self {
        let (phase, _) = watch::channel(Phase::Pull);
        Self { settings, supply, statuses, counts, stop, phase, worker: JoinSet::new(), tasks: JoinSet::new() }
    }

    /// Starts the tasks.
    fn start(&mut self, ctx: &NativeContext) {
        let ingress = Arc::new(ctx.ingress());
        let table: Arc<Table> = Arc::default();
        let (taken, to_deliver) = mpsc::unbounded_channel();
        let (turns, ended) = mpsc::unbounded_channel();
        let (disk, to_be_durable) = mpsc::unbounded_channel();
        let (max_deliver, current) = watch::channel(None);
        let is_stored = ingress.is_stored(&self.settings.tell);
        let kept = is_stored.then(|| Arc::new(Kept::new(&self.settings, &*self.supply)));
        let deliverer = Deliverer {
            settings: self.settings.clone(),
            ingress: ingress.clone(),
            table: table.clone(),
            counts: self.counts.clone(),
            max_deliver: current,
            kept: kept.clone(),
        };
        let worker = Worker {
            settings: self.settings.clone(),
            supply: self.supply.clone(),
            ingress,
            table: table.clone(),
            counts: self.counts.clone(),
            statuses: self.statuses.clone(),
            phase: self.phase.subscribe(),
            taken,
            max_deliver,
            kept,
        };
        self.tasks.spawn(ctx.task(deliverer.run(to_deliver, Awaited { turns, disk })));
        self.tasks.spawn(ctx.task(collect(table, ended, to_be_durable)));
        self.worker.spawn(ctx.task(worker.run()));
    }

    /// Waits until the broker knows of all that was taken.
    async fn worker_ended(&mut self) {
        let _ = self.worker.join_next().await;
    }
}

impl NativeActor for Source {
    async fn init(&mut self, ctx: &mut NativeContext) -> NativeResult {
        self.start(ctx);
        Ok(())
    }

    async fn msg_handler(&mut self, _: Message, ctx: &mut NativeContext) -> NativeResult {
        Err(Failure::Reject(format!("`{}` is a source, and takes no messages", ctx.address())))
    }

    async fn shutdown(&mut self, _: &mut NativeContext) -> NativeResult {
        self.phase.send_replace(Phase::Finish);
        if tokio::time::timeout(self.stop.mul_f64(HANDLING_SHARE), self.worker_ended()).await.is_err() {
            self.phase.send_replace(Phase::GiveBack);
            self.worker_ended().await;
        }
        Ok(())
    }
}
