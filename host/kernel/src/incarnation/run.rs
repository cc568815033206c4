//! The course of an incarnation: launch, gate, init, turns, shutdown. The loop over its turns is `turns`.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::actor::directive_request::DirectiveRequest;
use crate::dispatch::hops::spread;
use crate::dispatch::requests::Request;
use crate::incarnation::behavior::{Behavior, Gate, launcher_of};
use crate::incarnation::gathering::Gathering;
use crate::incarnation::guard::{Waits, within_limits_of};
use crate::incarnation::state::{Broken, End, Incarnation};
use crate::mailbox::{Signal, Took};
use crate::turn::{Hook, Turn};
use crate::words::crash::Crash;
use crate::words::decision::Decision;
use crate::words::watchdog::StartTime;

/// The time that a call should take, approximately; a slower handler gets fewer messages at a time.
const CALL_TARGET: Duration = Duration::from_millis(2);
/// After full batches for this time, an incarnation lets other tasks run before the next batch.
const FAIR_SHARE: Duration = Duration::from_micros(200);
/// After a full batch that took this time, what the incarnation wakes runs beside it, on another worker.
const LONG_TURN: Duration = Duration::from_micros(100);
/// Of so many turns of an actor that takes one message at a time, one is measured.
const SINGLES_FOR_ONE: u32 = 4;

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
        let mut time = StartTime::new(self.actor.spec.limits.start_timeout);
        let launch = self.guarded(Some(&mut time), &mut Waits::default(), launcher.launch(turn)).await;
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
        self.release_sender();
        self.discard(behavior);
        end
    }

    /// Wakes a sender that a take held back. To be called before a poll of the incarnation ends after a take, since nothing says when the
    /// next take comes.
    #[inline]
    pub(super) fn release_sender(&self) {
        if self.actor.mailbox.holds_sender() {
            self.actor.mailbox.wake_held_sender();
        }
    }

    async fn ask_gate(&self, behavior: &mut dyn Behavior, time: &mut StartTime) -> Result<Gate, Broken> {
        behavior.turn().begin_hook(Hook::Gate);
        let answer = self.guarded(Some(time), &mut Waits::default(), behavior.decide_to_start()).await;
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
        // Full batches so far.
        let mut full = 0_u32;
        let mut gathering = Gathering::default();
        let calls_back = self.actor.spec.code.calls_back();
        loop {
            // Held until the end of the turn.
            let mut _last_chance = None;
            if calls_back && let Err(end) = self.call_back(behavior).await {
                return end;
            }
            match self.next_batch(behavior.turn(), most, &mut gathering).await {
                Took::Messages { .. } => {}
                // A notice that nobody takes is not handed over.
                Took::Suspect if behavior.turn().is_empty() => continue,
                Took::Suspect => {
                    let Ok(alone) = self.note_suspect(behavior.turn().sequence()).await else {
                        let rest = behavior.turn().abandon();
                        self.put_back(rest, 0);
                        return End::Stopped;
                    };
                    _last_chance = alone;
                }
                Took::DirectiveRequest => match self.request_directive(behavior).await {
                    Ok(()) => continue,
                    Err(end) => return end,
                },
                Took::TaskCrash => {
                    let crash = self.instance.backlog.lock().rare.as_mut().and_then(|rare| rare.take_task_crash());
                    behavior.turn().end_timers();
                    if let Some(crash) = crash {
                        return self.crashed(crash, Vec::new());
                    }
                }
                Took::Nothing if behavior.turn().is_attached() => continue,
                Took::Nothing => return self.passivate(behavior).await,
                Took::Signal(Signal::Kill) => return End::Stopped,
                Took::Signal(_) => return self.shutdown(behavior).await,
            }
            let count = behavior.turn().len();
            if count == 0 {
                continue;
            }
            // Only a full batch, and a sample, is measured: reading the clock costs as much as a short handler. Of full batches of one, which
            // only tell when other tasks are due, one of several stands for all.
            let turns = self.instance.turns();
            let is_sample = turns.is_sample();
            let each = if self.actor.spec.batch == 1 { SINGLES_FOR_ONE } else { 1 };
            full = if count == most { full.wrapping_add(1) } else { full };
            let is_timed = count == most && full.is_multiple_of(each);
            let began = (is_timed || is_sample).then(Instant::now);
            let mut waits = Waits { first: behavior.turn().first_id(), since: None };
            let handled = self.guarded(None, &mut waits, behavior.handle()).await;
            let handled = handled.and_then(|()| within_limits_of(behavior));
            match (began, waits.since) {
                (None, None) => turns.returned(count),
                (None, Some(since)) => turns.measured(count, since.elapsed()),
                (Some(began), waits) => {
                    let took = began.elapsed();
                    if is_timed {
                        most = next_most(most, self.actor.spec.batch, took);
                        ran += took * each;
                        if took >= LONG_TURN {
                            spread();
                        }
                    }
                    match waits {
                        Some(_) => turns.measured(count, took),
                        None if is_sample => turns.sampled(count, took),
                        None => turns.returned(count),
                    }
                }
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
                let mut budget = pin!(tokio::task::coop::consume_budget());
                let consumed = poll_fn(|cx| {
                    let polled = budget.as_mut().poll(cx);
                    if polled.is_pending() {
                        self.release_sender();
                    }
                    polled
                });
                consumed.await;
            } else {
                ran = Duration::ZERO;
                self.release_sender();
                tokio::task::yield_now().await;
            }
        }
    }

    pub(super) async fn hook(
        &self,
        behavior: &mut dyn Behavior,
        hook: Hook,
        time: Option<&mut StartTime>,
        call: impl for<'a> FnOnce(&'a mut dyn Behavior) -> BoxFuture<'a, Result<(), Crash>>,
    ) -> Result<(), Broken> {
        behavior.turn().begin_hook(hook);
        let result = self.guarded(time, &mut Waits::default(), call(behavior)).await;
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
        let next = self.instance.backlog.lock().rare.as_mut().and_then(|rare| rare.next_directive_request());
        let Some(request) = next else { return Ok(()) };
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
