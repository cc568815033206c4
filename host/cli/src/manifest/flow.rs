//! Who sends to whom, as the manifest says: lines to print, circles, and actors that stop before those who send
//! to them. All that an actor may spawn is one place, `/boss/**`. Pure; places are numbers.

use std::collections::VecDeque;
use std::fmt;

use playhouse_kernel::Address;

use super::play::{Play, Settings};

/// An actor of the manifest, or all that it may spawn, and these in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The actor's address.
    pub address: Address,
    /// Not that actor, but whom it spawns.
    pub spawned: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.address, if self.spawned { "/**" } else { "" })
    }
}

/// The graph of `sends_to`.
#[derive(Debug)]
pub struct Flow {
    /// Actors first, in the manifest's order.
    places: Vec<Place>,
    /// By sender, in the manifest's order.
    targets: Vec<Vec<usize>>,
}

/// What one place is granted: addresses, and those below which everybody is meant.
struct Sends<'a> {
    to: Vec<&'a Address>,
    below: Vec<&'a Address>,
}

impl<'a> Sends<'a> {
    fn of(settings: &'a Settings) -> Self {
        Self { to: settings.sends_to.iter().collect(), below: settings.sends_below.iter().collect() }
    }

    /// Of whatever the actor spawns, and what these spawn in turn.
    fn of_spawned(play: &'a Play, by: &'a Settings) -> Self {
        let mut plugins: Vec<&str> = by.spawns.iter().map(String::as_str).collect();
        let mut all = Self { to: Vec::new(), below: Vec::new() };
        let mut next = 0;
        while let Some(&name) = plugins.get(next) {
            next += 1;
            let Some(plugin) = play.spawnable.iter().find(|plugin| plugin.settings.plugin == name) else { continue };
            let sends = Self::of(&plugin.settings);
            all.to.extend(sends.to);
            all.below.extend(sends.below);
            let more = plugin.settings.spawns.iter().map(String::as_str);
            let more: Vec<_> = more.filter(|more| !plugins.contains(more)).collect();
            plugins.extend(more);
        }
        all
    }

    /// Whether it may send to somebody there.
    fn reach(&self, place: &Place) -> bool {
        let at = &place.address;
        if place.spawned {
            let inside = |top: &&Address| at == *top || at.is_below(top) || top.is_below(at);
            return self.below.iter().any(inside);
        }
        self.to.contains(&at) || self.below.iter().any(|top| at.is_below(top))
    }
}

impl Flow {
    /// The flow of a play. A spawned actor sends to whom its parent may send, to its parent, and to those below that.
    pub fn of(play: &Play) -> Self {
        let actors = play.actors.iter().map(|actor| Place { address: actor.address.clone(), spawned: false });
        let spawning = play.actors.iter().filter(|actor| !actor.settings.spawns.is_empty());
        let spawned = spawning.clone().map(|actor| Place { address: actor.address.clone(), spawned: true });
        let places: Vec<_> = actors.chain(spawned).collect();
        let numbers = |wanted: &dyn Fn(&Place) -> bool| (0..places.len()).filter(|n| wanted(&places[*n])).collect();
        let mut targets: Vec<Vec<usize>> = Vec::new();
        for actor in &play.actors {
            let sends = Sends::of(&actor.settings);
            // As they are written, then those of the subtrees.
            let mut to: Vec<usize> = Vec::new();
            let written = sends.to.iter().filter_map(|to| places.iter().position(|place| place.address == **to));
            let rest: Vec<usize> = numbers(&|place| sends.reach(place));
            for n in written.chain(rest) {
                if !to.contains(&n) {
                    to.push(n);
                }
            }
            targets.push(to);
        }
        for parent in spawning {
            let (sends, above) = (Sends::of_spawned(play, &parent.settings), Sends::of(&parent.settings));
            let near = |place: &Place| {
                place.address == parent.address || place.address.is_below(&parent.address) || above.reach(place)
            };
            targets.push(numbers(&|place| sends.reach(place) && near(place)));
        }
        Self { places, targets }
    }

