//! Hops: the receiver of a message runs next on the thread of its sender, when the sender has nothing more to do. That saves a turn
//! of Tokio's scheduler for each message that goes alone.
//!
//! A thread keeps at most one woken task, and begins it when the poll of the sender has returned: the stack of a hop is never above that
//! of another one. A task that yields to a kept one goes on after it, on the same thread. A chain of hops ends, and the next task goes to
//! the scheduler, after [`MOST_HOPS`] or [`MOST_TIME`], or when Tokio's budget of the poll is used up. So other tasks of the worker, timers
//! and sockets wait no longer than for a task that is busy.
//!
//! To wake another worker costs some microseconds, and more while both cores use the same messages. It is worth that when several tasks
//! were woken, or when their work is long or large: then the chain spreads, which means that all of its tasks go to the scheduler, from
//! which other workers take some.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;

use futures_util::task::ArcWake;
use tokio::runtime::Handle;
use tokio::task::coop::has_budget_remaining;
use tokio::time::Instant;

use crate::dispatch::actor_task::{ActorTask, Ran};

/// The most hops of one chain.
const MOST_HOPS: usize = 256;
/// No hop begins later than this after the first one of its chain.
const MOST_TIME: Duration = Duration::from_micros(200);

/// A place for a task. Never dropped, so that the thread-local needs no destructor, which each access would check.
type Slot = ManuallyDrop<Cell<Option<Arc<ActorTask>>>>;

thread_local! {
    static CHAIN: Chain = const {
        Chain {
            state: Cell::new(State::None),
            woken: ManuallyDrop::new(Cell::new(None)),
            yielded: ManuallyDrop::new(Cell::new(None)),
        }
    };
}

/// The chain of hops of a thread.
struct Chain {
    state: Cell<State>,
    /// The task that was woken. Empty when no chain is under way, as the next one.
    woken: Slot,
    /// A task that lets the woken one run first.
    yielded: Slot,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The thread polls no task of an actor.
    None,
    /// The thread takes a woken task for its next hop.
    Open,
    /// The scheduler gets what the thread wakes: the chain ends with the current poll.
    Spread,
}

impl Chain {
    /// Begins a chain. False in a poll that belongs to one: a hop must not run above another one.
    fn begin(&self) -> bool {
        let begins = self.state.get() == State::None;
        if begins {
            self.state.set(State::Open);
        }
        begins
    }

    /// Gives the tasks that were not begun to the scheduler.
    fn end(&self) {
        self.state.set(State::None);
        self.hand_over();
    }

    fn hand_over(&self) {
        for task in [self.woken.take(), self.yielded.take()].into_iter().flatten() {
            task.schedule();
        }
    }

    /// Gives all tasks to the scheduler, and all that the current poll wakes.
    fn spread(&self) {
        if self.state.get() == State::Open {
            self.state.set(State::Spread);
            self.hand_over();
        }
    }

    /// The task of the next hop.
    fn next(&self) -> Option<Arc<ActorTask>> {
        self.woken.take().or_else(|| self.yielded.take())
    }

    /// Takes a task that yields: it goes on after the woken one. Returns the task when the scheduler is to have it: nothing waits here for
    /// which it would make way.
    fn make_way(&self, task: Arc<ActorTask>) -> Option<Arc<ActorTask>> {
        let woken = self.woken.take();
        let waits = woken.is_some();
        self.woken.set(woken);
        if !waits || self.state.get() != State::Open {
            return Some(task);
        }
        self.yielded.replace(Some(task))
    }

    /// Keeps a task for the next hop. Returns the task when the scheduler is to have it.
    fn keep(&self, task: Arc<ActorTask>) -> Option<Arc<ActorTask>> {
        if self.state.get() != State::Open {
            return Some(task);
        }
        match self.woken.take() {
            None => {
                self.woken.set(Some(task));
                None
            }
            Some(first) => {
                self.woken.set(Some(first));
                self.spread();
                Some(task)
            }
        }
    }

