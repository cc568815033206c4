//! The list of timed workloads, and the libraries that run them.

use std::str::FromStr;

use anyhow::Result;

/// The libraries that are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// Sandboxed guests with default settings.
    Playhouse,
    /// Sandboxed guests, with one call for each message.
    PlayhouseUnbatched,
    /// The guests' component, called without Playhouse.
    RawWasmtime,
    Ractor,
    Kameo,
    /// All actors on one thread.
    Actix,
    /// Actors on two threads in turn.
    ActixTwo,
}

impl Subject {
    pub(crate) const ALL: [Self; 7] = [
        Self::Playhouse,
        Self::PlayhouseUnbatched,
        Self::RawWasmtime,
        Self::Ractor,
        Self::Kameo,
        Self::Actix,
        Self::ActixTwo,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Playhouse => "playhouse",
            Self::PlayhouseUnbatched => "playhouse, no batches",
            Self::RawWasmtime => "raw wasmtime",
            Self::Ractor => "ractor",
            Self::Kameo => "kameo",
            Self::Actix => "actix, one arbiter",
            Self::ActixTwo => "actix, two arbiters",
        }
    }

    pub(crate) fn is_native(self) -> bool {
        matches!(self, Self::Ractor | Self::Kameo | Self::Actix | Self::ActixTwo)
    }
}

impl FromStr for Subject {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|subject| subject.name() == name);
        found.ok_or_else(|| anyhow::anyhow!("there is no subject `{name}`"))
    }
}

/// The workloads. `acked`: at most 256 bodies in flight, the receiver acknowledges half of them at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// One actor sends to another one.
    Tell { bytes: usize, acked: bool },
    /// Two actors send one body to and fro.
    PingPong,
    /// A source, an actor A, `middle` actors B, and a sink C. `shared`: the Bs are instances of one actor, if the library has
    /// instances.
    Pipeline { middle: usize, shared: bool, acked: bool },
    /// Asks from outside.
    Ask { at_a_time: u64 },
    /// A deep mailbox, one call for each message.
    BatchOfOne,
    /// Spawned actors, all idle at the same time; in Playhouse with an instance each, or with one for all.
    Spawn { shared: bool },
    /// Time from the message that crashes an actor to the actor's next answer.
    Crash,
    /// Many actors send to one actor.
    FanIn { senders: u64 },
    /// A tree of actors with ten children each; the unit is a leaf.
    Skynet,
    /// A quiet actor is asked while another actor uses up its CPU budget and crashes, again and again.
    BesideSpinning,
    /// A quiet actor is asked while another actor is flooded.
    BesideFlooded,
}

/// One line of the list.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) work: Work,
    /// Units of work in a full run; in `BesideSpinning`, crashes of the spinning actor.
    pub(crate) units: u64,
    /// Units of work in a quick run, for correctness only.
    pub(crate) quick: u64,
    /// The unit of work.
    pub(crate) unit: &'static str,
}

const fn workload(name: &'static str, work: Work, units: u64, quick: u64, unit: &'static str) -> Workload {
    Workload { name, work, units, quick, unit }
}

pub(crate) static WORKLOADS: &[Workload] = &[
    workload("tell 64 B", Work::Tell { bytes: 64, acked: false }, 2_000_000, 5000, "message"),
    workload("tell 64 B, 256 in flight", Work::Tell { bytes: 64, acked: true }, 2_000_000, 5000, "message"),
    workload("tell 1 KiB", Work::Tell { bytes: 1024, acked: false }, 500_000, 5000, "message"),
    workload("tell 1 KiB, 256 in flight", Work::Tell { bytes: 1024, acked: true }, 500_000, 5000, "message"),
    workload("tell 64 KiB", Work::Tell { bytes: 65_536, acked: false }, 8000, 500, "message"),
    workload("tell 64 KiB, 256 in flight", Work::Tell { bytes: 65_536, acked: true }, 8000, 500, "message"),
    workload("ping-pong", Work::PingPong, 200_000, 500, "round trip"),
    workload("pipeline", Work::Pipeline { middle: 1, shared: false, acked: false }, 1_000_000, 5000, "message"),
    workload(
        "pipeline, 256 in flight",
        Work::Pipeline { middle: 1, shared: false, acked: true },
        1_000_000,
        5000,
        "message",
    ),
    workload(
        "pipeline, four Bs",
        Work::Pipeline { middle: 4, shared: false, acked: false },
        1_000_000,
        5000,
        "message",
    ),
    workload(
        "pipeline, B in four instances",
        Work::Pipeline { middle: 4, shared: true, acked: false },
        1_000_000,
        5000,
        "message",
    ),
    workload("ask, one at a time", Work::Ask { at_a_time: 1 }, 200_000, 200, "request"),
    workload("ask, 64 at a time", Work::Ask { at_a_time: 64 }, 320_000, 1280, "request"),
    workload("batch of one", Work::BatchOfOne, 400_000, 2000, "message"),
    workload("spawn and stop", Work::Spawn { shared: false }, 10_000, 200, "actor"),
    workload("spawn and stop, shared", Work::Spawn { shared: true }, 10_000, 200, "actor"),
    workload("crash to next answer", Work::Crash, 1000, 20, "crash"),
    workload("fan-in of 10", Work::FanIn { senders: 10 }, 1_000_000, 10_000, "message"),
    workload("fan-in of 100", Work::FanIn { senders: 100 }, 1_000_000, 10_000, "message"),
    workload("fan-in of 1,000", Work::FanIn { senders: 1000 }, 1_000_000, 10_000, "message"),
    workload("skynet", Work::Skynet, 100_000, 100, "leaf"),
    workload("ask beside a spinning actor", Work::BesideSpinning, 10, 1, "request"),
    workload("ask beside a flooded actor", Work::BesideFlooded, 20_000, 200, "request"),
];

impl Workload {
    /// The libraries that can run this workload.
    pub(crate) fn subjects(&self) -> &'static [Subject] {
        use Subject::{Actix, ActixTwo, Kameo, Playhouse, PlayhouseUnbatched, Ractor, RawWasmtime};
        match self.work {
            Work::Ask { at_a_time: 1 } => &[Playhouse, PlayhouseUnbatched, Ractor, Kameo, Actix, ActixTwo],
            Work::BatchOfOne => &[Playhouse, RawWasmtime],
            // No native library here limits the use of a handler, or restarts an actor whose handler panics.
            Work::Crash | Work::BesideSpinning => &[Playhouse],
            Work::Spawn { .. } => &[Playhouse, Ractor, Kameo, Actix],
            _ => &[Playhouse, Ractor, Kameo, Actix, ActixTwo],
        }
    }
}
