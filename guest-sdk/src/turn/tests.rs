//! The calls and bytes that cross the boundary to the host.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use playhouse_frame::{Content, Header, Metadata, Op, Outbound, trailer, trailer_without_routes};

use self::boundary::Boundary;
use super::turn_kernel::FULL_BYTES;
use super::*;
use crate::instance::Instance;
use crate::kernel::Kernel;
use crate::log::Level;
use crate::saved::SavedFns;
use crate::snapshot::Snapshot;
use crate::{
    Actor, ActorState, AskError, Context, Envelope, Message, MetricError, Reply, Result, SendError, SpawnError,
    SpawnOptions, StateError, StopError, TimerError, reject,
};

mod boundary;
mod children;
mod metadata;
mod metrics;
mod state;

/// Metadata and body of a content.
fn labelled(content: &[u8], metadata_bytes: u16) -> String {
    let (metadata, body) = content.split_at(metadata_bytes.into());
    let (pairs, _) = playhouse_frame::Pairs::read(metadata).unwrap();
    format!("{pairs:?} {}", String::from_utf8_lossy(body))
}

fn shown(frame: &[u8]) -> String {
    let text = |at: std::ops::Range<usize>| String::from_utf8_lossy(&frame[at]).into_owned();
    let ops = Outbound::open(frame).unwrap().map(|op| match op.unwrap() {
        Op::Done { messages } => vec!["done"; messages as usize].join(", "),
        Op::Tell { route, body } => format!("{route}:{}", text(body)),
        Op::TellWith { route, metadata_bytes, content } => {
            format!("{route}:{}", labelled(&frame[content], metadata_bytes))
        }
        Op::ReplyWith { metadata_bytes, content } => format!("reply {}", labelled(&frame[content], metadata_bytes)),
        Op::Timer(timer) if timer.read(frame).metadata_bytes > 0 => {
            let timer = timer.read(frame);
            format!("timer {}", labelled(&frame[timer.content], timer.metadata_bytes))
        }
        Op::Timer(timer) => format!("timer({:?})", timer.read(frame)).to_lowercase(),
        Op::Set { key_bytes, content } => {
            let (key, value) = frame[content].split_at(key_bytes.into());
            format!("set {}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(value))
        }
        Op::SetFor { milliseconds, key_bytes, content } => {
            let (key, value) = frame[content].split_at(key_bytes.into());
            format!("set {}={} for {milliseconds}", String::from_utf8_lossy(key), String::from_utf8_lossy(value))
        }
        Op::Delete(key) => format!("delete {}", text(key)),
        Op::Reply(reply) => format!("reply {}", text(reply)),
        Op::Reject(reason) => format!("reject({:?})", text(reason)),
        Op::Retry(reason) => format!("retry({:?})", text(reason)),
        other => format!("{other:?}").to_lowercase(),
    });
    ops.collect::<Vec<_>>().join(", ")
}

/// Follows the words of the message, one after another.
#[derive(Default, Clone, serde::Serialize, serde::Deserialize)]
struct Puppet {
    count: u32,
}

impl Actor for Puppet {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        for word in msg.text()?.split(' ') {
            match word {
                "reject" => return Err(reject("no")),
                "ask" => ctx.reply(ctx.ask("/oracle", "why", Duration::from_secs(1))?),
                "back" => ctx.tell(&ctx.sender().unwrap_or_default(), "back")?,
                "large" => ctx.tell("/a", [0; 101])?,
                "flood" => (0..FULL_BYTES / 100).try_for_each(|_| ctx.tell("/a", [0; 100]))?,
                "envelope" => ctx.reply(format!("{:?}", ctx.envelope())),
                "spawn" => ctx.spawn("w", "worker")?,
                "stop" => ctx.stop_child("/bb")?,
                "timer" => {
                    let timer = ctx.tell_after(Duration::from_micros(1), ctx.address(), "up")?;
                    ctx.cancel(timer);
                }
                "pairs" => ctx.reply(format!("{:?}", msg.metadata())),
                "label" => ctx.with_metadata("k", "v").tell("/a", "labelled")?,
                "many" => {
                    (0..17).fold(ctx.with_no_metadata(), |with, n| with.and("k", &n.to_string())).tell("/a", "")?;
                }
                "answer" => ctx.with_metadata("status", "201").reply("made")?,
                "remind" => {
                    ctx.with_metadata("k", "v").tell_after(Duration::from_millis(1), "/a", "up")?;
                }
                "measure" => {
                    ctx.count("orders", 2)?;
                    ctx.observe("amount_", 12.5)?;
                }
                "undeclared" => ctx.count("undeclared", 1)?,
                "negative" => ctx.observe("amount_", -1.0)?,
                "more" => self.count += 1,
                "keys" => ctx.reply(ctx.state().keys("")?.join(",")),
                word if word.starts_with("get:") => {
                    ctx.reply(ctx.state().get_bytes(&word[4..])?.unwrap_or_else(|| b"none".to_vec()));
                }
                word if word.starts_with("unset:") => ctx.state().delete(&word[6..])?,
                word if word.contains('=') => {
                    let (key, value) = word.split_once('=').unwrap_or_default();
                    match value.split_once('~') {
                        None => ctx.state().put_bytes(key, value)?,
                        Some((value, ms)) => {
                            let time = Duration::from_millis(ms.parse().unwrap_or_default());
                            ctx.state().put_bytes_for(key, value, time)?;
                        }
                    }
                }
                to => ctx.tell(to, word)?,
            }
        }
        Ok(())
    }
}

