//! The driver of a mailbox's policy: a task that tells the policy about new messages, moves messages that the policy gives
//! out to the instances, and restarts the policy after a crash. Only this task waits for the policy, and no lock is held
//! while the policy is called.

mod failures;

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use self::failures::Failures;
use crate::mailbox::admission::Slot;
use crate::mailbox::ordered::Refusal;
use crate::mailbox::policy::{About, Arrivals, Excess, MailboxPolicy, PolicySpec};
use crate::mailbox::queue::Mailbox;
use crate::words::clock::Clock;
use crate::words::crash::{Crash, CrashReason, panic_message};
use crate::words::dead_letter::DeadReason;
use crate::words::event::{AboutActor, LogEvent};
use crate::words::events::{PolicyCrashed, PolicyDriverPanicked, PolicyDropPanicked};
use crate::words::message::Message;
use crate::words::resource_use::ResourceUse;
use crate::words::watchdog::{TimeLimit, within_limits};

/// Rounds between two checks of the policy's own count of its messages.
const ROUNDS_A_CHECK: u64 = 64;

/// The actor whose mailbox a policy orders, as the driver sees it.
pub(crate) trait Owner: Send + Sync {
    fn about(&self) -> AboutActor<'_>;
    fn mailbox(&self) -> &Mailbox;
    fn clock(&self) -> &Clock;
    /// The place where the policy counts the resources that it uses.
    fn resource_use(&self) -> Arc<ResourceUse>;
    /// A slot for the policy; an error says why there is none.
    fn admission(&self) -> Result<Slot, String>;
    /// A random pause below `ceiling`.
    fn pause(&self, ceiling: Duration) -> Duration;
    /// Makes dead letters of messages that the policy dropped.
    fn dead_letter(&self, dropped: Vec<Message>, reason: &DeadReason);
}

/// Drives the policy of a mailbox until the mailbox is closed; none when the mailbox has no policy. To be called when lookups
/// begin to find the actor, and again whenever the mailbox is reopened.
pub(crate) fn driver<O: Owner>(owner: O, spec: PolicySpec) -> Option<impl Future<Output = ()> + Send + use<O>> {
    let generation = owner.mailbox().begin_order()?;
    let driver = PolicyDriver { owner, spec, generation };
    Some(async move {
        if let Err(panic) = AssertUnwindSafe(driver.run()).catch_unwind().await {
            let (subject, policy) = (driver.owner.about(), driver.spec.launcher.plugin().to_owned());
            PolicyDriverPanicked { subject, policy, panic: &panic_message(&*panic) }.log();
            driver.owner.mailbox().order_gives_up(driver.generation);
        }
    })
}

struct PolicyDriver<O> {
    owner: O,
    spec: PolicySpec,
    generation: u64,
}

/// The limit of a call of the policy.
#[derive(Clone, Copy)]
struct PolicyCallLimit<'a> {
    clock: &'a Clock,
    limit: Duration,
}

impl TimeLimit for PolicyCallLimit<'_> {
    fn stretch(self) -> Duration {
        self.limit
    }

    fn whole(self) -> Duration {
        self.limit
    }

    fn progress(self) -> u64 {
        0
    }

    fn hosts(self, now: Instant) -> Duration {
        self.clock.delayed(now)
    }

    fn is_the_hosts(self) -> bool {
        false
    }
}

/// Why a run of the policy ended.
enum End {
    Closed,
    Crashed(Crash),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Closed => Self::Closed,
            Refusal::Breach(message) => Self::Crashed(Crash::new(CrashReason::BadOrder { message })),
        }
    }
}

impl<O: Owner> PolicyDriver<O> {
    /// One run of the policy after another, until the mailbox is closed or the policy crashed too often.
    async fn run(&self) {
        let mut failures = Failures::new();
        let mut run = 0;
        // Kept between runs: while the policy pauses, no other start gets its slot.
        let mut slot = None;
        loop {
            run += 1;
            let end = match self.admission(&mut slot) {
                Ok(()) => self.serve(run, &mut failures).await,
                Err(message) => End::Crashed(Crash::new(CrashReason::Start { message })),
            };
            let End::Crashed(crash) = end else { return };
            // A call that did not return in time took its whole limit.
            let hung = if let CrashReason::Timeout { limit } = crash.reason { limit } else { Duration::ZERO };
            let too_often = failures.note(hung, &self.spec);
            self.log(run, &crash, too_often);
            if self.owner.mailbox().order_crashed(self.generation, crash.reason.to_string()).is_err() {
                return;
            }
            if too_often {
                self.owner.mailbox().order_gives_up(self.generation);
                return;
            }
            let pause = self.owner.pause(self.spec.backoff.ceiling(failures.in_a_row()));
            let closed = poll_fn(|cx| self.owner.mailbox().poll_closed(self.generation, cx));
            if tokio::time::timeout(pause, closed).await.is_ok() {
                return;
            }
        }
    }

