//! The bound on readers of the log. Each one costs a buffer and a share of the host's thread, and must not keep others out: when
//! all places are taken, the reader that has not read for the longest time loses its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::line::PATIENCE;

/// Maximum number of readers at a time.
const READERS: usize = 16;
/// The share of connections that readers may have: one of this number.
const SHARE_OF_CONNECTIONS: usize = 2;
/// One place of this number is kept for requests without `follow`: clients that follow the log do not keep an operator from reading
/// its last lines.
const SHARE_WITHOUT_FOLLOW: usize = 4;
/// Time without progress after which a reader may lose its place to another one.
const STALLED: Duration = Duration::from_secs(10);
/// Time without progress after which a reader loses its place.
const GIVEN_UP: Duration = Duration::from_mins(10);

/// The readers of one host's log.
pub(crate) struct Subscriptions {
    most: usize,
    open: Mutex<Open>,
    /// Notified when a reader is gone.
    closed: Notify,
    /// Whether the play is over: readers end after the last line.
    over: watch::Sender<bool>,
}

#[derive(Default)]
struct Open {
    next: u64,
    slots: BTreeMap<u64, Slot>,
}

struct Slot {
    /// The start of the write that waits for the reader; `None` between writes.
    waits_since: Option<Instant>,
    evicted: Arc<Notify>,
}

/// The place of one reader. Dropping it frees the place.
pub(super) struct Subscription {
    all: Arc<Subscriptions>,
    id: u64,
    evicted: Arc<Notify>,
    over: watch::Receiver<bool>,
}

impl Subscriptions {
    /// Readers of a host with this many connections.
    pub(super) fn among(connections: usize) -> Arc<Self> {
        let most = READERS.min(connections / SHARE_OF_CONNECTIONS);
        Arc::new(Self { most, open: Mutex::default(), closed: Notify::new(), over: watch::Sender::new(false) })
    }

    /// A place for one more reader, if need be that of a stalled one. `Err` has the maximum when all places that it may have are in
    /// use.
    pub(super) fn open(self: &Arc<Self>, follows: bool) -> Result<Subscription, usize> {
        let most = if follows { self.most - self.most.div_ceil(SHARE_WITHOUT_FOLLOW) } else { self.most };
        let mut open = self.lock();
        if open.slots.len() >= most && !open.evict(Instant::now()) {
            return Err(most);
        }
        let (id, evicted) = (open.next, Arc::<Notify>::default());
        open.next += 1;
        open.slots.insert(id, Slot { waits_since: None, evicted: evicted.clone() });
        drop(open);
        Ok(Subscription { all: self.clone(), id, evicted, over: self.over.subscribe() })
    }

    /// Ends all readers after the lines that there are now.
    pub(crate) fn end(&self) {
        self.over.send_replace(true);
    }

    /// Waits until no reader is left.
    pub(crate) async fn wait_closed(&self) {
        loop {
            let mut closed = std::pin::pin!(self.closed.notified());
            closed.as_mut().enable();
            if self.lock().slots.is_empty() {
                return;
            }
            closed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Takes the place of the reader that has been stalled longest; false when none is stalled.
    fn evict(&mut self, now: Instant) -> bool {
        let stalled = self.slots.iter().filter_map(|(id, slot)| Some((slot.waits_since?, *id))).min();
        let stalled = stalled.filter(|(since, _)| now.duration_since(*since) >= STALLED);
        let evicted = stalled.and_then(|(_, id)| self.slots.remove(&id));
        evicted.inspect(|slot| slot.evicted.notify_one()).is_some()
    }
}

impl Subscription {
    /// Writes to the reader; false when the reader is gone, has lost its place, or has read nothing for too long.
    pub(super) async fn write(&mut self, stream: &mut UnixStream, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.set_waiting(Some(Instant::now()));
            let mut over = self.over.clone();
            let given_up = async {
                // A play that is over waits for a reader as for any other client, unless its program ends before.
                if timeout(GIVEN_UP, over.wait_for(|over| *over)).await.is_ok() {
                    sleep(PATIENCE).await;
                }
            };
            let written = tokio::select! {
                biased;
                written = stream.write(rest) => written.unwrap_or(0),
                () = self.evicted.notified() => 0,
                () = given_up => 0,
            };
            if written == 0 {
                return false;
            }
            rest = &rest[written..];
        }
        self.set_waiting(None);
        true
    }

    /// Whether the play is over.
    pub(super) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Resolves when the play is over.
    pub(super) async fn wait_over(&self) {
        let _ = self.over.clone().wait_for(|over| *over).await;
    }

    fn set_waiting(&self, since: Option<Instant>) {
        if let Some(slot) = self.all.lock().slots.get_mut(&self.id) {
            slot.waits_since = since;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.all.lock().slots.remove(&self.id);
        self.all.closed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stalled_reader_loses_its_place_to_another_one() {
        let all = Subscriptions::among(4 * SHARE_OF_CONNECTIONS);
        let (mut here, _there) = UnixStream::pair().expect("a pair");
        let mut stalled = all.open(true).expect("a place");
        let _idle = [(); 2].map(|()| all.open(true).expect("a place"));
        let writing = tokio::spawn(async move { stalled.write(&mut here, &vec![0; 64 << 20]).await });
        sleep(STALLED / 2).await;
        assert_eq!(all.open(true).err(), Some(3), "no reader is stalled");
        let _look = all.open(false).expect("a place that no follower takes");
        sleep(STALLED).await;
        let _fourth = all.open(true).expect("the place of the stalled reader");
        assert!(!writing.await.expect("no panic"));
        assert!(all.open(true).is_err() && all.open(false).is_err(), "an idle reader is not stalled");
    }

    #[tokio::test(start_paused = true)]
    async fn reader_that_takes_nothing_is_given_up() {
        let all = Subscriptions::among(256);
        let (mut here, _there) = UnixStream::pair().expect("a pair");
        let mut stalled = all.open(true).expect("a place");
        let began = Instant::now();
        assert!(!stalled.write(&mut here, &vec![0; 64 << 20]).await);
        assert_eq!(began.elapsed(), GIVEN_UP);
        drop(stalled);
        all.wait_closed().await;
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_reader_of_an_ended_play_is_given_up_soon() {
        let all = Subscriptions::among(256);
        let (mut here, _there) = UnixStream::pair().expect("a pair");
        let mut stalled = all.open(true).expect("a place");
        all.end();
        let began = Instant::now();
        assert!(!stalled.write(&mut here, &vec![0; 64 << 20]).await);
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
