//! The task of an incarnation: its future, in a cell that whoever holds the task may poll. So the task runs in the Tokio task that was
//! spawned for it, or on the thread of the sender that woke it.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use futures_util::future::BoxFuture;
use futures_util::task::waker_ref;
use parking_lot::Mutex;

/// A thread polls it.
const RUNNING: u8 = 1;
/// It was woken, and no poll has begun since. Exactly one holder will poll it: a thread that keeps it for its next hop, the Tokio task,
/// or, while it runs, the thread that polls it.
const WOKEN: u8 = 2;
/// Its future is over, or was dropped with the runtime.
const ENDED: u8 = 4;

/// A future that is polled by one holder at a time.
pub(crate) struct ActorTask {
    state: AtomicU8,
    /// Locked by the one that polls it, so that the lock never waits. None when it has ended.
    future: Mutex<Option<BoxFuture<'static, ()>>>,
    /// The waker of its Tokio task, from the first poll on.
    scheduled: OnceLock<Waker>,
}

/// The result of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    /// It waits for a wake.
    Waits,
    /// It was woken during the poll: it lets others run first, and is to be scheduled.
    Yields,
    /// It is over.
    Ended,
    /// Another holder polls it, or has polled it since the wake.
    Elsewhere,
}

impl ActorTask {
    /// A task that is to be polled once.
    pub(crate) fn new(future: BoxFuture<'static, ()>) -> Arc<Self> {
        Arc::new(Self { state: AtomicU8::new(WOKEN), future: Mutex::new(Some(future)), scheduled: OnceLock::new() })
    }

    /// Polls it, if it was woken. A panic ends the task, as in a task of Tokio.
    pub(crate) fn run(self: &Arc<Self>) -> Ran {
        if self.state.compare_exchange(WOKEN, RUNNING, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return Ran::Elsewhere;
        }
        let mut future = self.future.lock();
        let waker = waker_ref(self);
        let polled = future.as_mut().map_or(Ok(Poll::Ready(())), |future| {
            let poll = AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
            std::panic::catch_unwind(poll)
        });
        if matches!(polled, Ok(Poll::Pending)) {
            match self.state.compare_exchange(RUNNING, 0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ran::Waits,
                Err(state) if state & ENDED == 0 => {
                    self.state.fetch_and(!RUNNING, Ordering::AcqRel);
                    return Ran::Yields;
                }
                Err(_) => {}
            }
        }
        self.state.store(ENDED, Ordering::Release);
        let ended = future.take();
        drop(future);
        // A panic must not pass through the thread's chain of hops.
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| drop(ended)));
        // Its Tokio task ends, too.
        self.schedule();
        Ran::Ended
    }

    /// Gives the task to its Tokio task, which polls it in its turn.
    pub(crate) fn schedule(&self) {
        if let Some(waker) = self.scheduled.get() {
            waker.wake_by_ref();
        }
    }

    /// Notes a wake. True: it waited, and whoever calls this passes it on to a holder that polls it.
    pub(crate) fn note_wake(&self) -> bool {
        self.state.fetch_or(WOKEN, Ordering::AcqRel) == 0
    }

    /// Notes the waker of its Tokio task.
    pub(crate) fn scheduled_by(&self, waker: &Waker) {
        self.scheduled.get_or_init(|| waker.clone());
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.load(Ordering::Acquire) & ENDED != 0
    }

    /// Drops the future: the runtime ends. While another thread polls it, that thread drops it.
    pub(crate) fn cancel(&self) {
        if self.state.fetch_or(ENDED, Ordering::AcqRel) & (RUNNING | ENDED) == 0 {
            let future = self.future.lock().take();
            drop(future);
        }
    }
}
