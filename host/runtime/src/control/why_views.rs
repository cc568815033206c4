//! Why an actor does not go on, for operators and programs: plain data, made from the kernel's types, with its sentences.

use std::time::{Duration, SystemTime};

use playhouse_kernel::{BlockedBy, ChainEnd, Finding, Progress, Reason, Why, WhyLink};
use playhouse_observe::Recent;
use serde::{Deserialize, Serialize};

use super::why_words::{Seen, about_blocked, about_end, advice, sentence, state};
use crate::printable::{Printable, timestamp};

/// Why an actor does not go on. Its fields are those of the JSON that `playhouse why --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyView {
    /// The actor's address; that of the family for an actor that stands for one.
    pub address: String,
    /// The actor's state, as in `playhouse tree`.
    pub state: String,
    /// The time since which the reason of the actor holds, in UTC; `None` when it is not known.
    pub since: Option<String>,
    /// Milliseconds since then.
    pub since_ms: Option<u64>,
    /// All of this in one paragraph.
    pub text: String,
    /// The reason of each instance of the actor, the worst first.
    pub waits: Vec<WaitLine>,
    /// The actor, and the actors that it waits for, at most 16: each waits for the next one.
    pub chain: Vec<ChainLine>,
    /// How the chain ends: `root`, `cycle` (the last actor waits for one before), or `cut` (the chain is longer).
    pub end: String,
    /// The root cause; `None` when the chain has none, or was cut.
    pub root: Option<RootLine>,
    /// The way out for an operator; empty when there is nothing to do.
    pub advice: String,
    /// Those that wait for the actor.
    pub blocked: BlockedLine,
}

/// The reason of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitLine {
    /// The state of the instance.
    pub state: String,
    /// The kind of the reason, in one word.
    pub kind: String,
    /// The address of the actor for which it waits.
    pub on: Option<String>,
    /// Milliseconds since the reason holds; `None` when that is not known.
    pub since_ms: Option<u64>,
}

/// One actor of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainLine {
    /// Its address.
    pub address: String,
    /// Its plugin.
    pub plugin: String,
    /// Its state.
    pub state: String,
    /// The kind of its worst reason, in one word.
    pub kind: String,
    /// The address of the actor for which it waits.
    pub on: Option<String>,
    /// Milliseconds since the reason holds; `None` when that is not known.
    pub since_ms: Option<u64>,
    /// Messages that wait for it.
    pub waiting: u64,
    /// Most messages that may wait.
    pub capacity: u64,
    /// The id of the first message of the call that its code is in.
    pub message: Option<String>,
    /// The reason in words.
    pub text: String,
}

/// The root cause: the last actor of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootLine {
    /// Its address.
    pub address: String,
    /// The kind of its reason, in one word.
    pub kind: String,
}

/// Those that wait for an actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedLine {
    /// Senders that wait for space in its mailbox.
    pub for_space: u64,
    /// Asks that wait for its answer.
    pub for_answers: u64,
    /// At most 8 of the actors among them, those that have waited longest first.
    pub actors: Vec<BlockedActorLine>,
}

/// An actor that waits for another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedActorLine {
    /// Its address.
    pub address: String,
    /// `space` or `answer`.
    pub kind: String,
    /// Milliseconds since it waits.
    pub since_ms: u64,
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl WhyView {
    /// Makes the view. `recent` has the rates of an actor, `status` the line of a gateway about itself, and `memory_short` the reason
    /// why messages from outside are refused.
    pub(crate) fn new(
        why: &Why,
        recent: impl Fn(&Progress) -> Recent,
        status: impl Fn(&playhouse_kernel::Address) -> Option<String>,
        memory_short: Option<&str>,
    ) -> Self {
        let now = SystemTime::now();
        let links = &why.links;
        let seen: Vec<_> = links
            .iter()
            .enumerate()
            .filter_map(|(at, link)| {
                let next = match why.end {
                    _ if at + 1 < links.len() => links.get(at + 1),
                    ChainEnd::Cycle(place) => links.get(place),
                    ChainEnd::Root | ChainEnd::Cut => None,
                };
                Some(Seen { link, finding: link.worst()?, next, recent: recent(&link.progress), now })
            })
            .collect();
        let chain: Vec<_> = seen.iter().map(ChainLine::new).collect();
        let first = links.first();
        let address = first.map(|link| link.address.to_string()).unwrap_or_default();
        let advice = advice(&seen, why.end);
        let mut sentences: Vec<String> = chain.iter().map(|line| format!("{}.", line.text)).collect();
        let status = first.and_then(|first| status(&first.address));
        sentences.extend(status.map(|status| format!("{address} says: {}.", Printable(&status))));
        sentences.extend(about_end(&seen, why.end));
        sentences.extend(
            memory_short
                .map(|why| format!("Memory is short, and messages from outside are refused: {}.", Printable(why))),
        );
        sentences.extend((!advice.is_empty()).then(|| advice.clone()));
        sentences.extend(about_blocked(&address, &why.blocked));
        let lasts = first.and_then(WhyLink::worst).and_then(|finding| finding.lasts);
        let root = seen.last().filter(|_| why.end == ChainEnd::Root);
        Self {
            address,
            state: first.map(state).unwrap_or_default(),
            since: lasts.and_then(|lasts| now.checked_sub(lasts)).map(timestamp),
            since_ms: lasts.map(ms),
            text: sentences.join(" "),
            waits: first.into_iter().flat_map(|link| &link.findings).map(WaitLine::from).collect(),
            end: match why.end {
                ChainEnd::Root => "root",
                ChainEnd::Cycle(_) => "cycle",
                ChainEnd::Cut => "cut",
            }
            .to_owned(),
            root: root.map(|seen| RootLine {
                address: seen.link.address.to_string(),
                kind: seen.finding.reason.kind().to_owned(),
            }),
            chain,
            advice,
            blocked: BlockedLine {
                for_space: why.blocked.for_space as u64,
                for_answers: why.blocked.for_answers as u64,
                actors: why
                    .blocked
                    .actors
                    .iter()
                    .map(|actor| BlockedActorLine {
                        address: actor.address.to_string(),
                        kind: match actor.by {
                            BlockedBy::Space => "space",
                            BlockedBy::Answer => "answer",
                        }
                        .to_owned(),
                        since_ms: ms(actor.lasts),
                    })
                    .collect(),
            },
        }
    }
}

fn on(reason: &Reason) -> Option<String> {
    reason.on().map(ToString::to_string)
}

impl From<&Finding> for WaitLine {
    fn from(finding: &Finding) -> Self {
        Self {
            state: finding.state.name().to_owned(),
            kind: finding.reason.kind().to_owned(),
            on: on(&finding.reason),
            since_ms: finding.lasts.map(ms),
        }
    }
}

impl ChainLine {
    fn new(seen: &Seen<'_>) -> Self {
        let Seen { link, finding, .. } = seen;
        Self {
            address: link.address.to_string(),
            plugin: link.plugin.clone(),
            state: state(link),
            kind: finding.reason.kind().to_owned(),
            on: on(&finding.reason),
            since_ms: finding.lasts.map(ms),
            waiting: link.waiting as u64,
            capacity: link.capacity as u64,
            message: match finding.reason {
                Reason::Code { first, .. } => first.map(|id| id.to_string()),
                _ => None,
            },
            text: sentence(seen),
        }
    }
}
