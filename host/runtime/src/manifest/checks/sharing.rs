//! `share`: the actors that share an instance have the same access to the world outside.

use playhouse_gateway::http;
use playhouse_sandbox::Grants;

use super::findings::Checks;
use crate::manifest::play::{HttpServer, PlayActor, PlayPlugin, Settings};
use crate::manifest::problem::Problem;

impl Checks {
    /// The grants of a spawned actor are limited to those of its parent, and so depend on the parent. A gateway, as the parent of
    /// connections, limits none.
    pub(super) fn sharing(&mut self, actors: &[PlayActor], spawnable: &[PlayPlugin], servers: &[HttpServer]) {
        for plugin in spawnable.iter().map(|plugin| &plugin.settings) {
            let Some(place) = &plugin.share else { continue };
            let name = &plugin.plugin;
            let actors = actors.iter().map(|actor| (actor.written(), &actor.settings));
            let spawned = spawnable.iter().map(|parent| (parent.settings.plugin.clone(), &parent.settings));
            let spawns = |(_, parent): &(String, &Settings)| parent.spawns.contains(name);
            let below = |(parent, settings): (String, &Settings)| (parent, plugin.grants.within(&settings.grants));
            let gateways = servers.iter().filter(|server| has_handler(server, name));
            let gateways = gateways.filter_map(|server| http::address(&server.settings.name).ok());
            let gateways = gateways.map(|gateway| (gateway.to_string(), plugin.grants.clone()));
            let mut parents = actors.chain(spawned).filter(spawns).map(below).chain(gateways);
            let Some((first, of_first)) = parents.next() else { continue };
            let differs = |(_, grants): &(String, Grants)| !grants.gives_the_same(&of_first);
            let Some((other, _)) = parents.find(differs) else { continue };
            let what =
                format!("actors of `{name}` share an instance, and their grants differ below `{first}` and `{other}`");
            let help = "a grant that a parent does not have is left out for its children, and connections below a gateway have all grants \
                        of their plugin: give all parents the same grants, or give the plugin only grants that each has, or leave \
                        `share` out";
            self.add(Problem::at(place.clone(), what, "here").help(help));
        }
    }
}

/// Whether connections of a server are handled by this plugin.
fn has_handler(server: &HttpServer, plugin: &str) -> bool {
    let mut handlers = server.settings.routes.iter().filter_map(|route| route.action.websocket());
    handlers.any(|handler| handler.plugin == plugin)
}
