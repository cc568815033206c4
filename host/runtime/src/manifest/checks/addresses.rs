//! The addresses of a manifest: each is good, occurs once, and comes after its parent.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use playhouse_kernel::{Address, AddressError, NamePattern};
use toml::Spanned;

use super::findings::Checks;
use crate::manifest::problem::Problem;
use crate::manifest::schema;

/// The good addresses in the order of the file, with their places; by actor, and by address.
pub(super) struct Addresses {
    pub(super) of_actor: Vec<Option<Address>>,
    pub(super) first: HashMap<Address, (usize, Range<usize>)>,
    /// Addresses with an actor of the manifest below them.
    pub(super) parents: HashSet<Address>,
    /// Actors that may spawn others.
    pub(super) spawning: HashSet<Address>,
    /// Native actors, in the order of the manifest, with their places.
    pub(super) natives: Vec<(Address, Range<usize>)>,
    native: HashSet<Address>,
    /// The addresses of sinks, in the order of the manifest.
    pub(super) sinks: Vec<Option<Address>>,
    /// The addresses above the members of families, with the rules for the names of these.
    pub(super) families: HashMap<Address, NamePattern>,
}

impl Addresses {
    /// Whether an actor of the manifest, a native actor, or a member of a family has this address.
    pub(super) fn has(&self, address: &Address) -> bool {
        self.is_taken(address) && !self.families.contains_key(address) || self.is_member(address)
    }

    /// Whether no other actor may have this address.
    fn is_taken(&self, address: &Address) -> bool {
        self.first.contains_key(address) || self.is_native(address)
    }

    /// Whether a member of a family may have this address.
    fn is_member(&self, address: &Address) -> bool {
        let names = address.parent().and_then(|above| self.families.get(&above));
        names.is_some_and(|names| names.fits(address.name()))
    }

    /// All addresses of actors, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Address> {
        let natives = self.natives.iter().map(|(address, _)| address);
        let actors = self.first.keys().filter(|address| !self.families.contains_key(*address));
        actors.chain(natives).chain(self.sinks.iter().flatten())
    }

    /// The address above the members, if the text is that of a family: `/user/*`.
    pub(super) fn family(&self, written: &str) -> Option<Address> {
        let above = Address::parse(written.strip_suffix("/*")?).ok()?;
        self.families.contains_key(&above).then_some(above)
    }

    /// Whether this is the address above the members of a family, or one directly below that.
    pub(super) fn is_at_family(&self, address: &Address) -> bool {
        let at = |address: &Address| self.families.contains_key(address);
        at(address) || address.parent().is_some_and(|above| at(&above))
    }

    fn is_native(&self, address: &Address) -> bool {
        self.native.contains(address)
    }

    /// Whether an actor or a sink of the manifest is below `top`, or an actor may be spawned there.
    pub(super) fn is_populated(&self, top: &Address) -> bool {
        let mut sinks = self.sinks.iter().flatten();
        self.parents.contains(top)
            || sinks.any(|sink| sink.is_below(top))
            || with_ancestors(top).any(|above| self.spawning.contains(&above))
    }
}

/// This address and all above it.
pub(super) fn with_ancestors(address: &Address) -> impl Iterator<Item = Address> {
    std::iter::successors(Some(address.clone()), Address::parent)
}

