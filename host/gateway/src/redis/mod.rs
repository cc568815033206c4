//! Streams of Redis as sources, sinks and mailboxes.
//!
//! | file | content |
//! |---|---|
//! | `stream` | settings, the connection, values |
//! | `source` | a consumer of a group of a stream |
//! | `sink` | adds to a stream, within its capacity |
//! | `entry` | a message as the fields of an entry, and back |
//! | `scripts` | what must happen at once on the server |

mod entry;
mod scripts;
mod sink;
mod source;
mod stream;

use std::sync::Arc;

use playhouse_kernel::Address;

use crate::sink::Outlet;
use crate::source::Supply;
pub use stream::{From, RedisSink, RedisSource, RedisStream};

/// A stream as the source at this address.
pub fn supply(settings: RedisSource, address: Address) -> Arc<dyn Supply> {
    Arc::new(source::RedisSupply::new(settings, address))
}

/// A stream as a sink.
pub fn outlet(settings: RedisSink) -> Arc<dyn Outlet> {
    Arc::new(sink::RedisOutlet(settings))
}
