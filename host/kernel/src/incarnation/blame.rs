//! The end of an incarnation by a crash or a kill: the message to blame, and the messages that are handled again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use tokio::time::Instant;

use crate::actor::reports::TaskDone;
use crate::dispatch::routing::entering::hold;
use crate::dispatch::routing::output::Output;
use crate::incarnation::behavior::Behavior;
use crate::incarnation::state::{Broken, End, Incarnation};
use crate::journal::order::{Draft, EntrySpace};
use crate::words::crash::{Crash, CrashReport, panic_message};
use crate::words::dead_letter::DeadReason;
use crate::words::event::{AboutMessage, LogEvent};
use crate::words::events::{ActorCrashed, DropPanicked, InstanceLost};
use crate::words::message::{Envelope, Message};

impl Incarnation {
    /// Decides which message is to blame, and which messages are handled again.
    pub(super) fn crashed(&self, crash: Crash, mut rest: Vec<Message>) -> End {
        let pending = self.shared.activity.guard();
        if crash.reason.is_of_another() {
            // The code has seen none of the messages.
            let report = self.report(crash, None, 0, false);
            self.put_back(rest, 0);
            return End::Crashed(report, pending);
        }
        let in_turn = !rest.is_empty();
        if rest.len() == 1 {
            let mut message = rest.remove(0);
            message.envelope.attempt += 1;
            let report = self.report(crash, Some(&message.envelope), 0, in_turn);
            let (asked, last) =
                (message.envelope.reply.is_ask(), message.envelope.attempt >= self.actor.spec.restart.attempts);
            let mut done = self.report_of_crash(&report, &message, message.envelope.attempt, asked || last);
            if asked || last {
                let why = if asked { DeadReason::AskCrashed } else { DeadReason::Crashed }(report.clone());
                let and = |draft: Option<&mut Draft<Output>>, _: &Message| self.call_back_later(draft, done.take());
                self.shared.routing.dead_letter_and(&self.actor, [message], &why, and);
            } else {
                self.note_attempt(&message, done);
                self.put_back(vec![message], 1);
            }
            return End::Crashed(report, pending);
        }
        // Askers get an error at once and may ask again; messages without an asker are handled again, alone.
        let (asks, tells): (Vec<_>, Vec<_>) = rest.into_iter().partition(|m| m.envelope.reply.is_ask());
        let report = self.report(crash, None, tells.len(), in_turn);
        let and = |draft: Option<&mut Draft<Output>>, ask: &Message| {
            self.call_back_later(draft, self.report_of_crash(&report, ask, ask.envelope.attempt + 1, true));
        };
        self.shared.routing.dead_letter_and(&self.actor, asks, &DeadReason::AskCrashed(report.clone()), and);
        let solo = tells.len();
        self.put_back(tells, solo);
        End::Crashed(report, pending)
    }

    /// Lets the attempts of a stored message outlive the host, with the report about this one.
    fn note_attempt(&self, message: &Message, done: Option<TaskDone>) {
        let routing = &self.shared.routing;
        match &routing.journal {
            Some(journal) if self.actor.mailbox.is_stored() => {
                let (id, now) = (self.actor.id, self.shared.wall_time(Instant::now()));
                routing.enter(journal, Some(id), EntrySpace::NONE, |draft| {
                    hold(draft, id, message, now);
                    self.call_back_later(Some(draft), done);
                });
            }
            _ => self.call_back_later(None, done),
        }
    }

    /// Returns messages to the front; `solo` of them are handled one at a time.
    pub(super) fn put_back(&self, messages: Vec<Message>, solo: usize) {
        if !messages.is_empty() {
            self.instance.backlog.lock().put_back(messages.into_iter(), solo);
        }
    }

    /// Returns messages of a call that a kill cut off; the code had started the first `tried` of them. That is not a failed
    /// attempt, but the dead letter of a message that is not handled after all counts it.
    pub(super) fn put_back_killed(&self, messages: Vec<Message>, tried: usize) {
        self.instance.backlog.lock().put_back_killed(messages, tried);
    }

    pub(super) fn failed_start(&self, broken: Broken) -> End {
        match broken {
            Broken::Killed => End::Stopped,
            Broken::Crash(crash) if crash.reason.is_of_another() => self.crashed(crash, Vec::new()),
            Broken::Crash(crash) => End::FailedStart(self.report(crash, None, 0, false)),
        }
    }

    pub(super) fn report(
        &self,
        crash: Crash,
        blamed: Option<&Envelope>,
        replayed: usize,
        in_turn: bool,
    ) -> Arc<CrashReport> {
        let message = blamed.map(AboutMessage::from);
        let flow = blamed.map(|envelope| (envelope.flow, envelope.hops));
        let blamed = blamed.map(|envelope| (envelope.id, envelope.attempt));
        let attempts = self.actor.spec.restart.attempts;
        self.actor.failures.crashed(&crash.reason);
        let report = CrashReport::new(self.actor.address().clone(), self.number, crash);
        let report = Arc::new(CrashReport { blamed, flow, attempts, replayed, in_turn, ..report });
        let before = self.instance.last_crash.lock().replace(report.clone());
        let again = before.is_some_and(|before| before.crash.backtrace == report.crash.backtrace);
        if report.crash.reason.is_of_another() {
            InstanceLost { subject: self.actor.about_run(self.number), crash: &report.crash.reason }.log();
            return report;
        }
        // The code's output on stderr is in the log already.
        let event = ActorCrashed {
            subject: (self.actor.about_run(self.number), message),
            reason: report.crash.reason.kind(),
            attempts: message.map(|_| attempts),
            replayed: Some(replayed).filter(|replayed| *replayed > 0),
            backtrace: if again { None } else { report.crash.logged_backtrace() },
            crash: &report.crash.reason,
        };
        event.log();
        report
    }

    /// Drops the code's state. A panic in its destructors is logged and does not reach the kernel.
    pub(super) fn discard(&self, behavior: Box<dyn Behavior>) {
        if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(|| drop(behavior))) {
            DropPanicked { subject: self.actor.about_run(self.number), panic: &panic_message(&*panic) }.log();
        }
    }
}
