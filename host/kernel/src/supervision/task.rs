//! The task that carries out what [`Tree`] decides: it spawns incarnations, passes the supervisor's word on,
//! and writes the log. It never touches a message. Its child `verdicts` keeps the books on failures.

mod verdicts;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::actor::{Actor, World};
use crate::address::Address;
use crate::crash::{Crash, CrashReason, CrashReport};
use crate::decision::Decision;
use crate::incarnation::{End, Incarnation, panic_message};
use crate::mailbox::Signal;
use crate::plan::{Plan, Strategy};
use crate::supervision::events::{Action, Ended, Event, Node, NodeSpec, ROOT, State, View, WhyGaveUp};
use crate::supervision::tree::Tree;
use verdicts::Verdicts;

/// What the task is asked.
pub(crate) enum Command {
    Started(Node, u64),
    Ended(Node, u64, End),
    Halt(Address, oneshot::Sender<Option<State>>),
    Resume(Address, oneshot::Sender<Option<State>>),
    Look(oneshot::Sender<Vec<Seen>>),
    Shutdown,
    Kill,
}

/// One actor as the tree sees it.
pub(crate) struct Seen {
    pub(crate) actor: Arc<Actor>,
    pub(crate) state: State,
    pub(crate) incarnation: u64,
    pub(crate) restarts: u64,
}

/// Where the whole play stands.
#[derive(Debug, Clone)]
pub enum Stage {
    /// Actors come up for the first time.
    Starting,
    /// All that start by themselves are up.
    Running,
    /// An orderly shutdown is under way.
    Stopping,
    /// Nothing runs any more, as asked.
    Stopped,
    /// The kernel had to give up; the failures that led there, the last one first.
    GaveUp(Vec<Arc<CrashReport>>),
}

/// Sends to the supervision task. The channel is unbounded, and what it holds is bounded: an incarnation sends
/// two commands in its life, a person's request waits for its answer.
pub(crate) type Commands = mpsc::UnboundedSender<Command>;

pub(crate) struct Supervision {
    world: Arc<World>,
    tree: Tree,
    /// By the node's place; the kernel has none.
    actors: Vec<Option<(Node, Arc<Actor>)>>,
    began: Instant,
    commands: Commands,
    stage: watch::Sender<Stage>,
    /// How the kernel looks after the top actors.
    strategy: Strategy,
    verdicts: Verdicts,
    /// What made the kernel give up, if it did.
    gave_up: Vec<Arc<CrashReport>>,
}

