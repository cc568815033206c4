//! Any bytes, read as both frames.

use std::ops::Range;

use playhouse_frame::{Encoder, HEADER_BYTES, Inbound, Metadata, OP_BYTES, Op, Outbound, Pairs, Timer};

/// A frame is refused, or the encoder makes the same frame from its operations; no operation points outside of the frame.
pub fn frames(bytes: &[u8]) {
    if let Ok(frame) = Outbound::open(bytes)
        && let Ok(ops) = frame.collect::<Result<Vec<_>, _>>()
    {
        let words = ops.iter().filter(|op| !matches!(op, Op::Done { .. })).count();
        assert!(words * OP_BYTES <= bytes.len());
        let outcomes = ops.iter().map(|op| u64::from(op.outcomes())).sum::<u64>();
        assert_eq!(Outbound::open(bytes).map(|frame| u64::from(frame.outcomes())), Ok(outcomes));
        // Properties that other rules check are not checked again here.
        if outcomes <= 1 << 20 {
            say_again(bytes, &ops);
        }
    }
    if let Ok(frame) = Inbound::open(bytes)
        && let Ok(records) = frame.collect::<Result<Vec<_>, _>>()
    {
        assert!(records.len() * HEADER_BYTES <= bytes.len());
        assert_eq!(Inbound::open(bytes).map(|frame| frame.messages() as usize), Ok(records.len()));
        for record in records {
            let content = record.content(bytes);
            assert_eq!(content.body, &bytes[record.body.clone()]);
            assert!(record.body.len() <= record.header(bytes).content_bytes as usize);
        }
    }
}

/// The encoder makes the same bytes from the operations of a frame that has no sends before a failure. Only the spaces for
/// headers may differ, because their content has no meaning.
fn say_again(bytes: &[u8], ops: &[Op]) {
    let mut padding = Vec::new();
    let mut again = Encoder::default();
    let mut failed_after_sends = false;
    let mut sent = false;
    for op in ops {
        match op {
            Op::Tell { route, body } => {
                padding.push(body.start - HEADER_BYTES + OP_BYTES..body.start);
                again.tell(*route, &bytes[body.clone()]);
            }
            Op::TellWith { route, metadata_bytes, content } => {
                padding.push(content.start - HEADER_BYTES + OP_BYTES..content.start);
                let (metadata, body) = taken_apart(&bytes[content.clone()], *metadata_bytes);
                again.tell_with(*route, &metadata, body);
            }
            Op::Done { messages } => (0..*messages).for_each(|_| again.done(None)),
            Op::Reply(reply) => again.done(Some(&bytes[reply.clone()])),
            Op::ReplyWith { metadata_bytes, content } => {
                let (metadata, body) = taken_apart(&bytes[content.clone()], *metadata_bytes);
                again.done_with(&metadata, body);
            }
            Op::Reject(at) => again.reject(text(bytes, at)),
            Op::Retry(at) => again.retry(text(bytes, at)),
            Op::Spawn { route } => again.spawn(*route),
            Op::Stop { route } => again.stop(*route),
            Op::Timer(timer) => {
                let Timer { id, route, wait_ms, again: often, metadata_bytes, content } = &timer.read(bytes);
                let (metadata, body) = taken_apart(&bytes[content.clone()], *metadata_bytes);
                again.timer(*id, *route, *wait_ms, *often, &metadata, body);
            }
            Op::Cancel { id } => again.cancel(*id),
            Op::Count { metric, by } => again.count(*metric, *by),
            Op::Observe { metric, value } => again.observe(*metric, *value),
            Op::Set { key_bytes, content } => {
                let value = content.start + usize::from(*key_bytes);
                again.set(text(bytes, &(content.start..value)), &bytes[value..content.end]);
            }
            Op::SetFor { milliseconds, key_bytes, content } => {
                let value = content.start + usize::from(*key_bytes);
                let key = text(bytes, &(content.start..value));
                again.set_for(key, &bytes[value..content.end], *milliseconds);
            }
            Op::Delete(key) => again.delete(text(bytes, key)),
        }
        failed_after_sends |= sent && matches!(op, Op::Reject(_) | Op::Retry(_));
        sent = op.outcomes() == 0;
    }
    if failed_after_sends {
        return;
    }
    let (mut plain, mut again) = (bytes.to_vec(), again.take());
    assert_eq!(plain.len(), again.len());
    for bytes in padding {
        plain[bytes.clone()].fill(0);
        again[bytes].fill(0);
    }
    assert!(plain == again);
}

fn text<'a>(bytes: &'a [u8], at: &Range<usize>) -> &'a str {
    std::str::from_utf8(&bytes[at.clone()]).expect("it was checked")
}

/// The metadata at the front of a content, and its body.
fn taken_apart(content: &[u8], metadata_bytes: u16) -> (Metadata, &[u8]) {
    let (metadata, body) = content.split_at(metadata_bytes.into());
    if metadata.is_empty() {
        return (Metadata::new(), body);
    }
    let (pairs, rest) = Pairs::read(metadata).expect("the reader checked it");
    assert!(rest.is_empty());
    let metadata = Metadata::from(pairs);
    (metadata, body)
}
