//! Failures in the task: a parent is asked for a directive, a supervisor's failure gets its child's as its cause, and each
//! failure gets its decision.

use std::sync::Arc;

use crate::actor::directive_request::{ChildFailed, DirectiveRequest};
use crate::incarnation::End;
use crate::supervision::events::{Event, Node};
use crate::supervisor::command::Stage;
use crate::supervisor::role::Role;
use crate::supervisor::state::Supervisor;
use crate::words::address::Address;
use crate::words::crash::panic_message;
use crate::words::crash::{Crash, CrashReason, CrashReport};
use crate::words::decision::Decision;
use crate::words::event::LogEvent;
use crate::words::events::{KernelPanicked, PlayGaveUp, SupervisorGaveUp};
use crate::words::failure::{Fault, WhyGaveUp};

impl Supervisor {
    /// Sends a directive request to the parent, which runs: the tree asks only running parents.
    pub(super) fn request_directive(&self, parent: Node, child: Node, incarnation: u64) {
        let Some(report) = self.verdicts.open(child) else { return };
        let plugin = self.role(child).actor.spec.code.plugin().to_owned();
        let failure = ChildFailed { report, plugin, window: self.tree.window_of(child, self.now()) };
        let Role { actor, instance, .. } = self.role(parent);
        let (until, pending) =
            (self.shared.clock.running_later(actor.spec.limits.timeout), self.shared.activity.guard());
        instance.backlog.lock().rare.get_or_insert_default().request_directive(DirectiveRequest {
            failure,
            child,
            incarnation,
            until,
            pending,
        });
        actor.mailbox.nudge(instance.index);
    }

    /// Records the failure of a supervisor, with the failure of its child as the cause.
    pub(super) fn gave_up(&mut self, node: Node, child: Node, why: WhyGaveUp) {
        let cause = self.verdicts.open(child);
        let role = self.roles[node.index()].clone();
        let address = role.as_ref().map_or_else(Address::root, |role| role.actor.address().clone());
        let last = cause.as_ref().map(|report| format!("; the last: {report}")).unwrap_or_default();
        let crash = cause.as_ref().map(|report| report.crash.reason.kind());
        let (reason, failed) = (why.kind(), self.role(child));
        if let Some(role) = &role {
            let child = failed.actor.address().to_string();
            SupervisorGaveUp { subject: role.about(), reason, crash, child, why: &why, last: &last }.log();
        } else {
            PlayGaveUp { subject: failed.about(), reason, crash, why: &why, last: &last }.log();
        }
        self.verdicts.decided(child, Decision::GaveUp { supervisor: address.clone(), why });
        let Some(Role { instance, .. }) = role else {
            self.gave_up = match why {
                WhyGaveUp::AllFailed => self.last_failures(),
                _ => self.verdicts.of_the_kernel(self.role(child).actor.address(), why),
            };
            return;
        };
        let crash = Crash::new(CrashReason::Children { message: why.to_string() });
        let report = Arc::new(CrashReport { cause, ..CrashReport::new(address, instance.incarnation(), crash) });
        *instance.last_crash.lock() = Some(report.clone());
        self.notice_crash(node, &report.crash.reason);
        self.verdicts.failed(node, report);
    }

    /// The account of a run: the messages that its actor handled, and the fault of its crash.
    pub(super) fn account(&mut self, node: Node, end: &End) -> Event {
        let fault = match end {
            End::Crashed(report, _) => report.fault(),
            _ => Fault::Actor,
        };
        let Some(role) = self.role_mut(node) else { return Event::Account { node, handled: 0, fault } };
        let (id, all, began) = (role.actor.id, role.actor.handled(), role.handled_before);
        let several = role.actor.instances.len() > 1;
        // Accounts of other instances may have included some of these messages. With one instance, a run's account never
        // includes messages of earlier runs.
        let told = match end {
            End::Crashed(..) => self.accounted.insert(id, all),
            _ if several => self.accounted.insert(id, all),
            _ => self.accounted.get_mut(&id).map(|told| std::mem::replace(told, all)),
        };
        Event::Account { node, handled: all.saturating_sub(told.unwrap_or_default().max(began)), fault }
    }

    /// Keeps the play from being idle: an actor directly under `/` that has not started yet is tried again.
    pub(super) fn note_failed_start(&mut self, node: Node) {
        let Some(role) = self.role_mut(node) else { return };
        let is_top = role.actor.address().parent().is_some_and(|parent| parent.is_root());
        if is_top && !role.was_up {
            let pending = self.shared.activity.guard();
            self.coming_up.insert(node, pending);
        }
    }

    /// The decision for an actor that failed and does not start again.
    pub(super) fn end_of(&self, node: Node) -> Decision {
        let running = matches!(*self.stage.borrow(), Stage::Starting | Stage::Running) && self.gave_up.is_empty();
        if running { Decision::Ended(self.role(node).actor.spec.restart.kind) } else { Decision::Stopped }
    }
}

/// Reports a panic of the kernel itself while it ran an incarnation as a crash, so that the actor is restarted.
pub(super) fn report_bug(role: &Role, incarnation: u64, panic: &(dyn std::any::Any + Send)) -> Arc<CrashReport> {
    let message = format!("a bug in the kernel, please report it: {}", panic_message(panic));
    let subject = role.actor.about_run(incarnation);
    KernelPanicked { subject, reason: "panic", message: &message }.log();
    let crash = Crash::new(CrashReason::Panic { message });
    let report = Arc::new(CrashReport::new(role.actor.address().clone(), incarnation, crash));
    *role.instance.last_crash.lock() = Some(report.clone());
    report
}
