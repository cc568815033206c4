//! The guest that the benches drive, in an instance of its own: `driver.rs` has its orders.

#![allow(missing_docs)]

mod body;
mod driver;
mod skynet;

use driver::Driver;
use playhouse_sdk::export_actor;

export_actor!(Driver, no_files);
