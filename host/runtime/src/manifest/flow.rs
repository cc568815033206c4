//! The graph of senders and receivers in the manifest: lines to print, circles, and actors that stop before their senders. All
//! actors that an actor may spawn are one place, `/boss/**`, and so are the members of a family, `/user/*`. The code is pure; places are numbers, and each question takes
//! time in proportion to the number of places and edges.

mod grants;
mod knots;
mod place;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

use playhouse_gateway::GATES;
use playhouse_kernel::{Address, Keep};

use super::play::{PlaySettings, Settings};
use grants::Grants;
pub use place::Place;

/// The graph of `sends_to`.
#[derive(Debug)]
pub struct Flow {
    /// Sinks, native actors, then actors in the manifest's order, then spawned actors, then gateways.
    places: Vec<Place>,
    /// By sender, in the manifest's order.
    targets: Vec<Vec<usize>>,
    /// The actors by address.
    actors: HashMap<String, usize>,
    /// By place: places with the same number reach each other.
    knots: Vec<usize>,
    /// By place: whether it reaches itself.
    circular: Vec<bool>,
    /// Number of places whose subtrees are left out, because all edges together are too many.
    left_out: usize,
}

impl Flow {
    /// The flow of a play. A spawned actor sends to the targets of its parent, to its parent, and to all actors below its
    /// parent.
    pub fn of(play: &PlaySettings) -> Self {
        // Sinks start first, then native actors; they stop last.
        let sinks = play.sinks.iter().map(|sink| Place::actor(sink.settings.address.clone()));
        let natives = play.natives.iter().map(|native| Place::actor(native.clone()));
        let actors = play.actors.iter().map(|actor| {
            let family = actor.family.is_some();
            let stored = is_stored(&actor.settings);
            Place { spawned: family, family, stored, ..Place::actor(actor.address.clone()) }
        });
        let stored_plugins = stored_plugins(play);
        let spawning = play.actors.iter().filter(|actor| !actor.settings.spawns.is_empty() && actor.family.is_none());
        let spawned = spawning.map(|actor| {
            let stored = actor.settings.spawns.iter().all(|plugin| stored_plugins.contains(plugin.as_str()));
            Place { stored, ..Place::below(actor.address.clone()) }
        });
        // Gateways start last, and stop first. The actors spawned below one are its connections: a message to them is for a client.
        let gates = play.gates().map(|gate| Place::actor(gate.address));
        let connected = play.gates().filter(|gate| !gate.handlers.is_empty());
        let connections = connected.map(|gate| Place::below(gate.address));
        let places: Vec<_> =
            sinks.chain(natives).chain(actors).chain(spawned).chain(gates).chain(connections).collect();
        let mut grants = Grants::of(play, &places);
        let targets = grants.targets();
        let left_out = grants.left_out();
        let gate = places.iter().position(|place| !place.spawned && place.address.top().as_str() == GATES);
        let mut flow = Self::new(places, targets, left_out);
        // The group above the gateways starts with the first of them.
        flow.actors.extend(gate.map(|gate| (GATES.to_owned(), gate)));
        flow
    }

    fn new(places: Vec<Place>, targets: Vec<Vec<usize>>, left_out: usize) -> Self {
        let knots = knots::of(&targets);
        let mut members = vec![0_usize; places.len()];
        for &knot in &knots {
            members[knot] += 1;
        }
        let circular = (0..places.len()).map(|n| members[knots[n]] > 1 || targets[n].contains(&n)).collect();
        let actors = places.iter().enumerate().filter(|(_, place)| !place.spawned || place.family);
        let actors = actors.map(|(n, place)| (place.address.to_string(), n)).collect();
        Self { places, targets, actors, knots, circular, left_out }
    }

    /// Number of places whose subtrees have too many actors together to be followed.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Chains that together show each edge once, from the sources on: `/split -> /count -> /report`.
    pub fn lines(&self) -> Vec<Vec<&Place>> {
        let mut left: Vec<VecDeque<usize>> = self.targets.iter().map(|t| t.iter().copied().collect()).collect();
        let mut is_target = vec![false; self.places.len()];
        self.targets.iter().flatten().for_each(|to| is_target[*to] = true);
        let (sources, others): (Vec<_>, Vec<_>) = (0..self.places.len()).partition(|n| !is_target[*n]);
        let mut lines = Vec::new();
        for start in sources.into_iter().chain(others) {
            while !left[start].is_empty() {
                let mut line = vec![start];
                let mut at = start;
                while let Some(next) = left[at].pop_front() {
                    line.push(next);
                    at = next;
                }
                lines.push(self.named(&line));
            }
        }
        lines
    }

