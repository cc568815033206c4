//! The trait that the author of a mailbox plugin implements.

use super::arrivals::{Arrivals, Key};
use super::settings::{Rules, Settings};
use crate::result::Result;

/// The messages that the actor wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Taking {
    /// The most messages to return.
    pub most: usize,
    /// A message that was overtaken too often (`overtakes` in the manifest): it must be among the returned ones.
    pub overdue: Option<Key>,
}

/// Decides the order of one actor's mailbox, and the messages to drop when it is full: `[actor.mailbox]` with `kind = "plugin"`
/// in the manifest names its component.
///
/// The messages stay with the host; the plugin gets their keys, and [`Rules::prefix_bytes`] of each body. A panic loses no
/// message: the next run starts from `Default` and gets all messages that wait, in the order in which they came. So a plugin
/// needs only the memory for a few numbers for each message.
///
/// ```
/// use std::collections::VecDeque;
/// use playhouse_sdk::mailbox::{Arrivals, Key, Mailbox, Rules, Settings, Taking, WhenFull};
/// use playhouse_sdk::testing::MailboxHarness;
/// use playhouse_sdk::{Result, export_mailbox};
///
/// /// The latest message first; the oldest ones are dropped when the mailbox is full.
/// #[derive(Default)]
/// struct LastIn {
///     waiting: VecDeque<(Key, u64)>,
/// }
///
/// impl Mailbox for LastIn {
///     fn policy(&mut self, _: &Settings) -> Result<Rules> {
///         Ok(Rules { when_full: WhenFull::Choose, prefix_bytes: 0 })
///     }
///
///     fn put(&mut self, arrivals: &Arrivals) -> Vec<Key> {
///         self.waiting.extend(arrivals.iter().map(|arrival| (arrival.key, arrival.size())));
///         let mut excess = arrivals.excess();
///         let mut dropped = Vec::new();
///         while excess.is_some() {
///             let (key, size) = self.waiting.pop_front().expect("there are too many");
///             excess.goes(size);
///             dropped.push(key);
///         }
///         dropped
///     }
///
///     fn take(&mut self, taking: Taking) -> Vec<Key> {
///         if let Some(overdue) = taking.overdue {
///             self.waiting.retain(|(key, _)| *key != overdue);
///             return vec![overdue];
///         }
///         let from = self.waiting.len().saturating_sub(taking.most);
///         self.waiting.drain(from..).rev().map(|(key, _)| key).collect()
///     }
///
///     fn size(&self) -> usize {
///         self.waiting.len()
///     }
/// }
///
/// export_mailbox!(LastIn);
///
/// // In a test, natively:
/// let mut mailbox = MailboxHarness::<LastIn>::start(2, [])?;
/// mailbox.put(["monday", "tuesday", "wednesday"]);
/// assert_eq!(mailbox.dropped(), ["monday"]);
/// assert_eq!(mailbox.take(2), ["wednesday", "tuesday"]);
/// # Ok::<(), playhouse_sdk::Error>(())
/// ```
pub trait Mailbox: Default + 'static {
    /// Returns the rule for a full mailbox and the part of the bodies that the plugin needs. Called once, before the other
    /// methods; an error, for example about its `config`, fails the start of this run.
    fn policy(&mut self, settings: &Settings) -> Result<Rules>;

    /// Takes new messages, oldest first. Returns the keys of messages to drop, of these or of others that it has: each becomes a
    /// dead letter. [`Arrivals::excess`] is the part that must be dropped; without an excess, the usual result is an empty list.
    fn put(&mut self, arrivals: &Arrivals) -> Vec<Key>;

    /// Returns the keys of the messages that the actor gets next, in order: at least one, and [`Taking::overdue`] among
    /// them. Called only while the plugin has a message.
    fn take(&mut self, taking: Taking) -> Vec<Key>;

    /// The number of messages that the plugin got and has neither dropped nor returned.
    fn size(&self) -> usize;
}
