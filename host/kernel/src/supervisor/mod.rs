//! The task that carries out the decisions of [`Tree`]: it spawns incarnations, sends the supervisor's signals, and writes
//! the log. It never handles a message. Of its modules, `look` returns the states of actors, `rest` waits for messages to
//! actors without an incarnation, `circuit` handles actors that failed too often, `failures` handles failures, and `verdicts`
//! records the decision about each.

mod circuit;
mod failures;
mod look;
mod passivation;
mod places;
mod starts;
mod verdicts;
mod watches;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::actor::instance::Instance;
use crate::actor::subtree::{Membership, Subtree};
use crate::actor::{Actor, Pending, Presence, Shared};
use crate::incarnation::{End, Incarnation};
use crate::kernel::plan::Plan;
use crate::mailbox::Signal;
use crate::mailbox::driver::attend;
use crate::supervision::events::{Action, Ended, Event, Node, ROOT};
use crate::supervision::tree::Tree;
use crate::words::address::Address;
use crate::words::crash::{CrashReason, CrashReport};
use crate::words::decision::Decision;
use crate::words::failure::Directive;
use crate::words::message::ActorId;
use crate::words::notice::{Change, Watcher};
use crate::words::state::State;
use failures::report_bug;
pub(crate) use look::Seen;
use starts::OrderedStart;
pub use starts::{StartError, StartedActor};
use verdicts::Verdicts;
use watches::Watches;

/// A command to the task.
pub(crate) enum Command {
    Started(Node, u64),
    Ended(Node, u64, End),
    Halt(Address, oneshot::Sender<Option<State>>),
    Resume(Address, oneshot::Sender<Option<State>>),
    /// An operator starts an actor, and waits for the outcome.
    Start(Address, oneshot::Sender<Result<StartedActor, StartError>>),
    Look(oneshot::Sender<Vec<Seen>>),
    /// An actor asks for the state of another actor.
    State(Address, oneshot::Sender<Option<State>>),
    /// A message came for a node without an incarnation.
    Wanted(Node),
    /// A turn of this actor spawned this child, which is in the registry.
    Spawn(ActorId, Arc<Actor>),
    /// A turn spawned a child again that waits for that.
    Adopt(ActorId),
    /// A turn of its parent stops a spawned child.
    Dismiss(ActorId),
    /// A parent's directive about a child that failed.
    Directive {
        child: Node,
        incarnation: u64,
        directive: Directive,
    },
    /// A turn of this run watches an actor; the play is not idle before the watch begins.
    Watch(Watcher, u64, Address, Pending),
    Unwatch(Watcher, u64),
    Shutdown,
    Kill,
}

/// The stage of the whole play.
#[derive(Debug, Clone)]
pub enum Stage {
    /// Actors start for the first time.
    Starting,
    /// All actors that start by themselves have started.
    Running,
    /// An orderly shutdown is under way.
    Stopping,
    /// Nothing runs any more, as asked.
    Stopped,
    /// The kernel had to give up; the failures that led there, the last one first.
    GaveUp(Vec<Arc<CrashReport>>),
}

/// Sends to the supervision task. The channel is unbounded, but its content is bounded: an incarnation sends two commands in
/// its life, a node without one sends one, each possible child causes two and each failed child one, and other senders wait
/// for the answer.
pub(crate) type Commands = mpsc::UnboundedSender<Command>;

/// The log target of decisions that end an actor directly under `/`, or the play. They are few, and no limit on an actor's
/// log lines drops them.
pub const DECISION_TARGET: &str = "playhouse::decision";

pub(crate) struct Supervision {
    shared: Arc<Shared>,
    tree: Tree,
    /// The role at each node, by the node's index; none at the kernel's.
    roles: Vec<Option<Role>>,
    /// The nodes of each actor, one for each instance.
    nodes: HashMap<ActorId, Vec<Node>>,
    began: Instant,
    commands: Commands,
    stage: watch::Sender<Stage>,
    verdicts: Verdicts,
    watches: Watches,
    /// The failures that made the kernel give up.
    gave_up: Vec<Arc<CrashReport>>,
    /// Nodes that were to sleep, but have messages.
    wanted: Vec<Node>,
    /// Starts that operators wait for.
    ordered: Vec<OrderedStart>,
    /// Actors under `/` whose first start failed: the play is not idle before they have started or are given up.
    coming_up: HashMap<Node, Pending>,
    /// Number of messages that each actor had handled at its last account.
    accounted: HashMap<ActorId, u64>,
    /// Incarnations that begin after all actions of the step, so that they see a signal that the same step sent.
    beginning: Vec<BoxFuture<'static, ()>>,
    /// Keeps the play from being idle until everything that the current crash causes has begun.
    pending: Option<Pending>,
}

