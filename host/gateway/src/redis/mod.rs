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

use crate::secret::SecretUrl;
use crate::sink::Outlet;
use crate::source::Supply;
use stream::RedisStream;
pub use stream::{From, RedisSink, RedisSource};

/// A stream as the source at this address.
pub fn supply(url: SecretUrl, settings: RedisSource, address: Address) -> Arc<dyn Supply> {
    let at = RedisStream { url, stream: settings.stream.clone() };
    Arc::new(source::RedisSupply::new(at, settings, address))
}

/// A stream as a sink.
pub fn outlet(url: SecretUrl, settings: RedisSink) -> Arc<dyn Outlet> {
    let at = RedisStream { url, stream: settings.stream };
    Arc::new(sink::RedisOutlet::new(at, settings.capacity))
}

/// Whether a text is the url of a server, with a user, a port and a database that can be read.
pub fn is_url(url: &SecretUrl) -> bool {
    ::redis::Client::open(url.expose()).is_ok()
}
