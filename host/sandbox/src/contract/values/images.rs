//! The layout of these values in the memory of a guest: see `image`.

use super::{
    ActorState, AskError, Change, CrashNoticed, Envelope, Failure, FullSubtree, Notice, Pairs, Reply, Resolved,
    SendError, SpawnError, StopError, TimerError, WatchError,
};
use crate::contract::image::{Image, ToImage, record_image, variant_image};

variant_image!(Failure {
    0 Reject(value: String),
    1 Retry(value: String),
});

variant_image!(SendError {
    0 BadAddress(value: String),
    1 UnknownAddress(value: String),
    2 NotGranted(value: String),
    3 TooLarge(value: u64),
    4 BadMetadata(value: String),
});

record_image!(Reply {
    body: Vec<u8>,
    metadata: Pairs,
});

variant_image!(AskError {
    0 NotSent(value: SendError),
    1 Timeout,
    2 Deadlock(value: String),
    3 NoReply,
    4 Rejected(value: String),
    5 RetriesSpent(value: String),
    6 Failed(value: String),
    7 Crashed(value: String),
    8 Restarting(value: String),
    9 ActorFailed(value: String),
    10 MailboxFull(value: String),
    11 Stopped(value: String),
    12 StoppedByOperator(value: String),
});

record_image!(FullSubtree { top: String, limit: u32 });

variant_image!(SpawnError {
    0 BadName(value: String),
    1 UnknownPlugin(value: String),
    2 NotGranted(value: String),
    3 Duplicate(value: String),
    4 TooManyChildren(value: u32),
    5 SubtreeFull(value: FullSubtree),
    6 TooDeep,
    7 Circular(value: String),
    8 Stopping,
    9 NotLasting(value: String),
    10 ChildOfMember(value: String),
});

variant_image!(StopError {
    0 BadAddress(value: String),
    1 UnknownAddress(value: String),
    2 NotSpawned(value: String),
});

variant_image!(TimerError {
    0 NotSent(value: SendError),
    1 TooManyTimers(value: u32),
});

record_image!(Envelope {
    id: String,
    sender: Option<String>,
    flow: String,
    hops: u32,
    attempt: u32,
    asked: bool,
    time_left_ms: Option<u64>,
    sequence: u64,
    metadata: Pairs,
});

record_image!(Resolved { route: u32, limit_bytes: u64, lasting: bool });

record_image!(CrashNoticed { kind: String, reason: String });

variant_image!(Change {
    0 Started,
    1 Crashed(value: CrashNoticed),
    2 Stopped(value: bool),
    3 Ended,
    4 Gone,
});

record_image!(Notice { watch: u64, address: String, incarnation: u64, change: Change });

variant_image!(WatchError {
    0 BadAddress(value: String),
    1 NotGranted(value: String),
    2 TooManyWatches(value: u32),
    3 NotAWatcher,
});

impl ToImage for ActorState {
    const SIZE: usize = 1;
    const ALIGN: usize = 1;

    fn lower(self, image: &mut Image, at: usize) {
        image.write(at, [self as u8]);
    }
}
