//! A checker of rules that hold in every case. It sees only the events and the actions, and knows only what any reader of
//! them knows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use playhouse_kernel::supervision::events::{
    Action, Directive, Ended, Event, Fault, Node, NodeSpec, ROOT, WhyGaveUp, Window,
};
use playhouse_kernel::supervision::tree::Tree;
use playhouse_kernel::{RestartKind, StartKind, Strategy, SupervisionSpec};

#[allow(clippy::struct_excessive_bools)] // facts that combine freely
pub struct Known {
    pub parent: Node,
    /// The first instance of the same actor, set for every other instance.
    pub first: Option<Node>,
    pub spec: NodeSpec,
    /// Grows with the order of adding, or of adoption.
    pub place: u64,
    pub incarnation: u64,
    pub alive: bool,
    pub up: bool,
    /// An order to stop or to end.
    pub told: bool,
    pub killed: bool,
    pub retired: bool,
    pub halted: bool,
    pub orphan: bool,
    /// It stops for its own reason, and not in the order of its siblings.
    alone: bool,
    /// It may start although its kind ended it.
    licence: bool,
    /// The end of its last incarnation.
    pub end: Option<Ended>,
    pub gave_up: bool,
    pub dismissed: bool,
    /// A start that an operator ordered failed, or the first one after it was spawned.
    start_failed: bool,
    /// A directive ended it, and may have come too late.
    pub may_have_ended: bool,
    /// Announcements of its children's restarts since its own start.
    pub restarts: Vec<Duration>,
    /// The pause before its restart is not over.
    not_before: Option<Duration>,
    /// Was started by the present incarnation of its parent, or passivated.
    pub had_its_turn: bool,
    /// It has no incarnation until a message comes.
    pub passivated: bool,
    /// A message arrived, or an operator wants it.
    wanted: bool,
    /// It ended just before its order to drain, and started once more for that.
    pub drains_after_all: bool,
    /// Consecutive refusals of its own code to start.
    refusals: u32,
    /// It failed too often, directly under the kernel.
    pub failed: bool,
    /// Announcements of restarts of this child of the kernel.
    pub own_restarts: Vec<Duration>,
}

#[allow(clippy::struct_excessive_bools)] // as above
pub struct Watcher {
    pub kernel: SupervisionSpec,
    pub nodes: BTreeMap<Node, Known>,
    pub forgotten: Vec<Node>,
    next_place: u64,
    /// Children with a decision of their parent pending, with their incarnation.
    pub asked: Vec<(Node, u64)>,
    pub over: Option<bool>,
    booted: bool,
    /// Some failures may not count.
    pub accounts: bool,
    /// Nodes whose last account blames another actor: they restart however often others failed.
    innocent: BTreeSet<Node>,
    pub shutting_down: bool,
    kernel_gave_up: bool,
    killed: bool,
    expected_silence: bool,
    /// Started after its dismissal, so its drain must follow at once.
    must_drain: Option<Node>,
}

impl Watcher {
    pub fn new(kernel: SupervisionSpec) -> Self {
        Self {
            kernel,
            nodes: BTreeMap::new(),
            forgotten: Vec::new(),
            next_place: 0,
            asked: Vec::new(),
            over: None,
            booted: false,
            accounts: false,
            innocent: BTreeSet::new(),
            shutting_down: false,
            kernel_gave_up: false,
            killed: false,
            expected_silence: false,
            must_drain: None,
        }
    }

    pub fn added(&mut self, node: Node, parent: Node, spec: NodeSpec) {
        assert!(!self.forgotten.contains(&node), "a node's name is used again");
        self.next_place += 1;
        let known = Known {
            parent,
            first: None,
            spec,
            place: self.next_place,
            incarnation: 0,
            alive: false,
            up: false,
            told: false,
            killed: false,
            retired: false,
            halted: spec.start == StartKind::Manual,
            orphan: false,
            alone: false,
            licence: false,
            end: None,
            gave_up: false,
            dismissed: false,
            start_failed: false,
            may_have_ended: false,
            restarts: Vec::new(),
            not_before: None,
            had_its_turn: false,
            passivated: false,
            wanted: false,
            drains_after_all: false,
            refusals: 0,
            failed: false,
            own_restarts: Vec::new(),
        };
        assert!(self.nodes.insert(node, known).is_none(), "two actors are one node");
    }

