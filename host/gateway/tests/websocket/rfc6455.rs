//! Frames as RFC 6455 has them, byte by byte, and those that it forbids: each gets its close code, and the neighbour goes on.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::stage::*;

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 0xa;

/// A frame of a client: its first byte, and the payload, masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 0x7e);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The next frame of the server: its first byte, and the payload.
async fn read(stream: &mut DuplexStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.unwrap();
    assert!(head[1] < 126, "a server does not mask, and these frames are short");
    let mut payload = vec![0; head[1].into()];
    stream.read_exact(&mut payload).await.unwrap();
    (head[0], payload)
}

/// The close code after these bytes.
async fn close_code(stage: &Stage, bytes: &[u8]) -> u16 {
    let mut stream = stage.raw().await;
    stream.write_all(bytes).await.unwrap();
    let (first, payload) = tokio::time::timeout(SOON, read(&mut stream)).await.unwrap();
    assert_eq!(first, FIN | CLOSE, "{payload:?}");
    u16::from_be_bytes([payload[0], payload[1]])
}

#[tokio::test(start_paused = true)]
async fn control_frames_may_stand_between_fragments() {
    let stage = Stage::new(settings()).await;
    let mut stream = stage.raw().await;
    for part in [
        frame(TEXT, b"Hel"),
        frame(FIN | PING, b"are you there"),
        frame(CONTINUATION, b""),
        frame(FIN | CONTINUATION, "l\u{f6}".as_bytes()),
    ] {
        // Cut at every byte.
        for byte in part {
            stream.write_all(&[byte]).await.unwrap();
        }
    }
    assert_eq!(read(&mut stream).await, (FIN | PONG, b"are you there".to_vec()));
    assert_eq!(read(&mut stream).await, (FIN | TEXT, "Hell\u{f6}".as_bytes().to_vec()));
    // A character of several bytes may be cut between fragments.
    let (one, two) = "\u{f6}".as_bytes().split_at(1);
    stream.write_all(&[frame(TEXT, one), frame(FIN | CONTINUATION, two)].concat()).await.unwrap();
    assert_eq!(read(&mut stream).await, (FIN | TEXT, "\u{f6}".as_bytes().to_vec()));
}

#[tokio::test(start_paused = true)]
async fn forbidden_frames_have_their_close_codes() {
    let stage = Stage::new(settings()).await;
    let mut neighbour = stage.client().await;
    neighbour.ask("hello").await;
    let mut unmasked = frame(FIN | TEXT, b"x");
    unmasked[1] &= 0x7f;
    let cases = [
        (1002, "unmasked", unmasked),
        (1002, "reserved bit 1", frame(FIN | 0x40 | TEXT, b"x")),
        (1002, "reserved bit 2", frame(FIN | 0x20 | TEXT, b"x")),
        (1002, "reserved bit 3", frame(FIN | 0x10 | TEXT, b"x")),
        (1002, "reserved opcode", frame(FIN | 3, b"x")),
        (1002, "reserved control opcode", frame(FIN | 0xb, b"x")),
        (1002, "fragmented ping", frame(PING, b"x")),
        (1002, "large ping", frame(FIN | PING, &[0; 126])),
        (1002, "continuation of nothing", frame(FIN | CONTINUATION, b"x")),
        (1002, "message within a message", [frame(TEXT, b"x"), frame(FIN | TEXT, b"x")].concat()),
        (1002, "close of one byte", frame(FIN | CLOSE, b"x")),
        (1002, "close with a code that no frame has", frame(FIN | CLOSE, &1005_u16.to_be_bytes())),
        (1007, "text of other bytes", frame(FIN | TEXT, &[0xff])),
        (1007, "half a character", frame(FIN | TEXT, &[0xc3])),
        (1007, "surrogate", frame(FIN | TEXT, &[0xed, 0xa0, 0x80])),
        (1009, "large frame", frame(FIN | BINARY, &[0; 1001])),
        (1009, "large message", [frame(BINARY, &[0; 600]), frame(FIN | CONTINUATION, &[0; 600])].concat()),
        (1009, "endless frame", [&[FIN | BINARY, 0xff, 0x7f], &[0xff; 7][..], &[0; 4]].concat()),
    ];
    for (code, case, bytes) in cases {
        assert_eq!(close_code(&stage, &bytes).await, code, "{case}");
        assert_eq!(neighbour.ask("still there").await, "still there", "{case}");
    }
    stage.wait_open(1).await;
}

#[tokio::test(start_paused = true)]
async fn close_frame_is_answered_with_its_code() {
    let stage = Stage::new(settings()).await;
    for code in [1000, 1001, 1011, 3000, 4999] {
        let payload = [&u16::to_be_bytes(code)[..], b"bye"].concat();
        assert_eq!(close_code(&stage, &frame(FIN | CLOSE, &payload)).await, code);
    }
    stage.wait_open(0).await;
}