impl Supervision {
    pub(crate) fn new(world: Arc<World>, plan: &Plan, commands: Commands, stage: watch::Sender<Stage>) -> Self {
        let mut tree = Tree::new(plan.supervision, plan.seed);
        let mut actors = vec![None];
        let mut nodes = std::collections::HashMap::from([(Address::root(), ROOT)]);
        for spec in &plan.actors {
            let parent = spec.address.parent().and_then(|p| nodes.get(&p).copied());
            let node = tree.add(
                parent.expect("the plan was checked: parents come before children"),
                NodeSpec {
                    dynamic: false,
                    consulted: false,
                    consult_timeout: spec.timeout,
                    kind: spec.restart.kind,
                    backoff: spec.restart.backoff,
                    supervision: spec.supervision,
                    auto_start: spec.auto_start,
                },
            );
            let node = node.expect("nothing is forgotten before the boot");
            debug_assert_eq!(node.index(), actors.len());
            nodes.insert(spec.address.clone(), node);
            actors.push(Some((node, world.registry.add(spec.clone()))));
        }
        Self {
            world,
            tree,
            actors,
            began: Instant::now(),
            commands,
            stage,
            strategy: plan.supervision.strategy,
            verdicts: Verdicts::default(),
            gave_up: Vec::new(),
        }
    }

    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut over = self.step(Event::Boot);
        while !over {
            let timer = self.tree.next_timer();
            let due = self.began + timer.unwrap_or_default();
            let event = tokio::select! {
                command = commands.recv() => match command.and_then(|command| self.event_of(command)) {
                    Some(event) => event,
                    None => continue,
                },
                () = tokio::time::sleep_until(due), if timer.is_some() => Event::Timer,
            };
            over = self.step(event);
        }
    }

    /// Answers what only looks; turns the rest into the tree's events.
    fn event_of(&mut self, command: Command) -> Option<Event> {
        match command {
            Command::Started(node, incarnation) => Some(Event::Started(node, incarnation)),
            Command::Ended(node, incarnation, end) => {
                let (report, how) = match end {
                    End::Stopped => return Some(Event::Ended(node, incarnation, Ended::Stopped)),
                    End::Crashed(report) if report.crash.reason == (CrashReason::Exit { status: 0 }) => {
                        (report, Ended::Exited)
                    }
                    End::Crashed(report) => (report, Ended::Crashed),
                    End::FailedStart(report) => (report, Ended::FailedStart),
                };
                self.verdicts.failed(node, report);
                Some(Event::Ended(node, incarnation, how))
            }
            Command::Halt(address, answer) => self.about(&address, answer, Event::Halt),
            Command::Resume(address, answer) => self.about(&address, answer, Event::Resume),
            Command::Look(answer) => {
                let now = self.began.elapsed();
                let look = |(node, actor): &(Node, Arc<Actor>)| {
                    let View { state, incarnation, restarts, .. } = self.tree.view(*node, now)?;
                    Some(Seen { actor: actor.clone(), state, incarnation, restarts })
                };
                let _ = answer.send(self.actors.iter().flatten().filter_map(look).collect());
                None
            }
            Command::Shutdown => {
                self.stage.send_if_modified(|stage| {
                    let running = matches!(stage, Stage::Starting | Stage::Running);
                    if running {
                        *stage = Stage::Stopping;
                    }
                    running
                });
                Some(Event::Shutdown)
            }
            Command::Kill => Some(Event::Kill),
        }
    }

    fn about(
        &mut self,
        address: &Address,
        answer: oneshot::Sender<Option<State>>,
        event: impl FnOnce(Node) -> Event,
    ) -> Option<Event> {
        let node = self.actors.iter().flatten().find(|(_, actor)| actor.address() == address).map(|(node, _)| *node);
        let before = node.and_then(|node| self.tree.view(node, self.began.elapsed())).map(|view| view.state);
        let _ = answer.send(before);
        node.map(event)
    }

    /// Carries out what an event leads to; true when nothing runs any more.
    fn step(&mut self, event: Event) -> bool {
        let mut over = false;
        for action in self.tree.step(self.began.elapsed(), event) {
            over |= self.carry_out(action);
        }
        over
    }

    fn carry_out(&mut self, action: Action) -> bool {
        match action {
            Action::Start(node, incarnation) => self.start(node, incarnation),
            Action::Stop { node, drain } => {
                self.actor(node).mailbox.set_signal(if drain { Signal::Drain } else { Signal::Stop });
            }
            Action::Kill { node, late } => {
                if late {
                    tracing::warn!(target: "playhouse", address = %self.actor(node).address(), "did not stop in time: killed");
                }
                self.actor(node).mailbox.set_signal(Signal::Kill);
            }
            Action::Retire(node) => {
                self.verdicts.decided(node, self.end_of(node));
                self.world.retire(self.actor(node));
            }
            Action::Revive(node) => self.actor(node).mailbox.reopen(),
            Action::Forget(node) => {
                self.verdicts.decided(node, self.end_of(node));
                self.world.retire(self.actor(node));
                self.actors[node.index()] = None;
            }
            // No actor of the plan is consulted.
            Action::Consult { .. } => {}
            Action::RestartIn { node, pause, window } => {
                self.world.restarts.fetch_add(1, Ordering::Relaxed);
                let address = self.actor(node).address();
                let decision = Decision::Restarts { pause, window, strategy: self.strategy_above(address) };
                tracing::info!(target: "playhouse", %address, "{decision}");
                self.verdicts.decided(node, decision);
            }
            Action::GaveUp { node, child, why } => self.gave_up(node, child, why),
            Action::Booted => {
                self.stage.send_if_modified(|stage| {
                    let starting = matches!(stage, Stage::Starting);
                    if starting {
                        *stage = Stage::Running;
                    }
                    starting
                });
            }
            Action::Over(gave_up) => {
                for (_, actor) in self.actors.iter().flatten() {
                    self.world.retire(actor);
                }
                let failures = std::mem::take(&mut self.gave_up);
                self.stage.send_replace(if gave_up { Stage::GaveUp(failures) } else { Stage::Stopped });
                return true;
            }
        }
        false
    }

    /// A supervisor failed because of a child: that is its own failure, with the child's as its cause.
    fn gave_up(&mut self, node: Node, child: Node, why: WhyGaveUp) {
        let cause = self.verdicts.open(child);
        let actor = self.actors[node.index()].as_ref().map(|(_, actor)| actor.clone());
        let address = actor.as_ref().map_or_else(Address::root, |a| a.address().clone());
        let last = cause.as_ref().map(|report| format!("; the last: {report}")).unwrap_or_default();
        tracing::error!(target: "playhouse", %address, "gave up: {why}{last}");
        self.verdicts.decided(child, Decision::GaveUp { supervisor: address.clone(), why });
        let (Some(actor), Some(view)) = (actor, self.tree.view(node, self.began.elapsed())) else {
            self.gave_up = self.verdicts.of_the_kernel(why);
            return;
        };
        let crash = Crash::new(CrashReason::Children { message: why.to_string() });
        let report = Arc::new(CrashReport { cause, ..CrashReport::new(address, view.incarnation, crash) });
        *actor.last_crash.lock() = Some(report.clone());
        self.verdicts.failed(node, report);
    }

    /// Why somebody that failed does not come back.
    fn end_of(&self, node: Node) -> Decision {
        let running = matches!(*self.stage.borrow(), Stage::Starting | Stage::Running) && self.gave_up.is_empty();
        if running { Decision::Ended(self.actor(node).spec.restart.kind) } else { Decision::Stopped }
    }

    /// The rule of an actor's parent.
    fn strategy_above(&self, address: &Address) -> Strategy {
        let parent = address.parent().and_then(|parent| self.world.registry.get(&parent));
        parent.map_or(self.strategy, |parent| parent.spec.supervision.strategy)
    }

    fn start(&mut self, node: Node, number: u64) {
        // Who failed and starts without another word was stopping: for a person, with its parent, or with all others.
        let drains = matches!(*self.stage.borrow(), Stage::Stopping);
        self.verdicts.decided(node, if drains { Decision::Drains } else { Decision::Stopped });
        let actor = self.actor(node).clone();
        actor.mailbox.set_signal(Signal::Run);
        let incarnation = Incarnation { world: self.world.clone(), actor, number };
        let commands = self.commands.clone();
        tokio::spawn(async move {
            let started = || drop(commands.send(Command::Started(node, number)));
            let world = incarnation.world.clone();
            let actor = incarnation.actor.clone();
            let run = AssertUnwindSafe(incarnation.run(started)).catch_unwind();
            let end = run.await.unwrap_or_else(|panic| End::Crashed(report_bug(&actor, number, &*panic)));
            // What it had may have ended with it.
            world.idle_hint.notify_waiters();
            let _ = commands.send(Command::Ended(node, number, end));
        });
    }

    fn actor(&self, node: Node) -> &Arc<Actor> {
        let (_, actor) = self.actors[node.index()].as_ref().expect("the kernel gets no actions of its own");
        actor
    }
}

/// The kernel itself panicked while it ran an incarnation. That must not leave an actor that nobody restarts.
fn report_bug(actor: &Actor, incarnation: u64, panic: &(dyn std::any::Any + Send)) -> Arc<CrashReport> {
    let message = format!("a bug in the kernel: {}", panic_message(panic));
    tracing::error!(target: "playhouse", address = %actor.address(), "{message}");
    let crash = Crash::new(CrashReason::Panic { message });
    let report = Arc::new(CrashReport::new(actor.address().clone(), incarnation, crash));
    *actor.last_crash.lock() = Some(report.clone());
    report
}
