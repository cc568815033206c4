//! Turns the frame that a guest returns for a batch into the records of the kernel. The guest is not trusted: each fault
//! in a frame is a crash of its actor. `playhouse_frame` reads the bytes, the kernel checks grants and limits.

use std::time::Duration;

use playhouse_frame::{FrameError, Op, Reader, Timer};
use playhouse_kernel::{Bulk, BulkError, CrashReason, Failure, Overrun, Turn};

/// Whether more frames for the same batch may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Another frame follows: sends at the end of this frame may belong to a message whose outcome is in the next one.
    Open,
    /// This frame is the last one.
    Whole,
}

/// The reason why a frame is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFrame {
    #[error(transparent)]
    Malformed(#[from] FrameError),
    #[error(transparent)]
    NotAllowed(#[from] BulkError),
    #[error("it has an operation after its last outcome")]
    OpenEnd,
    #[error("it has no outcome at all")]
    NoOutcome,
    #[error("the guest passed it while it handled no batch")]
    NoTurns,
}

impl From<&BadFrame> for CrashReason {
    fn from(bad: &BadFrame) -> Self {
        match bad {
            BadFrame::NotAllowed(BulkError::Overrun(overrun)) => (*overrun).into(),
            bad => Self::BadFrame { message: bad.to_string() },
        }
    }
}

impl From<Overrun> for BadFrame {
    fn from(overrun: Overrun) -> Self {
        Self::NotAllowed(overrun.into())
    }
}

/// Records all operations of a frame. After an error none of them counts, and the incarnation ends.
pub(crate) fn record(turn: &mut Turn, frame: Vec<u8>, end: End) -> Result<(), BadFrame> {
    turn.bulk().record(frame, |bulk| {
        let mut ops = Reader::open(bulk.bytes())?;
        while let Some(op) = ops.next(bulk.bytes()) {
            match op? {
                Op::Tell { route, body } => bulk.tell(route, body)?,
                other => record_other(bulk, other)?,
            }
        }
        if end == End::Whole && bulk.has_uncommitted_sends() {
            return Err(BadFrame::OpenEnd);
        }
        Ok(())
    })?;
    if end == End::Whole && turn.current() == Some(0) {
        return Err(BadFrame::NoOutcome);
    }
    Ok(())
}

fn record_other(bulk: &mut Bulk<'_>, op: Op) -> Result<(), BulkError> {
    // The reader has checked that these bytes are UTF-8.
    let text = |bulk: &Bulk<'_>, at| String::from_utf8_lossy(&bulk.bytes()[at]).into_owned();
    match op {
        Op::Tell { route, body } => bulk.tell(route, body),
        Op::TellWith { route, metadata_bytes, content } => bulk.tell_with(route, metadata_bytes, content),
        Op::ReplyWith { metadata_bytes, content } => bulk.replied_with(metadata_bytes, content),
        Op::Done { messages } => bulk.done(messages as usize),
        Op::Reply(reply) => bulk.replied(reply),
        Op::Reject(reason) => bulk.failed(Failure::Reject(text(bulk, reason))),
        Op::Retry(reason) => bulk.failed(Failure::Retry(text(bulk, reason))),
        Op::Spawn { route } => bulk.spawn(route),
        Op::Stop { route } => bulk.stop(route),
        Op::Timer(timer) => {
            let Timer { id, route, wait_ms, again, metadata_bytes, content } = timer.read(bulk.bytes());
            bulk.timer(id, route, Duration::from_millis(wait_ms), again, metadata_bytes, content)
        }
        Op::Cancel { id } => bulk.cancel(id),
        Op::Count { metric, by } => bulk.count(metric, by),
        Op::Observe { metric, value } => bulk.observe(metric, value),
        Op::Set { key_bytes, content } => bulk.set_state(key_bytes, content),
        Op::SetFor { milliseconds, key_bytes, content } => {
            bulk.set_state_for(key_bytes, content, Duration::from_millis(milliseconds))
        }
        Op::Delete(key) => bulk.delete_state(key),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use playhouse_frame::{Encoder, Inbound, Metadata, trailer};
    use playhouse_kernel::{
        ActorSpec, Address, Behavior, Bounds, BoxFuture, Config, Crash, Kernel, Launcher, MetricNames, Outcome, Plan,
        SupervisionSpec, Template,
    };
    use proptest::prelude::*;

    use super::*;

    /// Answers each batch of 8 or more messages with the same two frames, and smaller batches correctly.
    #[derive(Clone)]
    struct Answers(Vec<u8>, Vec<u8>);

    struct Run(Answers, Turn);

    impl Launcher for Answers {
        fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
            let run: Box<dyn Behavior> = Box::new(Run(self.clone(), turn));
            Box::pin(async { Ok(run) })
        }

        fn plugin(&self) -> &'static str {
            "answers"
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
            let Self(Answers(first, last), turn) = self;
            if turn.len() < 8 {
                while turn.current().is_some() {
                    turn.finish(Outcome::Done(None));
                }
                return Box::pin(async { Ok(()) });
            }
            let end = trailer(turn.len() as u32);
            let frame = turn.bulk().flat(&end);
            assert_eq!(Inbound::open(&frame).expect("our own").filter_map(Result::ok).count(), turn.len());
            for (to, message) in [("/log", 0), ("/a/child", 1), ("/nobody", 1), ("/peer", usize::MAX)] {
                let _ = turn.bulk().resolve(to, message);
            }
            for (name, message) in [("x", 0), ("x", 1), ("y", 2), ("z", usize::MAX)] {
                let _ = turn.bulk().reserve(name, "worker", Config::new(), message);
            }
            turn.bulk().resolve_own();
            let recorded = record(turn, first.clone(), End::Open).and_then(|()| record(turn, last.clone(), End::Whole));
            Box::pin(async move { recorded.map_err(|bad| Crash::new((&bad).into())) })
        }

        fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
            Box::pin(async { Ok(()) })
        }
    }

    /// A template to spawn from.
    struct Worker;

    impl Template for Worker {
        fn spec(&self, address: Address, _: Config, _: Bounds) -> ActorSpec {
            let answers = Answers(Vec::new(), Vec::new());
            ActorSpec { batch: 1, ..ActorSpec::new(address, Arc::new(answers)) }
        }
    }

    /// A frame of a few operations, mostly with some bytes broken.
    fn frame() -> impl Strategy<Value = Vec<u8>> {
        let ops = prop::collection::vec((0..21u32, 0..7u32, prop::collection::vec(any::<u8>(), 0..30)), 0..12);
        let breaks = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2);
        (ops, breaks).prop_map(|(ops, breaks)| {
            let mut encoder = Encoder::new();
            let metadata = Metadata::collect([("path", "/")]).expect("one pair");
            for (kind, route, body) in ops {
                match kind {
                    0 => encoder.reject("no"),
                    1 => encoder.retry("later"),
                    2 => encoder.done(Some(&body)),
                    3 | 4 => encoder.done(None),
                    5 | 6 => encoder.spawn(route),
                    7 => encoder.stop(route),
                    8 => encoder.timer(
                        u64::from(route) + body.len() as u64,
                        route,
                        u64::from(route),
                        false,
                        &Metadata::new(),
                        &body,
                    ),
                    9 => encoder.cancel(u64::from(route)),
                    10 => encoder.tell_with(route, &metadata, &body),
                    11 => encoder.done_with(&metadata, &body),
                    17 => encoder.count(route, u64::from(route)),
                    18 => encoder.observe(route, body.len() as f64),
                    19 => encoder.set(&"k".repeat(route as usize), &body),
                    20 => encoder.delete(&"k".repeat(route as usize)),
                    12 => encoder.timer(u64::from(route) + 9, route, u64::from(route), true, &metadata, &body),
                    _ => encoder.tell(route, &body),
                }
            }
            let mut frame = encoder.take();
            for (at, byte) in breaks {
                let at = at.index(frame.len());
                frame[at] = byte;
            }
            frame
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn frames_are_recorded_or_refused_without_loss(first in frame(), last in frame()) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
            runtime.expect("a runtime").block_on(async {
                let address = |text: &str| Address::parse(text).expect("a good address");
                let actor = |at: &str| {
                    let mut spec = ActorSpec::new(address(at), Arc::new(Answers(first.clone(), last.clone())));
                    spec.grants.sends_to = vec![address("/log"), address("/nobody")];
                    spec.grants.spawns = vec!["worker".to_owned()];
                    spec.metrics = MetricNames::new(["a", "b", "c"]).expect("good names");
                    spec
                };
                // An actor that gets single messages only, and handles all of them.
                let log = ActorSpec { batch: 1, ..actor("/log") };
                let child = ActorSpec { batch: 1, ..actor("/a/child") };
                let supervision = SupervisionSpec { intensity: u32::MAX, ..SupervisionSpec::default() };
                let plugins = [("worker".to_owned(), Arc::new(Worker) as Arc<dyn Template>)].into();
                let plan = Plan { actors: vec![log, actor("/a"), child], plugins, supervision, ..Plan::default() };
                let kernel = Kernel::start(&plan).expect("a good plan");
                kernel.wait_booted().await;
                for _ in 0..40 {
                    kernel.tell(&address("/a"), b"x", Duration::from_mins(1)).await.expect("accepted");
                }
                kernel.wait_idle().await;
                let actors = kernel.actors().await;
                let actor = actors.iter().find(|actor| actor.address == address("/a")).expect("it is there");
                // Timers may have sent more messages to it.
                let letters = kernel.dead_letters();
                let lost = letters.iter().filter(|letter| letter.to == address("/a")).count() as u64;
                assert!(actor.handled + lost >= 40);
                let reason = actor.last_crash.as_ref().map(|report| &report.crash.reason);
                assert!(matches!(reason, None | Some(CrashReason::BadFrame { .. })), "{reason:?}");
            });
        }
    }
}
