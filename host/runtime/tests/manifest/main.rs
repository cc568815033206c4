//! The whole message that an operator sees for each kind of fault in a manifest.

#![allow(unreachable_pub)]

mod addresses;
mod flow;
mod instances;
mod limits;
mod message;
mod plugins;
mod reference;
mod rest;
mod spawned;
mod syntax;
mod units;
