//! The outcome of a start that an operator ordered.

use std::sync::Arc;

use crate::words::address::Address;
use crate::words::crash::CrashReport;
use crate::words::state::State;

/// The outcome of a start that an operator ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartedActor {
    /// The state of the actor before.
    pub before: State,
    /// Its state now.
    pub now: State,
}

/// Why an actor was not started. Nothing changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No actor has this address.
    #[error("no actor has the address `{0}`")]
    UnknownAddress(Address),
    /// Its start failed. That does not count as a crash, and the actor is not started again by itself.
    #[error("`{address}` did not start: it {}", reasons(.report))]
    Failed {
        /// The actor.
        address: Address,
        /// The failure.
        report: Arc<CrashReport>,
    },
    /// It ended, and starts again only with its parent.
    #[error("`{address}` has ended for good{how}: {why}; {}", way_out(.address))]
    Ended {
        /// The actor.
        address: Address,
        /// How it ended.
        how: String,
        /// The rule by which it ended.
        why: String,
    },
    /// An actor above it does not run, and will not run by itself.
    #[error("`{address}` cannot start: `{above}` above it is {}; {}", .state.name(), start_above(.above, *.state))]
    Above {
        /// The actor.
        address: Address,
        /// The highest actor above it that does not run.
        above: Address,
        /// The state of that actor.
        state: State,
    },
    /// The play is stopping.
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
