//! The kernel of an actor that handles batches: it records effects in the outbound frame, and calls the host only for operations
//! that cannot wait.

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use playhouse_frame::{Encoder, FrameError, Header, Inbound, Metadata};

use super::children::Children;
use super::current::CurrentMessage;
use super::host::TurnHost;
use super::metrics::Metrics;
use super::routes::Routes;
use super::state::{BatchState, Changed, StateOverlay};
use super::timers::Timers;
use crate::envelope::{Envelope, Flow, FlowId};
use crate::errors::{AskError, MetricError, SendError, SpawnError, StateError, StopError, TimerError, WatchError};
use crate::failure::Failure;
use crate::kernel::Kernel;
use crate::log::Level;
use crate::message::Message;
use crate::reply::Reply;
use crate::result::Result;
use crate::snapshot::{SAVED_KEY, Snapshot};
use crate::spawn_options::SpawnOptions;
use crate::status::ActorState;

mod state;

/// A frame of this size is returned, even if messages are left: the host keeps them and passes them again.
pub(super) const FULL_BYTES: usize = 1 << 20;

/// The kernel of an actor whose messages come alone or in batches. Outside of a batch, each call goes to the host.
pub(crate) struct TurnKernel<H> {
    host: H,
    current: RefCell<Option<CurrentMessage>>,
    /// The outcomes of the batch so far.
    out: RefCell<Encoder>,
    routes: RefCell<Routes>,
    /// Bytes that were passed to the host since `handle` was called, and that the host has not committed.
    handed_over: Cell<usize>,
    /// Bytes of the last frame that was returned: the next one will likely have the same size.
    usual_bytes: Cell<usize>,
    children: Children,
    timers: RefCell<Timers>,
    metrics: RefCell<Metrics>,
    /// The metadata of the reply to the current message.
    reply_metadata: RefCell<Metadata>,
    state: BatchState,
    /// Puts the actor's own value into the frame. Only an actor that saves it has this, so that others import nothing for it.
    save_now: Cell<Option<fn(&Self)>>,
}

/// The parts of a kernel that last over batches and belong to one actor, for actors that share an instance.
pub(crate) struct OwnParts {
    routes: Routes,
    timers: Timers,
    state: StateOverlay,
}

impl OwnParts {
    pub(crate) const fn new() -> Self {
        Self { routes: Routes::new(), timers: Timers::new(), state: StateOverlay::new() }
    }
}

impl<H: TurnHost> TurnKernel<H> {
    pub(crate) const fn new(host: H) -> Self {
        Self {
            host,
            current: RefCell::new(None),
            out: RefCell::new(Encoder::new()),
            routes: RefCell::new(Routes::new()),
            handed_over: Cell::new(0),
            usual_bytes: Cell::new(0),
            children: Children::new(),
            timers: RefCell::new(Timers::new()),
            metrics: RefCell::new(Metrics::new()),
            reply_metadata: RefCell::new(Metadata::new()),
            state: BatchState::new(),
            save_now: Cell::new(None),
        }
    }

    /// Exchanges the parts that are those of one actor with those of another one. Only between calls.
    pub(crate) fn exchange(&self, own: &mut OwnParts) {
        mem::swap(&mut *self.routes.borrow_mut(), &mut own.routes);
        mem::swap(&mut *self.timers.borrow_mut(), &mut own.timers);
        mem::swap(&mut *self.state.overlay.borrow_mut(), &mut own.state);
    }

