//! The task that carries out what [`Tree`] decides: it spawns incarnations, passes the supervisor's word on,
//! and writes the log. It never touches a message.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::actor::{Actor, World};
use crate::address::Address;
use crate::crash::{Crash, CrashReason, CrashReport};
use crate::incarnation::{End, Incarnation, panic_message};
use crate::mailbox::Signal;
use crate::plan::Plan;
use crate::supervision::events::{Action, Ended, Event, Node, NodeSpec, ROOT, State};
use crate::supervision::tree::Tree;

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
    /// By node; the kernel has none.
    actors: Vec<Option<Arc<Actor>>>,
    began: Instant,
    commands: Commands,
    stage: watch::Sender<Stage>,
    /// Crashes, the last ones: what led to a giving up.
    failures: Vec<Arc<CrashReport>>,
}

/// Failures shown when the kernel gives up.
const SHOWN_FAILURES: usize = 10;

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
                    kind: spec.restart.kind,
                    backoff: spec.restart.backoff,
                    supervision: spec.supervision,
                    auto_start: spec.auto_start,
                },
            );
            nodes.insert(spec.address.clone(), node);
            actors.push(Some(world.registry.add(spec.clone())));
        }
        Self { world, tree, actors, began: Instant::now(), commands, stage, failures: Vec::new() }
    }

    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut over = self.step(Event::Boot);
        while !over {
            let timer = self.tree.next_timer();
            let due = self.began + timer.unwrap_or_default();
            let event = tokio::select! {
                // In this order, so that one seed gives one play, and that crashes without a pause starve no timer.
                biased;
                () = tokio::time::sleep_until(due), if timer.is_some() => Event::Timer,
                command = commands.recv() => match command.and_then(|command| self.event_of(command)) {
                    Some(event) => event,
                    None => continue,
                },
            };
            over = self.step(event);
        }
    }

    /// Answers what only looks; turns the rest into the tree's events.
    fn event_of(&mut self, command: Command) -> Option<Event> {
        match command {
            Command::Started(node, incarnation) => Some(Event::Started(node, incarnation)),
            Command::Ended(node, incarnation, end) => {
                let how = match end {
                    End::Stopped => Ended::Stopped,
                    End::Crashed(report) if report.crash.reason == (CrashReason::Exit { status: 0 }) => Ended::Exited,
                    End::Crashed(report) => self.remember(report, Ended::Crashed),
                    End::FailedStart(report) => self.remember(report, Ended::FailedStart),
                };
                Some(Event::Ended(node, incarnation, how))
            }
            Command::Halt(address, answer) => self.about(&address, answer, Event::Halt),
            Command::Resume(address, answer) => self.about(&address, answer, Event::Resume),
            Command::Look(answer) => {
                let look = |(node, actor): (Node, &Option<Arc<Actor>>)| {
                    let (state, incarnation, restarts) = self.tree.view(node);
                    Some(Seen { actor: actor.clone()?, state, incarnation, restarts })
                };
                let _ = answer.send(self.actors.iter().enumerate().filter_map(look).collect());
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
        let node = self.actors.iter().position(|a| a.as_ref().is_some_and(|a| a.address() == address));
        let before = node.map(|node| self.tree.view(node).0);
        let _ = answer.send(before);
        node.map(event)
    }

    fn remember(&mut self, report: Arc<CrashReport>, how: Ended) -> Ended {
        if self.failures.len() == SHOWN_FAILURES {
            self.failures.remove(0);
        }
        self.failures.push(report);
        how
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
            Action::Retire(node) => self.world.retire(self.actor(node)),
            Action::RestartIn(node, pause) => {
                self.world.restarts.fetch_add(1, Ordering::Relaxed);
                tracing::info!(target: "playhouse", address = %self.actor(node).address(), "restarts in {pause:.0?}");
            }
            Action::GaveUp(node) => {
                let address = self.actors[node].as_ref().map_or_else(Address::root, |a| a.address().clone());
                tracing::error!(target: "playhouse", %address, "gave up: a child failed to come up, or restarted too often");
                if let Some(actor) = &self.actors[node] {
                    let message = match self.failures.last() {
                        Some(report) => report.to_string(),
                        None => "restarted too often".to_owned(),
                    };
                    let report = CrashReport {
                        address,
                        incarnation: self.tree.view(node).1,
                        at: SystemTime::now(),
                        blamed: None,
                        replayed: 0,
                        crash: Crash::new(CrashReason::Children { message }),
                    };
                    let report = Arc::new(report);
                    *actor.last_crash.lock() = Some(report.clone());
                    self.remember(report, Ended::Crashed);
                }
            }
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
                for actor in self.actors.iter().flatten() {
                    self.world.retire(actor);
                }
                let failures = self.failures.drain(..).rev().collect();
                self.stage.send_replace(if gave_up { Stage::GaveUp(failures) } else { Stage::Stopped });
                return true;
            }
        }
        false
    }

    fn start(&self, node: Node, number: u64) {
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
        self.actors[node].as_ref().expect("the kernel gets no actions of its own")
    }
}

/// The kernel itself panicked while it ran an incarnation. That must not leave an actor that nobody restarts.
fn report_bug(actor: &Actor, incarnation: u64, panic: &(dyn std::any::Any + Send)) -> Arc<CrashReport> {
    let message = format!("a bug in the kernel: {}", panic_message(panic));
    tracing::error!(target: "playhouse", address = %actor.address(), "{message}");
    let report = Arc::new(CrashReport {
        address: actor.address().clone(),
        incarnation,
        at: SystemTime::now(),
        blamed: None,
        replayed: 0,
        crash: Crash::new(CrashReason::Panic { message }),
    });
    *actor.last_crash.lock() = Some(report.clone());
    report
}
