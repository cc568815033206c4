//! A play over several runs of its host, whose actors do what messages say.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_kernel::{
    ActorGrants, ActorId, ActorSpec, Address, Backoff, Failure, Ingress, Keep, Kernel, MailboxSpec, MemoryStore,
    Message, NativeActor, NativeContext, NativeLauncher, NativeResult, Op, Plan, RestartSpec, Store, WaitingNumbers,
};

pub const SOON: Duration = Duration::from_secs(1);

/// The time of one write to a slow store.
pub const WRITE: Duration = Duration::from_millis(100);

/// Everything that the actors of a play saw: address, body, attempt, and time since the start.
pub type Seen = Arc<Mutex<Vec<(String, String, u32)>>>;

/// Does what a message says: `> /a hello` sends, `retry` fails, `panic` crashes, `answer` replies, `later /a`, `in 100 /a` and
/// `every 100 /a` set timers, in milliseconds, and `cancel 0` cancels the first one, `set k v`, `for 100 k v`
/// (for 100 ms) and `unset k` change the state, `get k`
/// and `keys p` answer from it, `slow 100` takes 100 ms.
struct Actor {
    seen: Seen,
    timers: Arc<Mutex<Vec<u64>>>,
    ingress: Arc<Mutex<Option<Ingress>>>,
}

impl NativeActor for Actor {
    async fn init(&mut self, ctx: &mut NativeContext) -> NativeResult {
        *self.ingress.lock() = Some(ctx.ingress());
        Ok(())
    }

    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let text = String::from_utf8(msg.body).unwrap();
        self.seen.lock().push((ctx.address().to_string(), text.clone(), msg.envelope.attempt));
        for command in text.split(';') {
            let (verb, rest) = command.trim().split_once(' ').unwrap_or((command.trim(), ""));
            match verb {
                ">" => {
                    let (to, body) = rest.split_once(' ').unwrap();
                    ctx.tell(to, body.replace('+', ";")).unwrap();
                }
                "later" => drop(ctx.tell_after(Duration::from_millis(5), rest, "a timer's")),
                "in" | "every" => {
                    let (wait_ms, to) = rest.split_once(' ').unwrap();
                    let wait = Duration::from_millis(wait_ms.parse().unwrap());
                    let set = match verb {
                        "in" => ctx.tell_after(wait, to, "a timer's"),
                        _ => ctx.tell_every(wait, to, "a timer's"),
                    };
                    self.timers.lock().push(set.map_err(|error| Failure::Reject(error.to_string()))?);
                }
                "cancel" => {
                    let id = self.timers.lock()[rest.parse::<usize>().unwrap()];
                    ctx.cancel(id);
                }
                "answer" => ctx.reply("yes"),
                "all" => {
                    let (group, body) = rest.split_once(' ').unwrap();
                    let count = ctx.tell_all(group, body).await?;
                    ctx.reply(count.to_string());
                }
                "large" => ctx.reply(vec![0; (1 << 20) + 1]),
                "set" => {
                    let (key, value) = rest.split_once(' ').unwrap();
                    if let Err(error) = ctx.set_state(key, value).await {
                        return Err(Failure::Reject(error.to_string()));
                    }
                }
                "for" => {
                    let (ms, pair) = rest.split_once(' ').unwrap();
                    let (key, value) = pair.split_once(' ').unwrap();
                    ctx.set_state_for(key, value, Duration::from_millis(ms.parse().unwrap())).await?;
                }
                "unset" => ctx.delete_state(rest)?,
                "get" => {
                    let value = ctx.state_value(rest).await?;
                    ctx.reply(value.map_or_else(|| b"none".to_vec(), |value| value.to_vec()));
                }
                "keys" => {
                    let keys = ctx.state_keys(rest, None, 100).await?;
                    ctx.reply(keys.join(" "));
                }
                "ask" => drop(ctx.ask(rest, "answer", SOON).await),
                "slow" => tokio::time::sleep(Duration::from_millis(rest.parse().unwrap())).await,
                "hang" => std::future::pending().await,
                "retry" => return Err(Failure::Retry("not now".into())),
                "reject" => return Err(Failure::Reject("never".into())),
                "panic" => panic!("as told"),
                _ => {}
            }
        }
        Ok(())
    }
}

#[derive(Clone, Default)]
pub struct House {
    seen: Seen,
    ingress: Arc<Mutex<Option<Ingress>>>,
    /// The ids of all timers that messages set.
    pub timers: Arc<Mutex<Vec<u64>>>,
    pub store: MemoryStore,
}

