//! Starts that an operator orders and waits for: whether one can be made, and what came of it.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Role, Supervision};
use crate::address::Address;
use crate::crash::CrashReport;
use crate::decision::Decision;
use crate::supervision::events::{Directive, Event, Node, State};

/// The outcome of a start that an operator ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartedActor {
    /// Where the actor stood before.
    pub before: State,
    /// Where it stands now.
    pub now: State,
}

/// Why an actor was not started. Nothing changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Nobody there.
    #[error("no actor has the address `{0}`")]
    UnknownAddress(Address),
    /// Its start failed; that counts as no crash, and nothing tries it again.
    #[error("`{address}` did not start: it {}", reasons(.report))]
    Failed {
        /// Which actor.
        address: Address,
        /// How.
        report: Arc<CrashReport>,
    },
    /// It ended, and comes back with its parent alone.
    #[error("`{address}` has ended for good{how}: {why}; {}", way_out(.address))]
    Ended {
        /// Which actor.
        address: Address,
        /// How it ended.
        how: String,
        /// The rule by which it ended.
        why: String,
    },
    /// An actor above it does not run, and will not by itself.
    #[error("`{address}` cannot start: `{above}` above it is {}; {}", .state.name(), start_above(.above, *.state))]
    Above {
        /// Which actor.
        address: Address,
        /// The highest actor above it that does not run.
        above: Address,
        /// Where that stands.
        state: State,
    },
    /// Nothing starts any more.
    #[error("the play is stopping: nothing starts any more")]
    Stopping,
}

fn reasons(report: &CrashReport) -> String {
    let reasons = report.chain().enumerate().map(|(depth, report)| {
        let reason = &report.crash.reason;
        if depth == 0 { reason.to_string() } else { format!("`{}` {reason}", report.address) }
    });
    reasons.collect::<Vec<_>>().join("; ")
}

fn way_out(address: &Address) -> String {
    match address.parent().filter(|parent| !parent.is_root()) {
        Some(parent) => {
            format!("it starts again with its parent: `playhouse stop {parent}`, then `playhouse start {parent}`")
        }
        None => "the play can be".to_owned(),
    }
}

fn start_above(above: &Address, state: State) -> String {
    match state {
        State::Ended => way_out(above),
        _ => format!("`playhouse start {above}` starts that first"),
    }
}

/// A start that an operator waits for.
pub(super) struct OrderedStart {
    address: Address,
    nodes: Vec<Node>,
    before: State,
    answer: oneshot::Sender<Result<StartedActor, StartError>>,
}

impl Supervision {
    /// Orders a start, unless it is known to be in vain.
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
        if !matches!(*self.stage.borrow(), super::Stage::Starting | super::Stage::Running) {
            return Some(StartError::Stopping);
        }
        let comes_up = |state: State| state.is_up() || state.is_on_its_way() || state == State::Down;
        // The highest one: those below it come up with it.
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

    /// Why an actor that ended cannot be started: what decided so.
    fn ended_because(&self, address: &Address) -> StartError {
        let actor = self.world.registry.occupant(address);
        let report = actor.as_ref().and_then(|actor| actor.last_crash());
        let how = report.as_ref().map(|report| format!(", after it {}", report.crash.reason)).unwrap_or_default();
        let why = match report.as_ref().and_then(|report| report.decision()).and_then(Decision::directive) {
            Some(Directive::Stop) => "its parent said `stop` when it was asked about the failure".to_owned(),
            _ => "by its `restart.kind` it is not started again".to_owned(),
        };
        StartError::Ended { address: address.clone(), how, why }
    }

    /// The start failed for which an operator waits, or the first one of a spawned actor.
    pub(super) fn start_failed(&mut self, node: Node) {
        let Some(report) = self.verdicts.open(node) else { return };
        self.verdicts.decided(node, Decision::NotStarted);
        tracing::warn!(target: "playhouse", address = %report.address, "{}", Decision::NotStarted);
        self.fail_ordered_start(node, &report);
        let Role { actor, lane, .. } = self.role(node).clone();
        // An actor that an operator started is there still; one that was spawned just now is not, without another instance.
        let is_there = |&node: &Node| self.tree.view(node).is_some();
        if is_there(&node) {
            self.hand_to_live(&actor, &lane);
        } else if !self.nodes.get(&actor.id).into_iter().flatten().any(is_there)
            && let Some(spawned) = &actor.spawned
        {
            let _ = spawned.failed_start.set(report);
        }
    }

    /// Tells who waits for this start that it failed.
    pub(super) fn fail_ordered_start(&mut self, node: Node, report: &Arc<CrashReport>) {
        for OrderedStart { address, answer, .. } in self.ordered.extract_if(.., |start| start.nodes.contains(&node)) {
            let _ = answer.send(Err(StartError::Failed { address, report: report.clone() }));
        }
    }

    /// Tells those whose starts came to an outcome.
    pub(super) fn answer_ordered_starts(&mut self, over: bool) {
        if self.ordered.is_empty() {
            return;
        }
        let ordered = std::mem::take(&mut self.ordered);
        for start in ordered {
            let under_way = |&node: &Node| self.tree.view(node).is_some() && self.tree.outcome_of_start(node).is_none();
            let OrderedStart { address, nodes, before, answer } = start;
            if over || !matches!(*self.stage.borrow(), super::Stage::Starting | super::Stage::Running) {
                let _ = answer.send(Err(StartError::Stopping));
            } else if nodes.iter().any(under_way) {
                self.ordered.push(OrderedStart { address, nodes, before, answer });
            } else {
                let now = self.state_at(&address);
                let _ =
                    answer.send(now.map(|now| StartedActor { before, now }).ok_or(StartError::UnknownAddress(address)));
            }
        }
    }
}
