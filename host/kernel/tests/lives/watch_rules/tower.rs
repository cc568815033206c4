//! A play of watchers over several runs, which notes everything that they saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use parking_lot::Mutex;
use playhouse_kernel::{
    ActorGrants, ActorSpec, Address, Backoff, Bounds, Change, Config, Failure, JournalGroup, Keep, Kernel, MailboxSpec,
    MemoryStore, Message, NativeActor, NativeContext, NativeLauncher, NativeResult, Notice, Op, Plan, RestartKind,
    RestartSpec, Store, Template,
};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use crate::house::{SOON, addr, stop, tell};

/// The actors of a play over several runs, and everything that they saw.
#[derive(Clone, Default)]
pub(super) struct Tower {
    pub(super) store: MemoryStore,
    pub(super) notices: Arc<Mutex<Vec<String>>>,
    /// The ids of all watches, and refusals.
    pub(super) watches: Arc<Mutex<Vec<u64>>>,
    pub(super) refused: Arc<Mutex<Vec<String>>>,
    /// Addresses of actors that started.
    pub(super) started: Arc<Mutex<Vec<String>>>,
    /// Whether the watchers watch `/near` in each of their `init`s.
    pub(super) watches_in_init: Arc<AtomicBool>,
    /// Whether `noticed` crashes.
    pub(super) is_upset: Arc<AtomicBool>,
    /// Whether `hang`, and `noticed`, hang.
    pub(super) hangs: Arc<AtomicBool>,
}

/// Does what a message says: `watch /b`, `unwatch 0` of the first watch, `spawn k kid` and `stop k`, `> k text` with each `+` as a `;`, `reject`, `hang`, and `panic` at the first attempt.
pub(super) struct Guard(pub(super) Tower);

impl NativeActor for Guard {
    const WATCHES: bool = true;

    async fn init(&mut self, ctx: &mut NativeContext) -> NativeResult {
        self.0.started.lock().push(ctx.address().to_string());
        if self.0.watches_in_init.load(Ordering::Relaxed) && ctx.address().as_str() == "/a" {
            ctx.watch("/near").map_err(|error| Failure::Reject(error.to_string()))?;
        }
        Ok(())
    }

    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let text = String::from_utf8(msg.body).unwrap();
        for command in text.split(';') {
            let (verb, rest) = command.trim().split_once(' ').unwrap_or((command.trim(), ""));
            match verb {
                "watch" => match ctx.watch(rest) {
                    Ok(id) => self.0.watches.lock().push(id),
                    Err(error) => self.0.refused.lock().push(error.to_string()),
                },
                "unwatch" => {
                    let id = self.0.watches.lock()[rest.parse::<usize>().unwrap()];
                    ctx.unwatch(id);
                }
                "spawn" => {
                    let (name, plugin) = rest.split_once(' ').unwrap();
                    ctx.spawn(name, plugin, Config::new()).map_err(|error| Failure::Reject(error.to_string()))?;
                }
                "stop" => ctx.stop_child(rest).map_err(|error| Failure::Reject(error.to_string()))?,
                ">" => {
                    let (to, body) = rest.split_once(' ').unwrap();
                    ctx.tell(to, body.replace('+', ";")).map_err(|error| Failure::Reject(error.to_string()))?;
                }
                "hang" if self.0.hangs.load(Ordering::Relaxed) => std::future::pending().await,
                "reject" => return Err(Failure::Reject("as told".into())),
                "panic" if msg.envelope.attempt == 0 => panic!("as told"),
                _ => {}
            }
        }
        Ok(())
    }

    async fn noticed(&mut self, notice: Notice, _: &mut NativeContext) -> NativeResult {
        if self.0.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let change = match notice.change {
            Change::Crashed(kind, _) => format!("crashed {kind}"),
            Change::Stopped { by_operator: true } => "halted".to_owned(),
            change => format!("{change:?}").split(' ').next().unwrap_or_default().to_lowercase(),
        };
        // Watches of incarnations have small numbers.
        let unstored = if notice.watch < 1 << 52 { " unstored" } else { "" };
        self.0.notices.lock().push(format!("{} {change}{unstored}", notice.address));
        assert!(!self.0.is_upset.swap(false, Ordering::Relaxed), "as told");
        Ok(())
    }
}

/// As a [`Guard`] that takes no notices.
pub(super) struct Blind(pub(super) Guard);

impl NativeActor for Blind {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        self.0.0.notices.lock().push("a message".to_owned());
        self.0.msg_handler(msg, ctx).await
    }
}

/// The template of a plugin.
struct Plugin(Tower, Keep, RestartKind);

impl Template for Plugin {
    fn spec(&self, address: Address, _: Config, _: Bounds) -> ActorSpec {
        let mut spec = self.0.actor(address.as_str(), self.1);
        spec.restart.kind = self.2;
        spec
    }

    fn recursive(&self) -> bool {
        true
    }
}

