//! The sentences about an actor that does not go on, and the way out of each reason.

use std::time::{Duration, SystemTime};

use playhouse_kernel::{
    Blocked, BlockedBy, ChainEnd, FailedActor, FamilyView, Finding, PolicyState, Reason, State, WhyLink,
};
use playhouse_observe::Recent;

use super::failed_line::FailedLine;
use crate::printable::{Printable, age, counted, preview, size, timestamp};

/// Maximum length of a crash reason.
const REASON_CHARS: usize = 160;
/// The share of a core from which on code computes, rather than waits.
const COMPUTES: f64 = 0.5;

/// One actor of the chain with what the host knows beside the kernel.
pub(super) struct Seen<'a> {
    pub(super) link: &'a WhyLink,
    pub(super) finding: &'a Finding,
    /// The actor for which it waits.
    pub(super) next: Option<&'a WhyLink>,
    pub(super) recent: Recent,
    pub(super) now: SystemTime,
}

/// The state as `playhouse tree` shows it.
pub(super) fn state(link: &WhyLink) -> String {
    if link.family.is_some() { "family".to_owned() } else { link.state.name().to_owned() }
}

/// `3.2s`, `42s`, `3m`.
fn shown(time: Duration) -> String {
    if time < Duration::from_secs(10) { format!("{:.1}s", time.as_secs_f64()) } else { age(time) }
}

/// The reason of one actor, in a sentence without its end.
pub(super) fn sentence(seen: &Seen<'_>) -> String {
    let Seen { link, finding, next, .. } = seen;
    let a = &link.address;
    let waited = match finding.lasts {
        Some(lasts) => format!("has waited {}", shown(lasts)),
        None => "waits".to_owned(),
    };
    let lasting = finding.lasts.map(|lasts| format!(" for {}", shown(lasts))).unwrap_or_default();
    let ago = finding.lasts.map(|lasts| when(seen, lasts)).unwrap_or_default();
    let said = match &finding.reason {
        Reason::Answer { of, ends_in } => {
            format!("{a} {waited} for the answer of {of} to its ask, which ends in {}", shown(*ends_in))
        }
        Reason::Space { of, limit } => {
            let full = next.map(|next| format!(", which has {}", fill(next))).unwrap_or_default();
            format!("{a} {waited} for space in the mailbox of {of}{full} (`mailbox.block_timeout` is {limit:?})")
        }
        Reason::Slot { rule, used: (used, most), queue } => format!(
            "{a} {waited} for a slot to start: {used} of {most} are in use, {rule}, and {} for one",
            if *queue == 1 { "1 start waits".to_owned() } else { format!("{queue} starts wait") }
        ),
        Reason::Disk { full: Some(full), .. } => format!("{a} {waited} for the store: {}", Printable(full)),
        Reason::Disk { behind, full: None } => format!(
            "{a} {waited} for the disk of the store, to which {} not written yet",
            if *behind == 1 { "1 entry is".to_owned() } else { format!("{behind} entries are") }
        ),
        Reason::Host("stdout") => format!("{a} {waited} for the reader of the host's stdout"),
        Reason::Host(part) => format!("{a} {waited} for {part}"),
        Reason::Shared { with: Some(with) } => {
            format!("{a} {waited} for the instance that it shares with {with}, whose call has not returned")
        }
        Reason::Shared { with: None } => format!("{a} {waited} for the instance that it shares with other actors"),
        Reason::Directive { of } => format!("{a} {waited} for the directive of its parent {of} about its failure"),
        Reason::Before { of } => format!("{a} is {}{lasting}: {of} comes first", link.state.name()),
        Reason::Code { .. } => code(seen),
        Reason::Busy => busy(seen),
        Reason::Retry { messages, due_in } => {
            format!("{a} has {} to handle again, the first in {}", counted(*messages as u64, "message"), shown(*due_in))
        }
        Reason::Policy { plugin, state } => {
            let state = match state {
                PolicyState::Starting => "starts",
                PolicyState::Running => "runs",
                PolicyState::GaveUp => "was given up after crashes",
                PolicyState::Ended => "has ended",
            };
            let waiting = counted(link.waiting as u64, "message");
            format!("{a} has no message to handle: its mailbox plugin {plugin} {state}, and holds {waiting}")
        }
        Reason::Gate { asked_in } => {
            let again = asked_in.map(|after| format!(" in {}, and", shown(after))).unwrap_or_default();
            format!("the code of {a} refused to start{ago}; it is asked again{again} when a message comes")
        }
        Reason::Restart { due_in, crash } => {
            let due = due_in.map(|due| format!(" in {}", shown(due))).unwrap_or_default();
            let crash = crash.as_ref().map(|report| {
                format!(", after it {}", preview(report.crash.reason.to_string().as_bytes(), REASON_CHARS))
            });
            format!("{a} starts again{due}{}", crash.unwrap_or_default())
        }
        Reason::Failed(failed) => failure(link, failed, &ago),
        Reason::Stopped => format!("{a} was stopped by an operator{ago}"),
        Reason::NotStarted => format!("{a} was not started by an operator since the host's start{ago}"),
        Reason::Starting => format!("{a} has been starting{lasting}"),
        Reason::Stopping if link.state == State::Draining => {
            format!("{a} handles its last messages before it stops{lasting}")
        }
        Reason::Stopping => format!("{a} has been stopping{lasting}"),
        Reason::Down => format!("{a} is not started yet"),
        Reason::Passivated => format!("{a} has no instance, as no message waits: the next message makes one"),
        Reason::Idle => format!("{a} is idle: no message waits"),
        Reason::Ended => format!("{a} ended{ago}, and is not started again"),
        Reason::Family => family(link, *next),
    };
    format!("{said}{}", others(link))
}