    pub fn incarnation(&self, node: Node) -> u64 {
        self.nodes.get(&node).map_or(0, |known| known.incarnation)
    }

    /// An incarnation that owes the answer to an order, and whether the order is to end.
    pub fn owes(&self) -> Option<(Node, u64, bool)> {
        let owes = |(_, known): &(&Node, &Known)| known.alive && (known.told || !known.up);
        self.nodes.iter().find(owes).map(|(node, known)| (*node, known.incarnation, known.told))
    }

    pub fn children(&self, node: Node) -> impl Iterator<Item = &Known> {
        self.nodes.values().filter(move |known| known.parent == node)
    }

    /// Whether its parent, or that of an actor above it, stops it for good.
    fn stops_for_good(&self, node: Node) -> bool {
        let mut path = std::iter::successors(self.nodes.get(&node), |known| self.nodes.get(&known.parent));
        path.any(|known| known.dismissed)
    }

    /// It runs, and has no order to stop.
    pub fn may_have_children(&self, node: Node) -> bool {
        node == ROOT && self.over.is_none()
            || self.nodes.get(&node).is_some_and(|known| known.alive && known.up && !known.told)
    }

    pub fn before(&mut self, event: Event) {
        let is_late = |node: &Node, incarnation: u64| {
            self.nodes.get(node).is_none_or(|known| !known.alive || known.incarnation != incarnation)
        };
        self.expected_silence = match event {
            Event::Started(node, incarnation) | Event::Ended(node, incarnation, _) => is_late(&node, incarnation),
            Event::Spawned(node)
            | Event::Adopted(node)
            | Event::Dismiss(node)
            | Event::Halt(node)
            | Event::Resume(node)
            | Event::Wanted(node)
            | Event::Released(node) => !self.nodes.contains_key(&node),
            Event::Directive { child, incarnation, .. } => !self.asked.contains(&(child, incarnation)),
            Event::Boot | Event::Shutdown | Event::Kill | Event::Timer | Event::Account { .. } => false,
        } || self.over.is_some();
        if self.expected_silence {
            return;
        }
        match event {
            Event::Started(node, _) => {
                let known = self.known(node);
                (known.up, known.refusals) = (true, 0);
            }
            Event::Ended(node, _, how) => {
                let has_children = self.children(node).next().is_some();
                let known = self.known(node);
                known.alive = false;
                known.end = Some(match how {
                    Ended::Refused(_) if !known.up => how,
                    // No other incarnation reports that. From them it is a failure.
                    Ended::Refused(_) => Ended::Crashed,
                    Ended::Idle if has_children => Ended::Crashed,
                    // Perhaps it was running at its order to stop.
                    _ if known.up || how == Ended::Idle && known.told => how,
                    _ => Ended::FailedStart,
                });
                known.licence |= matches!(known.end, Some(Ended::Idle | Ended::Refused(_)));
            }
            Event::Adopted(node) => {
                let parent = &self.nodes.get(&self.nodes[&node].parent);
                let comes_up = parent.is_some_and(|parent| parent.alive && !parent.up && !parent.told);
                if self.nodes[&node].orphan && comes_up {
                    self.next_place += 1;
                    let place = self.next_place;
                    let known = self.known(node);
                    known.orphan = false;
                    known.place = place;
                }
            }
            Event::Dismiss(node) => {
                let known = self.known(node);
                known.alone |= known.alive && !known.told;
                // A stop that is over does not concern the start for waiting messages.
                known.told &= known.alive;
                known.dismissed = true;
            }
            Event::Halt(node) => {
                let known = self.known(node);
                known.alone |= known.alive && !known.told;
                known.halted = true;
                known.not_before = None;
            }
            Event::Resume(node) if !self.shutting_down && !self.killed => {
                let known = self.known(node);
                known.licence |= known.halted;
                known.halted = false;
                known.wanted = true;
                known.not_before = None;
            }
            Event::Directive { child, directive, .. } => {
                self.asked.retain(|(asked, _)| *asked != child);
                let known = self.known(child);
                known.licence |= directive == Directive::Restart;
                known.may_have_ended |= directive == Directive::Stop;
            }
            Event::Wanted(node) => self.known(node).wanted = true,
            Event::Shutdown => self.shutting_down = true,
            Event::Kill => self.killed = true,
            Event::Account { node, fault, .. } => {
                self.accounts = true;
                self.innocent.remove(&node);
                if fault == Fault::Another {
                    self.innocent.insert(node);
                }
            }
            _ => {}
        }
    }

