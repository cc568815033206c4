//! The two runtimes of a run. Code of actors and of mailbox plugins runs on the workers of one; all other work of the host
//! (control socket, supervision, input, signals, summary) runs on the main thread, on a runtime with its own timers and sockets.
//! The host therefore answers an operator for any number of actors that are ready to run.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use playhouse_sandbox::SystemLimit;
use tokio::runtime::{Builder, Runtime};

use crate::manifest::{PlayActor, PlaySettings};
use crate::system_limits::{self, HOST_BLOCKING_THREADS, KEPT_BLOCKING_THREADS};

/// Number of threads for blocking calls that no limit of an actor counts, in addition to the threads that blocking calls of
/// actors may hold for ever.
const UNCOUNTED_BLOCKING_THREADS: usize = 512;

/// The runtimes of a host and of its actors.
pub struct Runtimes {
    /// The runtime of the host, which never runs code of an actor.
    pub control: Runtime,
    /// The runtime of the actors.
    pub actors: Runtime,
}

impl Runtimes {
    /// Starts both runtimes. The actors run on `threads` threads, or on a thread for each core.
    pub fn new(play: &PlaySettings, threads: Option<u16>) -> std::io::Result<Self> {
        let (blocking, few) = bounded_threads(blocking_threads(play));
        Self::with(threads, blocking, few)
    }

    /// Where threads are `few`, some for blocking calls are started here and stay: a call never waits for a thread that cannot be
    /// started.
    fn with(threads: Option<u16>, blocking_threads: usize, few: bool) -> std::io::Result<Self> {
        let mut actors = Builder::new_multi_thread();
        if let Some(threads) = threads {
            actors.worker_threads(usize::from(threads));
        }
        let actors = build(&mut actors, blocking_threads, few.then_some(KEPT_BLOCKING_THREADS))?;
        let kept = few.then_some(HOST_BLOCKING_THREADS);
        let control = build(&mut Builder::new_current_thread(), HOST_BLOCKING_THREADS, kept)?;
        Ok(Self { control, actors })
    }

    /// Ends both runtimes, without waiting for a read of stdin, or for a guest that a second signal cut off.
    pub fn shutdown_background(self) {
        self.control.shutdown_background();
        self.actors.shutdown_background();
    }
}

/// A runtime with `kept` threads for blocking calls from its beginning to its end, of `blocking_threads` at most.
fn build(builder: &mut Builder, blocking_threads: usize, kept: Option<usize>) -> std::io::Result<Runtime> {
    if kept.is_some() {
        builder.thread_keep_alive(Duration::MAX);
    }
    let runtime = builder.max_blocking_threads(blocking_threads).enable_all().build()?;
    let gate = Arc::new(RwLock::new(()));
    let closed = gate.write();
    for _ in 0..kept.unwrap_or_default() {
        let gate = gate.clone();
        drop(runtime.spawn_blocking(move || drop(gate.read())));
    }
    drop(closed);
    Ok(runtime)
}

/// The number of threads for blocking calls of actors: those that actors may hold for ever, and the uncounted ones.
fn blocking_threads(play: &PlaySettings) -> usize {
    // Calls of a spawned actor count for its parent. One more thread closes files.
    let of_actor = |actor: &PlayActor| actor.settings.grants.blocking.at_most().saturating_add(1);
    let of_actors = play.actors.iter().filter(|actor| actor.settings.grants.reach_outside()).map(of_actor);
    of_actors.fold(UNCOUNTED_BLOCKING_THREADS, usize::saturating_add)
}

/// The number of `wanted` threads that the limits of the system allow, and whether a limit makes threads few.
fn bounded_threads(wanted: usize) -> (usize, bool) {
    let few = system_limits::are_few_threads(wanted);
    let room = system_limits::guest_share();
    let most = room.as_ref().map_or(wanted, |room| wanted.min(room.blocking_threads));
    if few {
        let limit = room.map_or(SystemLimit::Threads, |room| room.limit);
        tracing::warn!(
            target: "playhouse",
            "this play may want up to {wanted} threads for calls that block, and a limit of the system may leave fewer: calls wait for \
             each other then; {}", limit.advice()
        );
    }
    (most, few)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn actors_run_on_wanted_threads_or_on_each_core() {
        let workers = |threads| Runtimes::with(threads, 512, true).expect("built").actors.metrics().num_workers();
        assert_eq!([Some(1), Some(3)].map(workers), [1, 3]);
        assert_eq!(workers(None), thread::available_parallelism().expect("known").get());
    }
}
