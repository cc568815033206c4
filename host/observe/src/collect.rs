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
use crate::gateways::{self, GatewayFacts, HttpFacts};
use crate::host_errors::HostError;
use crate::left_out::LineSource;
use crate::log::RingCounts;
use crate::own;
use crate::process::Process;

/// The part of a scrape that the kernel does not know. Its many fields are families, each of which has a value of its own.
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
    /// The ring of the log; `None` without one.
    pub log: Option<RingCounts>,
    /// Loaded plugins; none without plugins.
    pub plugins: Option<PluginFacts>,
    /// Log lines that were left out, by actor of the manifest and source.
    pub lines_left_out: Vec<(String, [u64; 2])>,
    /// Log lines that were dropped because stderr was read too slowly.
    pub lines_dropped: u64,
    /// Errors of the host, in the order of [`HostError::ALL`].
    pub errors: [u64; HostError::ALL.len()],
    /// The HTTP gateways.
    pub http: Vec<HttpFacts>,
    /// The other gateways.
    pub gateways: Vec<GatewayFacts>,
    /// The host's process.
    pub process: Process,
}

/// The plugins that were loaded.
#[derive(Debug, Clone, Copy, Default)]
pub struct PluginFacts {
    /// Plugins that were compiled.
    pub compiled_fresh: u64,
    /// Plugins whose code came from the cache.
    pub from_cache: u64,
    /// Plugins that were compiled because the entry of the cache was damaged.
    pub rebuilt: u64,
    /// The time of all compilations.
    pub compile_time: Duration,
    /// Bytes of the machine code.
    pub code_bytes: u64,
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
            log: None,
            plugins: None,
            lines_left_out: Vec::new(),
            lines_dropped: 0,
            errors: [0; HostError::ALL.len()],
            http: Vec::new(),
            gateways: Vec::new(),
            process: Process::default(),
        }
    }
}

/// The text of a scrape, in the space of `buffer`.
pub fn exposition_of(metrics: &Metrics, facts: &HostFacts, format: Format, buffer: Vec<u8>) -> Vec<u8> {
    let mut text = Exposition::new(format, buffer);
    host(&mut text, metrics, facts);
    let labelled = metrics.actors.iter().map(|row| (label(row), row));
    let (families, rows): (Vec<_>, Vec<_>) = labelled.partition(|(_, row)| row.family.is_some());
    of_actors(&mut text, &rows);
    of_families(&mut text, &families);
    of_plugins(&mut text, metrics);
    of_play(&mut text, metrics, facts);
    of_host(&mut text, metrics, facts);
    gateways::add(&mut text, &facts.http, &facts.gateways);
    of_process(&mut text, &facts.process);
    own::add(&mut text, &rows);
    text.end()
}

/// The text of the label `actor`.
fn label(row: &ActorMetrics) -> String {
    let below = match (row.spawned, &row.family) {
        (true, _) => "/**",
        (false, Some(_)) => "/*",
        (false, None) => "",
    };
    format!("{}{below}", row.address)
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
    each(text, &f::REFUSED, rows, |row| Some(row.totals.refused).filter(|refused| *refused > 0));
    each(text, &f::RETRIES, rows, |row| Some(row.totals.retries));
    // The time of removed actors stays when no actor of the row is left.
    let cpu = |row: &ActorMetrics| (row.resources.is_some() || !row.totals.cpu.is_zero()).then_some(row.totals.cpu);
    each(text, &f::GUEST_CPU, rows, |row| Some(cpu(row)?.as_secs_f64()));
    each(text, &f::ACTOR_MEMORY, rows, |row| Some(row.resources?.memory_bytes));
    each(text, &f::ACTOR_OPEN, rows, |row| Some(row.resources?.open));
    let states = State::ALL.map(State::name);
    by_kind(text, &f::ACTORS, rows, &states, |row| &row.states);
    each(text, &f::FAILED_INSTANCES, rows, |row| Some(row.failed_instances).filter(|failed| *failed > 0));
    each(text, &f::INCARNATIONS, rows, |row| Some(row.totals.incarnations));
    each(text, &f::RESTARTS, rows, |row| Some(row.totals.restarts));
    by_kind(text, &f::CRASHES, rows, &CrashReason::KINDS, |row| &row.totals.crashes);
}

/// The numbers of families, whose members are among the actors.
fn of_families(text: &mut Exposition, families: &[(String, &ActorMetrics)]) {
    each(text, &f::FAMILY_MEMBERS, families, |row| Some(row.family?.members));
    each(text, &f::FAMILY_MEMBERS_LIMIT, families, |row| Some(row.family?.most_members));
    each(text, &f::FAMILY_LIVE, families, |row| Some(row.family?.live));
    each(text, &f::FAMILY_LIVE_LIMIT, families, |row| Some(row.family?.most_live));
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
    for row in metrics.actors.iter().filter(|row| row.family.is_none()) {
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
    if let Some(log) = facts.log {
        text.family(&f::LOG_RING).add(&[], log.bytes);
        text.family(&f::LOG_RING_LIMIT).add(&[], log.most_bytes);
        text.family(&f::LOG_SUBSCRIBERS).add(&[], log.subscribers);
        text.family(&f::LOG_LOST).add(&[], log.lost);
    }
}

/// The memory that the host holds for guests, the origin of their code, and the errors of the host itself.
fn of_host(text: &mut Exposition, metrics: &Metrics, facts: &HostFacts) {
    let mut samples = text.family(&f::HOST_MEMORY);
    samples.add(&["messages"], metrics.actors.iter().map(|row| row.waiting_bytes).sum::<u64>());
    samples.add(&["dead_letters"], metrics.letter_bytes);
    let heads = metrics.actors.iter().filter_map(|row| row.resources).map(|resources| resources.host_bytes);
    samples.add(&["http_heads"], heads.sum::<u64>());
    if let Some(plugins) = &facts.plugins {
        samples.add(&["code"], plugins.code_bytes);
        let mut samples = text.family(&f::COMPILATIONS);
        samples.add(&["fresh"], plugins.compiled_fresh);
        samples.add(&["cache"], plugins.from_cache);
        samples.add(&["rebuilt"], plugins.rebuilt);
        text.family(&f::COMPILE_SECONDS).add_time(&[], plugins.compile_time);
    }
    let mut samples = text.family(&f::LOG_LEFT_OUT);
    for (actor, counts) in &facts.lines_left_out {
        for (source, lines) in LineSource::ALL.iter().zip(counts).filter(|(_, lines)| **lines > 0) {
            samples.add(&[actor, source.name()], lines);
        }
    }
    text.family(&f::LOG_DROPPED).add(&[], facts.lines_dropped);
    let mut samples = text.family(&f::HOST_ERRORS);
    for (kind, count) in HostError::ALL.iter().zip(facts.errors) {
        samples.add(&[kind.name()], count);
    }
}

fn of_process(text: &mut Exposition, process: &Process) {
    if let Some(cpu) = process.cpu {
        text.family(&f::PROCESS_CPU).add_time(&[], cpu);
    }
    let values = [
        (&f::PROCESS_RESIDENT, process.resident_bytes),
        (&f::PROCESS_VIRTUAL, process.virtual_bytes),
        (&f::PROCESS_OPEN_FDS, process.open_fds),
        (&f::PROCESS_MAX_FDS, process.max_fds),
        (&f::PROCESS_THREADS, process.threads),
    ];
    for (family, value) in values {
        if let Some(value) = value {
            text.family(family).add(&[], value);
        }
    }
}