    pub fn saw(&mut self, now: Duration, action: Action) {
        assert!(!self.expected_silence, "{action:?} because of a late event");
        assert_eq!(self.over, None, "{action:?} after the end");
        if let Some(dismissed) = self.must_drain.take() {
            let drains = matches!(action, Action::Stop { node, drain: true } if node == dismissed);
            assert!(drains, "started although it was dismissed, and then {action:?}");
        }
        match action {
            Action::Start(node, incarnation) => self.starts(now, node, incarnation),
            Action::Stop { node, drain } => self.stops(node, drain),
            Action::Kill { node, late } => {
                let known = self.known(node);
                assert!(known.alive && !known.killed, "killed while it does not run, or twice");
                assert!(!late || known.told, "late, without an order to stop");
                known.told = true;
                known.killed = true;
                assert!(late || self.killed, "no kill was ordered");
            }
            Action::Passivated(node) => {
                let ends = self.shutting_down;
                let known = self.known(node);
                known.halted &= !known.start_failed;
                assert!(!known.alive && !known.halted && !known.retired, "passivated while it runs, or may not");
                // As before the start that an operator ordered, and that failed.
                let start_failed = std::mem::take(&mut known.start_failed);
                let is_first = known.spec.start == StartKind::OnMessage;
                let idle = known.end == Some(Ended::Idle);
                assert!(start_failed || is_first || idle || ends, "passivated after {:?}", known.end);
                (known.passivated, known.wanted, known.had_its_turn) = (true, false, true);
            }
            Action::Waiting(node) => {
                let known = self.known(node);
                assert!(!known.alive && matches!(known.end, Some(Ended::Refused(_))), "waits, and was not refused");
                known.refusals += 1;
                known.not_before = Some(now + known.spec.backoff.ceiling(known.refusals));
            }
            Action::Retire(node) => {
                let known = self.known(node);
                assert!(!known.alive && !known.retired && !known.spec.dynamic, "retired while it runs, or twice");
                known.retired = true;
            }
            Action::Revive(node) => {
                let known = self.known(node);
                assert!(known.retired, "it was not retired");
                known.retired = false;
                known.dismissed = false;
                known.may_have_ended = false;
            }
            Action::Forget(node) => {
                let known = self.nodes.remove(&node).expect("forgotten once");
                assert!(!known.alive, "forgotten while it runs");
                assert!(!self.nodes.values().any(|child| child.parent == node), "forgotten before its children");
                self.asked.retain(|(asked, _)| *asked != node);
                self.forgotten.push(node);
            }
            Action::StartFailed(node) => {
                let known = self.known(node);
                assert!(!known.alive && (known.gave_up || !known.up), "no start of it failed: {:?}", known.end);
                (known.start_failed, known.halted, known.licence) = (true, true, true);
            }
            Action::RestartIn { node, window, pause, .. } => self.announces(now, node, window, pause),
            Action::GaveUp { node, child, why } => self.gives_up(now, node, child, why),
            Action::Failed { node, trial_in, .. } => {
                assert!(self.nodes[&node].parent == ROOT && !self.nodes[&node].alive, "failed while it runs");
                assert!(self.children(node).all(|child| !child.alive), "failed while it runs below");
                let goes_on = |known: &Known| !(known.failed || known.retired || known.halted && !known.alive);
                let whole = !self.instances_beside(node).any(goes_on);
                assert!(!whole || !self.nodes[&node].spec.required, "a required actor failed, and the play continues");
                let several = self.instances_beside(node).next().is_some();
                for node in if whole { self.instances_of(node) } else { Vec::new() } {
                    self.known(node).own_restarts.clear();
                }
                let known = self.known(node);
                assert!(!known.halted && !known.retired, "failed while it is down");
                // Once more when the last working instance beside it ended.
                assert!(!known.failed || several && whole, "failed twice");
                if !whole {
                    known.own_restarts.push(now);
                }
                known.failed = true;
                known.not_before = Some(trial_in.map_or(Duration::MAX, |pause| now + pause));
            }
            Action::Reset(node) => {
                let known = self.known(node);
                assert!(std::mem::take(&mut known.failed), "it did not fail");
                known.licence = true;
            }
            Action::RequestDirective { parent, parent_incarnation, child, incarnation } => {
                assert!(self.may_have_children(parent), "it is asked while it is not up");
                let asked = &self.nodes[&parent];
                assert!(asked.spec.decides_failures && asked.incarnation == parent_incarnation);
                let failed = &self.nodes[&child];
                assert!(failed.parent == parent && failed.incarnation == incarnation && !failed.alive);
                self.asked.push((child, incarnation));
            }
            Action::Booted => assert!(!std::mem::replace(&mut self.booted, true), "booted twice"),
            Action::Over(gave_up) => {
                assert!(self.nodes.values().all(|known| !known.alive), "over while an actor runs");
                assert!(self.nodes.values().all(|known| !known.spec.dynamic), "over with dynamic actors left");
                assert_eq!(gave_up, self.kernel_gave_up);
                let closed = self.nodes.values().all(|known| known.retired);
                assert!(closed || gave_up || self.killed, "over with open mailboxes");
                assert!(gave_up || self.shutting_down || self.killed, "over by itself");
                self.over = Some(gave_up);
            }
        }
    }

