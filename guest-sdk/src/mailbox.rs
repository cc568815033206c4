//! A mailbox plugin: the trait to implement, its arguments and its results. A mailbox plugin is not an actor, and is a component
//! of its own.

#[cfg(target_family = "wasm")]
pub mod wasm;

use std::collections::BTreeMap;

use crate::Result;

/// The key of one message of the mailbox. A message that came later has a larger key.
pub type Key = u64;

/// Decides the order of one actor's mailbox, and the messages to drop when it is full: `[actor.mailbox]` with `kind = "plugin"`
/// in the manifest names its component.
///
/// The messages stay with the host; the plugin gets their keys, and [`Rules::prefix_bytes`] of each body. A panic loses no
/// message: the next run starts from `Default` and gets all messages that wait, in the order in which they came. So a plugin
/// needs only the memory for a few numbers for each message.
///
/// ```
/// use std::collections::VecDeque;
/// use playhouse_sdk::mailbox::{Arrivals, Key, Mailbox, Rules, Settings, Taking, WhenFull, testing::Desk};
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
/// let mut desk = Desk::<LastIn>::start(2, [])?;
/// desk.put(["monday", "tuesday", "wednesday"]);
/// assert_eq!(desk.dropped(), ["monday"]);
/// assert_eq!(desk.take(2), ["wednesday", "tuesday"]);
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

/// The mailbox that a run is made for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The address of the actor whose mailbox it is.
    pub address: String,
    /// The most messages that wait.
    pub capacity: u64,
    /// The most bytes that wait, with 64 more for each message.
    pub capacity_bytes: u64,
    /// The `config` of `[actor.mailbox]`.
    pub config: BTreeMap<String, String>,
}

impl Settings {
    /// A value of `config`, parsed as a `T`.
    ///
    /// # Errors
    /// Names the key and the value when the value cannot be parsed.
    pub fn read<T>(&self, key: &str) -> Result<Option<T>>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        let Some(text) = self.config.get(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|error| anyhow::anyhow!("`{key} = {text:?}` in the mailbox's config: {error}"))
    }
}

/// The rule for a message that finds the mailbox full; the manifest's `overflow` overrides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// The sender waits, up to the mailbox's `timeout`.
    #[default]
    Block,
    /// Senders outside and askers get an error; an actor's tell becomes a dead letter.
    Reject,
    /// The new message is a dead letter.
    DropNewest,
    /// [`Mailbox::put`] drops the messages that are too many.
    Choose,
}

/// The parts of a message that a mailbox plugin sees, and the decisions that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// The rule for a full mailbox.
    pub when_full: WhenFull,
    /// The number of bytes of each body that the plugin gets, from the front; at most 65,536.
    pub prefix_bytes: u32,
}

/// New messages of the mailbox.
#[derive(Debug, Default)]
pub struct Arrivals {
    entries: Vec<Entry>,
    prefixes: Vec<u8>,
    excess: Excess,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Key,
    sender: u64,
    flow: u64,
    hops: u32,
    asked: bool,
    bytes: u32,
    prefix_end: u32,
}

impl Arrivals {
    /// The number of new messages.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none, which is never the case in a call of the host.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The new messages, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Arrival<'_>> {
        let starts = std::iter::once(0).chain(self.entries.iter().map(|entry| entry.prefix_end as usize));
        self.entries.iter().zip(starts).map(|(entry, start)| {
            let &Entry { key, sender, flow, hops, asked, bytes, prefix_end } = entry;
            let prefix = &self.prefixes[start..prefix_end as usize];
            Arrival { key, sender, flow, hops, asked, bytes, prefix }
        })
    }

    /// The part of all messages that the plugin has, these included, that must be dropped.
    pub fn excess(&self) -> Excess {
        self.excess
    }
}

/// One new message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arrival<'a> {
    /// The key of the message.
    pub key: Key,
    /// The number of the actor that sent it; 0 for the outside. See [`Arrival::is_notice`].
    pub sender: u64,
    /// Common to all messages that follow from one message from outside.
    pub flow: u64,
    /// The number of sends between the message from outside and this one.
    pub hops: u32,
    /// Whether an asker waits for the reply.
    pub asked: bool,
    /// The number of bytes of its body.
    pub bytes: u32,
    /// The first bytes of its body, at most [`Rules::prefix_bytes`].
    pub prefix: &'a [u8],
}

impl Arrival<'_> {
    /// Whether this is a notice to a watcher, whose body has a format of the kernel's own.
    pub fn is_notice(&self) -> bool {
        self.sender == u64::MAX
    }

    /// The bytes that the message takes in the mailbox, as counted by [`Excess::goes`].
    pub fn size(&self) -> u64 {
        u64::from(self.bytes) + 64
    }
}

/// The part beyond the mailbox's bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Excess {
    /// The least number of messages that must be dropped.
    pub messages: u32,
    /// The least number of bytes that must be dropped, as [`Arrival::size`] counts them.
    pub bytes: u64,
}

impl Excess {
    /// Whether more messages must be dropped.
    pub fn is_some(&self) -> bool {
        self.messages > 0 || self.bytes > 0
    }

    /// Subtracts a dropped message of this size.
    pub fn goes(&mut self, size: u64) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size);
    }
}

/// The messages that the actor wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Taking {
    /// The most messages to return.
    pub most: usize,
    /// A message that was overtaken too often (`overtakes` in the manifest): it must be among the returned ones.
    pub overdue: Option<Key>,
}

/// Makes a mailbox plugin of a crate: exports this type to the host. Once in a crate, at its top level, and instead of
/// [`export_actor!`](crate::export_actor).
///
/// On targets other than `wasm` it only checks that the type is a [`Mailbox`]:
/// ```compile_fail,E0277
/// #[derive(Default)]
/// struct Chair;
/// playhouse_sdk::export_mailbox!(Chair);
/// ```
#[macro_export]
macro_rules! export_mailbox {
    ($mailbox:ty) => {
        const _: () = {
            const fn is_a_mailbox<M: $crate::mailbox::Mailbox>() {}
            is_a_mailbox::<$mailbox>();

            // Native builds do not construct the type, and the compiler would warn about dead code.
            const _: fn() -> $mailbox = <$mailbox as ::std::default::Default>::default;

            #[cfg(target_family = "wasm")]
            const _: () = {
                ::std::thread_local! {
                    static SLOT: ::std::cell::RefCell<$mailbox> = ::std::default::Default::default();
                }

                impl $crate::mailbox::wasm::Exported for $mailbox {
                    fn slot() -> &'static ::std::thread::LocalKey<::std::cell::RefCell<Self>> {
                        &SLOT
                    }
                }

                type Component = $crate::mailbox::wasm::Component<$mailbox>;
                $crate::bindings::mailbox_plugin::export! {
                    Component with_types_in $crate::bindings::mailbox_plugin
                }
            };
        };
    };
}

#[cfg(not(target_family = "wasm"))]
pub mod testing;
