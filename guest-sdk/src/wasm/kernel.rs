//! The kernel that an actor's context calls in a component.

use std::rc::Rc;
use std::time::Duration;

use playhouse_frame::Metadata;

use super::imports::Imports;
use crate::envelope::{Envelope, Flow};
use crate::errors::{AskError, MetricError, SendError, SpawnError, StateError, StopError, TimerError, WatchError};
use crate::failure::Failure;
use crate::kernel::Kernel;
use crate::log::Level;
use crate::message::Message;
use crate::reply::Reply;
use crate::result::Result;
use crate::snapshot::Snapshot;
use crate::spawn_options::SpawnOptions;
use crate::status::ActorState;
use crate::turn::{OwnParts, TurnKernel};

thread_local! {
    /// The current batch, if there is one. All calls of the actor to its kernel go through this.
    static KERNEL: TurnKernel<Imports> = const { TurnKernel::new(Imports) };
}

/// Handles the messages of a batch with the actor's handler. Returns the frame of their outcomes.
pub(crate) fn handle_batch(
    handler: impl FnMut(Message) -> Result<Option<Vec<u8>>, Failure>,
    frame: Vec<u8>,
) -> Vec<u8> {
    KERNEL.with(|kernel| kernel.handle(handler, frame))
}

/// Exchanges the parts of the kernel that are those of one actor.
pub(crate) fn exchange_own_parts(own: &mut OwnParts) {
    KERNEL.with(|kernel| kernel.exchange(own));
}

/// The kernel that an actor's context calls.
pub(crate) struct ComponentKernel;

impl Kernel for ComponentKernel {
    fn address(&self) -> String {
        KERNEL.with(TurnKernel::address)
    }

    fn incarnation(&self) -> u64 {
        KERNEL.with(TurnKernel::incarnation)
    }

    fn config(&self, key: &str) -> Option<String> {
        KERNEL.with(|kernel| kernel.config(key))
    }

    fn envelope(&self) -> Option<Envelope> {
        KERNEL.with(TurnKernel::envelope)
    }

    fn sender(&self) -> Option<String> {
        KERNEL.with(TurnKernel::sender)
    }

    fn flow(&self) -> Option<Flow> {
        KERNEL.with(TurnKernel::flow)
    }

    fn tell(&self, to: &str, body: &[u8]) -> Result<(), SendError> {
        KERNEL.with(|kernel| kernel.tell(to, body))
    }

    fn tell_all(&self, to: &str, body: &[u8]) -> Result<u32, SendError> {
        KERNEL.with(|kernel| kernel.tell_all(to, body))
    }

    fn ask(&self, to: &str, body: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError> {
        KERNEL.with(|kernel| kernel.ask(to, body, timeout))
    }

    fn tell_with(&self, to: &str, metadata: &Metadata, body: &[u8]) -> Result<(), SendError> {
        KERNEL.with(|kernel| kernel.tell_with(to, metadata, body))
    }

    fn tell_all_with(&self, to: &str, metadata: &Metadata, body: &[u8]) -> Result<u32, SendError> {
        KERNEL.with(|kernel| kernel.tell_all_with(to, metadata, body))
    }

    fn ask_with(&self, to: &str, metadata: &Metadata, body: &[u8], timeout: Duration) -> Result<Reply, AskError> {
        KERNEL.with(|kernel| kernel.ask_with(to, metadata, body, timeout))
    }

    fn reply_metadata(&self, metadata: &Metadata) {
        KERNEL.with(|kernel| kernel.reply_metadata(metadata));
    }

    fn timer_with(
        &self,
        to: &str,
        metadata: &Metadata,
        body: &[u8],
        wait_ms: u64,
        again: bool,
    ) -> Result<u64, TimerError> {
        KERNEL.with(|kernel| kernel.timer_with(to, metadata, body, wait_ms, again))
    }

    fn spawn(&self, name: &str, plugin: &str, options: &SpawnOptions) -> Result<(), SpawnError> {
        KERNEL.with(|kernel| kernel.spawn(name, plugin, options))
    }

    fn stop(&self, child: &str) -> Result<(), StopError> {
        KERNEL.with(|kernel| kernel.stop(child))
    }

    fn children(&self) -> Vec<String> {
        KERNEL.with(TurnKernel::children)
    }

    fn lookup(&self, path: &str) -> Option<String> {
        KERNEL.with(|kernel| kernel.lookup(path))
    }

    fn status(&self, path: &str) -> Option<ActorState> {
        KERNEL.with(|kernel| kernel.status(path))
    }

    fn timer(&self, to: &str, body: &[u8], wait_ms: u64, again: bool) -> Result<u64, TimerError> {
        KERNEL.with(|kernel| kernel.timer(to, body, wait_ms, again))
    }

    fn cancel(&self, timer: u64) {
        KERNEL.with(|kernel| kernel.cancel(timer));
    }

    fn watch(&self, to: &str) -> Result<u64, WatchError> {
        KERNEL.with(|kernel| kernel.watch(to))
    }

    fn unwatch(&self, watch: u64) {
        KERNEL.with(|kernel| kernel.unwatch(watch));
    }

    fn count(&self, name: &str, by: u64) -> Result<(), MetricError> {
        KERNEL.with(|kernel| kernel.count(name, by))
    }

    fn observe(&self, name: &str, value: f64) -> Result<(), MetricError> {
        KERNEL.with(|kernel| kernel.observe(name, value))
    }

    fn state_get(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        KERNEL.with(|kernel| kernel.state_get(key))
    }

    fn state_set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        KERNEL.with(|kernel| kernel.state_set(key, value))
    }

    fn state_set_for(&self, key: &str, value: &[u8], milliseconds: u64) -> Result<(), StateError> {
        KERNEL.with(|kernel| kernel.state_set_for(key, value, milliseconds))
    }

    fn state_delete(&self, key: &str) -> Result<(), StateError> {
        KERNEL.with(|kernel| kernel.state_delete(key))
    }

    fn state_keys(&self, prefix: &str, after: Option<&str>, most: u32) -> Result<Vec<String>, StateError> {
        KERNEL.with(|kernel| kernel.state_keys(prefix, after, most))
    }

    fn saved(&self) -> Result<Option<Vec<u8>>, StateError> {
        KERNEL.with(TurnKernel::saved)
    }

    fn save(&self, value: Rc<dyn Snapshot>) -> Result<()> {
        KERNEL.with(|kernel| kernel.save(value))
    }

    fn log(&self, level: Level, text: &str) {
        KERNEL.with(|kernel| kernel.log(level, text));
    }
}
