//! The state that the actors of a play share, as the play begins.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::actor::activity::Activity;
use crate::actor::spec::ActorSpec;
use crate::dispatch::Shared;
use crate::dispatch::ask::Asks;
use crate::dispatch::ask_counts::AskCounts;
use crate::dispatch::dead_letters::store::DeadLetters;
use crate::dispatch::kept_answers::KeptAnswers;
use crate::dispatch::kept_reports::KeptReports;
use crate::dispatch::kept_timers::KeptTimers;
use crate::dispatch::kept_watches::KeptWatches;
use crate::dispatch::keys::Keys;
use crate::dispatch::memory_gate::MemoryGate;
use crate::dispatch::origins::Origins;
use crate::dispatch::registry::Registry;
use crate::dispatch::routing::Routing;
use crate::dispatch::value_ends::ValueEnds;
use crate::journal::order::Journal;
use crate::journal::store::{Image, Store};
use crate::kernel::plan::Plan;
use crate::mailbox::admission::{MaxInstances, PlaySlots};
use crate::supervisor::Commands;
use crate::words::address::Address;
use crate::words::message::{ActorId, MessageId};
use crate::words::random::Jitter;
use crate::words::restart::StartKind;

/// A store, and its contents when it was opened.
pub(super) type Stored<'a> = (&'a Image, &'a Arc<dyn Store>);

/// The state that the actors of a plan share.
pub(super) fn shared(plan: &Plan, commands: &Commands, stored: Option<Stored<'_>>) -> Shared {
    let image = stored.map(|(image, _)| image);
    let activity = Arc::<Activity>::default();
    let instances = |spec: &ActorSpec| (spec.instances, spec.idle_stop.is_none() && spec.start == StartKind::Auto);
    let reserved = plan.reserves.iter().map(|reserve| (reserve.instances, true));
    // Members of families share the slots of spawned actors.
    let planned = || plan.actors.iter().filter(|spec| spec.family.is_none());
    let counted = || planned().filter(|spec| spec.code.takes_slot()).map(instances).chain(reserved.clone());
    let left = |bound: &MaxInstances| bound.left_to_spawned(counted());
    Shared {
        routing: Routing {
            registry: image.map(|image| Registry::going_on(image.free_id, known_ids(image, plan))).unwrap_or_default(),
            asks: Asks::default(),
            ask_counts: AskCounts::default(),
            dead_letters: DeadLetters::new(plan.dead_letters, plan.letter_feed.clone()),
            unhandled: AtomicU64::new(0),
            activity: activity.clone(),
            journal: stored
                .map(|(image, store)| Arc::new(Journal::new(image.boots, image.last, store.outside_bytes()))),
            store: stored.map(|(_, store)| Arc::downgrade(store)),
            kept_timers: KeptTimers::default(),
            value_ends: ValueEnds::default(),
            kept_answers: KeptAnswers::default(),
            kept_watches: KeptWatches::default(),
            kept_reports: KeptReports::default(),
            host_ends: AtomicBool::new(false),
            origins: Origins::default(),
            keys: Arc::new(Keys::new(plan.keys)),
        },
        activity,
        memory_gate: MemoryGate::default(),
        templates: plan.plugins.clone(),
        supervisor: Box::new(commands.clone()),
        admission: plan.max_instances.as_ref().map(|bound| PlaySlots::new(bound, left(bound), &plan.reserves)),
        began: Instant::now(),
        began_at: plan.clock.world(),
        mailbox_orders: tokio::sync::Mutex::default(),
        last_chances: Arc::default(),
        restarts: AtomicU64::new(0),
        failed_shutdowns: AtomicU64::new(0),
        clock: plan.clock.clone(),
        runtime: plan.runtime.clone().unwrap_or_else(Handle::current),
        seed: image.map_or(plan.seed, |image| seed_of_run(plan.seed, image.boots)),
        jitter: Jitter::new(plan.seed),
    }
}

/// A seed for ids: two runs on one store never have the same.
fn seed_of_run(seed: u64, boots: u64) -> u64 {
    MessageId::seeded("run", boots).caused(seed).0 as u64
}

/// The ids of the plan's actors. The store may have far more: members of families.
fn known_ids(image: &Image, plan: &Plan) -> HashMap<Address, ActorId> {
    let planned: HashSet<_> = plan.actors.iter().map(|spec| &spec.address).collect();
    let known = image.actors.iter().filter(|known| planned.contains(&known.address));
    known.map(|known| (known.address.clone(), known.id)).collect()
}
