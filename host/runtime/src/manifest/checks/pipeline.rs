//! `pipeline`: actors in one line. Each one may send to the next one; the pipeline grants nothing else.

use std::collections::HashMap;

use playhouse_kernel::Address;
use toml::Spanned;

use super::addresses::{Addresses, address_fault, address_meant};
use super::findings::Checks;
use crate::manifest::play::PlayActor;
use crate::manifest::problem::Problem;
use crate::manifest::schema::Manifest;

const HELP: &str =
    "`pipeline` names actors of this manifest in the order in which they send, as in [\"/a\", \"/b\", \"/c\"]";

impl Checks {
    /// Grants each actor of the pipeline the next one, and returns its addresses.
    pub(super) fn pipeline(
        &mut self,
        manifest: &Manifest,
        addresses: &Addresses,
        actors: &mut [PlayActor],
    ) -> Vec<Address> {
        let Some(written) = &manifest.play.pipeline else { return Vec::new() };
        let mut line: Vec<Address> = Vec::new();
        let mut places: HashMap<Address, std::ops::Range<usize>> = HashMap::new();
        for stage in written.get_ref() {
            let Some(address) = self.stage(stage, addresses) else { continue };
            if let Some(first) = places.insert(address.clone(), stage.span()) {
                let what = format!("`{address}` is in the pipeline twice: its messages would go in a circle");
                let problem = Problem::at(stage.span(), what, "again here").and_at(first, "first here");
                self.add(problem.help("a pipeline only goes forward; grant other sends with `sends_to`"));
            }
            line.push(address);
        }
        if written.get_ref().len() < 2 {
            let problem = Problem::at(written.span(), "a pipeline has at least two actors", "here");
            self.add(problem.help(HELP));
        }
        let mut by_address: HashMap<_, _> =
            actors.iter().enumerate().rev().map(|(n, a)| (a.address.clone(), n)).collect();
        for (from, to) in line.iter().zip(line.iter().skip(1)) {
            if let Some(actor) = by_address.remove(from).and_then(|n| actors.get_mut(n))
                && !actor.settings.sends_to.contains(to)
            {
                actor.settings.sends_to.push(to.clone());
            }
        }
        line
    }

    fn stage(&mut self, written: &Spanned<String>, addresses: &Addresses) -> Option<Address> {
        let (what, remark) = match Address::parse(written.get_ref()) {
            Ok(address) if addresses.first.contains_key(&address) => return Some(address),
            Ok(address) => {
                let near = self.near_address(address.as_str(), addresses.first.keys());
                let remark = near.map_or_else(|| "no such actor".into(), |near| format!("did you mean \"{near}\"?"));
                (format!("no actor has the address `{address}`"), remark)
            }
            Err(error) => (address_fault(&error), address_meant(written.get_ref())),
        };
        self.add(Problem::at(written.span(), what, remark).help(HELP));
        None
    }
}
