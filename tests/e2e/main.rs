//! The real binary with real components, as a user runs it. `stage` hides the ceremony.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod children;
mod control;
mod crashes;
mod errors;
mod instances;
mod letters;
mod mailboxes;
mod rest;
mod shutdown;
mod signals;
mod stage;
mod word_count;
