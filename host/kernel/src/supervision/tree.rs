//! The supervision tree as a pure state machine: [`Tree::step`] takes an event and the time and returns
//! actions. No clock, no task, no lock. Times are durations since the kernel's start.
//!
//! Rules: a child restarts one-for-one under its parent's intensity and its own backoff. A parent that goes
//! down takes its children down first, in reverse start order, and only then is down itself. A failed start of
//! a child while its parent comes up fails the parent; later it counts as one more restart. A parent that
//! gives up stops its children and fails. What a person stopped only a person starts. When everything stops, an actor
//! that crashes goes on until its mailbox is empty or its time is up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::plan::{Backoff, RestartKind, SupervisionSpec};
use crate::random;
use crate::supervision::events::{Action, Ended, Event, Node, NodeSpec, ROOT, State};
use crate::supervision::node::{After, Entry, Phase};

/// Whether the whole play is going down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    No,
    /// Each actor handles what waits first.
    InOrder,
    /// Nobody is given time any more.
    Now,
}

/// All actors and the kernel.
pub struct Tree {
    nodes: Vec<Entry>,
    timers: BinaryHeap<Reverse<(Duration, Node)>>,
    actions: Vec<Action>,
    now: Duration,
    /// Where the sequence of random numbers stands: the jitter.
    random: u64,
    /// Whether the whole play is going down; mailboxes are drained then.
    ending: Ending,
    gave_up: bool,
    booted: bool,
}

impl Tree {
    /// A tree of the kernel alone.
    pub fn new(supervision: SupervisionSpec, seed: u64) -> Self {
        let backoff = Backoff { initial: Duration::ZERO, max: Duration::ZERO };
        let root = NodeSpec { kind: RestartKind::Temporary, backoff, supervision, auto_start: true };
        Self {
            nodes: vec![Entry::new(root, None)],
            timers: BinaryHeap::new(),
            actions: Vec::new(),
            now: Duration::ZERO,
            random: seed,
            ending: Ending::No,
            gave_up: false,
            booted: false,
        }
    }

    /// Adds an actor as the last child of `parent`, before the boot.
    pub fn add(&mut self, parent: Node, spec: NodeSpec) -> Node {
        let node = self.nodes.len();
        self.nodes.push(Entry::new(spec, Some(parent)));
        self.nodes[parent].children.push(node);
        node
    }

    /// When [`Event::Timer`] is due next.
    pub fn next_timer(&mut self) -> Option<Duration> {
        while let Some(&Reverse((at, node))) = self.timers.peek() {
            if self.nodes[node].timer == Some(at) {
                return Some(at);
            }
            self.timers.pop();
        }
        None
    }

    /// What people see of an actor, with its incarnation and its restarts so far.
    pub fn view(&self, node: Node) -> (State, u64, u64) {
        let state = &self.nodes[node];
        let shown = match state.phase {
            Phase::Down if state.ended => State::Ended,
            Phase::Down if state.halted => State::Stopped,
            Phase::Down => State::Down,
            Phase::Starting => State::Starting,
            Phase::StartingChildren | Phase::Up => State::Running,
            Phase::StoppingChildren(_) | Phase::Stopping(_) => State::Stopping,
            Phase::BackingOff => State::BackingOff,
        };
        (shown, state.incarnation, state.restarts)
    }

    /// Takes an event, returns what is to be done, in order.
    pub fn step(&mut self, now: Duration, event: Event) -> Vec<Action> {
        self.now = now;
        match event {
            Event::Boot => {
                self.nodes[ROOT].phase = Phase::StartingChildren;
                self.nodes[ROOT].was_up = true;
                self.advance_start(ROOT);
            }
            Event::Started(node, incarnation) => {
                let state = &mut self.nodes[node];
                if state.incarnation == incarnation && state.phase == Phase::Starting {
                    state.phase = Phase::StartingChildren;
                    self.advance_start(node);
                }
            }
            Event::Ended(node, incarnation, how) => {
                let state = &mut self.nodes[node];
                if state.alive && state.incarnation == incarnation {
                    state.alive = false;
                    self.ended(node, how);
                }
            }
            Event::Halt(node) => self.halt(node),
            Event::Resume(node) => self.resume(node),
            Event::Shutdown => self.shut_down(),
            Event::Kill => self.kill(),
            Event::Timer => self.fire_timers(),
        }
        std::mem::take(&mut self.actions)
    }

