//! The state by which a message finds its receiver, and an answer its asker.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Weak};

use crate::actor::activity::Activity;
use crate::dispatch::ask::Asks;
use crate::dispatch::ask_counts::AskCounts;
use crate::dispatch::dead_letters::store::DeadLetters;
use crate::dispatch::kept_answers::KeptAnswers;
use crate::dispatch::kept_reports::KeptReports;
use crate::dispatch::kept_timers::KeptTimers;
use crate::dispatch::kept_watches::KeptWatches;
use crate::dispatch::keys::Keys;
use crate::dispatch::origins::Origins;
use crate::dispatch::registry::Registry;
use crate::dispatch::routing::output::Output;
use crate::dispatch::value_ends::ValueEnds;
use crate::journal::order::Journal;
use crate::journal::store::Store;

/// Actors, open asks and dead letters of one kernel. Its many fields are the parts that a message may need on its way, and its many methods the
/// ends that it can have. There is no task here: a delivery runs in the sender's task.
pub(crate) struct Routing {
    pub(crate) registry: Registry,
    pub(crate) asks: Asks,
    pub(crate) ask_counts: AskCounts,
    pub(crate) dead_letters: DeadLetters,
    /// Messages that a mailbox accepted and that ended unhandled, over all current and former actors.
    pub(crate) unhandled: AtomicU64,
    /// Messages that move or end may make the play idle.
    pub(crate) activity: Arc<Activity>,
    /// The order of everything that is stored; none without a store.
    pub(crate) journal: Option<Arc<Journal<Output>>>,
    /// The store itself, for reads, until the play is over.
    pub(crate) store: Option<Weak<dyn Store>>,
    /// The timers of stored actors.
    pub(crate) kept_timers: KeptTimers,
    /// When values of keyed states end.
    pub(crate) value_ends: ValueEnds,
    /// The answers that turns of stored actors may ask for again.
    pub(crate) kept_answers: KeptAnswers,
    /// The watches of stored actors.
    pub(crate) kept_watches: KeptWatches,
    /// The reports that stored actors still have to get.
    pub(crate) kept_reports: KeptReports,
    /// Set when nothing runs any more. Stored messages then wait for the next run of the host.
    pub(crate) host_ends: AtomicBool,
    /// The positions of sources whose messages are in the store.
    pub(crate) origins: Origins,
    /// The keys under which senders outside repeat requests.
    pub(crate) keys: Arc<Keys>,
}
