//! Frames of the encoder are read back; other bytes are refused.

#![allow(clippy::unwrap_used)]

use playhouse_frame::{
    Encoder, FrameError, HEADER_BYTES, Header, Inbound, OP_BYTES, Op, Outbound, Record, Timer, trailer,
    trailer_without_routes,
};
use proptest::prelude::*;

fn ops(frame: &[u8]) -> Result<Vec<Op>, FrameError> {
    Outbound::open(frame)?.collect()
}

fn records(frame: &[u8]) -> Result<Vec<Record>, FrameError> {
    Inbound::open(frame)?.collect()
}

/// An operation of the first message of its frame.
fn op(kind: u32, route: u32, length: u32, body: &[u8]) -> Vec<u8> {
    op_of(0, kind, route, length, body)
}

fn op_of(message: u32, kind: u32, route: u32, length: u32, body: &[u8]) -> Vec<u8> {
    let header = [length, kind, route, message].map(u32::to_le_bytes).concat();
    [&header, body].concat()
}

fn done(messages: u32) -> Op {
    Op::Done { messages }
}

fn ended(count: u32, ops: &[Vec<u8>]) -> Vec<u8> {
    [&ops.concat(), &trailer(count)[..]].concat()
}

#[test]
fn sends_of_a_failed_message_are_not_in_the_frame() {
    let mut encoder = Encoder::default();
    encoder.tell(1, b"kept");
    encoder.done(None);
    encoder.tell(2, b"dropped");
    encoder.reject("no");
    let frame = encoder.take();
    let kept = Op::Tell { route: 1, body: 64..68 };
    assert_eq!(ops(&frame), Ok(vec![kept, done(1), Op::Reject(84..86)]));
    assert_eq!(&frame[84..86], b"no");
}

#[test]
fn effects_of_a_failed_message_are_not_in_the_frame() {
    let mut encoder = Encoder::default();
    encoder.spawn(3);
    encoder.timer(1, 3, 5, false, b"go");
    encoder.retry("later");
    encoder.stop(3);
    encoder.cancel(1);
    encoder.done(None);
    let frame = encoder.take();
    assert_eq!(ops(&frame), Ok(vec![Op::Retry(16..21), Op::Stop { route: 3 }, Op::Cancel { id: 1 }, done(1)]));
}

#[test]
fn frame_may_end_with_sends_of_the_current_message() {
    let mut encoder = Encoder::default();
    encoder.done(Some(b"yes"));
    encoder.tell(1, b"early");
    let first = encoder.take();
    assert_eq!(ops(&first), Ok(vec![Op::Reply(16..19), Op::Tell { route: 1, body: 83..88 }]));
    encoder.tell(1, b"late");
    encoder.retry("later");
    assert_eq!(ops(&encoder.take()), Ok(vec![Op::Retry(16..21)]));
    assert_eq!(ops(&encoder.take()), Ok(vec![]));
}

#[test]
fn done_messages_need_no_operation() {
    let mut encoder = Encoder::default();
    (0..3).for_each(|_| encoder.done(None));
    encoder.tell(1, b"x");
    (0..2).for_each(|_| encoder.done(None));
    let frame = encoder.take();
    assert_eq!(ops(&frame), Ok(vec![done(3), Op::Tell { route: 1, body: 64..65 }, done(2)]));
    assert_eq!(frame.len(), 64 + 1 + 8);
}

