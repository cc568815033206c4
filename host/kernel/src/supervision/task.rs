//! The task that carries out what [`Tree`] decides: it spawns incarnations, passes the supervisor's word on,
//! and writes the log. It never touches a message.

use std::collections::HashMap;
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
use crate::kernel::InstanceView;
use crate::lane::Lane;
use crate::mailbox::Signal;
use crate::plan::Plan;
use crate::supervision::events::{Action, Ended, Event, Node, NodeSpec, ROOT, State, WhyGaveUp};
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

/// One actor, and how the tree sees each of its lanes.
pub(crate) struct Seen {
    pub(crate) actor: Arc<Actor>,
    pub(crate) instances: Vec<InstanceView>,
}

/// The state of an actor whose lanes are in these states.
pub(crate) fn furthest_up(states: impl Iterator<Item = State>) -> State {
    let rank = |state: &State| match state {
        State::Running => 0,
        State::Starting => 1,
        State::Stopping => 2,
        State::BackingOff => 3,
        State::Down => 4,
        State::Stopped => 5,
        State::Ended => 6,
    };
    states.min_by_key(rank).unwrap_or(State::Down)
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
    /// Who is at a node, by the node's place; nobody at the kernel's.
    roles: Vec<Option<Role>>,
    began: Instant,
    commands: Commands,
    stage: watch::Sender<Stage>,
    /// Crashes, the last ones: what led to a giving up.
    failures: Vec<Arc<CrashReport>>,
}

/// What a node stands for: one lane of an actor. The lanes of an actor are siblings.
#[derive(Clone)]
struct Role {
    node: Node,
    actor: Arc<Actor>,
    lane: Arc<Lane>,
    /// Its incarnation exists.
    runs: bool,
    /// It was told to handle what waits and to stop.
    drains: bool,
}

impl Role {
    fn signal(&self, signal: Signal) {
        self.actor.mailbox.set_signal(self.lane.index, signal);
    }
}

/// Failures shown when the kernel gives up.
const SHOWN_FAILURES: usize = 10;