    /// Handles the messages of a batch with the actor's handler, until the outbound frame is full.
    pub(crate) fn handle(
        &self,
        mut handler: impl FnMut(Message) -> Result<Option<Vec<u8>>, Failure>,
        frame: Vec<u8>,
    ) -> Vec<u8> {
        let frame = Arc::new(frame);
        self.handed_over.set(0);
        self.out.borrow_mut().reserve(self.usual_bytes.get());
        let records = Inbound::open(&frame).unwrap_or_else(|error| unreadable(error));
        if records.routes_void() {
            self.routes.replace(Routes::new());
            self.timers.borrow().own.take();
        }
        for (index, record) in (0..).zip(records) {
            let record = record.unwrap_or_else(|error| unreadable(error));
            let message = Message::shared(&frame, record.clone());
            match &mut *self.current.borrow_mut() {
                Some(current) => (current.record, current.index) = (record, index),
                none => *none = Some(CurrentMessage { frame: Arc::clone(&frame), record, index }),
            }
            let handled = handler(message);
            let mut out = self.out.borrow_mut();
            let failed = handled.is_err();
            match handled {
                Ok(Some(reply)) if !self.reply_metadata.borrow().is_empty() => {
                    out.done_with(&self.reply_metadata.borrow(), &reply);
                }
                Ok(reply) => out.done(reply.as_deref()),
                Err(Failure::Reject(reason)) => out.reject(&reason),
                Err(Failure::Retry(reason)) => out.retry(&reason),
            }
            if !self.reply_metadata.borrow().is_empty() {
                self.reply_metadata.take();
            }
            self.state.end_message(failed);
            if self.children.reserved.replace(false) && failed {
                // Until the host knows of the failure, the names are taken, and their routes lead to no actor.
                drop(out);
                self.hand_over();
                out = self.out.borrow_mut();
                self.routes.borrow_mut().one_sender = None;
            }
            if out.bytes() + self.handed_over.get() >= FULL_BYTES {
                break;
            }
        }
        if let Some(save_now) = self.save_now.get() {
            save_now(self);
        }
        self.current.take();
        self.state.end_batch();
        self.routes.borrow_mut().forget(&self.children.stopped.take());
        let out = self.out.borrow_mut().take();
        self.usual_bytes.set(out.len().min(FULL_BYTES));
        out
    }

    /// Passes the outcomes of the batch so far to the host.
    fn hand_over(&self) {
        if let Some(save_now) = self.save_now.get() {
            save_now(self);
        }
        let frame = self.out.borrow_mut().take();
        self.state.overlay.borrow_mut().in_frame = 0;
        self.handed_over.update(|bytes| bytes + frame.len());
        self.host.hand_over(&frame);
    }

    /// Records a timer in the frame.
    fn frame_timer(
        &self,
        to: &str,
        metadata: &Metadata,
        body: &[u8],
        wait_ms: u64,
        again: bool,
    ) -> Result<u64, TimerError> {
        let current = self.current.borrow();
        let message = current.as_ref().expect("the caller looked");
        let timers = self.timers.borrow();
        let route = if to == timers.address.get_or_init(|| self.host.address()) {
            let own = timers.own.get().unwrap_or_else(|| self.host.own());
            timers.own.set(Some(own));
            own
        } else {
            self.routes.borrow_mut().find(&self.host, to, message)?
        };
        if body.len() as u64 > route.limit_bytes {
            return Err(SendError::TooLarge { limit_bytes: route.limit_bytes }.into());
        }
        if timers.left.get() == 0 {
            // The host counts only the timers that it knows of.
            self.hand_over();
            timers.last.set(timers.last.get().max(self.host.timer_base()));
            let (left, most) = self.host.timers_left();
            if left == 0 {
                return Err(TimerError::TooManyTimers { most });
            }
            timers.left.set(left);
        }
        timers.left.update(|left| left - 1);
        timers.last.update(|last| last + 1);
        self.out.borrow_mut().timer(timers.last.get(), route.number, wait_ms, again, metadata, body);
        Ok(timers.last.get())
    }
}

fn unreadable(error: FrameError) -> ! {
    panic!("the host passed a bad frame: {error}");
}

impl<H: TurnHost> Kernel for TurnKernel<H> {
    fn address(&self) -> String {
        self.host.address()
    }

    fn incarnation(&self) -> u64 {
        self.host.incarnation()
    }

    fn config(&self, key: &str) -> Option<String> {
        self.host.config(key)
    }

    fn envelope(&self) -> Option<Envelope> {
        let (header, index, content) = match &*self.current.borrow() {
            Some(message) => {
                let content = message.record.content(&message.frame);
                (message.header(), message.index, (content.deadline, content.sequence))
            }
            None => return self.host.envelope(),
        };
        Some(Envelope {
            id: format!("{:032x}", header.id),
            sender: self.sender(),
            flow: FlowId(header.flow),
            hops: header.hops,
            attempt: header.failures.saturating_add(1),
            asked: header.reply != 0,
            time_left: content.0.and_then(|_| self.host.time_left_of(index)),
            sequence: content.1,
        })
    }