pub fn addr(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// Numbers of messages that wait in order, from the first of each pair up to the second, which is not one of them.
pub fn in_order(ranges: &[(u64, u64)]) -> WaitingNumbers {
    WaitingNumbers { in_order: ranges.iter().map(|&(from, end)| from..end).collect(), held: Vec::new() }
}

impl House {
    pub fn actor(&self, address: &str, keep: Keep) -> ActorSpec {
        let house = self.clone();
        let code = NativeLauncher::new(move || Actor {
            seen: house.seen.clone(),
            timers: house.timers.clone(),
            ingress: house.ingress.clone(),
        });
        ActorSpec {
            mailbox: MailboxSpec { keep, ..MailboxSpec::default() },
            restart: RestartSpec {
                attempts: 3,
                backoff: Backoff { initial: Duration::from_millis(1), max: Duration::from_millis(1) },
                ..RestartSpec::default()
            },
            grants: ActorGrants { sends_to: ["/a", "/b", "/c", "/out"].map(addr).to_vec(), ..ActorGrants::default() },
            ..ActorSpec::new(addr(address), code)
        }
    }

    pub fn stored(&self, address: &str) -> ActorSpec {
        self.actor(address, Keep::Stored)
    }

    pub async fn open(&self, actors: Vec<ActorSpec>) -> Kernel {
        self.open_on(self.store.clone(), actors).await
    }

    pub async fn open_on(&self, store: impl Store, actors: Vec<ActorSpec>) -> Kernel {
        let kernel = Kernel::open(&Plan { actors, ..Plan::default() }, Arc::new(store)).await.unwrap();
        kernel.wait_booted().await;
        kernel
    }

    /// The id of an actor of the plan.
    pub fn id_of(&self, address: &str) -> ActorId {
        let mut ops =
            self.store.history().into_iter().flat_map(|group| group.entries.clone()).flat_map(|entry| entry.ops);
        let born = |op: Op| match op {
            Op::Born { actor, address: at } if at.as_str() == address => Some(actor),
            _ => None,
        };
        ops.find_map(born).unwrap()
    }

    /// The ingress of the actor that started last.
    pub fn ingress(&self) -> Ingress {
        self.ingress.lock().take().unwrap()
    }

    pub fn lines(&self) -> Vec<String> {
        self.seen.lock().iter().map(|(who, text, attempt)| format!("{who} {text} {attempt}")).collect()
    }

    /// The operations of the entries that have a message in them.
    pub fn entries(&self) -> Vec<String> {
        let words = |op: &Op| match op {
            Op::Put { messages, .. } => Some(format!("put {messages}")),
            Op::Take { numbers, .. } => Some(format!("take {numbers:?}")),
            Op::Hold { number, .. } => Some(format!("hold {number}")),
            Op::Letter(letter) => Some(format!("letter {}", letter.kind)),
            Op::Suspect { number, ends, in_process: true, .. } => Some(format!("suspect {number} {ends}")),
            Op::Suspect { number, ends, .. } => Some(format!("{number} ended {ends}")),
            Op::LetterGone { number } => Some(format!("letter {number} gone")),
            Op::Timer { timer, .. } => Some(format!("timer {}", timer.to)),
            Op::Cancel { .. } => Some("timer gone".to_owned()),
            _ => None,
        };
        let state = |op: &Op, bytes: &[u8]| {
            let text = |at: &std::ops::Range<usize>| String::from_utf8_lossy(&bytes[at.clone()]).into_owned();
            match op {
                Op::Set { key, value, .. } => Some(format!("{}={}", text(key), text(value))),
                Op::Unset { key, .. } => Some(format!("no {}", text(key))),
                Op::Expire { key, .. } => Some(format!("end of {}", text(key))),
                Op::Origin { position, .. } => Some(format!("from {}", text(position))),
                Op::OriginGone { position, .. } => Some(format!("no more from {}", text(position))),
                _ => None,
            }
        };
        let entries = self.store.history().into_iter().flat_map(|group| group.entries.clone());
        let lines = entries.map(|entry| {
            let ops = entry.ops.iter().filter_map(|op| words(op).or_else(|| state(op, &entry.bytes)));
            ops.collect::<Vec<_>>().join(", ")
        });
        lines.filter(|line| !line.is_empty()).collect()
    }
}

pub async fn tell(kernel: &Kernel, to: &str, body: &str) {
    kernel.tell(&addr(to), body.as_bytes(), SOON).await.unwrap();
}

pub async fn stop(kernel: &Kernel) {
    kernel.kill();
    kernel.wait_stopped().await;
}
