//! One incarnation, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use crate::actor::Actor;
use crate::actor::activity::ActivityGuard;
use crate::actor::instance::Instance;
use crate::dispatch::Shared;
use crate::words::crash::{Crash, CrashReport};

/// How an incarnation ended.
#[derive(Debug)]
pub(crate) enum End {
    /// It did not start.
    FailedStart(Arc<CrashReport>),
    /// It crashed. The play is not idle until the supervision knows of the crash.
    Crashed(Arc<CrashReport>, ActivityGuard),
    /// It stopped on a signal.
    Stopped,
    /// It had no work.
    Idle,
    /// Its code refused to start. It is asked again after `recheck`, or when the mailbox has accepted more messages than
    /// `seen`.
    Refused { recheck: Option<Duration>, seen: u64 },
}

/// Why a guarded call did not return `Ok`.
pub(crate) enum Broken {
    Crash(Crash),
    Killed,
}

/// One run of an actor's code in one of its instances.
pub(crate) struct Incarnation {
    pub(crate) shared: Arc<Shared>,
    pub(crate) actor: Arc<Actor>,
    pub(crate) instance: Arc<Instance>,
    pub(crate) number: u64,
}
