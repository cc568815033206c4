//! Frames of the encoder are read back; other bytes are refused.

#![allow(clippy::unwrap_used)]

use playhouse_frame::{
    Content, ContentError, Encoder, FrameError, HEADER_BYTES, Header, Inbound, METADATA_BYTES, METADATA_PAIRS,
    Metadata, MetadataError, OP_BYTES, Op, Outbound, Pairs, Parts, Record, Timer, trailer, trailer_without_routes,
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
    encoder.timer(1, 3, 5, false, &Metadata::new(), b"go");
    encoder.count(0, 1);
    encoder.retry("later");
    encoder.stop(3);
    encoder.cancel(1);
    encoder.count(4, u64::MAX);
    encoder.observe(5, 12.5);
    encoder.done(None);
    let frame = encoder.take();
    let measured = [Op::Count { metric: 4, by: u64::MAX }, Op::Observe { metric: 5, value: 12.5 }];
    let kept = [&[Op::Stop { route: 3 }, Op::Cancel { id: 1 }][..], &measured].concat();
    assert_eq!(ops(&frame), Ok([&[Op::Retry(16..21)], &kept[..], &[done(1)]].concat()));
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
fn set_at_an_earlier_place_belongs_to_its_message() {
    let mut encoder = Encoder::default();
    encoder.done(None);
    let place = encoder.place();
    encoder.done(Some(b"yes"));
    encoder.cancel(7);
    encoder.set_at(place, "k", b"v");
    encoder.reject("no");
    let frame = encoder.take();
    let set = Op::Set { key_bytes: 1, content: 18..20 };
    assert_eq!(ops(&frame), Ok(vec![done(1), set, Op::Reply(36..39), Op::Reject(55..57)]));
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
    let cases: [(Vec<u8>, FrameError); 38] = [
        (vec![], FrameError::NoTrailer { bytes: 0 }),
        (vec![0; 7], FrameError::NoTrailer { bytes: 7 }),
        (vec![0; 8], FrameError::Version { found: 0 }),
        (vec![0, 0, 0, 0, 0, 0, 2, 0], FrameError::Version { found: 2 }),
        (vec![0, 0, 0, 0, 2, 0, 3, 0], FrameError::Flags { found: 2 }),
        (ended(1, &[vec![2; 15]]), FrameError::Truncated { at }),
        (ended(1, &[op(2, 0, 1, b"")]), FrameError::Truncated { at }),
        (ended(1, &[op(1, 0, 0, &[0; 47])]), FrameError::Truncated { at }),
        (ended(1, &[op(1, 0, u32::MAX, &[0; 48])]), FrameError::Truncated { at }),
        (ended(1, &[op(0, 0, 0, b"")]), FrameError::Kind { at, found: 0 }),
        (ended(1, &[op(19, 0, 0, b"")]), FrameError::Kind { at, found: 19 }),
        (ended(1, &[op(16, 1, 2, &[0; 2])]), FrameError::NotZero { at }),
        (ended(1, &[op(16, 0, 1, &[0])]), FrameError::Length { at, found: 1 }),
        (ended(1, &[op(16, 0, 4, &[3, 0, b'a', b'b'])]), FrameError::Length { at, found: 4 }),
        (ended(1, &[op(16, 0, 3, &[1, 0, 0xff])]), FrameError::Text { at }),
        (ended(1, &[op(17, 1, 1, b"a")]), FrameError::NotZero { at }),
        (ended(1, &[op(17, 0, 1, b"\xff")]), FrameError::Text { at }),
        (ended(1, &[op(18, 1, 10, &[0; 10])]), FrameError::NotZero { at }),
        (ended(1, &[op(18, 0, 7, &[0; 7])]), FrameError::Length { at, found: 7 }),
        (ended(1, &[op(18, 0, 9, &[0; 9])]), FrameError::Length { at, found: 1 }),
        (ended(1, &[op(18, 0, 11, &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0xff])]), FrameError::Text { at }),
        (ended(1, &[op(14, 0, 9, &[0; 9])]), FrameError::Length { at, found: 9 }),
        (ended(1, &[op(15, 0, 7, &[0; 7])]), FrameError::Length { at, found: 7 }),
        (ended(1, &[op(15, 0, 8, &f64::NAN.to_le_bytes())]), FrameError::Value { at }),
        (ended(1, &[op(15, 0, 8, &(-1.0_f64).to_le_bytes())]), FrameError::Value { at }),
        (ended(1, &[op(10, 1, 47, &[0; 47])]), FrameError::Length { at, found: 47 }),
        (ended(1, &[op(10, 1, 48, &[0; 48])]), FrameError::Metadata { at, fault: MetadataError::Malformed }),
        (ended(1, &[op(11, 0, 4, &[4, 0, 0, 0])]), FrameError::Metadata { at, fault: MetadataError::Malformed }),
        (ended(1, &[op(12, 1, 16, &[0; 16])]), FrameError::Metadata { at, fault: MetadataError::Malformed }),
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
    let frame = ended(2, &[op(19, 0, 0, b""), op(2, 0, 0, b"")]);
    assert_eq!(Outbound::open(&frame).unwrap().count(), 1);
    assert_eq!(Inbound::open(&frame).unwrap().count(), 1);
}

#[test]
fn frame_of_messages_is_mailbox_bytes_with_a_trailer() {
    let header =
        Header { content_bytes: 3, failures: 1, id: 2, sender: 3, flow: 4, reply: 1, hops: 5, parts: Parts::NONE };
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

#[test]
fn optional_parts_of_a_message_come_before_its_body() {
    let metadata = Metadata::collect([("method", "POST"), ("path", "/é")]).unwrap();
    for (deadline, sequence, metadata) in [
        (Some(7), 0, Metadata::new()),
        (None, 8, Metadata::new()),
        (None, 0, metadata.clone()),
        (Some(u64::MAX), 8, metadata.clone()),
    ] {
        let (parts, before) = Content::parts(deadline, sequence, &metadata);
        let content = [&before[..], b"body"].concat();
        let header = Header { content_bytes: content.len() as u32, parts, ..Header::default() };
        let frame = [&header.encode()[..], &content, &Header::default().encode(), &trailer(2)].concat();
        let read = records(&frame).unwrap();
        assert_eq!(read[0].header(&frame), header);
        assert_eq!(&frame[read[0].body.clone()], b"body");
        let content = Content { deadline, sequence, metadata: metadata.pairs(), body: b"body" };
        assert_eq!(read[0].content(&frame), content);
        assert_eq!(read[1].content(&frame), Content::default());
        assert_eq!(Header::record_bytes(frame.first_chunk().unwrap()), frame.len() - HEADER_BYTES - 8);
        assert_eq!(Header::parts_of(frame.first_chunk().unwrap()), parts);
    }
}

#[test]
fn malformed_optional_parts_are_refused_with_their_reason() {
    let refused = |parts: u32, content: &[u8]| {
        let header = Header { content_bytes: content.len() as u32, parts: Parts(parts), ..Header::default() };
        match records(&[&header.encode()[..], content, &trailer(1)].concat()) {
            Err(FrameError::Content { at: 0, fault }) => fault,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(8, &[1; 20]), ContentError::Unknown);
    assert_eq!(refused(1, &[1; 7]), ContentError::Short);
    assert_eq!(refused(3, &[1; 15]), ContentError::Short);
    assert_eq!(refused(1, &[0; 8]), ContentError::Zero);
    assert_eq!(refused(2, &[0; 8]), ContentError::Zero);
    assert_eq!(refused(4, &[0; 8]), ContentError::Metadata(MetadataError::Malformed));
    // A mark without parts is a content as it is; without the mark, the same parts are not looked at.
    let header = Header { content_bytes: 1, ..Header::default() };
    let mut frame = [&header.encode()[..], b"x", &trailer(1)].concat();
    frame[3] = 0x80;
    assert_eq!(records(&frame).unwrap()[0].body, 64..65);
    frame[0] = 2;
    assert_eq!(records(&frame), Err(FrameError::Truncated { at: 0 }));
}

#[test]
fn metadata_end_at_their_bounds() {
    let mut metadata = Metadata::new();
    for n in 0..METADATA_PAIRS {
        metadata.push(&format!("key-{n}"), "").unwrap();
    }
    assert_eq!(metadata.push("one-more", ""), Err(MetadataError::TooManyPairs));
    assert_eq!((metadata.len(), metadata.get("key-15"), metadata.get("one-more")), (16, Some(""), None));

    let mut metadata = Metadata::new();
    assert_eq!(metadata.push("", "x"), Err(MetadataError::EmptyKey));
    assert_eq!(metadata.push("k", &"v".repeat(METADATA_BYTES)), Err(MetadataError::TooManyBytes));
    assert!(metadata.is_empty() && metadata.as_bytes().is_empty());
    metadata.push("k", &"v".repeat(METADATA_BYTES - 2)).unwrap();
    metadata.push("l", "").unwrap();
    assert_eq!(metadata.push("m", ""), Err(MetadataError::TooManyBytes));
    let (read, rest) = Pairs::read(metadata.as_bytes()).unwrap();
    assert_eq!((Metadata::from(read), rest.len()), (metadata, 0));
}

#[test]
fn reader_refuses_metadata_beyond_their_bounds() {
    let block = |pairs: u16, key: &str, value: &str| {
        let pair = [
            &(key.len() as u16).to_le_bytes()[..],
            &(value.len() as u16).to_le_bytes(),
            key.as_bytes(),
            value.as_bytes(),
        ]
        .concat()
        .repeat(pairs.into());
        [&(pair.len() as u16 + 4).to_le_bytes()[..], &pairs.to_le_bytes(), &pair].concat()
    };
    let read = |bytes: &[u8]| Pairs::read(bytes).map(|(pairs, rest)| (pairs.len(), rest.len()));
    assert_eq!(read(&block(16, "k", "v")), Ok((16, 0)));
    assert_eq!(read(&block(17, "k", "v")), Err(MetadataError::TooManyPairs));
    assert_eq!(read(&block(1, "k", &"v".repeat(4095))), Ok((1, 0)));
    assert_eq!(read(&block(1, "k", &"v".repeat(4096))), Err(MetadataError::TooManyBytes));
    assert_eq!(read(&block(1, "", "v")), Err(MetadataError::EmptyKey));
    assert_eq!(read(&block(0, "k", "v")), Err(MetadataError::Malformed));
    let mut good = block(2, "k", "v");
    assert_eq!(read(&[&good[..], b"body"].concat()), Ok((2, 4)));
    good[2] = 1;
    assert_eq!(read(&good), Err(MetadataError::Malformed), "bytes after the last pair");
    good[2] = 2;
    good[8] = 0xff;
    assert_eq!(read(&good), Err(MetadataError::Malformed), "not UTF-8");
    for cut in 0..good.len() {
        assert_eq!(read(&block(2, "k", "v")[..cut]), Err(MetadataError::Malformed));
    }
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
            let content = record.content(bytes);
            assert_eq!(&bytes[record.body.clone()], content.body);
            assert!(record.header(bytes).content_bytes as usize >= content.body.len());
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Tell(u32, Metadata, Vec<u8>),
    Done,
    Reply(Metadata, Vec<u8>),
    Reject(String),
    Retry(String),
    Spawn(u32),
    Stop(u32),
    Timer(u64, u32, u64, bool, Metadata, Vec<u8>),
    Cancel(u64),
    Set(String, Vec<u8>),
    SetFor(String, Vec<u8>, u64),
    Delete(String),
}

fn step() -> impl Strategy<Value = Step> {
    let body = || prop::collection::vec(any::<u8>(), 0..40);
    let metadata = || {
        let pairs = prop::collection::vec((".{1,5}", ".{0,5}"), 0..3);
        prop_oneof![Just(Metadata::new()), pairs.prop_map(|pairs| Metadata::collect(pairs).unwrap())]
    };
    prop_oneof![
        (any::<u32>(), metadata(), body()).prop_map(|(route, metadata, body)| Step::Tell(route, metadata, body)),
        Just(Step::Done),
        (metadata(), body()).prop_map(|(metadata, body)| Step::Reply(metadata, body)),
        ".{0,10}".prop_map(Step::Reject),
        ".{0,10}".prop_map(Step::Retry),
        any::<u32>().prop_map(Step::Spawn),
        any::<u32>().prop_map(Step::Stop),
        (any::<(u64, u32, u64, bool)>(), metadata(), body()).prop_map(
            |((id, route, wait_ms, again), metadata, body)| { Step::Timer(id, route, wait_ms, again, metadata, body) }
        ),
        any::<u64>().prop_map(Step::Cancel),
        (".{0,5}", body()).prop_map(|(key, value)| Step::Set(key, value)),
        (".{0,5}", body(), any::<u64>()).prop_map(|(key, value, time)| Step::SetFor(key, value, time)),
        ".{0,5}".prop_map(Step::Delete),
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
            if matches!(step, Step::Done | Step::Reply(..) | Step::Reject(_) | Step::Retry(_)) {
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
            let with = |content: &std::ops::Range<usize>, bytes: u16, metadata: &Metadata, sent: &[u8]| {
                usize::from(bytes) == metadata.as_bytes().len()
                    && frame[content.clone()] == [metadata.as_bytes(), sent].concat()
            };
            let same = match (&read, step) {
                (Op::Tell { route, body }, Step::Tell(to, metadata, sent)) => {
                    route == to && metadata.is_empty() && frame[body.clone()] == sent[..]
                }
                (Op::TellWith { route, metadata_bytes, content }, Step::Tell(to, metadata, sent)) => {
                    route == to && !metadata.is_empty() && with(content, *metadata_bytes, metadata, sent)
                }
                (Op::Done { messages: 1 }, Step::Done) => true,
                (Op::Reply(reply), Step::Reply(metadata, sent)) => {
                    metadata.is_empty() && frame[reply.clone()] == sent[..]
                }
                (Op::ReplyWith { metadata_bytes, content }, Step::Reply(metadata, sent)) => {
                    !metadata.is_empty() && with(content, *metadata_bytes, metadata, sent)
                }
                (Op::Reject(at), Step::Reject(sent)) | (Op::Retry(at), Step::Retry(sent)) => text(at, sent),
                (Op::Spawn { route }, Step::Spawn(child)) | (Op::Stop { route }, Step::Stop(child)) => route == child,
                (Op::Timer(timer), Step::Timer(as_id, to, wait, often, metadata, sent)) => {
                    let Timer { id, route, wait_ms, again, metadata_bytes, content } = &timer.read(&frame);
                    (id, route, wait_ms, again) == (as_id, to, wait, often)
                        && with(content, *metadata_bytes, metadata, sent)
                }
                (Op::Cancel { id }, Step::Cancel(set)) => id == set,
                (Op::Set { key_bytes, content }, Step::Set(key, value)) => {
                    usize::from(*key_bytes) == key.len()
                        && frame[content.clone()] == [key.as_bytes(), &value[..]].concat()
                }
                (Op::SetFor { milliseconds, key_bytes, content }, Step::SetFor(key, value, time)) => {
                    milliseconds == time
                        && usize::from(*key_bytes) == key.len()
                        && frame[content.clone()] == [key.as_bytes(), &value[..]].concat()
                }
                (Op::Delete(at), Step::Delete(key)) => text(at, key),
                _ => false,
            };
            prop_assert!(same, "{:?} is not {:?}", read, step);
        }
    }

    #[test]
    fn header_survives_its_encoding(
        content_bytes in 0..1u32 << 31, failures: u32, id: u128, sender: u64, flow: u128, reply: u64, hops: u32,
        parts in 0..8u32,
    ) {
        let header = Header { content_bytes, failures, id, sender, flow, reply, hops, parts: Parts(parts) };
        let bytes = header.encode();
        prop_assert_eq!(Header::decode(&bytes), header);
        prop_assert_eq!(Header::parts_of(&bytes), header.parts);
        prop_assert_eq!(Header::record_bytes(&bytes), HEADER_BYTES + content_bytes as usize);
    }
}

fn encode(steps: &[Step]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    for step in steps {
        match step {
            Step::Tell(route, metadata, body) => encoder.tell_with(*route, metadata, body),
            Step::Done => encoder.done(None),
            Step::Reply(metadata, body) => encoder.done_with(metadata, body),
            Step::Reject(text) => encoder.reject(text),
            Step::Retry(text) => encoder.retry(text),
            Step::Spawn(route) => encoder.spawn(*route),
            Step::Stop(route) => encoder.stop(*route),
            Step::Timer(id, route, wait_ms, again, metadata, body) => {
                encoder.timer(*id, *route, *wait_ms, *again, metadata, body);
            }
            Step::Cancel(id) => encoder.cancel(*id),
            Step::Set(key, value) => encoder.set(key, value),
            Step::SetFor(key, value, time) => encoder.set_for(key, value, *time),
            Step::Delete(key) => encoder.delete(key),
        }
    }
    encoder.take()
}