    /// Chains that together show each edge once, from the sources on: `/split -> /count -> /report`.
    pub fn lines(&self) -> Vec<Vec<&Place>> {
        let mut left: Vec<VecDeque<usize>> = self.targets.iter().map(|t| t.iter().copied().collect()).collect();
        let is_target = |n: usize| self.targets.iter().any(|targets| targets.contains(&n));
        let (sources, others): (Vec<_>, Vec<_>) = (0..self.places.len()).partition(|n| !is_target(*n));
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
        let mut in_a_known_knot = vec![false; self.places.len()];
        for start in 0..self.places.len() {
            if in_a_known_knot[start] {
                continue;
            }
            let Some(cycle) = self.shortest_cycle(start) else { continue };
            let from_here = self.reachable(start);
            for n in from_here {
                in_a_known_knot[n] |= self.reachable(n).contains(&start);
            }
            cycles.push(self.named(&cycle));
        }
        cycles
    }

    /// Edges whose receiver stops before their sender: the sender's last messages become dead letters.
    pub fn stops_too_early(&self) -> Vec<(&Place, &Place)> {
        let mut edges = Vec::new();
        for (from, targets) in self.targets.iter().enumerate() {
            edges.extend(targets.iter().filter(|to| self.stops_before(**to, from)).map(|to| self.edge(from, *to)));
        }
        edges
    }

    /// Siblings stop in reverse start order, each with all below it. Relatives in line always outlive in the
    /// right order or cannot.
    fn stops_before(&self, first: usize, second: usize) -> bool {
        let (a, b) = (&self.places[first].address, &self.places[second].address);
        if a == b || a.is_below(b) || b.is_below(a) {
            return false;
        }
        let place = |address: &Address, other: &Address| {
            let mut top = address.clone();
            while let Some(parent) = top.parent().filter(|parent| *parent != *other && !other.is_below(parent)) {
                top = parent;
            }
            self.places.iter().position(|known| known.address == top)
        };
        place(a, b) > place(b, a)
    }

    fn shortest_cycle(&self, start: usize) -> Option<Vec<usize>> {
        let mut came_from = vec![None; self.places.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for &next in &self.targets[at] {
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

    fn reachable(&self, start: usize) -> Vec<usize> {
        let mut seen = vec![false; self.places.len()];
        let mut found = vec![start];
        seen[start] = true;
        let mut next = 0;
        while next < found.len() {
            for &to in &self.targets[found[next]] {
                if !std::mem::replace(&mut seen[to], true) {
                    found.push(to);
                }
            }
            next += 1;
        }
        found
    }

    fn edge(&self, from: usize, to: usize) -> (&Place, &Place) {
        (&self.places[from], &self.places[to])
    }

    fn named(&self, numbers: &[usize]) -> Vec<&Place> {
        numbers.iter().map(|n| &self.places[*n]).collect()
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
        let place = |text: &str| Place { address: Address::parse(text).expect("good"), spawned: false };
        let number = |to: &&str| actors.iter().position(|(from, _)| from == to).expect("an actor");
        Flow {
            places: actors.iter().map(|(from, _)| place(from)).collect(),
            targets: actors.iter().map(|(_, to)| to.iter().map(number).collect()).collect(),
        }
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
    fn a_circle_is_found_once_at_its_shortest() {
        let flow = flow(&[("/a", &["/b"]), ("/b", &["/c", "/a"]), ("/c", &["/a"]), ("/d", &["/d", "/a"])]);
        assert_eq!(shown(&flow.cycles()), ["/a -> /b -> /a", "/d -> /d"]);
        assert_eq!(shown(&flow.lines()), ["/a -> /b -> /c -> /a", "/b -> /a", "/d -> /d -> /a"]);
    }

    #[test]
    fn a_consumer_listed_after_its_producer_stops_too_early() {
        let flow = flow(&[("/a", &["/b"]), ("/a/x", &["/b/y", "/a"]), ("/b", &["/a"]), ("/b/y", &["/b"])]);
        let early: Vec<_> = flow.stops_too_early().iter().map(|(a, b)| arrows(&[a, b])).collect();
        assert_eq!(early, ["/a -> /b", "/a/x -> /b/y"]);
    }
}
