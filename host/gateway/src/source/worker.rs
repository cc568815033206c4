//! The task of a source that holds the connection to the broker: it connects, pulls what fits, keeps alive what was taken, and
//! tells the broker what has ended.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{AboutActor, Ingress, LogEvent, MessageId};
use tokio::sync::{mpsc, watch};

use super::kept::Kept;
use super::supply::{Connected, Handle, PLUGIN, SourceSettings, Supplier, Supply, Taken};
use super::table::{End, Ended, Table};
use crate::broker::{BrokerError, Pauses};
use crate::broker_events::{BrokerConnected, BrokerLost};
use crate::status::Statuses;
use crate::traffic::Counts;

/// The time for a connection, and for the calls of a broker that should return at once.
pub(super) const CALL_TIME: Duration = Duration::from_secs(10);
/// The pause before the space in the mailbox is looked at again.
const SPACE_PAUSE: Duration = Duration::from_millis(10);
/// The time that a pull has to return what it has when the source stops.
const LAST_PULL: Duration = Duration::from_millis(200);
/// Maximum number of messages of one pull.
const MOST_IN_PULL: usize = 1024;

/// The phase of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It pulls.
    Pull,
    /// It stops: it waits for the ends of what it took.
    Finish,
    /// The time is up: it gives back what has not ended.
    GiveBack,
}

/// The task with the connection.
pub(super) struct Worker {
    pub(super) settings: SourceSettings,
    pub(super) supply: Arc<dyn Supply>,
    pub(super) ingress: Arc<Ingress>,
    pub(super) table: Arc<Table>,
    pub(super) counts: Arc<Counts>,
    pub(super) statuses: Statuses,
    pub(super) phase: watch::Receiver<Phase>,
    /// Where the taken messages go. Dropped with the worker, which ends the other tasks.
    pub(super) taken: mpsc::UnboundedSender<Vec<Taken>>,
    pub(super) max_deliver: watch::Sender<Option<u32>>,
    /// None when the receiver's messages are in memory.
    pub(super) kept: Option<Arc<Kept>>,
}

