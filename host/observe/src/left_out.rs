//! Log lines that were left out, by the actor of the manifest that they are about.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The source of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineSource {
    /// The guest itself.
    Guest,
    /// The host, about the actor.
    Host,
}

impl LineSource {
    /// Both sources.
    pub const ALL: [Self; 2] = [Self::Guest, Self::Host];

    /// The name, as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Host => "host",
        }
    }
}

/// The counts of a host. Lines of spawned actors count for the actor of the manifest above them.
#[derive(Debug, Default)]
pub struct LeftOutLines {
    of: OnceLock<BTreeMap<String, [AtomicU64; 2]>>,
    dropped: AtomicU64,
}

impl LeftOutLines {
    /// Sets the actors of the manifest. Later calls are ignored.
    pub fn set_actors(&self, addresses: impl IntoIterator<Item = String>) {
        let _ = self.of.set(addresses.into_iter().map(|address| (address, Default::default())).collect());
    }

    /// Counts lines that were left out because the actor of the manifest at `address` reached its limits.
    pub fn add(&self, address: &str, source: LineSource, lines: u64) {
        if let Some(counts) = self.of.get().and_then(|of| of.get(address)) {
            counts[source as usize].fetch_add(lines, Relaxed);
        }
    }

    /// Counts lines that were dropped because the reader of the log was too slow.
    pub fn add_dropped(&self, lines: u64) {
        self.dropped.fetch_add(lines, Relaxed);
    }

    /// The actors with lines that were left out, and their counts by source.
    pub fn by_actor(&self) -> Vec<(String, [u64; 2])> {
        let counts = self.of.get().into_iter().flatten();
        let counts =
            counts.map(|(address, counts)| (address.clone(), counts.each_ref().map(|count| count.load(Relaxed))));
        counts.filter(|(_, counts)| counts != &[0, 0]).collect()
    }

    /// Lines that were dropped because the reader of the log was too slow.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_for_actors_of_the_manifest_alone() {
        let lines = LeftOutLines::default();
        lines.add("/a", LineSource::Host, 1);
        lines.set_actors(["/a", "/b"].map(str::to_owned));
        lines.add("/a", LineSource::Guest, 2);
        lines.add("/a", LineSource::Host, 3);
        lines.add("/other", LineSource::Host, 4);
        lines.add_dropped(5);
        assert_eq!(lines.by_actor(), [("/a".to_owned(), [2, 3])]);
        assert_eq!(lines.dropped(), 5);
    }
}