    fn start(&mut self, node: Node) {
        let state = &mut self.nodes[node];
        debug_assert!(!state.alive, "two incarnations of one actor");
        state.incarnation += 1;
        state.alive = true;
        state.timer = None;
        state.up_since = None;
        state.phase = Phase::Starting;
        self.actions.push(Action::Start(node, state.incarnation));
    }

    /// Starts the next child that should run, or declares the node up.
    fn advance_start(&mut self, node: Node) {
        let children = &self.nodes[node].children;
        if children.iter().any(|&child| matches!(self.nodes[child].phase, Phase::Starting | Phase::StartingChildren)) {
            // A child that was restarted meanwhile came up: the one whose turn it is goes on by itself.
            return;
        }
        let next = children.iter().copied().find(|&child| self.wants_start(child));
        if let Some(child) = next {
            return self.start(child);
        }
        let now = self.now;
        let state = &mut self.nodes[node];
        state.phase = Phase::Up;
        state.up_since = Some(now);
        state.was_up = true;
        match self.nodes[node].parent {
            Some(parent) if self.nodes[parent].phase == Phase::StartingChildren => self.advance_start(parent),
            Some(_) => {}
            None if self.booted => {}
            None => {
                self.booted = true;
                self.actions.push(Action::Booted);
            }
        }
    }

    fn wants_start(&self, node: Node) -> bool {
        let state = &self.nodes[node];
        state.phase == Phase::Down && !state.halted && !state.ended && !state.was_up
    }

    fn ended(&mut self, node: Node, how: Ended) {
        match (self.nodes[node].phase, how) {
            (Phase::Starting, _) => self.down(node, After::FailedStart),
            (Phase::StartingChildren | Phase::Up, Ended::Exited) => self.bring_down(node, After::Exited),
            (Phase::StartingChildren | Phase::Up, _) => self.bring_down(node, After::Crashed),
            (Phase::Stopping(_), Ended::Crashed) if self.may_drain_on(node) => self.drain_on(node),
            (Phase::Stopping(after), _) => self.down(node, after),
            // Its children are still going down; the rest follows when they are.
            (Phase::StoppingChildren(_) | Phase::Down | Phase::BackingOff, _) => {}
        }
    }

    /// When everything stops, a crash must not cost the messages behind it: within its time to stop, the actor goes on.
    fn may_drain_on(&self, node: Node) -> bool {
        let state = &self.nodes[node];
        self.ending == Ending::InOrder && state.timer.is_some() && state.spec.kind != RestartKind::Temporary
    }

    fn drain_on(&mut self, node: Node) {
        let state = &mut self.nodes[node];
        state.incarnation += 1;
        state.alive = true;
        self.actions.push(Action::Start(node, state.incarnation));
        self.actions.push(Action::Stop { node, drain: true });
    }

    /// Takes a node down after everything below it.
    fn bring_down(&mut self, node: Node, after: After) {
        self.nodes[node].timer = None;
        self.nodes[node].phase = Phase::StoppingChildren(after);
        self.continue_down(node);
    }

    fn continue_down(&mut self, node: Node) {
        let Phase::StoppingChildren(after) = self.nodes[node].phase else { return };
        for index in (0..self.nodes[node].children.len()).rev() {
            let child = self.nodes[node].children[index];
            match self.nodes[child].phase {
                Phase::BackingOff if self.ending == Ending::InOrder => self.drain_first(child),
                Phase::Down | Phase::BackingOff => {
                    self.nodes[child].timer = None;
                    self.nodes[child].phase = Phase::Down;
                    self.retire_if_over(child);
                    continue;
                }
                Phase::StoppingChildren(_) => self.nodes[child].phase = Phase::StoppingChildren(After::Stay),
                Phase::Stopping(_) => self.nodes[child].phase = Phase::Stopping(After::Stay),
                Phase::Starting | Phase::StartingChildren | Phase::Up => self.bring_down(child, After::Stay),
            }
            return;
        }
        if !self.nodes[node].alive {
            return self.down(node, after);
        }
        self.give_time_to_stop(node, after);
        self.actions.push(Action::Stop { node, drain: self.ending != Ending::No });
    }

