//! Mailboxes with a policy: order, overflow, what a policy that goes wrong costs, and the actors behind it.

mod actors;
mod crashes;
mod order;
mod overflow;
pub mod sorting;
