//! The wait of an incarnation for its slots, before its code exists.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::actor::Actor;
use crate::actor::host_wait::held_up;
use crate::actor::host_waits::Obstacle;
use crate::actor::instance::Instance;
use crate::incarnation::state::{Broken, Incarnation};
use crate::mailbox::Signal;
use crate::mailbox::admission::{Admitted, Evictable, EvictionState, Slot};
use crate::words::crash::{Crash, CrashReason};
use crate::words::event::AboutRun;

impl Incarnation {
    /// Whether it starts with this signal. An incarnation that is told to stop before it started does not start, unless
    /// messages are to be drained.
    pub(super) fn is_needed(&self, signal: Signal) -> bool {
        match signal {
            Signal::Run => true,
            Signal::Drain => {
                self.instance.backlog.lock().has_work() || !self.actor.mailbox.is_drained(self.instance.index)
            }
            Signal::Stop | Signal::Kill => false,
        }
    }

    /// Waits until admission lets it start.
    pub(super) async fn admission(&self) -> Result<Option<Slot>, Broken> {
        let bounds: Vec<_> = self.shared.bounds_of(&self.actor).cloned().collect();
        if bounds.is_empty() {
            return Ok(None);
        }
        let (mailbox, instance) = (&self.actor.mailbox, self.instance.index);
        let mut slot = pin!(Slot::take(bounds, self));
        let admitted = poll_fn(|cx| {
            if let Poll::Ready(slot) = slot.as_mut().poll(cx) {
                let refused = |message| Broken::Crash(Crash::new(CrashReason::Start { message }));
                return Poll::Ready(slot.map(Some).map_err(refused));
            }
            let signal = mailbox.signal(instance);
            if !self.is_needed(signal) {
                return Poll::Ready(Err(Broken::Killed));
            }
            let next = if signal == Signal::Run { Signal::Stop } else { Signal::Kill };
            if mailbox.poll_signal(instance, cx, next).is_ready() {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        });
        held_up(&self.instance, Obstacle::Slot, admitted).await
    }
}

impl Admitted for Incarnation {
    fn about(&self) -> AboutRun<'_> {
        self.actor.about_run(self.number)
    }

    fn start_timeout(&self) -> Duration {
        self.actor.spec.limits.start_timeout
    }

    fn evictable(&self) -> Option<Arc<dyn Evictable>> {
        let evictable = || Arc::new(Live { actor: self.actor.clone(), instance: self.instance.clone() }) as _;
        self.actor.spec.idle_stop.is_some().then(evictable)
    }
}

/// An instance with an incarnation that may be passivated.
struct Live {
    actor: Arc<Actor>,
    instance: Arc<Instance>,
}

impl Evictable for Live {
    fn state(&self) -> &EvictionState {
        &self.instance.eviction
    }

    fn nudge(&self) {
        self.actor.mailbox.nudge(self.instance.index);
    }

    fn sleeps(&self) -> bool {
        self.actor.mailbox.sleeps(self.instance.index)
    }
}
