//! Those that wait for an actor: for space in its mailbox, or for its answer.

use std::time::Duration;

use tokio::time::Instant;

use crate::actor::Actor;
use crate::dispatch::Shared;
use crate::words::address::Address;
use crate::words::message::ActorId;

/// Most of those that are named.
const MOST_NAMED: usize = 8;

/// Those that wait for an actor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blocked {
    /// Senders that wait for space in its mailbox, of other actors and of outside.
    pub for_space: usize,
    /// Asks that wait for its answer, of other actors and of outside.
    pub for_answers: usize,
    /// Some of those that are actors, at most 8, those that have waited longest first. Each actor once.
    pub actors: Vec<BlockedActor>,
}

/// An actor that waits for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedActor {
    /// Its address.
    pub address: Address,
    /// The cause of its wait.
    pub by: BlockedBy,
    /// How long it has waited.
    pub lasts: Duration,
}

/// The cause of a wait for an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockedBy {
    /// Space in its mailbox.
    Space,
    /// Its answer.
    Answer,
}

/// Those that wait for an actor.
pub(super) fn blocked_by(shared: &Shared, actor: &Actor) -> Blocked {
    let now = Instant::now();
    let senders = actor.mailbox.blocked_senders();
    let (askers, for_answers) = shared.routing.asks.askers_of(actor.id);
    let for_space = senders.len();
    let mut all: Vec<(Instant, ActorId, BlockedBy)> = Vec::with_capacity(senders.len() + askers.len());
    all.extend(senders.into_iter().map(|(sender, since)| (since, sender, BlockedBy::Space)));
    all.extend(askers.into_iter().map(|(asker, since)| (since, asker, BlockedBy::Answer)));
    all.sort_by_key(|(since, id, _)| (*since, *id));
    let mut actors = Vec::<BlockedActor>::new();
    for (since, id, by) in all {
        if actors.len() == MOST_NAMED {
            break;
        }
        let Some(other) = shared.routing.registry.by_id(id) else { continue };
        if actors.iter().all(|known| known.address != *other.address()) {
            let lasts = now.saturating_duration_since(since);
            actors.push(BlockedActor { address: other.address().clone(), by, lasts });
        }
    }
    Blocked { for_space, for_answers, actors }
}
