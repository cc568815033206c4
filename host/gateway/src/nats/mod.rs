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
use std::sync::atomic::AtomicBool;

use crate::secret::SecretUrl;
use crate::sink::Outlet;
use crate::source::Supply;
pub use link::{NatsSink, NatsSource, is_url};

/// A consumer as a source.
pub fn supply(url: SecretUrl, settings: NatsSource) -> Arc<dyn Supply> {
    Arc::new(source::NatsSupply { url, settings: Arc::new(settings), is_stored: AtomicBool::new(false) })
}

/// A subject as a sink.
pub fn outlet(url: SecretUrl, settings: NatsSink) -> Arc<dyn Outlet> {
    Arc::new(sink::NatsOutlet { url, subject: settings.subject })
}
