//! The samples of all families: the kernel's counts, and the host's facts.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use playhouse_kernel::{
    ASK_RESULTS, ActorMetrics, ActorTotals, CrashReason, DURATION_BOUNDS, DeadReason, Durations, Metrics, State,
    TURN_SIZE_BOUNDS,
};

use crate::exposition::{Exposition, Format};
use crate::families as f;
use crate::family::Family;
use crate::own;

/// The part of a scrape that the kernel does not know.
#[derive(Debug, Clone)]
pub struct HostFacts {
    /// The name of the play.
    pub play: String,
    /// The version of the host.
    pub version: &'static str,
    /// The start of the host.
    pub started: SystemTime,
    /// Whether the play takes work.
    pub ready: bool,
    /// Whether messages from outside are refused because memory is short.
    pub memory_short: bool,
    /// Live instances, and their maximum; none without plugins.
    pub instances: Option<(u64, u64)>,
    /// Bytes of memory of all instances, and their maximum.
    pub guest_memory: Option<(u64, u64)>,
    /// Files, folders and connections of all instances, and their maximum.
    pub open_resources: Option<(u64, u64)>,
}

impl Default for HostFacts {
    fn default() -> Self {
        Self {
            play: String::new(),
            version: env!("CARGO_PKG_VERSION"),
            started: UNIX_EPOCH,
            ready: false,
            memory_short: false,
            instances: None,
            guest_memory: None,
            open_resources: None,
        }
    }
}

/// The text of a scrape, in the space of `buffer`.
pub fn exposition_of(metrics: &Metrics, facts: &HostFacts, format: Format, buffer: Vec<u8>) -> Vec<u8> {
    let mut text = Exposition::new(format, buffer);
    host(&mut text, metrics, facts);
    let rows: Vec<(String, &ActorMetrics)> = metrics.actors.iter().map(|row| (label(row), row)).collect();
    of_actors(&mut text, &rows);
    of_plugins(&mut text, metrics);
    of_play(&mut text, metrics, facts);
    own::add(&mut text, &rows);
    text.end()
}

/// The text of the label `actor`.
fn label(row: &ActorMetrics) -> String {
    if row.spawned { format!("{}/**", row.address) } else { row.address.to_string() }
}

fn host(text: &mut Exposition, metrics: &Metrics, facts: &HostFacts) {
    text.family(&f::BUILD).add(&[facts.version], 1);
    text.family(&f::PLAY).add(&[&facts.play], 1);
    let started = facts.started.duration_since(UNIX_EPOCH).unwrap_or_default();
    text.family(&f::START_TIME).add_time(&[], started);
    text.family(&f::ANSWERS).add(&[], u8::from(metrics.answered));
    text.family(&f::READY).add(&[], u8::from(facts.ready));
    text.family(&f::MEMORY_SHORT).add(&[], u8::from(facts.memory_short));
}

fn of_actors(text: &mut Exposition, rows: &[(String, &ActorMetrics)]) {
    let mut samples = text.family(&f::MESSAGES);
    for (actor, row) in rows {
        samples.add(&[actor, &row.plugin, "done"], row.totals.handled);
        samples.add(&[actor, &row.plugin, "dead_letter"], row.totals.letters.iter().sum::<u64>());
    }
    by_kind(text, &f::DEAD_LETTERS, rows, &DeadReason::KINDS, |row| &row.totals.letters);
    each(text, &f::MAILBOX, rows, |row| Some(row.waiting));
    each(text, &f::MAILBOX_BYTES, rows, |row| Some(row.waiting_bytes));
    each(text, &f::CAPACITY, rows, |row| Some(row.capacity));
    each(text, &f::OLDEST, rows, |row| Some(row.oldest.as_secs_f64()));
    each(text, &f::BLOCKED, rows, |row| Some(row.blocked));
    each(text, &f::SENDER_WAITS, rows, |row| Some(row.totals.blocked).filter(|waits| *waits > 0));
    let seconds = |row: &ActorMetrics| (row.totals.blocked > 0).then_some(row.totals.blocked_for.as_secs_f64());
    each(text, &f::SENDER_WAIT_SECONDS, rows, seconds);
    let states = State::ALL.map(State::name);
    by_kind(text, &f::ACTORS, rows, &states, |row| &row.states);
    each(text, &f::INCARNATIONS, rows, |row| Some(row.totals.incarnations));
    each(text, &f::RESTARTS, rows, |row| Some(row.totals.restarts));
    by_kind(text, &f::CRASHES, rows, &CrashReason::KINDS, |row| &row.totals.crashes);
}

