//! What a person sees when a manifest is wrong: the whole message, for each way to be wrong.

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
