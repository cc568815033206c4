//! From the frame that a guest returns for a batch to what the kernel records. The guest is not trusted: whatever is
//! wrong with a frame is a crash of its actor. Reading the bytes is `playhouse_frame`'s job, checking grants and limits
//! the kernel's.

use playhouse_frame::{FrameError, Op, Outbound};
use playhouse_kernel::{Bulk, BulkError, CrashReason, Failure, Hand};

/// Whether more frames for the same batch may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// One will: sends for a message whose outcome it has may be in this one.
    Open,
    /// This is the last.
    Whole,
}

/// Why a frame is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFrame {
    #[error(transparent)]
    Malformed(#[from] FrameError),
    #[error(transparent)]
    NotAllowed(#[from] BulkError),
    #[error("it has an operation after its last outcome")]
    OpenEnd,
    #[error("it has no outcome at all")]
    NoOutcome,
    #[error("it was handed over while no batch was in hand")]
    NoTurns,
}

impl From<&BadFrame> for CrashReason {
    fn from(bad: &BadFrame) -> Self {
        Self::BadFrame { message: bad.to_string() }
    }
}

/// Records all that a frame says. After an error nothing of it counts: the incarnation is over.
pub(crate) fn record(hand: &mut Hand, frame: Vec<u8>, end: End) -> Result<(), BadFrame> {
    hand.record(frame, |bulk, frame| {
        for op in Outbound::open(frame)? {
            record_op(bulk, op?)?;
        }
        if end == End::Whole && bulk.has_sends_in_hand() {
            return Err(BadFrame::OpenEnd);
        }
        Ok(())
    })?;
    if end == End::Whole && hand.current() == Some(0) {
        return Err(BadFrame::NoOutcome);
    }
    Ok(())
}

fn record_op(bulk: &mut Bulk<'_>, op: Op<'_>) -> Result<(), BulkError> {
    match op {
        Op::Tell { route, body } => bulk.tell(route, body),
        Op::Done => bulk.done(None),
        Op::Reply(reply) => bulk.done(Some(reply)),
        Op::Reject(reason) => bulk.failed(Failure::Reject(reason.to_owned())),
        Op::Retry(reason) => bulk.failed(Failure::Retry(reason.to_owned())),
    }
}
