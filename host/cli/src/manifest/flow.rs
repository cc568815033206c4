//! Who sends to whom, as the manifest says: lines to print, circles, and actors that stop before those who send
//! to them. Pure; actors are numbers.

use std::collections::VecDeque;

use playhouse_kernel::Address;

use super::play::Play;

/// The graph of `sends_to`.
#[derive(Debug)]
pub struct Flow {
    addresses: Vec<Address>,
    /// By sender, in the manifest's order.
    targets: Vec<Vec<usize>>,
}

impl Flow {
    /// The flow of a play.
    pub fn of(play: &Play) -> Self {
        Self::new(play.actors.iter().map(|actor| (actor.address.clone(), actor.settings.sends_to.clone())))
    }

    /// From actors and their `sends_to`, in start order. Targets that are no actors are left out.
    pub fn new(actors: impl IntoIterator<Item = (Address, Vec<Address>)>) -> Self {
        let (addresses, names): (Vec<_>, Vec<_>) = actors.into_iter().unzip();
        let number = |to: &Address| addresses.iter().position(|address| address == to);
        let targets = names.iter().map(|names| names.iter().filter_map(number).collect()).collect();
        Self { addresses, targets }
    }

    /// Chains that together show each edge once, from the sources on: `/split -> /count -> /report`.
    pub fn lines(&self) -> Vec<Vec<&Address>> {
        let mut left: Vec<VecDeque<usize>> = self.targets.iter().map(|t| t.iter().copied().collect()).collect();
        let is_target = |n: usize| self.targets.iter().any(|targets| targets.contains(&n));
        let (sources, others): (Vec<_>, Vec<_>) = (0..self.addresses.len()).partition(|n| !is_target(*n));
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
    pub fn cycles(&self) -> Vec<Vec<&Address>> {
        let mut cycles = Vec::new();
        let mut in_a_known_knot = vec![false; self.addresses.len()];
        for start in 0..self.addresses.len() {
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
    pub fn stops_too_early(&self) -> Vec<(&Address, &Address)> {
        let mut edges = Vec::new();
        for (from, targets) in self.targets.iter().enumerate() {
            edges.extend(targets.iter().filter(|to| self.stops_before(**to, from)).map(|to| self.edge(from, *to)));
        }
        edges
    }

    /// Siblings stop in reverse start order, each with all below it. Relatives in line always outlive in the
    /// right order or cannot.
    fn stops_before(&self, first: usize, second: usize) -> bool {
        let (a, b) = (&self.addresses[first], &self.addresses[second]);
        if a == b || a.is_below(b) || b.is_below(a) {
            return false;
        }
        let place = |address: &Address, other: &Address| {
            let mut top = address.clone();
            while let Some(parent) = top.parent().filter(|parent| *parent != *other && !other.is_below(parent)) {
                top = parent;
            }
            self.addresses.iter().position(|known| *known == top)
        };
        place(a, b) > place(b, a)
    }

    fn shortest_cycle(&self, start: usize) -> Option<Vec<usize>> {
        let mut came_from = vec![None; self.addresses.len()];
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
        let mut seen = vec![false; self.addresses.len()];
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

    fn edge(&self, from: usize, to: usize) -> (&Address, &Address) {
        (&self.addresses[from], &self.addresses[to])
    }

    fn named(&self, numbers: &[usize]) -> Vec<&Address> {
        numbers.iter().map(|n| &self.addresses[*n]).collect()
    }
}

/// `/a -> /b -> /c`.
pub fn arrows(chain: &[&Address]) -> String {
    chain.iter().map(|address| address.as_str()).collect::<Vec<_>>().join(" -> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(actors: &[(&str, &[&str])]) -> Flow {
        let address = |text: &&str| Address::parse(text).expect("good");
        Flow::new(actors.iter().map(|(from, to)| (address(from), to.iter().map(address).collect())))
    }

    fn shown(chains: &[Vec<&Address>]) -> Vec<String> {
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
