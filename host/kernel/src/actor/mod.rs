//! An actor beyond its incarnations: its spec, its mailbox, its instances with what they keep, its children, its counters; and
//! the count of work that keeps the play from being idle.

pub(crate) mod activity;
mod children;
pub(crate) mod code;
pub(crate) mod directive_request;
mod failure_counts;
pub(crate) mod family;
pub(crate) mod family_spec;
pub(crate) mod host_wait;
pub(crate) mod host_waits;
pub(crate) mod instance;
pub(crate) mod keyed_state;
pub(crate) mod member;
pub(crate) mod own_metrics;
pub(crate) mod pinned;
pub(crate) mod reports;
pub(crate) mod sampled_durations;
pub(crate) mod spec;
mod state;
pub(crate) mod state_error;
pub(crate) mod stored_members;
pub(crate) mod subtree;
pub(crate) mod task_crashes;
pub(crate) mod template;
pub(crate) mod turn_counts;

pub(crate) use state::{Actor, KeptChild, Presence, Spawned};
