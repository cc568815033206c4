//! The guest that tests drive, in an instance of its own: `actor.rs` has its steps.

#![allow(missing_docs)]

mod actor;

use actor::Puppet;
use playhouse_sdk::export_actor;

export_actor!(Puppet, supervisor, watcher, callback);
