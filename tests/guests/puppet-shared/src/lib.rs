//! The guest that tests drive, for actors that share an instance: `actor.rs` of `puppet` has its steps.

#![allow(missing_docs)]

#[path = "../../puppet/src/actor.rs"]
mod actor;

use actor::Puppet;
use playhouse_sdk::export_actor;

export_actor!(Puppet, supervisor, watcher, callback, no_files, shared);
