//! The resources that the code of one actor uses, counted by the sandbox that runs the code and read by the kernel: it outlives
//! incarnations, so that its sums never fall.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The counts of one actor, over all its instances and runs, that of its mailbox's policy included.
#[derive(Debug, Default)]
pub struct ResourceUse {
    cpu_ns: AtomicU64,
    memory_bytes: AtomicU64,
    open: AtomicU64,
    host_bytes: AtomicU64,
}

/// A resource whose use goes up and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Bytes of the code's own memory.
    Memory,
    /// Files, folders and connections that are open.
    Open,
    /// Bytes that the host keeps in its own memory for the code, beside messages.
    Host,
}

/// The resources that an actor uses now, and its CPU time so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resources {
    /// CPU time so far.
    pub cpu: Duration,
    /// Bytes of memory of all instances.
    pub memory_bytes: u64,
    /// Open files, folders and connections.
    pub open: u64,
    /// Bytes that the host keeps in its own memory for the code, beside messages.
    pub host_bytes: u64,
}

impl ResourceUse {
    /// Counts CPU time.
    pub fn add_cpu_ns(&self, ns: u64) {
        self.cpu_ns.fetch_add(ns, Relaxed);
    }

    /// Counts more of a resource.
    pub fn take(&self, of: Resource, more: u64) {
        self.count(of).fetch_add(more, Relaxed);
    }

    /// Counts less of a resource, at most what was taken of it.
    pub fn give_back(&self, of: Resource, less: u64) {
        self.count(of).fetch_sub(less, Relaxed);
    }

    /// All counts.
    pub fn read(&self) -> Resources {
        Resources {
            cpu: Duration::from_nanos(self.cpu_ns.load(Relaxed)),
            memory_bytes: self.memory_bytes.load(Relaxed),
            open: self.open.load(Relaxed),
            host_bytes: self.host_bytes.load(Relaxed),
        }
    }

    fn count(&self, of: Resource) -> &AtomicU64 {
        match of {
            Resource::Memory => &self.memory_bytes,
            Resource::Open => &self.open,
            Resource::Host => &self.host_bytes,
        }
    }
}

impl Resources {
    /// Adds those of another actor.
    pub fn add(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.memory_bytes += other.memory_bytes;
        self.open += other.open;
        self.host_bytes += other.host_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_resources_fall_and_cpu_time_stays() {
        let uses = ResourceUse::default();
        uses.add_cpu_ns(1500);
        uses.take(Resource::Memory, 100);
        uses.take(Resource::Open, 2);
        uses.give_back(Resource::Memory, 100);
        uses.give_back(Resource::Open, 1);
        let wanted = Resources { cpu: Duration::from_nanos(1500), open: 1, ..Resources::default() };
        assert_eq!(uses.read(), wanted);
    }
}
