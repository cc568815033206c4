//! One run of an actor's code: launch, init, turns, shutdown. The result says how it ended.

pub(crate) mod behavior;
mod call_limit;
mod callbacks;
mod intake;
pub(crate) mod native;

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::activity::ActivityGuard;
use crate::actor::directive_request::DirectiveRequest;
use crate::actor::instance::Instance;
use crate::dispatch::Shared;
use crate::dispatch::requests::Request;
use crate::incarnation::behavior::{Behavior, Gate, launcher_of};
use crate::incarnation::call_limit::CallLimit;
use crate::mailbox::admission::{Admitted, Evictable, EvictionState, Slot};
use crate::mailbox::{Signal, Took};
use crate::turn::{Hook, Turn};
use crate::words::address::Address;
use crate::words::crash::{Crash, CrashReason, CrashReport, log_crash, panic_message};
use crate::words::dead_letter::DeadReason;
use crate::words::decision::Decision;
use crate::words::message::{Envelope, Message};
use crate::words::watchdog::{StartTime, poll_once, watch};

/// The time that a call should take, approximately; a slower handler gets fewer messages at a time.
const CALL_TARGET: Duration = Duration::from_millis(2);
/// After full batches for this time, an incarnation lets other tasks run before the next batch.
const FAIR_SHARE: Duration = Duration::from_micros(200);

/// How an incarnation ended.
#[derive(Debug)]
pub(crate) enum End {
    /// It did not start.
    FailedStart(Arc<CrashReport>),
    /// It crashed. The play is not idle until the supervision knows of the crash.
    Crashed(Arc<CrashReport>, ActivityGuard),
    /// It stopped on a signal.
    Stopped,
    /// It had no work.
    Idle,
    /// Its code refused to start. It is asked again after `recheck`, or when the mailbox has accepted more messages than
    /// `seen`.
    Refused { recheck: Option<Duration>, seen: u64 },
}

/// Why a guarded call did not return `Ok`.
pub(crate) enum Broken {
    Crash(Crash),
    Killed,
}

pub(crate) struct Incarnation {
    pub(crate) shared: Arc<Shared>,
    pub(crate) actor: Arc<Actor>,
    pub(crate) instance: Arc<Instance>,
    pub(crate) number: u64,
}

impl Incarnation {
    /// Runs to the end. `started` is called when the actor may get messages.
    pub(crate) async fn run(self, started: impl FnOnce()) -> End {
        if !self.is_needed(self.actor.mailbox.signal(self.instance.index)) {
            return End::Stopped;
        }
        let _slot = match self.admission().await {
            Ok(slot) => slot,
            Err(broken) => return self.failed_start(broken),
        };
        let turn = Turn::new(self.shared.clone(), self.actor.clone(), self.instance.clone(), self.number);
        let code = self.actor.code();
        let launcher = launcher_of(&code);
        let mut time = StartTime::new(self.actor.spec.start_timeout);
        let launch = self.guarded_as(Some(&mut time), launcher.launch(turn)).await;
        let mut behavior = match launch {
            Ok(behavior) => behavior,
            Err(broken) => return self.failed_start(broken),
        };
        if launcher.gated() {
            let seen = self.actor.mailbox.accepted();
            match self.ask_gate(&mut *behavior, &mut time).await {
                Ok(Gate::Start) => {}
                Ok(Gate::Wait(recheck)) => {
                    self.discard(behavior);
                    return End::Refused { recheck, seen };
                }
                Err(broken) => {
                    self.discard(behavior);
                    return self.failed_start(broken);
                }
            }
        }
        if let Err(broken) = self.come_up(&mut *behavior, &mut time).await {
            self.discard(behavior);
            return self.failed_start(broken);
        }
        started();
        let end = self.turns(&mut *behavior).await;
        self.discard(behavior);
        end
    }

    /// Whether it starts with this signal. An incarnation that is told to stop before it started does not start, unless
    /// messages are to be drained.
    fn is_needed(&self, signal: Signal) -> bool {
        match signal {
            Signal::Run => true,
            Signal::Drain => {
                self.instance.backlog.lock().has_work() || !self.actor.mailbox.is_drained(self.instance.index)
            }
            Signal::Stop | Signal::Kill => false,
        }
    }

