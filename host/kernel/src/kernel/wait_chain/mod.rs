//! Why an actor does not go on: what it waits for, and what that waits for, up to the root cause. `reason` has the reasons of one
//! instance, `finding` finds the one that holds, `blocked` finds who waits for an actor.
//!
//! Nothing is kept for it but marks of waits that have begun: an actor that does not wait costs nothing.

pub(crate) mod blocked;
mod finding;
pub(crate) mod reason;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::family::FamilyView;
use crate::kernel::Kernel;
use crate::kernel::progress::Progress;
use crate::kernel::wait_chain::blocked::Blocked;
use crate::kernel::wait_chain::finding::Finder;
use crate::kernel::wait_chain::reason::{Finding, Reason};
use crate::supervisor::{Command, Stands};
use crate::words::address::Address;
use crate::words::message::ActorId;
use crate::words::state::State;

/// Most links of a chain of waits.
const MOST_LINKS: usize = 16;
/// The time in which a member of a family is read from the store. A disk that is slower is itself the reason.
const READ_TIME: Duration = Duration::from_millis(50);

/// Why an actor does not go on.
#[derive(Debug, Clone)]
pub struct Why {
    /// The actor, and the actors that it waits for: each waits for the next one. At least one, at most 16.
    pub links: Vec<WhyLink>,
    /// How the chain ends.
    pub end: ChainEnd,
    /// Those that wait for the first actor.
    pub blocked: Blocked,
}

/// How a chain of waits ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainEnd {
    /// The last actor waits for no other one: its reason is the root cause.
    Root,
    /// The last actor waits for the one at this place of the chain.
    Cycle(usize),
    /// The chain is longer than what is shown.
    Cut,
}

/// One actor of a chain of waits.
#[derive(Debug, Clone)]
pub struct WhyLink {
    /// Its address.
    pub address: Address,
    /// Its plugin.
    pub plugin: String,
    /// Its state: that of its instance which is furthest up.
    pub state: State,
    /// The reason of each instance, the worst first; one for an actor that stands for a family.
    pub findings: Vec<Finding>,
    /// Messages that wait, including those that were put back to an instance.
    pub waiting: usize,
    /// Most messages that may wait.
    pub capacity: usize,
    /// The bytes of the messages that wait, and most bytes of them.
    pub bytes: (usize, usize),
    /// Whether its code counts its CPU time.
    pub counts_cpu: bool,
    /// How far it is with its messages.
    pub progress: Progress,
    /// The numbers of the family for which it stands.
    pub family: Option<FamilyView>,
}

impl WhyLink {
    /// The worst reason, with its state.
    pub fn worst(&self) -> Option<&Finding> {
        self.findings.first()
    }
}

impl Kernel {
    /// Why an actor does not go on; none when there is no such actor. It only reads, and takes a time that does not depend on what
    /// actors do.
    pub async fn why(&self, address: &Address) -> Option<Why> {
        let asked = self.asked_about(address).await?;
        let blocked = blocked::blocked_by(&self.shared, &asked);
        let (mut links, mut seen) = (Vec::<WhyLink>::new(), Vec::<ActorId>::new());
        let mut next = Some(asked);
        let end = loop {
            let Some(actor) = next else { break ChainEnd::Root };
            if let Some(place) = seen.iter().position(|known| *known == actor.id) {
                break ChainEnd::Cycle(place);
            }
            if links.len() == MOST_LINKS {
                break ChainEnd::Cut;
            }
            let Some(stands) = self.look_at(actor.id).await else { break ChainEnd::Root };
            let before = links.last().and_then(WhyLink::worst).map(|finding| &finding.reason);
            let is_asked = before.map_or(blocked.for_answers > 0, |before| matches!(before, Reason::Answer { .. }));
            let finder = Finder { shared: &self.shared, now: Instant::now() };
            let (findings, after) = finder.findings(&stands, is_asked);
            seen.push(actor.id);
            next = after;
            links.push(self.link(&stands, findings));
        };
        (!links.is_empty()).then_some(Why { links, end, blocked })
    }

    /// The actor at an address, also one that stands for a family. A member of a family comes into memory if the store has it.
    async fn asked_about(&self, address: &Address) -> Option<Arc<Actor>> {
        if let Some(actor) = self.shared.routing.registry.occupant(address) {
            return Some(actor);
        }
        let stored = tokio::time::timeout(READ_TIME, self.shared.existing(address)).await;
        stored.ok().flatten().map(|pinned| Arc::clone(&pinned))
    }

    async fn look_at(&self, actor: ActorId) -> Option<Stands> {
        let (answer, look) = oneshot::channel();
        let _ = self.commands.send(Command::LookAt(actor, answer));
        look.await.ok().flatten()
    }

    fn link(&self, stands: &Stands, findings: Vec<Finding>) -> WhyLink {
        let Stands { actor, state, .. } = stands;
        let family = self.shared.routing.registry.family_of_head(actor);
        let code = family.as_ref().map_or(&actor.spec.code, |family| &family.template().code);
        WhyLink {
            address: actor.address().clone(),
            plugin: code.plugin().to_owned(),
            state: *state,
            findings,
            waiting: actor.waiting(),
            capacity: actor.mailbox.spec().capacity,
            bytes: (actor.mailbox.load().1, actor.mailbox.spec().capacity_bytes),
            counts_cpu: actor.resources().is_some(),
            progress: Progress::of(actor),
            family: family.map(|family| family.view()),
        }
    }
}
