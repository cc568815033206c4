//! The keys that all gateways have in common: a name below `/gate`, and a receiver.

use std::ops::Range;

use playhouse_kernel::Address;
use toml::Spanned;

use super::addresses::{Addresses, address_fault, address_meant, with_ancestors};
use super::findings::Checks;
use crate::manifest::play::PlayActor;
use crate::manifest::problem::Problem;
use crate::manifest::schema::Actor;

/// The parent of all gateways that take messages in.
const GATE: &str = "/gate";

impl Checks {
    /// Checks that no actor of the manifest is at `/gate` or below it, which is the place of gateways.
    pub(super) fn gate_is_free(&mut self, actors: &[Spanned<Actor>], addresses: &Addresses) {
        let of_actors = actors.iter().zip(&addresses.of_actor);
        let of_actors = of_actors.filter_map(|(actor, at)| Some((at.clone()?, actor.get_ref().address.span())));
        let taken = of_actors
            .chain(addresses.natives.iter().cloned())
            .filter(|(address, _)| with_ancestors(address).any(|above| above.as_str() == GATE));
        let problem = |(address, place): (Address, Range<usize>)| {
            let problem = Problem::at(place, format!("`{address}` is in the place of gateways"), "here");
            problem.help(
                "`/gate` holds what the tables [[http]], [[cron]] and [[source]] place there: choose another name",
            )
        };
        let problems: Vec<_> = taken.map(problem).collect();
        self.problems.extend(problems);
    }

    /// The address of the gateway with this name, which no other gateway has.
    pub(super) fn gate_name(&mut self, written: &Spanned<String>) -> Option<Address> {
        let (name, place) = (written.get_ref().as_str(), written.span());
        let address = match Address::parse(&format!("{GATE}/{name}")) {
            Ok(address) if address.parent().is_some_and(|parent| parent.as_str() == GATE) => address,
            _ => {
                let what = format!("`{}` is no name of a gateway", name.escape_debug());
                let help = "a name consists of letters, digits, `_` and `-`: the gateway is the actor `/gate/NAME`";
                self.add(Problem::at(place, what, "here").help(help));
                return None;
            }
        };
        if let Some(first) = self.gates.get(&address) {
            let problem = Problem::at(place, format!("two gateways have the name `{name}`"), "again here");
            let problem = problem.and_at(first.clone(), "first here");
            self.add(problem.help("give one of them another name: each is the actor `/gate/NAME`"));
            return None;
        }
        self.gates.insert(address.clone(), place);
        Some(address)
    }

    /// An actor that a gateway sends to: one that is there, or may be spawned.
    pub(super) fn receiver(&mut self, written: &Spanned<String>, key: &str, addresses: &Addresses) -> Option<Address> {
        let place = written.span();
        let to = match Address::parse(written.get_ref()) {
            Ok(to) => to,
            Err(error) => {
                let problem = Problem::at(place, address_fault(&error), address_meant(written.get_ref()));
                self.add(problem.help(format!("`{key}` is the address of an actor, as in {key} = \"/report\"")));
                return None;
            }
        };
        if addresses.is_at_family(&to) && !addresses.has(&to) {
            self.no_receiver(written, &to, addresses);
            return None;
        }
        let may_be_spawned = with_ancestors(&to).skip(1).any(|above| addresses.spawning.contains(&above));
        if addresses.has(&to) || may_be_spawned {
            return Some(to);
        }
        let remark = self
            .near_address(to.as_str(), addresses.all())
            .map_or_else(|| "no such actor".into(), |near| format!("did you mean \"{near}\"?"));
        let problem = Problem::at(place, format!("no actor has the address `{to}`"), remark);
        self.add(problem.help(format!("`{key}` names an actor of this manifest, or one that may be spawned")));
        None
    }
}

/// The problem of a text of the manifest that is longer than its receiver takes.
pub(super) fn body_problem(written: Option<&Spanned<String>>, to: &Address, actors: &[PlayActor]) -> Option<Problem> {
    let written = written?;
    let receiver = actors.iter().find(|actor| actor.receives(to))?;
    let (bytes, most) = (written.get_ref().len(), receiver.settings.limits.message_bytes);
    let what = format!("the body has {bytes} bytes, and `{to}` takes messages of at most {most}");
    let problem = Problem::at(written.span(), what, "here").help("raise `limits.message` of the receiver");
    (bytes > most).then_some(problem)
}

/// The place of a part of a text in the manifest: of the part if the text is written without escapes, or else of the whole text.
pub(super) fn part_place(written: &Spanned<String>, part: &Range<usize>, source: &str) -> Range<usize> {
    let whole = written.span();
    let text = written.get_ref();
    let is_plain = source.get(whole.clone()).is_some_and(|quoted| {
        let inner = quoted.get(1..quoted.len().saturating_sub(1));
        inner.is_some_and(|inner| inner == text)
    });
    if is_plain && !part.is_empty() { whole.start + 1 + part.start..whole.start + 1 + part.end } else { whole }
}
