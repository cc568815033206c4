//! Starts that an operator orders and waits for: whether a start is possible, and its outcome.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::supervision::events::{Event, Node};
use crate::supervisor::command::Stage;
use crate::supervisor::role::Role;
use crate::supervisor::start_error::{StartError, StartedActor};
use crate::supervisor::state::{OrderedStart, Supervisor};
use crate::words::address::Address;
use crate::words::crash::CrashReport;
use crate::words::decision::Decision;
use crate::words::event::LogEvent;
use crate::words::events::StartFailed;
use crate::words::failure::Directive;
use crate::words::state::State;

impl Supervisor {
    /// Orders a start, unless it cannot succeed.
    pub(super) fn order_start(
        &mut self,
        address: Address,
        answer: oneshot::Sender<Result<StartedActor, StartError>>,
    ) -> Vec<Event> {
        let nodes = self.nodes_at(&address).to_vec();
        let Some(before) = self.state_at(&address).filter(|_| !nodes.is_empty()) else {
            let _ = answer.send(Err(StartError::UnknownAddress(address)));
            return Vec::new();
        };
        if let Some(error) = self.start_in_vain(&address, before) {
            let _ = answer.send(Err(error));
            return Vec::new();
        }
        let events = nodes.iter().copied().map(Event::Resume).collect();
        self.ordered.push(OrderedStart { address, nodes, before, answer });
        events
    }

    fn start_in_vain(&self, address: &Address, state: State) -> Option<StartError> {
        if !matches!(*self.stage.borrow(), Stage::Starting | Stage::Running) {
            return Some(StartError::Stopping);
        }
        let comes_up = |state: State| state.is_up() || state.is_on_its_way() || state == State::Down;
        // The highest such actor counts: those below it start with it.
        let mut highest = None;
        let mut above = address.parent();
        while let Some(at) = above.filter(|at| !at.is_root()) {
            if let Some(state) = self.state_at(&at).filter(|state| !comes_up(*state)) {
                highest = Some((at.clone(), state));
            }
            above = at.parent();
        }
        if let Some((above, state)) = highest {
            return Some(StartError::Above { address: address.clone(), above, state });
        }
        (state == State::Ended).then(|| self.ended_because(address))
    }

    /// The error for an actor that ended: the rule or the directive that ended it.
    fn ended_because(&self, address: &Address) -> StartError {
        let actor = self.shared.routing.registry.occupant(address);
        let report = actor.as_ref().and_then(|actor| actor.last_crash());
        let how = report.as_ref().map(|report| format!(", after it {}", report.crash.reason)).unwrap_or_default();
        let why = match report.as_ref().and_then(|report| report.decision()).and_then(Decision::directive) {
            Some(Directive::Stop) => "its parent said `stop` when it was asked about the failure".to_owned(),
            _ => "by its `restart.kind` it is not started again".to_owned(),
        };
        StartError::Ended { address: address.clone(), how, why }
    }

    /// Handles a failed start for which an operator waits, or the failed first start of a spawned actor.
    pub(super) fn start_failed(&mut self, node: Node) {
        let Some(report) = self.verdicts.open(node) else { return };
        self.verdicts.decided(node, Decision::NotStarted);
        let (subject, reason) = (self.role(node).about(), report.crash.reason.kind());
        StartFailed { subject, reason, decision: &Decision::NotStarted }.log();
        self.fail_ordered_start(node, &report);
        let Role { actor, instance, .. } = self.role(node).clone();
        // An actor that an operator started still exists; one that was just spawned does not, unless it has another instance.
        let is_there = |&node: &Node| self.tree.view(node).is_some();
        if is_there(&node) {
            self.move_to_live_sibling(&actor, &instance);
        } else if !self.nodes.get(&actor.id).into_iter().flatten().any(is_there)
            && let Some(spawned) = &actor.spawned
        {
            let _ = spawned.failed_start.set(report);
        }
    }

    /// Answers the operators that wait for this start with its failure.
    pub(super) fn fail_ordered_start(&mut self, node: Node, report: &Arc<CrashReport>) {
        for OrderedStart { address, answer, .. } in self.ordered.extract_if(.., |start| start.nodes.contains(&node)) {
            let _ = answer.send(Err(StartError::Failed { address, report: report.clone() }));
        }
    }

    /// Answers the operators whose starts have an outcome.
    pub(super) fn answer_ordered_starts(&mut self, over: bool) {
        if self.ordered.is_empty() {
            return;
        }
        let ordered = std::mem::take(&mut self.ordered);
        for start in ordered {
            let under_way = |&node: &Node| self.tree.view(node).is_some() && self.tree.outcome_of_start(node).is_none();
            let OrderedStart { address, nodes, before, answer } = start;
            if over || !matches!(*self.stage.borrow(), Stage::Starting | Stage::Running) {
                let _ = answer.send(Err(StartError::Stopping));
            } else if nodes.iter().any(under_way) {
                self.ordered.push(OrderedStart { address, nodes, before, answer });
            } else {
                let now = self.state_at(&address);
                let started = now.map(|now| StartedActor { before, now });
                let started = started.ok_or_else(|| StartError::UnknownAddress(address.clone()));
                self.keep_order(&address, false, move || {
                    let _ = answer.send(started);
                });
            }
        }
    }
}