    fn starts(&mut self, now: Duration, node: Node, incarnation: u64) {
        let known = &self.nodes[&node];
        assert!(!known.alive, "two incarnations of one actor");
        assert_eq!(incarnation, known.incarnation + 1, "incarnations count up");
        assert!(!known.halted, "started after an operator's stop");
        assert!(!known.retired, "started with a closed mailbox");
        assert!(!known.orphan, "an orphan was started");
        assert!(!known.failed, "started though it failed");
        let drains_after_all = known.told && known.end == Some(Ended::Idle);
        let to_drain = self.stops_for_good(node) && !drains_after_all;
        assert!(!known.passivated || known.wanted, "started although no message came");
        assert!(!self.killed, "started after the kill");
        assert!(self.may_have_children(known.parent), "started while its parent is not up");
        assert!(self.children(node).all(|child| !child.alive), "started before the teardown below it ended");
        let ended = self.children(node).any(|child| child.retired);
        assert!(!ended || self.shutting_down || to_drain, "its children's mailboxes are closed while it starts");
        let temporary = known.spec.kind == RestartKind::Temporary;
        assert!(!temporary || known.incarnation == 0 || known.licence, "a temporary actor restarted");
        if !self.shutting_down && !to_drain {
            assert!(known.not_before.is_none_or(|time| time <= now), "started before its pause was over");
            self.starts_in_order(known);
        }
        self.must_drain = (to_drain && known.dismissed).then_some(node);
        self.asked.retain(|(asked, _)| *asked != node);
        for child in self.nodes.values_mut().filter(|child| child.parent == node) {
            child.orphan = child.spec.dynamic;
            child.licence = true;
            child.not_before = None;
            child.had_its_turn = false;
            child.passivated = false;
        }
        let known = self.known(node);
        known.incarnation = incarnation;
        known.alive = true;
        known.up = false;
        known.told = false;
        known.killed = false;
        known.alone = to_drain || known.alone && drains_after_all;
        known.licence = false;
        known.gave_up = false;
        known.restarts.clear();
        known.not_before = None;
        known.had_its_turn = true;
        known.passivated = false;
        known.drains_after_all = drains_after_all;
    }