    /// Hops until no task was woken, the bounds are reached, or `is_done`.
    fn hop(&self, is_done: impl Fn() -> bool) {
        let mut latest = None;
        for hop in 0..MOST_HOPS {
            let Some(task) = self.next() else { return };
            // The first hop reads no clock, since most chains have no other; later only each fourth does.
            let is_late = hop > 0 && (hop < 4 || hop % 4 == 0) && {
                let now = Instant::now();
                now >= *latest.get_or_insert_with(|| now + MOST_TIME)
            };
            if is_late || !has_budget_remaining() || hop > 0 && is_done() {
                return task.schedule();
            }
            if task.run() == Ran::Yields
                && let Some(task) = self.make_way(task)
            {
                return task.schedule();
            }
        }
    }
}

impl ArcWake for ActorTask {
    fn wake(self: Arc<Self>) {
        if self.note_wake() {
            place(self);
        }
    }

    fn wake_by_ref(task: &Arc<Self>) {
        if task.note_wake() {
            place(task.clone());
        }
    }
}

/// Takes a task that was just woken: for the next hop of this thread, or to the scheduler.
fn place(task: Arc<ActorTask>) {
    if let Some(task) = CHAIN.with(|chain| chain.keep(task)) {
        task.schedule();
    }
}

/// Polls a task, and then those that are woken one by one.
pub(crate) fn run(task: &Arc<ActorTask>) {
    CHAIN.with(|chain| {
        let begins = chain.begin();
        let ran = task.run();
        if ran == Ran::Yields
            && let Some(task) = if begins { chain.make_way(task.clone()) } else { Some(task.clone()) }
        {
            task.schedule();
        } else if begins {
            chain.hop(|| false);
        }
        if begins {
            chain.end();
        }
    });
}

/// Sends from outside, and then runs the receiver here, and those that it wakes one by one, until `is_done`. Only on a thread of the
/// runtime of the actors: no other runtime has their timers, or is made for their code.
pub(crate) fn send_and_run<T>(runtime: &Handle, send: impl FnOnce() -> T, is_done: impl Fn() -> bool) -> T {
    CHAIN.with(|chain| {
        let is_here = || Handle::try_current().is_ok_and(|current| current.id() == runtime.id());
        if chain.state.get() != State::None || !is_here() {
            return send();
        }
        chain.begin();
        let ends = EndsChain(chain);
        let sent = send();
        chain.hop(is_done);
        drop(ends);
        sent
    })
}

/// The tasks that this thread keeps go to the scheduler, as do those that its current poll wakes: their work is worth another worker.
#[inline]
pub(crate) fn spread() {
    CHAIN.with(Chain::spread);
}

/// Ends a chain, also when the sender panics.
struct EndsChain<'a>(&'a Chain);

