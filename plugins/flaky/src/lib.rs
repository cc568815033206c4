//! Shows the use of the sandbox and of supervision: forwards messages, and fails when a message has a marker.
//!
//! A message that contains a marker, at any place, causes its trouble; the first marker in it counts. All other messages are
//! forwarded unchanged. Config: `to`, the receiver (without it, the message is the reply); and for each trouble, its marker:
//!
//! | key | marker by default | trouble |
//! |---|---|---|
//! | `panic` | `!panic` | panics |
//! | `loop` | `!loop` | computes endlessly |
//! | `memory` | `!memory` | allocates endlessly |
//! | `stack` | `!stack` | calls itself endlessly |
//! | `reject` | `!reject` | fails the message, for good |
//! | `retry` | `!retry` | fails the message, for now |
//! | `sleep` | `!sleep` | sleeps for an hour in a call of the host, then forwards the message |
//!
//! An empty marker switches its trouble off. With `at_shutdown`, the trouble of that key is caused when the actor stops.

use std::hint::black_box;
use std::time::Duration;

use playhouse_sdk::{Actor, Context, Message, Result, export_actor, reject, retry};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Panic,
    Loop,
    Memory,
    Stack,
    Reject,
    Retry,
    Sleep,
}

const KEYS: [(&str, Trouble); 7] = [
    ("panic", Trouble::Panic),
    ("loop", Trouble::Loop),
    ("memory", Trouble::Memory),
    ("stack", Trouble::Stack),
    ("reject", Trouble::Reject),
    ("retry", Trouble::Retry),
    ("sleep", Trouble::Sleep),
];

#[derive(Default)]
struct Flaky {
    to: Option<String>,
    markers: Markers,
    at_shutdown: Option<Trouble>,
}

impl Actor for Flaky {
    fn init(&mut self, ctx: &mut Context) -> Result {
        self.to = ctx.config("to");
        if let Some(wanted) = ctx.config("at_shutdown") {
            let known = KEYS.iter().find(|(key, _)| *key == wanted);
            self.at_shutdown = Some(known.ok_or_else(|| reject(format!("`{wanted}` is no trouble")))?.1);
        }
        for (key, trouble) in KEYS {
            self.markers.add(ctx.config(key).unwrap_or_else(|| format!("!{key}")), trouble);
        }
        Ok(())
    }

    fn shutdown(&mut self, _: &mut Context) -> Result {
        self.at_shutdown.map_or(Ok(()), make)
    }

    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        if let Some(trouble) = self.markers.find(msg.body()) {
            make(trouble)?;
        }
        match &self.to {
            Some(to) => ctx.tell(to, msg.body())?,
            None => ctx.reply(msg.into_body()),
        }
        Ok(())
    }
}

export_actor!(Flaky);

// `inline(never)` keeps these names in the backtraces of crash reports.

#[inline(never)]
fn make(trouble: Trouble) -> Result {
    match trouble {
        Trouble::Panic => panic!("the message asked for a panic"),
        Trouble::Loop => spin(),
        Trouble::Memory => hoard(),
        Trouble::Stack => _ = descend(0),
        Trouble::Reject => return Err(reject("the message asked to be rejected")),
        Trouble::Retry => return Err(retry("the message asked to be retried")),
        Trouble::Sleep => std::thread::sleep(Duration::from_hours(1)),
    }
    Ok(())
}

// Without `black_box` a compiler may remove each of these.

#[inline(never)]
fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

#[inline(never)]
fn hoard() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 1 << 20])); // ones, not zeros: zeros would leave the pages untouched
    }
}

fn descend(depth: u64) -> u64 {
    let next = black_box(descend as fn(u64) -> u64);
    next(depth + 1).wrapping_add(depth)
}

/// The texts to look for.
struct Markers {
    texts: Vec<(Vec<u8>, Trouble)>,
    /// The bytes that start a marker: one look-up skips nearly each byte of a message.
    starts: [bool; 256],
}

impl Default for Markers {
    fn default() -> Self {
        Self { texts: Vec::new(), starts: [false; 256] }
    }
}

impl Markers {
    fn add(&mut self, text: String, trouble: Trouble) {
        if let Some(&start) = text.as_bytes().first() {
            self.starts[usize::from(start)] = true;
            self.texts.push((text.into_bytes(), trouble));
        }
    }

    fn find(&self, mut body: &[u8]) -> Option<Trouble> {
        while let Some(at) = body.iter().position(|&byte| self.starts[usize::from(byte)]) {
            body = &body[at..];
            if let Some((_, trouble)) = self.texts.iter().find(|(text, _)| body.starts_with(text)) {
                return Some(*trouble);
            }
            body = &body[1..];
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use playhouse_sdk::Failure;
    use playhouse_sdk::testing::ActorHarness;

    use super::*;

    #[test]
    fn other_messages_are_forwarded_unchanged() -> Result {
        let mut harness = ActorHarness::<Flaky>::setup().config("to", "/split").start()?;
        harness.tell("no panic!")?;
        harness.tell([0xff, b'!'])?;
        assert_eq!(harness.sent(), [("/split", b"no panic!".as_slice()), ("/split", &[0xff, b'!'])]);
        Ok(())
    }

    #[test]
    fn without_a_receiver_the_message_is_the_reply() -> Result {
        assert_eq!(ActorHarness::<Flaky>::start()?.ask("as it is")?, b"as it is");
        Ok(())
    }

    #[test]
    fn every_trouble_has_its_marker() -> Result {
        let harness = ActorHarness::<Flaky>::start()?;
        for (key, trouble) in KEYS {
            assert_eq!(harness.actor().markers.find(format!("!pan!! !{key} me").as_bytes()), Some(trouble));
        }
        Ok(())
    }

    #[test]
    fn first_marker_counts() -> Result {
        let harness = ActorHarness::<Flaky>::start()?;
        assert_eq!(harness.actor().markers.find(b"!stack !panic"), Some(Trouble::Stack));
        Ok(())
    }

    #[test]
    fn failed_message_is_not_passed_on() -> Result {
        let mut harness = ActorHarness::<Flaky>::setup().config("to", "/split").start()?;
        assert!(matches!(harness.tell("a !reject"), Err(Failure::Reject(_))));
        assert!(matches!(harness.tell("a !retry"), Err(Failure::Retry(_))));
        assert!(harness.sent().is_empty());
        Ok(())
    }

    #[test]
    fn markers_are_configurable_and_an_empty_one_is_off() -> Result {
        let mut harness = ActorHarness::<Flaky>::setup().config("reject", "bad").config("panic", "").start()?;
        assert!(harness.tell("too bad").is_err());
        assert_eq!(harness.ask("!panic !reject")?, b"!panic !reject");
        Ok(())
    }

    #[test]
    #[should_panic(expected = "the message asked for a panic")]
    fn panic_is_a_panic() {
        let mut harness = ActorHarness::<Flaky>::start().unwrap();
        let _ = harness.tell("!panic");
    }
}
