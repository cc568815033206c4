//! Watches that belong to stored actors, at work. Each notice is one entry with the new state of its watch, so that no crash of the host
//! repeats or loses it: what a watcher was told of a target is what the store has.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::actor::Actor;
use crate::dispatch::kept_children::child_leaves;
use crate::dispatch::kept_watches::{KeptWatch, WatchPlace};
use crate::dispatch::routing::dead_letter::log_letter;
use crate::dispatch::routing::entering::{load_of, put};
use crate::dispatch::routing::reservation::{Given, Patience, try_reserve};
use crate::journal::order::EntrySpace;
use crate::supervision::events::Node;
use crate::supervisor::state::Supervisor;
use crate::words::dead_letter::DeadReason;
use crate::words::message::{ActorId, Message, Payload};
use crate::words::notice::{Change, HOST_DIED, Notice, Watcher};
use crate::words::restart::StartKind;
use crate::words::state::State;

/// Whether a watch goes on after its notices, and in which state.
enum After {
    GoesOn(KeptWatch),
    Ends,
}

impl Supervisor {
    /// Begins a watch that has entered with its turn.
    pub(super) fn begin_kept(&mut self, place: WatchPlace) {
        let Some(watch) = self.shared.routing.kept_watches.get(place) else { return };
        match self.target_at(&watch) {
            Some(target) => {
                let (is_up, lasts) = (self.is_up(&target, None), target.mailbox.is_stored());
                let (incarnation, target) = (target.incarnation(), Some(target.id));
                let after = After::GoesOn(KeptWatch { target, incarnation, is_up, lasts, ..watch });
                self.tell_kept(place, &[], after);
            }
            None => self.tell_kept(place, &[Change::Gone], After::Ends),
        }
    }

    /// Goes on with the watches of earlier runs of the host: their watchers learn of everything that happened since their last notices.
    /// Watches of code that takes no notices any more end. `is_unclean`: the run before did not end in order.
    pub(crate) fn resume_watches(&mut self, is_unclean: bool) {
        for place in self.shared.routing.kept_watches.all() {
            let Some(watch) = self.shared.routing.kept_watches.get(place) else { continue };
            let watcher = self.shared.routing.registry.by_id(place.0);
            if !watcher.is_some_and(|watcher| watcher.spec.code.watches()) {
                self.tell_kept(place, &[], After::Ends);
                continue;
            }
            let target = self.target_at(&watch);
            let is_lost = watch.is_up && !(watch.lasts && target.as_ref().is_none_or(|to| to.mailbox.is_stored()));
            let is_halted = |target: &Arc<Actor>| watch.is_up && target.spec.start == StartKind::Manual;
            let end = match &target {
                Some(target) if is_halted(target) => Some(Change::Stopped { by_operator: true }),
                _ if is_lost && is_unclean => {
                    Some(Change::Crashed(HOST_DIED.to_owned(), "the host died while the actor ran".to_owned()))
                }
                _ if is_lost => Some(Change::Stopped { by_operator: false }),
                _ => None,
            };
            let Some(target) = target else {
                let changes: Vec<_> = end.into_iter().chain([Change::Gone]).collect();
                self.tell_kept(place, &changes, After::Ends);
                continue;
            };
            let (is_up, lasts) = (watch.is_up && end.is_none(), target.mailbox.is_stored());
            let after = KeptWatch { target: Some(target.id), is_up, lasts, ..watch.clone() };
            if after != watch {
                self.tell_kept(place, end.as_slice(), After::GoesOn(after));
            }
        }
    }

    /// Ends the watches of an actor whose targets went while it got no messages.
    pub(super) fn look_again_at_watches_of(&mut self, watcher: ActorId) {
        if self.shared.routing.kept_watches.is_empty() {
            return;
        }
        for place in self.shared.routing.kept_watches.of(watcher) {
            let Some(watch) = self.shared.routing.kept_watches.get(place) else { continue };
            if watch.target.is_some() && self.target_at(&watch).is_none() {
                self.tell_kept(place, &[Change::Gone], After::Ends);
            }
        }
    }

    /// Sends the notices of an actor that is removed for good. A stored child is noted as such first, so that no later run of the host has
    /// an actor whose watchers were told that it is gone.
    pub(super) fn notice_gone(&mut self, node: Node) {
        let routing = &self.shared.routing;
        if let Some(journal) = &routing.journal
            && !routing.host_ends.load(Ordering::Acquire)
            && !routing.kept_watches.is_empty()
            && let Some(role) = self.roles[node.index()].as_ref()
        {
            let actor = role.actor.clone();
            routing.enter(journal, None, EntrySpace::NONE, |draft| child_leaves(draft, &actor));
        }
        self.notice(node, || Change::Gone);
    }

