//! JetStream of NATS as sources and sinks.
//!
//! | file | content |
//! |---|---|
//! | `link` | settings, the connection |
//! | `source` | a durable pull consumer |
//! | `sink` | publishes, and waits for the acknowledgement of the stream |

mod link;
mod sink;
mod source;

use std::sync::Arc;

use crate::sink::Outlet;
use crate::source::Supply;
pub use link::{NatsServer, NatsSink, NatsSource};

/// A consumer as a source.
pub fn supply(settings: NatsSource) -> Arc<dyn Supply> {
    Arc::new(source::NatsSupply(Arc::new(settings)))
}

/// A subject as a sink.
pub fn outlet(settings: NatsSink) -> Arc<dyn Outlet> {
    Arc::new(sink::NatsOutlet(settings))
}
