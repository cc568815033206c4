//! Optional parts of messages in frames.

use super::*;

#[test]
fn metadata_travel_in_frames() {
    let mut play = Play::start();
    assert_eq!(
        play.batch(&["label answer", "answer reject", "/bb ask", "many"]),
        r#"reply why, retry("bad metadata: more than the 16 pairs that a message may have")"#
    );
    let handed_over = play.crossed().into_iter().find(|line| line.starts_with("hand over")).unwrap();
    let expected = r#"hand over 2:[("k", "v")] labelled, reply [("status", "201")] made, reject("no"), 3:/bb"#;
    assert_eq!(handed_over, expected);
    assert_eq!(play.batch(&["remind"]), r#"timer [("k", "v")] up, done"#);
}

#[test]
fn optional_parts_of_a_message_are_read_from_its_frame() {
    let mut play = Play::start();
    let metadata = Metadata::collect([("path", "/orders")]).unwrap();
    let (parts, before) = Content::parts(Some(5), 9, &metadata);
    let content = [&before[..], b"pairs"].concat();
    let header = Header { content_bytes: content.len() as u32, parts, reply: 1, flow: 0xf << 64, ..Header::default() };
    let mut frame = [&header.encode()[..], &content].concat();
    let envelope = Header { content_bytes: (before.len() + 8) as u32, ..header };
    frame.extend_from_slice(&[&envelope.encode()[..], &before, b"envelope", &trailer(2)].concat());
    let out = shown(&play.turns.handle(|message| play.actor.handle(message), frame));
    assert!(out.starts_with(r#"reply [("path", "/orders")]"#), "{out}");
    assert!(out.contains("time_left: Some(7ms), sequence: 9"), "{out}");
    assert!(out.contains("flow: 000000000000000f0000000000000000"), "{out}");
    assert_eq!(play.crossed(), ["time left of 1"]);
}
