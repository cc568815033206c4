//! Actors of the simulation: plain Rust behaviours that roll the effect of each message and write every event into the
//! ledger.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    ActorGrants, ActorLimits, ActorSpec, Behavior, BoxFuture, Crash, CrashReason, Failure, Gate, Launcher,
    MaxInstances, Outcome, Plan, SubtreeSpec, Turn,
};
use tokio::time::{Instant, sleep};

use crate::bodies;
use crate::dice::Dice;
use crate::ledger::{How, Incarnation, RunId};
use crate::minds;
use crate::pen::Pen;
use crate::stage::Stage;
use crate::trace::Serial;
use crate::world::{Play, Plot, Role, Temper, Who};

/// The plan of the play, whose actors write into the ledger.
pub fn plan(stage: &Arc<Stage>) -> Plan {
    let actors = (0..stage.play.roles.len()).map(|who| spec(stage, who)).collect();
    let Play { seed, supervision, dead_letters, most_instances, .. } = stage.play;
    let max_instances = most_instances.map(|most| MaxInstances { most, key: "this play".into() });
    Plan { actors, supervision, dead_letters, seed, max_instances, ..Plan::default() }
}

fn spec(stage: &Arc<Stage>, who: Who) -> ActorSpec {
    let Role { start, idle_stop, instances, batch, mailbox, restart, supervision, timeout, .. } = stage.play.roles[who];
    let launcher = Arc::new(Player { stage: stage.clone(), who });
    ActorSpec {
        start,
        idle_stop,
        instances,
        batch,
        mailbox,
        policy: stage.play.roles[who].mind.map(|mind| Box::new(minds::spec(mind, stage, who))),
        restart,
        // The first is directly under the kernel.
        required: who == 0 && stage.play.seed.is_multiple_of(5),
        supervision,
        limits: ActorLimits {
            timeout,
            subtree: stage.play.roles[who].subtree.as_ref().map(|subtree| {
                let (actors, instances) = (Some(subtree.members.len()), Some(subtree.most_instances));
                Box::new(SubtreeSpec { actors, instances })
            }),
            ..ActorLimits::default()
        },
        grants: ActorGrants {
            sends_to: stage.play.roles[who].targets.iter().map(|&t| stage.play.roles[t].address.clone()).collect(),
            ..ActorGrants::default()
        },
        ..ActorSpec::new(stage.play.roles[who].address.clone(), launcher)
    }
}

struct Player {
    stage: Arc<Stage>,
    who: Who,
}

impl Launcher for Player {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        let presence = Presence { stage: self.stage.clone(), who: self.who, incarnation: turn.incarnation() };
        self.stage.ledger().launch(presence.incarnation_id());
        let part = Part { presence, turn, timer: None, pen: Pen::new(self.stage.play.roles[self.who].bulk) };
        Box::pin(async move {
            let mut dice = part.hook_dice(1);
            part.mishap(&mut dice).await?;
            let behavior: Box<dyn Behavior> = Box::new(part);
            Ok(behavior)
        })
    }

    fn plugin(&self) -> &'static str {
        "simulated"
    }

    fn gated(&self) -> bool {
        self.stage.play.roles[self.who].gated
    }
}

/// One incarnation, from its launch to its end of any kind.
struct Presence {
    stage: Arc<Stage>,
    who: Who,
    incarnation: u64,
}

impl Presence {
    fn incarnation_id(&self) -> Incarnation {
        Incarnation { who: self.who, incarnation: self.incarnation }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.stage.ledger().gone(self.incarnation_id());
    }
}

struct Part {
    presence: Presence,
    turn: Turn,
    pen: Pen,
    /// The last timer that it set, and the message of that timer.
    timer: Option<(u64, Serial)>,
}

impl Behavior for Part {
    fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }

    fn decide_to_start(&mut self) -> BoxFuture<'_, Result<Gate, Crash>> {
        let mut dice = self.hook_dice(6);
        let opens = dice.percent(50);
        let gate = if opens { Gate::Start } else { Gate::Wait(Some(dice.millis(0, 20))) };
        self.stage().ledger().gate(self.presence.who, opens);
        Box::pin(async move { Ok(gate) })
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(self.hook("init", 2))
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(self.turns())
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.stage().ledger().timers_end(self.presence.incarnation_id());
        Box::pin(self.hook("shutdown", 3))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Panic,
    Trap,
    Exit(i32),
    Hang,
}

const FAULTS: [Fault; 5] = [Fault::Panic, Fault::Trap, Fault::Exit(0), Fault::Exit(1), Fault::Hang];

