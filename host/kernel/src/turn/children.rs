//! Children of an actor, as the current message records them, and the other actors that it can look at.

use super::Turn;
use super::batch::Hook;
use super::effect::Effect;
use super::spawn::{self, Draft, SpawnError, StopError};
use crate::actor::Actor;
use crate::actor::template::Config;
use crate::words::address::Address;
use crate::words::overrun::{MAX_CONFIG_BYTES, Overrun};
use crate::words::state::State;

impl Turn {
    /// Records that a child starts: `plugin` is one of the plan's, `name` is taken from now on.
    pub fn spawn(&mut self, name: &str, plugin: &str, config: Config) -> Result<(), SpawnError> {
        let message = self.current();
        let route = self.reserve_for(name, plugin, config, message)?;
        self.record_spawn(route)?;
        Ok(())
    }

    /// Records that a child stops for good. `child` is its name or its address.
    pub fn stop(&mut self, child: &str) -> Result<(), StopError> {
        let route = self.child_route(child)?;
        Ok(self.push_effect(Effect::Stop { route })?)
    }

    /// The names of the children that exist, sorted.
    pub fn children(&self) -> Vec<String> {
        self.actor.names_of_children(self.incarnation)
    }

    /// The address at a path, absolute or relative, if an actor there takes messages now.
    pub fn lookup(&self, path: &str) -> Option<Address> {
        let address = self.address().resolve(path).ok()?;
        self.shared.routing.registry.get(&address).filter(|actor| actor.is_there()).map(|_| address)
    }

    /// The state of the actor at a path, after everything committed so far; none when there is no such actor.
    pub async fn state(&self, path: &str) -> Option<State> {
        let address = self.address().resolve(path).ok()?;
        self.shared.state(address).await
    }

    /// Takes the name for a child of one message of the turn, or of a hook. Returns the number of its route.
    pub(super) fn reserve_for(
        &mut self,
        name: &str,
        plugin: &str,
        config: Config,
        message: Option<usize>,
    ) -> Result<usize, SpawnError> {
        let hook = self.batch.hook();
        if hook == Some(Hook::Shutdown) {
            // This holds for a passivation, too, although no one stopped the actor.
            return Err(SpawnError::Stopping(self.address().clone()));
        }
        if let Ok(address) = self.address().child(name)
            && self.effects.children.at(&address, &self.routes).is_some()
        {
            return Err(SpawnError::Duplicate(address));
        }
        if config.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > MAX_CONFIG_BYTES {
            self.budget.fail(Overrun::Config)?;
        }
        let reserved = self.effects.children.count_new();
        let parent = (&*self.actor, self.incarnation);
        let (target, adopts) =
            match spawn::draft(&self.shared, parent, (name, plugin), config, reserved, hook.is_some())? {
                Draft::New(child) => (child, None),
                Draft::Orphan(orphan, code) => (orphan, Some(code)),
            };
        let route = self.routes.add_reserved(target, adopts.is_some());
        self.effects.children.reserve(route, message, adopts);
        Ok(route)
    }

    /// Records the spawn of a child that the current message reserved; false when it did not reserve it, or has recorded it
    /// already.
    pub(super) fn record_spawn(&mut self, route: usize) -> Result<bool, Overrun> {
        let Some(effect) = self.effects.children.record_spawn(route, self.batch.current()) else { return Ok(false) };
        self.push_effect(effect)?;
        Ok(true)
    }

    pub(super) fn child_route(&mut self, child: &str) -> Result<usize, StopError> {
        let address = self.address().resolve(child)?;
        match (self.effects.children.at(&address, &self.routes), self.shared.routing.registry.get(&address)) {
            (Some(route), _) => Ok(route),
            (None, None) => Err(StopError::UnknownAddress(address)),
            (None, Some(target)) if self.has_spawned(&target) => Ok(self.routes.add(target, true)),
            (None, Some(_)) => Err(StopError::NotSpawned(address)),
        }
    }

    pub(super) fn has_spawned(&self, child: &Actor) -> bool {
        child.is_spawned_by(&self.actor, self.incarnation)
    }

    /// Records an effect other than a send and a timer.
    pub(super) fn push_effect(&mut self, effect: Effect) -> Result<(), Overrun> {
        self.admit(0)?;
        self.outbox.push_effect(0, 0);
        self.effects.push(effect);
        Ok(())
    }
}
