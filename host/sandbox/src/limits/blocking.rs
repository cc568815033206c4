//! Calls to the system that block a thread: files, folders, names of hosts. Each actor has a bounded number of them at a time. So
//! a network file system that hangs, or a name server that never answers, blocks only the threads of the actors that use it.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

/// The bound on the blocking calls of one actor at a time. An abandoned call counts until it returns, since a thread cannot be
/// taken out of a system call.
#[derive(Debug, Clone)]
pub struct Blocking {
    at_most: usize,
    permits: Arc<Semaphore>,
    /// The bound of the parent, for which a spawned actor's calls count as well.
    parent: Option<Arc<Self>>,
    /// Shared by an actor and all that it spawns, so that one thread closes the files of all of them.
    closing: Arc<Closing>,
}

impl Default for Blocking {
    fn default() -> Self {
        Self::new(4)
    }
}

impl Blocking {
    /// A bound of its own: at most `at_most` calls at a time, and at least one.
    pub fn new(at_most: usize) -> Self {
        let at_most = at_most.clamp(1, Semaphore::MAX_PERMITS);
        Self { at_most, permits: Arc::new(Semaphore::new(at_most)), parent: None, closing: Arc::default() }
    }

    /// The number of calls at a time.
    pub fn at_most(&self) -> usize {
        self.at_most
    }

    /// A bound of the same size for an actor that `parent` spawned. Its calls count for the parent as well.
    pub(crate) fn below(&self, parent: &Self) -> Self {
        Self {
            at_most: self.at_most,
            permits: Arc::new(Semaphore::new(self.at_most)),
            parent: Some(Arc::new(parent.clone())),
            closing: parent.closing.clone(),
        }
    }

    /// The queue that closes the actor's files.
    pub(crate) fn closing(&self) -> &Arc<Closing> {
        &self.closing
    }

    /// Waits until the actor and all above it may make one more call.
    pub(crate) async fn acquire(&self) -> Permits {
        let mut held = Vec::with_capacity(1);
        let mut next = Some(self);
        // The order is always from the child to its parent, so there is no deadlock: the holder of a parent's permit waits only
        // for bounds above it.
        while let Some(bound) = next {
            let permit = bound.permits.clone().acquire_owned().await;
            held.push(permit.expect("the semaphore is never closed"));
            next = bound.parent.as_deref();
        }
        Permits(held)
    }

    /// Runs a call on a thread that may block.
    pub(crate) async fn run<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> T {
        let permits = self.acquire().await;
        Running::start(permits, call).finish().await
    }
}

