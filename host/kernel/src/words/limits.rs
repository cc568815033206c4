//! Limits of actors as data: those that the sandbox enforces, those of a subtree, and their use.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// The limits of one incarnation that the kernel does not measure itself.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// CPU time for one message.
    pub cpu: Duration,
    /// Open resources of the host: streams, files, pollables ...
    pub resources: usize,
    /// Lines on its standard error in each second.
    pub log_lines: u64,
    /// Bytes on its standard error in each second.
    pub log_bytes: u64,
    /// Bytes of an outgoing request without its body.
    pub request_head_bytes: u64,
    /// Its access to the world outside; none for no bound. The kernel passes this from a parent to its spawned children, and
    /// does not know the content.
    pub grants: Option<Arc<dyn Any + Send + Sync>>,
    /// The accounts that an actor shares with all its descendants; none where nothing is counted. Passed on as the grants
    /// are.
    pub accounts: Option<Arc<dyn Any + Send + Sync>>,
}

impl Bounds {
    /// No bounds at all.
    pub const NONE: Self = Self {
        memory_bytes: u64::MAX,
        cpu: Duration::MAX,
        resources: usize::MAX,
        log_lines: u64::MAX,
        log_bytes: u64::MAX,
        request_head_bytes: u64::MAX,
        grants: None,
        accounts: None,
    };
}

/// The use of one limit on a subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The limit's key below `limits.subtree`.
    pub key: &'static str,
    /// The amount in use.
    pub used: u64,
    /// The limit.
    pub most: u64,
}

/// Limits that an actor shares with all actors below it; none for no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubtreeSpec {
    /// Most actors at a time.
    pub actors: Option<usize>,
    /// Most live incarnations and running mailbox policies at a time.
    pub instances: Option<usize>,
}
