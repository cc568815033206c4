//! The actions that the tree decides on, carried out: incarnations start, get signals, and are retired.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use tokio::time::Instant;

use crate::dispatch::policies::attend;
use crate::incarnation::{End, Incarnation};
use crate::mailbox::Signal;
use crate::supervision::events::{Action, Node, ROOT};
use crate::supervisor::command::{Command, Stage};
use crate::supervisor::failures::report_bug;
use crate::supervisor::role::Role;
use crate::supervisor::state::Supervisor;
use crate::words::crash::CrashReason;
use crate::words::decision::Decision;
use crate::words::event::LogEvent;
use crate::words::events::{ActorKilled, ActorRestarting};
use crate::words::notice::Change;

impl Supervisor {
    pub(super) fn carry_out(&mut self, action: Action) -> bool {
        match action {
            Action::Start(node, incarnation) => self.start(node, incarnation),
            Action::Stop { node, drain } => {
                let routing = &self.shared.routing;
                let leaves =
                    !routing.host_ends.load(Ordering::Acquire) && routing.registry.leaves(&self.role(node).actor);
                if let Some(role) = self.role_mut(node) {
                    // Stored messages wait for the next run, unless there is none for the actor.
                    let drain = drain && (leaves || !role.actor.mailbox.is_stored());
                    role.drains = drain;
                    role.signal(if drain { Signal::Drain } else { Signal::Stop });
                }
            }
            Action::Kill { node, late } => {
                if late {
                    self.shared.failed_shutdowns.fetch_add(1, Ordering::Relaxed);
                    ActorKilled { subject: self.role(node).about() }.log();
                }
                self.role(node).signal(Signal::Kill);
            }
            Action::Retire(node) => {
                self.retire(node);
                self.notice(node, || Change::Ended);
            }
            Action::Revive(node) => {
                let Role { actor, instance, .. } = self.role(node);
                if actor.mailbox.reopen(instance.index) {
                    attend(&self.shared, actor);
                }
                // It was the last instance that had ended beside a failed one.
                self.shared.routing.unmark_failed(actor);
                self.move_all_to_live_siblings(actor);
                let watcher = actor.id;
                self.look_again_at_watches_of(watcher);
            }
            Action::Forget(node) => {
                self.forget(node);
            }
            Action::Passivated(node) => self.passivated(node),
            Action::Waiting(node) => self.waiting(node),
            Action::RequestDirective { parent, child, incarnation, .. } => {
                self.request_directive(parent, child, incarnation);
            }
            Action::RestartIn { node, pause, window, strategy } => {
                self.shared.restarts.fetch_add(1, Ordering::Relaxed);
                let role = self.role(node);
                role.actor.failures.restarted();
                let decision = Decision::Restarts { pause, window, strategy };
                let report = self.verdicts.open(node);
                let crash = report.as_ref().map(|report| &report.crash.reason);
                let event = ActorRestarting {
                    subject: role.about(),
                    reason: crash.map(CrashReason::kind),
                    pause_seconds: pause.as_secs_f64(),
                    restarts: window.restarts,
                    intensity: window.intensity,
                    decision: &decision,
                };
                // One actor at fault may restart ten thousand others, and one line tells of them.
                if !crash.is_some_and(CrashReason::is_of_another) {
                    event.log();
                }
                let Role { actor, instance, .. } = role;
                *instance.back_at.lock() = Some(Instant::now() + pause);
                if let Some(back_at) = actor.back_at().filter(|_| !pause.is_zero()) {
                    self.shared.routing.asks.answer_those_before(actor.id, back_at, &actor.not_back_in_time());
                }
                self.verdicts.decided(node, decision);
            }
            Action::StartFailed(node) => self.start_failed(node),
            Action::GaveUp { node, child, why } => {
                if node == ROOT {
                    self.host_ends();
                }
                self.gave_up(node, child, why);
            }
            Action::Failed { node, why, trial_in } => self.failed(node, why, trial_in),
            Action::Reset(node) => self.reset(node),
            Action::Booted => {
                self.stage.send_if_modified(|stage| {
                    let starting = matches!(stage, Stage::Starting);
                    if starting {
                        *stage = Stage::Running;
                    }
                    starting
                });
            }
            Action::Over(gave_up) => {
                self.host_ends();
                for Role { actor, instance, .. } in self.roles.iter().flatten() {
                    // Messages in the store wait there.
                    let _ = self.shared.routing.retire(actor, instance, 0);
                }
                let failures = std::mem::take(&mut self.gave_up);
                self.stage.send_replace(if gave_up { Stage::GaveUp(failures) } else { Stage::Stopped });
                return true;
            }
        }
        false
    }

    /// From now on, stored messages that are left wait for the next run of the host.
    pub(super) fn host_ends(&self) {
        self.shared.routing.host_ends.store(true, Ordering::Release);
        self.shared.routing.kept_timers.wake();
        self.shared.routing.value_ends.changed.notify_one();
        if let Some(journal) = &self.shared.routing.journal {
            journal.ends();
        }
    }

    pub(super) fn retire(&mut self, node: Node) {
        let why = self.end_of(node);
        self.verdicts.decided(node, why);
        let Role { actor, instance, .. } = self.role(node);
        let unread = self.shared.routing.retire(actor, instance, self.live_instances(actor));
        if let Some(unread) = unread {
            self.shared.dead_letter_unread(actor, unread, actor.closed_because());
        }
    }

    /// `run`: the number of the run as the tree counts it. Operators see the actor's own number, which all its instances
    /// share.
    fn start(&mut self, node: Node, run: u64) {
        // A node that failed and starts without a decision was stopping: for an operator, with its parent, or with the play.
        let drains = matches!(*self.stage.borrow(), Stage::Stopping);
        self.verdicts.decided(node, if drains { Decision::Drains } else { Decision::Stopped });
        let Some(role) = self.role_mut(node) else { return };
        (role.runs, role.drains) = (true, false);
        role.handled_before = role.actor.handled();
        role.actor.mailbox.begin(role.instance.index);
        *role.instance.back_at.lock() = None;
        let number = role.actor.begin(&role.instance);
        if number > 1 {
            role.actor.count_orphans_out();
        }
        let role = role.clone();
        let (actor, instance) = (role.actor.clone(), role.instance.clone());
        let incarnation = Incarnation { shared: self.shared.clone(), actor, instance, number };
        let commands = self.commands.clone();
        self.beginning.push(Box::pin(async move {
            let started = || drop(commands.send(Command::Started(node, run)));
            let shared = incarnation.shared.clone();
            let end = AssertUnwindSafe(incarnation.run(started)).catch_unwind().await;
            let end =
                end.unwrap_or_else(|panic| End::Crashed(report_bug(&role, number, &*panic), shared.activity.guard()));
            // Its messages may have ended with it.
            shared.activity.changed();
            let _ = commands.send(Command::Ended(node, run, end));
        }));
    }
}
