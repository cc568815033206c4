//! The children that the messages of a turn have reserved, and spawn.

use super::effect::Effect;
use super::routes::Routes;
use crate::actor::code::Code;
use crate::words::address::Address;

/// A reserved child: its name is taken until the turn is over.
pub(super) struct Reservation {
    pub(super) route: usize,
    /// The message that reserved it; none for a hook.
    pub(super) message: Option<usize>,
    /// Whether the spawn was recorded; otherwise it is only reserved.
    pub(super) recorded: bool,
    /// The code that an orphan gets; none for a new child.
    pub(super) adopts: Option<Code>,
}

/// The reserved children of a turn.
#[derive(Default)]
pub(super) struct Reservations(Vec<Reservation>);

impl Reservations {
    pub(super) fn reserve(&mut self, route: usize, message: Option<usize>, adopts: Option<Code>) {
        self.0.push(Reservation { route, message, recorded: false, adopts });
    }

    pub(super) fn all(&self) -> &[Reservation] {
        &self.0
    }

    /// Marks a child that `message` reserved as spawned; none when it did not reserve the child, or spawned it already.
    pub(super) fn record_spawn(&mut self, route: usize, message: Option<usize>) -> Option<Effect> {
        let of_message =
            |child: &&mut Reservation| (child.route, child.message, child.recorded) == (route, message, false);
        let child = self.0.iter_mut().find(of_message)?;
        child.recorded = true;
        Some(match child.adopts.clone() {
            Some(code) => Effect::Adopt { route, code },
            None => Effect::Spawn { route },
        })
    }

    /// Number of reserved children that do not exist yet.
    pub(super) fn count_new(&self) -> usize {
        self.0.iter().filter(|child| child.adopts.is_none()).count()
    }

    /// The route of the reserved child with this address.
    pub(super) fn at(&self, address: &Address, routes: &Routes) -> Option<usize> {
        self.0.iter().map(|child| child.route).find(|&route| routes.leads_to(route, address))
    }

    /// Whether messages may send to a child that does not exist yet: the commit of this turn starts it.
    pub(super) fn will_spawn(&self, route: usize) -> bool {
        self.0.iter().any(|child| child.route == route && child.recorded)
    }

    pub(super) fn end(&mut self, route: usize) {
        self.0.retain(|child| child.route != route);
    }

    /// Drops all of them: at the end of a turn, those that were never recorded as spawns.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Drops those that `message` made, or a hook.
    #[inline]
    pub(super) fn drop_of(&mut self, message: Option<usize>) {
        if !self.0.is_empty() {
            self.0.retain(|child| child.message != message);
        }
    }
}
