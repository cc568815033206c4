//! The door of a batch: a frame of messages in, a frame of what came of them out. Nothing crosses to the host in between
//! but what cannot wait. Knows no WIT, so that its tests run natively.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use playhouse_frame::{Encoder, FrameError, Header, Inbound, Record};

use crate::instance::Instance;
use crate::kernel::Kernel;
use crate::{
    Actor, AskError, Envelope, Failure, Message, Result, SendError, SpawnError, SpawnOptions, State, StopError,
    TimerError,
};

/// A frame that has grown to this is returned, even if messages are left: the host has them and gives them again.
const FULL_BYTES: usize = 1 << 20;

/// What the host offers beside [`Kernel`] while a batch is in hand. `message` is an index in the batch.
pub(crate) trait Host: Kernel {
    fn resolve(&self, to: &str, message: u32) -> Result<Route, SendError>;
    /// The route to the actor itself, for timers.
    fn own(&self) -> Route;
    /// Takes a name for a child of that message; the number of its route.
    fn reserve(&self, name: &str, plugin: &str, options: &SpawnOptions, message: u32) -> Result<u32, SpawnError>;
    /// The number of a child that may be stopped.
    fn find_child(&self, child: &str) -> Result<u32, StopError>;
    /// How many more timers may be set, and how many there may be.
    fn timer_room(&self) -> (u32, u32);
    fn sender_of(&self, message: u32) -> Option<String>;
    fn hand_over(&self, frame: &[u8]);
}

/// An address, resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) number: u32,
    pub(crate) limit_bytes: u64,
    /// It is the same whatever message is in hand.
    pub(crate) lasting: bool,
}

/// The kernel of an actor whose messages come alone or in batches. While no batch is in hand, it is the host's.
pub(crate) struct Turns<H> {
    host: H,
    in_hand: RefCell<Option<InHand>>,
    /// What came of the batch so far.
    out: RefCell<Encoder>,
    routes: RefCell<Routes>,
    /// Bytes of the last frame that was returned: the next one will be like it.
    usual_bytes: Cell<usize>,
    /// The message in hand took a name for a child.
    reserved: Cell<bool>,
    /// The routes of children that the batch in hand stops.
    stopped: RefCell<Vec<u32>>,
    timers: Timers,
}

/// What is known of this run's timers: enough to number them, and to know that there is room without asking.
struct Timers {
    last: Cell<u64>,
    /// At least so many more may be set.
    room: Cell<u32>,
    address: OnceCell<String>,
    own: OnceCell<Route>,
}