impl Checks {
    /// Parses all addresses: each must be good, occur once, and come after its parent.
    pub(super) fn addresses(
        &mut self,
        actors: &[Spanned<schema::Actor>],
        natives: &[Spanned<String>],
        sinks: &[schema::Sink],
    ) -> Addresses {
        let mut all = Addresses {
            of_actor: Vec::new(),
            first: HashMap::new(),
            parents: HashSet::new(),
            spawning: HashSet::new(),
            natives: Vec::new(),
            native: HashSet::new(),
            sinks: Vec::new(),
            families: HashMap::new(),
        };
        for (n, actor) in actors.iter().enumerate() {
            let written = &actor.get_ref().address;
            let family = actor.get_ref().family.as_ref();
            let address = match Address::parse(written.get_ref()) {
                _ if family.is_some() => self.family_address(written),
                Ok(address) if address.is_root() => {
                    let remark = "an actor needs a name, as in \"/name\"";
                    self.add(Problem::at(written.span(), "`/` is the kernel itself", remark));
                    None
                }
                Ok(address) => Some(address),
                Err(error) => {
                    let problem = Problem::at(written.span(), address_fault(&error), address_meant(written.get_ref()));
                    self.add(problem.help("an address is \"/\" and the name, below another actor \"/parent/name\""));
                    None
                }
            };
            if let Some(address) = &address {
                if let Some((_, first)) = all.first.get(address) {
                    let problem =
                        Problem::at(written.span(), format!("two actors have the address `{address}`"), "again here");
                    self.add(problem.and_at(first.clone(), "first here").help("give one of them another name"));
                } else {
                    all.first.insert(address.clone(), (n, written.span()));
                }
                for above in with_ancestors(address).skip(1) {
                    if !all.parents.insert(above) {
                        break;
                    }
                }
                // Members are as actors that are spawned there.
                if !actor.get_ref().spawns.is_empty() || family.is_some() {
                    all.spawning.insert(address.clone());
                }
                if let Some(keys) = family {
                    all.families.insert(address.clone(), self.member_names(keys));
                }
            }
            all.of_actor.push(address);
        }
        for written in natives {
            if let Some(address) = self.native(written, &all) {
                all.native.insert(address.clone());
                all.natives.push((address, written.span()));
            }
        }
        for written in sinks {
            let address = self.sink_address(&written.address, &all);
            all.native.extend(address.clone());
            all.sinks.push(address);
        }
        for (native, _) in &all.natives {
            all.parents.extend(with_ancestors(native).skip(1));
        }
        for (n, address) in all.of_actor.iter().enumerate() {
            let Some((address, parent)) = address.as_ref().and_then(|a| Some((a, a.parent()?))) else { continue };
            let place = actors[n].get_ref().address.span();
            if let Some(family) = all.families.keys().find(|family| address.is_below(family)) {
                self.add(below_family(address, family, place));
                continue;
            }
            match all.first.get(&parent) {
                _ if parent.is_root() || all.is_native(&parent) => {}
                None => self.orphan(address, &parent, place, &all),
                Some((before, _)) if *before < n => {}
                Some((_, later)) => {
                    let problem = Problem::at(
                        place,
                        format!("`{address}` comes before its parent `{parent}`"),
                        "this is the child",
                    );
                    self.add(
                        problem
                            .and_at(later.clone(), "this is its parent")
                            .help("actors start in this order: move the parent up"),
                    );
                }
            }
        }
        all
    }

    /// An address in `play.native`: good, of no other actor, and below an actor.
    fn native(&mut self, written: &Spanned<String>, all: &Addresses) -> Option<Address> {
        let place = written.span();
        let address = match Address::parse(written.get_ref()) {
            Ok(address) if !address.is_root() => address,
            Ok(_) => {
                let problem = Problem::at(place, "`/` is the kernel itself", "a native actor needs a name");
                self.add(problem.help("name native actors as in native = [\"/audit\"]"));
                return None;
            }
            Err(error) => {
                let problem = Problem::at(place, address_fault(&error), address_meant(written.get_ref()));
                self.add(problem.help("`native` is a list of addresses, as in native = [\"/audit\"]"));
                return None;
            }
        };
        if all.is_taken(&address) {
            let actor = all.first.get(&address).map(|(_, place)| place);
            let native = || all.natives.iter().find(|(native, _)| *native == address).map(|(_, place)| place);
            let first = actor.or_else(native).cloned().unwrap_or_default();
            let problem = Problem::at(place, format!("two actors have the address `{address}`"), "again here");
            self.add(problem.and_at(first, "first here").help("give one of them another name"));
            return None;
        }
        if let Some(family) = all.families.keys().find(|family| address.is_below(family)) {
            self.add(below_family(&address, family, place));
            return None;
        }
        let parent = address.parent().filter(|parent| !parent.is_root() && !all.is_taken(parent));
        if let Some(parent) = parent {
            let problem = Problem::at(place, format!("`{address}` has no parent"), format!("no actor is `{parent}`"));
            self.add(problem.help("name the parent first, or put the native actor directly under `/`"));
            return None;
        }
        Some(address)
    }

