//! The routes of an incarnation: each target of its sends is resolved once to a number, which outlives restarts of the target.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use crate::actor::Actor;
use crate::dispatch::registry::Registry;
use crate::words::address::Address;
use crate::words::message::ActorId;

/// Below this number, routes are never given up.
const FEW_ROUTES: usize = 1024;

/// A target of sends.
pub(super) struct Route {
    pub(super) target: Arc<Actor>,
    /// Whether it may be used at any time. Otherwise only while a message from the target is handled, or once the target is
    /// spawned.
    pub(super) lasting: bool,
}

pub(super) struct Routes {
    list: Vec<Route>,
    /// Routes by the text that the code used for their targets.
    by_name: HashMap<Box<str>, usize, FxBuildHasher>,
    by_id: HashMap<ActorId, usize, FxBuildHasher>,
    /// From this number of routes on, [`Self::are_stale`] counts the stale ones.
    enough: usize,
}

impl Default for Routes {
    fn default() -> Self {
        Self { list: Vec::new(), by_name: HashMap::default(), by_id: HashMap::default(), enough: FEW_ROUTES }
    }
}

impl Routes {
    /// The route with this number.
    ///
    /// # Panics
    /// When it was never given out.
    pub(super) fn at(&self, route: usize) -> &Route {
        &self.list[route]
    }

    pub(super) fn get(&self, route: usize) -> Option<&Route> {
        self.list.get(route)
    }

    /// The route that the code used before with the same text, if its target still exists.
    pub(super) fn used(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied().filter(|&route| !self.list[route].target.is_gone())
    }

    /// The route that the code used before with the same text, if it leads to a member of a family that is not in memory.
    pub(super) fn stand_in(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied().filter(|&route| self.list[route].target.member().is_some())
    }

    /// Lets the route to a member of a family lead to the member that is in memory.
    pub(super) fn found(&mut self, route: usize, member: Arc<Actor>) {
        self.by_id.insert(member.id, route);
        self.list[route].target = member;
    }

    /// Adds the target under the text that the code used, or renews the route that the text had. A route that is not
    /// `lasting` is not kept under the text.
    pub(super) fn add_named(&mut self, name: &str, target: Arc<Actor>, lasting: bool, registry: &Registry) -> usize {
        let route = match self.by_name.get(name).copied() {
            Some(route) if self.renew(route, registry) => route,
            _ => self.add(target, lasting),
        };
        if lasting {
            self.by_name.insert(name.into(), route);
        }
        route
    }

    /// The route to this target.
    pub(super) fn add(&mut self, target: Arc<Actor>, lasting: bool) -> usize {
        *self.by_id.entry(target.id).or_insert_with(|| {
            self.list.push(Route { target, lasting });
            self.list.len() - 1
        })
    }

    /// The route to a child that is reserved: it is found by its number alone until the child is spawned.
    pub(super) fn add_reserved(&mut self, target: Arc<Actor>, lasting: bool) -> usize {
        self.list.push(Route { target, lasting });
        self.list.len() - 1
    }

    /// Makes the route to a reserved child an ordinary one, as the child is spawned.
    pub(super) fn keep_spawned(&mut self, route: usize) -> &Arc<Actor> {
        let entry = &mut self.list[route];
        entry.lasting = true;
        self.by_id.insert(entry.target.id, route);
        &self.list[route].target
    }

    /// Renews a route whose actor is gone: it leads to the actor that has the address now, if that one accepts bodies as
    /// large as before. A route to a sender alone stays as it is.
    pub(super) fn renew(&mut self, route: usize, registry: &Registry) -> bool {
        let old = &self.list[route];
        let new = old.lasting.then(|| registry.get(old.target.address())).flatten();
        let Some(new) = new.filter(|new| new.spec.limits.message_bytes >= old.target.spec.limits.message_bytes) else {
            return false;
        };
        self.by_id.insert(new.id, route);
        self.list[route].target = new;
        true
    }

    /// Whether most of the routes lead to actors that are gone. Cheap while there are few.
    pub(super) fn are_stale(&mut self) -> bool {
        if self.list.len() < self.enough {
            return false;
        }
        let stale = self.list.iter().filter(|route| route.target.is_gone() || route.target.is_reserved()).count();
        if stale * 2 < self.list.len() {
            self.enough = self.list.len() * 2;
            return false;
        }
        true
    }

    /// Forgets all routes: numbers that were given out become invalid.
    pub(super) fn clear(&mut self) {
        self.by_name.clear();
        self.list.clear();
        self.by_id.clear();
        self.enough = FEW_ROUTES;
    }

    pub(super) fn leads_to(&self, route: usize, address: &Address) -> bool {
        self.list[route].target.address() == address
    }
}
