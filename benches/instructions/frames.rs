//! The counted work of the frames, compiled for the host: 64 messages of 64 bytes, many times over.

// The macros name the counted functions for the linker, which counts as unsafe code.
#![allow(missing_docs, unsafe_code)]

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use playhouse_frame::{Header, Inbound, Outbound, trailer};
use playhouse_instructions::{BODY, frame_of_tells};

/// Number of messages of a frame.
const MESSAGES: usize = 64;

fn frame_of_messages() -> Vec<u8> {
    let header = Header { content_bytes: BODY.len() as u32, id: 1, sender: 2, flow: 3, hops: 4, ..Header::default() };
    let mut frame = [&header.encode()[..], &BODY].concat().repeat(MESSAGES);
    frame.extend_from_slice(&trailer(MESSAGES as u32));
    frame
}

// The SDK reads a batch, and the handler reads each message's envelope.
#[library_benchmark]
#[bench::per_1024(frame_of_messages())]
fn decode_inbound(frame: Vec<u8>) -> Vec<u8> {
    for _ in 0..1024 / MESSAGES {
        let mut messages = 0;
        for record in Inbound::open(black_box(&frame)).expect("a good frame") {
            let record = record.expect("a good frame");
            black_box(record.header(&frame));
            black_box(&frame[record.body]);
            messages += 1;
        }
        assert_eq!(messages, MESSAGES);
    }
    frame
}

// The SDK writes the effects of a batch: each message is sent on.
#[library_benchmark]
#[bench::per_1024()]
fn encode_outbound() {
    for _ in 0..1024 / MESSAGES {
        black_box(frame_of_tells(black_box(MESSAGES)));
    }
}

// The host reads the effects of a batch.
#[library_benchmark]
#[bench::per_1024(frame_of_tells(MESSAGES))]
fn decode_outbound(frame: Vec<u8>) -> Vec<u8> {
    for _ in 0..1024 / MESSAGES {
        let mut ops = 0;
        for op in Outbound::open(black_box(&frame)).expect("a good frame") {
            black_box(op.expect("a good frame"));
            ops += 1;
        }
        // Two operations for each message: the send, and that the message is done.
        assert_eq!(ops, 2 * MESSAGES);
    }
    frame
}

library_benchmark_group!(
    name = frames;
    benchmarks = decode_inbound, encode_outbound, decode_outbound
);

main!(library_benchmark_groups = frames);
