//! States of actors for readers: of one actor, or of all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use crate::actor::Actor;
use crate::supervision::events::{Failed, Node, Standing};
use crate::supervisor::role::Role;
use crate::supervisor::state::{Supervisor, furthest_up};
use crate::supervisor::views::{InstanceView, Seen, Stands, StandsInstance};
use crate::words::crash::CrashReport;
use crate::words::failed::FailedActor;
use crate::words::message::ActorId;
use crate::words::state::State;

impl Supervisor {
    /// The state of each actor, and the number of its failed instances.
    pub(super) fn states(&self) -> HashMap<ActorId, (State, u32)> {
        let mut states = HashMap::with_capacity(self.nodes.len());
        for (id, nodes) in &self.nodes {
            let Some(role) = nodes.first().and_then(|node| self.roles[node.index()].as_ref()) else { continue };
            let seen = nodes.iter().filter_map(|&node| Some(self.tree.view(node)?.state));
            let failed = seen.clone().map(|state| u32::from(state == State::Failed)).sum();
            states.insert(*id, (furthest_up(&role.actor, seen), failed));
        }
        states
    }

    pub(super) fn look(&self) -> Vec<Seen> {
        let mut all: Vec<Seen> = Vec::new();
        let mut known = HashMap::new();
        for Role { node, actor, instance, .. } in self.roles.iter().flatten() {
            let Some(view) = self.tree.view(*node) else { continue };
            let index = *known.entry(actor.id).or_insert_with(|| {
                all.push(Seen { actor: actor.clone(), state: State::Down, instances: Vec::new() });
                all.len() - 1
            });
            let last_crash = instance.last_crash.lock().clone();
            let failed = view.failed.map(|failed| self.shown(failed, actor, last_crash.clone()));
            let sleeps = view.state == State::Running && actor.mailbox.sleeps(instance.index);
            all[index].instances.push(InstanceView {
                state: if sleeps { State::Idle } else { view.state },
                waiting_for: instance.host_waits.waiting_for(),
                incarnation: instance.incarnation(),
                restarts: view.restarts,
                last_crash,
                failed,
            });
        }
        for seen in &mut all {
            seen.state = furthest_up(&seen.actor, seen.instances.iter().map(|instance| instance.state));
        }
        all
    }

    /// A failure of an instance, as operators see it.
    fn shown(&self, failed: Failed, actor: &Actor, last: Option<Arc<CrashReport>>) -> FailedActor {
        let Failed { since, why, trial_at } = failed;
        let (now, clock) = (self.now(), SystemTime::now());
        FailedActor {
            actor: actor.address().clone(),
            since: clock.checked_sub(now.saturating_sub(since)).unwrap_or(clock),
            why,
            trial_at: trial_at.and_then(|at| clock.checked_add(at.saturating_sub(now))),
            last,
        }
    }

    /// One actor, with what each of its instances waits for; none when it is not in the tree.
    pub(super) fn look_at(&self, actor: ActorId) -> Option<Stands> {
        let now = self.now();
        let role = |node: Node| self.roles[node.index()].as_ref();
        let nodes = self.nodes.get(&actor)?;
        let instances = nodes.iter().filter_map(|&node| {
            let (Role { actor, instance, .. }, view) = (role(node)?, self.tree.view(node)?);
            let Standing { since, until, waits_for, is_new } = self.tree.standing(node)?;
            // A hook between two turns is no sleep.
            let sleeps = actor.mailbox.sleeps(instance.index) && instance.pending_call().is_none();
            let sleeps = view.state == State::Running && sleeps;
            let last_crash = instance.last_crash.lock().clone();
            Some(StandsInstance {
                instance: instance.clone(),
                state: if sleeps { State::Idle } else { view.state },
                lasts: now.saturating_sub(since),
                until: until.map(|until| until.saturating_sub(now)),
                waits_for: waits_for.and_then(|node| Some(role(node)?.actor.clone())),
                is_new,
                failed: view.failed.map(|failed| self.shown(failed, actor, last_crash)),
            })
        });
        let instances = instances.collect::<Vec<_>>();
        let actor = role(*nodes.first()?)?.actor.clone();
        let state = furthest_up(&actor, instances.iter().map(|instance| instance.state));
        Some(Stands { actor, state, instances })
    }
}