impl Fault {
    async fn strike(self) -> Result<(), Crash> {
        match self {
            // Unlike `panic!`, it writes nothing to stderr.
            Self::Panic => std::panic::resume_unwind(Box::new("a panic of the simulated actor")),
            Self::Trap => Err(Crash::new(CrashReason::Trap { kind: "simulated".into() })),
            Self::Exit(status) => Err(Crash::new(CrashReason::Exit { status })),
            Self::Hang => std::future::pending().await,
        }
    }
}

/// Marks a call as cut off when it is dropped half-way.
struct Cut(Option<(Arc<Stage>, Incarnation)>);

impl Drop for Cut {
    fn drop(&mut self) {
        if let Some((stage, incarnation_id)) = self.0.take() {
            let mut ledger = stage.ledger();
            ledger.must(!std::thread::panicking(), || "the simulated actor panicked without meaning to".to_owned());
            ledger.call_cut(incarnation_id);
        }
    }
}

impl Part {
    fn stage(&self) -> Arc<Stage> {
        self.presence.stage.clone()
    }

    fn role(&self) -> &Role {
        &self.presence.stage.play.roles[self.presence.who]
    }

    fn hook_dice(&self, hook: u64) -> Dice {
        let Presence { stage, who, incarnation } = &self.presence;
        Dice::new(stage.play.seed, hook + 8 * (*who as u64 + 64 * incarnation))
    }

    async fn hook(&mut self, name: &'static str, salt: u64) -> Result<(), Crash> {
        let stage = self.stage();
        let mut dice = self.hook_dice(salt);
        let run = stage.ledger().hook_begins(self.presence.incarnation_id(), name);
        // Only some incarnations do this: a play in which each crash leads to a message would never end.
        let speaks = self.presence.incarnation <= 3 && dice.percent(30);
        if speaks && !self.role().targets.is_empty() {
            let to = dice.pick(&self.role().targets);
            let plot = Plot { temper: Temper::Calm, fuel: dice.below(2) as u8 };
            self.pen.begin_hook();
            self.tell(&mut dice, run, to, plot);
        }
        let result = self.mishap(&mut dice).await;
        stage.ledger().hook_ends(run, result.is_ok());
        result
    }

    /// Faults of `launch` and of the hooks.
    async fn mishap(&self, dice: &mut Dice) -> Result<(), Crash> {
        let weather = self.presence.stage.play.weather;
        if dice.percent(weather.slow) {
            sleep(dice.millis(0, 8)).await;
        }
        if dice.percent(weather.hook) {
            return dice.pick(&FAULTS).strike().await;
        }
        Ok(())
    }

    async fn turns(&mut self) -> Result<(), Crash> {
        let (stage, incarnation_id) = (self.stage(), self.presence.incarnation_id());
        let (taken, most) = (self.turn.len(), self.role().batch);
        stage.ledger().call_begins(incarnation_id, taken, most);
        let mut cut = Cut(Some((stage.clone(), incarnation_id)));
        self.pen.begin(&mut self.turn);
        while let Some((envelope, body)) = self.pen.current(&self.turn) {
            let lines = stage.ledger().trace.len() as u64;
            let mut dice = Dice::new(stage.play.seed, 4 + 8 * lines);
            if dice.percent(stage.play.weather.early) {
                break;
            }
            let (serial, plot) = bodies::read(&stage, &body);
            let run = stage.ledger().begin(&stage.play, incarnation_id, serial, envelope);
            stage.ledger().takes_up(incarnation_id, run);
            let sender = self.pen.sender(&mut self.turn);
            bodies::check_sender(&stage, serial, sender);
            let crash = self.turn(&mut dice, run, plot, envelope.attempt).await?;
            let outcome = match crash {
                Step::Ends(outcome) => outcome,
                Step::Crashes => return self.crash_in_call(&mut dice, &mut cut).await,
            };
            stage.ledger().ends(incarnation_id, how(&outcome));
            self.pen.finish(&mut self.turn, outcome);
            if dice.percent(stage.play.weather.crash / 2) {
                return self.crash_in_call(&mut dice, &mut cut).await;
            }
        }
        self.pen.flush(&mut self.turn);
        cut.0 = None;
        stage.ledger().call_returns(incarnation_id);
        Ok(())
    }

    async fn crash_in_call(&mut self, dice: &mut Dice, cut: &mut Cut) -> Result<(), Crash> {
        // The crash drops the records before it as well.
        if dice.percent(50) {
            self.pen.flush(&mut self.turn);
        }
        let fault = dice.pick(&FAULTS);
        if fault != Fault::Hang {
            cut.0 = None;
            self.presence.stage.ledger().call_crashes(self.presence.incarnation_id());
        }
        fault.strike().await
    }

