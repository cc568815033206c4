//! The wall-clock limits of a call, and of a whole start. They cost nothing while a call returns at once: the timer is
//! made when the call first has to wait.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::actor::{Actor, World};
use crate::crash::{Crash, CrashReason};
use crate::incarnation::Broken;
use crate::kernel::later;
use crate::lane::Lane;

/// Polls a call of an actor's code. `Err` is the limit that it exceeded: it waited for `limits.timeout` in one stretch,
/// or it took that long, times the messages of the call, since a message last got its outcome. Time in which it waits for
/// the host does not count.
pub(crate) async fn within_limits<T>(
    world: &World,
    actor: &Actor,
    lane: &Lane,
    call: impl Future<Output = T>,
) -> Result<T, Duration> {
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
        let excused = watch.excuse(lane);
        if watch.seen != lane.progress() {
            watch.seen = lane.progress();
            watch.end = later(lane.call_timeout());
        } else if rang && !excused {
            if !world.lane_waits_for_host(actor, lane) {
                let whole = Instant::now() >= watch.end;
                return Poll::Ready(Err(if whole { lane.call_timeout() } else { lane.timeout }));
            }
            // For another actor that does, that is.
            watch.end = watch.end.max(later(lane.timeout));
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
    /// The host's time that `end` was moved by.
    excused: Duration,
}

impl Watch {
    fn begin(lane: &Lane) -> Self {
        let end = later(lane.call_timeout());
        let timer = Box::pin(tokio::time::sleep_until(later(lane.timeout).min(end)));
        Self { timer, end, seen: lane.progress(), excused: lane.host_waits.total() }
    }

    /// Moves the end by the time that was the host's since the last look; false when there was none.
    fn excuse(&mut self, lane: &Lane) -> bool {
        let more = lane.host_waits.total().saturating_sub(self.excused);
        self.excused += more;
        self.end = self.end.checked_add(more).unwrap_or(self.end);
        !more.is_zero()
    }
}

/// What is left of the time for a start. The time in which what a hook sent waits for room does not count, nor does that in
/// which it waits for the host.
pub(crate) struct StartTime<'a> {
    world: &'a World,
    actor: &'a Actor,
    lane: &'a Lane,
    limit: Duration,
    left: Duration,
}

impl<'a> StartTime<'a> {
    pub(crate) fn of(world: &'a World, actor: &'a Actor, lane: &'a Lane) -> Self {
        let limit = actor.spec.start_timeout;
        Self { world, actor, lane, limit, left: limit }
    }

    /// Polls a part of the start.
    pub(crate) async fn within<T>(&mut self, part: impl Future<Output = Result<T, Broken>>) -> Result<T, Broken> {
        let began = Instant::now();
        let mut excused = self.lane.host_waits.total();
        let mut part = pin!(part);
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        let done = poll_fn(|cx| {
            if let Poll::Ready(done) = part.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            let end = || Box::pin(tokio::time::sleep_until(later(self.left)));
            let timer = timer.get_or_insert_with(end);
            while timer.as_mut().poll(cx).is_ready() {
                let more = self.lane.host_waits.total().saturating_sub(excused);
                if !more.is_zero() {
                    excused += more;
                    self.left = self.left.saturating_add(more);
                    timer.as_mut().reset(began.checked_add(self.left).unwrap_or_else(|| later(self.left)));
                } else if self.world.lane_waits_for_host(self.actor, self.lane) {
                    self.left = self.left.saturating_add(self.limit);
                    timer.as_mut().reset(later(self.limit));
                } else {
                    return Poll::Ready(Err(Broken::Crash(Crash::new(CrashReason::StartTimeout {
                        limit: self.limit,
                    }))));
                }
            }
            Poll::Pending
        });
        let done = done.await;
        let used = began.elapsed().saturating_sub(self.lane.host_waits.total().saturating_sub(excused));
        self.left = self.left.saturating_sub(used);
        done
    }
}