impl Tower {
    pub(super) fn actor(&self, address: &str, keep: Keep) -> ActorSpec {
        let tower = self.clone();
        ActorSpec {
            mailbox: MailboxSpec { keep, ..MailboxSpec::default() },
            restart: RestartSpec {
                attempts: 2,
                backoff: Backoff { initial: SOON / 100, max: SOON / 100 },
                ..RestartSpec::default()
            },
            grants: ActorGrants {
                sends_to: ["/a", "/near", "/stored", "/nobody"].map(addr).to_vec(),
                spawns: ["kid", "passing", "brief"].map(str::to_owned).to_vec(),
                ..ActorGrants::default()
            },
            ..ActorSpec::new(addr(address), NativeLauncher::new(move || Guard(tower.clone())))
        }
    }

    /// The watcher `/a` and `/stored` are stored, and `/near` is not.
    pub(super) fn actors(&self) -> Vec<ActorSpec> {
        let actors = [("/near", Keep::Memory), ("/stored", Keep::Stored), ("/a", Keep::Stored)];
        actors.map(|(address, keep)| self.actor(address, keep)).to_vec()
    }

    pub(super) fn plan(&self, actors: Vec<ActorSpec>) -> Plan {
        let mut plan = Plan { actors, ..Plan::default() };
        let plugin = |keep, kind| Arc::new(Plugin(self.clone(), keep, kind)) as Arc<dyn Template>;
        plan.plugins.insert("kid".to_owned(), plugin(Keep::Stored, RestartKind::Permanent));
        plan.plugins.insert("passing".to_owned(), plugin(Keep::Memory, RestartKind::Permanent));
        plan.plugins.insert("brief".to_owned(), plugin(Keep::Stored, RestartKind::Temporary));
        plan
    }

    pub(super) async fn open(&self) -> Kernel {
        self.open_with(self.actors()).await
    }

    pub(super) async fn open_with(&self, actors: Vec<ActorSpec>) -> Kernel {
        self.open_on(self.store.clone(), actors).await
    }

    pub(super) async fn open_on(&self, store: impl Store, actors: Vec<ActorSpec>) -> Kernel {
        let kernel = Kernel::open(&self.plan(actors), Arc::new(store)).await.unwrap();
        kernel.wait_booted().await;
        kernel
    }

    /// A life of a host that dies when nothing is to do any more.
    pub(super) fn dies_after(&self, messages: &[(&str, &str)]) {
        self.dies_with(self.actors(), messages);
    }

    pub(super) fn dies_with(&self, actors: Vec<ActorSpec>, messages: &[(&str, &str)]) {
        runtime().block_on(async {
            let kernel = self.open_with(actors).await;
            for (to, body) in messages {
                tell(&kernel, to, body).await;
                sleep(SOON).await;
            }
        });
    }

    /// A life of a host that ends in order when nothing is to do any more. Returns its dead letters.
    pub(super) fn goes_on(&self) -> Vec<String> {
        self.goes_on_with(self.actors(), &[])
    }

    pub(super) fn goes_on_with(&self, actors: Vec<ActorSpec>, messages: &[(&str, &str)]) -> Vec<String> {
        runtime().block_on(async {
            let kernel = self.open_with(actors).await;
            sleep(SOON).await;
            for (to, body) in messages {
                tell(&kernel, to, body).await;
                sleep(SOON).await;
            }
            stop(&kernel).await;
            kernel.dead_letters().iter().map(|letter| format!("{} {}", letter.to, letter.reason.kind())).collect()
        })
    }

    pub(super) fn notices(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices.lock())
    }

    /// The number of watches in the store.
    pub(super) fn kept(&self) -> usize {
        let kept = self.store.origins("watch", b"", 100).now_or_never().unwrap().unwrap();
        kept.iter().filter(|origin| origin.position[8..] != [0; 8]).count()
    }

    /// The notices that the store ever had: the address, and the change.
    pub(super) fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        for entry in self.store.history().iter().flat_map(|group| &group.entries) {
            for op in &entry.ops {
                let Op::Put { records, .. } = op else { continue };
                let text = String::from_utf8_lossy(&entry.bytes[records.clone()]).into_owned();
                // The ids of watches begin so.
                let notices = text.split("\n4503").skip(1);
                told.extend(notices.map(|notice| {
                    let fields: Vec<_> = notice.split('\n').collect();
                    format!("{} {}", fields[1], [fields[3], fields[4]].join(" ").trim_end())
                }));
            }
        }
        told
    }

    /// This play with the first `entries` entries of its only life, as if the host had died then.
    pub(super) fn cut(&self, entries: usize) -> Self {
        let cut = Self { store: MemoryStore::new(), ..Self::default() };
        cut.store.open().now_or_never().unwrap().unwrap();
        let kept: Vec<_> = self.store.history().iter().flat_map(|group| group.entries.clone()).take(entries).collect();
        let group = JournalGroup { boot: 1, first: 1, entries: kept };
        cut.store.write(Arc::new(group)).now_or_never().unwrap().unwrap();
        cut
    }
}

pub(super) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}
