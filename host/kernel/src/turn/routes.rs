//! The targets of a turn's sends: each address is resolved once to a route that outlives restarts of its target.

use std::sync::Arc;

use super::{Route, Turn};
use crate::actor::Actor;
use crate::words::message::ActorId;
use crate::words::send_error::SendError;

impl Turn {
    /// The route to `to`, resolved once. The grant is checked before the existence of the actor. `sender`: the sender of the
    /// message that sends.
    pub(super) fn route(&mut self, to: &str, sender: ActorId) -> Result<usize, SendError> {
        if let Some(&route) = self.names.get(to)
            && !self.routes[route].target.is_gone()
        {
            return Ok(route);
        }
        let from = self.address();
        let address = from.resolve(to)?;
        let lasting = address.is_below(from) || self.actor.spec.is_granted(&address);
        if !lasting && self.address_of(sender).as_ref() != Some(&address) {
            return Err(SendError::NotGranted { from: from.clone(), to: address });
        }
        if let Some(route) = self.reserved_at(&address) {
            return Ok(route);
        }
        let target = self.shared.routing.registry.get(&address).ok_or(SendError::UnknownAddress(address))?;
        let route = match self.names.get(to).copied() {
            Some(route) if self.renew(route) => route,
            _ => self.route_to(target, lasting),
        };
        if lasting {
            self.names.insert(to.into(), route);
        }
        Ok(route)
    }

    pub(super) fn route_to(&mut self, target: Arc<Actor>, lasting: bool) -> usize {
        *self.routes_by_id.entry(target.id).or_insert_with(|| {
            self.routes.push(Route { target, lasting });
            self.routes.len() - 1
        })
    }

    /// Renews a route whose actor is gone: it leads to the actor that has the address now, if that one accepts bodies as
    /// large as before. A route to a sender alone stays as it is.
    pub(super) fn renew(&mut self, route: usize) -> bool {
        let old = &self.routes[route];
        let new = old.lasting.then(|| self.shared.routing.registry.get(old.target.address())).flatten();
        let Some(new) = new.filter(|new| new.spec.message_bytes >= old.target.spec.message_bytes) else { return false };
        self.routes_by_id.insert(new.id, route);
        self.routes[route].target = new;
        true
    }
}
