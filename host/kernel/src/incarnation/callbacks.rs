//! Reports to the code about the outcomes of its messages, between two calls; after a crash, in the next incarnation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::actor::reports::TaskDone;
use crate::incarnation::behavior::Behavior;
use crate::incarnation::state::{Broken, End, Incarnation};
use crate::turn::Hook;
use crate::words::crash::CrashReport;
use crate::words::message::Message;

impl Incarnation {
    /// Gives the code the reports that wait. `Err`: the incarnation ended.
    pub(super) async fn call_back(&self, behavior: &mut dyn Behavior) -> Result<(), End> {
        loop {
            let Some((done, _pending)) = self.instance.backlog.lock().take_reports(&self.shared.activity) else {
                return Ok(());
            };
            let (done, heard) = (Arc::new(done), Arc::new(AtomicBool::new(false)));
            let told = self.hook(behavior, Hook::TaskDone, None, |behavior| {
                behavior.turn().set_in_call(done.len());
                let (done, heard) = (done.clone(), heard.clone());
                Box::pin(async move {
                    behavior.task_done(&done).await?;
                    heard.store(true, Ordering::Relaxed);
                    Ok(())
                })
            });
            match told.await {
                Ok(()) => {}
                Err(Broken::Killed) => {
                    if !heard.load(Ordering::Relaxed) {
                        self.instance
                            .backlog
                            .lock()
                            .reports_not_told(&self.shared.activity, Arc::unwrap_or_clone(done));
                    }
                    return Err(End::Stopped);
                }
                Err(Broken::Crash(crash)) => {
                    self.instance.backlog.lock().reports_crashed(&self.shared.activity, Arc::unwrap_or_clone(done));
                    behavior.turn().end_timers();
                    return Err(self.crashed(crash, Vec::new()));
                }
            }
        }
    }

    /// Queues reports for the next incarnation about messages that ended with this one: the number of the attempt, and
    /// whether it was the last.
    pub(super) fn call_back_later<'a>(
        &self,
        report: &CrashReport,
        messages: impl IntoIterator<Item = (&'a Message, u32, bool)>,
    ) {
        if !self.actor.spec.code.calls_back() {
            return;
        }
        let reason = &report.crash.reason;
        let ended =
            |(message, attempt, last): (&Message, _, _)| TaskDone::crashed(message.envelope.id, attempt, reason, last);
        self.instance.backlog.lock().report(&self.shared.activity, messages.into_iter().map(ended));
    }
}
