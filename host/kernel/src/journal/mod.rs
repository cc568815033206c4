//! The journal: one order for everything that outlives the host. An *entry* is one committed turn, or one message or order from
//! outside, with all its changes; a [`Store`] makes entries durable in the order in which they entered.
//!
//! Inside the host, an entry is true as soon as it has entered. Its *outputs* are everything by which others outside of this
//! order could learn of it: acknowledgements, replies, messages to actors that are not stored. They are carried out when the
//! entry is durable.
//!
//! | file | content |
//! |---|---|
//! | `entry` | entries and their operations, as plain data |
//! | `store` | the trait of stores, and the data that a kernel reads from them at its start |
//! | `order` | the journal: the lock, the bound, the waits |
//! | `writer` | the loop that gives groups of entries to the store |
//! | `fold` | the result of entries, in memory |
//! | `memory`, `faulty` | a store in memory; a store that fails when it is told to |
//! | `delegation` | methods of a store that those of another one do |

pub(crate) mod entry;
#[macro_use]
pub(crate) mod delegation;
pub(crate) mod faulty;
mod fold;
pub(crate) mod memory;
pub(crate) mod order;
pub(crate) mod store;
pub(crate) mod writer;
