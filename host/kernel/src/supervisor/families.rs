//! Families in the tree: the head of each, below which its members are, and members that leave the memory.

use std::sync::Arc;

use crate::actor::family::Family;
use crate::actor::family_spec::FamilySpec;
use crate::actor::spec::ActorSpec;
use crate::actor::subtree::Membership;
use crate::actor::{Actor, Presence};
use crate::dispatch::requests::Request;
use crate::incarnation::native::{NativeActor, NativeContext, NativeLauncher, NativeResult};
use crate::supervision::events::{Event, Node};
use crate::supervisor::command::Command;
use crate::supervisor::state::Supervisor;
use crate::words::message::{ActorId, Message};
use crate::words::restart::{Strategy, SupervisionSpec};

/// The code of a head, which never gets a message.
struct Head;

impl NativeActor for Head {
    async fn msg_handler(&mut self, _: Message, _: &mut NativeContext) -> NativeResult {
        Ok(())
    }
}

impl Supervisor {
    /// Makes the head of a family, which is in the tree as an actor of the plan is. `supervision`: that of the kernel, whose rules are
    /// those of each member.
    pub(super) fn head(
        &self,
        spec: &ActorSpec,
        family: &Arc<FamilySpec>,
        (supervision, seed): (SupervisionSpec, u64),
    ) -> Arc<Actor> {
        let registry = &self.shared.routing.registry;
        let code = NativeLauncher::new(|| Head);
        let supervision = SupervisionSpec { strategy: Strategy::OneForOne, ..supervision };
        let head = ActorSpec { supervision, ..ActorSpec::new(spec.address.clone(), code) };
        let head = Actor::new(registry.planned_id(&spec.address), head, None, Membership::planned(None));
        let head = Arc::new(head);
        head.set_presence(Presence::Head);
        let commands = self.commands.clone();
        let unused = move |member| drop(commands.send(Command::Request(Request::Unused(member))));
        registry.add_family(&Arc::new(Family::new(head.id, spec, family, seed, unused)));
        head
    }

    /// Looks whether a member may leave the memory, when the current step is over.
    pub(super) fn may_release(&mut self, node: Node) {
        if self.role(node).actor.member().is_some() {
            self.resting.push(node);
        }
    }

    /// As [`Supervisor::may_release`], of an actor that others do not use any more.
    pub(super) fn unused(&mut self, actor: ActorId) {
        self.resting.extend(self.nodes.get(&actor).map(|nodes| nodes[0]));
    }

    /// The next member that leaves the memory: nothing of it is there but itself.
    pub(super) fn next_released(&mut self) -> Option<Event> {
        while let Some(node) = self.resting.pop() {
            if !self.tree.may_be_released(node) {
                continue;
            }
            let actor = &self.role(node).actor;
            if actor.keyed_state.as_ref().is_some_and(|state| state.used().1) {
                // Whether it keeps anything is known when its state is measured.
                self.shared.measure_member(actor.clone());
                continue;
            }
            if !self.watches.of.contains_key(&actor.id) && self.shared.routing.release(actor, self.shared.now_seconds())
            {
                return Some(Event::Released(node));
            }
        }
        None
    }
}
