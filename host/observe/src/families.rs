//! All metrics of a play. `actor` is an actor of the manifest; `actor="/shop/**"` are all actors with one plugin that were
//! spawned below `/shop`, or that are members of the family `/shop/*`.

use crate::family::{Family, Kind, Unit};

pub(crate) const ACTOR: &[&str] = &["actor", "plugin"];

/// A family, written in a line.
const fn family(kind: Kind, name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind, unit: None, help, labels }
}

/// The same with a unit.
const fn with(unit: Unit, family: Family) -> Family {
    Family { unit: Some(unit), ..family }
}

pub(crate) const BUILD: Family = family(Kind::Info, "playhouse_build", &["version"], "The version of the host.");
pub(crate) const PLAY: Family = family(Kind::Info, "playhouse_play", &["name"], "The name of the play.");
pub(crate) const START_TIME: Family = with(
    Unit::Seconds,
    family(Kind::Gauge, "process_start_time_seconds", &[], "The start of the host, in seconds since 1970."),
);
pub(crate) const ANSWERS: Family =
    family(Kind::Gauge, "playhouse_kernel_answers", &[], "1 while the kernel's loop answers within a second, else 0.");
pub(crate) const READY: Family = family(
    Kind::Gauge,
    "playhouse_ready",
    &[],
    "1 while the play is booted, does not stop, and is not short of memory, else 0.",
);
pub(crate) const MEMORY_SHORT: Family = family(
    Kind::Gauge,
    "playhouse_memory_short",
    &[],
    "1 while messages from outside are refused because memory is short, else 0.",
);
pub(crate) const MESSAGES: Family = family(
    Kind::Counter,
    "playhouse_messages",
    &["actor", "plugin", "outcome"],
    "Messages that ended, as `done` or as `dead_letter`.",
);
pub(crate) const DEAD_LETTERS: Family = family(
    Kind::Counter,
    "playhouse_dead_letters",
    &["actor", "plugin", "reason"],
    "Dead letters among the messages for an actor; only reasons that occurred.",
);
pub(crate) const MAILBOX: Family = family(Kind::Gauge, "playhouse_mailbox_messages", ACTOR, "Messages that wait.");
pub(crate) const MAILBOX_BYTES: Family = with(
    Unit::Bytes,
    family(Kind::Gauge, "playhouse_mailbox_bytes", ACTOR, "Bytes of the messages that wait, headers included."),
);
pub(crate) const CAPACITY: Family =
    family(Kind::Gauge, "playhouse_mailbox_capacity_messages", ACTOR, "Maximum number of messages that wait.");
pub(crate) const OLDEST: Family = with(
    Unit::Seconds,
    family(
        Kind::Gauge,
        "playhouse_oldest_message_age_seconds",
        ACTOR,
        "A lower bound of the age of the oldest unfinished message: at least three fifths of the age, less a second.",
    ),
);
pub(crate) const BLOCKED: Family =
    family(Kind::Gauge, "playhouse_blocked_senders", ACTOR, "Senders that wait for space in the mailbox.");
pub(crate) const SENDER_WAITS: Family = family(
    Kind::Counter,
    "playhouse_sender_waits",
    ACTOR,
    "How often a sender waited for space; only of mailboxes that were full.",
);
pub(crate) const SENDER_WAIT_SECONDS: Family = with(
    Unit::Seconds,
    family(
        Kind::Counter,
        "playhouse_sender_wait_seconds",
        ACTOR,
        "The time that senders waited for space; only of mailboxes that were full.",
    ),
);
pub(crate) const REFUSED: Family = family(
    Kind::Counter,
    "playhouse_refused_messages",
    ACTOR,
    "Messages without space: refused to their sender, or dead letters by `mailbox-full`; only of mailboxes that were full.",
);
pub(crate) const RETRIES: Family = family(
    Kind::Counter,
    "playhouse_retries",
    ACTOR,
    "Messages that failed, or crashed their actor, and are handled again.",
);
pub(crate) const GUEST_CPU: Family = with(
    Unit::Seconds,
    family(
        Kind::Counter,
        "playhouse_guest_cpu_seconds",
        ACTOR,
        "CPU time of plugins, a sample every 10 ms, which may exceed that of the process a little; that of an actor's mailbox plugin is the actor's.",
    ),
);
pub(crate) const ACTOR_MEMORY: Family = with(
    Unit::Bytes,
    family(
        Kind::Gauge,
        "playhouse_actor_memory_bytes",
        ACTOR,
        "Memory of an actor's live instances and of its mailbox plugin. An instance that several actors share counts once, for \
         the first of them.",
    ),
);
pub(crate) const ACTOR_OPEN: Family = family(
    Kind::Gauge,
    "playhouse_actor_open_resources",
    ACTOR,
    "Files, folders and connections that an actor's instances have open.",
);
pub(crate) const ACTORS: Family = family(
    Kind::Gauge,
    "playhouse_actors",
    &["actor", "plugin", "state"],
    "Actors by state, that of the instance that is furthest up; only states that some actor has.",
);
pub(crate) const FAILED_INSTANCES: Family = family(
    Kind::Gauge,
    "playhouse_failed_instances",
    ACTOR,
    "Instances that are failed, also of actors whose other instances run; only of actors that have any.",
);
pub(crate) const INCARNATIONS: Family =
    family(Kind::Counter, "playhouse_incarnations", ACTOR, "Runs of an actor's code that began.");
