//! The log of a program: its ring, its levels, and the counts of its readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::levels::LogLevels;
use super::line::LogLine;
use super::record;
use super::ring::Ring;

/// The log of a program. Clones share it. Give its layer to `tracing`, and the log to the play, so that operators can read it.
///
/// ```
/// use playhouse_observe::log::{Log, LogSelection};
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let log = Log::new(64 << 20);
/// let subscriber = tracing_subscriber::registry().with(log.layer(()));
/// tracing::subscriber::with_default(subscriber, || tracing::warn!(address = "/shop", "it is closed"));
/// let mut reader = log.reader(LogSelection::default()).expect("it has a ring");
/// let mut lines = Vec::new();
/// reader.read(|entry| lines.extend(entry.line().map(str::to_owned)));
/// assert!(lines[0].contains(r#""actor":"/shop","message":"it is closed""#));
/// ```
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

struct Shared {
    /// `None` without memory for it.
    ring: Option<Ring>,
    levels: LogLevels,
    /// Number of readers that follow the log for others.
    subscribers: AtomicUsize,
    /// Number of lines that left the ring before a subscriber came to them.
    lost: AtomicU64,
}

/// The counts of a log's ring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RingCounts {
    /// Bytes of memory.
    pub bytes: u64,
    /// Maximum bytes of memory.
    pub most_bytes: u64,
    /// Subscribers now.
    pub subscribers: u64,
    /// Lines that left the ring before a subscriber came to them.
    pub lost: u64,
}

impl Log {
    /// A log that keeps the last lines in at most this much memory, which it allocates as it fills: at least
    /// [`LEAST_RING_BYTES`], or 0 for a log that keeps none.
    pub fn new(ring_bytes: usize) -> Self {
        let ring = (ring_bytes > 0).then(|| Ring::new(ring_bytes));
        Self {
            shared: Arc::new(Shared {
                ring,
                levels: LogLevels::default(),
                subscribers: AtomicUsize::new(0),
                lost: AtomicU64::new(0),
            }),
        }
    }

    /// The levels by actor, which have effect in a layer with a [`LogFilter`](super::LogFilter).
    pub fn levels(&self) -> &LogLevels {
        &self.shared.levels
    }

    /// Adds a line to the ring. Never waits for a reader.
    pub fn add(&self, line: &LogLine) {
        if let Some(ring) = &self.shared.ring {
            record::with_record(line, |record| ring.push(record));
        }
    }

    /// The counts of the ring; `None` when the log keeps no lines.
    pub fn counts(&self) -> Option<RingCounts> {
        let ring = self.ring()?;
        Some(RingCounts {
            bytes: ring.bytes() as u64,
            most_bytes: ring.most_bytes() as u64,
            subscribers: self.shared.subscribers.load(Relaxed) as u64,
            lost: self.shared.lost.load(Relaxed),
        })
    }

    /// Counts a subscriber until the value is dropped.
    pub fn subscribe(&self) -> Subscriber {
        self.shared.subscribers.fetch_add(1, Relaxed);
        Subscriber(self.clone())
    }

    pub(super) fn ring(&self) -> Option<&Ring> {
        self.shared.ring.as_ref()
    }
}

/// A reader that follows the log for another process.
pub struct Subscriber(Log);

impl Subscriber {
    /// Counts lines that the subscriber was told it lost.
    pub fn add_lost(&self, lines: u64) {
        self.0.shared.lost.fetch_add(lines, Relaxed);
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.0.shared.subscribers.fetch_sub(1, Relaxed);
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("counts", &self.counts()).finish()
    }
}