    /// Sends a notice about the actor of this node to the stored actors that watch it.
    pub(super) fn tell_kept_watchers(
        &mut self,
        (node, target): (Node, &Arc<Actor>),
        incarnation: u64,
        change: &Change,
        is_first_start: bool,
    ) {
        let lasts = target.mailbox.is_stored();
        if *change == Change::Gone && self.nodes.get(&target.id).is_some_and(|nodes| nodes.len() > 1) {
            return;
        }
        let is_up = *change == Change::Started || self.is_up(target, Some(node));
        for place in self.shared.routing.kept_watches.of_target(target.id) {
            let Some(watch) = self.shared.routing.kept_watches.get(place) else { continue };
            let after = KeptWatch { incarnation, is_up, lasts, ..watch.clone() };
            match change {
                // To its watchers, a stored actor did not stop when the host did.
                Change::Started if lasts && is_first_start && watch.is_up => {
                    self.tell_kept(place, &[], After::GoesOn(after));
                }
                Change::Gone => self.tell_kept(place, &[Change::Gone], After::Ends),
                change => self.tell_kept(place, std::slice::from_ref(change), After::GoesOn(after)),
            }
        }
    }

    /// The actor that a watch is about, if it is there.
    fn target_at(&self, watch: &KeptWatch) -> Option<Arc<Actor>> {
        let registry = &self.shared.routing.registry;
        let target = match watch.target {
            Some(id) => registry.by_id(id),
            None => registry.get(&watch.to),
        };
        target.filter(|target| self.nodes.contains_key(&target.id))
    }

    /// Whether an instance of an actor is up, one other than that of the node `except`.
    fn is_up(&self, actor: &Actor, except: Option<Node>) -> bool {
        let nodes = self.nodes.get(&actor.id).into_iter().flatten();
        nodes.filter(|node| Some(**node) != except).any(|node| {
            let state = self.tree.view(*node).map(|view| view.state);
            let was_up = self.roles[node.index()].as_ref().is_some_and(|role| role.was_up);
            match state {
                Some(State::Running | State::Idle | State::Draining | State::Stopping) => true,
                Some(State::Passivated) => was_up || actor.mailbox.is_stored(),
                _ => false,
            }
        })
    }

    /// Sends notices of a watch, and gives it its new state, in one entry. As a timer, a notice does not wait for space. When
    /// the mailbox is closed, or the host ends, nothing changes: the notices come when the watcher is there again.
    fn tell_kept(&mut self, place: WatchPlace, changes: &[Change], after: After) {
        let (watcher, id) = place;
        let routing = &self.shared.routing;
        let Some(journal) = &routing.journal else { return };
        let (Some(actor), Some(watch)) = (routing.registry.by_id(watcher), routing.kept_watches.get(place)) else {
            return;
        };
        if actor.mailbox.is_closed() || routing.host_ends.load(Ordering::Acquire) {
            return;
        }
        let incarnation = match &after {
            After::GoesOn(after) => after.incarnation,
            After::Ends => watch.incarnation,
        };
        let mut notices = Vec::with_capacity(changes.len());
        for change in changes {
            self.watches.told += 1;
            let notice = Notice { watch: id, address: watch.to.clone(), incarnation, change: change.clone() };
            let of_watcher = (actor.address(), Watcher::kept(watcher).incarnation);
            let (envelope, body) = notice.message(of_watcher, (self.shared.seed, self.watches.told));
            let load = load_of(&Payload::plain(&body));
            let given: Given = try_reserve(&actor, load, Patience::No).unwrap_or(Err(DeadReason::MailboxFull));
            notices.push((Message::new(envelope, body), given));
        }
        let letters = routing.enter(journal, None, EntrySpace::NONE, |draft| {
            let mut letters = Vec::new();
            if routing.kept_watches.get(place).is_none() {
                // A turn has ended it since.
                return letters;
            }
            for (message, given) in notices {
                let envelope = message.envelope;
                let refused = match given {
                    Ok(mut space) => put(draft, &mut space, &message.record()).map(|(_, reason)| reason),
                    Err(reason) => Some(reason),
                };
                if let Some(reason) = refused {
                    routing.letter_in(draft, &actor, message, &reason);
                    letters.push((envelope, reason));
                }
            }
            match after {
                After::GoesOn(after) => routing.kept_watches.change(draft, place, after),
                After::Ends => routing.kept_watches.end(draft, place),
            }
            letters
        });
        for (envelope, reason) in letters.value {
            log_letter(None, &actor, &envelope, &reason);
        }
    }
}
