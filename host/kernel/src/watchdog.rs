//! The wall-clock limits of a call, and of a whole start. They cost nothing while a call returns at once: the timer is
//! made when the call first has to wait.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::actor::Actor;
use crate::crash::{Crash, CrashReason};
use crate::incarnation::Broken;
use crate::kernel::later;
use crate::lane::Lane;

/// Polls a call of an actor's code. `Err` is the limit that it exceeded: it waited for `limits.timeout` in one stretch,
/// or it took that long, times the messages of the call, since a message last got its outcome.
pub(crate) async fn within_limits<T>(lane: &Lane, call: impl Future<Output = T>) -> Result<T, Duration> {
    let mut call = pin!(call);
    let mut watch: Option<Watch> = None;
    poll_fn(|cx| {
        if let Poll::Ready(value) = call.as_mut().poll(cx) {
            return Poll::Ready(Ok(value));
        }
        let Some(watch) = &mut watch else {
            let begun = watch.insert(Watch::begin(lane));
            return begun.timer.as_mut().poll(cx).map(|()| Err(lane.timeout));
        };
        let rang = watch.timer.as_mut().poll(cx).is_ready();
        if watch.seen != lane.progress() {
            watch.seen = lane.progress();
            watch.end = later(lane.call_timeout());
        } else if rang {
            let whole = Instant::now() >= watch.end;
            return Poll::Ready(Err(if whole { lane.call_timeout() } else { lane.timeout }));
        }
        // It ran a little, and now waits for something else: that may take as long again.
        watch.timer.as_mut().reset(later(lane.timeout).min(watch.end));
        watch.timer.as_mut().poll(cx).map(|()| Err(lane.call_timeout()))
    })
    .await
}

struct Watch {
    /// When it has waited for too long in one stretch, or all in all.
    timer: Pin<Box<Sleep>>,
    /// When it has taken too long all in all.
    end: Instant,
    /// The lane's progress when `end` was set.
    seen: u64,
}

impl Watch {
    fn begin(lane: &Lane) -> Self {
        let end = later(lane.call_timeout());
        let timer = Box::pin(tokio::time::sleep_until(later(lane.timeout).min(end)));
        Self { timer, end, seen: lane.progress() }
    }
}

/// What is left of the time for a start. The time in which what a hook sent waits for room does not count.
pub(crate) struct StartTime {
    limit: Duration,
    left: Duration,
}

impl StartTime {
    pub(crate) fn of(actor: &Actor) -> Self {
        let limit = actor.spec.start_timeout;
        Self { limit, left: limit }
    }

    /// Polls a part of the start.
    pub(crate) async fn within<T>(&mut self, part: impl Future<Output = Result<T, Broken>>) -> Result<T, Broken> {
        let began = Instant::now();
        let mut part = pin!(part);
        let mut timer = None;
        let done = poll_fn(|cx| {
            if let Poll::Ready(done) = part.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            let end = || Box::pin(tokio::time::sleep_until(later(self.left)));
            let late = || Err(Broken::Crash(Crash::new(CrashReason::StartTimeout { limit: self.limit })));
            timer.get_or_insert_with(end).as_mut().poll(cx).map(|()| late())
        });
        let done = done.await;
        self.left = self.left.saturating_sub(began.elapsed());
        done
    }
}