/// The role of a node: one instance of an actor. The instances of an actor are siblings.
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own, and they combine freely
struct Role {
    node: Node,
    actor: Arc<Actor>,
    instance: Arc<Instance>,
    /// Whether its incarnation exists.
    runs: bool,
    /// Whether it was told to handle waiting messages and to stop.
    drains: bool,
    /// Whether it has been up.
    was_up: bool,
    /// Number of messages that its actor had handled when its incarnation began.
    handled_before: u64,
    /// Whether it was up and has been passivated since: watchers get no notice of its next start.
    passivated: bool,
    /// The number of messages that had been accepted when its code refused to start; only later ones cause another question.
    refused_at: Option<u64>,
}

impl Role {
    fn signal(&self, signal: Signal) {
        self.actor.mailbox.set_signal(self.instance.index, signal);
    }
}

impl Supervision {
    pub(crate) fn new(shared: Arc<Shared>, plan: &Plan, commands: Commands, stage: watch::Sender<Stage>) -> Self {
        let tree = Tree::new(plan.supervision, plan.seed);
        let mut by_address = HashMap::from([(Address::root(), ROOT)]);
        let mut this = Self {
            shared,
            tree,
            roles: vec![None],
            nodes: HashMap::new(),
            began: Instant::now(),
            commands,
            stage,
            verdicts: Verdicts::default(),
            watches: Watches::default(),
            gave_up: Vec::new(),
            wanted: Vec::new(),
            ordered: Vec::new(),
            coming_up: HashMap::new(),
            accounted: HashMap::new(),
            beginning: Vec::new(),
            pending: None,
        };
        for spec in &plan.actors {
            let parent = spec.address.parent().and_then(|p| by_address.get(&p).copied());
            let parent = parent.expect("the plan was checked: parents come before children");
            let above = spec.address.parent().and_then(|parent| this.shared.registry.occupant(&parent));
            let above = above.and_then(|above| above.membership.subtree().cloned());
            let membership = Membership::planned(Subtree::of(&spec.address, spec.subtree.as_deref(), above));
            let actor = Arc::new(Actor::new(this.shared.registry.new_id(), spec.clone(), None, membership));
            actor.set_presence(Presence::There);
            this.shared.registry.add(&actor);
            attend(&this.shared, &actor);
            let nodes = this.place(parent, &actor, false).expect("no node is removed before the boot");
            by_address.insert(spec.address.clone(), nodes[0]);
        }
        this
    }

    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut over = self.step(Event::Boot);
        while !over {
            let timer = self.tree.next_timer();
            let due = self.began + self.suspended() + timer.unwrap_or_default();
            let events = tokio::select! {
                // The order is fixed, so that one seed gives one play, and so that crashes without a pause do not delay
                // timers.
                biased;
                () = tokio::time::sleep_until(due), if timer.is_some() => vec![Event::Timer],
                command = commands.recv() => command.map(|command| self.events_of(command)).unwrap_or_default(),
            };
            for event in events {
                over |= self.step(event);
            }
            while let Some(node) = self.wanted.pop().filter(|_| !over) {
                over |= self.step(Event::Wanted(node));
            }
            self.tree.end_orders_of_passivated();
            self.answer_ordered_starts(over);
            self.pending = None;
        }
    }

    /// Answers commands that only look; turns the others into the tree's events.
    fn events_of(&mut self, command: Command) -> Vec<Event> {
        match command {
            Command::Started(node, incarnation) => {
                self.first_start_over(node);
                let role = self.role_mut(node);
                let news = role.is_none_or(|role| {
                    role.refused_at = None;
                    role.was_up = true;
                    !std::mem::take(&mut role.passivated)
                });
                if news {
                    self.notice(node, || Change::Started);
                }
                vec![Event::Started(node, incarnation)]
            }
            Command::Ended(node, incarnation, end) => {
                self.first_start_over(node);
                if let End::Refused { recheck, seen } = end {
                    self.note_refusal(node, seen);
                    return vec![Event::Ended(node, incarnation, Ended::Refused(recheck))];
                }
                let account = self.account(node, &end);
                if let Some(role) = self.role_mut(node) {
                    role.passivated = matches!(end, End::Idle);
                }
                let (report, how) = match end {
                    End::Stopped | End::Refused { .. } => {
                        return vec![account, Event::Ended(node, incarnation, Ended::Stopped)];
                    }
                    End::Idle => return vec![account, Event::Ended(node, incarnation, Ended::Idle)],
                    End::FailedStart(report) => {
                        self.note_failed_start(node);
                        (report, Ended::FailedStart)
                    }
                    End::Crashed(report, pending) => {
                        self.pending = Some(pending);
                        let in_peace = report.crash.reason == (CrashReason::Exit { status: 0 });
                        (report, if in_peace { Ended::Exited } else { Ended::Crashed })
                    }
                };
                if how != Ended::Exited {
                    self.notice_crash(node, &report.crash.reason);
                }
                if how == Ended::FailedStart {
                    self.fail_ordered_start(node, &report);
                }
                self.verdicts.failed(node, report);
                vec![account, Event::Ended(node, incarnation, how)]
            }
            Command::Halt(address, answer) => self.about(&address, answer, Event::Halt),
            Command::Resume(address, answer) => self.about(&address, answer, Event::Resume),
            Command::Start(address, answer) => self.order_start(address, answer),
            Command::Look(answer) => {
                let _ = answer.send(self.look());
                Vec::new()
            }
            Command::State(address, answer) => {
                let _ = answer.send(self.state_at(&address));
                Vec::new()
            }
            Command::Wanted(node) => vec![Event::Wanted(node)],
            Command::Spawn(parent, child) => self.spawned(parent, &child),
            Command::Adopt(orphan) => self.all_of(orphan, Event::Adopted),
            Command::Dismiss(child) => self.all_of(child, Event::Dismiss),
            Command::Directive { child, incarnation, directive } => {
                vec![Event::Directive { child, incarnation, directive }]
            }
            Command::Watch(watcher, watch, address, _pending) => {
                self.watch(watcher, watch, &address);
                Vec::new()
            }
            Command::Unwatch(watcher, watch) => {
                self.unwatch(watcher, watch);
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

    /// Sends an operator's order to all instances of an actor.
    fn about(
        &self,
        address: &Address,
        answer: oneshot::Sender<Option<State>>,
        event: impl Fn(Node) -> Event,
    ) -> Vec<Event> {
        let _ = answer.send(self.state_at(address));
        self.nodes_at(address).iter().copied().map(event).collect()
    }

    /// Carries out the actions that an event causes; true when nothing runs any more.
    fn step(&mut self, event: Event) -> bool {
        let mut over = false;
        if let Event::Ended(node, ..) = event {
            self.forget_watches_of(node);
        }
        if let Event::Ended(node, ..) = event
            && let Some(role) = self.role_mut(node)
        {
            role.runs = false;
            role.instance.backlog.lock().directive_requests.clear();
        }
        self.verdicts.hear(event);
        for action in self.tree.step(self.now(), event) {
            over |= self.carry_out(action);
        }
        for incarnation in self.beginning.drain(..) {
            self.shared.spawn(incarnation);
        }
        if !self.coming_up.is_empty() {
            let comes_up = |node: Node| self.tree.view(node).is_some_and(|view| view.state.is_on_its_way());
            self.coming_up.retain(|&node, _| comes_up(node));
        }
        match event {
            Event::Ended(node, _, Ended::Stopped | Ended::Exited) => self.notice_stop(node),
            Event::Halt(node) if self.role_mut(node).is_some_and(|role| std::mem::take(&mut role.passivated)) => {
                self.notice_stop(node);
            }
            _ => {}
        }
        if let Event::Ended(node, ..) = event
            && let Some(role) = self.role_mut(node).filter(|role| role.drains && !role.runs)
        {
            let Role { actor, instance, .. } = role.clone();
            self.shared.move_to_sibling(&actor, &instance, self.live_instances(&actor));
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
                    self.shared.failed_shutdowns.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(
                        target: "playhouse", address = %self.role(node).actor.address(),
                        "did not stop in time: killed"
                    );
                }
                self.role(node).signal(Signal::Kill);
            }
            Action::Retire(node) => {
                self.retire(node);
                self.notice(node, || Change::Ended);
            }
            Action::Revive(node) => {
                let Role { actor, instance, .. } = self.role(node);
                if actor.mailbox.reopen(instance.index) {
                    attend(&self.shared, actor);
                }
                // It was the last instance that had ended beside a failed one.
                self.shared.unmark_failed(actor);
                self.move_all_to_live_siblings(actor);
            }
            Action::Forget(node) => {
                self.forget(node);
            }
            Action::Passivated(node) => self.passivated(node),
            Action::Waiting(node) => self.waiting(node),
            Action::RequestDirective { parent, child, incarnation, .. } => {
                self.request_directive(parent, child, incarnation)
            }
            Action::RestartIn { node, pause, window, strategy } => {
                self.shared.restarts.fetch_add(1, Ordering::Relaxed);
                let role = self.role(node);
                let decision = Decision::Restarts { pause, window, strategy };
                tracing::info!(target: "playhouse", address = %role.actor.address(), "{decision}");
                let Role { actor, instance, .. } = role;
                *instance.back_at.lock() = Some(Instant::now() + pause);
                if let Some(back_at) = actor.back_at().filter(|_| !pause.is_zero()) {
                    self.shared.asks.answer_those_before(actor.id, back_at, &actor.not_back_in_time());
                }
                self.verdicts.decided(node, decision);
            }
            Action::StartFailed(node) => self.start_failed(node),
            Action::GaveUp { node, child, why } => self.gave_up(node, child, why),
            Action::Failed { node, why, trial_in } => self.failed(node, why, trial_in),
            Action::Reset(node) => self.reset(node),
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
                for Role { actor, instance, .. } in self.roles.iter().flatten() {
                    self.shared.retire(actor, instance, 0);
                }
                let failures = std::mem::take(&mut self.gave_up);
                self.stage.send_replace(if gave_up { Stage::GaveUp(failures) } else { Stage::Stopped });
                return true;
            }
        }
        false
    }

    fn retire(&mut self, node: Node) {
        let why = self.end_of(node);
        self.verdicts.decided(node, why);
        let Role { actor, instance, .. } = self.role(node);
        self.shared.retire(actor, instance, self.live_instances(actor));
    }

    /// `run`: the number of the run as the tree counts it. Operators see the actor's own number, which all its instances
    /// share.
    fn start(&mut self, node: Node, run: u64) {
        // A node that failed and starts without a decision was stopping: for an operator, with its parent, or with the play.
        let drains = matches!(*self.stage.borrow(), Stage::Stopping);
        self.verdicts.decided(node, if drains { Decision::Drains } else { Decision::Stopped });
        let Some(role) = self.role_mut(node) else { return };
        (role.runs, role.drains) = (true, false);
        role.handled_before = role.actor.handled();
        role.actor.mailbox.begin(role.instance.index);
        *role.instance.back_at.lock() = None;
        let number = role.actor.begin(&role.instance);
        if number > 1 {
            role.actor.count_orphans_out();
        }
        let role = role.clone();
        let (actor, instance) = (role.actor.clone(), role.instance.clone());
        let incarnation = Incarnation { shared: self.shared.clone(), actor, instance, number };
        let commands = self.commands.clone();
        self.beginning.push(Box::pin(async move {
            let started = || drop(commands.send(Command::Started(node, run)));
            let shared = incarnation.shared.clone();
            let end = AssertUnwindSafe(incarnation.run(started)).catch_unwind().await;
            let end = end.unwrap_or_else(|panic| End::Crashed(report_bug(&role, number, &*panic), shared.pending()));
            // Its messages may have ended with it.
            shared.idle_hint.notify_waiters();
            let _ = commands.send(Command::Ended(node, run, end));
        }));
    }

    fn role(&self, node: Node) -> &Role {
        self.roles[node.index()].as_ref().expect("the kernel gets no actions of its own")
    }

    /// The role of a node; none if the node was removed.
    fn role_mut(&mut self, node: Node) -> Option<&mut Role> {
        self.roles[node.index()].as_mut().filter(|role| role.node == node)
    }
}
