//! The decision about a crash: which actors start again, which give up. The module `supervision` decides; this one is the
//! text for operators.

use std::fmt;
use std::time::Duration;

use crate::words::address::Address;
use crate::words::failure::{Directive, WhyGaveUp, Window};
use crate::words::restart::{RestartKind, Strategy};

/// The consequence of a failure for the actor that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// It starts again.
    Restarts {
        /// After this pause.
        pause: Duration,
        /// Its supervisor's restarts, including this one.
        window: Window,
        /// Its supervisor's strategy: which siblings restart with it.
        strategy: Strategy,
    },
    /// Its supervisor gives up because of it, and fails.
    GaveUp {
        /// The supervisor.
        supervisor: Address,
        /// The cause.
        why: WhyGaveUp,
    },
    /// Directly under `/`, it failed too often: its messages wait for a trial start.
    Failed {
        /// The cause.
        why: WhyGaveUp,
        /// The pause before the trial start; none: only an operator starts it.
        trial_in: Option<Duration>,
    },
    /// It is not started again: by its restart kind, or, for a permanent actor, because its parent stopped it for good.
    Ended(RestartKind),
    /// Its parent was asked and gave a directive.
    Directed {
        /// The directive.
        directive: Directive,
        /// The consequence.
        outcome: Box<Self>,
    },
    /// All actors stop; this one starts again only to handle waiting messages.
    Drains,
    /// It was stopping already.
    Stopped,
    /// Its first start after its spawn failed, or a start that an operator ordered: it is not tried again.
    NotStarted,
}

impl Decision {
    /// The kind in one word, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Restarts { .. } => "restarts",
            Self::GaveUp { .. } => "gave-up",
            Self::Failed { .. } => "failed",
            Self::Ended(_) => "ended",
            Self::Drains => "drains",
            Self::Stopped => "stopped",
            Self::NotStarted => "not-started",
            Self::Directed { outcome, .. } => outcome.kind(),
        }
    }

    /// The failures that count, where they were counted.
    pub fn window(&self) -> Option<Window> {
        match self {
            Self::Restarts { window, .. }
            | Self::GaveUp { why: WhyGaveUp::TooOften(window), .. }
            | Self::Failed { why: WhyGaveUp::TooOften(window), .. } => Some(*window),
            Self::Directed { outcome, .. } => outcome.window(),
            _ => None,
        }
    }

    /// Its parent's directive, if the parent was asked and did not leave the decision to the rules.
    pub fn directive(&self) -> Option<Directive> {
        if let Self::Directed { directive, .. } = self { Some(*directive) } else { None }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restarts { pause, window: Window { restarts, intensity, period }, strategy } => {
                write!(f, "restarts in {pause:.0?}, failures that count within {period:?}: {restarts} of {intensity}")?;
                match strategy {
                    Strategy::OneForOne => Ok(()),
                    Strategy::OneForAll => f.write_str(", its siblings with it (one-for-all)"),
                    Strategy::RestForOne => f.write_str(", later siblings with it (rest-for-one)"),
                }
            }
            Self::GaveUp { supervisor, why } if supervisor.is_root() => write!(f, "ends the play: {why}"),
            Self::GaveUp { supervisor, why } => write!(f, "{supervisor} gave up: {why}"),
            Self::Failed { why, trial_in: Some(pause) } => write!(f, "failed: {why}; a trial start in {pause:?}"),
            Self::Failed { why, trial_in: None } => write!(f, "failed: {why}; only an operator starts it"),
            Self::Ended(RestartKind::Permanent) => f.write_str("stays ended: its parent stopped it"),
            Self::Ended(kind) => write!(f, "stays ended: its restart.kind is {kind}"),
            Self::Directed { directive, outcome } => match &**outcome {
                Self::Ended(_) => write!(f, "stays ended: its parent said `{directive}`"),
                outcome => write!(f, "{outcome}; its parent said `{directive}`"),
            },
            Self::Drains => f.write_str("starts again to handle waiting messages, and then stops"),
            Self::Stopped => f.write_str("stays down: it was stopping"),
            Self::NotStarted => f.write_str("is not tried again: its start failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn decision_fits_in_one_line() {
        let window = |restarts, intensity| Window { restarts, intensity, period: Duration::from_secs(10) };
        let restarts =
            |strategy| Decision::Restarts { pause: Duration::from_millis(12), window: window(2, 10), strategy };
        let gave_up = |at, why| Decision::GaveUp { supervisor: Address::parse(at).expect("good"), why };
        let failed = |why, secs: Option<u64>| Decision::Failed { why, trial_in: secs.map(Duration::from_secs) };
        let directed = |directive, outcome| Decision::Directed { directive, outcome: Box::new(outcome) };
        let told: String = [
            restarts(Strategy::OneForOne),
            restarts(Strategy::OneForAll),
            restarts(Strategy::RestForOne),
            gave_up("/p", WhyGaveUp::TooOften(window(3, 2))),
            gave_up("/p", WhyGaveUp::TooOften(window(1, 0))),
            Decision::GaveUp { supervisor: Address::root(), why: WhyGaveUp::FailedStart },
            gave_up("/p", WhyGaveUp::Escalated),
            gave_up("/", WhyGaveUp::Ended),
            gave_up("/", WhyGaveUp::AllFailed),
            failed(WhyGaveUp::TooOften(window(11, 10)), Some(60)),
            failed(WhyGaveUp::NothingHandled(11), None),
            failed(WhyGaveUp::NotUp(Duration::from_secs(10)), Some(60)),
            failed(WhyGaveUp::TrialFailed, Some(60)),
            Decision::Ended(RestartKind::Temporary),
            Decision::Ended(RestartKind::Permanent),
            directed(Directive::Restart, restarts(Strategy::OneForOne)),
            directed(Directive::Stop, Decision::Ended(RestartKind::Permanent)),
            directed(Directive::Escalate, gave_up("/p", WhyGaveUp::Escalated)),
            Decision::Drains,
            Decision::Stopped,
            Decision::NotStarted,
        ]
        .iter()
        .map(|decision| format!("{decision}\n"))
        .collect();
        expect![[r#"
            restarts in 12ms, failures that count within 10s: 2 of 10
            restarts in 12ms, failures that count within 10s: 2 of 10, its siblings with it (one-for-all)
            restarts in 12ms, failures that count within 10s: 2 of 10, later siblings with it (rest-for-one)
            /p gave up: 3 failures within 10s, and 2 restarts are allowed
            /p gave up: 1 failure within 10s, and no restart is allowed
            ends the play: a child of it did not start
            /p gave up: it passed the failure of a child on
            ends the play: it is not restarted after a failure, and the play requires it
            ends the play: every actor failed
            failed: 11 failures within 10s, and 10 restarts are allowed; a trial start in 60s
            failed: 11 failures in a row, and no message was handled between them; only an operator starts it
            failed: it did not start within 10s; a trial start in 60s
            failed: its trial start failed before it handled a message; a trial start in 60s
            stays ended: its restart.kind is temporary
            stays ended: its parent stopped it
            restarts in 12ms, failures that count within 10s: 2 of 10; its parent said `restart`
            stays ended: its parent said `stop`
            /p gave up: it passed the failure of a child on; its parent said `escalate`
            starts again to handle waiting messages, and then stops
            stays down: it was stopping
            is not tried again: its start failed
        "#]]
        .assert_eq(&told);
    }
}