/// When a reason began: `at 2026-11-22T16:46:00Z (3m ago)`.
fn when(seen: &Seen<'_>, lasts: Duration) -> String {
    let at = seen.now.checked_sub(lasts).map(timestamp).unwrap_or_default();
    // Without its milliseconds.
    let at = at.split_once('.').map_or(at.as_str(), |(seconds, _)| seconds);
    format!(" at {at}Z ({} ago)", shown(lasts))
}

/// How full a mailbox is.
fn fill(link: &WhyLink) -> String {
    let WhyLink { waiting, capacity, bytes: (used, most), .. } = link;
    if waiting >= capacity {
        format!("{waiting} of {capacity} messages")
    } else {
        format!("{} of {} in {}", size(*used as u64), size(*most as u64), counted(*waiting as u64, "message"))
    }
}

/// The part of a sentence about the other instances.
fn others(link: &WhyLink) -> String {
    let (all, Some(worst)) = (link.findings.len(), link.worst()) else { return String::new() };
    if all < 2 {
        return String::new();
    }
    let is_idle = |reason: &Reason| matches!(reason, Reason::Idle | Reason::Passivated);
    let alike = link.findings.iter().filter(|finding| finding.reason.kind() == worst.reason.kind()).count();
    let idle = link.findings.iter().filter(|finding| is_idle(&finding.reason)).count();
    match all - alike - idle {
        _ if is_idle(&worst.reason) => format!(" ({all} instances)"),
        0 => format!(" ({alike} of its {all} instances)"),
        others => format!(" ({alike} of its {all} instances, and {others} for other reasons)"),
    }
}

