//! The edges of the flow, from the grants of the manifest: addresses, and subtrees of which all actors are meant.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use playhouse_gateway::GATES;
use playhouse_gateway::http::Receiver;
use playhouse_kernel::Address;

use super::place::Place;
use crate::manifest::play::{PlayActor, PlaySettings, Settings};

/// Maximum number of places that all subtrees together are followed to. In a large play in which each actor may send to all, the
/// number of edges is the square of the number of actors.
const MOST_IN_SUBTREES: usize = 1 << 20;

/// The grants of one place: addresses, and addresses whose whole subtree is meant.
#[derive(Default, Clone)]
struct Sends<'a> {
    to: Vec<&'a Address>,
    below: Vec<&'a Address>,
}

impl<'a> Sends<'a> {
    fn of(settings: &'a Settings) -> Self {
        Self { to: settings.sends_to.iter().collect(), below: settings.sends_below.iter().collect() }
    }
}

/// Answers whether a place is granted, for many places.
struct Reach<'a> {
    to: HashSet<&'a str>,
    below: HashSet<&'a str>,
    /// The addresses of `below`, in the order of the tree.
    sorted: Vec<&'a Address>,
}

impl<'a> Reach<'a> {
    fn of(sends: &Sends<'a>) -> Self {
        let mut sorted = sends.below.clone();
        sorted.sort_by(|a, b| in_tree(a, b));
        let texts = |all: &[&'a Address]| all.iter().map(|address| address.as_str()).collect();
        Self { to: texts(&sends.to), below: texts(&sends.below), sorted }
    }

    fn has(&self, place: &Place) -> bool {
        let at = &place.address;
        let inside = || above(at.as_str()).any(|top| self.below.contains(top));
        if !place.spawned {
            return self.to.contains(at.as_str()) || inside();
        }
        // A granted subtree begins at this place, above it, or below it.
        let next = self.sorted.partition_point(|top| in_tree(top, at) != Ordering::Greater);
        self.below.contains(at.as_str()) || inside() || self.sorted.get(next).is_some_and(|top| top.is_below(at))
    }
}

/// A play's grants, and its places by their addresses.
pub(super) struct Grants<'a> {
    play: &'a PlaySettings,
    places: &'a [Place],
    /// The tops of subtrees that parameters do not lead into.
    reserved: Vec<Address>,
    actors: HashMap<&'a str, usize>,
    spawned: HashMap<&'a str, usize>,
    /// The places in the order of the tree: those of a subtree are neighbours.
    in_order: Vec<usize>,
    plugins: HashMap<&'a str, &'a Settings>,
    /// The grants of all actors that may be spawned, by the plugins of the first generation.
    of_spawned: HashMap<&'a [String], Sends<'a>>,
    /// The number of places, of [`MOST_IN_SUBTREES`], that may still be followed to.
    places_left: usize,
    left_out: usize,
    /// By place: the last sender that it was found for, so that no sender gets it twice.
    found_for: Vec<usize>,
}

impl<'a> Grants<'a> {
    pub(super) fn of(play: &'a PlaySettings, places: &'a [Place]) -> Self {
        let numbered = |spawned| {
            let some = places.iter().enumerate().filter(move |(_, place)| place.spawned == spawned);
            some.map(|(n, place)| (place.address.as_str(), n)).collect()
        };
        let mut in_order: Vec<usize> = (0..places.len()).collect();
        in_order.sort_by(|a, b| in_tree(&places[*a].address, &places[*b].address));
        let plugins = play.spawnable.iter().map(|plugin| (plugin.settings.plugin.as_str(), &plugin.settings));
        Self {
            play,
            places,
            reserved: play.reserved(),
            actors: numbered(false),
            spawned: numbered(true),
            in_order,
            plugins: plugins.collect(),
            of_spawned: HashMap::new(),
            places_left: MOST_IN_SUBTREES,
            left_out: 0,
            found_for: vec![usize::MAX; places.len()],
        }
    }