/// The permits for one blocking call. They move with the call to its thread.
pub(crate) struct Permits(#[expect(dead_code, reason = "they are held")] Vec<OwnedSemaphorePermit>);

/// A blocking call that was started. If this is dropped before the call begins, the call never begins.
pub(crate) struct Running<T>(JoinHandle<T>);

impl<T: Send + 'static> Running<T> {
    pub(crate) fn start(permits: Permits, call: impl FnOnce() -> T + Send + 'static) -> Self {
        Self(tokio::task::spawn_blocking(move || {
            let done = call();
            drop(permits);
            done
        }))
    }

    pub(crate) async fn finish(mut self) -> T {
        poll_fn(|cx| match Pin::new(&mut self.0).poll(cx) {
            Poll::Ready(Ok(done)) => Poll::Ready(done),
            Poll::Ready(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime ends, and the caller's task with it.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        })
        .await
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Closes the files of an actor, one after another on one thread: on some file systems a close waits for a server, and the last
/// handle of a file may be dropped on a thread that must not block.
#[derive(Default)]
pub(crate) struct Closing {
    waiting: Mutex<Waiting>,
    one_closed: Condvar,
    /// Notified after each close, and when none is left.
    closed: Notify,
}

/// The longest wait of a call that needs what earlier closes give back: a server may never answer.
const SETTLE_TIME: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Waiting {
    line: VecDeque<Box<dyn Send>>,
    under_way: bool,
    /// The closes that were requested so far.
    begun: u64,
    closed: u64,
}

impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").field("len", &self.len()).finish()
    }
}

impl Closing {
    /// Drops `what` on a thread that may block.
    pub(crate) fn close(self: &Arc<Self>, what: impl Send + 'static) {
        let Ok(runtime) = Handle::try_current() else { return drop(what) };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.line.push_back(Box::new(what));
        waiting.begun += 1;
        if !std::mem::replace(&mut waiting.under_way, true) {
            let closing = self.clone();
            drop(runtime.spawn_blocking(move || closing.close_all()));
        }
    }

    /// The number of closes that have not begun.
    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).line.len()
    }

    /// Waits until at most `most` closes have not begun, so that a guest which closes files faster than the system is slowed down and
    /// not refused. Returns `false` if no close ends for [`SETTLE_TIME`].
    pub(crate) async fn wait_shorter(&self, most: usize) -> bool {
        self.wait_shorter_within(most, SETTLE_TIME).await
    }

    async fn wait_shorter_within(&self, most: usize, each: Duration) -> bool {
        while self.len() > most {
            let Some(closed) = self.next() else { break };
            if tokio::time::timeout(each, closed).await.is_err() {
                return self.len() <= most;
            }
        }
        true
    }

    /// Waits for the closes that were requested before, on a thread that may block. Returns whether there were any.
    pub(crate) fn settle(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (begun, closed) = (waiting.begun, waiting.closed);
        let under_way = |waiting: &mut Waiting| waiting.closed < begun;
        drop(self.one_closed.wait_timeout_while(waiting, SETTLE_TIME, under_way));
        closed < begun
    }

    /// Resolves with the next close that ends; none when all are done.
    pub(crate) fn next(&self) -> Option<impl Future<Output = ()>> {
        let mut closed = Box::pin(self.closed.notified());
        // Enabled before the check, so that a close between the check and the wait is not missed.
        closed.as_mut().enable();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).under_way.then_some(closed)
    }

    fn close_all(&self) {
        loop {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(next) = waiting.line.pop_front() else {
                waiting.under_way = false;
                drop(waiting);
                return self.closed.notify_waiters();
            };
            drop(waiting);
            drop(next);
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed += 1;
            self.one_closed.notify_all();
            self.closed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Calls that block until the sender is dropped.
    fn block(bound: &Blocking, calls: usize) -> (mpsc::Sender<()>, Vec<tokio::task::JoinHandle<()>>) {
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        let calls = (0..calls).map(|_| {
            let (bound, blocked) = (bound.clone(), blocked.clone());
            tokio::spawn(async move {
                let wait = move || {
                    let _ = blocked.lock().unwrap().recv();
                };
                bound.run(wait).await;
            })
        });
        (release, calls.collect())
    }

    async fn until_taken(bound: &Blocking) {
        while bound.permits.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn abandoned_call_keeps_its_permit() {
        let bound = Blocking::new(2);
        let (release, calls) = block(&bound, 2);
        until_taken(&bound).await;
        let mut third = Box::pin(bound.run(|| 3));
        assert!(futures::poll!(&mut third).is_pending());
        for call in &calls {
            call.abort();
        }
        for call in calls {
            let _ = call.await;
        }
        assert_eq!(bound.permits.available_permits(), 0);
        drop(release);
        assert_eq!(third.await, 3);
    }

    #[tokio::test]
    async fn childs_calls_count_for_its_parent() {
        let parent = Blocking::new(2);
        let children = [Blocking::new(9).below(&parent), Blocking::new(1).below(&parent)];
        let (release, calls) = block(&children[0], 2);
        until_taken(&parent).await;
        let mut other = Box::pin(children[1].run(|| ()));
        assert!(futures::poll!(&mut other).is_pending());
        drop(release);
        other.await;
        for call in calls {
            call.await.unwrap();
        }
        let _one = children[1].acquire().await;
        assert!(futures::poll!(Box::pin(children[1].acquire())).is_pending(), "its own bound holds as well");
    }

    /// A file whose close blocks until the other end is gone.
    struct Slow(mpsc::Receiver<()>, tokio::sync::mpsc::UnboundedSender<()>);

    impl Drop for Slow {
        fn drop(&mut self) {
            let _ = self.0.recv();
            let _ = self.1.send(());
        }
    }

    #[tokio::test]
    async fn many_closes_are_waited_for_unless_none_ends() {
        let closing = Arc::new(Closing::default());
        let (release, blocked) = mpsc::channel();
        let (done, _closed) = tokio::sync::mpsc::unbounded_channel();
        closing.close(Slow(blocked, done));
        (0..100).for_each(|_| closing.close(()));
        assert!(!closing.wait_shorter_within(64, Duration::from_millis(1)).await, "a server does not answer");
        let mut shorter = Box::pin(closing.wait_shorter(64));
        assert!(futures::poll!(&mut shorter).is_pending());
        drop(release);
        assert!(shorter.await && closing.len() <= 64);
    }

    #[tokio::test]
    async fn close_that_blocks_delays_only_later_closes() {
        let parent = Blocking::new(1);
        let (of_parent, closing) = (parent.closing().clone(), Blocking::new(1).below(&parent).closing().clone());
        let (done, mut closed) = tokio::sync::mpsc::unbounded_channel();
        let (release, blocked) = mpsc::channel();
        // A parent's closes and its children's are in one queue.
        of_parent.close(Slow(blocked, done.clone()));
        let (free, ready) = mpsc::channel();
        drop(free);
        closing.close(Slow(ready, done));
        assert!(closed.try_recv().is_err());
        let next = closing.next().expect("it is under way");
        drop(release);
        next.await;
        closed.recv().await.unwrap();
        closed.recv().await.unwrap();
        while let Some(next) = closing.next() {
            next.await;
        }
        assert_eq!(closing.len(), 0);
        closing.settle();
        assert!(!closing.settle(), "there are no more");
    }
}