fn code(seen: &Seen<'_>) -> String {
    let Seen { link, finding, recent, .. } = seen;
    let Reason::Code { first, messages, .. } = &finding.reason else { return String::new() };
    let (a, time) = (&link.address, shown(finding.lasts.unwrap_or_default()));
    let call = match first {
        Some(first) if *messages > 1 => format!("in a call of {messages} messages, of which {first} is the first"),
        Some(first) => format!("in its call for message {first}"),
        None if link.state.is_up() => "in a hook".to_owned(),
        None => format!("in a hook while it is {}", link.state.name()),
    };
    if !link.counts_cpu {
        return format!("the code of {a} has run, or waited for something that is no actor, for {time} {call}");
    }
    if recent.cpu_1s >= COMPUTES {
        return format!("{a} has computed for {time} {call}, at {:.0}% of a core", recent.cpu_1s * 100.0);
    }
    format!("the code of {a} has waited {time} for something that is no actor, such as a request or a file, {call}")
}

fn busy(seen: &Seen<'_>) -> String {
    let Seen { link, recent, .. } = seen;
    let (a, waiting) = (&link.address, counted(link.waiting as u64, "message"));
    if recent.handled_1s > 0.0 {
        return format!("{a} handles {:.0} messages in a second, and {waiting} wait", recent.handled_1s.ceil());
    }
    let oldest = Some(recent.oldest).filter(|oldest| *oldest >= Duration::from_secs(1));
    let oldest = oldest.map(|oldest| format!(", the oldest for {} at least", shown(oldest))).unwrap_or_default();
    format!("{a} is in a call that has not returned to the host, and {waiting} wait{oldest}")
}

fn failure(link: &WhyLink, failed: &FailedActor, ago: &str) -> String {
    let a = &link.address;
    if failed.actor != *a {
        return format!("{a} is failed with {}", failed.actor);
    }
    let FailedLine { why, next_trial_in_ms, .. } = FailedLine::from(failed);
    let trial = match next_trial_in_ms {
        Some(ms) => format!("the next trial start is in {}", shown(Duration::from_millis(ms))),
        None => "there is no trial start".to_owned(),
    };
    format!("{a} failed{ago}: {}; {trial}", Printable(&why))
}

fn family(link: &WhyLink, next: Option<&WhyLink>) -> String {
    let a = &link.address;
    let Some(FamilyView { live, most_live, members, most_members }) = link.family else {
        return format!("{a} is idle");
    };
    let waiting = match next {
        Some(next) => format!("; of them, {} has waited longest", next.address),
        None => "; none of them waits".to_owned(),
    };
    format!("{a}/* has {members} of {most_members} members, {live} of {most_live} live{waiting}")
}

