//! A failure of an actor as its supervisor judges it: the fault, the count of failures, the directive of its parent, and why a
//! supervisor gives up.

use std::fmt;
use std::time::Duration;

use crate::words::message::MessageId;

/// The fault that a crash is blamed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// No message was being handled.
    #[default]
    Actor,
    /// Several messages were being handled: they are handled again one at a time, so that the one to blame is found.
    Batch,
    /// This message alone was being handled.
    Message(MessageId),
    /// Another actor ended the instance that both share: the failure does not count, and the restart has no pause.
    Another,
}

/// A parent's decision about a child that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directive {
    /// Restart it as if it were permanent: the strategy applies, and the failure counts.
    Restart,
    /// Stop it for good.
    Stop,
    /// Fail the parent, as if it gave up.
    Escalate,
    /// Follow the child's restart kind.
    Default,
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Escalate => "escalate",
            Self::Default => "default",
        })
    }
}

/// How often a supervisor's children failed lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Failures that count within the last period: of a child of `/` alone, else of all children together.
    pub restarts: u32,
    /// The limit: with more failures the supervisor gives up.
    pub intensity: u32,
    /// The time for which a failure counts.
    pub period: Duration,
}

/// Why a supervisor failed because of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyGaveUp {
    /// More restarts than its intensity allows.
    TooOften(Window),
    /// The child did not start together with it.
    FailedStart,
    /// The supervisor returned the directive to escalate.
    Escalated,
    /// This many messages failed one after another, and none was handled.
    NothingHandled(u32),
    /// It did not start within this time, a period, after its first attempt.
    NotUp(Duration),
    /// Its trial start ended in another failure before it handled a message.
    TrialFailed,
    /// Its restart kind forbids a restart, and the play requires it.
    Ended,
    /// Every actor under `/` failed or ended.
    AllFailed,
}

impl WhyGaveUp {
    /// The kind in one word, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooOften(_) => "too-often",
            Self::FailedStart => "failed-start",
            Self::Escalated => "escalated",
            Self::NothingHandled(_) => "nothing-handled",
            Self::NotUp(_) => "not-up",
            Self::TrialFailed => "trial-failed",
            Self::Ended => "ended",
            Self::AllFailed => "all-failed",
        }
    }
}

impl fmt::Display for WhyGaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooOften(Window { restarts, intensity, period }) => {
                let (failures, are) = (if *restarts == 1 { "failure" } else { "failures" }, allowed(*intensity));
                write!(f, "{restarts} {failures} within {period:?}, and {are} allowed")
            }
            Self::FailedStart => f.write_str("a child of it did not start"),
            Self::Escalated => f.write_str("it passed the failure of a child on"),
            Self::NothingHandled(failures) => {
                write!(f, "{failures} failures in a row, and no message was handled between them")
            }
            Self::NotUp(waited) => write!(f, "it did not start within {waited:?}"),
            Self::TrialFailed => f.write_str("its trial start failed before it handled a message"),
            Self::Ended => f.write_str("it is not restarted after a failure, and the play requires it"),
            Self::AllFailed => f.write_str("every actor failed"),
        }
    }
}

fn allowed(intensity: u32) -> String {
    match intensity {
        0 => "no restart is".to_owned(),
        1 => "1 restart is".to_owned(),
        n => format!("{n} restarts are"),
    }
}
