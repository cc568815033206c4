//! Reports to the code about the outcomes of its messages, between two calls; after a crash, in the next incarnation. Those of a stored
//! actor are in the store until the code has got them.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::actor::reports::{Report, TaskDone};
use crate::dispatch::routing::output::Output;
use crate::incarnation::behavior::Behavior;
use crate::incarnation::state::{Broken, End, Incarnation};
use crate::journal::order::{Draft, EntrySpace};
use crate::turn::Hook;
use crate::words::crash::CrashReport;
use crate::words::message::Message;

impl Incarnation {
    /// Gives the code the reports that wait. `Err`: the incarnation ended.
    pub(super) async fn call_back(&self, behavior: &mut dyn Behavior) -> Result<(), End> {
        loop {
            if !self.instance.backlog.lock().has_reports() {
                return Ok(());
            }
            if self.wait_reportable().await.is_err() {
                return Err(End::Stopped);
            }
            let Some((reports, _pending)) = self.instance.backlog.lock().take_reports(&self.shared.activity) else {
                return Ok(());
            };
            let (numbers, done): (Vec<_>, Vec<_>) =
                reports.into_iter().map(|report| (report.number, report.done)).unzip();
            let (done, heard) = (Arc::new(done), Arc::new(AtomicBool::new(false)));
            let told = self.hook(behavior, Hook::TaskDone, None, |behavior| {
                behavior.turn().set_in_call(done.len());
                let (done, heard, numbers) = (done.clone(), heard.clone(), numbers.clone());
                Box::pin(async move {
                    behavior.task_done(&done).await?;
                    behavior.turn().note_told(numbers);
                    heard.store(true, Ordering::Relaxed);
                    Ok(())
                })
            });
            let told = told.await;
            let reports = || {
                let done = Arc::unwrap_or_clone(done);
                done.into_iter().zip(numbers).map(|(done, number)| Report { done, number }).collect::<Vec<_>>()
            };
            match told {
                Ok(()) => {}
                Err(Broken::Killed) => {
                    if !heard.load(Ordering::Relaxed) {
                        self.instance.backlog.lock().reports_not_told(&self.shared.activity, reports());
                    }
                    return Err(End::Stopped);
                }
                Err(Broken::Crash(crash)) => {
                    let reports = reports();
                    if crash.reason.is_of_another() {
                        self.instance.backlog.lock().reports_not_told(&self.shared.activity, reports);
                    } else {
                        self.end_crashed(&reports);
                        self.instance.backlog.lock().reports_crashed(&self.shared.activity, reports);
                    }
                    behavior.turn().end_timers();
                    return Err(self.crashed(crash, Vec::new()));
                }
            }
        }
    }

    /// Waits until the code may get reports. Code that reaches outside gets those about what is durable.
    async fn wait_reportable(&self) -> Result<(), Broken> {
        if !self.actor.mailbox.is_stored() || !self.actor.spec.reaches_outside {
            return Ok(());
        }
        let durable = pin!(async {
            if !self.shared.routing.all_durable().await {
                // The store has failed, and the play ends: a signal comes.
                std::future::pending::<()>().await;
            }
        });
        self.unless_killed(durable).await
    }

    /// A report that crashed the code alone counts as given.
    fn end_crashed(&self, reports: &[Report]) {
        if let [Report { number: number @ 1.., .. }] = *reports
            && let Some(journal) = &self.shared.routing.journal
        {
            let (routing, id) = (&self.shared.routing, self.actor.id);
            let end = |draft: &mut Draft<Output>| routing.kept_reports.end(draft, id, [number]);
            routing.enter(journal, Some(id), EntrySpace::NONE, end);
        }
    }

    /// The report about a message that ended with this incarnation; none for code that wants no reports. `attempt`: its number. `last`:
    /// whether it was the last one.
    pub(super) fn report_of_crash(
        &self,
        report: &CrashReport,
        message: &Message,
        attempt: u32,
        last: bool,
    ) -> Option<TaskDone> {
        let calls_back = self.actor.spec.code.calls_back();
        calls_back.then(|| TaskDone::crashed(message.envelope.id, attempt, &report.crash.reason, last))
    }

    /// Queues a report for the next incarnation; if the actor is stored, as a part of the entry in which the attempt ends.
    pub(super) fn call_back_later(&self, draft: Option<&mut Draft<Output>>, done: Option<TaskDone>) {
        let Some(done) = done else { return };
        let report = match draft {
            Some(draft) if self.actor.keeps_watches() => {
                self.shared.routing.kept_reports.keep(draft, self.actor.id, done)
            }
            _ => done.into(),
        };
        self.instance.backlog.lock().report(&self.shared.activity, [report]);
    }
}
