//! Dispatch: from one actor to others. Actors by address, delivery into their mailboxes, asks and their answers, timers, dead
//! letters, requests to the supervision, the gate for input from outside, and the state that all actors share.

mod actor_task;
pub(crate) mod ask;
pub(crate) mod ask_counts;
pub(crate) mod ask_record;
pub(crate) mod dead_letters;
pub(crate) mod deadlines;
pub(crate) mod expiry;
pub(crate) mod hops;
pub(crate) mod ingress;
pub(crate) mod kept_answers;
pub(crate) mod kept_children;
pub(crate) mod kept_reports;
pub(crate) mod kept_timers;
pub(crate) mod kept_watches;
pub(crate) mod keys;
pub(crate) mod late_asks;
pub(crate) mod mailbox_orders;
pub(crate) mod memory_gate;
pub(crate) mod open_question;
pub(crate) mod origins;
pub(crate) mod policies;
pub(crate) mod registry;
pub(crate) mod replay;
pub(crate) mod requests;
pub(crate) mod routing;
mod scheduled;
pub(crate) mod shared;
pub(crate) mod timers;
pub(crate) mod value_ends;

pub(crate) use shared::Shared;
