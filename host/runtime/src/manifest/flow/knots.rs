//! The strongly connected components of a graph, by Tarjan's algorithm ("Depth-first search and linear graph algorithms", 1972),
//! with a stack of its own instead of recursion: a chain may be as long as the manifest.

const UNSEEN: usize = usize::MAX;

/// By node: the number of its component. `targets` has the successors of each node.
pub(super) fn of(targets: &[Vec<usize>]) -> Vec<usize> {
    let mut search = Search {
        targets,
        order: vec![UNSEEN; targets.len()],
        lowest: vec![0; targets.len()],
        open: Vec::new(),
        component: vec![UNSEEN; targets.len()],
        seen: 0,
        components: 0,
    };
    for start in 0..targets.len() {
        if search.order[start] == UNSEEN {
            search.from(start);
        }
    }
    search.component
}

struct Search<'a> {
    targets: &'a [Vec<usize>],
    /// When each node was seen first.
    order: Vec<usize>,
    /// The earliest seen node that each one is known to reach.
    lowest: Vec<usize>,
    /// Nodes that were seen and are in no component yet.
    open: Vec<usize>,
    component: Vec<usize>,
    seen: usize,
    components: usize,
}

impl Search<'_> {
    fn from(&mut self, start: usize) {
        // Each node on the way, with the number of its successors that were looked at.
        let mut way = vec![(start, 0)];
        self.see(start);
        while let Some((node, next)) = way.last_mut() {
            let node = *node;
            if let Some(&to) = self.targets[node].get(*next) {
                *next += 1;
                if self.order[to] == UNSEEN {
                    self.see(to);
                    way.push((to, 0));
                } else if self.component[to] == UNSEEN {
                    self.lowest[node] = self.lowest[node].min(self.order[to]);
                }
                continue;
            }
            way.pop();
            if let Some((before, _)) = way.last() {
                self.lowest[*before] = self.lowest[*before].min(self.lowest[node]);
            }
            if self.lowest[node] == self.order[node] {
                self.close(node);
            }
        }
    }

    fn see(&mut self, node: usize) {
        (self.order[node], self.lowest[node]) = (self.seen, self.seen);
        self.seen += 1;
        self.open.push(node);
    }

    /// All that was seen since `node` and is still open is one component.
    fn close(&mut self, node: usize) {
        while let Some(member) = self.open.pop() {
            self.component[member] = self.components;
            if member == node {
                break;
            }
        }
        self.components += 1;
    }
}