    fn give_time_to_stop(&mut self, node: Node, after: After) {
        self.nodes[node].phase = Phase::Stopping(after);
        let parent = self.nodes[node].parent.expect("the kernel has no incarnation");
        let at = self.now.saturating_add(self.nodes[parent].spec.supervision.shutdown);
        self.set_timer(node, at);
    }

    /// Its turn to stop came while it waited out the pause after a crash: it handles what waits first.
    fn drain_first(&mut self, node: Node) {
        self.give_time_to_stop(node, After::Stay);
        self.drain_on(node);
    }

    /// A node and all below it are down.
    fn down(&mut self, node: Node, after: After) {
        let state = &mut self.nodes[node];
        state.timer = None;
        state.phase = Phase::Down;
        for index in 0..self.nodes[node].children.len() {
            let child = self.nodes[node].children[index];
            self.nodes[child].was_up = false;
        }
        let Some(parent) = self.nodes[node].parent else {
            return self.actions.push(Action::Over(self.gave_up));
        };
        match self.nodes[parent].phase {
            Phase::StoppingChildren(_) => {
                // It is not its turn to stop yet, and who stops before it may still send to it.
                let wanted = self.ending == Ending::InOrder && !self.nodes[node].halted;
                if wanted && matches!(after, After::Crashed | After::FailedStart) && self.restarts_after(node, after) {
                    self.back_off(node);
                } else {
                    self.retire_if_over(node);
                }
                return self.continue_down(parent);
            }
            Phase::Up | Phase::StartingChildren => {}
            // Nothing below a node that is down runs; nothing below it is decided either.
            Phase::Down | Phase::Starting | Phase::Stopping(_) | Phase::BackingOff => return,
        }
        let coming_up = self.nodes[parent].phase == Phase::StartingChildren && !self.nodes[node].was_up;
        match after {
            After::FailedStart | After::Crashed | After::Exited if coming_up && !self.nodes[node].halted => {
                if parent == ROOT {
                    self.give_up(ROOT);
                } else {
                    self.bring_down(parent, After::FailedStart);
                }
            }
            _ if self.nodes[node].halted && after != After::Restart => {
                if coming_up {
                    self.advance_start(parent);
                }
            }
            After::Stay => {}
            After::Restart => self.start(node),
            After::Crashed | After::Exited | After::FailedStart => self.restart(node, parent, after),
        }
    }

    /// When everything stops, whoever is down is down for good.
    fn retire_if_over(&mut self, node: Node) {
        if self.ending != Ending::No {
            self.actions.push(Action::Retire(node));
        }
    }

    fn restart(&mut self, node: Node, parent: Node, after: After) {
        if !self.restarts_after(node, after) {
            self.nodes[node].ended = true;
            return self.actions.push(Action::Retire(node));
        }
        let SupervisionSpec { intensity, period, .. } = self.nodes[parent].spec.supervision;
        let now = self.now;
        let window = &mut self.nodes[parent].window;
        while window.front().is_some_and(|&at| at + period <= now) {
            window.pop_front();
        }
        window.push_back(now);
        if window.len() > intensity as usize {
            window.clear();
            return self.give_up(parent);
        }
        self.back_off(node);
    }

    fn restarts_after(&self, node: Node, after: After) -> bool {
        match self.nodes[node].spec.kind {
            RestartKind::Permanent => true,
            RestartKind::Transient => after != After::Exited,
            RestartKind::Temporary => false,
        }
    }

