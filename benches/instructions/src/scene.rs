//! Plays, and their counted work. All of it runs on the calling thread.

use std::time::Duration;

use playhouse_kernel::{ActorSpec, AskError, Kernel, Plan, Stage, SupervisionSpec};
use tokio::runtime::{Builder, Runtime};

use crate::actors::{BODY, Tally, address, answer, bounce, count, fan_out, fragile, relay, source};

/// A time limit that never ends: the clock stands still.
const PATIENCE: Duration = Duration::from_mins(1);
/// Number of messages that a source sends in one turn.
const RUN: usize = 64;

/// A running play on one thread. Its senders have sent once before the count, so that buffers and batches have their full size
/// and addresses are resolved.
pub struct Scene {
    runtime: Runtime,
    kernel: Kernel,
    tally: Tally,
}

impl Scene {
    fn open(actors: impl FnOnce(&Tally) -> Vec<ActorSpec>) -> Self {
        let tally = Tally::default();
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let supervision = SupervisionSpec { intensity: u32::MAX, ..SupervisionSpec::default() };
        let plan = Plan { actors: actors(&tally), supervision, ..Plan::default() };
        let kernel = runtime.block_on(async {
            let kernel = Kernel::start(&plan).expect("a good plan");
            assert!(matches!(kernel.wait_booted().await, Stage::Running));
            kernel
        });
        Self { runtime, kernel, tally }
    }

    /// A source and a sink.
    pub fn source_and_sink() -> Self {
        Self::open(|tally| vec![count("/sink", tally), source("/source", "/sink", RUN)]).feed(1024, 1)
    }

    /// Two actors that send one message to and fro.
    pub fn ping_and_pong() -> Self {
        Self::open(|tally| vec![bounce("/ping", "/pong", tally), bounce("/pong", "/ping", tally)]).bounce(1024)
    }

    /// A source, and an actor that sends each message to eight sinks.
    pub fn hub_and_eight_sinks() -> Self {
        let hub = |tally: &Tally| {
            let sinks: Vec<_> = (0..8).map(|n| format!("/sink{n}")).collect();
            let mut actors: Vec<_> = sinks.iter().map(|sink| count(sink, tally)).collect();
            actors.extend([fan_out("/hub", &sinks), source("/source", "/hub", RUN)]);
            actors
        };
        Self::open(hub).feed(1024, 8)
    }

    /// A source, a relay that handles batches as a guest does, and a sink that gets the relay's messages.
    pub fn relay() -> Self {
        let actors =
            |tally: &Tally| vec![count("/sink", tally), relay("/relay", "/sink"), source("/source", "/relay", RUN)];
        Self::open(actors).feed(1024, 1)
    }

    /// A sink that was not started.
    pub fn stopped_sink() -> Self {
        Self::open(|tally| vec![ActorSpec { start: playhouse_kernel::StartKind::Manual, ..count("/sink", tally) }])
    }

    /// An actor that replies.
    pub fn answer() -> Self {
        Self::open(|_| vec![answer("/answer")]).ask(64)
    }

    /// An actor that crashes when it is asked to.
    pub fn fragile() -> Self {
        Self::open(|_| vec![fragile("/fragile")]).crash(8)
    }

    /// The source sends `messages` messages in runs, and each of them arrives `each` times.
    pub fn feed(self, messages: usize, each: usize) -> Self {
        let source = address("/source");
        self.runtime.block_on(async {
            let full = self.tally.full(messages * each);
            for _ in 0..messages / RUN {
                self.kernel.tell(&source, b"go", PATIENCE).await.expect("it has room");
            }
            full.await;
        });
        self
    }

    /// One message is sent to and fro `times` times.
    pub fn bounce(self, times: usize) -> Self {
        self.runtime.block_on(async {
            let full = self.tally.full(times);
            self.kernel.tell(&address("/ping"), &BODY, PATIENCE).await.expect("it has room");
            full.await;
        });
        self
    }

    /// `messages` messages from outside, one by one, into the mailbox of a stopped actor.
    pub fn push(self, messages: usize) -> Self {
        let sink = address("/sink");
        self.runtime.block_on(async {
            for _ in 0..messages {
                self.kernel.tell(&sink, &BODY, PATIENCE).await.expect("it has room");
            }
        });
        self
    }

    /// The sink starts and takes the waiting messages.
    pub fn take(self, messages: usize) -> Self {
        self.runtime.block_on(async {
            let full = self.tally.full(messages);
            self.kernel.resume(&address("/sink")).await;
            full.await;
        });
        self
    }

    /// `questions` asks from outside, one after another.
    pub fn ask(self, questions: usize) -> Self {
        let answer = address("/answer");
        self.runtime.block_on(async {
            for _ in 0..questions {
                let reply = self.kernel.ask(&answer, &BODY, PATIENCE).await;
                assert!(reply.as_deref() == Ok(&BODY[..]));
            }
        });
        self
    }

    /// `crashes` crashes, each with a restart and an answered ask.
    pub fn crash(self, crashes: usize) -> Self {
        let fragile = address("/fragile");
        self.runtime.block_on(async {
            for _ in 0..crashes {
                let crashed = self.kernel.ask(&fragile, b"crash", PATIENCE).await;
                assert!(matches!(crashed, Err(AskError::Crashed(_))));
                let reply = self.kernel.ask(&fragile, &BODY, PATIENCE).await;
                assert!(reply.as_deref() == Ok(&BODY[..]));
            }
        });
        self
    }
}