    /// The address of a sink: good, of no other actor, and not below one that starts later.
    fn sink_address(&mut self, written: &Spanned<String>, all: &Addresses) -> Option<Address> {
        let place = written.span();
        let address = match Address::parse(written.get_ref()) {
            Ok(address) if !address.is_root() => address,
            Ok(_) => {
                self.add(Problem::at(place, "`/` is the kernel itself", "a sink needs a name, as in \"/out/billing\""));
                return None;
            }
            Err(error) => {
                let problem = Problem::at(place, address_fault(&error), address_meant(written.get_ref()));
                self.add(problem.help("a sink has an address of its own, as in \"/out/billing\""));
                return None;
            }
        };
        if all.is_taken(&address) {
            let problem = Problem::at(place, format!("two actors have the address `{address}`"), "again here");
            self.add(problem.help("give the sink another address, as in \"/out/billing\""));
            return None;
        }
        let top = address.top();
        let above = with_ancestors(&address).skip(1).find(|above| all.is_taken(above));
        let below = all.parents.contains(&address).then(|| address.clone());
        if above.is_some() || below.is_some() || top.as_str() == "/gate" {
            let what = match (above, below) {
                (Some(above), _) => format!("the sink `{address}` is below the actor `{above}`"),
                (None, Some(_)) => format!("an actor is below the sink `{address}`, which has no children"),
                (None, None) => format!("the sink `{address}` is below `/gate`, where messages come in"),
            };
            let help = "a sink starts before all actors: give it an address of its own, as in \"/out/billing\"";
            self.add(Problem::at(place, what, "here").help(help));
            return None;
        }
        Some(address)
    }

    fn orphan(&mut self, address: &Address, parent: &Address, place: Range<usize>, all: &Addresses) {
        let known = all.first.keys().filter(|known| *known != address && !known.is_below(address));
        let remark = match self.near_address(parent.as_str(), known) {
            Some(near) => format!("did you mean \"{near}/{}\"?", address.name()),
            None => format!("no actor has the address `{parent}`"),
        };
        let problem = Problem::at(place, format!("`{address}` has no parent"), remark);
        self.add(
            problem.help(format!(
                "add an actor with address = \"{parent}\" before it, or name it \"/{}\"",
                address.name()
            )),
        );
    }
}

/// The problem of an actor of the manifest in the place of members.
fn below_family(address: &Address, family: &Address, place: Range<usize>) -> Problem {
    let what = format!("`{address}` is in the place of the members of the family `{family}/*`");
    let help = "members are made when messages are sent to them: give this actor an address elsewhere";
    Problem::at(place, what, "no other actor can be here").help(help)
}

/// The fault of an address. A suggestion is never wrong itself.
pub(super) fn address_fault(error: &AddressError) -> String {
    match error {
        AddressError::NotAbsolute(text) if Address::parse(&format!("/{text}")).is_err() => {
            format!("`{text}` is no address: it must begin with `/`, and go on with letters, digits, `_` and `-`")
        }
        error => error.to_string(),
    }
}

/// The address that the writer of a bad one may have meant.
pub(super) fn address_meant(written: &str) -> String {
    let meant = format!("/{}", written.trim_matches('/'));
    match Address::parse(&meant) {
        Ok(meant) if !meant.is_root() => format!("did you mean \"{meant}\"?"),
        _ => "here".into(),
    }
}
