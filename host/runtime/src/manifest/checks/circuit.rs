//! `required` and `restart.cooldown`: only for actors directly under `/`, because only these are given up for good.

use playhouse_kernel::Address;

use super::addresses::Addresses;
use super::findings::Checks;
use crate::manifest::problem::Problem;
use crate::manifest::schema::{Manifest, Restart};

impl Checks {
    pub(super) fn circuits(&mut self, manifest: &Manifest, addresses: &Addresses) {
        for (actor, address) in manifest.actor.iter().zip(&addresses.of_actor) {
            let actor = actor.get_ref();
            let Some(address) = address.as_ref().filter(|address| address.parent().is_some_and(|p| !p.is_root()))
            else {
                continue;
            };
            let top = address.top();
            if let Some(required) = actor.required.as_ref().filter(|required| *required.get_ref()) {
                let what = format!("`{address}` is required, and is below `{top}`");
                let problem = Problem::at(required.span(), what, "its failures are its parent's");
                self.add(problem.help(format!("only actors directly under `/` are given up: let `{top}` be required")));
            }
            self.no_cooldown(&actor.restart, &format!("`{address}` is below `{top}`"), Some(&top));
        }
        for plugin in &manifest.plugin {
            let plugin = plugin.get_ref();
            self.no_cooldown(&plugin.restart, &format!("actors of `{}` are spawned", plugin.name.get_ref()), None);
        }
    }

    fn no_cooldown(&mut self, restart: &Restart, why: &str, top: Option<&Address>) {
        let Some(cooldown) = &restart.cooldown else { return };
        let problem = Problem::at(cooldown.span(), format!("`cooldown` has no meaning here: {why}"), "here");
        let whose = top.map_or_else(|| "the actor at the top".to_owned(), |top| format!("`{top}`"));
        self.add(
            problem.help(format!("its failures are its parent's; a trial start is made of {whose}: put it there")),
        );
    }
}