/// The sentence about the end of a chain.
pub(super) fn about_end(seen: &[Seen<'_>], end: ChainEnd) -> Option<String> {
    let last = seen.last()?;
    match end {
        ChainEnd::Cut => Some(format!("The chain goes on: {} actors are shown.", seen.len())),
        ChainEnd::Cycle(place) => {
            let circle = seen[place..].iter().chain(seen.get(place)).map(|seen| seen.link.address.as_str());
            let circle = circle.collect::<Vec<_>>().join(" -> ");
            Some(format!("That is a cycle: {circle}."))
        }
        ChainEnd::Root if seen.len() == 1 => None,
        ChainEnd::Root if matches!(last.finding.reason, Reason::Idle | Reason::Passivated) => {
            Some("So nothing is stuck there: the wait has just ended.".to_owned())
        }
        ChainEnd::Root => Some("That is the root cause.".to_owned()),
    }
}

/// The way out for an operator; empty when there is nothing to do.
pub(super) fn advice(seen: &[Seen<'_>], end: ChainEnd) -> String {
    let Some(Seen { link, finding, .. }) = seen.last() else { return String::new() };
    if let ChainEnd::Cycle(place) = end {
        return advice_for_cycle(&seen[place..]);
    }
    let a = &link.address;
    match &finding.reason {
        Reason::Stopped | Reason::NotStarted => format!("`playhouse start {a}` starts it."),
        Reason::Failed(failed) => {
            let of = &failed.actor;
            format!("`playhouse start {of}` tries it now, and `playhouse logs --actor {of}` shows its failures.")
        }
        Reason::Restart { .. } => {
            format!("`playhouse start {a}` starts it now, and `playhouse logs --actor {a}` shows its failures.")
        }
        Reason::Gate { .. } => format!("`playhouse start {a}` asks its code now."),
        Reason::Code { limit, .. } if !link.counts_cpu => {
            format!(
                "The call ends after {limit:?} (`limits.timeout`), if it lets others run; `playhouse stop {a}` ends it before."
            )
        }
        Reason::Code { limit, .. } => format!(
            "The call ends after {limit:?} (`limits.timeout`), or when `limits.cpu` is used up; `playhouse stop {a}` ends it before."
        ),
        Reason::Disk { full: Some(_), .. } => {
            "Make space on the disk of the store, or with `playhouse mailbox drop` and `playhouse dead-letters drop`."
                .into()
        }
        Reason::Disk { full: None, .. } => {
            "`playhouse store info` shows the store; look at the load of its disk.".into()
        }
        Reason::Host("stdout") => "Read the host's stdout faster, or redirect it to a file.".into(),
        Reason::Slot { .. } => "Raise the bound, stop an actor, or let idle ones go with `idle = \"stop\"`.".into(),
        Reason::Policy { plugin, .. } => {
            format!(
                "`playhouse tree` shows the crashes of the plugin {plugin}; a plugin that runs decides when it gives messages out."
            )
        }
        Reason::Busy => "More `instances`, a quicker handler or fewer senders help.".into(),
        Reason::Starting => "`limits.start_timeout` ends a start that takes longer.".into(),
        Reason::Stopping => "`supervision.shutdown` of its parent ends a stop that takes longer.".into(),
        _ => String::new(),
    }
}

/// A wait in the cycle ends first, and only that one.
fn advice_for_cycle(circle: &[Seen<'_>]) -> String {
    let left = circle.iter().filter_map(|seen| {
        let lasts = seen.finding.lasts.unwrap_or_default();
        match &seen.finding.reason {
            Reason::Answer { ends_in, .. } => Some((*ends_in, &seen.link.address, "its ask fails")),
            Reason::Space { limit, .. } => {
                Some((limit.saturating_sub(lasts), &seen.link.address, "its message becomes a dead letter"))
            }
            _ => None,
        }
    });
    let Some((ends_in, of, how)) = left.min_by_key(|(left, ..)| *left) else { return String::new() };
    format!(
        "It ends in {} for {of}, when {how}; a larger `mailbox.capacity`, or another `overflow` than `block`, prevents it.",
        shown(ends_in)
    )
}

/// The sentence about those that wait for the actor.
pub(super) fn about_blocked(address: &str, blocked: &Blocked) -> Option<String> {
    let Blocked { for_space, for_answers, actors } = blocked;
    let mut parts = Vec::new();
    if *for_space > 0 {
        let one = *for_space == 1;
        let senders = counted(*for_space as u64, "sender");
        parts.push(format!("{senders} {} for space in the mailbox of {address}", if one { "waits" } else { "wait" }));
    }
    if *for_answers > 0 {
        let one = *for_answers == 1;
        let asks = counted(*for_answers as u64, "ask");
        parts.push(format!("{asks} {} for an answer of {address}", if one { "waits" } else { "wait" }));
    }
    if parts.is_empty() {
        return None;
    }
    let named = actors.iter().map(|actor| {
        let by = match actor.by {
            BlockedBy::Space => "space",
            BlockedBy::Answer => "answer",
        };
        format!("{} ({by}, {})", actor.address, shown(actor.lasts))
    });
    let named: Vec<_> = named.collect();
    let all = for_space + for_answers;
    let more = all.saturating_sub(named.len());
    let named = match (named.is_empty(), more) {
        (true, _) => ": of outside of the play, or of actors that are gone".to_owned(),
        (false, 0) => format!(": {}", named.join(", ")),
        (false, more) => format!(": {}, and {more} more, or of outside", named.join(", ")),
    };
    Some(format!("{}{named}.", parts.join(", and ")))
}
