//! The contract's imports as a `Kernel` and the host of its turns.

use std::time::Duration;

use playhouse_frame::Metadata;

use crate::bindings::logging::wasi::logging::logging;
use crate::bindings::playhouse::actor::{batch, kernel, metrics, state};
use crate::bindings::sharing::playhouse::actor::member;
use crate::envelope::{Envelope, FlowId};
use crate::errors::{AskError, MetricError, SendError, SpawnError, StateError, StopError, TimerError, WatchError};
use crate::kernel::Kernel;
use crate::log::Level;
use crate::reply::Reply;
use crate::spawn_options::SpawnOptions;
use crate::status::ActorState;
use crate::timer::whole_millis;
use crate::turn::{Route, StateLimits, TurnHost};

/// The kernel on the other side of the contract's imports.
pub(super) struct Imports;

impl TurnHost for Imports {
    fn resolve(&self, to: &str, message: u32) -> Result<Route, SendError> {
        Ok(batch::resolve(to, message)?.into())
    }

    fn own(&self) -> Route {
        batch::own_route().into()
    }

    fn reserve(&self, name: &str, plugin: &str, options: &SpawnOptions, message: u32) -> Result<u32, SpawnError> {
        Ok(batch::spawn(name, plugin, &options.into(), message)?)
    }

    fn find_child(&self, child: &str) -> Result<u32, StopError> {
        Ok(batch::stop(child)?)
    }

    fn timers_left(&self) -> (u32, u32) {
        batch::timers_left()
    }

    fn timer_base(&self) -> u64 {
        batch::timer_base()
    }

    fn sender_of(&self, message: u32) -> Option<String> {
        batch::sender(message)
    }

    fn time_left_of(&self, message: u32) -> Option<Duration> {
        batch::time_left(message).map(Duration::from_millis)
    }

    fn hand_over(&self, frame: &[u8]) {
        batch::hand_over(frame);
    }

    fn metric(&self, name: &str) -> Result<u32, MetricError> {
        Ok(metrics::resolve(name)?)
    }

    fn count_metric(&self, metric: u32, by: u64) -> Result<(), MetricError> {
        Ok(metrics::count(metric, by)?)
    }

    fn observe_metric(&self, metric: u32, value: f64) -> Result<(), MetricError> {
        Ok(metrics::observe(metric, value)?)
    }

    fn state_limits(&self) -> Result<StateLimits, StateError> {
        let state::StateLimits { value_bytes, left_bytes } = state::limits()?;
        Ok(StateLimits { value_bytes, left_bytes })
    }
}

impl Kernel for Imports {
    fn address(&self) -> String {
        kernel::address()
    }

    fn incarnation(&self) -> u64 {
        kernel::incarnation()
    }

    fn config(&self, key: &str) -> Option<String> {
        kernel::config(key)
    }

    fn envelope(&self) -> Option<Envelope> {
        let kernel::Envelope { id, sender, flow, hops, attempt, asked, time_left_ms, sequence, metadata: _ } =
            kernel::message()?;
        let (flow, time_left) = (FlowId::read(&flow), time_left_ms.map(Duration::from_millis));
        Some(Envelope { id, sender, flow, hops, attempt, asked, time_left, sequence })
    }

    fn tell(&self, to: &str, body: &[u8]) -> Result<(), SendError> {
        Ok(kernel::tell(to, body)?)
    }

    fn tell_all(&self, to: &str, body: &[u8]) -> Result<u32, SendError> {
        Ok(kernel::tell_all(to, body)?)
    }

    fn ask(&self, to: &str, body: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError> {
        Ok(kernel::ask(to, body, whole_millis(timeout))?)
    }

    fn tell_with(&self, to: &str, metadata: &Metadata, body: &[u8]) -> Result<(), SendError> {
        Ok(kernel::tell_with(to, body, &pairs(metadata))?)
    }

    fn tell_all_with(&self, to: &str, metadata: &Metadata, body: &[u8]) -> Result<u32, SendError> {
        Ok(kernel::tell_all_with(to, body, &pairs(metadata))?)
    }

    fn ask_with(&self, to: &str, metadata: &Metadata, body: &[u8], timeout: Duration) -> Result<Reply, AskError> {
        let reply = kernel::ask_with(to, body, &pairs(metadata), whole_millis(timeout))?;
        let metadata = Metadata::collect(reply.metadata).expect("the host bounds them as the SDK does");
        Ok(Reply { body: reply.body, metadata })
    }

    fn reply_metadata(&self, metadata: &Metadata) {
        let set = kernel::reply_metadata(&pairs(metadata));
        set.expect("the host bounds them as the SDK does");
    }

    fn timer_with(
        &self,
        to: &str,
        metadata: &Metadata,
        body: &[u8],
        wait_ms: u64,
        again: bool,
    ) -> Result<u64, TimerError> {
        let set = if again { kernel::tell_every_with } else { kernel::tell_after_with };
        Ok(set(to, body, &pairs(metadata), wait_ms)?)
    }

    fn spawn(&self, name: &str, plugin: &str, options: &SpawnOptions) -> Result<(), SpawnError> {
        Ok(kernel::spawn(name, plugin, &options.into())?)
    }

    fn stop(&self, child: &str) -> Result<(), StopError> {
        Ok(kernel::stop(child)?)
    }

    fn children(&self) -> Vec<String> {
        kernel::children()
    }

    fn lookup(&self, path: &str) -> Option<String> {
        kernel::lookup(path)
    }

    fn status(&self, path: &str) -> Option<ActorState> {
        kernel::status(path).map(ActorState::from)
    }

    fn timer(&self, to: &str, body: &[u8], wait_ms: u64, again: bool) -> Result<u64, TimerError> {
        let set = if again { kernel::tell_every } else { kernel::tell_after };
        Ok(set(to, body, wait_ms)?)
    }

    fn cancel(&self, timer: u64) {
        kernel::cancel(timer);
    }

    fn watch(&self, to: &str) -> Result<u64, WatchError> {
        Ok(kernel::watch(to)?)
    }

    fn unwatch(&self, watch: u64) {
        kernel::unwatch(watch);
    }

    fn count(&self, name: &str, by: u64) -> Result<(), MetricError> {
        self.count_metric(self.metric(name)?, by)
    }

    fn observe(&self, name: &str, value: f64) -> Result<(), MetricError> {
        self.observe_metric(self.metric(name)?, value)
    }

    fn state_get(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        Ok(state::get(key)?)
    }

    fn state_set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        Ok(state::set(key, value)?)
    }

    fn state_set_for(&self, key: &str, value: &[u8], milliseconds: u64) -> Result<(), StateError> {
        Ok(state::set_for(key, value, milliseconds)?)
    }

    fn state_delete(&self, key: &str) -> Result<(), StateError> {
        Ok(state::delete(key)?)
    }

    fn state_keys(&self, prefix: &str, after: Option<&str>, most: u32) -> Result<Vec<String>, StateError> {
        Ok(state::keys(prefix, after, most)?)
    }

    fn log(&self, level: Level, text: &str) {
        let level = match level {
            Level::Trace => logging::Level::Trace,
            Level::Debug => logging::Level::Debug,
            Level::Info => logging::Level::Info,
            Level::Warn => logging::Level::Warn,
            Level::Error => logging::Level::Error,
            Level::Critical => logging::Level::Critical,
        };
        logging::log(level, "", text);
    }
}

/// The number of the actor for which the current export was called, among those that share the instance.
pub(crate) fn current_member() -> u32 {
    member::current()
}

/// The pairs in the type of the contract.
fn pairs(metadata: &Metadata) -> Vec<(String, String)> {
    metadata.pairs().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