pub(crate) const RESTARTS: Family = family(Kind::Counter, "playhouse_restarts", ACTOR, "Restarts after a failure.");
pub(crate) const FAMILY_MEMBERS: Family = family(
    Kind::Gauge,
    "playhouse_family_members",
    ACTOR,
    "Members of a family that exist, in memory or in the store.",
);
pub(crate) const FAMILY_MEMBERS_LIMIT: Family =
    family(Kind::Gauge, "playhouse_family_members_limit", ACTOR, "Maximum number of members: members in [[family]].");
pub(crate) const FAMILY_LIVE: Family = family(
    Kind::Gauge,
    "playhouse_family_live_members",
    ACTOR,
    "Members with an instance, without those that wait for the reply to an ask.",
);
pub(crate) const FAMILY_LIVE_LIMIT: Family = family(
    Kind::Gauge,
    "playhouse_family_live_members_limit",
    ACTOR,
    "Maximum number of members with an instance: live in [[family]].",
);
pub(crate) const CRASHES: Family =
    family(Kind::Counter, "playhouse_crashes", &["actor", "plugin", "reason"], "Crashes; only reasons that occurred.");
pub(crate) const TURN_SECONDS: Family = with(
    Unit::Seconds,
    family(
        Kind::Histogram,
        "playhouse_turn_seconds",
        &["plugin"],
        "Durations of turns. A turn that waits is measured from its first wait. Other turns are sampled: one measured turn counts for several.",
    ),
);
pub(crate) const TURN_MESSAGES: Family = family(
    Kind::Histogram,
    "playhouse_turn_messages",
    &["plugin"],
    "Messages of a turn. The sum has handled messages.",
);
pub(crate) const ASKS: Family = family(Kind::Counter, "playhouse_asks", &["result"], "Asks by their result.");
pub(crate) const ASK_SECONDS: Family = with(
    Unit::Seconds,
    family(
        Kind::Histogram,
        "playhouse_ask_seconds",
        &[],
        "Durations of asks that were sent. Asks are sampled: one measured ask counts for several.",
    ),
);
pub(crate) const FAILED_STOPS: Family = family(
    Kind::Counter,
    "playhouse_failed_stops",
    &[],
    "Shutdown hooks that failed, and runs that were killed because they did not stop in time.",
);
pub(crate) const INSTANCES: Family = family(Kind::Gauge, "playhouse_instances", &[], "Live instances of plugins.");
pub(crate) const INSTANCES_LIMIT: Family =
    family(Kind::Gauge, "playhouse_instances_limit", &[], "Maximum number of live instances: max_instances in [play].");
pub(crate) const GUEST_MEMORY: Family =
    with(Unit::Bytes, family(Kind::Gauge, "playhouse_guest_memory_bytes", &[], "Memory of all instances."));
pub(crate) const GUEST_MEMORY_LIMIT: Family = with(
    Unit::Bytes,
    family(
        Kind::Gauge,
        "playhouse_guest_memory_limit_bytes",
        &[],
        "Maximum memory of all instances: limits.memory in [play].",
    ),
);
pub(crate) const DESCRIPTORS: Family = family(
    Kind::Gauge,
    "playhouse_open_resources",
    &[],
    "Files, folders and connections that all instances have open.",
);
pub(crate) const DESCRIPTORS_LIMIT: Family = family(
    Kind::Gauge,
    "playhouse_open_resources_limit",
    &[],
    "Maximum number of files, folders and connections that all instances have open.",
);