impl Drop for EndsChain<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Poll, Waker};

    use super::*;

    /// Two tasks that wake each other without end. Each poll takes `time`. Returns them, and the number of polls so far.
    fn endless_pair(time: Duration) -> ([Arc<ActorTask>; 2], Arc<AtomicUsize>) {
        let wakers: Arc<[Mutex<Option<Waker>>; 2]> = Arc::default();
        let polls = Arc::new(AtomicUsize::new(0));
        let tasks = [0, 1].map(|own| {
            let (wakers, polls) = (wakers.clone(), polls.clone());
            ActorTask::new(Box::pin(poll_fn(move |cx| {
                polls.fetch_add(1, Ordering::Relaxed);
                *wakers[own].lock().unwrap() = Some(cx.waker().clone());
                let other = wakers[1 - own].lock().unwrap().take();
                if !time.is_zero() {
                    let _ = pin!(tokio::time::advance(time)).poll(cx);
                }
                other.into_iter().for_each(Waker::wake);
                Poll::Pending
            })))
        });
        // The first one leaves its waker.
        assert_eq!(tasks[0].run(), Ran::Waits);
        (tasks, polls)
    }

    #[tokio::test(start_paused = true)]
    async fn chain_has_a_bounded_number_of_hops() {
        let ([_first, second], polls) = endless_pair(Duration::ZERO);
        run(&second);
        assert_eq!(polls.load(Ordering::Relaxed), 2 + MOST_HOPS);
        run(&second);
        assert_eq!(polls.load(Ordering::Relaxed), 2 + MOST_HOPS, "the next task went to the scheduler");
    }

    #[tokio::test(start_paused = true)]
    async fn chain_has_a_bounded_time() {
        let ([_first, second], polls) = endless_pair(MOST_TIME / 4);
        run(&second);
        let hops = polls.load(Ordering::Relaxed) - 2;
        assert!((4..=8).contains(&hops), "{hops}");
    }

    #[tokio::test(start_paused = true)]
    async fn chain_ends_with_the_budget_of_its_poll() {
        let ([_first, second], polls) = endless_pair(Duration::ZERO);
        while has_budget_remaining() {
            tokio::task::coop::consume_budget().await;
        }
        run(&second);
        assert_eq!(polls.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn wake_during_a_poll_is_kept() {
        let mut again = true;
        let task = ActorTask::new(Box::pin(poll_fn(move |cx| {
            if std::mem::take(&mut again) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        })));
        assert_eq!([(); 3].map(|()| task.run()), [Ran::Yields, Ran::Ended, Ran::Elsewhere]);
    }

    #[test]
    fn panic_of_a_task_ends_it_alone() {
        let task = ActorTask::new(Box::pin(async { panic!("as told") }));
        assert_eq!([(); 2].map(|()| task.run()), [Ran::Ended, Ran::Elsewhere]);
    }

    #[test]
    fn panic_of_a_dropped_future_ends_no_chain() {
        struct Panics;
        impl Drop for Panics {
            fn drop(&mut self) {
                panic!("as told");
            }
        }
        let panics = Panics;
        let task = ActorTask::new(Box::pin(poll_fn(move |_| {
            let _kept = &panics;
            Poll::Ready(())
        })));
        run(&task);
        assert!(task.is_over());
    }

    #[test]
    fn tasks_that_are_to_spread_are_not_kept() {
        for before in [true, false] {
            let ([first, _second], polls) = endless_pair(Duration::ZERO);
            let sender = ActorTask::new(Box::pin(poll_fn(move |_| {
                if before {
                    spread();
                }
                ArcWake::wake_by_ref(&first);
                spread();
                Poll::Ready(())
            })));
            run(&sender);
            assert_eq!(polls.load(Ordering::Relaxed), 1);
        }
    }

    #[test]
    fn task_that_yields_goes_on_after_the_woken_one() {
        let order: Arc<Mutex<Vec<&str>>> = Arc::default();
        let noted = |name, order: &Arc<Mutex<Vec<_>>>| order.lock().unwrap().push(name);
        let other = {
            let order = order.clone();
            ActorTask::new(Box::pin(poll_fn(move |_| {
                noted("woken", &order);
                Poll::Pending
            })))
        };
        assert_eq!(other.run(), Ran::Waits);
        let yields = {
            let (order, mut polls) = (order.clone(), 0);
            ActorTask::new(Box::pin(poll_fn(move |cx| {
                noted("yields", &order);
                polls += 1;
                if polls == 2 {
                    return Poll::Ready(());
                }
                ArcWake::wake_by_ref(&other);
                cx.waker().wake_by_ref();
                Poll::Pending
            })))
        };
        run(&yields);
        assert_eq!(*order.lock().unwrap(), ["woken", "yields", "woken", "yields"]);
        assert!(yields.is_over());
    }

    #[test]
    fn send_outside_of_the_runtime_of_actors_runs_nothing() {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (actors, others) = (runtime(), runtime());
        let _inside = others.enter();
        let ([first, _second], polls) = endless_pair(Duration::ZERO);
        let wake = || ArcWake::wake_by_ref(&first);
        send_and_run(actors.handle(), wake, || false);
        assert_eq!(polls.load(Ordering::Relaxed), 1);
    }
}