/// A sample for each row that has a value.
fn each<V: Display>(
    text: &mut Exposition,
    family: &Family,
    rows: &[(String, &ActorMetrics)],
    value: impl Fn(&ActorMetrics) -> Option<V>,
) {
    let mut samples = text.family(family);
    for (actor, row) in rows {
        if let Some(value) = value(row) {
            samples.add(&[actor, &row.plugin], value);
        }
    }
}

/// A sample for each row and each kind whose count is not 0.
fn by_kind<const N: usize, C: Copy + Display + PartialOrd + Default>(
    text: &mut Exposition,
    family: &Family,
    rows: &[(String, &ActorMetrics)],
    kinds: &[&str; N],
    counts: impl Fn(&ActorMetrics) -> &[C; N],
) {
    let mut samples = text.family(family);
    for (actor, row) in rows {
        for (kind, count) in kinds.iter().zip(counts(row)).filter(|(_, count)| **count > C::default()) {
            samples.add(&[actor, &row.plugin, kind], count);
        }
    }
}

fn of_plugins(text: &mut Exposition, metrics: &Metrics) {
    let mut plugins: BTreeMap<&str, (&ActorTotals, Option<ActorTotals>)> = BTreeMap::new();
    for row in &metrics.actors {
        plugins
            .entry(&row.plugin)
            .and_modify(|(first, sum)| sum.get_or_insert_with(|| (*first).clone()).add(&row.totals))
            .or_insert((&row.totals, None));
    }
    let totals: Vec<_> = plugins.iter().map(|(name, (first, sum))| (*name, sum.as_ref().unwrap_or(first))).collect();
    let mut samples = text.family(&f::TURN_SECONDS);
    for (plugin, totals) in &totals {
        durations(&mut samples, &[plugin], &totals.turn_durations);
    }
    let mut samples = text.family(&f::TURN_MESSAGES);
    for (plugin, totals) in &totals {
        let bounds = TURN_SIZE_BOUNDS.map(|bound| bound as f64);
        samples.add_histogram(&[plugin], &bounds, &totals.turns, totals.handled as f64);
    }
}

fn durations(samples: &mut crate::exposition::Samples<'_>, labels: &[&str], durations: &Durations) {
    let bounds = DURATION_BOUNDS.map(|bound| bound.as_secs_f64());
    samples.add_histogram(labels, &bounds, &durations.counts, durations.sum.as_secs_f64());
}

fn of_play(text: &mut Exposition, metrics: &Metrics, facts: &HostFacts) {
    let mut samples = text.family(&f::ASKS);
    for (result, count) in ASK_RESULTS.iter().zip(&metrics.asks.results) {
        samples.add(&[result], count);
    }
    durations(&mut text.family(&f::ASK_SECONDS), &[], &metrics.asks.durations);
    text.family(&f::FAILED_STOPS).add(&[], metrics.failed_shutdowns);
    let limited = [
        (&f::INSTANCES, &f::INSTANCES_LIMIT, facts.instances),
        (&f::GUEST_MEMORY, &f::GUEST_MEMORY_LIMIT, facts.guest_memory),
        (&f::DESCRIPTORS, &f::DESCRIPTORS_LIMIT, facts.open_resources),
    ];
    for (used, limit, value) in limited {
        let Some((now, most)) = value else { continue };
        text.family(used).add(&[], now);
        text.family(limit).add(&[], most);
    }
}

/// The longest wait of a scrape for the kernel's answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
