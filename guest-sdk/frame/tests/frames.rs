//! What is written is read back; what nobody here wrote is refused, whatever it is.

#![allow(clippy::unwrap_used)]

use playhouse_frame::{
    Encoder, FrameError, HEADER_BYTES, Header, Inbound, OP_BYTES, Op, Outbound, Record, Timer, trailer,
    trailer_without_routes,
};
use proptest::prelude::*;

fn ops(frame: &[u8]) -> Result<Vec<Op<'_>>, FrameError> {
    Outbound::open(frame)?.collect()
}

fn records(frame: &[u8]) -> Result<Vec<Record>, FrameError> {
    Inbound::open(frame)?.collect()
}

fn op(kind: u32, route: u32, length: u32, body: &[u8]) -> Vec<u8> {
    let header = [kind, route, length].map(u32::to_le_bytes).concat();
    [&header, body].concat()
}

fn ended(count: u32, ops: &[Vec<u8>]) -> Vec<u8> {
    [&ops.concat(), &trailer(count)[..]].concat()
}

#[test]
fn what_a_failed_message_sent_is_not_in_the_frame() {
    let mut encoder = Encoder::default();
    encoder.tell(1, b"kept");
    encoder.done(None);
    encoder.tell(2, b"dropped");
    encoder.reject("no");
    let frame = encoder.take();
    assert_eq!(ops(&frame), Ok(vec![Op::Tell { route: 1, body: 12..16 }, Op::Done, Op::Reject("no")]));
}

#[test]
fn what_a_failed_message_spawned_and_set_is_not_in_the_frame() {
    let mut encoder = Encoder::default();
    encoder.spawn(3);
    encoder.timer(1, 3, 5, false, b"go");
    encoder.retry("later");
    encoder.stop(3);
    encoder.cancel(1);
    encoder.done(None);
    let frame = encoder.take();
    assert_eq!(ops(&frame), Ok(vec![Op::Retry("later"), Op::Stop { route: 3 }, Op::Cancel { id: 1 }, Op::Done]));
}

#[test]
fn a_frame_may_end_with_sends_of_the_message_in_hand_and_the_next_goes_on_with_it() {
    let mut encoder = Encoder::default();
    encoder.done(Some(b"yes"));
    encoder.tell(1, b"early");
    let first = encoder.take();
    assert_eq!(ops(&first), Ok(vec![Op::Reply(b"yes"), Op::Tell { route: 1, body: 27..32 }]));
    encoder.tell(1, b"late");
    encoder.retry("later");
    assert_eq!(ops(&encoder.take()), Ok(vec![Op::Retry("later")]));
    assert_eq!(ops(&encoder.take()), Ok(vec![]));
}

#[test]
fn malformed_operations_are_refused_each_for_its_reason() {
    let at = 0;
    let cases: [(Vec<u8>, FrameError); 18] = [
        (vec![], FrameError::NoTrailer { bytes: 0 }),
        (vec![0; 7], FrameError::NoTrailer { bytes: 7 }),
        (vec![0; 8], FrameError::Version { found: 0 }),
        (vec![0, 0, 0, 0, 2, 0, 1, 0], FrameError::Flags { found: 2 }),
        (ended(1, &[vec![2; 11]]), FrameError::Truncated { at }),
        (ended(1, &[op(3, 0, 1, b"")]), FrameError::Truncated { at }),
        (ended(1, &[op(1, 0, u32::MAX, b"x")]), FrameError::Truncated { at }),
        (ended(1, &[op(11, 0, 0, b"")]), FrameError::Kind { at, found: 11 }),
        (ended(1, &[op(6, 1, 1, b"x")]), FrameError::NotZero { at }),
        (ended(1, &[op(7, 1, 1, b"x")]), FrameError::NotZero { at }),
        (ended(1, &[op(8, 1, 15, &[0; 15])]), FrameError::Length { at, found: 15 }),
        (ended(1, &[op(9, 1, 16, &[0; 15])]), FrameError::Truncated { at }),
        (ended(1, &[op(10, 1, 8, &[0; 8])]), FrameError::NotZero { at }),
        (ended(1, &[op(10, 0, 9, &[0; 9])]), FrameError::Length { at, found: 9 }),
        (ended(1, &[op(2, 0, 1, b"x")]), FrameError::NotZero { at }),
        (ended(1, &[op(5, 0, 1, b"\xff")]), FrameError::Text { at }),
        (ended(1, &[]), FrameError::Count { stated: 1, found: 0 }),
        (ended(1, &[op(2, 0, 0, b""), op(2, 0, 0, b"")]), FrameError::Count { stated: 1, found: 2 }),
    ];
    for (frame, error) in cases {
        assert_eq!(ops(&frame), Err(error), "{frame:?}");
    }
}

#[test]
fn a_reader_ends_after_its_first_error() {
    let frame = ended(2, &[op(9, 0, 0, b""), op(2, 0, 0, b"")]);
    assert_eq!(Outbound::open(&frame).unwrap().count(), 1);
    assert_eq!(Inbound::open(&frame).unwrap().count(), 1);
}

#[test]
fn a_frame_of_messages_is_what_lies_in_a_mailbox_with_a_trailer() {
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

/// What holds for any bytes at all.
fn holds_for_any(bytes: &[u8]) {
    let outcomes = |ops: &[Op<'_>]| ops.iter().filter(|op| op.is_outcome()).count();
    if let Ok(ops) = ops(bytes) {
        assert_eq!(outcomes(&ops), Outbound::open(bytes).unwrap().outcomes() as usize);
        assert!(ops.len() * OP_BYTES <= bytes.len());
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

    /// Random bytes hardly get past the trailer; broken frames do.
    #[test]
    fn a_frame_with_broken_bytes_is_read_without_a_panic(
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
    fn what_is_written_is_read_back(steps in prop::collection::vec(step(), 0..20)) {
        let frame = encode(&steps);
        let mut expected: Vec<&Step> = Vec::new();
        let mut in_hand = 0;
        for step in &steps {
            if matches!(step, Step::Reject(_) | Step::Retry(_)) {
                expected.truncate(in_hand);
            }
            expected.push(step);
            if matches!(step, Step::Done | Step::Reply(_) | Step::Reject(_) | Step::Retry(_)) {
                in_hand = expected.len();
            }
        }
        let read = ops(&frame).unwrap();
        prop_assert_eq!(read.len(), expected.len());
        for (read, step) in read.into_iter().zip(expected) {
            let same = match (&read, step) {
                (Op::Tell { route, body }, Step::Tell(to, sent)) => route == to && frame[body.clone()] == sent[..],
                (Op::Done, Step::Done) => true,
                (Op::Reply(reply), Step::Reply(sent)) => reply == sent,
                (Op::Reject(text), Step::Reject(sent)) | (Op::Retry(text), Step::Retry(sent)) => text == sent,
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
    fn a_header_survives_its_encoding(
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