    fn sender(&self) -> Option<String> {
        match &*self.current.borrow() {
            Some(message) if message.header().sender == 0 => None,
            Some(message) => self.host.sender_of(message.index),
            None => self.host.sender(),
        }
    }

    fn flow(&self) -> Option<Flow> {
        match &*self.current.borrow() {
            Some(message) => {
                let Header { flow, hops, .. } = message.header();
                Some(Flow { id: FlowId(flow), hops })
            }
            None => self.host.flow(),
        }
    }

    fn tell(&self, to: &str, body: &[u8]) -> Result<(), SendError> {
        let current = self.current.borrow();
        let Some(message) = &*current else { return self.host.tell(to, body) };
        let route = self.routes.borrow_mut().find(&self.host, to, message)?;
        if body.len() as u64 > route.limit_bytes {
            return Err(SendError::TooLarge { limit_bytes: route.limit_bytes });
        }
        self.out.borrow_mut().tell(route.number, body);
        Ok(())
    }

    fn tell_all(&self, to: &str, body: &[u8]) -> Result<u32, SendError> {
        if self.current.borrow().is_some() {
            // A frame has no operation for this: only the host knows the members of a group, and it must know the current
            // message.
            self.hand_over();
        }
        self.host.tell_all(to, body)
    }

    fn ask(&self, to: &str, body: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError> {
        if self.current.borrow().is_some() {
            self.hand_over();
            // The ask commits these bytes.
            self.handed_over.set(0);
        }
        self.host.ask(to, body, timeout)
    }

    fn tell_with(&self, to: &str, metadata: &Metadata, body: &[u8]) -> Result<(), SendError> {
        let current = self.current.borrow();
        let Some(message) = &*current else { return self.host.tell_with(to, metadata, body) };
        let route = self.routes.borrow_mut().find(&self.host, to, message)?;
        if body.len() as u64 > route.limit_bytes {
            return Err(SendError::TooLarge { limit_bytes: route.limit_bytes });
        }
        self.out.borrow_mut().tell_with(route.number, metadata, body);
        Ok(())
    }

    fn tell_all_with(&self, to: &str, metadata: &Metadata, body: &[u8]) -> Result<u32, SendError> {
        if self.current.borrow().is_some() {
            self.hand_over();
        }
        self.host.tell_all_with(to, metadata, body)
    }

    fn ask_with(&self, to: &str, metadata: &Metadata, body: &[u8], timeout: Duration) -> Result<Reply, AskError> {
        if self.current.borrow().is_some() {
            self.hand_over();
            // The ask commits these bytes.
            self.handed_over.set(0);
        }
        self.host.ask_with(to, metadata, body, timeout)
    }

    fn reply_metadata(&self, metadata: &Metadata) {
        if self.current.borrow().is_some() {
            self.reply_metadata.replace(metadata.clone());
        } else {
            self.host.reply_metadata(metadata);
        }
    }

    fn spawn(&self, name: &str, plugin: &str, options: &SpawnOptions) -> Result<(), SpawnError> {
        let current = self.current.borrow();
        let Some(message) = &*current else { return self.host.spawn(name, plugin, options) };
        let route = self.host.reserve(name, plugin, options, message.index)?;
        self.children.reserved.set(true);
        self.out.borrow_mut().spawn(route);
        Ok(())
    }

    fn stop(&self, child: &str) -> Result<(), StopError> {
        if self.current.borrow().is_none() {
            return self.host.stop(child);
        }
        let route = self.host.find_child(child)?;
        self.children.stopped.borrow_mut().push(route);
        self.out.borrow_mut().stop(route);
        Ok(())
    }

    fn children(&self) -> Vec<String> {
        self.host.children()
    }

    fn lookup(&self, path: &str) -> Option<String> {
        self.host.lookup(path)
    }

    fn status(&self, path: &str) -> Option<ActorState> {
        self.host.status(path)
    }

    fn timer(&self, to: &str, body: &[u8], wait_ms: u64, again: bool) -> Result<u64, TimerError> {
        if self.current.borrow().is_none() {
            return self.host.timer(to, body, wait_ms, again);
        }
        self.frame_timer(to, &Metadata::new(), body, wait_ms, again)
    }

    fn timer_with(
        &self,
        to: &str,
        metadata: &Metadata,
        body: &[u8],
        wait_ms: u64,
        again: bool,
    ) -> Result<u64, TimerError> {
        if self.current.borrow().is_none() {
            return self.host.timer_with(to, metadata, body, wait_ms, again);
        }
        self.frame_timer(to, metadata, body, wait_ms, again)
    }

    fn watch(&self, to: &str) -> Result<u64, WatchError> {
        if self.current.borrow().is_some() {
            // A frame has no operation for this: the host must know the current message.
            self.hand_over();
        }
        self.host.watch(to)
    }

    fn unwatch(&self, watch: u64) {
        if self.current.borrow().is_some() {
            self.hand_over();
        }
        self.host.unwatch(watch);
    }

    fn count(&self, name: &str, by: u64) -> Result<(), MetricError> {
        let metric = self.metrics.borrow_mut().find(&self.host, name)?;
        if self.current.borrow().is_none() {
            return self.host.count_metric(metric, by);
        }
        self.out.borrow_mut().count(metric, by);
        Ok(())
    }

    fn observe(&self, name: &str, value: f64) -> Result<(), MetricError> {
        let metric = self.metrics.borrow_mut().find(&self.host, name)?;
        // The host says what is wrong with a value; in a frame, a wrong value would end the incarnation.
        if self.current.borrow().is_none() || !value.is_finite() || value < 0.0 {
            return self.host.observe_metric(metric, value);
        }
        self.out.borrow_mut().observe(metric, value);
        Ok(())
    }

    fn state_get(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        match self.state.get(key) {
            Some(Changed::To(value)) => Ok(Some(value)),
            Some(Changed::Deleted) => Ok(None),
            None => self.host.state_get(key),
        }
    }

    fn state_set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        if self.current.borrow().is_none() {
            self.state.overlay.borrow_mut().left = None;
            return self.host.state_set(key, value);
        }
        self.frame_set(key, value, None)
    }

