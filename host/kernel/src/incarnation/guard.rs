//! Calls of an actor's code under its time limits, its kill signal, and the limits of its turn.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::task::Poll;

use futures_util::FutureExt;
use tokio::time::Instant;

use crate::actor::turn_counts::PendingCall;
use crate::incarnation::behavior::Behavior;
use crate::incarnation::call_limit::CallLimit;
use crate::incarnation::state::{Broken, Incarnation};
use crate::mailbox::Signal;
use crate::words::crash::{Crash, CrashReason, panic_message};
use crate::words::message::MessageId;
use crate::words::watchdog::{StartTime, poll_once, watch};

/// The first wait of a call.
#[derive(Default)]
pub(super) struct Waits {
    /// The first message of the call, for operators; none in a hook.
    pub(super) first: Option<MessageId>,
    /// When the call first had to wait.
    pub(super) since: Option<Instant>,
}

impl Incarnation {
    /// Polls a call of the actor's code, or a part of its start, under its time limits and the supervisor's kill signal.
    /// Panics are caught. When the call has to wait, `waits` gets the time of its first wait.
    pub(super) async fn guarded<T>(
        &self,
        start: Option<&mut StartTime>,
        waits: &mut Waits,
        call: impl Future<Output = Result<T, Crash>>,
    ) -> Result<T, Broken> {
        let mut call = pin!(AssertUnwindSafe(call).catch_unwind());
        // A call that returns at once has no more cost.
        let returned = match poll_once(call.as_mut()).await {
            Poll::Ready(returned) => returned,
            Poll::Pending => {
                self.release_sender();
                let since = Instant::now();
                waits.since = Some(since);
                let call_shown = PendingCall { since, first: waits.first };
                let _shown = start.is_none().then(|| self.instance.turns().show(call_shown));
                let limit = CallLimit { shared: &self.shared, actor: &self.actor, instance: &self.instance };
                let watched = watch(&self.shared.clock, limit, since, start, call);
                match self.unless_killed(pin!(watched)).await? {
                    Ok(returned) => returned,
                    Err(limit) => return Err(Broken::Crash(Crash::new(limit))),
                }
            }
        };
        match returned {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(crash)) => Err(Broken::Crash(crash)),
            Err(panic) => {
                let message = panic_message(&*panic);
                Err(Broken::Crash(Crash::new(CrashReason::Panic { message })))
            }
        }
    }

    /// Polls until done or killed. A future that is ready at once has no more cost.
    pub(super) fn unless_killed<T>(
        &self,
        mut future: Pin<&mut impl Future<Output = T>>,
    ) -> impl Future<Output = Result<T, Broken>> {
        poll_fn(move |cx| match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => {
                self.release_sender();
                self.actor.mailbox.poll_signal(self.instance.index, cx, Signal::Kill).map(|_| Err(Broken::Killed))
            }
        })
    }
}

/// A turn above its limits is not committed.
pub(super) fn within_limits_of(behavior: &mut dyn Behavior) -> Result<(), Broken> {
    behavior.turn().within_limits().map_err(|overrun| Broken::Crash(overrun.into()))
}