struct Play {
    actor: Instance<Puppet>,
    turns: Rc<TurnKernel<Rc<Boundary>>>,
    boundary: Rc<Boundary>,
}

impl Kernel for Rc<TurnKernel<Rc<Boundary>>> {
    fn address(&self) -> String {
        (**self).address()
    }

    fn incarnation(&self) -> u64 {
        (**self).incarnation()
    }

    fn config(&self, key: &str) -> Option<String> {
        (**self).config(key)
    }

    fn envelope(&self) -> Option<Envelope> {
        (**self).envelope()
    }

    fn sender(&self) -> Option<String> {
        (**self).sender()
    }

    fn tell(&self, to: &str, body: &[u8]) -> Result<(), SendError> {
        (**self).tell(to, body)
    }

    fn tell_all(&self, to: &str, body: &[u8]) -> Result<u32, SendError> {
        (**self).tell_all(to, body)
    }

    fn ask(&self, to: &str, body: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError> {
        (**self).ask(to, body, timeout)
    }

    fn tell_with(&self, to: &str, metadata: &Metadata, body: &[u8]) -> Result<(), SendError> {
        (**self).tell_with(to, metadata, body)
    }

    fn tell_all_with(&self, to: &str, metadata: &Metadata, body: &[u8]) -> Result<u32, SendError> {
        (**self).tell_all_with(to, metadata, body)
    }

    fn ask_with(&self, to: &str, metadata: &Metadata, body: &[u8], timeout: Duration) -> Result<Reply, AskError> {
        (**self).ask_with(to, metadata, body, timeout)
    }

    fn reply_metadata(&self, metadata: &Metadata) {
        (**self).reply_metadata(metadata);
    }

    fn timer_with(
        &self,
        to: &str,
        metadata: &Metadata,
        body: &[u8],
        wait_ms: u64,
        again: bool,
    ) -> Result<u64, TimerError> {
        (**self).timer_with(to, metadata, body, wait_ms, again)
    }

    fn spawn(&self, name: &str, plugin: &str, options: &SpawnOptions) -> Result<(), SpawnError> {
        (**self).spawn(name, plugin, options)
    }

    fn stop(&self, child: &str) -> Result<(), StopError> {
        (**self).stop(child)
    }

    fn children(&self) -> Vec<String> {
        (**self).children()
    }

    fn lookup(&self, path: &str) -> Option<String> {
        (**self).lookup(path)
    }

    fn status(&self, path: &str) -> Option<ActorState> {
        (**self).status(path)
    }

    fn timer(&self, to: &str, body: &[u8], wait_ms: u64, again: bool) -> Result<u64, TimerError> {
        (**self).timer(to, body, wait_ms, again)
    }

    fn watch(&self, to: &str) -> Result<u64, crate::WatchError> {
        (**self).watch(to)
    }

    fn unwatch(&self, watch: u64) {
        (**self).unwatch(watch);
    }

    fn log(&self, level: Level, text: &str) {
        (**self).log(level, text);
    }

    fn cancel(&self, timer: u64) {
        (**self).cancel(timer);
    }

    fn count(&self, name: &str, by: u64) -> Result<(), MetricError> {
        (**self).count(name, by)
    }

    fn observe(&self, name: &str, value: f64) -> Result<(), MetricError> {
        (**self).observe(name, value)
    }

    fn state_get(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        (**self).state_get(key)
    }

    fn state_set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        (**self).state_set(key, value)
    }

    fn state_set_for(&self, key: &str, value: &[u8], milliseconds: u64) -> Result<(), StateError> {
        (**self).state_set_for(key, value, milliseconds)
    }

    fn state_delete(&self, key: &str) -> Result<(), StateError> {
        (**self).state_delete(key)
    }

    fn state_keys(&self, prefix: &str, after: Option<&str>, most: u32) -> Result<Vec<String>, StateError> {
        (**self).state_keys(prefix, after, most)
    }

    fn saved(&self) -> Result<Option<Vec<u8>>, StateError> {
        (**self).saved()
    }

    fn save(&self, value: Rc<dyn Snapshot>) -> Result<()> {
        (**self).save(value)
    }
}

impl Play {
    fn start() -> Self {
        Self::start_as(None)
    }

    /// `saved`: the functions that keep the puppet's value.
    fn start_as(saved: Option<SavedFns<Puppet>>) -> Self {
        let boundary = Rc::new(Boundary::default());
        let turns = Rc::new(TurnKernel::new(Rc::clone(&boundary)));
        let actor = Instance::start(Box::new(Rc::clone(&turns)), saved).unwrap();
        Self { actor, turns, boundary }
    }

