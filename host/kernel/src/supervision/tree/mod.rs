//! The supervision tree as a pure state machine: [`Tree::step`] takes an event and the time and returns actions. It has no
//! clock, no task and no lock. Times are durations since the kernel's start. Each file beside has the rules of one concern:
//!
//! | file | rules |
//! |---|---|
//! | `siblings` | siblings that start and stop one after another |
//! | `starts`, `stops` | a start, and a stop within its time |
//! | `failures` | the window, the directive, the strategy |
//! | `children` | children spawned and stopped at run time |
//! | `passivation` | actors without an incarnation until a message comes |
//! | `operator` | orders of operators |
//! | `circuit` | actors that failed, and their trial starts |
//! | `standing` | what a node waits for, for operators |
//!
//! Every node is in one phase, and every phase but down, up, passivated and waiting ends: by the end of an incarnation that
//! was told to stop, by a timer, or by the phase of a child. An orderly shutdown takes at most the sum of the `shutdown`
//! times: the kernel's children have their turns one after another, their children within these turns, so that at each moment
//! one actor's time runs. That time is set once, when the actor is told to stop in its turn. A crash before that turn waits
//! for it; a crash in the turn is followed by another run within it; when the time is over, the actor is killed.

mod children;
mod circuit;
mod failures;
mod operator;
mod passivation;
mod siblings;
mod standing;
mod starts;
mod stops;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::supervision::events::{Action, Ended, Event, Node, NodeSpec, ROOT, View};
use crate::supervision::node::{After, Course, Entry, Over, Phase, Turns};
use crate::supervision::node_store::NodeStore;
use crate::words::failure::Directive;
use crate::words::failure::Fault;
use crate::words::random;
use crate::words::restart::{Backoff, RestartKind, StartKind, SupervisionSpec};
use crate::words::state::State;

/// Whether the whole play is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    No,
    /// Each actor handles its waiting messages first.
    InOrder,
    /// All were killed; no actor is started any more.
    Now,
    /// Nothing runs.
    Over,
}

/// Most specs that are kept to be shared.
const MOST_SHARED_SPECS: usize = 8;

/// All actors and the kernel.
///
/// The tree has more methods than other types, since a rule of supervision is about several nodes at a time. The files beside
/// this one share them; other layers see [`Tree::step`] and a few that look.
pub struct Tree {
    pub(super) nodes: NodeStore,
    pub(super) timers: BTreeSet<(Duration, Node)>,
    pub(super) actions: Vec<Action>,
    pub(super) now: Duration,
    /// The position in the sequence of random numbers, for the jitter.
    random: u64,
    /// The place of the next child of any parent.
    next_place: u64,
    /// Number of incarnations that exist.
    pub(super) alive: usize,
    pub(super) ending: Ending,
    pub(super) gave_up: bool,
    pub(super) booted: bool,
    /// Actors that an operator started and that are passivated.
    pub(super) ordered_passivated: Vec<Node>,
    /// The specs of the actors that were added last, the latest first: most actors have the spec of another one.
    specs: VecDeque<Arc<NodeSpec>>,
}

impl Tree {
    /// A tree of the kernel alone.
    pub fn new(supervision: SupervisionSpec, seed: u64) -> Self {
        let root = NodeSpec {
            kind: RestartKind::Temporary,
            backoff: Backoff { initial: Duration::ZERO, max: Duration::ZERO },
            supervision,
            start: StartKind::Auto,
            dynamic: false,
            lasting: false,
            decides_failures: false,
            directive_timeout: Duration::ZERO,
            cooldown: None,
            required: false,
            isolates: true,
        };
        let mut nodes = NodeStore::default();
        nodes.insert(Entry::new(Arc::new(root), None, 0));
        Self {
            nodes,
            timers: BTreeSet::new(),
            actions: Vec::new(),
            now: Duration::ZERO,
            random: seed,
            next_place: 0,
            alive: 0,
            ending: Ending::No,
            gave_up: false,
            booted: false,
            ordered_passivated: Vec::new(),
            specs: VecDeque::new(),
        }
    }

    /// Adds an actor as the last child of `parent`: before the boot, or while the play runs, with [`NodeSpec::dynamic`] and
    /// followed by [`Event::Spawned`]. None when the parent was removed.
    pub fn add(&mut self, parent: Node, spec: NodeSpec) -> Option<Node> {
        if !self.nodes.contains(parent) || self.ending == Ending::Over {
            return None;
        }
        let place = self.next_place();
        let spec = self.shared(spec);
        let node = self.nodes.insert(Entry::new(spec, Some(parent), place));
        self.nodes[parent].children.insert(place, node);
        Some(node)
    }

    /// The same spec, shared with other actors that have it.
    fn shared(&mut self, spec: NodeSpec) -> Arc<NodeSpec> {
        if let Some(known) = self.specs.iter().find(|known| ***known == spec) {
            return known.clone();
        }
        let spec = Arc::new(spec);
        self.specs.truncate(MOST_SHARED_SPECS - 1);
        self.specs.push_front(spec.clone());
        spec
    }