    /// A shortest circle through each knot of actors that reach each other; the first actor comes first and last.
    pub fn cycles(&self) -> Vec<Vec<&Place>> {
        let mut cycles = Vec::new();
        let mut known = vec![false; self.places.len()];
        // No knot touches another, so that one list of where each place was reached from serves all searches.
        let mut came_from = vec![None; self.places.len()];
        for start in (0..self.places.len()).filter(|n| self.circular[*n]) {
            if !std::mem::replace(&mut known[self.knots[start]], true)
                && let Some(cycle) = self.shortest_cycle(start, &mut came_from)
            {
                cycles.push(self.named(&cycle));
            }
        }
        cycles
    }

    /// Edges whose receiver stops before their sender: the sender's last messages become dead letters. Edges within a circle are
    /// left out, because one actor of a circle must stop first; edges to durable mailboxes, because the store keeps these messages
    /// for the next run.
    pub fn stops_too_early(&self) -> Vec<(&Place, &Place)> {
        let mut edges = Vec::new();
        for (from, targets) in self.targets.iter().enumerate() {
            // Connections end before all actors, whatever the order of the manifest.
            let is_connection = |to: usize| self.places[to].address.top().as_str() == GATES;
            let straight = targets.iter().filter(|to| self.knots[**to] != self.knots[from] && !is_connection(**to));
            let early = straight.filter(|to| !self.places[**to].stored && self.stops_before(**to, from));
            edges.extend(early.map(|to| (&self.places[from], &self.places[*to])));
        }
        edges
    }

    /// Whether the first place stops before the second. Siblings stop in reverse start order, each with all actors below it. An
    /// ancestor always stops after its descendants, so that the order in the manifest cannot change this.
    fn stops_before(&self, first: usize, second: usize) -> bool {
        let (a, b) = (&self.places[first].address, &self.places[second].address);
        if a == b || a.is_below(b) || b.is_below(a) {
            return false;
        }
        let common = a.as_str().bytes().zip(b.as_str().bytes()).take_while(|(a, b)| a == b).count();
        let common = a.as_str()[..common].rfind('/').unwrap_or_default();
        // The ancestor, or the actor itself, that is a child of their last common ancestor.
        let place = |address: &Address| {
            let text = address.as_str();
            let end = text[common + 1..].find('/').map_or(text.len(), |slash| common + 1 + slash);
            self.actors.get(&text[..end])
        };
        place(a) > place(b)
    }

    /// Whether messages of one place can lead to messages to another one.
    pub fn reaches(&self, from: &Address, to: &Address) -> bool {
        let (Some(&from), Some(&to)) = (self.actors.get(from.as_str()), self.actors.get(to.as_str())) else {
            return false;
        };
        let (mut seen, mut queue) = (vec![false; self.places.len()], VecDeque::from([from]));
        while let Some(at) = queue.pop_front() {
            if at == to {
                return true;
            }
            queue.extend(self.targets[at].iter().filter(|next| !std::mem::replace(&mut seen[**next], true)));
        }
        false
    }