pub(crate) const LOG_RING: Family =
    with(Unit::Bytes, family(Kind::Gauge, "playhouse_log_ring_bytes", &[], "Memory of the last log lines."));
pub(crate) const LOG_RING_LIMIT: Family = with(
    Unit::Bytes,
    family(
        Kind::Gauge,
        "playhouse_log_ring_limit_bytes",
        &[],
        "Maximum memory of the last log lines: memory in [play.log].",
    ),
);
pub(crate) const LOG_SUBSCRIBERS: Family =
    family(Kind::Gauge, "playhouse_log_subscribers", &[], "Clients of the control socket that read the log.");
pub(crate) const LOG_LOST: Family = family(
    Kind::Counter,
    "playhouse_log_subscriber_lost_lines",
    &[],
    "Log lines that clients of the control socket read too slowly.",
);
pub(crate) const HOST_MEMORY: Family = with(
    Unit::Bytes,
    family(
        Kind::Gauge,
        "playhouse_host_memory_bytes",
        &["kind"],
        "Memory of the host that is held for guests: waiting messages, dead letters, heads of HTTP requests, compiled code.",
    ),
);
pub(crate) const COMPILATIONS: Family = family(
    Kind::Counter,
    "playhouse_compilations",
    &["origin"],
    "Plugins that were loaded, by the origin of their code: compiled, from the cache, or compiled because the cache was damaged.",
);
pub(crate) const COMPILE_SECONDS: Family =
    with(Unit::Seconds, family(Kind::Counter, "playhouse_compile_seconds", &[], "The time of all compilations."));
pub(crate) const LOG_LEFT_OUT: Family = family(
    Kind::Counter,
    "playhouse_log_lines_left_out",
    &["actor", "source"],
    "Log lines beyond limits.log_lines and limits.log_bytes: of the guest, or of the host about it; only of actors with some.",
);
pub(crate) const LOG_DROPPED: Family = family(
    Kind::Counter,
    "playhouse_log_lines_dropped",
    &[],
    "Log lines that were dropped because stderr was read too slowly.",
);
pub(crate) const HOST_ERRORS: Family = family(
    Kind::Counter,
    "playhouse_uncaught_errors",
    &["kind"],
    "Errors inside the host: panic (also a caught panic of a native actor), or accept (a connection could not be accepted).",
);
pub(crate) const HTTP_REQUESTS: Family = family(
    Kind::Counter,
    "playhouse_http_requests",
    &["gateway", "route", "status"],
    "Requests that were answered, by route (`unknown` for those without one) and status; only those that occurred.",
);
pub(crate) const HTTP_CONNECTIONS: Family =
    family(Kind::Gauge, "playhouse_http_connections", &["gateway"], "Open connections of clients.");
pub(crate) const HTTP_ACCEPTED: Family = family(
    Kind::Counter,
    "playhouse_http_accepted_connections",
    &["gateway"],
    "Connections of clients that were accepted.",
);
pub(crate) const HTTP_REFUSED: Family = family(
    Kind::Counter,
    "playhouse_http_refused_connections",
    &["gateway"],
    "Connections that were closed at once, because their client had `connections_per_client`.",
);
pub(crate) const WEBSOCKETS: Family = family(
    Kind::Gauge,
    "playhouse_websocket_connections",
    &["gateway", "route"],
    "Open WebSocket connections, by route.",
);
pub(crate) const SOURCE_MESSAGES: Family = family(
    Kind::Counter,
    "playhouse_source_messages",
    &["source", "kind", "event"],
    "Messages of a source: taken (repetitions included), done (acknowledged after their end), repeated (taken again while in memory), given_back, refused (not deliverable), missing (gone from the broker).",
);
pub(crate) const SINK_MESSAGES: Family = family(
    Kind::Counter,
    "playhouse_sink_messages",
    &["sink", "kind", "event"],
    "Messages of a sink: done (the receiver has them), repeated (of these, those that it had already), refused (at the last attempt: dead letters).",
);
pub(crate) const GATEWAY_CONNECTED: Family = family(
    Kind::Gauge,
    "playhouse_gateway_connected",
    &["gateway", "kind"],
    "Whether a source or a sink has its broker, file or server: 0 or 1. A sink has a sample from its first message on, a stopped actor has none.",
);
pub(crate) const GATEWAY_DISCONNECTS: Family = family(
    Kind::Counter,
    "playhouse_gateway_disconnects",
    &["gateway", "kind"],
    "Connections that a source or a sink lost.",
);
pub(crate) const CRON_RUNS: Family = family(
    Kind::Counter,
    "playhouse_cron_runs",
    &["entry", "event"],
    "Times of a cron entry: run (its message has ended), failed (of these, those that became dead letters), skipped (the last run had not ended), missed (noticed too late), refused (by the receiver).",
);
pub(crate) const LETTERS_SENT: Family = family(
    Kind::Counter,
    "playhouse_dead_letters_sent",
    &["event"],
    "Dead letters for the receiver in [play.dead_letters]: sent, refused (by its mailbox), left_out (too many waited).",
);
pub(crate) const PROCESS_CPU: Family = with(
    Unit::Seconds,
    family(Kind::Counter, "process_cpu_seconds", &[], "CPU time of the host's process, guests included."),
);
pub(crate) const PROCESS_RESIDENT: Family = with(
    Unit::Bytes,
    family(Kind::Gauge, "process_resident_memory_bytes", &[], "Resident memory of the host's process."),
);
pub(crate) const PROCESS_VIRTUAL: Family =
    with(Unit::Bytes, family(Kind::Gauge, "process_virtual_memory_bytes", &[], "Address space of the host's process."));
