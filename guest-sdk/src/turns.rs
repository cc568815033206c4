//! The interface for batches: a frame of messages in, a frame of their outcomes out. In between, the host is called only for
//! operations that cannot wait. This module knows no WIT, so that its tests run natively.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use playhouse_frame::{Encoder, FrameError, Header, Inbound, Record};

use crate::instance::Instance;
use crate::kernel::Kernel;
use crate::{
    Actor, ActorState, AskError, Envelope, Failure, Flow, Message, Result, SendError, SpawnError, SpawnOptions,
    StopError, TimerError, WatchError,
};

/// A frame of this size is returned, even if messages are left: the host keeps them and passes them again.
const FULL_BYTES: usize = 1 << 20;

/// The host's calls beside [`Kernel`] during a batch. `message` is an index in the batch.
pub(crate) trait Host: Kernel {
    fn resolve(&self, to: &str, message: u32) -> Result<Route, SendError>;
    /// The route to the actor itself, for timers.
    fn own(&self) -> Route;
    /// Reserves a name for a child of that message. Returns the number of its route.
    fn reserve(&self, name: &str, plugin: &str, options: &SpawnOptions, message: u32) -> Result<u32, SpawnError>;
    /// The number of the route of a child that may be stopped.
    fn find_child(&self, child: &str) -> Result<u32, StopError>;
    /// The number of timers that may still be set, and the limit on them.
    fn timer_room(&self) -> (u32, u32);
    fn sender_of(&self, message: u32) -> Option<String>;
    fn hand_over(&self, frame: &[u8]);
}

/// An address, resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) number: u32,
    pub(crate) limit_bytes: u64,
    /// Whether the route is the same for each message.
    pub(crate) lasting: bool,
}

/// The kernel of an actor whose messages come alone or in batches. Outside of a batch, each call goes to the host.
pub(crate) struct Turns<H> {
    host: H,
    in_hand: RefCell<Option<InHand>>,
    /// The outcomes of the batch so far.
    out: RefCell<Encoder>,
    routes: RefCell<Routes>,
    /// Bytes that were passed to the host since `handle` was called, and that the host has not committed.
    handed_over: Cell<usize>,
    /// Bytes of the last frame that was returned: the next one will likely have the same size.
    usual_bytes: Cell<usize>,
    /// Whether the current message reserved a name for a child.
    reserved: Cell<bool>,
    /// The routes of children that the current batch stops.
    stopped: RefCell<Vec<u32>>,
    timers: Timers,
}

/// The numbers of this incarnation's timers, and the number that may still be set, so that a timer needs no call to the host.
struct Timers {
    last: Cell<u64>,
    /// A lower bound on the timers that may still be set.
    room: Cell<u32>,
    address: OnceCell<String>,
    own: Cell<Option<Route>>,
}

/// The current message, within its batch.
struct InHand {
    frame: Arc<Vec<u8>>,
    record: Record,
    index: u32,
}

impl InHand {
    fn header(&self) -> Header {
        self.record.header(&self.frame)
    }
}

impl<H: Host> Turns<H> {
    pub(crate) const fn new(host: H) -> Self {
        Self {
            host,
            in_hand: RefCell::new(None),
            out: RefCell::new(Encoder::new()),
            routes: RefCell::new(Routes::new()),
            handed_over: Cell::new(0),
            usual_bytes: Cell::new(0),
            reserved: Cell::new(false),
            stopped: RefCell::new(Vec::new()),
            timers: Timers { last: Cell::new(0), room: Cell::new(0), address: OnceCell::new(), own: Cell::new(None) },
        }
    }

