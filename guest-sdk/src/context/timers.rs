//! Timers of an actor: messages that its kernel sends later.

use std::time::Duration;

use super::Context;
use crate::errors::TimerError;
#[cfg(target_family = "wasm")]
use crate::kernel::Kernel as _;
use crate::timer::{TimerId, whole_millis};

impl Context {
    /// Sends `body` to `to` once, `delay` after the current message is done. `to` is this actor itself or a receiver that it may
    /// send to. The delay counts in whole milliseconds, rounded up.
    ///
    /// A timer ends with the incarnation that set it. Its message does not wait for a full mailbox: it becomes a dead letter.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Result, TimerId};
    /// use std::time::Duration;
    ///
    /// fn remind(ctx: &Context) -> Result<TimerId> {
    ///     Ok(ctx.tell_after(Duration::from_secs(30), ctx.address(), "time is up")?)
    /// }
    /// ```
    pub fn tell_after(&self, delay: Duration, to: &str, body: impl AsRef<[u8]>) -> Result<TimerId, TimerError> {
        self.kernel.timer(to, body.as_ref(), whole_millis(delay), false).map(TimerId)
    }

    /// Sends `body` to `to` repeatedly, each time after one period (at least a millisecond), until the timer is cancelled or this
    /// incarnation ends. Missed periods are not made up for: while one message of the timer waits in the mailbox of `to`, the
    /// timer sends no other.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Message, Result};
    /// # use std::time::Duration;
    /// # #[derive(Default)] struct Clock;
    /// impl Actor for Clock {
    ///     fn init(&mut self, ctx: &mut Context) -> Result {
    ///         ctx.tell_every(Duration::from_secs(1), ctx.address(), "tick")?;
    ///         Ok(())
    ///     }
    /// #   fn msg_handler(&mut self, _: Message, _: &mut Context) -> Result { Ok(()) }
    /// }
    /// ```
    pub fn tell_every(&self, period: Duration, to: &str, body: impl AsRef<[u8]>) -> Result<TimerId, TimerError> {
        self.kernel.timer(to, body.as_ref(), whole_millis(period), true).map(TimerId)
    }

    /// Cancels a timer when the current message is done. A timer that has already sent, or was cancelled, is ignored.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, TimerId};
    /// fn answered(ctx: &Context, reminder: &mut Option<TimerId>) {
    ///     if let Some(timer) = reminder.take() {
    ///         ctx.cancel(timer);
    ///     }
    /// }
    /// ```
    pub fn cancel(&self, timer: TimerId) {
        self.kernel.cancel(timer.0);
    }
}
