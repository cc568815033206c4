//! Limits on a subtree: the manifest's own actors in the subtree must fit.

use std::collections::HashMap;

use playhouse_kernel::Address;
use toml::Spanned;

use super::addresses::Addresses;
use super::findings::Checks;
use super::instances;
use crate::manifest::problem::Problem;
use crate::manifest::schema::{Actor, Idle, Manifest, Start, Subtree};

/// The manifest's actors in one subtree.
#[derive(Default)]
struct Own {
    actors: usize,
    /// Instances that start by themselves and stay, and those of mailbox plugins.
    stay: usize,
    /// Whether some actors take turns: these need one instance together.
    take_turns: bool,
}

impl Checks {
    pub(super) fn subtrees(&mut self, manifest: &Manifest, addresses: &Addresses) {
        let actors = || manifest.actor.iter().map(Spanned::get_ref).zip(&addresses.of_actor);
        let limited = |(actor, address): (_, &Option<Address>)| {
            let actor: &Actor = actor;
            Some((address.clone()?, actor.limits.subtree.as_ref()?))
        };
        let limited: Vec<(Address, &Subtree)> = actors().filter_map(limited).collect();
        let mut found: HashMap<_, _> = limited.iter().map(|(top, _)| (top.clone(), Own::default())).collect();
        if found.is_empty() {
            return;
        }
        for (actor, address) in actors() {
            let mut at = address.clone();
            while let Some(address) = at {
                if let Some(own) = found.get_mut(&address) {
                    own.count(actor);
                }
                at = address.parent();
            }
        }
        for (top, limits) in limited {
            let own = &found[&top];
            let needed = own.stay + usize::from(own.take_turns);
            for (written, needed, key, what) in [
                (&limits.actors, own.actors, "actors", "actors of the manifest"),
                (&limits.instances, needed, "instances", "instances that start by themselves"),
            ] {
                let Some(written) = written.as_ref().filter(|most| (most.get_ref().0 as usize) < needed) else {
                    continue;
                };
                let most = written.get_ref().0;
                let what =
                    format!("`{top}` and all below it have {needed} {what}, and `limits.subtree.{key}` is {most}");
                let problem = Problem::at(written.span(), what, format!("it must be at least {needed}"));
                self.add(problem.help("raise it, or put some of these actors elsewhere"));
            }
        }
    }
}

impl Own {
    fn count(&mut self, actor: &Actor) {
        let start = actor.start.as_ref().map(Spanned::get_ref);
        let idle_stop = actor.idle.as_ref().is_some_and(|idle| *idle.get_ref() == Idle::Stop);
        self.actors += 1;
        self.stay += usize::from(actor.mailbox.plugin.is_some());
        match start {
            Some(Start::Manual) => {}
            Some(Start::OnMessage) => self.take_turns = true,
            _ if idle_stop => self.take_turns = true,
            _ => self.stay += instances::of(actor),
        }
    }
}