impl Worker {
    /// Runs until the source stops.
    pub(super) async fn run(self) {
        let mut pauses = Pauses::of_connections();
        self.say("connects");
        self.counts.connected.set(false);
        loop {
            let connected = tokio::time::timeout(CALL_TIME, self.connect()).await;
            let error = match connected {
                Ok(Ok(connected)) => {
                    pauses.succeeded();
                    self.came_up();
                    match self.serve(connected).await {
                        Ok(()) => break,
                        Err(error) => {
                            self.counts.disconnects.add(1);
                            error
                        }
                    }
                }
                Ok(Err(error)) => error,
                Err(_) => BrokerError::plain(format!("no answer within {}s", CALL_TIME.as_secs())),
            };
            self.counts.connected.set(false);
            self.table.end_pulls();
            let pause = pauses.next();
            self.lost(&error, pause);
            // A message that ends in the meantime waits in the table. A stopping source tries as long as it has something to tell.
            let mut phase = self.phase.clone();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = comes(&mut phase, Phase::GiveBack) => break,
                () = finished(self.phase.clone(), &self.table) => break,
            }
        }
        self.counts.connected.clear();
        self.statuses.remove(&self.settings.address);
    }

    async fn connect(&self) -> Result<Connected, BrokerError> {
        if let Some(kept) = &self.kept {
            kept.read(&self.ingress, &*self.supply).await?;
        }
        self.supply.connect().await
    }

    fn say(&self, line: impl Into<String>) {
        self.statuses.set(&self.settings.address, line);
    }

    fn came_up(&self) {
        let (address, kind) = (&self.settings.address, self.supply.kind());
        self.say(format!("{kind}: connected{}", again(self.counts.disconnects.get())));
        self.counts.connected.set(true);
        let disconnects = self.counts.disconnects.get();
        BrokerConnected { subject: AboutActor { address, plugin: PLUGIN }, disconnects, kind }.log();
    }

    fn lost(&self, error: &BrokerError, pause: Duration) {
        let (address, kind) = (&self.settings.address, self.supply.kind());
        self.say(format!("{kind}: not connected: {error}{}", again(self.counts.disconnects.get())));
        let subject = AboutActor { address, plugin: PLUGIN };
        BrokerLost { subject, pause_seconds: pause.as_secs_f64(), kind, error: &error.to_string() }.log();
    }

    /// Uses a connection until it breaks (`Err`) or the source has stopped.
    async fn serve(&self, connected: Connected) -> Result<(), BrokerError> {
        let Connected { supplier, max_deliver, keep_alive, in_flight } = connected;
        self.max_deliver.send_replace(max_deliver);
        let most = self.settings.in_flight.min(in_flight.unwrap_or(usize::MAX)).max(1);
        if let Some(kept) = &self.kept {
            let begun = tokio::time::timeout(CALL_TIME, kept.begin(&self.ingress, &*supplier)).await;
            begun.unwrap_or_else(|_| Err(BrokerError::plain("no answer to an acknowledgement")))?;
        }
        // Before the first pull: what it returns again is known to be done.
        self.tell(&*supplier).await?;
        tokio::select! {
            broken = self.pull_all(&*supplier, most) => broken,
            broken = self.tell_all(&*supplier) => broken,
            broken = self.keep_all_alive(&*supplier, keep_alive) => broken,
            () = finished(self.phase.clone(), &self.table) => Ok(()),
        }
    }

    /// Pulls what fits, until the source stops; then it only waits.
    async fn pull_all(&self, supplier: &dyn Supplier, most: usize) -> Result<(), BrokerError> {
        let mut phase = self.phase.clone();
        while *phase.borrow() == Phase::Pull {
            let space = self.ingress.space(&self.settings.tell).saturating_sub(self.table.undelivered());
            let (outstanding, in_pull) = (self.table.outstanding(), most.min(MOST_IN_PULL));
            let free = most.saturating_sub(outstanding).min(in_pull);
            let fits = space.min(free);
            // Few large pulls cost a broker less than many small ones: it has other messages to work on in the meantime.
            if fits == 0 || outstanding > 0 && free < in_pull.div_ceil(2) {
                tokio::select! {
                    () = tokio::time::sleep(SPACE_PAUSE) => {}
                    () = self.table.changed.notified() => {}
                    () = comes(&mut phase, Phase::Finish) => {}
                }
                continue;
            }
            if let Some(kept) = &self.kept {
                kept.before_pull(&self.ingress, supplier).await?;
            }
            self.table.begin_pull();
            let mut pull = supplier.pull(fits);
            let pulled = tokio::select! {
                pulled = &mut pull => pulled?,
                () = comes(&mut phase, Phase::Finish) => {
                    // A message on its way comes within this time; later the broker delivers it again.
                    tokio::time::timeout(LAST_PULL, pull).await.unwrap_or(Ok(Vec::new()))?
                }
            };
            let all = pulled.len();
            self.counts.messages.add(all);
            self.counts.missing.add(supplier.missing());
            let mut known = Vec::new();
            let mut new = Vec::with_capacity(all);
            for taken in pulled {
                let is_known = self.kept.as_ref().is_some_and(|kept| kept.knows(&self.ingress, taken.id));
                let is_new = self.table.admit(&taken);
                match (is_new, is_known) {
                    (true, false) => new.push(taken),
                    (true, true) => known.push(taken.id),
                    (false, _) => self.counts.repeated.add(1),
                }
            }
            let _ = self.taken.send(new);
            self.end_known(known).await;
        }
        self.table.end_pulls();
        std::future::pending().await
    }

    /// Ends messages that are in the store already, or on their way there.
    async fn end_known(&self, known: Vec<MessageId>) {
        if known.is_empty() {
            return;
        }
        let is_kept = self.ingress.wait_durable().await.is_ok();
        self.counts.repeated.add(known.len());
        for id in known {
            self.table.delivered();
            self.table.end(id, if is_kept { End::Handled } else { End::GivenBack });
        }
    }

    /// Tells the broker of each message that ended.
    async fn tell_all(&self, supplier: &dyn Supplier) -> Result<(), BrokerError> {
        let mut phase = self.phase.clone();
        let mut is_late = false;
        loop {
            tokio::select! {
                () = self.table.ended.notified() => {}
                () = comes(&mut phase, Phase::GiveBack), if !is_late => {
                    is_late = true;
                    self.table.give_all_back();
                }
            }
            // The ends of one turn come one after another: the broker is told of them together.
            tokio::task::yield_now().await;
            self.tell(supplier).await?;
        }
    }

    async fn tell(&self, supplier: &dyn Supplier) -> Result<(), BrokerError> {
        let ended = self.table.take_ended();
        if ended.is_empty() {
            self.table.told();
            return Ok(());
        }
        let told = match tokio::time::timeout(CALL_TIME, self.tell_of(supplier, &ended)).await {
            Ok(told) => told,
            Err(_) => Err(BrokerError::plain("no answer to an acknowledgement")),
        };
        match told {
            Ok(()) => self.table.told(),
            Err(_) => self.table.not_told(ended),
        }
        told
    }

    async fn tell_of(&self, supplier: &dyn Supplier, all: &[Ended]) -> Result<(), BrokerError> {
        let with = |wanted: &End| -> Vec<Handle> {
            let some = all.iter().filter(|ended| ended.end == *wanted);
            some.flat_map(|ended| ended.handles.iter().map(|(_, handle)| handle.clone())).collect()
        };
        let (handled, back) = (with(&End::Handled), with(&End::GivenBack));
        if !handled.is_empty() {
            supplier.ack(&handled).await?;
            self.counts.done.add(handled.len());
        }
        for Ended { handles, end, .. } in all {
            if let End::Refused(why) = end {
                let handles: Vec<_> = handles.iter().map(|(_, handle)| handle.clone()).collect();
                supplier.refuse(&handles, why).await?;
                self.counts.done.add(handles.len());
            }
        }
        if let Some(kept) = &self.kept {
            kept.confirmed(all.iter().filter(|ended| ended.end != End::GivenBack).map(|ended| ended.id));
        }
        if !back.is_empty() {
            supplier.give_back(&back).await?;
            self.counts.given_back.add(back.len());
        }
        Ok(())
    }

    /// Tells the broker in time of all messages that have not ended.
    async fn keep_all_alive(&self, supplier: &dyn Supplier, period: Option<Duration>) -> Result<(), BrokerError> {
        let Some(period) = period else { return std::future::pending().await };
        loop {
            tokio::time::sleep(period).await;
            let handles = self.table.handles();
            if handles.is_empty() {
                continue;
            }
            match tokio::time::timeout(CALL_TIME, supplier.keep_alive(&handles)).await {
                Ok(kept) => kept?,
                Err(_) => return Err(BrokerError::plain("no answer to a sign of life")),
            }
        }
    }
}

/// Waits for a phase, or a later one. A source that is gone is in its last.
async fn comes(phase: &mut watch::Receiver<Phase>, awaited: Phase) {
    drop(phase.wait_for(|phase| *phase >= awaited).await);
}

/// Waits until the source stops and the broker knows of all that it took.
async fn finished(mut phase: watch::Receiver<Phase>, table: &Table) {
    comes(&mut phase, Phase::Finish).await;
    loop {
        let changed = table.changed.notified();
        if table.is_finished() {
            return;
        }
        changed.await;
    }
}

fn again(disconnects: u64) -> String {
    if disconnects == 0 { String::new() } else { format!(", connection lost {disconnects} times") }
}
