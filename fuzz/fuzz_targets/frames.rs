//! Any bytes, read as both frames. The same rules run over the corpus in the frame crate's tests.
#![no_main]

use libfuzzer_sys::fuzz_target;
use playhouse_frame::{Encoder, HEADER_BYTES, Inbound, OP_BYTES, Op, Outbound, Timer};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = Outbound::open(bytes)
        && let Ok(ops) = frame.collect::<Result<Vec<_>, _>>()
    {
        let words = ops.iter().filter(|op| !matches!(op, Op::Done { .. })).count();
        assert!(words * OP_BYTES <= bytes.len());
        let outcomes = ops.iter().map(|op| u64::from(op.outcomes())).sum::<u64>();
        if outcomes > 1 << 20 {
            // True, and too many to say again.
            return;
        }
        // A frame without sends before a failure is what the encoder makes of its operations, byte for byte, but for the room
        // of headers.
        let mut plain = bytes.to_vec();
        let mut again = Encoder::default();
        let mut failed_after_sends = false;
        let mut sent = false;
        for op in &ops {
            match op {
                Op::Tell { route, body } => {
                    plain[body.start - HEADER_BYTES + OP_BYTES..body.start].fill(0);
                    again.tell(*route, &bytes[body.clone()]);
                }
                Op::Done { messages } => (0..*messages).for_each(|_| again.done(None)),
                Op::Reply(reply) => again.done(Some(&bytes[reply.clone()])),
                Op::Reject(at) => again.reject(text(bytes, at)),
                Op::Retry(at) => again.retry(text(bytes, at)),
                Op::Spawn { route } => again.spawn(*route),
                Op::Stop { route } => again.stop(*route),
                Op::Timer(timer) => {
                    let Timer { id, route, wait_ms, again: often, body } = &timer.read(bytes);
                    again.timer(*id, *route, *wait_ms, *often, &bytes[body.clone()]);
                }
                Op::Cancel { id } => again.cancel(*id),
            }
            failed_after_sends |= sent && matches!(op, Op::Reject(_) | Op::Retry(_));
            sent = op.outcomes() == 0;
        }
        assert!(failed_after_sends || again.take() == plain);
    }
    if let Ok(frame) = Inbound::open(bytes)
        && let Ok(records) = frame.collect::<Result<Vec<_>, _>>()
    {
        assert!(records.len() * HEADER_BYTES <= bytes.len());
        for record in records {
            assert_eq!(record.header(bytes).body_bytes as usize, record.body.len());
        }
    }
});

fn text<'a>(bytes: &'a [u8], at: &std::ops::Range<usize>) -> &'a str {
    std::str::from_utf8(&bytes[at.clone()]).expect("it was checked")
}