impl Supervision {
    pub(crate) fn new(world: Arc<World>, plan: &Plan, commands: Commands, stage: watch::Sender<Stage>) -> Self {
        let mut tree = Tree::new(plan.supervision, plan.seed);
        let mut roles = vec![None];
        let mut nodes = HashMap::from([(Address::root(), ROOT)]);
        for spec in &plan.actors {
            let parent = spec.address.parent().and_then(|p| nodes.get(&p).copied());
            let parent = parent.expect("the plan was checked: parents come before children");
            let node_spec = NodeSpec {
                dynamic: false,
                consulted: false,
                consult_timeout: spec.timeout,
                kind: spec.restart.kind,
                backoff: spec.restart.backoff,
                supervision: spec.supervision,
                auto_start: spec.auto_start,
            };
            let actor = world.registry.add(spec.clone());
            for lane in &actor.lanes {
                let node = tree.add(parent, node_spec).expect("nothing is forgotten before the boot");
                debug_assert_eq!(node.index(), roles.len());
                nodes.insert(spec.address.clone(), node);
                roles.push(Some(Role { node, actor: actor.clone(), lane: lane.clone(), runs: false, drains: false }));
            }
        }
        Self { world, tree, roles, began: Instant::now(), commands, stage, failures: Vec::new() }
    }

    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut over = self.step(Event::Boot);
        while !over {
            let timer = self.tree.next_timer();
            let due = self.began + timer.unwrap_or_default();
            let events = tokio::select! {
                command = commands.recv() => command.map(|command| self.events_of(command)).unwrap_or_default(),
                () = tokio::time::sleep_until(due), if timer.is_some() => vec![Event::Timer],
            };
            for event in events {
                over |= self.step(event);
            }
        }
    }

    /// Answers what only looks; turns the rest into the tree's events.
    fn events_of(&mut self, command: Command) -> Vec<Event> {
        match command {
            Command::Started(node, incarnation) => vec![Event::Started(node, incarnation)],
            Command::Ended(node, incarnation, end) => {
                let how = match end {
                    End::Stopped => Ended::Stopped,
                    End::Crashed(report) if report.crash.reason == (CrashReason::Exit { status: 0 }) => Ended::Exited,
                    End::Crashed(report) => self.remember(report, Ended::Crashed),
                    End::FailedStart(report) => self.remember(report, Ended::FailedStart),
                };
                vec![Event::Ended(node, incarnation, how)]
            }
            Command::Halt(address, answer) => self.about(&address, answer, Event::Halt),
            Command::Resume(address, answer) => self.about(&address, answer, Event::Resume),
            Command::Look(answer) => {
                let _ = answer.send(self.look());
                Vec::new()
            }
            Command::Shutdown => {
                self.stage.send_if_modified(|stage| {
                    let running = matches!(stage, Stage::Starting | Stage::Running);
                    if running {
                        *stage = Stage::Stopping;
                    }
                    running
                });
                vec![Event::Shutdown]
            }
            Command::Kill => vec![Event::Kill],
        }
    }

    /// A person's word goes to all lanes of an actor.
    fn about(
        &self,
        address: &Address,
        answer: oneshot::Sender<Option<State>>,
        event: impl Fn(Node) -> Event,
    ) -> Vec<Event> {
        let now = self.began.elapsed();
        let here = self.roles.iter().flatten().filter(|role| role.actor.address() == address);
        let nodes: Vec<_> = here.map(|role| role.node).collect();
        let states = nodes.iter().filter_map(|&node| Some(self.tree.view(node, now)?.state));
        let _ = answer.send((!nodes.is_empty()).then(|| furthest_up(states)));
        nodes.into_iter().map(event).collect()
    }

    fn look(&self) -> Vec<Seen> {
        let now = self.began.elapsed();
        let mut all: Vec<Seen> = Vec::new();
        let mut known = HashMap::new();
        for Role { node, actor, lane, .. } in self.roles.iter().flatten() {
            let Some(view) = self.tree.view(*node, now) else { continue };
            let index = *known.entry(actor.id).or_insert_with(|| {
                all.push(Seen { actor: actor.clone(), instances: Vec::new() });
                all.len() - 1
            });
            all[index].instances.push(InstanceView {
                state: view.state,
                busy: view.state == State::Running && !actor.mailbox.sleeps(lane.index),
                incarnation: lane.incarnation(),
                restarts: view.restarts,
                last_crash: lane.last_crash.lock().clone(),
            });
        }
        all
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
        if let Event::Ended(node, ..) = event
            && let Some(role) = self.role_mut(node)
        {
            role.runs = false;
        }
        for action in self.tree.step(self.began.elapsed(), event) {
            over |= self.carry_out(action);
        }
        if let Event::Ended(node, ..) = event
            && let Some(role) = self.role_mut(node).filter(|role| role.drains && !role.runs)
        {
            let Role { actor, lane, .. } = role.clone();
            self.world.hand_on(&actor, &lane);
        }
        over
    }

    fn carry_out(&mut self, action: Action) -> bool {
        match action {
            Action::Start(node, incarnation) => self.start(node, incarnation),
            Action::Stop { node, drain } => {
                if let Some(role) = self.role_mut(node) {
                    role.drains = drain;
                    role.signal(if drain { Signal::Drain } else { Signal::Stop });
                }
            }
            Action::Kill { node, late } => {
                if late {
                    tracing::warn!(target: "playhouse", address = %self.role(node).actor.address(), "did not stop in time: killed");
                }
                self.role(node).signal(Signal::Kill);
            }
            Action::Retire(node) => self.retire(node),
            Action::Revive(node) => {
                let Role { actor, lane, .. } = self.role(node);
                actor.mailbox.reopen(lane.index);
            }
            Action::Forget(node) => {
                self.retire(node);
                self.roles[node.index()] = None;
            }
            // No actor of the plan is consulted.
            Action::Consult { .. } => {}
            Action::RestartIn { node, pause, .. } => {
                self.world.restarts.fetch_add(1, Ordering::Relaxed);
                tracing::info!(target: "playhouse", address = %self.role(node).actor.address(), "restarts in {pause:.0?}");
            }
            Action::GaveUp { node, why, .. } => self.gave_up(node, why),
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
                for Role { actor, lane, .. } in self.roles.iter().flatten() {
                    self.world.retire(actor, lane);
                }
                let failures = self.failures.drain(..).rev().collect();
                self.stage.send_replace(if gave_up { Stage::GaveUp(failures) } else { Stage::Stopped });
                return true;
            }
        }
        false
    }

    /// A supervisor failed because of a child: that is its own crash report.
    fn gave_up(&mut self, node: Node, why: WhyGaveUp) {
        let what = match why {
            WhyGaveUp::TooOften(window) => {
                format!("{} restarts in {:.0?}, {} are allowed", window.restarts, window.period, window.intensity)
            }
            WhyGaveUp::FailedStart => "a child did not come up".to_owned(),
            WhyGaveUp::Escalated => "it escalated the failure of a child".to_owned(),
        };
        let role = self.roles[node.index()].clone();
        let address = role.as_ref().map_or_else(Address::root, |role| role.actor.address().clone());
        tracing::error!(target: "playhouse", %address, "gave up: {what}");
        let Some(Role { lane, .. }) = role else { return };
        let message = match self.failures.last() {
            Some(report) => report.to_string(),
            None => what,
        };
        let report = Arc::new(CrashReport {
            address,
            incarnation: lane.incarnation(),
            at: SystemTime::now(),
            blamed: None,
            replayed: 0,
            crash: Crash::new(CrashReason::Children { message }),
        });
        *lane.last_crash.lock() = Some(report.clone());
        self.remember(report, Ended::Crashed);
    }

    fn retire(&self, node: Node) {
        let Role { actor, lane, .. } = self.role(node);
        self.world.retire(actor, lane);
    }

    /// `run`: how the tree counts the runs of this node. People see the actor's own count, which all its lanes share.
    fn start(&mut self, node: Node, run: u64) {
        let Some(role) = self.role_mut(node) else { return };
        (role.runs, role.drains) = (true, false);
        role.signal(Signal::Run);
        let number = role.actor.begin(&role.lane);
        let role = role.clone();
        let (actor, lane) = (role.actor.clone(), role.lane.clone());
        let incarnation = Incarnation { world: self.world.clone(), actor, lane, number };
        let commands = self.commands.clone();
        tokio::spawn(async move {
            let started = || drop(commands.send(Command::Started(node, run)));
            let world = incarnation.world.clone();
            let end = AssertUnwindSafe(incarnation.run(started)).catch_unwind().await;
            let end = end.unwrap_or_else(|panic| End::Crashed(report_bug(&role, number, &*panic)));
            // What it had may have ended with it.
            world.idle_hint.notify_waiters();
            let _ = commands.send(Command::Ended(node, run, end));
        });
    }

    fn role(&self, node: Node) -> &Role {
        self.roles[node.index()].as_ref().expect("the kernel gets no actions of its own")
    }

    /// None for one that is gone meanwhile.
    fn role_mut(&mut self, node: Node) -> Option<&mut Role> {
        self.roles[node.index()].as_mut().filter(|role| role.node == node)
    }
}

/// The kernel itself panicked while it ran an incarnation. That must not leave an actor that nobody restarts.
fn report_bug(role: &Role, incarnation: u64, panic: &(dyn std::any::Any + Send)) -> Arc<CrashReport> {
    let message = format!("a bug in the kernel: {}", panic_message(panic));
    tracing::error!(target: "playhouse", address = %role.actor.address(), "{message}");
    let report = Arc::new(CrashReport {
        address: role.actor.address().clone(),
        incarnation,
        at: SystemTime::now(),
        blamed: None,
        replayed: 0,
        crash: Crash::new(CrashReason::Panic { message }),
    });
    *role.lane.last_crash.lock() = Some(report.clone());
    report
}
