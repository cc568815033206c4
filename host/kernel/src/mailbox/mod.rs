//! A mailbox: the bounded queue in front of one actor, for all its instances. Senders that find it full wait in order of
//! arrival. It also carries the supervisor's signal to each instance (`Signal`), so that an idle instance waits in one place
//! only.
//!
//! While messages wait and an instance is idle, some instance was woken and has not looked yet. A message that arrives wakes
//! one instance; an instance that leaves messages behind wakes the next; an instance that was woken and will not take any
//! wakes another. So no instance sleeps while there is work for it, and one message does not wake all of them.

pub(crate) mod admission;
mod blocked;
pub(crate) mod driver;
mod inner;
mod load;
pub(crate) mod message_log;
mod order;
mod ordered;
pub(crate) mod policy;
mod pressure;
mod queue;
mod read_back;
mod signals;
mod space;
mod spec;
mod spilled;
mod stored;
mod stored_state;
mod view;

pub(crate) use blocked::Place;
pub use inner::MOST_INSTANCES;
pub(crate) use inner::{Signal, bit};
pub(crate) use load::Load;
pub use pressure::PressureView;
pub(crate) use queue::{Mailbox, Refused, Took};
pub(crate) use space::{MessagePlace, Space};
pub use spec::{Keep, MailboxSpec, Overflow};
pub(crate) use spilled::{Page, ReadPage};
pub use view::MailboxView;

#[cfg(test)]
mod tests;
