//! The number of instances: within the limits of a mailbox and of the host, and only one for an actor with children.

use std::collections::HashSet;

use playhouse_gateway::websocket::WebSocketSettings;
use playhouse_kernel::{Address, MOST_INSTANCES};
use playhouse_sandbox::SandboxConfig;
use toml::Spanned;

use super::addresses::{Addresses, with_ancestors};
use super::findings::Checks;
use crate::manifest::problem::Problem;
use crate::manifest::schema::{Actor, HttpRoute, Idle, Manifest, Start};

/// `instances`, or its default.
pub(super) fn of(actor: &Actor) -> usize {
    actor.instances.as_ref().map_or(1, |n| n.get_ref().0 as usize)
}

/// `connections` of a route, or its default.
pub(super) fn connections_of(route: &HttpRoute) -> usize {
    route.connections.as_ref().map_or(WebSocketSettings::CONNECTIONS, |n| n.get_ref().0 as usize)
}

impl Checks {
    pub(super) fn instances(&mut self, manifest: &Manifest, addresses: &Addresses) {
        for (actor, address) in manifest.actor.iter().zip(&addresses.of_actor) {
            self.most_instances(actor.get_ref());
            self.no_spawns(actor.get_ref());
            if let Some(address) = address {
                self.only_parent(actor.get_ref(), address, manifest, addresses);
                self.stays_up(actor.get_ref(), address, manifest, addresses);
            }
        }
        self.max_instances(manifest, addresses);
    }

    fn most_instances(&mut self, actor: &Actor) {
        let Some(written) = actor.instances.as_ref().filter(|n| n.get_ref().0 as usize > MOST_INSTANCES) else {
            return;
        };
        let what = format!("`instances` is over {MOST_INSTANCES}");
        let problem = Problem::at(written.span(), what, format!("it must be at most {MOST_INSTANCES}"));
        self.add(problem.help("this is the limit for one mailbox; for more, add another actor"));
    }

    fn no_spawns(&mut self, actor: &Actor) {
        let several = actor.instances.as_ref().filter(|n| n.get_ref().0 > 1);
        let (Some(several), Some(spawned)) = (several, actor.spawns.first()) else { return };
        let what = "an actor with several instances has no children, and so none to spawn";
        let problem = Problem::at(spawned.span(), what, "here").and_at(several.span(), "these are several");
        self.add(problem.help("give it one instance, or leave `spawns` out"));
    }

    /// Children belong to one instance, so that a parent has only one.
    fn only_parent(&mut self, actor: &Actor, address: &Address, manifest: &Manifest, addresses: &Addresses) {
        let parent = address.parent().and_then(|parent| addresses.first.get(&parent));
        let parent = parent.and_then(|(n, _)| manifest.actor.get(*n)).map(Spanned::get_ref);
        let Some(several) = parent.and_then(|parent| parent.instances.as_ref()).filter(|n| n.get_ref().0 > 1) else {
            return;
        };
        let what = format!("`{address}` is below an actor with several instances");
        let problem = Problem::at(actor.address.span(), what, "this is the child");
        self.add(
            problem
                .and_at(several.span(), "its parent has several instances")
                .help("give the parent one instance, or put the child elsewhere"),
        );
    }

    /// A parent of the manifest's children is up while they are.
    fn stays_up(&mut self, actor: &Actor, address: &Address, manifest: &Manifest, addresses: &Addresses) {
        let parent = address.parent().and_then(|parent| addresses.first.get(&parent));
        let Some(parent) = parent.and_then(|(n, _)| manifest.actor.get(*n)).map(Spanned::get_ref) else { return };
        let on_message = parent.start.as_ref().filter(|start| *start.get_ref() == Start::OnMessage).map(Spanned::span);
        let idle = parent.idle.as_ref().filter(|idle| *idle.get_ref() == Idle::Stop).map(Spanned::span);
        for (place, key, why) in [
            (on_message, "start = \"on-message\"", "a message for the child would not start its parent"),
            (idle, "idle = \"stop\"", "an actor with children stays up for them, so that this would do nothing"),
        ] {
            let Some(place) = place else { continue };
            let what = format!("`{address}` is below an actor with {key}");
            let problem = Problem::at(actor.address.span(), what, "this is the child").and_at(place, "its parent");
            self.add(problem.help(format!("{why}: leave it out there, or put the child elsewhere")));
        }
    }

    /// Each actor that starts by itself and stays needs its own instances; all that make room for each other need one together.
    fn max_instances(&mut self, manifest: &Manifest, addresses: &Addresses) {
        let starts_as = |actor: &Actor, start| actor.start.as_ref().is_some_and(|written| *written.get_ref() == start);
        let manual = |actor: &Spanned<Actor>| starts_as(actor.get_ref(), Start::Manual);
        let frees_instances = |actor: &Actor| {
            let idle = actor.idle.as_ref().is_some_and(|idle| *idle.get_ref() == Idle::Stop);
            idle || starts_as(actor, Start::OnMessage)
        };
        let mut one_for_all = 1;
        let actors = || manifest.actor.iter().zip(&addresses.of_actor);
        let waiting: HashSet<_> =
            actors().filter(|(actor, _)| manual(actor)).filter_map(|(_, address)| address.as_ref()).collect();
        let starts = |address: &Address| !with_ancestors(address).any(|above| waiting.contains(&above));
        let written = manifest.play.max_instances.as_ref();
        let most = written.map_or(SandboxConfig::default().max_instances, |n| n.get_ref().0);
        let (mut needed, mut one_too_many) = (0, None);
        for (actor, address) in actors() {
            if address.as_ref().is_some_and(starts) {
                needed += if frees_instances(actor.get_ref()) {
                    std::mem::take(&mut one_for_all)
                } else {
                    of(actor.get_ref())
                };
            }
            // The instance of a mailbox plugin starts with the mailbox.
            needed += usize::from(actor.get_ref().mailbox.plugin.is_some());
            if address.is_some() {
                let over = needed > most as usize;
                one_too_many = one_too_many.or_else(|| over.then(|| actor.get_ref().address.span()));
            }
        }
        let routes = manifest.http.iter().flat_map(|server| &server.get_ref().route).map(Spanned::get_ref);
        for route in routes.filter(|route| route.websocket.is_some()) {
            needed += connections_of(route);
            let place = route.connections.as_ref().map(Spanned::span);
            let place = place.or_else(|| route.websocket.as_ref().map(Spanned::span));
            if needed > most as usize && one_too_many.is_none() {
                let Some(place) = place else { continue };
                let what = format!(
                    "the actors of the manifest and the connections up to here keep {needed} instances, and \
                     `play.max_instances` is {most}"
                );
                let help = "raise `max_instances` under [play], or lower `connections`: each keeps an instance for its handler";
                self.add(Problem::at(place, what, "here").help(help));
                return;
            }
        }
        let Some(place) = one_too_many else { return };
        let place = written.map_or(place, Spanned::span);
        let what = format!("{needed} instances start by themselves, and `play.max_instances` is {most}");
        let help = "raise `max_instances` under [play], or let idle actors end with idle = \"stop\", or start actors later with \
                    start = \"on-message\" or \"manual\"";
        self.add(Problem::at(place, what, "here").help(help));
    }
}
