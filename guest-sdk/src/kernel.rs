//! The trait between a context and its kernel, which is the host behind a component, or a test.

use std::rc::Rc;
use std::time::Duration;

use playhouse_frame::Metadata;

use crate::envelope::{Envelope, Flow};
use crate::errors::{AskError, MetricError, SendError, SpawnError, StateError, StopError, TimerError, WatchError};
use crate::log::Level;
use crate::reply::Reply;
use crate::snapshot::{SAVED_KEY, Snapshot};
use crate::spawn_options::SpawnOptions;
use crate::status::ActorState;

/// The WIT interface `kernel` in Rust's types. Methods take `&self`: a context returns borrowed text
/// (its address) that an author may pass to the next call.
pub(crate) trait Kernel {
    fn address(&self) -> String;
    fn incarnation(&self) -> u64;
    fn config(&self, key: &str) -> Option<String>;
    fn envelope(&self) -> Option<Envelope>;
    fn sender(&self) -> Option<String> {
        self.envelope()?.sender
    }
    fn flow(&self) -> Option<Flow> {
        let Envelope { flow: id, hops, .. } = self.envelope()?;
        Some(Flow { id, hops })
    }
    fn tell(&self, to: &str, body: &[u8]) -> Result<(), SendError>;
    fn tell_all(&self, to: &str, body: &[u8]) -> Result<u32, SendError>;
    fn ask(&self, to: &str, body: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError>;
    fn tell_with(&self, to: &str, metadata: &Metadata, body: &[u8]) -> Result<(), SendError>;
    fn tell_all_with(&self, to: &str, metadata: &Metadata, body: &[u8]) -> Result<u32, SendError>;
    fn ask_with(&self, to: &str, metadata: &Metadata, body: &[u8], timeout: Duration) -> Result<Reply, AskError>;
    /// Sets the metadata of the reply to the current message.
    fn reply_metadata(&self, metadata: &Metadata);
    fn spawn(&self, name: &str, plugin: &str, options: &SpawnOptions) -> Result<(), SpawnError>;
    fn stop(&self, child: &str) -> Result<(), StopError>;
    fn children(&self) -> Vec<String>;
    fn lookup(&self, path: &str) -> Option<String>;
    fn status(&self, path: &str) -> Option<ActorState>;
    /// `again`: whether the timer repeats.
    fn timer(&self, to: &str, body: &[u8], wait_ms: u64, again: bool) -> Result<u64, TimerError>;
    fn timer_with(
        &self,
        to: &str,
        metadata: &Metadata,
        body: &[u8],
        wait_ms: u64,
        again: bool,
    ) -> Result<u64, TimerError>;
    fn cancel(&self, timer: u64);
    fn watch(&self, to: &str) -> Result<u64, WatchError>;
    fn unwatch(&self, watch: u64);
    /// Adds to a counter of the actor's own.
    fn count(&self, name: &str, by: u64) -> Result<(), MetricError>;
    /// Adds a value to a histogram of the actor's own.
    fn observe(&self, name: &str, value: f64) -> Result<(), MetricError>;
    fn state_get(&self, key: &str) -> Result<Option<Vec<u8>>, StateError>;
    fn state_set(&self, key: &str, value: &[u8]) -> Result<(), StateError>;
    /// As `state_set`; the value goes when it was not set again for this time.
    fn state_set_for(&self, key: &str, value: &[u8], milliseconds: u64) -> Result<(), StateError>;
    fn state_delete(&self, key: &str) -> Result<(), StateError>;
    fn state_keys(&self, prefix: &str, after: Option<&str>, most: u32) -> Result<Vec<String>, StateError>;
    /// The bytes of the actor's own value in its state.
    fn saved(&self) -> Result<Option<Vec<u8>>, StateError> {
        self.state_get(SAVED_KEY)
    }
    /// Keeps the actor's own value in its state, as an effect of the current message.
    fn save(&self, value: Rc<dyn Snapshot>) -> crate::result::Result<()> {
        Ok(self.state_set(SAVED_KEY, &value.bytes()?)?)
    }
    /// Writes to the log at once, whatever happens to the message.
    fn log(&self, level: Level, text: &str);
}