    fn state_set_for(&self, key: &str, value: &[u8], milliseconds: u64) -> Result<(), StateError> {
        if self.current.borrow().is_none() {
            self.state.overlay.borrow_mut().left = None;
            return self.host.state_set_for(key, value, milliseconds);
        }
        self.frame_set(key, value, Some(milliseconds))
    }

    fn state_delete(&self, key: &str) -> Result<(), StateError> {
        if self.current.borrow().is_none() {
            return self.host.state_delete(key);
        }
        self.frame_delete(key)
    }

    fn state_keys(&self, prefix: &str, after: Option<&str>, most: u32) -> Result<Vec<String>, StateError> {
        if self.current.borrow().is_some() && self.state.is_changed() {
            // The host must know the changes of the batch.
            self.hand_over();
        }
        self.host.state_keys(prefix, after, most)
    }

    fn saved(&self) -> Result<Option<Vec<u8>>, StateError> {
        let saved = self.host.state_get(SAVED_KEY)?;
        self.state.overlay.borrow_mut().saved.clone_from(&saved);
        Ok(saved)
    }

    fn save(&self, value: Rc<dyn Snapshot>) -> Result<()> {
        if self.current.borrow().is_some() {
            self.save_now.set(Some(Self::save_in_frame));
            self.state.overlay.borrow_mut().unsaved = Some((self.out.borrow().place(), value));
            return Ok(());
        }
        self.save_at_once(&*value)
    }

    /// No effect of a message: a batch goes on.
    fn log(&self, level: Level, text: &str) {
        self.host.log(level, text);
    }

    fn cancel(&self, timer: u64) {
        if self.current.borrow().is_some() {
            self.out.borrow_mut().cancel(timer);
        } else {
            self.host.cancel(timer);
        }
    }
}