#[test]
fn malformed_operations_are_refused_with_their_reason() {
    let at = 0;
    let cases: [(Vec<u8>, FrameError); 19] = [
        (vec![], FrameError::NoTrailer { bytes: 0 }),
        (vec![0; 7], FrameError::NoTrailer { bytes: 7 }),
        (vec![0; 8], FrameError::Version { found: 0 }),
        (vec![0, 0, 0, 0, 2, 0, 2, 0], FrameError::Flags { found: 2 }),
        (ended(1, &[vec![2; 15]]), FrameError::Truncated { at }),
        (ended(1, &[op(2, 0, 1, b"")]), FrameError::Truncated { at }),
        (ended(1, &[op(1, 0, 0, &[0; 47])]), FrameError::Truncated { at }),
        (ended(1, &[op(1, 0, u32::MAX, &[0; 48])]), FrameError::Truncated { at }),
        (ended(1, &[op(0, 0, 0, b"")]), FrameError::Kind { at, found: 0 }),
        (ended(1, &[op(10, 0, 0, b"")]), FrameError::Kind { at, found: 10 }),
        (ended(1, &[op(5, 1, 1, b"x")]), FrameError::NotZero { at }),
        (ended(1, &[op(6, 1, 1, b"x")]), FrameError::NotZero { at }),
        (ended(1, &[op(7, 1, 15, &[0; 15])]), FrameError::Length { at, found: 15 }),
        (ended(1, &[op(8, 1, 16, &[0; 15])]), FrameError::Truncated { at }),
        (ended(1, &[op(9, 1, 8, &[0; 8])]), FrameError::NotZero { at }),
        (ended(1, &[op(9, 0, 9, &[0; 9])]), FrameError::Length { at, found: 9 }),
        (ended(1, &[op(2, 1, 1, b"x")]), FrameError::NotZero { at }),
        (ended(1, &[op(4, 0, 1, b"\xff")]), FrameError::Text { at }),
        (ended(0, &[op(3, 0, 0, b"")]), FrameError::Count { stated: 0, found: 1 }),
    ];
    for (frame, error) in cases {
        assert_eq!(ops(&frame), Err(error), "{frame:?}");
    }
}

#[test]
fn operations_out_of_order_are_refused() {
    let send = |message| op_of(message, 1, 0, 0, &[0; 48]);
    let reply = |message| op_of(message, 2, 0, 0, b"");
    assert_eq!(ops(&ended(2, &[send(1), send(0)])), Err(FrameError::Order { at: 64, message: 0 }));
    assert_eq!(ops(&ended(2, &[reply(0), send(0)])), Err(FrameError::Order { at: 16, message: 0 }));
    assert_eq!(ops(&ended(2, &[send(3)])), Err(FrameError::Count { stated: 2, found: 3 }));
    // The third message has no outcome yet, but may have sends.
    assert_eq!(ops(&ended(2, &[send(2)])), Ok(vec![done(2), Op::Tell { route: 0, body: 64..64 }]));
}

#[test]
fn reader_ends_after_its_first_error() {
    let frame = ended(2, &[op(10, 0, 0, b""), op(2, 0, 0, b"")]);
    assert_eq!(Outbound::open(&frame).unwrap().count(), 1);
    assert_eq!(Inbound::open(&frame).unwrap().count(), 1);
}

#[test]
fn frame_of_messages_is_mailbox_bytes_with_a_trailer() {
    let header = Header { body_bytes: 3, failures: 1, id: 2, sender: 3, flow: 4, reply: 1, hops: 5 };
    let frame = [&header.encode()[..], b"abc", &Header::default().encode(), &trailer(2)].concat();
    let read = records(&frame).unwrap();
    assert_eq!(read[0].header(&frame), header);
    assert_eq!((&frame[read[0].body.clone()], read[1].body.len()), (&b"abc"[..], 0));
    assert_eq!(records(&frame[1..]), Err(FrameError::Truncated { at: 0 }));
    let short = [&header.encode()[..], b"ab", &trailer(1)].concat();
    assert_eq!(records(&short), Err(FrameError::Truncated { at: 0 }));
    let one_more = [&Header::default().encode()[..], &trailer(2)].concat();
    assert_eq!(records(&one_more), Err(FrameError::Count { stated: 2, found: 1 }));
    assert_eq!(records(&trailer(0)), Ok(vec![]));
    assert!(Inbound::open(&trailer_without_routes(0)).unwrap().routes_void());
    assert_eq!(ops(&trailer_without_routes(0)), Err(FrameError::Flags { found: 1 }));
}

