//! A mailbox, as operators see it.

use std::collections::BTreeMap;

use crate::mailbox::policy::PolicyView;
use crate::mailbox::pressure::PressureView;
use crate::mailbox::spec::Overflow;

/// A mailbox, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxView {
    /// Messages that wait in it, without those that were put back to an instance.
    pub waiting: usize,
    /// Their bytes, headers included.
    pub bytes: usize,
    /// Of those, the bytes in memory. The others are only in the store.
    pub memory_bytes: usize,
    /// Most messages that waited at the end of a delivery, so far.
    pub most: usize,
    /// Most messages that may wait.
    pub capacity: usize,
    /// The current rule for a message that finds it full.
    pub overflow: Overflow,
    /// Whether its messages are stored.
    pub is_stored: bool,
    /// Counts of messages that found no space.
    pub pressure: PressureView,
    /// Dead letters among the messages for it, by [`crate::DeadReason::kind`].
    pub letters: BTreeMap<&'static str, u64>,
    /// Its policy, if it has one.
    pub policy: Option<PolicyView>,
}
