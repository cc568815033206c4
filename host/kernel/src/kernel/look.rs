//! Looks of operators at all actors.

use tokio::sync::oneshot;

use crate::kernel::progress::Progress;
use crate::kernel::{ActorView, Kernel};
use crate::supervisor::{Command, Seen};

impl Kernel {
    /// All actors, those of the plan first, in start order. Empty when the play is over.
    pub async fn actors(&self) -> Vec<ActorView> {
        let (answer, look) = oneshot::channel();
        let _ = self.commands.send(Command::Look(answer));
        let mut seen = look.await.unwrap_or_default();
        seen.sort_by_key(|seen| seen.actor.id);
        for Seen { actor, .. } in &seen {
            self.shared.routing.measure_durable_state(actor).await;
        }
        let members = self.shared.routing.registry.member_totals();
        let views = seen.into_iter().map(|Seen { actor, state, instances }| {
            let family = self.shared.routing.registry.family_of_head(&actor);
            let code = family.as_ref().map_or(&actor.spec.code, |family| &family.template().code);
            let mut view = ActorView {
                address: actor.address().clone(),
                plugin: code.plugin().to_owned(),
                dynamic: actor.spawned.is_some(),
                state,
                incarnation: actor.incarnation(),
                restarts: instances.iter().map(|instance| instance.restarts).sum(),
                waiting: actor.waiting(),
                mailbox: actor.mailbox.view(),
                handled: actor.handled(),
                progress: Progress::of(&actor),
                resources: actor.resources(),
                shared_memory: code.shared_use().map(|shared| shared.memory_bytes),
                last_crash: actor.last_crash(),
                subtree: actor.subtree_usage(),
                keyed_state: actor.keyed_state.as_ref().map(|state| (state.used().0, state.spec.bytes)),
                failed: actor.failed.lock().clone(),
                family: family.map(|family| family.view()),
                waiting_for: instances.iter().find_map(|instance| instance.waiting_for),
                instances,
            };
            if let Some(members) = members.get(&actor.id) {
                view.handled = members.handled;
                view.mailbox.letters.clone_from(&members.letters);
            }
            view
        });
        views.collect()
    }
}