pub(crate) const PROCESS_OPEN_FDS: Family =
    family(Kind::Gauge, "process_open_fds", &[], "Open file descriptors of the host's process.");
pub(crate) const PROCESS_MAX_FDS: Family =
    family(Kind::Gauge, "process_max_fds", &[], "Maximum number of open file descriptors.");
pub(crate) const PROCESS_THREADS: Family =
    family(Kind::Gauge, "process_threads", &[], "Threads of the host's process.");

/// All families, in the order of a scrape.
pub const FAMILIES: &[Family] = &[
    BUILD,
    PLAY,
    START_TIME,
    ANSWERS,
    READY,
    MEMORY_SHORT,
    MESSAGES,
    DEAD_LETTERS,
    MAILBOX,
    MAILBOX_BYTES,
    CAPACITY,
    OLDEST,
    BLOCKED,
    SENDER_WAITS,
    SENDER_WAIT_SECONDS,
    REFUSED,
    RETRIES,
    GUEST_CPU,
    ACTOR_MEMORY,
    ACTOR_OPEN,
    ACTORS,
    FAILED_INSTANCES,
    INCARNATIONS,
    RESTARTS,
    CRASHES,
    FAMILY_MEMBERS,
    FAMILY_MEMBERS_LIMIT,
    FAMILY_LIVE,
    FAMILY_LIVE_LIMIT,
    TURN_SECONDS,
    TURN_MESSAGES,
    ASKS,
    ASK_SECONDS,
    FAILED_STOPS,
    INSTANCES,
    INSTANCES_LIMIT,
    GUEST_MEMORY,
    GUEST_MEMORY_LIMIT,
    DESCRIPTORS,
    DESCRIPTORS_LIMIT,
    LOG_RING,
    LOG_RING_LIMIT,
    LOG_SUBSCRIBERS,
    LOG_LOST,
    HOST_MEMORY,
    COMPILATIONS,
    COMPILE_SECONDS,
    LOG_LEFT_OUT,
    LOG_DROPPED,
    HOST_ERRORS,
    HTTP_REQUESTS,
    HTTP_CONNECTIONS,
    HTTP_ACCEPTED,
    HTTP_REFUSED,
    WEBSOCKETS,
    SOURCE_MESSAGES,
    SINK_MESSAGES,
    GATEWAY_CONNECTED,
    GATEWAY_DISCONNECTS,
    CRON_RUNS,
    LETTERS_SENT,
    PROCESS_CPU,
    PROCESS_RESIDENT,
    PROCESS_VIRTUAL,
    PROCESS_OPEN_FDS,
    PROCESS_MAX_FDS,
    PROCESS_THREADS,
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::own::{COUNTED, OBSERVED};

    #[test]
    fn names_follow_the_conventions() {
        let mut seen = HashSet::new();
        for Family { name, unit, help, kind, labels } in FAMILIES {
            assert!(seen.insert(name), "{name} twice");
            assert!(name.starts_with("playhouse_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(unit.is_none_or(|unit| name.ends_with(unit.name())), "{name} ends with its unit");
            assert!(!name.ends_with("_total") && !name.ends_with("_info"), "{name}: the type adds the end");
            assert!(!name.starts_with(COUNTED) && !name.starts_with(OBSERVED), "{name}: of actors' own metrics");
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}");
            assert!(*kind != Kind::Histogram || !labels.contains(&"le"), "{name}");
        }
    }
}
