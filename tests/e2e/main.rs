//! The real binary with real components, as a user runs it. `harness` builds, starts and calls the host.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod alerts;
mod aplay;
mod browser;
mod children;
mod circuit;
mod compiling;
mod control;
mod crashes;
mod cron;
mod crowds;
mod descriptors;
mod edges;
mod embed;
mod ends;
mod errors;
mod events;
mod examples;
mod grants;
mod harness;
mod http;
mod input;
mod instances;
mod journal;
mod letters;
mod log;
mod log_crowds;
mod log_levels;
mod logs;
mod mailboxes;
mod metrics;
mod output;
mod own_metrics;
mod passivation;
mod pressure;
mod prometheus;
mod secrets;
mod shutdown;
mod signals;
mod stuck;
mod subtrees;
mod system_limits;
mod terminal;
mod watch;
mod word_count;