    /// Number of places whose subtrees were left out.
    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }

    /// The targets that each place may send to.
    pub(super) fn targets(&mut self) -> Vec<Vec<usize>> {
        let play = self.play;
        // The targets of native code are not known, and a sink has none in the play.
        let mut targets = vec![Vec::new(); play.sinks.len() + play.natives.len()];
        for actor in &play.actors {
            let mut sends = Sends::of(&actor.settings);
            if actor.family.is_some() {
                let of_children = self.of_spawned(&actor.settings.spawns);
                sends.to.extend(of_children.to);
                sends.below.extend(of_children.below);
            }
            targets.push(self.reached(targets.len(), &sends));
        }
        let spawning = |actor: &&PlayActor| !actor.settings.spawns.is_empty() && actor.family.is_none();
        for parent in play.actors.iter().filter(spawning) {
            let sends = self.of_spawned(&parent.settings.spawns);
            let above = Reach::of(&Sends::of(&parent.settings));
            let mut to = self.reached(targets.len(), &sends);
            to.retain(|n| {
                let place = &self.places[*n];
                place.address == parent.address || place.address.is_below(&parent.address) || above.has(place)
            });
            to.sort_unstable();
            targets.push(to);
        }
        for gate in play.gates() {
            let mut to = self.receivers(targets.len(), &gate.receivers);
            let plugins: Vec<_> = gate.handlers.iter().map(|plugin| (*plugin).to_owned()).collect();
            let handlers = self.of_plugins(&plugins);
            to.extend(self.reached(targets.len(), &handlers));
            targets.push(to);
        }
        // A message to a connection is for its client.
        targets.resize(self.places.len(), Vec::new());
        targets
    }

    /// The places that a gateway sends to. A receiver that is no actor of the manifest is one that an actor above it spawns;
    /// one that parameters complete may be each actor below the address before them.
    fn receivers(&mut self, from: usize, receivers: &[Receiver]) -> Vec<usize> {
        let mut reached = Vec::new();
        for receiver in receivers {
            let top = receiver.top();
            let of_receiver = match receiver {
                Receiver::Fixed(_) => {
                    let actor = self.actors.get(top.as_str());
                    let spawning = || above(top.as_str()).filter_map(|above| self.spawned.get(above)).last();
                    actor.or_else(spawning).copied().into_iter().collect()
                }
                Receiver::Template(_) => self.completed(&top),
            };
            let is_new = |n: &usize| std::mem::replace(&mut self.found_for[*n], from) != from;
            reached.extend(of_receiver.into_iter().filter(is_new));
        }
        reached
    }

    /// The places that parameters below `top` may name.
    fn completed(&mut self, top: &Address) -> Vec<usize> {
        let range = self.subtree(top);
        let Some(places_left) = self.places_left.checked_sub(range.len()) else {
            self.left_out += 1;
            return Vec::new();
        };
        self.places_left = places_left;
        let is_in = |address: &Address, other: &Address| address == other || address.is_below(other);
        let strays = |address: &Address| self.reserved.iter().any(|kept| is_in(address, kept) && !is_in(top, kept));
        let below = self.in_order[range].iter().copied();
        let mut completed: Vec<_> = below
            .filter(|n| self.places[*n].spawned || self.places[*n].address != *top)
            .filter(|n| !strays(&self.places[*n].address))
            .collect();
        completed.extend(above(top.as_str()).filter_map(|above| self.spawned.get(above)));
        completed.sort_unstable();
        completed
    }

    /// The granted places: addresses in the order of the manifest, then the places of the subtrees.
    fn reached(&mut self, from: usize, sends: &Sends<'a>) -> Vec<usize> {
        let mut reached = Vec::new();
        let found = |found_for: &mut [usize], reached: &mut Vec<usize>, n: usize| {
            if std::mem::replace(&mut found_for[n], from) != from {
                reached.push(n);
            }
        };
        for to in &sends.to {
            // A member of a family is one of those below its address.
            let member = || above(to.as_str()).filter_map(|above| self.spawned.get(above)).last();
            if let Some(n) = self.actors.get(to.as_str()).or_else(member) {
                found(&mut self.found_for, &mut reached, *n);
            }
        }
        let written = reached.len();
        let ranges: Vec<_> = sends.below.iter().map(|top| self.subtree(top)).collect();
        let wanted = ranges.iter().map(|range| range.len() + 1).sum();
        let Some(places_left) = self.places_left.checked_sub(wanted) else {
            self.left_out += 1;
            return reached;
        };
        self.places_left = places_left;
        for (top, range) in sends.below.iter().zip(ranges) {
            for &n in &self.in_order[range] {
                let Place { address, spawned, .. } = &self.places[n];
                // A gateway takes no messages of actors; its connections do.
                if *spawned || *address != **top && address.top().as_str() != GATES {
                    found(&mut self.found_for, &mut reached, n);
                }
            }
            // The subtree may contain actors that an actor above it spawns.
            for n in above(top.as_str()).filter_map(|above| self.spawned.get(above)) {
                found(&mut self.found_for, &mut reached, *n);
            }
        }
        reached[written..].sort_unstable();
        reached
    }

    /// The range of `in_order` with the top of a subtree and all places below it.
    fn subtree(&self, top: &Address) -> std::ops::Range<usize> {
        let address = |n: &usize| &self.places[*n].address;
        let start = self.in_order.partition_point(|n| in_tree(address(n), top) == Ordering::Less);
        let inside = self.in_order[start..].partition_point(|n| address(n) == top || address(n).is_below(top));
        start..start + inside
    }

    /// The grants of actors spawned from these plugins, and of the actors that these spawn in turn.
    fn of_spawned(&mut self, spawns: &'a [String]) -> Sends<'a> {
        if let Some(known) = self.of_spawned.get(spawns) {
            return known.clone();
        }
        let all = self.of_plugins(spawns);
        self.of_spawned.insert(spawns, all.clone());
        all
    }

    /// The grants of actors of these plugins, and of the actors that these spawn in turn.
    fn of_plugins(&self, plugins: &[String]) -> Sends<'a> {
        let mut all = Sends::default();
        let mut seen: HashSet<&str> = plugins.iter().map(String::as_str).collect();
        let mut waiting: Vec<&str> = plugins.iter().map(String::as_str).collect();
        while let Some(settings) = waiting.pop().map(|name| self.plugins.get(name)) {
            let Some(settings) = settings else { continue };
            let sends = Sends::of(settings);
            all.to.extend(sends.to);
            all.below.extend(sends.below);
            waiting.extend(settings.spawns.iter().map(String::as_str).filter(|more| seen.insert(more)));
        }
        all
    }
}

/// The order in which an actor is directly before all below it.
fn in_tree(a: &Address, b: &Address) -> Ordering {
    fn names(address: &Address) -> impl Iterator<Item = &str> {
        address.as_str().split('/').filter(|name| !name.is_empty())
    }
    names(a).cmp(names(b))
}

/// The addresses above this one.
fn above(address: &str) -> impl Iterator<Item = &str> {
    let ends = address.match_indices('/').map(|(slash, _)| slash.max(1));
    ends.filter(move |_| address != "/").map(move |end| &address[..end])
}
