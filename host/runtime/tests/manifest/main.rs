//! The whole message that an operator sees for each kind of fault in a manifest.

#![allow(unreachable_pub)]

mod addresses;
mod cron;
mod dead_letters;
mod families;
mod files;
mod flow;
mod http;
mod http_edge;
mod instances;
mod limits;
mod log;
mod message;
mod metric_names;
mod metrics;
mod native;
mod passivation;
mod plugins;
mod reference;
mod spawned;
mod store;
mod syntax;
mod units;
mod websocket;
