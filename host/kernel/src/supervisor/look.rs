//! States of actors for readers: of one actor, or of all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{Role, Supervision};
use crate::actor::Actor;
use crate::kernel::InstanceView;
use crate::supervision::events::Failed;
use crate::words::address::Address;
use crate::words::failed::FailedActor;
use crate::words::state::State;

/// One actor, and the tree's view of each of its instances.
pub(crate) struct Seen {
    pub(crate) actor: Arc<Actor>,
    pub(crate) state: State,
    pub(crate) instances: Vec<InstanceView>,
}

/// The state of an actor whose instances have these states.
fn furthest_up(actor: &Actor, states: impl Iterator<Item = State>) -> State {
    match states.min().unwrap_or(State::Down) {
        state if state.is_up() => {
            if actor.is_busy() {
                State::Running
            } else {
                State::Idle
            }
        }
        state => state,
    }
}

impl Supervision {
    /// The time of the tree. It stands still while the host is suspended.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed().saturating_sub(self.suspended())
    }

    pub(super) fn suspended(&self) -> Duration {
        self.shared.clock.suspended(Instant::now())
    }

    pub(super) fn state_at(&self, address: &Address) -> Option<State> {
        let actor = self.shared.registry.occupant(address)?;
        let nodes = self.nodes.get(&actor.id)?;
        let states = nodes.iter().filter_map(|&node| Some(self.tree.view(node)?.state));
        Some(furthest_up(&actor, states))
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
            let failed = view.failed.map(|Failed { since, why, trial_at }| {
                let (now, clock) = (self.now(), SystemTime::now());
                FailedActor {
                    actor: actor.address().clone(),
                    since: clock.checked_sub(now.saturating_sub(since)).unwrap_or(clock),
                    why,
                    trial_at: trial_at.and_then(|at| clock.checked_add(at.saturating_sub(now))),
                    last: last_crash.clone(),
                }
            });
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
}
