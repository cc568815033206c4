//! The reason that holds for an instance: the marks of its waits first, then its state in the tree.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::host_waits::Obstacle;
use crate::actor::instance::Instance;
use crate::dispatch::Shared;
use crate::kernel::wait_chain::reason::{Finding, Reason};
use crate::supervisor::{Stands, StandsInstance};
use crate::words::state::State;

/// The part of the host that a shared instance is, in a wait for it.
const SHARED_INSTANCE: &str = "shared instance";

/// Looks at actors at one moment.
pub(super) struct Finder<'a> {
    pub(super) shared: &'a Shared,
    pub(super) now: Instant,
}

/// A reason, since when it holds, and the actor that it leads to.
type Found = (Reason, Option<Duration>, Option<Arc<Actor>>);

impl Finder<'_> {
    /// The reasons of all instances, the worst first, and the actor for which the worst one waits. `is_asked`: whether another actor
    /// waits for an answer of this one.
    pub(super) fn findings(&self, stands: &Stands, is_asked: bool) -> (Vec<Finding>, Option<Arc<Actor>>) {
        let actor = &*stands.actor;
        if actor.is_head() {
            let finding = Finding { state: stands.state, lasts: None, reason: Reason::Family };
            return (vec![finding], longest_waiting_member(actor));
        }
        let found = stands.instances.iter().map(|instance| {
            let (mut reason, mut lasts, mut next) = self.found(actor, instance);
            if let Reason::Idle | Reason::Passivated = reason
                && let Some((other, since, after)) = self.beside_turns(actor, is_asked)
            {
                (reason, lasts, next) = (other, since, after);
            }
            (Finding { state: instance.state, lasts, reason }, next)
        });
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(|(finding, _)| Reverse((finding.reason.rank(), finding.lasts)));
        let next = found.first_mut().and_then(|(_, next)| next.take());
        (found.into_iter().map(|(finding, _)| finding).collect(), next)
    }

    fn lasts(&self, since: Instant) -> Duration {
        self.now.saturating_duration_since(since)
    }

    /// The reason of one instance.
    fn found(&self, actor: &Actor, stands: &StandsInstance) -> Found {
        self.failed(actor, stands)
            .or_else(|| self.marked(actor, &stands.instance))
            .unwrap_or_else(|| self.of_state(actor, stands))
    }

    /// The failure of the actor, or of one above it.
    fn failed(&self, actor: &Actor, stands: &StandsInstance) -> Option<Found> {
        if stands.state != State::Failed {
            return None;
        }
        let failed = actor.failed.lock().clone().or_else(|| stands.failed.clone().map(Arc::new))?;
        let lasts = failed.since.elapsed().ok();
        let above = Some(&failed.actor).filter(|above| *above != actor.address());
        let next = above.and_then(|above| self.shared.routing.registry.occupant(above));
        Some((Reason::Failed(failed), lasts, next))
    }

    /// The wait that an instance has marked.
    fn marked(&self, actor: &Actor, instance: &Instance) -> Option<Found> {
        let registry = &self.shared.routing.registry;
        if let Some(wait) = self.shared.routing.asks.wait_of(actor.id, instance.index)
            && let Some(asked) = registry.by_id(wait.of)
        {
            let ends_in = wait.deadline.saturating_duration_since(self.now);
            let reason = Reason::Answer { of: asked.address().clone(), ends_in };
            return Some((reason, Some(self.lasts(wait.since)), Some(asked)));
        }
        match instance.host_waits.obstacle() {
            Some((Obstacle::Space(of), since)) => {
                if let Some(full) = registry.by_id(of) {
                    return Some(self.space(full, since));
                }
            }
            Some((Obstacle::Slot, since)) => return Some((self.slot(actor)?, Some(self.lasts(since)), None)),
            Some((Obstacle::Disk, since)) => return Some((self.disk()?, Some(self.lasts(since)), None)),
            None => {}
        }
        if let Some((since, part)) = instance.host_waits.host_part() {
            if part != SHARED_INSTANCE {
                return Some((Reason::Host(part), Some(self.lasts(since)), None));
            }
            let with = self.holder_of_shared(actor);
            let reason = Reason::Shared { with: with.as_ref().map(|with| with.address().clone()) };
            return Some((reason, Some(self.lasts(since)), with));
        }
        let call = instance.pending_call()?;
        let messages = if call.first.is_some() { instance.in_call() } else { 0 };
        let reason = Reason::Code { first: call.first, messages, limit: instance.call_timeout() };
        Some((reason, Some(self.lasts(call.since)), None))
    }

    fn space(&self, full: Arc<Actor>, since: Instant) -> Found {
        let reason = Reason::Space { of: full.address().clone(), limit: full.mailbox.spec().block_timeout };
        (reason, Some(self.lasts(since)), Some(full))
    }

    /// The bound under which a start waits: the one with a queue.
    fn slot(&self, actor: &Actor) -> Option<Reason> {
        let slots = self.shared.bounds_of(actor).find(|slots| slots.has_queue())?;
        let ((rule, queue), used) = (slots.queue_view(), slots.usage());
        Some(Reason::Slot { rule: rule.to_owned(), used, queue })
    }

    fn disk(&self) -> Option<Reason> {
        let status = self.shared.routing.journal.as_ref()?.view();
        Some(Reason::Disk { behind: status.behind, full: status.full })
    }

    /// The actor whose call runs in the instance that this one shares.
    fn holder_of_shared(&self, actor: &Actor) -> Option<Arc<Actor>> {
        let shared = actor.spec.code.shared_instance()?;
        let runs_there = |other: &Arc<Actor>| {
            other.id != actor.id
                && other.spec.code.shared_instance() == Some(shared)
                && other.instances.iter().any(|instance| {
                    let waits_too = instance.host_waits.host_part().is_some_and(|(_, part)| part == SHARED_INSTANCE);
                    instance.pending_call().is_some() && !waits_too
                })
        };
        self.shared.routing.registry.all().into_iter().find(runs_there)
    }

    /// The wait of an actor that is idle: of a task beside its turns for space, or of its answer for the disk.
    fn beside_turns(&self, actor: &Actor, is_asked: bool) -> Option<Found> {
        if is_asked && actor.mailbox.is_stored() {
            let reason = self.disk().filter(|reason| matches!(reason, Reason::Disk { behind: 1.., .. }));
            if let Some(reason) = reason {
                return Some((reason, None, None));
            }
        }
        let waits_at = |full: Arc<Actor>| Some((full.mailbox.is_blocked_since(actor.id)?, full));
        let longest =
            self.shared.routing.registry.all().into_iter().filter_map(waits_at).min_by_key(|(since, _)| *since);
        longest.map(|(since, full)| self.space(full, since))
    }

    /// The reason that the state in the tree gives.
    fn of_state(&self, actor: &Actor, stands: &StandsInstance) -> Found {
        let StandsInstance { instance, state, lasts, until, waits_for, is_new, .. } = stands;
        if let Some(before) = waits_for
            && !matches!(state, State::Running | State::Idle)
        {
            let of = before.address().clone();
            let is_parent = actor.address().parent().as_ref() == Some(&of);
            let reason = match state {
                State::BackingOff if is_parent => Reason::Directive { of },
                _ => Reason::Before { of },
            };
            return (reason, Some(*lasts), Some(before.clone()));
        }
        let reason = match state {
            State::Running => return (Reason::Busy, None, None),
            State::Idle => return (self.of_idle(actor, instance), None, None),
            State::Starting => Reason::Starting,
            State::Draining | State::Stopping => Reason::Stopping,
            State::BackingOff => Reason::Restart { due_in: *until, crash: instance.last_crash.lock().clone() },
            State::Waiting => Reason::Gate { asked_in: *until },
            State::Passivated => Reason::Passivated,
            State::Failed | State::Down => Reason::Down,
            State::Stopped if *is_new => Reason::NotStarted,
            State::Stopped => Reason::Stopped,
            State::Ended => Reason::Ended,
        };
        (reason, Some(*lasts), None)
    }

    /// The reason of an instance that sleeps until a message comes.
    fn of_idle(&self, actor: &Actor, instance: &Instance) -> Reason {
        let (messages, due) = {
            let backlog = instance.backlog.lock();
            (backlog.delayed.len(), backlog.delayed.iter().map(|(due, _)| *due).min())
        };
        if let Some(due) = due {
            return Reason::Retry { messages, due_in: due.saturating_duration_since(self.now) };
        }
        let mailbox = actor.mailbox.view();
        match mailbox.policy {
            Some(policy) if mailbox.waiting > 0 => Reason::Policy { plugin: policy.plugin, state: policy.state },
            _ if mailbox.waiting > 0 => Reason::Busy,
            _ => Reason::Idle,
        }
    }
}

/// The member of a family whose wait began first.
fn longest_waiting_member(head: &Actor) -> Option<Arc<Actor>> {
    let waits_since = |member: &Actor| {
        let begins = member.instances.iter().flat_map(|instance| {
            let obstacle = instance.host_waits.obstacle().map(|(_, since)| since);
            let host = instance.host_waits.host_part().map(|(since, _)| since);
            [obstacle, host, instance.pending_call().map(|call| call.since)]
        });
        begins.flatten().min()
    };
    let members: Vec<_> = head.children.lock().values().cloned().collect();
    let waiting = members.into_iter().filter_map(|member| Some((waits_since(&member)?, member)));
    waiting.min_by_key(|(since, member)| (*since, member.id)).map(|(_, member): (Instant, Arc<Actor>)| member)
}