    /// Adds one more instance of an actor: its failures count with those of the `first`.
    pub fn add_instance(&mut self, first: Node, spec: NodeSpec) -> Option<Node> {
        let parent = self.nodes.get(first)?.parent?;
        let node = self.add(parent, spec)?;
        self.nodes[node].first = Some(first);
        Some(node)
    }

    /// Notes that an actor was up in an earlier run of the host: a failed start is a failure like another, and does not end it.
    pub fn note_was_up(&mut self, node: Node) {
        self.nodes[node].was_up = true;
    }

    /// Replaces the spec of an actor whose parent spawned it again with other settings; call it before [`Event::Adopted`]. An
    /// operator's stop stays in force. False when the node was removed.
    pub fn respec(&mut self, node: Node, spec: NodeSpec) -> bool {
        let known = node != ROOT && self.nodes.contains(node);
        if known {
            let NodeSpec { dynamic, lasting, .. } = *self.nodes[node].spec;
            let spec = self.shared(NodeSpec { dynamic, lasting, ..spec });
            self.nodes[node].spec = spec;
        }
        known
    }

    /// Number of actors, including those that are down, without the kernel.
    pub fn len(&self) -> usize {
        self.nodes.len() - 1
    }

    /// Whether the tree has only the kernel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The time of the next [`Event::Timer`].
    pub fn next_timer(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// An actor as operators see it; none when it was removed. The cost does not depend on the number of siblings.
    pub fn view(&self, node: Node) -> Option<View> {
        let entry = self.nodes.get(node)?;
        let state = match entry.phase {
            Phase::Down if entry.over != Over::No => State::Ended,
            Phase::Down if entry.halted => State::Stopped,
            Phase::Down if self.is_below_failed(node) => State::Failed,
            Phase::Down => State::Down,
            Phase::Starting => State::Starting,
            Phase::StartingChildren | Phase::Up => State::Running,
            Phase::Stopping(_) if self.drains(node) => State::Draining,
            Phase::StoppingChildren(_) | Phase::Stopping(_) => State::Stopping,
            Phase::BackingOff | Phase::AwaitingDirective(_) => State::BackingOff,
            Phase::Passivated => State::Passivated,
            Phase::Waiting => State::Waiting,
            Phase::Failed => State::Failed,
        };
        Some(View {
            state,
            incarnation: entry.incarnation,
            restarts: entry.restarts,
            failed: entry.failed.as_deref().copied(),
        })
    }

    /// Takes an event, and returns the actions to carry out, in order. An event about a node that was removed, or about an
    /// incarnation that ended, has no effect.
    pub fn step(&mut self, now: Duration, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        match self.ending {
            Ending::No | Ending::InOrder => self.take(event),
            Ending::Now => self.take_the_end(event),
            Ending::Over => {}
        }
        std::mem::take(&mut self.actions)
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Boot if self.nodes[ROOT].phase == Phase::Down => {
                self.nodes[ROOT].was_up = true;
                self.start_children(ROOT);
            }
            Event::Boot => {}
            Event::Started(node, incarnation) => {
                let comes_up = |e: &Entry| e.phase == Phase::Starting && e.incarnation == incarnation;
                if self.nodes.get(node).is_some_and(comes_up) {
                    self.nodes[node].let_in();
                    self.forget_orphans(node);
                    self.start_children(node);
                }
            }
            Event::Ended(node, incarnation, how) => {
                if self.note_end(node, incarnation) {
                    self.ended(node, how);
                }
            }
            Event::Account { node, handled, fault } => {
                if self.nodes.get(node).is_some_and(|entry| entry.alive) {
                    self.account(node, handled, fault);
                }
            }
            Event::Shutdown => self.shut_down(),
            Event::Kill => self.kill(),
            Event::Timer => self.fire_timers(),
            Event::Directive { child, incarnation, directive } => self.directed(child, incarnation, directive),
            Event::Spawned(node)
            | Event::Adopted(node)
            | Event::Dismiss(node)
            | Event::Halt(node)
            | Event::Resume(node)
            | Event::Wanted(node)
            | Event::Released(node)
                if node == ROOT || !self.nodes.contains(node) => {}
            Event::Spawned(node) => self.spawned(node),
            Event::Adopted(node) => self.adopted(node),
            Event::Dismiss(node) => self.dismiss(node),
            Event::Halt(node) => self.halt(node),
            Event::Resume(node) => self.resume(node),
            Event::Wanted(node) => self.wanted(node),
            Event::Released(node) => self.released(node),
        }
    }

    /// Waits for the ends of all incarnations after a kill.
    fn take_the_end(&mut self, event: Event) {
        if let Event::Ended(node, incarnation, _) = event
            && self.note_end(node, incarnation)
        {
            self.nodes[node].enter(Phase::Down, self.now);
            if self.alive == 0 {
                self.end_the_play();
            }
        }
    }

