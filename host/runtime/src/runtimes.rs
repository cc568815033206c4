//! The two runtimes of a play. Code of actors and of mailbox plugins runs on the workers of one; all other work of the host
//! (control socket, supervision, memory watch) runs on the runtime of the caller, with its own timers and sockets. The host
//! therefore answers an operator for any number of actors that are ready to run.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use playhouse_kernel::{AboutHost, LogEvent};
use playhouse_sandbox::SystemLimit;
use tokio::runtime::{Builder, Runtime};

use crate::events::ThreadsFew;
use crate::manifest::{PlayActor, PlaySettings};
use crate::system_limits::{self, HOST_BLOCKING_THREADS, KEPT_BLOCKING_THREADS};

/// Number of threads for blocking calls that no limit of an actor counts, in addition to the threads that blocking calls of
/// actors may hold for ever.
const UNCOUNTED_BLOCKING_THREADS: usize = 512;

/// The runtime of the actors of a play, on `threads` threads or on a thread for each core. Where the system allows few threads,
/// some for blocking calls are started here and stay: a call never waits for a thread that cannot be started.
pub(crate) fn of_actors(play: &PlaySettings, threads: Option<u16>) -> std::io::Result<Runtime> {
    let (blocking, few) = bounded_threads(blocking_threads(play));
    if few {
        let limit = system_limits::guest_share().map_or(SystemLimit::Threads, |share| share.limit);
        ThreadsFew { subject: AboutHost, threads: blocking_threads(play), advice: &limit.advice() }.log();
    }
    with(threads, blocking, few)
}

fn with(threads: Option<u16>, blocking_threads: usize, few: bool) -> std::io::Result<Runtime> {
    let mut actors = Builder::new_multi_thread();
    if let Some(threads) = threads {
        actors.worker_threads(usize::from(threads));
    }
    build(&mut actors, blocking_threads, few.then_some(KEPT_BLOCKING_THREADS))
}

/// A runtime on the current thread for the host's own work, for a program that has none. It never runs code of an actor.
pub(crate) fn of_host(play: &PlaySettings) -> std::io::Result<Runtime> {
    let kept = bounded_threads(blocking_threads(play)).1.then_some(HOST_BLOCKING_THREADS);
    build(&mut Builder::new_current_thread(), HOST_BLOCKING_THREADS, kept)
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
    let most = system_limits::guest_share().map_or(wanted, |share| wanted.min(share.blocking_threads));
    (most, system_limits::are_few_threads(wanted))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn actors_run_on_wanted_threads_or_on_each_core() {
        let workers = |threads| with(threads, 512, true).expect("built").metrics().num_workers();
        assert_eq!([Some(1), Some(3)].map(workers), [1, 3]);
        assert_eq!(workers(None), thread::available_parallelism().expect("known").get());
    }
}