/// The rules that hold for any bytes.
fn holds_for_any(bytes: &[u8]) {
    if let Ok(ops) = ops(bytes) {
        let outcomes = ops.iter().map(Op::outcomes).sum::<u32>();
        assert_eq!(outcomes, Outbound::open(bytes).unwrap().outcomes());
        let words = ops.iter().filter(|op| !matches!(op, Op::Done { .. })).count();
        assert!(words * OP_BYTES <= bytes.len());
        assert!(ops.len() <= 2 * words + 1, "done messages in a row are one operation");
    }
    if let Ok(records) = records(bytes) {
        assert_eq!(records.len(), Inbound::open(bytes).unwrap().messages() as usize);
        assert!(records.len() * HEADER_BYTES <= bytes.len());
        for record in records {
            assert_eq!(record.header(bytes).body_bytes as usize, record.body.len());
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Tell(u32, Vec<u8>),
    Done,
    Reply(Vec<u8>),
    Reject(String),
    Retry(String),
    Spawn(u32),
    Stop(u32),
    Timer(u64, u32, u64, bool, Vec<u8>),
    Cancel(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let body = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        (any::<u32>(), body()).prop_map(|(route, body)| Step::Tell(route, body)),
        Just(Step::Done),
        body().prop_map(Step::Reply),
        ".{0,10}".prop_map(Step::Reject),
        ".{0,10}".prop_map(Step::Retry),
        any::<u32>().prop_map(Step::Spawn),
        any::<u32>().prop_map(Step::Stop),
        (any::<(u64, u32, u64, bool)>(), body())
            .prop_map(|((id, route, wait_ms, again), body)| Step::Timer(id, route, wait_ms, again, body)),
        any::<u64>().prop_map(Step::Cancel),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        holds_for_any(&bytes);
    }

    /// Random bytes rarely have a valid trailer; broken frames often do.
    #[test]
    fn frame_with_broken_bytes_is_read_without_a_panic(
        steps in prop::collection::vec(step(), 0..20),
        breaks in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut frame = encode(&steps);
        for (at, byte) in breaks {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        holds_for_any(&frame);
        holds_for_any(&frame[cut.index(frame.len())..]);
    }

    #[test]
    fn encoded_frame_is_read_back(steps in prop::collection::vec(step(), 0..20)) {
        let frame = encode(&steps);
        let mut expected: Vec<&Step> = Vec::new();
        let mut current_start = 0;
        for step in &steps {
            if matches!(step, Step::Reject(_) | Step::Retry(_)) {
                expected.truncate(current_start);
            }
            expected.push(step);
            if matches!(step, Step::Done | Step::Reply(_) | Step::Reject(_) | Step::Retry(_)) {
                current_start = expected.len();
            }
        }
        let mut read = Vec::new();
        for op in ops(&frame).unwrap() {
            match op {
                Op::Done { messages } => (0..messages).for_each(|_| read.push(done(1))),
                other => read.push(other),
            }
        }
        prop_assert_eq!(read.len(), expected.len());
        for (read, step) in read.into_iter().zip(expected) {
            let text = |at: &std::ops::Range<usize>, sent: &str| &frame[at.clone()] == sent.as_bytes();
            let same = match (&read, step) {
                (Op::Tell { route, body }, Step::Tell(to, sent)) => route == to && frame[body.clone()] == sent[..],
                (Op::Done { messages: 1 }, Step::Done) => true,
                (Op::Reply(reply), Step::Reply(sent)) => frame[reply.clone()] == sent[..],
                (Op::Reject(at), Step::Reject(sent)) | (Op::Retry(at), Step::Retry(sent)) => text(at, sent),
                (Op::Spawn { route }, Step::Spawn(child)) | (Op::Stop { route }, Step::Stop(child)) => route == child,
                (Op::Timer(timer), Step::Timer(as_id, to, wait, often, sent)) => {
                    let Timer { id, route, wait_ms, again, body } = &timer.read(&frame);
                    (id, route, wait_ms, again) == (as_id, to, wait, often) && frame[body.clone()] == sent[..]
                }
                (Op::Cancel { id }, Step::Cancel(set)) => id == set,
                _ => false,
            };
            prop_assert!(same, "{:?} is not {:?}", read, step);
        }
    }

    #[test]
    fn header_survives_its_encoding(
        body_bytes: u32, failures: u32, id: u128, sender: u64, flow: u64, reply: u64, hops: u32,
    ) {
        let header = Header { body_bytes, failures, id, sender, flow, reply, hops };
        prop_assert_eq!(Header::decode(&header.encode()), header);
    }
}

fn encode(steps: &[Step]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    for step in steps {
        match step {
            Step::Tell(route, body) => encoder.tell(*route, body),
            Step::Done => encoder.done(None),
            Step::Reply(body) => encoder.done(Some(body)),
            Step::Reject(text) => encoder.reject(text),
            Step::Retry(text) => encoder.retry(text),
            Step::Spawn(route) => encoder.spawn(*route),
            Step::Stop(route) => encoder.stop(*route),
            Step::Timer(id, route, wait_ms, again, body) => encoder.timer(*id, *route, *wait_ms, *again, body),
            Step::Cancel(id) => encoder.cancel(*id),
        }
    }
    encoder.take()
}