    /// Waits until admission lets it start.
    async fn admission(&self) -> Result<Option<Slot>, Broken> {
        let bounds: Vec<_> = self.shared.bounds_of(&self.actor).cloned().collect();
        if bounds.is_empty() {
            return Ok(None);
        }
        let (mailbox, instance) = (&self.actor.mailbox, self.instance.index);
        let mut slot = pin!(Slot::take(bounds, self));
        poll_fn(|cx| {
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
        })
        .await
    }

    async fn ask_gate(&self, behavior: &mut dyn Behavior, time: &mut StartTime) -> Result<Gate, Broken> {
        behavior.turn().begin_hook(Hook::Gate);
        let answer = self.guarded_as(Some(time), behavior.decide_to_start()).await;
        let answer = answer.and_then(|gate| within_limits_of(behavior).map(|()| gate));
        self.end_hook(behavior, matches!(answer, Ok(Gate::Start))).await?;
        answer
    }

    async fn come_up(&self, behavior: &mut dyn Behavior, time: &mut StartTime) -> Result<(), Broken> {
        self.hook(behavior, Hook::Init, Some(time), |behavior| behavior.init()).await?;
        self.hook(behavior, Hook::PrepareChildren, Some(time), |behavior| behavior.prepare_children()).await
    }

    async fn turns(&self, behavior: &mut dyn Behavior) -> End {
        // Grows while calls are short, so that a slow handler is noticed with one message, not with hundreds.
        let mut most = 1;
        // Time in full batches since other tasks last ran.
        let mut ran = Duration::ZERO;
        let calls_back = self.actor.spec.code.calls_back();
        loop {
            if calls_back && let Err(end) = self.call_back(behavior).await {
                return end;
            }
            match self.next_batch(behavior.turn(), most).await {
                Took::Messages { .. } => {}
                Took::DirectiveRequest => match self.request_directive(behavior).await {
                    Ok(()) => continue,
                    Err(end) => return end,
                },
                Took::Nothing if behavior.turn().is_attached() => continue,
                Took::Nothing => return self.passivate(behavior).await,
                Took::Signal(Signal::Kill) => return End::Stopped,
                Took::Signal(_) => return self.shutdown(behavior).await,
            }
            let count = behavior.turn().len();
            if count == 0 {
                continue;
            }
            // Only a full batch is measured: reading the clock costs as much as a short handler.
            let began = (count == most).then(Instant::now);
            let handled = self.guarded(behavior.handle()).await.and_then(|()| within_limits_of(behavior));
            if let Some(began) = began {
                let took = began.elapsed();
                most = next_most(most, self.actor.spec.batch, took);
                ran += took;
            }
            match handled {
                Ok(()) => {
                    let killed = self.unless_killed(pin!(behavior.turn().commit())).await.is_err();
                    if killed && behavior.turn().commit_under_way() {
                        behavior.turn().commit_now().await;
                    }
                    let rest = behavior.turn().abandon();
                    self.put_back(rest, 0);
                    if killed {
                        return End::Stopped;
                    }
                }
                Err(broken) => {
                    behavior.turn().end_timers();
                    if behavior.turn().commit_under_way() {
                        behavior.turn().commit_now().await;
                    }
                    let tried = behavior.turn().tried();
                    let rest = behavior.turn().abandon();
                    return match broken {
                        Broken::Crash(crash) => self.crashed(crash, rest),
                        Broken::Killed => {
                            self.put_back_killed(rest, tried);
                            End::Stopped
                        }
                    };
                }
            }
            // This lets other tasks on this thread run, however long the mailbox is.
            if ran < FAIR_SHARE {
                tokio::task::coop::consume_budget().await;
            } else {
                ran = Duration::ZERO;
                tokio::task::yield_now().await;
            }
        }
    }

