//! Drives a tree as the kernel does: gives names to nodes, keeps the time, answers for incarnations, and shows every action
//! to the [`Watcher`].

use std::collections::BTreeMap;
use std::time::Duration;

use playhouse_kernel::supervision::events::{
    Action, Directive, Ended, Event, Fault, Node, NodeSpec, ROOT, State, View, WhyGaveUp, Window,
};
use playhouse_kernel::supervision::tree::Tree;
use playhouse_kernel::{Backoff, RestartKind, StartKind, Strategy, SupervisionSpec};

use crate::watchful::Watcher;

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);

/// Permanent, restarted without a pause.
pub const PLAIN: NodeSpec = NodeSpec {
    kind: RestartKind::Permanent,
    backoff: Backoff { initial: Duration::ZERO, max: Duration::ZERO },
    supervision: SUPERVISOR,
    start: StartKind::Auto,
    dynamic: false,
    lasting: false,
    decides_failures: false,
    directive_timeout: SECOND,
    cooldown: None,
    required: false,
    isolates: false,
};

/// One-for-one, ten restarts in ten seconds, five seconds to stop.
pub const SUPERVISOR: SupervisionSpec = SupervisionSpec {
    strategy: Strategy::OneForOne,
    intensity: 10,
    period: Duration::from_secs(10),
    shutdown: Duration::from_secs(5),
};

pub const ON_MESSAGE: NodeSpec = NodeSpec { start: StartKind::OnMessage, ..PLAIN };

pub const DYNAMIC: NodeSpec = NodeSpec { dynamic: true, ..PLAIN };

pub fn kind(kind: RestartKind) -> NodeSpec {
    NodeSpec { kind, ..PLAIN }
}

/// A pause whose ceiling does not grow.
pub fn pausing(pause: Duration) -> NodeSpec {
    NodeSpec { backoff: Backoff { initial: pause, max: pause }, ..PLAIN }
}

pub struct House {
    pub tree: Tree,
    pub now: Duration,
    pub watcher: Watcher,
    names: BTreeMap<String, Node>,
    lines: Vec<String>,
    /// All events and actions.
    story: Vec<String>,
    /// Restarts since the last call of [`House::restarts`].
    pauses: Vec<Duration>,
}

impl House {
    pub fn new(kernel: SupervisionSpec) -> Self {
        Self {
            tree: Tree::new(kernel, 7),
            now: Duration::ZERO,
            watcher: Watcher::new(kernel),
            names: BTreeMap::from([("kernel".to_owned(), ROOT)]),
            lines: Vec::new(),
            story: Vec::new(),
            pauses: Vec::new(),
        }
    }

    /// A kernel with default rules and running children.
    pub fn of(children: &[(&str, NodeSpec)]) -> Self {
        Self::of_kernel(SUPERVISOR, children)
    }

    /// As [`House::of`]. `p/c` is a child of `p`.
    pub fn of_kernel(kernel: SupervisionSpec, children: &[(&str, NodeSpec)]) -> Self {
        let mut house = Self::new(kernel);
        for (name, spec) in children {
            house.add(name, *spec);
        }
        house.step(Event::Boot);
        house.settle();
        house.lines();
        house
    }

    pub fn add(&mut self, name: &str, spec: NodeSpec) -> Node {
        let parent = name.rsplit_once('/').map_or(ROOT, |(parent, _)| self.node(parent));
        let node = self.add_below(parent, spec);
        self.names.insert(name.to_owned(), node);
        node
    }

    pub fn add_below(&mut self, parent: Node, spec: NodeSpec) -> Node {
        let node = self.tree.add(parent, spec).expect("the parent is there");
        self.watcher.added(node, parent, spec);
        node
    }

    /// Adds an instance of an actor.
    pub fn add_instance(&mut self, name: &str, first: Node, spec: NodeSpec) {
        let node = self.add_instance_of(first, spec);
        self.names.insert(name.to_owned(), node);
    }

    pub fn add_instance_of(&mut self, first: Node, spec: NodeSpec) -> Node {
        let node = self.tree.add_instance(first, spec).expect("its parent is there");
        let parent = self.watcher.nodes[&first].parent;
        self.watcher.added(node, parent, spec);
        self.watcher.nodes.get_mut(&node).expect("it was just added").first = Some(first);
        node
    }

    /// Adds a dynamic child and reports it to the tree.
    pub fn spawn(&mut self, name: &str, spec: NodeSpec) -> Node {
        let node = self.add(name, NodeSpec { dynamic: true, ..spec });
        self.step(Event::Spawned(node));
        node
    }

    pub fn node(&self, name: &str) -> Node {
        self.names[name]
    }

    pub fn step(&mut self, event: Event) -> Vec<Action> {
        self.story.push(format!("{:?} {event:?}", self.now));
        self.watcher.before(event);
        let actions = self.tree.step(self.now, event);
        for action in &actions {
            let line = self.show(*action);
            self.story.push(format!("    {line}"));
            self.watcher.saw(self.now, *action);
            self.lines.push(line);
            if let Action::RestartIn { pause, .. } = action {
                self.pauses.push(*pause);
            }
        }
        self.watcher.after(&self.tree, event);
        actions
    }

    pub fn up(&mut self, name: &str) {
        let node = self.node(name);
        self.step(Event::Started(node, self.watcher.incarnation(node)));
    }