    fn log(&self, run: u64, crash: &Crash, too_often: bool) {
        let next = if too_often {
            let (intensity, period) = (self.spec.intensity, self.spec.period);
            format!(
                "; more than {intensity} crashes, within {period:?} or more than it gave out messages: the mailbox goes on \
                 without it, first in, first out"
            )
        } else {
            String::new()
        };
        let event = PolicyCrashed {
            subject: self.owner.about(),
            reason: crash.reason.kind(),
            policy: self.spec.launcher.plugin().to_owned(),
            run,
            gave_up: too_often,
            backtrace: crash.logged_backtrace(),
            crash: &crash.reason,
            next: &next,
        };
        event.log();
    }

    /// Takes a slot for the policy if enough are left for all instances of its actor, so that none waits for its own policy.
    fn admission(&self, slot: &mut Option<Slot>) -> Result<(), String> {
        if slot.is_none() {
            *slot = Some(self.owner.admission()?);
        }
        Ok(())
    }

    /// One run of the policy, to its end.
    async fn serve(&self, run: u64, failures: &mut Failures) -> End {
        let about = About {
            address: self.owner.about().address.clone(),
            run,
            mailbox: *self.owner.mailbox().spec(),
            resources: self.owner.resource_use(),
        };
        let mut policy = match self.call(|| self.spec.launcher.launch(about)).await {
            Ok(policy) => policy,
            Err(end) => return end,
        };
        let Err(end) = self.rounds(&mut *policy, failures).await;
        // A panic in its destructors is not the kernel's.
        if std::panic::catch_unwind(AssertUnwindSafe(|| drop(policy))).is_err() {
            let policy = self.spec.launcher.plugin().to_owned();
            PolicyDropPanicked { subject: self.owner.about(), policy }.log();
        }
        end
    }

    async fn rounds(
        &self,
        policy: &mut dyn MailboxPolicy,
        failures: &mut Failures,
    ) -> Result<std::convert::Infallible, End> {
        let (mailbox, generation) = (self.owner.mailbox(), self.generation);
        let rules = self.call(|| policy.rules()).await?;
        mailbox.order_is_up(generation, rules)?;
        let mut arrivals = Arrivals::default();
        let mut rounds = 0;
        loop {
            if !poll_fn(|cx| mailbox.poll_work(generation, cx)).await {
                return Err(End::Closed);
            }
            // All messages that are there now are told before any is given out; later ones are for the next round.
            let end = mailbox.order_end(generation)?;
            while mailbox.arrivals(generation, end, &mut arrivals)? {
                let keys = self.call(|| policy.put(&arrivals)).await?;
                let dropped = mailbox.drop_chosen(generation, &keys, &arrivals)?;
                if !dropped.is_empty() {
                    failures.handled(dropped.len());
                    let chosen = arrivals.excess == Excess::NONE;
                    let reason = if chosen { DeadReason::Abandoned } else { DeadReason::Overflow };
                    self.owner.dead_letter(dropped, &reason);
                }
            }
            if let Some((most, overdue)) = mailbox.asked_for(generation)? {
                let keys = self.call(|| policy.take(most, overdue)).await?;
                mailbox.give(generation, &keys, (most, overdue))?;
                failures.handled(keys.len());
            }
            if rounds % ROUNDS_A_CHECK == 0 {
                mailbox.check_size(generation, self.call(|| policy.size()).await?)?;
            }
            rounds += 1;
            tokio::task::coop::consume_budget().await;
        }
    }

    /// Calls the policy's code under its timeout, and catches panics. The call ends when the mailbox closes.
    async fn call<'a, T>(&self, call: impl FnOnce() -> BoxFuture<'a, Result<T, Crash>>) -> Result<T, End> {
        let caught = AssertUnwindSafe(async { call().await }).catch_unwind();
        let clock = self.owner.clock();
        let mut timed = pin!(within_limits(clock, PolicyCallLimit { clock, limit: self.spec.timeout }, caught));
        let answer = poll_fn(|cx| match timed.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Ok(answer)),
            Poll::Pending => self.owner.mailbox().poll_closed(self.generation, cx).map(|()| Err(End::Closed)),
        });
        let reason = match answer.await? {
            Ok(Ok(Ok(value))) => return Ok(value),
            Ok(Ok(Err(crash))) => return Err(End::Crashed(crash)),
            Ok(Err(panic)) => CrashReason::Panic { message: panic_message(&*panic) },
            Err(limit) => limit,
        };
        Err(End::Crashed(Crash::new(reason)))
    }
}
