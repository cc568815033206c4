//! The guest that the benches drive, for actors that share an instance: `driver.rs` of `bench-driver` has its orders.

#![allow(missing_docs)]

#[path = "../../driver/src/body.rs"]
mod body;
#[path = "../../driver/src/driver.rs"]
mod driver;
#[path = "../../driver/src/skynet.rs"]
mod skynet;

use driver::Driver;
use playhouse_sdk::export_actor;

export_actor!(Driver, no_files, shared);
