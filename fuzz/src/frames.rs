//! Any bytes, read as both frames.

use playhouse_frame::{Encoder, HEADER_BYTES, Inbound, OP_BYTES, Op, Outbound, Timer};

/// A frame is refused, or it is what the encoder makes of its operations; nothing in it reaches beyond it.
pub fn frames(bytes: &[u8]) {
    if let Ok(frame) = Outbound::open(bytes)
        && let Ok(ops) = frame.collect::<Result<Vec<_>, _>>()
    {
        assert!(ops.len() * OP_BYTES <= bytes.len());
        let outcomes = ops.iter().filter(|op| op.is_outcome()).count();
        assert_eq!(Outbound::open(bytes).map(|frame| frame.outcomes() as usize), Ok(outcomes));
        // A frame without sends before a failure is what the encoder makes of its operations, byte for byte.
        let mut again = Encoder::default();
        let mut failed_after_sends = false;
        let mut sent = false;
        for op in &ops {
            match op {
                Op::Tell { route, body } => again.tell(*route, &bytes[body.clone()]),
                Op::Done => again.done(None),
                Op::Reply(reply) => again.done(Some(reply)),
                Op::Reject(text) => again.reject(text),
                Op::Retry(text) => again.retry(text),
                Op::Spawn { route } => again.spawn(*route),
                Op::Stop { route } => again.stop(*route),
                Op::Timer(timer) => {
                    let Timer { id, route, wait_ms, again: often, body } = &timer.read(bytes);
                    again.timer(*id, *route, *wait_ms, *often, &bytes[body.clone()]);
                }
                Op::Cancel { id } => again.cancel(*id),
            }
            failed_after_sends |= sent && matches!(op, Op::Reject(_) | Op::Retry(_));
            sent = !op.is_outcome();
        }
        assert!(failed_after_sends || again.take() == bytes);
    }
    if let Ok(frame) = Inbound::open(bytes)
        && let Ok(records) = frame.collect::<Result<Vec<_>, _>>()
    {
        assert!(records.len() * HEADER_BYTES <= bytes.len());
        assert_eq!(Inbound::open(bytes).map(|frame| frame.messages() as usize), Ok(records.len()));
        for record in records {
            assert_eq!(record.header(bytes).body_bytes as usize, record.body.len());
        }
    }
}
