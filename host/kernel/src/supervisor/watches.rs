//! Watches between actors, and their notices. Without watches, this file does nothing.

use crate::actor::Actor;
use crate::mailbox::Refused;
use crate::supervision::events::Node;
use crate::supervisor::state::Supervisor;
use crate::words::address::Address;
use crate::words::crash::CrashReason;
use crate::words::dead_letter::DeadReason;
use crate::words::message::{Message, Payload};
use crate::words::notice::{Change, Notice, Watcher};
use crate::words::state::State;

impl Supervisor {
    /// Begins a watch. A watch of an actor that does not exist ends with its only notice.
    pub(super) fn watch(&mut self, watcher: Watcher, watch: u64, address: &Address) {
        if watcher.is_kept() {
            return self.begin_kept((watcher.actor, watch));
        }
        let runs = |actor: &Actor| actor.instances.iter().any(|instance| instance.incarnation() == watcher.incarnation);
        let known = self.nodes.get(&watcher.actor).and_then(|nodes| self.roles[nodes[0].index()].as_ref());
        // The watcher's run may have ended by now.
        if !known.is_some_and(|role| role.runs && runs(&role.actor)) {
            return;
        }
        match self.shared.routing.registry.get(address) {
            Some(target) if self.nodes.contains_key(&target.id) => self.watches.add(watcher, watch, target.id),
            _ => self.tell_watcher(watcher, watch, address, 0, Change::Gone),
        }
    }

    pub(super) fn unwatch(&mut self, watcher: Watcher, watch: u64) {
        let unwatched = self.watches.remove(watcher, watch);
        if let Some(actor) = unwatched {
            self.unused(actor);
        }
    }

    /// Ends the watches of a run that ended.
    pub(super) fn forget_watches_of(&mut self, node: Node) {
        if self.watches.by.is_empty() {
            return;
        }
        if let Some(role) = self.roles[node.index()].as_ref().filter(|role| role.node == node) {
            let watcher = Watcher { actor: role.actor.id, incarnation: role.instance.incarnation() };
            for unwatched in self.watches.remove_all_by(watcher) {
                self.unused(unwatched);
            }
        }
    }

    /// Sends a notice to all watchers of this node's actor.
    pub(super) fn notice(&mut self, node: Node, change: impl FnOnce() -> Change) {
        self.notice_all(node, change, false);
    }

    /// Sends notices of a start. `is_first`: the first one of this instance in this run of the host.
    pub(super) fn notice_start(&mut self, node: Node, is_first: bool) {
        self.notice_all(node, || Change::Started, is_first);
    }

    fn notice_all(&mut self, node: Node, change: impl FnOnce() -> Change, is_first_start: bool) {
        let has_kept = !self.shared.routing.kept_watches.is_empty();
        if self.watches.of.is_empty() && !has_kept {
            return;
        }
        let Some(role) = self.roles[node.index()].as_ref().filter(|role| role.node == node) else { return };
        let (actor, incarnation, change) = (role.actor.clone(), role.instance.incarnation(), change());
        if has_kept {
            self.tell_kept_watchers((node, &actor), incarnation, &change, is_first_start);
        }
        let Some(watches) = self.watches.of.get(&actor.id).cloned() else { return };
        for (watcher, watch) in watches {
            if change == Change::Gone {
                let _ = self.watches.remove(watcher, watch);
            }
            self.tell_watcher(watcher, watch, actor.address(), incarnation, change.clone());
        }
    }

    /// Sends notices of a failed run.
    pub(super) fn notice_crash(&mut self, node: Node, reason: &CrashReason) {
        self.notice(node, || Change::Crashed(reason.kind().to_owned(), reason.to_string()));
    }

    /// Sends notices of a run that ended because it was told to stop.
    pub(super) fn notice_stop(&mut self, node: Node) {
        if self.watches.of.is_empty() && self.shared.routing.kept_watches.is_empty() {
            return;
        }
        let state = self.tree.view(node).map(|view| view.state);
        if let Some(state) = state.filter(|state| *state != State::Ended) {
            self.notice(node, || Change::Stopped { by_operator: state == State::Stopped });
        }
    }

    /// Delivers a notice. Like a timer, it does not wait for space.
    fn tell_watcher(&mut self, watcher: Watcher, watch: u64, address: &Address, incarnation: u64, change: Change) {
        let Some(actor) = self.shared.routing.registry.by_id(watcher.actor) else { return };
        let notice = Notice { watch, address: address.clone(), incarnation, change };
        self.watches.told += 1;
        let numbers = (self.shared.seed, self.watches.told);
        let (envelope, body) = notice.message((actor.address(), watcher.incarnation), numbers);
        let mut inside = false;
        match actor.mailbox.push(&*actor, |space| inside = space.put(&envelope, &Payload::plain(&body))) {
            Ok(displaced) => self.shared.routing.dead_letter(&actor, displaced, &DeadReason::Overflow, true),
            Err(Refused::Full) => {}
            // The watcher is at its end.
            Err(Refused::Closed) => return,
        }
        if !inside {
            self.shared.routing.dead_letter(&actor, [Message::new(envelope, body)], &DeadReason::MailboxFull, false);
        }
    }
}
