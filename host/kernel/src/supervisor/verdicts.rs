//! The decision about each crash, written into its report; and the failures that made the kernel give up.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rustc_hash::FxBuildHasher;
use tokio::time::Instant;

use crate::supervision::events::{Event, Node};
use crate::words::address::Address;
use crate::words::crash::CrashReport;
use crate::words::decision::Decision;
use crate::words::failure::{Directive, WhyGaveUp};

/// Failures shown when the kernel gives up.
const SHOWN_FAILURES: usize = 10;

/// Crashes without a decision, and the latest crashes of the kernel's children with one.
#[derive(Default)]
pub(super) struct Verdicts {
    /// The last crash of each actor for which a decision is awaited: at most one for each actor.
    open: HashMap<Node, Arc<CrashReport>, FxBuildHasher>,
    /// The directive that is being carried out, unless it leaves the decision to the rules.
    said: Option<(Node, Directive)>,
    /// Decided failures of the kernel's children, the oldest first.
    top: VecDeque<(Instant, Arc<CrashReport>)>,
}

impl Verdicts {
    /// Records a failure whose decision is not known yet.
    pub(super) fn failed(&mut self, node: Node, report: Arc<CrashReport>) {
        self.open.insert(node, report);
    }

    /// Notes the event that causes all decisions until the next event.
    pub(super) fn hear(&mut self, event: Event) {
        self.said = match event {
            Event::Directive { child, directive, .. } => Some((child, directive)),
            _ => None,
        };
    }

    /// Writes the decision into the report of the node's crash, if there is one.
    pub(super) fn decided(&mut self, node: Node, decision: Decision) {
        let is_top = |report: &CrashReport| report.address.parent().is_some_and(|parent| parent.is_root());
        let Some(report) = self.open.remove(&node) else { return };
        report.decide(match self.said {
            Some((child, directive)) if child == node && directive != Directive::Default => {
                Decision::Directed { directive, outcome: Box::new(decision) }
            }
            _ => decision,
        });
        if is_top(&report) {
            if self.top.len() == SHOWN_FAILURES {
                self.top.pop_front();
            }
            self.top.push_back((Instant::now(), report));
        }
    }

    /// The crash of a child that its parent has not decided about.
    pub(super) fn open(&self, node: Node) -> Option<Arc<CrashReport>> {
        self.open.get(&node).cloned()
    }

    /// The failures of the required actor that the play ends with, the last one first.
    pub(super) fn of_the_kernel(&self, required: &Address, why: WhyGaveUp) -> Vec<Arc<CrashReport>> {
        let counts = |at: Instant| match why {
            WhyGaveUp::TooOften(window) => at.elapsed() < window.period,
            WhyGaveUp::NotUp(_) | WhyGaveUp::NothingHandled(_) => true,
            _ => false,
        };
        let of_it = self.top.iter().rev().filter(|(_, report)| report.address == *required);
        of_it.enumerate().filter(|(n, (at, _))| *n == 0 || counts(*at)).map(|(_, (_, report))| report.clone()).collect()
    }
}
