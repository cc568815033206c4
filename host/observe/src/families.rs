//! All metrics of a play. `actor` is an actor of the manifest; `actor="/shop/**"` are all actors with one plugin that were
//! spawned below `/shop`.

use crate::family::{Family, Kind, Unit};

const ACTOR: &[&str] = &["actor", "plugin"];

macro_rules! families {
    ($($id:ident = $kind:ident $name:literal $unit:expr, $labels:expr, $help:literal;)*) => {
        $(pub(crate) const $id: Family =
            Family { name: $name, kind: Kind::$kind, unit: $unit, help: $help, labels: $labels };)*

        /// All families, in the order of a scrape.
        pub const FAMILIES: &[Family] = &[$($id),*];
    };
}

families! {
    BUILD = Info "playhouse_build" None, &["version"], "The version of the host.";
    PLAY = Info "playhouse_play" None, &["name"], "The name of the play.";
    START_TIME = Gauge "process_start_time_seconds" Some(Unit::Seconds), &[], "The start of the host, in seconds since 1970.";
    ANSWERS = Gauge "playhouse_kernel_answers" None, &[], "1 while the kernel's loop answers within a second, else 0.";
    READY = Gauge "playhouse_ready" None, &[], "1 while the play is booted, does not stop, and is not short of memory, else 0.";
    MEMORY_SHORT = Gauge "playhouse_memory_short" None, &[], "1 while messages from outside are refused because memory is short, else 0.";
    MESSAGES = Counter "playhouse_messages" None, &["actor", "plugin", "outcome"], "Messages that ended, as `done` or as `dead_letter`.";
    DEAD_LETTERS = Counter "playhouse_dead_letters" None, &["actor", "plugin", "reason"], "Dead letters among the messages for an actor; only reasons that occurred.";
    MAILBOX = Gauge "playhouse_mailbox_messages" None, ACTOR, "Messages that wait.";
    MAILBOX_BYTES = Gauge "playhouse_mailbox_bytes" Some(Unit::Bytes), ACTOR, "Bytes of the messages that wait, headers included.";
    CAPACITY = Gauge "playhouse_mailbox_capacity_messages" None, ACTOR, "Maximum number of messages that wait.";
    OLDEST = Gauge "playhouse_oldest_message_age_seconds" Some(Unit::Seconds), ACTOR, "The least age of the oldest message that is not finished, within a second.";
    BLOCKED = Gauge "playhouse_blocked_senders" None, ACTOR, "Senders that wait for space in the mailbox.";
    SENDER_WAITS = Counter "playhouse_sender_waits" None, ACTOR, "How often a sender waited for space; only of mailboxes that were full.";
    SENDER_WAIT_SECONDS = Counter "playhouse_sender_wait_seconds" Some(Unit::Seconds), ACTOR, "The time that senders waited for space; only of mailboxes that were full.";
    ACTORS = Gauge "playhouse_actors" None, &["actor", "plugin", "state"], "Actors by state; only states that some actor has.";
    INCARNATIONS = Counter "playhouse_incarnations" None, ACTOR, "Runs of an actor's code that began.";
    RESTARTS = Counter "playhouse_restarts" None, ACTOR, "Restarts after a failure.";
    CRASHES = Counter "playhouse_crashes" None, &["actor", "plugin", "reason"], "Crashes; only reasons that occurred.";
    TURN_SECONDS = Histogram "playhouse_turn_seconds" Some(Unit::Seconds), &["plugin"], "Durations of turns. A turn that waits counts from its first wait; of others, a sample counts for all.";
    TURN_MESSAGES = Histogram "playhouse_turn_messages" None, &["plugin"], "Messages of a turn. The sum has handled messages.";
    ASKS = Counter "playhouse_asks" None, &["result"], "Asks by their result.";
    ASK_SECONDS = Histogram "playhouse_ask_seconds" Some(Unit::Seconds), &[], "Durations of asks; a sample counts for all with its result.";
    FAILED_STOPS = Counter "playhouse_failed_stops" None, &[], "Shutdown hooks that failed, and runs that were killed because they did not stop in time.";
    INSTANCES = Gauge "playhouse_instances" None, &[], "Live instances of plugins.";
    INSTANCES_LIMIT = Gauge "playhouse_instances_limit" None, &[], "Maximum number of live instances: max_instances in [play].";
    GUEST_MEMORY = Gauge "playhouse_guest_memory_bytes" Some(Unit::Bytes), &[], "Memory of all instances.";
    GUEST_MEMORY_LIMIT = Gauge "playhouse_guest_memory_limit_bytes" Some(Unit::Bytes), &[], "Maximum memory of all instances: limits.memory in [play].";
    DESCRIPTORS = Gauge "playhouse_open_resources" None, &[], "Files, folders and connections that all instances have open.";
    DESCRIPTORS_LIMIT = Gauge "playhouse_open_resources_limit" None, &[], "Maximum number of these.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        let mut seen = HashSet::new();
        for Family { name, unit, help, kind, labels } in FAMILIES {
            assert!(seen.insert(name), "{name} twice");
            assert!(name.starts_with("playhouse_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(unit.is_none_or(|unit| name.ends_with(unit.name())), "{name} ends with its unit");
            assert!(!name.ends_with("_total") && !name.ends_with("_info"), "{name}: the type adds the end");
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}");
            assert!(*kind != Kind::Histogram || !labels.contains(&"le"), "{name}");
        }
    }
}
