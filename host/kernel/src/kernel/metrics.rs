//! The counts of a play, read when somebody asks. Spawned actors have one row for each plugin and each actor of the plan above
//! them, so that the number of rows is bounded by the plan.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::actor::Actor;
use crate::actor::family::FamilyView;
use crate::dispatch::ask_counts::AskMetrics;
use crate::kernel::Kernel;
use crate::kernel::progress::Progress;
use crate::supervisor::Command;
use crate::words::address::Address;
use crate::words::message::ActorId;
use crate::words::resource_use::Resources;
use crate::words::state::State;
use crate::words::totals::ActorTotals;

/// The counts of an actor of the plan, or of all actors with one plugin that were spawned below it; or of the members of a family with one
/// plugin. The row of the family itself has no counts but `family`. Its many fields are counts that a scrape shows one by one.
#[derive(Debug, Clone)]
pub struct ActorMetrics {
    /// The actor of the plan.
    pub address: Address,
    /// Whether this row is of the actors spawned below it, or of the members.
    pub spawned: bool,
    /// Their plugin.
    pub plugin: String,
    /// The counts that only grow, removed actors included.
    pub totals: ActorTotals,
    /// Number of actors now, by [`State::index`]; all 0 when the supervision did not answer in time.
    pub states: [u32; State::ALL.len()],
    /// Number of instances that are failed: an actor that has others beside them still runs.
    pub failed_instances: u32,
    /// Messages that wait.
    pub waiting: u64,
    /// Their bytes, headers included.
    pub waiting_bytes: u64,
    /// Maximum number of waiting messages.
    pub capacity: u64,
    /// Senders that wait for space now.
    pub blocked: u64,
    /// The resources that their code uses, with those of an instance that they share; none when it does not count them, and none of it runs.
    pub resources: Option<Resources>,
    /// The age of the oldest message that is not finished.
    pub oldest: Duration,
    /// The numbers of the family at this address, whose members are in the rows of actors spawned below it; none for an actor.
    pub family: Option<FamilyView>,
}

/// All counts of a play.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Whether the supervision answered, so that the states are known.
    pub answered: bool,
    /// One row for each actor of the plan in start order, then the rows of spawned actors.
    pub actors: Vec<ActorMetrics>,
    /// Asks.
    pub asks: AskMetrics,
    /// Restarts of all actors.
    pub restarts: u64,
    /// Bytes of dead letters that are kept.
    pub letter_bytes: u64,
    /// Stops that failed.
    pub failed_shutdowns: u64,
}

impl Kernel {
    /// Reads all counts. Waits for the supervision's answer about the states at most `patience`. `age` gives the age of an
    /// actor's oldest unfinished message.
    pub async fn metrics(&self, patience: Duration, age: impl Fn(Progress) -> Duration) -> Metrics {
        let states = tokio::time::timeout(patience, self.states()).await.ok().flatten();
        let census = self.shared.routing.registry.census();
        let mut rows = Rows::with_capacity(census.actors.len());
        // Each shared instance counts once, in the row of the first actor that is in its group.
        let mut shared = HashSet::new();
        for actor in &census.actors {
            if let Some(family) = self.shared.routing.registry.family_of_head(actor) {
                let row = rows.planned(actor, family.template().code.plugin());
                row.family = Some(family.view());
                continue;
            }
            let row = if actor.spawned.is_none() {
                Some(rows.planned(actor, actor.spec.code.plugin()))
            } else {
                let above = self.shared.routing.registry.planned_above(actor);
                rows.spawned(above, actor.spec.code.plugin())
            };
            let Some(row) = row else { continue };
            actor.add_to(&mut row.totals);
            if let Some((state, failed)) = states.as_ref().and_then(|states| states.get(&actor.id)) {
                row.states[state.index()] += 1;
                row.failed_instances += failed;
            }
            let (waiting, bytes, blocked) = actor.mailbox.load();
            row.waiting += (waiting + actor.put_back()) as u64;
            row.waiting_bytes += bytes as u64;
            row.capacity += actor.mailbox.spec().capacity as u64;
            row.blocked += blocked as u64;
            if let Some(resources) = actor.resources() {
                row.totals.cpu += resources.cpu;
                row.resources.get_or_insert_default().add(resources);
            }
            if actor.spec.code.shared_instance().is_some_and(|instance| shared.insert(instance)) {
                row.resources.get_or_insert_default().add(actor.spec.code.shared_use().unwrap_or_default());
            }
            row.oldest = row.oldest.max(age(Progress::of(actor)));
        }
        for (above, plugin, totals) in &census.removed {
            if let Some(row) = rows.spawned(*above, plugin) {
                row.totals.add(totals);
            }
        }
        for (above, plugin, row) in rows.all_spawned() {
            self.shared.routing.registry.raise_sums(above, plugin, &mut row.totals.own);
        }
        Metrics {
            answered: states.is_some(),
            actors: rows.into_rows(),
            asks: self.shared.routing.ask_counts.read(),
            restarts: self.restarts(),
            letter_bytes: self.shared.routing.dead_letters.bytes() as u64,
            failed_shutdowns: self.failed_shutdowns(),
        }
    }

