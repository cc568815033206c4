//! `share`: the actors that share an instance have the same access to the world outside.

use super::findings::Checks;
use crate::manifest::play::{PlayActor, PlayPlugin, Settings};
use crate::manifest::problem::Problem;

impl Checks {
    /// The grants of a spawned actor are limited to those of its parent, and so depend on the parent.
    pub(super) fn sharing(&mut self, actors: &[PlayActor], spawnable: &[PlayPlugin]) {
        for plugin in spawnable.iter().map(|plugin| &plugin.settings) {
            let Some(place) = &plugin.share else { continue };
            let name = &plugin.plugin;
            let actors = actors.iter().map(|actor| (actor.written(), &actor.settings));
            let spawned = spawnable.iter().map(|parent| (parent.settings.plugin.clone(), &parent.settings));
            let spawns = |(_, parent): &(String, &Settings)| parent.spawns.contains(name);
            let mut parents = actors.chain(spawned).filter(spawns);
            let Some((first, of_first)) = parents.next() else { continue };
            let first_grants = plugin.grants.within(&of_first.grants);
            let other = parents.find(|(_, parent)| !plugin.grants.within(&parent.grants).gives_the_same(&first_grants));
            let Some((other, _)) = other else { continue };
            let what =
                format!("actors of `{name}` share an instance, and their grants differ below `{first}` and `{other}`");
            let help = "a grant that a parent does not have is left out for its children: give both parents the same grants, or give \
                        the plugin only grants that both have, or leave `share` out";
            self.add(Problem::at(place.clone(), what, "here").help(help));
        }
    }
}
