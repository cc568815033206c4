//! The loop of the supervisor's task: commands become events of the tree, and its actions are carried out.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::actor::spec::ActorSpec;
use crate::actor::subtree::{Membership, Subtree};
use crate::actor::{Actor, Presence};
use crate::dispatch::Shared;
use crate::dispatch::policies::attend;
use crate::dispatch::requests::Request;
use crate::dispatch::routing::output::Output;
use crate::incarnation::End;
use crate::journal::entry::Op;
use crate::journal::order::EntrySpace;
use crate::supervision::events::{Ended, Event, Node, ROOT};
use crate::supervision::tree::Tree;
use crate::supervisor::command::{Command, Commands, Stage};
use crate::supervisor::role::Role;
use crate::supervisor::state::Supervisor;
use crate::supervisor::verdicts::Verdicts;
use crate::supervisor::watch_table::Watches;
use crate::words::address::Address;
use crate::words::crash::CrashReason;
use crate::words::restart::SupervisionSpec;
use crate::words::state::State;

impl Supervisor {
    /// `actors`: those of the plan. The tree draws its pauses from `seed`.
    pub(crate) fn new(
        shared: Arc<Shared>,
        actors: &[ActorSpec],
        (supervision, seed): (SupervisionSpec, u64),
        commands: Commands,
        stage: watch::Sender<Stage>,
    ) -> Self {
        let tree = Tree::new(supervision, seed);
        let mut by_address = HashMap::from([(Address::root(), ROOT)]);
        let mut this = Self {
            shared,
            tree,
            roles: vec![None],
            nodes: HashMap::default(),
            began: Instant::now(),
            commands,
            stage,
            verdicts: Verdicts::default(),
            watches: Watches::default(),
            gave_up: Vec::new(),
            wanted: Vec::new(),
            resting: Vec::new(),
            ordered: Vec::new(),
            coming_up: HashMap::default(),
            accounted: HashMap::default(),
            beginning: Vec::new(),
            pending: None,
        };
        for spec in actors {
            let parent = spec.address.parent().and_then(|p| by_address.get(&p).copied());
            let parent = parent.expect("the plan was checked: parents come before children");
            let above = spec.address.parent().and_then(|parent| this.shared.routing.registry.occupant(&parent));
            let above = above.and_then(|above| above.membership.subtree().cloned());
            let actor = if let Some(family) = &spec.family {
                this.head(spec, family, (supervision, seed))
            } else {
                let subtree = Subtree::of(&spec.address, spec.limits.subtree.as_deref(), above);
                let id = this.shared.routing.registry.planned_id(&spec.address);
                let actor = Actor::new(id, spec.clone(), None, Membership::planned(subtree));
                actor.set_presence(Presence::There);
                Arc::new(actor)
            };
            this.shared.routing.registry.add(&actor);
            attend(&this.shared, &actor);
            let nodes = this.place(parent, &actor, false).expect("no node is removed before the boot");
            by_address.insert(spec.address.clone(), nodes[0]);
        }
        this
    }

    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let (mut over, mut events) = (false, vec![Event::Boot]);
        loop {
            for event in events {
                over |= self.step(event);
            }
            while let Some(node) = self.wanted.pop().filter(|_| !over) {
                over |= self.step(Event::Wanted(node));
            }
            while let Some(released) = self.next_released().filter(|_| !over) {
                over |= self.step(released);
            }
            self.tree.end_orders_of_passivated();
            self.answer_ordered_starts(over);
            self.pending = None;
            if over {
                return;
            }
            let timer = self.tree.next_timer();
            let due = self.began + self.suspended() + timer.unwrap_or_default();
            events = tokio::select! {
                // The order is fixed, so that one seed gives one play, and so that crashes without a pause do not delay
                // timers.
                biased;
                () = tokio::time::sleep_until(due), if timer.is_some() => vec![Event::Timer],
                command = commands.recv() => command.map(|command| self.events_of(command)).unwrap_or_default(),
            };
        }
    }

    /// Answers commands that only look; turns the others into the tree's events.
    fn events_of(&mut self, command: Command) -> Vec<Event> {
        match command {
            Command::Started(node, incarnation) => {
                self.first_start_over(node);
                let mut is_first = false;
                let role = self.role_mut(node);
                let news = role.is_none_or(|role| {
                    role.refused_at = None;
                    is_first = !std::mem::replace(&mut role.was_up, true);
                    !std::mem::take(&mut role.passivated)
                });
                if news {
                    self.notice_start(node, is_first);
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
            Command::Halt(address, answer) => self.about(&address, answer, true, Event::Halt),
            Command::Resume(address, answer) => self.about(&address, answer, false, Event::Resume),
            Command::Start(address, answer) => self.order_start(address, answer),
            Command::ChangeState { actor, changes, grown, answer } => {
                let state = self.state_at(actor.address());
                let entered = if state == Some(State::Stopped) {
                    let now = self.shared.wall_time(Instant::now());
                    self.shared.routing.change_state(&actor, changes, grown, now).ok_or(state)
                } else {
                    Err(state)
                };
                let _ = answer.send(entered);
                Vec::new()
            }
            Command::States(answer) => {
                let _ = answer.send(self.states());
                Vec::new()
            }
            Command::Look(answer) => {
                let _ = answer.send(self.look());
                Vec::new()
            }
            Command::LookAt(actor, answer) => {
                let _ = answer.send(self.look_at(actor));
                Vec::new()
            }
            Command::Wanted(node) => vec![Event::Wanted(node)],
            Command::Request(request) => self.events_of_request(request),
            Command::Shutdown => {
                self.host_ends();
                self.stage.send_if_modified(|stage| {
                    let running = matches!(stage, Stage::Starting | Stage::Running);
                    if running {
                        *stage = Stage::Stopping;
                    }
                    running
                });
                vec![Event::Shutdown]
            }
            Command::Kill => {
                self.host_ends();
                vec![Event::Kill]
            }
        }
    }

    /// As [`Supervisor::events_of`], for a request of an actor.
    fn events_of_request(&mut self, request: Request) -> Vec<Event> {
        match request {
            Request::State(address, answer) => {
                let _ = answer.send(self.state_at(&address));
                Vec::new()
            }
            Request::Spawn(parent, child) => self.spawned(parent, &child),
            Request::Adopt(orphan) => self.all_of(orphan, Event::Adopted),
            Request::Dismiss(child) => self.all_of(child, Event::Dismiss),
            Request::Directive { child, incarnation, directive } => {
                vec![Event::Directive { child, incarnation, directive }]
            }
            Request::Watch(watcher, watch, address, _pending) => {
                self.watch(watcher, watch, &address);
                Vec::new()
            }
            Request::Unwatch(watcher, watch) => {
                self.unwatch(watcher, watch);
                Vec::new()
            }
            Request::Unused(member) => {
                self.unused(member);
                Vec::new()
            }
        }
    }

    /// Sends an operator's order to all instances of an actor. With a store the order outlives the host, and the operator gets
    /// the answer when it is durable.
    fn about(
        &self,
        address: &Address,
        answer: oneshot::Sender<Option<State>>,
        halted: bool,
        event: impl Fn(Node) -> Event,
    ) -> Vec<Event> {
        let events: Vec<_> = self.nodes_at(address).iter().copied().map(event).collect();
        if events.is_empty() {
            // No such actor, or a child whose spawn is not durable yet.
            let _ = answer.send(None);
            return events;
        }
        let state = self.state_at(address);
        self.keep_order(address, halted, move || {
            let _ = answer.send(state);
        });
        events
    }

    /// Keeps an operator's order if there is a store, and gives the answer when it is kept.
    pub(super) fn keep_order(&self, address: &Address, halted: bool, answer: impl FnOnce() + Send + 'static) {
        let Some(journal) = &self.shared.routing.journal else { return answer() };
        let registry = &self.shared.routing.registry;
        self.shared.routing.enter(journal, None, EntrySpace::NONE, |draft| {
            // Looked up in here, so that the entry comes before the one in which the actor goes.
            if let Some(actor) = registry.occupant(address).filter(|actor| actor.is_known_to_store()) {
                draft.op(Op::Halted { actor: actor.id, halted });
            }
            draft.output(Output::Ordered(Box::new(answer)));
        });
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
            if let Some(rare) = &mut role.instance.backlog.lock().rare {
                rare.drop_directive_requests();
            }
        }
        self.verdicts.hear(event);
        for action in self.tree.step(self.now(), event) {
            over |= self.carry_out(action);
        }
        for incarnation in self.beginning.drain(..) {
            self.shared.spawn_incarnation(incarnation);
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
            self.shared.routing.move_to_sibling(&actor, &instance, self.live_instances(&actor));
        }
        over
    }
}