    async fn hook(
        &self,
        behavior: &mut dyn Behavior,
        hook: Hook,
        time: Option<&mut StartTime>,
        call: impl for<'a> FnOnce(&'a mut dyn Behavior) -> BoxFuture<'a, Result<(), Crash>>,
    ) -> Result<(), Broken> {
        behavior.turn().begin_hook(hook);
        let result = self.guarded_as(time, call(behavior)).await;
        let result = result.and_then(|()| within_limits_of(behavior));
        // A kill is counted where the supervisor decides on it.
        if hook == Hook::Shutdown && matches!(result, Err(Broken::Crash(_))) {
            self.shared.failed_shutdowns.fetch_add(1, Ordering::Relaxed);
        }
        self.end_hook(behavior, result.is_ok()).await?;
        result
    }

    /// Ends a hook, and commits or drops its sends.
    async fn end_hook(&self, behavior: &mut dyn Behavior, keep: bool) -> Result<(), Broken> {
        behavior.turn().end_hook(keep);
        if !keep {
            return Ok(());
        }
        let committed = self.unless_killed(pin!(behavior.turn().commit())).await;
        if committed.is_err() {
            // A hook is not repeated: a send that does not fit now becomes a dead letter, so that it is not lost.
            behavior.turn().commit_now().await;
        }
        committed
    }

    /// Asks the code for a directive about a child that failed, unless it is too late for an answer. `Err`: the incarnation
    /// ended.
    async fn request_directive(&self, behavior: &mut dyn Behavior) -> Result<(), End> {
        let Some(request) = self.instance.backlog.lock().directive_requests.pop_front() else { return Ok(()) };
        if !request.is_open(&self.shared.clock) {
            return Ok(());
        }
        let DirectiveRequest { failure, child, incarnation, pending: _pending, .. } = request;
        let shared = self.shared.clone();
        let asked = self.hook(behavior, Hook::ChildFailed, None, |behavior| {
            Box::pin(async move {
                // The answer comes before the commit: a receiver without space may wait for this child.
                let directive = behavior.child_failed(&failure).await?;
                let _ = shared.supervisor.request(Request::Directive { child, incarnation, directive });
                Ok(())
            })
        });
        match asked.await {
            Ok(()) => Ok(()),
            Err(Broken::Killed) => Err(End::Stopped),
            Err(Broken::Crash(crash)) => {
                behavior.turn().end_timers();
                Err(self.crashed(crash, Vec::new()))
            }
        }
    }

    /// Ends in order. A hook that crashes or takes too long is counted and has no other effect, since the actor is stopping
    /// anyway.
    async fn shutdown(&self, behavior: &mut dyn Behavior) -> End {
        behavior.turn().end_timers();
        if let Err(Broken::Crash(crash)) =
            self.hook(behavior, Hook::Shutdown, None, |behavior| behavior.shutdown()).await
        {
            self.report(crash, None, 0, false).decide(Decision::Stopped);
        }
        End::Stopped
    }

    /// Ends in order because there is no work. New messages wait for the next incarnation; a signal of the supervision in
    /// that time has been obeyed.
    async fn passivate(&self, behavior: &mut dyn Behavior) -> End {
        self.shutdown(behavior).await;
        let (mailbox, instance) = (&self.actor.mailbox, self.instance.index);
        match mailbox.look(instance) {
            Signal::Run => End::Idle,
            Signal::Drain if !mailbox.is_drained(instance) => End::Idle,
            Signal::Stop | Signal::Drain | Signal::Kill => End::Stopped,
        }
    }

    async fn guarded<T>(&self, call: impl Future<Output = Result<T, Crash>>) -> Result<T, Broken> {
        self.guarded_as(None, call).await
    }

    /// Polls a call of the actor's code, or a part of its start, under its time limits and the supervisor's kill signal.
    /// Panics are caught.
    async fn guarded_as<T>(
        &self,
        start: Option<&mut StartTime>,
        call: impl Future<Output = Result<T, Crash>>,
    ) -> Result<T, Broken> {
        let mut call = pin!(AssertUnwindSafe(call).catch_unwind());
        // A call that returns at once has no more cost.
        let returned = match poll_once(call.as_mut()).await {
            Poll::Ready(returned) => returned,
            Poll::Pending => {
                let limit = CallLimit { shared: &self.shared, actor: &self.actor, instance: &self.instance };
                let watched = watch(&self.shared.clock, limit, start, call);
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
    fn unless_killed<T>(
        &self,
        mut future: Pin<&mut impl Future<Output = T>>,
    ) -> impl Future<Output = Result<T, Broken>> {
        poll_fn(move |cx| match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => {
                self.actor.mailbox.poll_signal(self.instance.index, cx, Signal::Kill).map(|_| Err(Broken::Killed))
            }
        })
    }

    /// Decides which message is to blame, and which messages are handled again.
    fn crashed(&self, crash: Crash, mut rest: Vec<Message>) -> End {
        let pending = self.shared.activity.guard();
        let in_turn = !rest.is_empty();
        if rest.len() == 1 {
            let mut message = rest.remove(0);
            message.envelope.attempt += 1;
            let report = self.report(crash, Some(&message.envelope), 0, in_turn);
            let (asked, last) =
                (message.envelope.reply.is_some(), message.envelope.attempt >= self.actor.spec.restart.attempts);
            self.call_back_later(&report, [(&message, message.envelope.attempt, asked || last)]);
            if asked {
                self.shared.routing.dead_letter(&self.actor, [message], &DeadReason::AskCrashed(report.clone()), true);
            } else if last {
                self.shared.routing.dead_letter(&self.actor, [message], &DeadReason::Crashed(report.clone()), true);
            } else {
                self.put_back(vec![message], 1);
            }
            return End::Crashed(report, pending);
        }
        // Askers get an error at once and may ask again; messages without an asker are handled again, alone.
        let (asks, tells): (Vec<_>, Vec<_>) = rest.into_iter().partition(|m| m.envelope.reply.is_some());
        let report = self.report(crash, None, tells.len(), in_turn);
        self.call_back_later(&report, asks.iter().map(|ask| (ask, ask.envelope.attempt + 1, true)));
        self.shared.routing.dead_letter(&self.actor, asks, &DeadReason::AskCrashed(report.clone()), true);
        let solo = tells.len();
        self.put_back(tells, solo);
        End::Crashed(report, pending)
    }

    /// Returns messages to the front; `solo` of them are handled one at a time.
    fn put_back(&self, messages: Vec<Message>, solo: usize) {
        if !messages.is_empty() {
            self.instance.backlog.lock().put_back(messages.into_iter(), solo);
        }
    }

    /// Returns messages of a call that a kill cut off; the code had started the first `tried` of them. That is not a failed
    /// attempt, but the dead letter of a message that is not handled after all counts it.
    fn put_back_killed(&self, messages: Vec<Message>, tried: usize) {
        self.instance.backlog.lock().put_back_killed(messages, tried);
    }

    fn failed_start(&self, broken: Broken) -> End {
        match broken {
            Broken::Killed => End::Stopped,
            Broken::Crash(crash) => End::FailedStart(self.report(crash, None, 0, false)),
        }
    }

    fn report(&self, crash: Crash, blamed: Option<&Envelope>, replayed: usize, in_turn: bool) -> Arc<CrashReport> {
        let flow = blamed.map(|envelope| (envelope.flow, envelope.hops));
        let blamed = blamed.map(|envelope| (envelope.id, envelope.attempt));
        let attempts = self.actor.spec.restart.attempts;
        let report = CrashReport::new(self.actor.address().clone(), self.number, crash);
        let report = Arc::new(CrashReport { blamed, flow, attempts, replayed, in_turn, ..report });
        let before = self.instance.last_crash.lock().replace(report.clone());
        log_crash(&report, before.is_some_and(|before| before.crash.backtrace == report.crash.backtrace));
        report
    }

    /// Drops the code's state. A panic in its destructors is logged and does not reach the kernel.
    fn discard(&self, behavior: Box<dyn Behavior>) {
        if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(|| drop(behavior))) {
            tracing::error!(
                target: "playhouse", address = %self.actor.address(),
                "panicked while it was dropped: {}", panic_message(&*panic)
            );
        }
    }
}

impl Admitted for Incarnation {
    fn address(&self) -> &Address {
        self.actor.address()
    }

    fn start_timeout(&self) -> Duration {
        self.actor.spec.start_timeout
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

/// A turn above its limits is not committed.
fn within_limits_of(behavior: &mut dyn Behavior) -> Result<(), Broken> {
    behavior.turn().within_limits().map_err(|overrun| Broken::Crash(overrun.into()))
}

/// Goes to the end of the runtime's queue. An instance or sender that was just woken from here is in this thread's slot, from
/// which other threads do not steal: either it runs now, or another thread takes this task.
async fn requeue() {
    let mut queued = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut queued, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn next_most(most: usize, cap: usize, took: Duration) -> usize {
    if took > CALL_TARGET {
        (most / 2).max(1)
    } else if took < CALL_TARGET / 2 {
        (most * 2).min(cap)
    } else {
        most
    }
}
