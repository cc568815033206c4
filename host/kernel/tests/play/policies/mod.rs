//! Mailboxes with a policy: order, overflow, costs of a faulty policy, and the actors behind it.

mod actors;
mod crashes;
mod order;
mod overflow;
pub mod sorting;
