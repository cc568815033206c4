//! Time in which an actor's code waits for the host itself, such as for a slow reader of the host's stdout. That time is
//! not billed to the limits of the actor, nor to those of the actors that wait for it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::host_waits::{HostWaits, Marked, Obstacle};
use crate::actor::instance::Instance;

/// Marks times in which an incarnation's code waits for the host. Made by [`crate::Turn::host_wait`].
#[derive(Clone)]
pub struct HostWait {
    pub(crate) instance: Arc<Instance>,
    /// The part of the host that the code waits for, as shown to operators.
    pub(crate) what: &'static str,
}

impl HostWait {
    /// Polls a future that resolves when the host is ready again. The time while it is pending is the host's.
    pub async fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let mut marked = None;
        poll_fn(|cx| {
            let polled = future.as_mut().poll(cx);
            if polled.is_pending() {
                marked.get_or_insert_with(|| Marked::begin(&self.instance.host_waits, self.what));
            }
            polled
        })
        .await
    }
}

/// Polls a future of `instance` that depends on `target`. Time in which the target waits for the host is the host's for the
/// instance, too.
pub(crate) async fn passed_on<T>(instance: &Instance, target: &Actor, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut seen = target.host_waited();
    poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        let now = target.host_waited();
        if now > seen {
            instance.host_waits.add(now.saturating_sub(seen));
            seen = now;
        }
        polled
    })
    .await
}

/// Polls a future of `instance`. While it is pending, the instance is shown as waiting for the obstacle.
pub(crate) async fn held_up<T>(instance: &Instance, obstacle: Obstacle, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut mark = None;
    poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() {
            mark.get_or_insert_with(|| HeldUp::begin(&instance.host_waits, obstacle));
        }
        polled
    })
    .await
}

/// A wait for an obstacle that has begun and not ended.
struct HeldUp<'a>(&'a HostWaits);

impl<'a> HeldUp<'a> {
    fn begin(waits: &'a HostWaits, obstacle: Obstacle) -> Self {
        waits.set_obstacle(Some((obstacle, Instant::now())));
        Self(waits)
    }
}

impl Drop for HeldUp<'_> {
    fn drop(&mut self) {
        self.0.set_obstacle(None);
    }
}

/// A wait for space. The target's waits for the host in that time count as waits of the instance.
pub(crate) struct BlockedOn<'a> {
    waits: &'a HostWaits,
    target: &'a Actor,
    seen: Duration,
}

impl<'a> BlockedOn<'a> {
    /// Records that `sender` waits for space in the target's mailbox since then, while the result lives.
    pub(crate) fn begin(sender: &'a Instance, target: &'a Actor, since: Instant) -> Self {
        sender.host_waits.set_obstacle(Some((Obstacle::Space(target.id), since)));
        Self { waits: &sender.host_waits, target, seen: target.host_waited() }
    }
}

impl Drop for BlockedOn<'_> {
    fn drop(&mut self) {
        self.waits.set_obstacle(None);
        let more = self.target.host_waited().saturating_sub(self.seen);
        if !more.is_zero() {
            self.waits.add(more);
        }
    }
}