    /// The steps of one message: sends, asks, pauses.
    async fn turn(&mut self, dice: &mut Dice, run: RunId, plot: Plot, attempt: u32) -> Result<Step, Crash> {
        let weather = self.presence.stage.play.weather;
        let bad = match plot.temper {
            Temper::Poison => true,
            Temper::Shock => attempt == 0,
            _ => dice.percent(weather.crash),
        };
        let steps = dice.below(4);
        let crash_before = if bad { dice.between(0, steps) } else { usize::MAX };
        for step in 0..=steps {
            if step == crash_before {
                return Ok(Step::Crashes);
            }
            if step < steps {
                self.step(dice, run, plot).await;
            }
        }
        Ok(Step::Ends(match plot.temper {
            Temper::Rejected => Outcome::Failed(Failure::Reject("no".into())),
            Temper::Retried => Outcome::Failed(Failure::Retry("not now".into())),
            Temper::RetriedOnce if attempt == 0 => Outcome::Failed(Failure::Retry("not yet".into())),
            _ => Outcome::Done(dice.percent(60).then(|| (run as u64).to_le_bytes().into())),
        }))
    }

    async fn step(&mut self, dice: &mut Dice, run: RunId, plot: Plot) {
        let weather = self.presence.stage.play.weather;
        if dice.percent(weather.slow) {
            // Sometimes longer than a call may take.
            let most = if dice.percent(5) { 100 } else { 10 };
            return sleep(dice.millis(0, most)).await;
        }
        let kind = dice.below(10);
        if kind == 0 {
            return tokio::task::yield_now().await;
        }
        if kind == 1 {
            return bodies::check_strangers(self.presence.who, &self.presence.stage, &mut self.turn);
        }
        let Some(fuel) = plot.fuel.checked_sub(1) else { return };
        if self.role().targets.is_empty() {
            return;
        }
        let to = dice.pick(&self.role().targets);
        let next = Plot::roll(dice, weather, fuel);
        if let (2 | 3, Pen::Plain) = (kind, &self.pen) {
            self.set_timer(dice, run, to, next);
        } else if kind < 8 {
            self.tell(dice, run, to, next);
        } else {
            let timeout = dice.millis(0, 80);
            self.ask(dice, run, to, next, timeout).await;
        }
    }

    fn tell(&mut self, dice: &mut Dice, run: RunId, to: Who, plot: Plot) {
        let stage = self.stage();
        let bytes = bodies::roll_bytes(dice);
        let serial = stage.ledger().tells(run, to, plot, bytes);
        let body = bodies::write(serial, plot, bytes);
        self.pen.tell(&mut self.turn, stage.play.roles[to].address.as_str(), &body);
    }

    /// Sets a timer, and sometimes cancels the one before.
    fn set_timer(&mut self, dice: &mut Dice, run: RunId, to: Who, plot: Plot) {
        let (stage, who) = (self.stage(), self.presence.who);
        if let Some((id, serial)) = self.timer.take_if(|_| dice.percent(20)) {
            stage.ledger().cancels(who, serial);
            self.turn.cancel(id);
        }
        let (bytes, wait) = (bodies::roll_bytes(dice), dice.millis(0, 40));
        let serial = stage.ledger().sets_timer(run, to, plot, bytes, wait);
        let body = bodies::write(serial, plot, bytes);
        let id = self.turn.tell_after(stage.play.roles[to].address.as_str(), &body, wait).expect("it is granted");
        self.timer = Some((id, serial));
    }

    async fn ask(&mut self, dice: &mut Dice, run: RunId, to: Who, plot: Plot, timeout: Duration) {
        let (stage, incarnation_id) = (self.stage(), self.presence.incarnation_id());
        let bytes = bodies::roll_bytes(dice);
        self.pen.flush(&mut self.turn);
        let (serial, circle) = stage.ledger().ask_begins(run, to, plot, bytes, timeout);
        let body = bodies::write(serial, plot, bytes);
        let began = Instant::now();
        let answer = self.turn.ask(stage.play.roles[to].address.as_str(), &body, timeout).await;
        stage.ledger().ask_answered(&stage.play, incarnation_id, &answer);
        bodies::check_answer(&stage, serial, &answer, circle, began.elapsed(), timeout);
    }
}

enum Step {
    Ends(Outcome),
    Crashes,
}

fn how(outcome: &Outcome) -> How {
    match outcome {
        Outcome::Done(_) | Outcome::DoneWith(_) => How::Done,
        Outcome::Failed(Failure::Reject(_) | Failure::BadReply(_)) => How::Rejected,
        Outcome::Failed(Failure::Retry(_)) => How::Retried,
    }
}