    pub fn end(&mut self, name: &str, how: Ended) {
        let node = self.node(name);
        self.step(Event::Ended(node, self.watcher.incarnation(node), how));
    }

    /// Ends a run. Its actor handled this number of messages since the last account.
    pub fn crash_over(&mut self, name: &str, handled: u64, fault: Fault) {
        self.step(Event::Account { node: self.node(name), handled, fault });
        self.crash(name);
    }

    pub fn crash(&mut self, name: &str) {
        self.end(name, Ended::Crashed);
    }

    pub fn halt(&mut self, name: &str) {
        self.step(Event::Halt(self.node(name)));
    }

    pub fn resume(&mut self, name: &str) {
        self.step(Event::Resume(self.node(name)));
    }

    /// A message arrived.
    pub fn wanted(&mut self, name: &str) {
        self.step(Event::Wanted(self.node(name)));
    }

    pub fn dismiss(&mut self, name: &str) {
        self.step(Event::Dismiss(self.node(name)));
    }

    pub fn directive(&mut self, name: &str, directive: Directive) {
        let child = self.node(name);
        self.step(Event::Directive { child, incarnation: self.watcher.incarnation(child), directive });
    }

    /// Time passes, and due timers fire.
    pub fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.tree.next_timer().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.step(Event::Timer);
        }
        self.now = until;
    }

    /// One incarnation that owes an answer gives it, without a fault. False when none does.
    pub fn answer_one(&mut self) -> bool {
        let Some((node, incarnation, told)) = self.watcher.owes() else { return false };
        let stopped = Event::Ended(node, incarnation, Ended::Stopped);
        self.step(if told { stopped } else { Event::Started(node, incarnation) });
        true
    }

    pub fn answer_times(&mut self, times: usize) {
        (0..times).for_each(|_| assert!(self.answer_one(), "no incarnation has an answer"));
    }

    /// All incarnations answer without a fault, and no time passes.
    pub fn answer(&mut self) {
        let mut steps = 0;
        while self.answer_one() {
            steps += 1;
            assert!(steps < 100_000, "the tree does not come to rest");
        }
    }

    /// All incarnations answer without a fault and all timers pass, until nothing is pending.
    pub fn settle(&mut self) {
        let mut steps = 0;
        loop {
            self.answer();
            let Some(due) = self.tree.next_timer() else { return };
            self.now = self.now.max(due);
            self.step(Event::Timer);
            steps += 1;
            assert!(steps < 100_000, "the tree does not come to rest");
        }
    }

    /// Events since the last look.
    pub fn lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    pub fn pauses(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.pauses)
    }

    pub fn view(&self, name: &str) -> View {
        self.tree.view(self.node(name)).expect("it is there")
    }

    pub fn window(&self, name: &str) -> Window {
        self.tree.window_of(self.node(name), self.now)
    }

    pub fn state(&self, name: &str) -> State {
        self.view(name).state
    }

    pub fn is_gone(&self, name: &str) -> bool {
        self.tree.view(self.node(name)).is_none()
    }

    fn name(&self, node: Node) -> String {
        let known = self.names.iter().find(|(_, known)| **known == node);
        known.map_or_else(|| format!("{}.{}", node.index(), node.generation()), |(name, _)| name.clone())
    }

    fn show(&self, action: Action) -> String {
        match action {
            Action::Start(node, incarnation) => format!("+{}#{incarnation}", self.name(node)),
            Action::Stop { node, drain: false } => format!("-{}", self.name(node)),
            Action::Stop { node, drain: true } => format!("-{} drained", self.name(node)),
            Action::Kill { node, .. } => format!("kill {}", self.name(node)),
            Action::Retire(node) => format!("retire {}", self.name(node)),
            Action::Revive(node) => format!("revive {}", self.name(node)),
            Action::Forget(node) => format!("forget {}", self.name(node)),
            Action::Passivated(node) => format!("{} is passivated", self.name(node)),
            Action::Waiting(node) => format!("{} waits", self.name(node)),
            Action::RestartIn { node, window, .. } => {
                format!("{}: restart {} of {}", self.name(node), window.restarts, window.intensity)
            }
            Action::StartFailed(node) => format!("{} did not start", self.name(node)),
            Action::GaveUp { node, child, why } => {
                let why = match why {
                    WhyGaveUp::TooOften(_) => "too often",
                    WhyGaveUp::FailedStart => "failed start",
                    WhyGaveUp::Escalated => "escalated",
                    why => return format!("{} gave up on {}: {why}", self.name(node), self.name(child)),
                };
                format!("{} gave up on {}: {why}", self.name(node), self.name(child))
            }
            Action::Failed { node, why: WhyGaveUp::TooOften(_), .. } => {
                format!("{} failed: too often", self.name(node))
            }
            Action::Failed { node, why, .. } => format!("{} failed: {why}", self.name(node)),
            Action::Reset(node) => format!("{} is failed no more", self.name(node)),
            Action::RequestDirective { parent, child, .. } => {
                format!("{} is asked about {}", self.name(parent), self.name(child))
            }
            Action::Booted => "booted".to_owned(),
            Action::Over(true) => "over: gave up".to_owned(),
            Action::Over(false) => "over".to_owned(),
        }
    }
}

/// A failed test prints its history.
impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- history:\n{}", self.story.join("\n"));
        }
    }
}