/// The message in hand, within its batch.
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
            usual_bytes: Cell::new(0),
            reserved: Cell::new(false),
            stopped: RefCell::new(Vec::new()),
            timers: Timers { last: Cell::new(0), room: Cell::new(0), address: OnceCell::new(), own: OnceCell::new() },
        }
    }

    /// Handles a batch, or as much of it as fits a frame.
    pub(crate) fn handle<A: Actor>(&self, actor: &mut Instance<A>, frame: Vec<u8>) -> Vec<u8> {
        let frame = Arc::new(frame);
        self.out.borrow_mut().reserve(self.usual_bytes.get());
        let records = Inbound::open(&frame).unwrap_or_else(|error| unreadable(error));
        for (index, record) in (0..).zip(records) {
            let record = record.unwrap_or_else(|error| unreadable(error));
            let message = Message::shared(&frame, record.body.clone());
            self.in_hand.replace(Some(InHand { frame: Arc::clone(&frame), record, index }));
            let handled = actor.handle(message);
            let mut out = self.out.borrow_mut();
            let failed = handled.is_err();
            match handled {
                Ok(reply) => out.done(reply.as_deref()),
                Err(Failure::Reject(reason)) => out.reject(&reason),
                Err(Failure::Retry(reason)) => out.retry(&reason),
            }
            if self.reserved.replace(false) && failed {
                // Until the host knows, the names are taken, and their routes lead to nobody.
                self.host.hand_over(&out.take());
                self.routes.borrow_mut().passing = None;
            }
            if out.bytes() >= FULL_BYTES {
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
    /// Lets the host know what came of the batch so far.
    fn hand_over(&self) {
        let frame = self.out.borrow_mut().take();
        self.host.hand_over(&frame);
    }
}

fn unreadable(error: FrameError) -> ! {
    panic!("the host handed over a bad frame: {error}");
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

    fn ask(&self, to: &str, body: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError> {
        if self.in_hand.borrow().is_some() {
            self.hand_over();
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

    fn state(&self, path: &str) -> Option<State> {
        self.host.state(path)
    }

    fn timer(&self, to: &str, body: &[u8], wait_ms: u64, again: bool) -> Result<u64, TimerError> {
        let in_hand = self.in_hand.borrow();
        let Some(message) = &*in_hand else { return self.host.timer(to, body, wait_ms, again) };
        let timers = &self.timers;
        let route = if to == timers.address.get_or_init(|| self.host.address()) {
            *timers.own.get_or_init(|| self.host.own())
        } else {
            self.routes.borrow_mut().find(&self.host, to, message)?
        };
        if body.len() as u64 > route.limit_bytes {
            return Err(SendError::TooLarge { limit_bytes: route.limit_bytes }.into());
        }
        if timers.room.get() == 0 {
            // The host counts those it knows of.
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
    /// Which of them was used last, and most likely is the next.
    last: usize,
    /// The last route that only messages of one sender may use, and that sender.
    passing: Option<(Box<str>, u64, Route)>,
}

impl Routes {
    const fn new() -> Self {
        Self { known: Vec::new(), last: 0, passing: None }
    }

    #[inline]
    fn find(&mut self, host: &impl Host, to: &str, message: &InHand) -> Result<Route, SendError> {
        match self.known.get(self.last) {
            Some((text, route)) if **text == *to => Ok(*route),
            _ => self.search(host, to, message),
        }
    }

    /// These routes' actors are stopped: whoever has their addresses next is to be asked for.
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

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use playhouse_frame::{Op, Outbound, trailer};

    use super::*;
    use crate::{Context, reject};

    /// Notes what crosses.
    #[derive(Default)]
    struct Boundary(RefCell<Vec<String>>);

    impl Boundary {
        fn note(&self, line: String) {
            self.0.borrow_mut().push(line);
        }
    }

    impl Kernel for Rc<Boundary> {
        fn address(&self) -> String {
            "/actor".to_owned()
        }

        fn incarnation(&self) -> u64 {
            1
        }

        fn config(&self, _: &str) -> Option<String> {
            None
        }

        fn envelope(&self) -> Option<Envelope> {
            None
        }

        fn tell(&self, to: &str, _: &[u8]) -> Result<(), SendError> {
            self.note(format!("tell {to}"));
            Ok(())
        }

        fn ask(&self, to: &str, body: &[u8], _: Duration) -> Result<Vec<u8>, AskError> {
            self.note(format!("ask {to}"));
            Ok(body.to_vec())
        }

        fn spawn(&self, name: &str, plugin: &str, _: &SpawnOptions) -> Result<(), SpawnError> {
            self.note(format!("spawn {name} {plugin}"));
            Ok(())
        }

        fn stop(&self, child: &str) -> Result<(), StopError> {
            self.note(format!("stop {child}"));
            Ok(())
        }

        fn children(&self) -> Vec<String> {
            Vec::new()
        }

        fn lookup(&self, _: &str) -> Option<String> {
            None
        }

        fn state(&self, _: &str) -> Option<State> {
            None
        }

        fn timer(&self, to: &str, _: &[u8], wait_ms: u64, _: bool) -> Result<u64, TimerError> {
            self.note(format!("timer {to} {wait_ms}"));
            Ok(1 << 63)
        }

        fn cancel(&self, timer: u64) {
            self.note(format!("cancel {timer}"));
        }
    }

    impl Host for Rc<Boundary> {
        fn resolve(&self, to: &str, message: u32) -> Result<Route, SendError> {
            self.note(format!("resolve {to} for {message}"));
            match to {
                "/nobody" => Err(SendError::UnknownAddress(to.to_owned())),
                "/sender" => Ok(Route { number: 9, limit_bytes: 100, lasting: false }),
                _ => Ok(Route { number: to.len() as u32, limit_bytes: 100, lasting: true }),
            }
        }

        fn own(&self) -> Route {
            self.note("own".to_owned());
            Route { number: 0, limit_bytes: 10, lasting: false }
        }

        fn reserve(&self, name: &str, _: &str, _: &SpawnOptions, message: u32) -> Result<u32, SpawnError> {
            self.note(format!("reserve {name} for {message}"));
            Ok(50 + message)
        }

        fn find_child(&self, child: &str) -> Result<u32, StopError> {
            self.note(format!("find {child}"));
            Ok(child.len() as u32)
        }

        fn timer_room(&self) -> (u32, u32) {
            self.note("room".to_owned());
            (if self.0.borrow().iter().any(|line| line.contains("timer(")) { 0 } else { 2 }, 2)
        }

        fn sender_of(&self, message: u32) -> Option<String> {
            self.note(format!("sender of {message}"));
            Some("/sender".to_owned())
        }

        fn hand_over(&self, frame: &[u8]) {
            self.note(format!("hand over {}", shown(frame)));
        }
    }

    fn shown(frame: &[u8]) -> String {
        let ops = Outbound::open(frame).unwrap().map(|op| match op.unwrap() {
            Op::Tell { route, body } => format!("{route}:{}", String::from_utf8_lossy(&frame[body])),
            Op::Reply(reply) => format!("reply {}", String::from_utf8_lossy(reply)),
            other => format!("{other:?}").to_lowercase(),
        });
        ops.collect::<Vec<_>>().join(", ")
    }

    /// Does what the message says, one word after another.
    #[derive(Default)]
    struct Puppet;

    impl Actor for Puppet {
        fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
            for word in msg.text()?.split(' ') {
                match word {
                    "reject" => return Err(reject("no")),
                    "ask" => ctx.reply(ctx.ask("/oracle", "why", Duration::from_secs(1))?),
                    "back" => ctx.tell(&ctx.sender().unwrap_or_default(), "back")?,
                    "large" => ctx.tell("/a", [0; 101])?,
                    "flood" => (0..FULL_BYTES / 100).try_for_each(|_| ctx.tell("/a", [0; 100]))?,
                    "envelope" => ctx.reply(format!("{:?}", ctx.envelope())),
                    "spawn" => ctx.spawn("w", "worker")?,
                    "stop" => ctx.stop_child("/bb")?,
                    "timer" => {
                        let timer = ctx.tell_after(Duration::from_micros(1), ctx.address(), "up")?;
                        ctx.cancel(timer);
                    }
                    to => ctx.tell(to, word)?,
                }
            }
            Ok(())
        }
    }

    struct Play {
        actor: Instance<Puppet>,
        turns: Rc<Turns<Rc<Boundary>>>,
        boundary: Rc<Boundary>,
    }

    impl Kernel for Rc<Turns<Rc<Boundary>>> {
        fn address(&self) -> String {
            (**self).address()
        }

        fn incarnation(&self) -> u64 {
            (**self).incarnation()
        }

        fn config(&self, key: &str) -> Option<String> {
            (**self).config(key)
        }

        fn envelope(&self) -> Option<Envelope> {
            (**self).envelope()
        }

        fn sender(&self) -> Option<String> {
            (**self).sender()
        }

        fn tell(&self, to: &str, body: &[u8]) -> Result<(), SendError> {
            (**self).tell(to, body)
        }

        fn ask(&self, to: &str, body: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError> {
            (**self).ask(to, body, timeout)
        }

        fn spawn(&self, name: &str, plugin: &str, options: &SpawnOptions) -> Result<(), SpawnError> {
            (**self).spawn(name, plugin, options)
        }

        fn stop(&self, child: &str) -> Result<(), StopError> {
            (**self).stop(child)
        }

        fn children(&self) -> Vec<String> {
            (**self).children()
        }

        fn lookup(&self, path: &str) -> Option<String> {
            (**self).lookup(path)
        }

        fn state(&self, path: &str) -> Option<State> {
            (**self).state(path)
        }

        fn timer(&self, to: &str, body: &[u8], wait_ms: u64, again: bool) -> Result<u64, TimerError> {
            (**self).timer(to, body, wait_ms, again)
        }

        fn cancel(&self, timer: u64) {
            (**self).cancel(timer);
        }
    }

    impl Play {
        fn start() -> Self {
            let boundary = Rc::new(Boundary::default());
            let turns = Rc::new(Turns::new(Rc::clone(&boundary)));
            let actor = Instance::start(Rc::clone(&turns)).unwrap();
            Self { actor, turns, boundary }
        }

        /// Handles one batch; message `n` is from sender `n`.
        fn batch(&mut self, bodies: &[&str]) -> String {
            let mut frame = Vec::new();
            for (n, body) in (0..).zip(bodies) {
                let header = Header { body_bytes: body.len() as u32, sender: n, id: 10, ..Header::default() };
                frame.extend_from_slice(&header.encode());
                frame.extend_from_slice(body.as_bytes());
            }
            frame.extend_from_slice(&trailer(bodies.len() as u32));
            shown(&self.turns.handle(&mut self.actor, frame))
        }

        fn crossed(&self) -> Vec<String> {
            self.boundary.0.take()
        }
    }

    #[test]
    fn an_address_crosses_once_however_often_it_is_told() {
        let mut play = Play::start();
        assert_eq!(play.batch(&["/a /bb", "/bb /a"]), "2:/a, 3:/bb, done, 3:/bb, 2:/a, done");
        assert_eq!(play.batch(&["/bb"]), "3:/bb, done");
        assert_eq!(play.crossed(), ["resolve /a for 0", "resolve /bb for 0"]);
    }

    #[test]
    fn what_a_failed_message_told_never_crosses() {
        let mut play = Play::start();
        assert_eq!(play.batch(&["/a", "/a reject", "/bb"]), "2:/a, done, reject(\"no\"), 3:/bb, done");
    }

    #[test]
    fn a_tell_is_refused_before_it_crosses() {
        let mut play = Play::start();
        let refused = play.batch(&["/a large", "/nobody"]);
        assert!(refused.starts_with("retry(\"the body is larger than the 100 bytes"), "{refused}");
        assert!(refused.ends_with("retry(\"no actor has the address `/nobody`\")"), "{refused}");
    }

    #[test]
    fn an_ask_hands_over_what_came_of_the_batch_so_far() {
        let mut play = Play::start();
        assert_eq!(play.batch(&["/a", "/a ask /bb", "/a"]), "3:/bb, reply why, 2:/a, done");
        assert_eq!(play.crossed()[1..3], ["hand over 2:/a, done, 2:/a", "ask /oracle"]);
    }

    #[test]
    fn a_route_to_a_sender_is_for_its_own_messages() {
        let mut play = Play::start();
        play.batch(&["/a", "back back", "back"]);
        let crossed = play.crossed();
        let resolved: Vec<_> = crossed.iter().filter(|line| line.starts_with("resolve /sender")).collect();
        assert_eq!(resolved, ["resolve /sender for 1", "resolve /sender for 2"]);
    }

    #[test]
    fn a_child_is_reserved_at_once_and_spawned_in_the_frame() {
        let mut play = Play::start();
        assert_eq!(play.batch(&["/a", "spawn /a"]), "2:/a, done, spawn { route: 51 }, 2:/a, done");
        assert_eq!(play.crossed(), ["resolve /a for 0", "reserve w for 1"]);
    }

    #[test]
    fn the_host_hears_at_once_of_a_failed_message_that_spawned() {
        let mut play = Play::start();
        assert_eq!(play.batch(&["spawn reject", "spawn", "reject"]), "spawn { route: 51 }, done, reject(\"no\")");
        assert_eq!(play.crossed(), ["reserve w for 0", "hand over reject(\"no\")", "reserve w for 1"]);
    }

    #[test]
    fn a_stopped_childs_address_is_asked_for_anew() {
        let mut play = Play::start();
        assert_eq!(play.batch(&["/bb stop /bb"]), "3:/bb, stop { route: 3 }, 3:/bb, done");
        play.batch(&["/bb"]);
        assert_eq!(play.crossed(), ["resolve /bb for 0", "find /bb", "resolve /bb for 0"]);
    }

    #[test]
    fn timers_are_numbered_here_and_cross_only_to_ask_for_room() {
        let mut play = Play::start();
        let first = play.batch(&["timer", "timer"]);
        assert!(
            first.contains("id: 1, route: 0, wait_ms: 1, again: false") && first.contains("cancel { id: 2 }"),
            "{first}"
        );
        assert_eq!(play.crossed(), ["own", "hand over ", "room"]);
        assert_eq!(play.batch(&["/a"]), "2:/a, done");
    }

    #[test]
    fn a_full_frame_is_returned_before_the_batch_is_through() {
        let outcomes = Play::start().batch(&["/a", "flood", "/a"]);
        assert_eq!(outcomes.matches("done").count(), 2);
    }

    #[test]
    fn the_envelope_is_read_from_the_frame() {
        let envelope = Play::start().batch(&["envelope"]);
        let expected = "id: \"0000000000000000000000000000000a\", sender: None";
        assert!(envelope.contains(expected) && envelope.contains("attempt: 1, asked: false"), "{envelope}");
    }

    #[test]
    fn between_batches_everything_goes_straight_to_the_host() {
        let play = Play::start();
        play.turns.tell("/a", b"x").unwrap();
        assert_eq!(play.crossed(), ["tell /a"]);
    }
}