    /// Handles the messages of a batch, until the outbound frame is full.
    pub(crate) fn handle<A: Actor>(&self, actor: &mut Instance<A>, frame: Vec<u8>) -> Vec<u8> {
        let frame = Arc::new(frame);
        self.handed_over.set(0);
        self.out.borrow_mut().reserve(self.usual_bytes.get());
        let records = Inbound::open(&frame).unwrap_or_else(|error| unreadable(error));
        if records.routes_void() {
            self.routes.replace(Routes::new());
            self.timers.own.take();
        }
        for (index, record) in (0..).zip(records) {
            let record = record.unwrap_or_else(|error| unreadable(error));
            let message = Message::shared(&frame, record.body.clone());
            match &mut *self.in_hand.borrow_mut() {
                Some(in_hand) => (in_hand.record, in_hand.index) = (record, index),
                none => *none = Some(InHand { frame: Arc::clone(&frame), record, index }),
            }
            let handled = actor.handle(message);
            let mut out = self.out.borrow_mut();
            let failed = handled.is_err();
            match handled {
                Ok(reply) => out.done(reply.as_deref()),
                Err(Failure::Reject(reason)) => out.reject(&reason),
                Err(Failure::Retry(reason)) => out.retry(&reason),
            }
            if self.reserved.replace(false) && failed {
                // Until the host knows of the failure, the names are taken, and their routes lead to no actor.
                drop(out);
                self.hand_over();
                out = self.out.borrow_mut();
                self.routes.borrow_mut().passing = None;
            }
            if out.bytes() + self.handed_over.get() >= FULL_BYTES {
                break;
            }
        }
        self.in_hand.take();
        self.routes.borrow_mut().forget(&self.stopped.take());
        let out = self.out.borrow_mut().take();
        self.usual_bytes.set(out.len().min(FULL_BYTES));
        out
    }
}

impl<H: Host> Turns<H> {
    /// Passes the outcomes of the batch so far to the host.
    fn hand_over(&self) {
        let frame = self.out.borrow_mut().take();
        self.handed_over.update(|bytes| bytes + frame.len());
        self.host.hand_over(&frame);
    }
}

fn unreadable(error: FrameError) -> ! {
    panic!("the host passed a bad frame: {error}");
}

impl<H: Host> Kernel for Turns<H> {
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
        let header = match &*self.in_hand.borrow() {
            Some(message) => message.header(),
            None => return self.host.envelope(),
        };
        Some(Envelope {
            id: format!("{:032x}", header.id),
            sender: self.sender(),
            flow: format!("{:016x}", header.flow),
            hops: header.hops,
            attempt: header.failures.saturating_add(1),
            asked: header.reply != 0,
        })
    }

    fn sender(&self) -> Option<String> {
        match &*self.in_hand.borrow() {
            Some(message) if message.header().sender == 0 => None,
            Some(message) => self.host.sender_of(message.index),
            None => self.host.sender(),
        }
    }

    fn flow(&self) -> Option<Flow> {
        match &*self.in_hand.borrow() {
            Some(message) => {
                let Header { flow, hops, .. } = message.header();
                Some(Flow { id: format!("{flow:016x}"), hops })
            }
            None => self.host.flow(),
        }
    }

    fn tell(&self, to: &str, body: &[u8]) -> Result<(), SendError> {
        let in_hand = self.in_hand.borrow();
        let Some(message) = &*in_hand else { return self.host.tell(to, body) };
        let route = self.routes.borrow_mut().find(&self.host, to, message)?;
        if body.len() as u64 > route.limit_bytes {
            return Err(SendError::TooLarge { limit_bytes: route.limit_bytes });
        }
        self.out.borrow_mut().tell(route.number, body);
        Ok(())
    }

    fn tell_all(&self, to: &str, body: &[u8]) -> Result<u32, SendError> {
        if self.in_hand.borrow().is_some() {
            // A frame has no operation for this: only the host knows the members of a group, and it must know the current
            // message.
            self.hand_over();
        }
        self.host.tell_all(to, body)
    }

    fn ask(&self, to: &str, body: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError> {
        if self.in_hand.borrow().is_some() {
            self.hand_over();
            // The ask commits these bytes.
            self.handed_over.set(0);
        }
        self.host.ask(to, body, timeout)
    }

    fn spawn(&self, name: &str, plugin: &str, options: &SpawnOptions) -> Result<(), SpawnError> {
        let in_hand = self.in_hand.borrow();
        let Some(message) = &*in_hand else { return self.host.spawn(name, plugin, options) };
        let route = self.host.reserve(name, plugin, options, message.index)?;
        self.reserved.set(true);
        self.out.borrow_mut().spawn(route);
        Ok(())
    }

    fn stop(&self, child: &str) -> Result<(), StopError> {
        if self.in_hand.borrow().is_none() {
            return self.host.stop(child);
        }
        let route = self.host.find_child(child)?;
        self.stopped.borrow_mut().push(route);
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
        let in_hand = self.in_hand.borrow();
        let Some(message) = &*in_hand else { return self.host.timer(to, body, wait_ms, again) };
        let timers = &self.timers;
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
        if timers.room.get() == 0 {
            // The host counts only the timers that it knows of.
            self.hand_over();
            let (room, most) = self.host.timer_room();
            if room == 0 {
                return Err(TimerError::TooManyTimers { most });
            }
            timers.room.set(room);
        }
        timers.room.update(|room| room - 1);
        timers.last.update(|last| last + 1);
        self.out.borrow_mut().timer(timers.last.get(), route.number, wait_ms, again, body);
        Ok(timers.last.get())
    }

    fn watch(&self, to: &str) -> Result<u64, WatchError> {
        if self.in_hand.borrow().is_some() {
            // A frame has no operation for this: the host must know the current message.
            self.hand_over();
        }
        self.host.watch(to)
    }

    fn unwatch(&self, watch: u64) {
        if self.in_hand.borrow().is_some() {
            self.hand_over();
        }
        self.host.unwatch(watch);
    }

    fn cancel(&self, timer: u64) {
        if self.in_hand.borrow().is_some() {
            self.out.borrow_mut().cancel(timer);
        } else {
            self.host.cancel(timer);
        }
    }
}