    fn stops(&mut self, node: Node, drain: bool) {
        let known = &self.nodes[&node];
        assert!(known.alive && !known.killed, "ordered to stop while it does not run, or was killed");
        assert!(!known.told || drain, "ordered twice");
        assert!(self.children(node).all(|child| !child.alive), "ordered to stop before its children");
        let (parent, place) = (known.parent, known.place);
        // A stop from before the shutdown continues beside it.
        let in_turn = !known.alone && !known.told && !known.drains_after_all && (drain || !self.shutting_down);
        if in_turn {
            // Spawned siblings stop together once their time is over.
            let later = self.nodes.iter().find(|(node, sibling)| {
                let comes_after = sibling.parent == parent && sibling.place > place;
                let goes_down = sibling.spec.dynamic && self.goes_down(**node);
                comes_after && sibling.alive && !sibling.alone && !goes_down
            });
            assert!(later.is_none(), "stopped before one that started after it");
        }
        self.known(node).told = true;
    }

    fn announces(&mut self, now: Duration, node: Node, window: Window, pause: Duration) {
        let known = &self.nodes[&node];
        assert!(!known.alive, "restarts while it runs");
        let failed = known.gave_up || matches!(known.end, Some(Ended::Crashed | Ended::FailedStart));
        let allowed = match known.spec.kind {
            // An incarnation that ends without an order has crashed, whatever it reports.
            RestartKind::Permanent => known.end.is_some(),
            RestartKind::Transient => failed || known.end == Some(Ended::Stopped),
            RestartKind::Temporary => false,
        };
        assert!(allowed || known.licence, "its kind does not restart: {:?}", known.end);
        let parent = known.parent;
        let recent = self.recent(node, now) + 1;
        let allowed = window.restarts <= window.intensity || self.innocent.contains(&node);
        assert!(allowed, "more restarts than the window allows");
        if self.accounts {
            assert!(window.restarts <= recent, "more than there were");
        } else if self.shutting_down {
            assert!(window.restarts >= recent, "restarts that were not counted");
        } else {
            assert_eq!(window.restarts, recent, "restarts that were not counted once");
        }
        let strategy = self.nodes.get(&parent).map_or(self.kernel, |above| above.spec.supervision).strategy;
        for sibling in self.nodes.values_mut().filter(|sibling| sibling.parent == parent) {
            // The group's pause is the longest of its failures' pauses, and replaces the others.
            if strategy != Strategy::OneForOne {
                sibling.not_before = None;
            }
        }
        self.known(node).not_before = Some(now + pause);
        if parent == ROOT { self.known(node).own_restarts.push(now) } else { self.known(parent).restarts.push(now) }
    }

    fn gives_up(&mut self, now: Duration, node: Node, child: Node, why: WhyGaveUp) {
        assert!(self.may_have_children(node), "gave up while it is not up");
        assert!(self.nodes[&child].parent == node && !self.nodes[&child].alive);
        if let WhyGaveUp::TooOften(window) = why {
            assert!(window.restarts > window.intensity, "gave up before the window was full");
            // One that failed before the last of its instances ended was counted then.
            if !self.shutting_down && !self.accounts && !self.nodes[&child].failed {
                assert_eq!(window.restarts, self.recent(child, now) + 1);
            }
        }
        if node == ROOT {
            let failed = |known: &Known| known.failed || known.retired;
            let all_failed = self.children(ROOT).all(failed) && self.children(ROOT).any(|known| known.failed);
            assert!(
                self.nodes[&child].spec.required || all_failed,
                "the play ends, and nothing required or all failed"
            );
            self.kernel_gave_up = true;
        } else {
            let known = self.known(node);
            known.gave_up = true;
            known.alone = true;
        }
    }

    pub fn after(&mut self, tree: &Tree, event: Event) {
        if let Event::Started(node, _) = event
            && let Some(known) = self.nodes.get(&node)
            && !self.expected_silence
            && !known.told
        {
            assert!(self.children(node).all(|child| !child.orphan), "an orphan is left after its parent started");
        }
        assert_eq!(tree.len(), self.nodes.len(), "nodes are kept that were forgotten, or lost");
        let unknown = self.forgotten.iter().rev().take(3).find(|node| tree.view(**node).is_some());
        assert_eq!(unknown, None, "a forgotten node is known");
    }

    fn known(&mut self, node: Node) -> &mut Known {
        self.nodes.get_mut(&node).unwrap_or_else(|| panic!("an action for {node:?}, which was removed"))
    }
}
