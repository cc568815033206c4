//! The kernel with plain Rust actors on paused time. Each test's name is the rule that it holds.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod asks;
mod bounds;
mod broadcasts;
mod budgets;
mod callbacks;
mod children;
mod circuit;
mod crashes;
mod directives;
mod drains;
mod families;
mod hops;
mod host_waits;
mod ingress;
mod instances;
mod letter_feed;
mod letters;
mod limits;
mod mailboxes;
mod metadata;
mod metrics;
mod native_actors;
mod own_metrics;
mod passivation;
mod policies;
mod pressure;
mod restarts;
mod runtimes;
mod stage;
mod starts;
mod stops;
mod subtrees;
mod ticks;
mod timers;
mod troubles;
mod turns;
mod watches;
mod why;