    /// How far each actor is.
    pub fn progress(&self, mut see: impl FnMut(Progress)) {
        for actor in self.shared.routing.registry.all() {
            see(Progress::of(&actor));
        }
    }

    /// Waits until the supervision answers; false when it has ended.
    pub async fn wait_answer(&self) -> bool {
        self.states().await.is_some()
    }

    async fn states(&self) -> Option<HashMap<ActorId, (State, u32)>> {
        let (answer, states) = oneshot::channel();
        self.commands.send(Command::States(answer)).ok()?;
        states.await.ok()
    }
}

/// The rows so far.
struct Rows {
    planned: Vec<ActorMetrics>,
    /// The row of each actor of the plan.
    places: HashMap<ActorId, usize>,
    /// The rows of spawned actors, by the actor of the plan above them and by plugin.
    spawned: BTreeMap<ActorId, BTreeMap<String, ActorMetrics>>,
}

impl Rows {
    fn with_capacity(actors: usize) -> Self {
        // Most plays have either few actors, or many that are spawned.
        let few = actors.min(1 << 10);
        Self { planned: Vec::with_capacity(few), places: HashMap::with_capacity(few), spawned: BTreeMap::new() }
    }

    fn planned(&mut self, actor: &Actor, plugin: &str) -> &mut ActorMetrics {
        let place = self.planned.len();
        self.places.insert(actor.id, place);
        self.planned.push(row(actor.address().clone(), false, plugin));
        &mut self.planned[place]
    }

    /// The row of a plugin spawned below an actor of the plan; none without such an actor.
    fn spawned(&mut self, above: ActorId, plugin: &str) -> Option<&mut ActorMetrics> {
        let address = &self.planned[*self.places.get(&above)?].address;
        let rows = self.spawned.entry(above).or_default();
        if !rows.contains_key(plugin) {
            rows.insert(plugin.to_owned(), row(address.clone(), true, plugin));
        }
        rows.get_mut(plugin)
    }

    fn all_spawned(&mut self) -> impl Iterator<Item = (ActorId, &str, &mut ActorMetrics)> {
        let rows = self.spawned.iter_mut();
        rows.flat_map(|(above, rows)| rows.iter_mut().map(|(plugin, row)| (*above, plugin.as_str(), row)))
    }

    fn into_rows(self) -> Vec<ActorMetrics> {
        let mut all = self.planned;
        all.extend(self.spawned.into_values().flat_map(BTreeMap::into_values));
        all
    }
}

/// A row without counts.
fn row(address: Address, spawned: bool, plugin: &str) -> ActorMetrics {
    ActorMetrics {
        address,
        spawned,
        plugin: plugin.to_owned(),
        totals: ActorTotals::default(),
        states: [0; State::ALL.len()],
        failed_instances: 0,
        waiting: 0,
        waiting_bytes: 0,
        capacity: 0,
        blocked: 0,
        resources: None,
        oldest: Duration::ZERO,
        family: None,
    }
}