    /// Starts it again after its pause.
    fn back_off(&mut self, node: Node) {
        let now = self.now;
        let state = &mut self.nodes[node];
        let backoff = state.spec.backoff;
        let stable = state.up_since.is_some_and(|since| now.saturating_sub(since) >= backoff.max);
        state.in_a_row = if stable { 1 } else { state.in_a_row.saturating_add(1) };
        state.restarts += 1;
        state.phase = Phase::BackingOff;
        let ceiling = backoff.ceiling(state.in_a_row);
        let pause = self.jitter(ceiling);
        self.actions.push(Action::RestartIn(node, pause));
        // A timer would round no pause at all up to one of its steps.
        if pause.is_zero() { self.start(node) } else { self.set_timer(node, now + pause) }
    }

    fn give_up(&mut self, node: Node) {
        self.actions.push(Action::GaveUp(node));
        self.gave_up |= node == ROOT;
        self.bring_down(node, After::Crashed);
    }

    fn halt(&mut self, node: Node) {
        if node == ROOT {
            return;
        }
        self.nodes[node].halted = true;
        match self.nodes[node].phase {
            Phase::Down => {}
            Phase::BackingOff => {
                self.nodes[node].timer = None;
                self.nodes[node].phase = Phase::Down;
            }
            Phase::StoppingChildren(_) => self.nodes[node].phase = Phase::StoppingChildren(After::Stay),
            Phase::Stopping(_) => self.nodes[node].phase = Phase::Stopping(After::Stay),
            Phase::Starting | Phase::StartingChildren | Phase::Up => self.bring_down(node, After::Stay),
        }
    }

    fn resume(&mut self, node: Node) {
        if node == ROOT || self.ending != Ending::No {
            return;
        }
        let was = std::mem::replace(&mut self.nodes[node].halted, false);
        let parent = self.nodes[node].parent.expect("only the kernel has none");
        let was_up = self.nodes[node].was_up;
        let parent_up = match self.nodes[parent].phase {
            Phase::Up => true,
            // Who has not had its turn yet is started in its turn.
            Phase::StartingChildren => was_up,
            _ => false,
        };
        let state = &mut self.nodes[node];
        match state.phase {
            Phase::StoppingChildren(After::Stay) if was => state.phase = Phase::StoppingChildren(After::Restart),
            Phase::Stopping(After::Stay) if was => state.phase = Phase::Stopping(After::Restart),
            Phase::Down if !state.ended && parent_up => {
                state.in_a_row = 0;
                self.start(node);
            }
            _ => {}
        }
    }

    fn shut_down(&mut self) {
        if self.ending == Ending::No {
            self.ending = Ending::InOrder;
            // Who was stopping for another reason shall handle what waits, too.
            let stopping = (0..self.nodes.len()).filter(|&n| matches!(self.nodes[n].phase, Phase::Stopping(_)));
            self.actions.extend(stopping.map(|node| Action::Stop { node, drain: true }));
        }
        if !matches!(self.nodes[ROOT].phase, Phase::StoppingChildren(_)) {
            self.bring_down(ROOT, After::Stay);
        }
    }

    fn kill(&mut self) {
        self.ending = Ending::Now;
        let alive = (0..self.nodes.len()).filter(|&node| self.nodes[node].alive);
        self.actions.extend(alive.map(|node| Action::Kill { node, late: false }));
        self.shut_down();
    }

    fn fire_timers(&mut self) {
        while let Some(at) = self.next_timer().filter(|&at| at <= self.now) {
            let Some(Reverse((_, node))) = self.timers.pop() else { return };
            debug_assert_eq!(self.nodes[node].timer, Some(at));
            self.nodes[node].timer = None;
            match self.nodes[node].phase {
                Phase::BackingOff => self.start(node),
                Phase::Stopping(_) => self.actions.push(Action::Kill { node, late: true }),
                _ => {}
            }
        }
    }

    fn set_timer(&mut self, node: Node, at: Duration) {
        self.nodes[node].timer = Some(at);
        self.timers.push(Reverse((at, node)));
    }

    /// Between nothing and `ceiling` ("full jitter").
    fn jitter(&mut self, ceiling: Duration) -> Duration {
        self.random = self.random.wrapping_add(random::STEP);
        random::duration_below(self.random, ceiling)
    }
}