    /// Records the end of an incarnation; false when it had ended before.
    fn note_end(&mut self, node: Node, incarnation: u64) -> bool {
        let was_there = self.nodes.get(node).is_some_and(|e| e.alive && e.incarnation == incarnation);
        if was_there {
            self.nodes[node].alive = false;
            self.alive -= 1;
        }
        was_there
    }

    fn ended(&mut self, node: Node, how: Ended) {
        match (self.nodes[node].phase, how) {
            (Phase::Starting, Ended::Refused(recheck)) => self.refused(node, recheck),
            // Its own start did not fail.
            (Phase::Starting, Ended::Crashed) if self.nodes[node].past().fault == Fault::Another => {
                self.down(node, After::Crashed);
            }
            (Phase::Starting, _) => self.down(node, After::FailedStart),
            (Phase::StartingChildren | Phase::Up, Ended::Idle) if self.nodes[node].children.is_empty() => {
                self.passivate(node);
            }
            (Phase::StartingChildren | Phase::Up, Ended::Exited) => self.bring_down(node, After::Exited),
            (Phase::StartingChildren | Phase::Up, _) => self.bring_down(node, After::Crashed),
            (Phase::Stopping(_), Ended::Crashed) if self.may_drain_on(node) => self.drain_on(node),
            // It ended before it was told to stop: messages that came in between are still to be handled.
            (Phase::Stopping(_), Ended::Idle) if self.may_drain_after_all(node) => self.drain_on(node),
            (Phase::Stopping(after), _) => self.down(node, after),
            // Its children are still stopping; the next step follows when they are down.
            (Phase::StoppingChildren(_), _) => self.nodes[node].crashed = how == Ended::Crashed,
            (
                Phase::Down
                | Phase::BackingOff
                | Phase::AwaitingDirective(_)
                | Phase::Passivated
                | Phase::Waiting
                | Phase::Failed,
                _,
            ) => {}
        }
    }

    fn fire_timers(&mut self) {
        while let Some((_, node)) = self.timers.first().copied().filter(|&(at, _)| at <= self.now) {
            self.clear_timer(node);
            match self.nodes[node].phase {
                // The play ends: from now on it starts only for messages.
                Phase::BackingOff if self.goes_down_with_parent(node) && self.may_serve_the_end(node) => {
                    self.lie_down(node);
                }
                Phase::BackingOff => self.start_alone(node),
                Phase::Stopping(_) => self.actions.push(Action::Kill { node, late: true }),
                Phase::StoppingChildren(_) => self.hurry_spawned_below(node),
                Phase::AwaitingDirective(after) => self.decide(node, after, Directive::Default),
                Phase::Up | Phase::StartingChildren => self.start_group(node),
                Phase::Waiting => self.start_wanted(node),
                Phase::Failed if !self.goes_down_with_parent(node) => self.try_again(node),
                // Its failures do not count any more.
                Phase::Passivated => self.actions.push(Action::Passivated(node)),
                Phase::Down | Phase::Starting | Phase::Failed => {}
            }
        }
    }

    pub(super) fn set_timer(&mut self, node: Node, after: Duration) {
        self.clear_timer(node);
        let at = self.now.saturating_add(after);
        self.nodes[node].timer = Some(at);
        self.timers.insert((at, node));
    }

    pub(super) fn clear_timer(&mut self, node: Node) {
        if let Some(at) = self.nodes[node].timer.take() {
            self.timers.remove(&(at, node));
        }
    }

    /// A random duration between zero and `ceiling` ("full jitter").
    pub(super) fn jitter(&mut self, ceiling: Duration) -> Duration {
        self.random = self.random.wrapping_add(random::STEP);
        random::duration_below(self.random, ceiling)
    }

    pub(super) fn next_place(&mut self) -> u64 {
        self.next_place += 1;
        self.next_place
    }

    /// The supervisor of a node. Every node but the kernel has one; the kernel has no failures, turns or places of its own.
    pub(super) fn parent(&self, node: Node) -> Node {
        self.nodes[node].parent.expect("only the kernel has none")
    }

    /// Whether a node runs. The kernel runs as long as the tree exists.
    pub(super) fn runs(&self, node: Node) -> bool {
        node == ROOT || self.nodes[node].alive
    }

    /// The turns of a supervisor's children, and whether it is this child's turn.
    pub(super) fn turn_of(&self, node: Node) -> (Option<Turns>, bool) {
        let turns = self.nodes[self.parent(node)].turns;
        (turns, turns.is_some_and(|turns| turns.current == Some(node)))
    }

    /// Whether siblings that restart together, including this one, are still stopping.
    pub(super) fn goes_down_with_group(&self, node: Node) -> bool {
        let place = self.nodes[node].place;
        let (turns, _) = self.turn_of(node);
        turns.is_some_and(|turns| turns.course != Course::Starting && place >= turns.from)
    }
}
