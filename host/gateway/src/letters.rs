//! Dead letters that leave: each one is also sent to an actor or a sink. One actor passes them on. It starts before the actors of the
//! manifest, so that it still works when these stop, and their last letters leave as well.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    AboutActor, ActorSpec, Address, DeadLetter, DeadLetterSpec, Failure, FlowId, Incoming, Ingress, LetterFeed,
    LetterReader, LogEvent, Message, Metadata, NativeActor, NativeContext, NativeLauncher, NativeResult, SendError,
};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::events::{LetterNotSent, LettersLeftOut};
use crate::sparse::Sparse;
use crate::status::Statuses;
use crate::traffic::Count;
use crate::{Common, Placed};

/// The address of the actor that passes letters on.
pub const LETTERS_ADDRESS: &str = "/dead-letters";
/// Bounds of the letters that wait to be passed on.
const WAITING: DeadLetterSpec = DeadLetterSpec { capacity: 1024, capacity_bytes: 16 << 20 };
/// Time that a letter waits for space in the receiver's mailbox.
const PATIENCE: Duration = Duration::from_secs(10);
/// The name of the code in log lines, as the kernel makes it.
const PLUGIN: &str = "native:Letters";

/// Makes the text of a letter; with `false` without the body of its message.
pub type Encode = Arc<dyn Fn(&DeadLetter, bool) -> Vec<u8> + Send + Sync>;

/// The actor that passes letters on.
#[derive(Debug, Clone)]
pub struct LettersSettings {
    /// Its own address: [`LETTERS_ADDRESS`].
    pub address: Address,
    /// The receiver of the letters.
    pub to: Address,
}

/// The counts of the actor that passes letters on, over all its incarnations.
#[derive(Debug, Default)]
pub struct LetterCounts {
    /// Letters that the receiver's mailbox took.
    pub sent: Count,
    /// Letters that it did not take.
    pub refused: Count,
    /// Letters that were not sent, because too many waited.
    pub left_out: Count,
}

/// Adds the actor that passes letters on, and the feed that it reads.
pub fn place(settings: &LettersSettings, encode: Encode, common: &Common, placed: &mut Placed) {
    let (feed, reader) = LetterFeed::new(WAITING, own_flow());
    let (reader, to, statuses) = (Arc::new(Mutex::new(reader)), settings.to.clone(), common.statuses.clone());
    let counts = common.traffic.letters(&settings.address);
    let made = move || Letters {
        to: to.clone(),
        reader: reader.clone(),
        encode: encode.clone(),
        statuses: statuses.clone(),
        counts: counts.clone(),
        last: watch::Sender::new(false),
        task: JoinSet::new(),
    };
    placed.sinks.push(ActorSpec::new(settings.address.clone(), NativeLauncher::new(made)));
    placed.letter_feed = Some(feed);
}

/// A flow that no other message has.
fn own_flow() -> FlowId {
    let random = || RandomState::new().build_hasher().finish();
    FlowId((u128::from(random()) << 64) | u128::from(random()).max(1))
}

/// One incarnation of the actor. Its task ends with it.
struct Letters {
    to: Address,
    /// Shared with the other incarnations.
    reader: Arc<Mutex<LetterReader>>,
    encode: Encode,
    statuses: Statuses,
    counts: Arc<LetterCounts>,
    /// Whether only the letters that wait now are still passed on.
    last: watch::Sender<bool>,
    task: JoinSet<()>,
}

impl NativeActor for Letters {
    async fn init(&mut self, ctx: &mut NativeContext) -> NativeResult {
        let task = Task {
            address: ctx.address().clone(),
            to: self.to.clone(),
            ingress: ctx.ingress(),
            encode: self.encode.clone(),
            statuses: self.statuses.clone(),
            counts: self.counts.clone(),
            refused_line: Sparse::default(),
            left_out_line: Sparse::default(),
        };
        self.task.spawn(task.run(self.reader.clone(), self.last.subscribe()));
        Ok(())
    }

    async fn msg_handler(&mut self, _: Message, ctx: &mut NativeContext) -> NativeResult {
        Err(Failure::Reject(format!("`{}` passes dead letters on, and takes no messages", ctx.address())))
    }

    async fn shutdown(&mut self, _: &mut NativeContext) -> NativeResult {
        self.last.send_replace(true);
        while self.task.join_next().await.is_some() {}
        Ok(())
    }
}

struct Task {
    address: Address,
    to: Address,
    ingress: Ingress,
    encode: Encode,
    statuses: Statuses,
    counts: Arc<LetterCounts>,
    refused_line: Sparse,
    left_out_line: Sparse,
}

impl Task {
    async fn run(mut self, reader: Arc<Mutex<LetterReader>>, mut last: watch::Receiver<bool>) {
        let mut reader = reader.lock().await;
        self.say();
        loop {
            let letter = tokio::select! {
                letter = reader.next() => letter,
                _ = last.wait_for(|last| *last) => break,
            };
            let Some(letter) = letter else { break };
            self.pass_on(&letter, &reader).await;
        }
        while let Some(letter) = reader.try_next() {
            self.pass_on(&letter, &reader).await;
        }
        self.statuses.remove(&self.address);
    }

    async fn pass_on(&mut self, letter: &DeadLetter, reader: &LetterReader) {
        let most = self.ingress.receiver_limits(&self.to).map_or(usize::MAX, |(most, _)| most);
        let mut body = (self.encode)(letter, true);
        if body.len() > most {
            body = (self.encode)(letter, false);
        }
        let metadata = metadata(letter);
        let id = self.ingress.next_id();
        let message = Incoming { flow: reader.own_flow(), ..Incoming::new(id, &metadata, &body) };
        match self.ingress.tell(&self.to, &message, PATIENCE).await {
            Ok(()) => self.counts.sent.add(1),
            Err(why) => self.not_sent(letter, &why),
        }
        let left_out = reader.left_out();
        if left_out > self.counts.left_out.get() {
            self.counts.left_out.set(left_out);
            if let Some(lines) = self.left_out_line.pass(Instant::now()) {
                LettersLeftOut {
                    subject: self.about(),
                    letters: left_out,
                    left_out: Some(lines).filter(|lines| *lines > 0),
                }
                .log();
            }
        }
        self.say();
    }

    fn not_sent(&mut self, letter: &DeadLetter, why: &SendError) {
        self.counts.refused.add(1);
        if let Some(lines) = self.refused_line.pass(Instant::now()) {
            let (letter, refused) = (letter.id.to_string(), self.counts.refused.get());
            LetterNotSent {
                subject: self.about(),
                letter,
                refused,
                left_out: Some(lines).filter(|lines| *lines > 0),
                why,
            }
            .log();
        }
    }

    fn say(&self) {
        let LetterCounts { sent, refused, left_out } = &*self.counts;
        let mut parts = vec![format!("{} sent to {}", sent.get(), self.to)];
        for (count, name) in [(refused, "refused there"), (left_out, "left out because too many waited")] {
            let count = count.get();
            if count > 0 {
                parts.push(format!("{count} {name}"));
            }
        }
        self.statuses.set(&self.address, parts.join(", "));
    }

    fn about(&self) -> AboutActor<'_> {
        AboutActor { address: &self.address, plugin: PLUGIN }
    }
}

/// The pairs beside a letter.
fn metadata(letter: &DeadLetter) -> Metadata {
    let mut metadata = Metadata::new();
    let id = letter.id.to_string();
    for (key, value) in
        [("letter", id.as_str()), ("reason", letter.reason.kind()), ("content-type", "application/json")]
    {
        // All are far below the limits on metadata.
        let _ = metadata.push(key, value);
    }
    metadata
}
