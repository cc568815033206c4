//! Actors and their instances as the supervisor sees them.

use std::sync::Arc;
use std::time::Duration;

use crate::actor::Actor;
use crate::actor::instance::Instance;
use crate::words::crash::CrashReport;
use crate::words::failed::FailedActor;
use crate::words::state::State;

/// One actor, and the tree's view of each of its instances.
pub(crate) struct Seen {
    pub(crate) actor: Arc<Actor>,
    pub(crate) state: State,
    pub(crate) instances: Vec<InstanceView>,
}

/// One actor, and what each of its instances waits for, as far as the tree knows.
pub(crate) struct Stands {
    pub(crate) actor: Arc<Actor>,
    pub(crate) state: State,
    pub(crate) instances: Vec<StandsInstance>,
}

/// One instance in [`Stands`].
pub(crate) struct StandsInstance {
    pub(crate) instance: Arc<Instance>,
    pub(crate) state: State,
    /// How long its phase lasts.
    pub(crate) lasts: Duration,
    /// When the phase ends at the latest, or it starts.
    pub(crate) until: Option<Duration>,
    /// The actor whose step comes before.
    pub(crate) waits_for: Option<Arc<Actor>>,
    /// Whether it waits for an operator's first start.
    pub(crate) is_new: bool,
    /// Its own failure, while it is failed.
    pub(crate) failed: Option<FailedActor>,
}

/// An instance of an actor, as operators see it.
#[derive(Debug, Clone)]
pub struct InstanceView {
    /// Its state.
    pub state: State,
    /// The part of the host that it waits for.
    pub waiting_for: Option<&'static str>,
    /// The number of its latest run; 0 before the first. All instances of an actor count together.
    pub incarnation: u64,
    /// Number of restarts after a failure.
    pub restarts: u64,
    /// Its last crash.
    pub last_crash: Option<Arc<CrashReport>>,
    /// The failure of this instance, while it is failed.
    pub failed: Option<FailedActor>,
}
