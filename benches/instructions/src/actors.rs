//! The actors whose messages are counted. The actors do very little: the count is that of the kernel's path to and from them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use playhouse_frame::{Encoder, Op, Reader, trailer};
use playhouse_kernel::{
    ActorSpec, Address, Backoff, Behavior, BoxFuture, Bulk, Crash, CrashReason, Launcher, Outcome, Turn,
};
use tokio::sync::Notify;

/// The body of every message whose handling is counted.
pub const BODY: [u8; 64] = [7; 64];

/// Maximum number of messages of one batch.
const BATCH: usize = 64;

/// The number of messages that arrived. Clones are handles to the same number.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<Arrivals>);

#[derive(Default)]
struct Arrivals {
    arrived: AtomicUsize,
    wanted: AtomicUsize,
    full: Notify,
}

impl Tally {
    /// Sets the count to zero; the future that it returns resolves after `wanted` more messages.
    pub(crate) fn full(&self, wanted: usize) -> impl Future<Output = ()> {
        self.0.arrived.store(0, Relaxed);
        self.0.wanted.store(wanted, Relaxed);
        self.0.full.notified()
    }

    /// Counts one message; returns whether it is the last.
    fn one(&self) -> bool {
        let last = self.0.arrived.fetch_add(1, Relaxed) + 1 == self.0.wanted.load(Relaxed);
        if last {
            self.0.full.notify_one();
        }
        last
    }
}

/// An actor that sends a run of messages for each message it gets.
pub(crate) fn source(at: &str, to: &str, run: usize) -> ActorSpec {
    let target = to.to_owned();
    let mut spec = each(at, &[to], move |turn| {
        for _ in 0..run {
            turn.tell(&target, &BODY).map_err(broken)?;
        }
        Ok(Outcome::Done(None))
    });
    // Each run is a commit of its own.
    spec.batch = 1;
    spec
}

/// An actor that counts its messages.
pub(crate) fn count(at: &str, tally: &Tally) -> ActorSpec {
    let tally = tally.clone();
    each(at, &[], move |_| {
        tally.one();
        Ok(Outcome::Done(None))
    })
}

/// An actor that counts its messages and sends them on until the tally is full.
pub(crate) fn bounce(at: &str, to: &str, tally: &Tally) -> ActorSpec {
    let (target, tally) = (to.to_owned(), tally.clone());
    each(at, &[to], move |turn| {
        if !tally.one() {
            turn.tell(&target, &BODY).map_err(broken)?;
        }
        Ok(Outcome::Done(None))
    })
}

/// An actor that sends each message to all of `to`.
pub(crate) fn fan_out(at: &str, to: &[String]) -> ActorSpec {
    let targets = to.to_vec();
    let granted: Vec<&str> = to.iter().map(String::as_str).collect();
    each(at, &granted, move |turn| {
        for target in &targets {
            turn.tell(target, &BODY).map_err(broken)?;
        }
        Ok(Outcome::Done(None))
    })
}

/// An actor that replies with the body of the ask.
pub(crate) fn answer(at: &str) -> ActorSpec {
    each(at, &[], |turn| Ok(Outcome::Done(Some(turn.body().to_vec()))))
}

/// An actor that crashes on `crash`, restarts at once, and replies to every other ask.
pub(crate) fn fragile(at: &str) -> ActorSpec {
    let mut spec = each(at, &[], |turn| match turn.body() {
        b"crash" => Err(Crash::new(CrashReason::Trap { kind: "as asked".to_owned() })),
        body => Ok(Outcome::Done(Some(body.to_vec()))),
    });
    spec.restart.backoff = Backoff { initial: Duration::ZERO, max: Duration::ZERO };
    spec
}

/// An actor that answers a whole batch with one frame, as a guest does; the frame sends each message on.
pub(crate) fn relay(at: &str, to: &str) -> ActorSpec {
    let target = to.to_owned();
    let frames: Vec<Vec<u8>> = (0..=BATCH).map(frame_of_tells).collect();
    actor(at, &[to], move |turn| {
        let messages = turn.len();
        let _frame = turn.bulk().flat(&trailer(messages as u32));
        let route = turn.bulk().resolve(&target, 0).map_err(broken)?;
        assert_eq!(route.route, 0, "the first address that is resolved");
        turn.bulk().record(frames[messages].clone(), record)
    })
}

/// The frame of a guest that sends each message of its batch to its first route.
pub fn frame_of_tells(messages: usize) -> Vec<u8> {
    let mut encoder = Encoder::new();
    for _ in 0..messages {
        encoder.tell(0, &BODY);
        encoder.done(None);
    }
    encoder.take()
}

/// Records a frame as the sandbox does, for the operations that occur here.
fn record(bulk: &mut Bulk<'_>) -> Result<(), Crash> {
    let mut ops = Reader::open(bulk.bytes()).map_err(broken)?;
    while let Some(op) = ops.next(bulk.bytes()) {
        match op.map_err(broken)? {
            Op::Tell { route, body } => bulk.tell(route, body).map_err(broken)?,
            Op::Done { messages } => bulk.done(messages as usize).map_err(broken)?,
            other => return Err(broken(format!("{other:?}"))),
        }
    }
    Ok(())
}

fn broken(error: impl ToString) -> Crash {
    Crash::new(CrashReason::Trap { kind: error.to_string() })
}

type Handle = dyn Fn(&mut Turn) -> Result<(), Crash> + Send + Sync;

/// An actor that handles its messages one by one.
fn each(
    at: &str,
    sends_to: &[&str],
    handle: impl Fn(&mut Turn) -> Result<Outcome, Crash> + Send + Sync + 'static,
) -> ActorSpec {
    actor(at, sends_to, move |turn| {
        while turn.current().is_some() {
            let outcome = handle(turn)?;
            turn.finish(outcome);
        }
        Ok(())
    })
}

/// An actor that handles all messages of its turn at once.
fn actor(
    at: &str,
    sends_to: &[&str],
    handle: impl Fn(&mut Turn) -> Result<(), Crash> + Send + Sync + 'static,
) -> ActorSpec {
    let mut spec = ActorSpec::new(address(at), Arc::new(Native(Arc::new(handle))));
    spec.batch = BATCH;
    spec.grants.sends_to = sends_to.iter().map(|to| address(to)).collect();
    spec
}

#[derive(Clone)]
struct Native(Arc<Handle>);

struct Run(Native, Turn);

impl Launcher for Native {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        let run: Box<dyn Behavior> = Box::new(Run(self.clone(), turn));
        Box::pin(async { Ok(run) })
    }

    fn plugin(&self) -> &'static str {
        "native"
    }
}

impl Behavior for Run {
    fn turn(&mut self) -> &mut Turn {
        &mut self.1
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { (self.0.0)(&mut self.1) })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).expect("a good address")
}