    fn shortest_cycle(&self, start: usize, came_from: &mut [Option<usize>]) -> Option<Vec<usize>> {
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for &next in self.targets[at].iter().filter(|next| self.knots[**next] == self.knots[start]) {
                if next == start {
                    let mut cycle = vec![start];
                    let mut back = at;
                    while back != start {
                        cycle.push(back);
                        back = came_from[back]?;
                    }
                    cycle.push(start);
                    cycle.reverse();
                    return Some(cycle);
                }
                if came_from[next].is_none() {
                    came_from[next] = Some(at);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn named(&self, numbers: &[usize]) -> Vec<&Place> {
        numbers.iter().map(|n| &self.places[*n]).collect()
    }
}

fn is_stored(settings: &Settings) -> bool {
    settings.mailbox.keep == Keep::Stored
}

/// The plugins whose spawned actors are durable, as are all that these may spawn in turn.
fn stored_plugins(play: &PlaySettings) -> HashSet<&str> {
    let plugins = || play.spawnable.iter().map(|plugin| &plugin.settings);
    let mut stored: HashSet<_> =
        plugins().filter(|settings| is_stored(settings)).map(|settings| settings.plugin.as_str()).collect();
    loop {
        let before = stored.len();
        for settings in plugins() {
            if settings.spawns.iter().any(|child| !stored.contains(child.as_str())) {
                stored.remove(settings.plugin.as_str());
            }
        }
        if stored.len() == before {
            return stored;
        }
    }
}

/// `/a -> /b -> /c`.
pub fn arrows<T: fmt::Display>(chain: &[T]) -> String {
    chain.iter().map(ToString::to_string).collect::<Vec<_>>().join(" -> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(actors: &[(&str, &[&str])]) -> Flow {
        let place = |text: &str| Place::actor(Address::parse(text).expect("good"));
        let number = |to: &&str| actors.iter().position(|(from, _)| from == to).expect("an actor");
        let targets = actors.iter().map(|(_, to)| to.iter().map(number).collect()).collect();
        Flow::new(actors.iter().map(|(from, _)| place(from)).collect(), targets, 0)
    }

    fn shown(chains: &[Vec<&Place>]) -> Vec<String> {
        chains.iter().map(|chain| arrows(chain)).collect()
    }

    #[test]
    fn a_line_shows_a_chain_and_each_edge_once() {
        let flow = flow(&[("/report", &[]), ("/count", &["/report"]), ("/split", &["/count", "/report"])]);
        assert_eq!(shown(&flow.lines()), ["/split -> /count -> /report", "/split -> /report"]);
        assert!(flow.cycles().is_empty());
    }

    #[test]
    fn messages_reach_what_chains_lead_to() {
        let flow = flow(&[("/a", &["/b"]), ("/b", &["/c", "/a"]), ("/c", &[]), ("/d", &["/a"])]);
        let reaches = |from: &str, to: &str| {
            let address = |text| Address::parse(text).expect("good");
            flow.reaches(&address(from), &address(to))
        };
        assert!(reaches("/d", "/c") && reaches("/a", "/a") && !reaches("/c", "/a") && !reaches("/a", "/d"));
        assert!(!reaches("/none", "/a"));
    }

    #[test]
    fn a_circle_is_found_once_at_its_shortest() {
        let flow = flow(&[("/a", &["/b"]), ("/b", &["/c", "/a"]), ("/c", &["/a"]), ("/d", &["/d", "/a"])]);
        assert_eq!(shown(&flow.cycles()), ["/a -> /b -> /a", "/d -> /d"]);
        assert_eq!(shown(&flow.lines()), ["/a -> /b -> /c -> /a", "/b -> /a", "/d -> /d -> /a"]);
    }

    #[test]
    fn a_consumer_listed_after_its_producer_stops_too_early() {
        let flow = flow(&[("/a", &["/b"]), ("/a/x", &["/b/y", "/a"]), ("/b", &[]), ("/b/y", &["/b"])]);
        assert_eq!(early(&flow), ["/a -> /b", "/a/x -> /b/y"]);
    }

    fn early(flow: &Flow) -> Vec<String> {
        flow.stops_too_early().iter().map(|(a, b)| arrows(&[a, b])).collect()
    }

    #[test]
    fn edges_of_a_knot_never_stop_too_early() {
        // The shortest circle is `/a -> /b -> /a`, and `/c` is in the same knot.
        let flow = flow(&[("/a", &["/b", "/c", "/d"]), ("/b", &["/a"]), ("/c", &["/a"]), ("/d", &[])]);
        assert_eq!(early(&flow), ["/a -> /d"]);
    }

    #[test]
    fn names_that_share_letters_are_siblings() {
        let flow = flow(&[("/ab", &["/ac/x"]), ("/ac", &[]), ("/ac/x", &[]), ("/a", &["/ab"])]);
        assert_eq!(early(&flow), ["/ab -> /ac/x"]);
    }

    #[test]
    fn many_circles_are_each_found_once() {
        let places: Vec<_> =
            (0..60_000).map(|n| Place::actor(Address::parse(&format!("/a{n}")).expect("good"))).collect();
        // Pairs that send to each other, and a ring of the rest.
        let pairs = (0..30_000_usize).map(|n| vec![n ^ 1]);
        let ring = (30_000..60_000_usize).map(|n| vec![if n == 59_999 { 30_000 } else { n + 1 }]);
        let flow = Flow::new(places, pairs.chain(ring).collect(), 0);
        let cycles = flow.cycles();
        assert_eq!((cycles.len(), cycles[0].len(), cycles[15_000].len()), (15_001, 3, 30_001));
        assert_eq!(flow.stops_too_early().len(), 0);
    }
}