    /// Handles one batch; message `n` is from sender `n`.
    fn batch(&mut self, bodies: &[&str]) -> String {
        self.batch_with(bodies, trailer(bodies.len() as u32))
    }

    fn batch_with(&mut self, bodies: &[&str], end: [u8; 8]) -> String {
        let mut frame = Vec::new();
        for (n, body) in (0..).zip(bodies) {
            let header = Header { content_bytes: body.len() as u32, sender: n, id: 10, ..Header::default() };
            frame.extend_from_slice(&header.encode());
            frame.extend_from_slice(body.as_bytes());
        }
        frame.extend_from_slice(&end);
        shown(&self.turns.handle(|message| self.actor.handle(message), frame))
    }

    fn crossed(&self) -> Vec<String> {
        self.boundary.0.take()
    }
}

#[test]
fn address_is_resolved_once_for_many_sends() {
    let mut play = Play::start();
    assert_eq!(play.batch(&["/a /bb", "/bb /a"]), "2:/a, 3:/bb, done, 3:/bb, 2:/a, done");
    assert_eq!(play.batch(&["/bb"]), "3:/bb, done");
    assert_eq!(play.crossed(), ["resolve /a for 0", "resolve /bb for 0"]);
}

#[test]
fn void_routes_are_resolved_again() {
    let mut play = Play::start();
    play.batch(&["/a timer"]);
    play.crossed();
    assert!(play.batch_with(&["/a timer"], trailer_without_routes(1)).starts_with("2:/a"));
    assert_eq!(play.crossed(), ["resolve /a for 0", "own"]);
}

#[test]
fn actors_of_one_kernel_have_routes_and_timers_of_their_own() {
    let (mut play, mut other) = (Play::start(), OwnParts::new());
    play.batch(&["/a timer"]);
    play.turns.exchange(&mut other);
    play.crossed();
    play.batch(&["/a timer"]);
    let crossed = play.crossed();
    assert!(crossed.starts_with(&["resolve /a for 0".to_owned(), "own".to_owned()]), "{crossed:?}");
    play.turns.exchange(&mut other);
    play.batch(&["/a timer"]);
    assert_eq!(play.crossed(), [""; 0], "the first actor's are there again");
}

#[test]
fn sends_of_a_failed_message_never_cross() {
    let mut play = Play::start();
    assert_eq!(play.batch(&["/a", "/a reject", "/bb"]), "2:/a, done, reject(\"no\"), 3:/bb, done");
}

#[test]
fn refused_tell_never_crosses() {
    let mut play = Play::start();
    let refused = play.batch(&["/a large", "/nobody"]);
    assert!(refused.starts_with("retry(\"the body is larger than the 100 bytes"), "{refused}");
    assert!(refused.ends_with("retry(\"no actor has the address `/nobody`\")"), "{refused}");
}

#[test]
fn ask_passes_the_outcomes_of_the_batch_so_far() {
    let mut play = Play::start();
    assert_eq!(play.batch(&["/a", "/a ask /bb", "/a"]), "3:/bb, reply why, 2:/a, done");
    assert_eq!(play.crossed()[1..3], ["hand over 2:/a, done, 2:/a", "ask /oracle"]);
}

#[test]
fn route_to_a_sender_is_for_its_own_messages() {
    let mut play = Play::start();
    play.batch(&["/a", "back back", "back"]);
    let crossed = play.crossed();
    let resolved: Vec<_> = crossed.iter().filter(|line| line.starts_with("resolve /sender")).collect();
    assert_eq!(resolved, ["resolve /sender for 1", "resolve /sender for 2"]);
}

#[test]
fn timers_call_the_host_only_for_their_limit() {
    let mut play = Play::start();
    let first = play.batch(&["timer", "timer"]);
    assert!(
        first.contains("id: 1, route: 0, wait_ms: 1, again: false") && first.contains("cancel { id: 2 }"),
        "{first}"
    );
    assert_eq!(play.crossed(), ["own", "hand over ", "timers left"]);
    assert_eq!(play.batch(&["/a"]), "2:/a, done");
}

#[test]
fn full_frame_is_returned_before_the_batch_ends() {
    let outcomes = Play::start().batch(&["/a", "flood", "/a"]);
    assert_eq!(outcomes.matches("done").count(), 2);
}

#[test]
fn envelope_is_read_from_the_frame() {
    let envelope = Play::start().batch(&["envelope"]);
    let expected = "id: \"0000000000000000000000000000000a\", sender: None";
    assert!(envelope.contains(expected) && envelope.contains("attempt: 1, asked: false"), "{envelope}");
}

#[test]
fn calls_outside_of_a_batch_go_to_the_host() {
    let play = Play::start();
    play.turns.tell("/a", b"x").unwrap();
    assert_eq!(play.crossed(), ["tell /a"]);
}
