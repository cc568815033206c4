//! One body for many actors: all children of an actor, or all its descendants. The members are determined at the call. Of families with stored
//! mailboxes, they are those that the store has as well.

use std::sync::Arc;

use playhouse_frame::Metadata;

use super::Turn;
use crate::actor::Actor;
use crate::dispatch::routing::entering::check_size;
use crate::words::address::Address;
use crate::words::message::Payload;
use crate::words::send_error::SendError;

/// The members of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// `*`: the children.
    Children,
    /// `**`: all below.
    Below,
}

impl Turn {
    /// Records a send to each actor of a group, in the order of their addresses, and returns their number. `group` is `/a/*`
    /// (the children of `/a`), `/a/**` (all below it), or relative to this actor: `*`, `b/**`. This actor is left out;
    /// children that the current message spawned are included, and so are members of families that only the play's store has.
    /// Either all members are sent to, or, after an error, none.
    pub async fn tell_all(&mut self, group: &str, body: &[u8]) -> Result<usize, SendError> {
        self.tell_all_with(group, &Metadata::new(), body).await
    }

    /// As [`Turn::tell_all`], with metadata.
    pub async fn tell_all_with(&mut self, group: &str, metadata: &Metadata, body: &[u8]) -> Result<usize, SendError> {
        let payload = Payload { parts: metadata.as_bytes(), body };
        let (top, reach) = self.group(group)?;
        let mut targets = self.members(&top, reach)?;
        let space = self.actor.spec.limits.max_effects;
        self.shared.add_stored_members(&top, reach == Reach::Below, (&self.actor, space), &mut targets).await?;
        let sender = self.batch.cause().sender;
        let mut routes = Vec::with_capacity(targets.len());
        for target in targets {
            let (address, from) = (target.address(), self.address());
            let lasting = address.is_below(from) || self.actor.spec.grants.is_granted(address);
            if !lasting && target.id != sender {
                return Err(SendError::NotGranted { from: from.clone(), to: address.clone() });
            }
            check_size(&target, body)?;
            routes.push(match self.effects.children.at(address, &self.routes) {
                Some(route) => route,
                None => self.routes.add(target, lasting),
            });
        }
        for &route in &routes {
            self.admit(payload.len())?;
            self.send(route, payload);
        }
        Ok(routes.len())
    }

    fn group(&self, text: &str) -> Result<(Address, Reach), SendError> {
        let (top, reach) = match text.strip_suffix("**") {
            Some(top) => (top, Reach::Below),
            None => (text.strip_suffix('*').ok_or_else(|| SendError::NoGroup(shown(text)))?, Reach::Children),
        };
        let top = match top {
            "" => self.address().clone(),
            "/" => Address::root(),
            top => self.address().resolve(top.strip_suffix('/').ok_or_else(|| SendError::NoGroup(shown(text)))?)?,
        };
        Ok((top, reach))
    }

    fn members(&self, top: &Address, reach: Reach) -> Result<Vec<Arc<Actor>>, SendError> {
        let mut found = Vec::new();
        if top.is_root() {
            let tops = self.shared.routing.registry.all().into_iter().filter(|actor| actor.is_there());
            found.extend(
                tops.filter(|actor| reach == Reach::Below || actor.address().parent().is_some_and(|p| p.is_root())),
            );
        } else {
            let registry = &self.shared.routing.registry;
            let there = |actor: &Arc<Actor>| actor.is_addressable() || actor.is_head();
            let top = registry.occupant(top).filter(there).ok_or_else(|| SendError::UnknownAddress(top.clone()))?;
            self.add_below(&top, reach, &mut found);
        }
        found.retain(|actor| actor.id != self.actor.id && !self.is_to_stop(actor));
        found.sort_by(|a, b| a.address().cmp(b.address()));
        Ok(found)
    }

    fn add_below(&self, parent: &Arc<Actor>, reach: Reach, found: &mut Vec<Arc<Actor>>) {
        let own = parent.id == self.actor.id;
        let incarnation = if own { self.incarnation } else { parent.incarnation() };
        let mut children = parent.children_there(incarnation);
        if own {
            let (message, reserved) = (self.current(), self.effects.children.all().iter());
            let new = reserved.filter(|child| child.recorded && child.message == message);
            children.extend(new.map(|child| self.routes.at(child.route).target.clone()));
        }
        for child in children {
            if reach == Reach::Below {
                self.add_below(&child, reach, found);
            }
            found.push(child);
        }
    }

    /// Whether the current message, or one before it in its batch, stops this child.
    fn is_to_stop(&self, actor: &Actor) -> bool {
        self.effects.stops(|route| self.routes.at(route).target.id == actor.id)
    }
}

fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}