/// Addresses by the text that the actor used for them, each resolved once.
struct Routes {
    /// Sorted by text: a search allocates nothing, and needs no hash of an address each time.
    known: Vec<(Box<str>, Route)>,
    /// The index of the route that was used last, which is likely the next one.
    last: usize,
    /// The last route that only messages of one sender may use, after its text and that sender.
    passing: Option<(Box<str>, u64, Route)>,
}

impl Routes {
    const fn new() -> Self {
        Self { known: Vec::new(), last: 0, passing: None }
    }

    #[inline]
    fn find(&mut self, host: &impl Host, to: &str, message: &InHand) -> Result<Route, SendError> {
        match self.known.get(self.last) {
            Some((text, route)) if same(text, to) => Ok(*route),
            _ => self.search(host, to, message),
        }
    }

    /// Forgets the routes of stopped actors: the next actor with the same address has another route.
    fn forget(&mut self, stopped: &[u32]) {
        if !stopped.is_empty() {
            self.known.retain(|(_, route)| !stopped.contains(&route.number));
            self.passing = None;
        }
    }

    fn search(&mut self, host: &impl Host, to: &str, message: &InHand) -> Result<Route, SendError> {
        let at = match self.known.binary_search_by(|(text, _)| (**text).cmp(to)) {
            Ok(at) => {
                self.last = at;
                return Ok(self.known[at].1);
            }
            Err(at) => at,
        };
        let sender = message.header().sender;
        match &self.passing {
            Some((text, from, route)) if **text == *to && *from == sender => return Ok(*route),
            _ => {}
        }
        let route = host.resolve(to, message.index)?;
        if route.lasting {
            self.known.insert(at, (to.into(), route));
            self.last = at;
        } else {
            self.passing = Some((to.into(), sender, route));
        }
        Ok(route)
    }
}

/// Whether two addresses are the same text. For short texts in a guest, this is faster than a call of `memcmp`.
#[inline]
fn same(one: &str, other: &str) -> bool {
    let ((one, one_rest), (other, other_rest)) = (one.as_bytes().as_chunks::<8>(), other.as_bytes().as_chunks::<8>());
    one_rest.len() == other_rest.len()
        && one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| one == other)
        && one_rest.iter().zip(other_rest).all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests;
