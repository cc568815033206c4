//! The promises about watches of stored actors, each in a small play.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use parking_lot::Mutex;
use playhouse_kernel::{
    ActorGrants, ActorSpec, Address, Backoff, Bounds, Change, Config, Failure, FamilySpec, Fault, FaultyStore,
    JournalEntry, JournalGroup, Keep, Kernel, MailboxSpec, MemoryStore, Message, NativeActor, NativeContext,
    NativeLauncher, NativeResult, Notice, Op, Overflow, Plan, RestartKind, RestartSpec, State, Store, Template,
};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use crate::house::{SOON, WRITE, addr, stop, tell};

/// The actors of a play over several runs, and everything that they saw.
#[derive(Clone, Default)]
struct Tower {
    store: MemoryStore,
    notices: Arc<Mutex<Vec<String>>>,
    /// The ids of all watches, and refusals.
    watches: Arc<Mutex<Vec<u64>>>,
    refused: Arc<Mutex<Vec<String>>>,
    /// Addresses of actors that started.
    started: Arc<Mutex<Vec<String>>>,
    /// Whether the watchers watch `/near` in each of their `init`s.
    watches_in_init: Arc<AtomicBool>,
    /// Whether `noticed` crashes.
    is_upset: Arc<AtomicBool>,
    /// Whether `hang`, and `noticed`, hang.
    hangs: Arc<AtomicBool>,
}

/// Does what a message says: `watch /b`, `unwatch 0` of the first watch, `spawn k kid` and `stop k`, `> k text` with each `+` as a `;`, `reject`, `hang`, and `panic` at the first attempt.
struct Guard(Tower);

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
struct Blind(Guard);

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
    fn actor(&self, address: &str, keep: Keep) -> ActorSpec {
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
    fn actors(&self) -> Vec<ActorSpec> {
        let actors = [("/near", Keep::Memory), ("/stored", Keep::Stored), ("/a", Keep::Stored)];
        actors.map(|(address, keep)| self.actor(address, keep)).to_vec()
    }

    fn plan(&self, actors: Vec<ActorSpec>) -> Plan {
        let mut plan = Plan { actors, ..Plan::default() };
        let plugin = |keep, kind| Arc::new(Plugin(self.clone(), keep, kind)) as Arc<dyn Template>;
        plan.plugins.insert("kid".to_owned(), plugin(Keep::Stored, RestartKind::Permanent));
        plan.plugins.insert("passing".to_owned(), plugin(Keep::Memory, RestartKind::Permanent));
        plan.plugins.insert("brief".to_owned(), plugin(Keep::Stored, RestartKind::Temporary));
        plan
    }

    async fn open(&self) -> Kernel {
        self.open_with(self.actors()).await
    }

    async fn open_with(&self, actors: Vec<ActorSpec>) -> Kernel {
        self.open_on(self.store.clone(), actors).await
    }

    async fn open_on(&self, store: impl Store, actors: Vec<ActorSpec>) -> Kernel {
        let kernel = Kernel::open(&self.plan(actors), Arc::new(store)).await.unwrap();
        kernel.wait_booted().await;
        kernel
    }

    /// A life of a host that dies when nothing is to do any more.
    fn dies_after(&self, messages: &[(&str, &str)]) {
        self.dies_with(self.actors(), messages);
    }

    fn dies_with(&self, actors: Vec<ActorSpec>, messages: &[(&str, &str)]) {
        runtime().block_on(async {
            let kernel = self.open_with(actors).await;
            for (to, body) in messages {
                tell(&kernel, to, body).await;
                sleep(SOON).await;
            }
        });
    }

    /// A life of a host that ends in order when nothing is to do any more. Returns its dead letters.
    fn goes_on(&self) -> Vec<String> {
        self.goes_on_with(self.actors(), &[])
    }

    fn goes_on_with(&self, actors: Vec<ActorSpec>, messages: &[(&str, &str)]) -> Vec<String> {
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

    fn notices(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices.lock())
    }

    /// The number of watches in the store.
    fn kept(&self) -> usize {
        let kept = self.store.origins("watch", b"", 100).now_or_never().unwrap().unwrap();
        kept.iter().filter(|origin| origin.position[8..] != [0; 8]).count()
    }

    /// The notices that the store ever had: the address, and the change.
    fn told(&self) -> Vec<String> {
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
    fn cut(&self, entries: usize) -> Self {
        let cut = Self { store: MemoryStore::new(), ..Self::default() };
        cut.store.open().now_or_never().unwrap().unwrap();
        let kept: Vec<_> = self.store.history().iter().flat_map(|group| group.entries.clone()).take(entries).collect();
        let group = JournalGroup { boot: 1, first: 1, entries: kept };
        cut.store.write(Arc::new(group)).now_or_never().unwrap().unwrap();
        cut
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// An actor in memory that does not run any more.
const LOST: &str = "/near crashed host-died";

#[test]
fn watcher_is_told_of_an_actor_that_was_lost_with_the_host() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "watch /near")]);
    assert_eq!(tower.notices(), [""; 0]);
    assert_eq!(tower.goes_on(), [""; 0]);
    assert_eq!(tower.notices(), [LOST, "/near started"], "it is lost, and the plan starts it again");
    assert_eq!(tower.kept(), 1);
}

#[test]
fn notice_of_a_loss_comes_once_over_all_lives() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "watch /near")]);
    let hangs = &tower.hangs;
    hangs.store(true, Ordering::Relaxed);
    tower.dies_after(&[]);
    hangs.store(false, Ordering::Relaxed);
    assert_eq!(tower.told(), [LOST, "/near started"]);
    tower.goes_on();
    // The life in which it hung has ended, too.
    assert_eq!(tower.told(), [LOST, "/near started", LOST, "/near started"]);
    assert_eq!(tower.notices(), [LOST, "/near started", LOST, "/near started"]);
}

#[test]
fn orderly_end_of_the_host_stops_an_actor_in_memory() {
    let tower = Tower::default();
    tower.goes_on_with(tower.actors(), &[("/a", "watch /near")]);
    tower.goes_on();
    assert_eq!(tower.told()[..2], ["/near stopped", "/near started"]);
}

#[test]
fn stored_actor_is_not_lost_with_the_host() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "watch /stored")]);
    tower.goes_on();
    tower.dies_after(&[("/stored", "panic")]);
    assert_eq!(tower.notices(), ["/stored crashed panic", "/stored started"]);
    tower.goes_on();
    assert_eq!(tower.told().len(), 2, "the ends of its host are none of its own");
}

#[test]
fn spawned_actor_in_memory_is_lost_and_gone() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "spawn p passing; watch p")]);
    tower.goes_on();
    assert_eq!(tower.notices(), ["/a/p started", "/a/p crashed host-died", "/a/p gone"]);
    tower.goes_on();
    assert_eq!((tower.told().len(), tower.kept()), (3, 0));
}

#[test]
fn actor_that_is_gone_from_the_manifest_is_gone() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "watch /stored")]);
    let without = || tower.actors().into_iter().filter(|spec| spec.address != addr("/stored")).collect::<Vec<_>>();
    tower.goes_on_with(without(), &[]);
    tower.goes_on_with(without(), &[]);
    assert_eq!((tower.notices(), tower.kept()), (vec!["/stored gone".to_owned()], 0));
}

#[test]
fn watch_outlives_a_crash_of_its_actor_and_its_passivation() {
    let tower = Tower::default();
    let mut actors = tower.actors();
    actors[2].idle_stop = Some(SOON / 10);
    runtime().block_on(async {
        let kernel = tower.open_with(actors).await;
        tell(&kernel, "/a", "watch /near").await;
        tell(&kernel, "/a", "panic").await;
        sleep(10 * SOON).await;
        let state = kernel.actors().await.iter().find(|view| view.address == addr("/a")).map(|view| view.state);
        assert_eq!(state, Some(State::Passivated), "a watch keeps no instance alive");
        tell(&kernel, "/near", "panic").await;
        sleep(SOON).await;
    });
    assert_eq!(tower.notices(), ["/near crashed panic", "/near started"]);
}

/// The incarnation that set the watch, and not one after it.
#[test]
fn watch_of_the_actor_does_not_keep_the_incarnation_that_set_it() {
    let tower = Tower::default();
    let mut actors = tower.actors();
    actors[2].idle_stop = Some(SOON / 10);
    runtime().block_on(async {
        let kernel = tower.open_with(actors).await;
        tell(&kernel, "/a", "watch /near").await;
        sleep(10 * SOON).await;
        let state = kernel.actors().await.iter().find(|view| view.address == addr("/a")).map(|view| view.state);
        assert_eq!(state, Some(State::Passivated));
        tell(&kernel, "/near", "panic").await;
        sleep(SOON).await;
    });
    assert_eq!(tower.notices(), ["/near crashed panic", "/near started"]);
    assert_eq!(tower.started.lock().iter().filter(|started| *started == "/a").count(), 2);
}

#[test]
fn notice_is_handled_again_after_a_crash_and_after_the_host() {
    let tower = Tower::default();
    tower.is_upset.store(true, Ordering::Relaxed);
    tower.dies_after(&[("/a", "watch /nobody")]);
    assert_eq!(tower.notices(), ["/nobody gone", "/nobody gone"], "the second attempt");
    tower.hangs.store(true, Ordering::Relaxed);
    tower.dies_after(&[("/a", "watch /nobody")]);
    tower.hangs.store(false, Ordering::Relaxed);
    assert_eq!(tower.notices(), [""; 0]);
    assert_eq!(tower.goes_on(), [""; 0]);
    assert_eq!((tower.notices(), tower.told().len()), (vec!["/nobody gone".to_owned()], 2));
}

#[test]
fn stored_child_that_its_parent_stops_is_gone_once() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "spawn k kid; watch k"), ("/a", "stop k")]);
    let entries: usize = tower.store.history().iter().map(|group| group.entries.len()).sum();
    for cut in 1..=entries {
        let cut_off = tower.cut(cut);
        cut_off.goes_on();
        cut_off.goes_on();
        let is_watched = cut_off.kept() > 0;
        let told = cut_off.told();
        let count = |change: &str| told.iter().filter(|notice| notice.ends_with(change)).count();
        let (gone, started) = (count("gone"), count("started"));
        assert!(gone + usize::from(is_watched) <= 1, "{cut} of {entries}: {told:?}");
        assert!(started <= 1 && told.len() == gone + started, "{cut} of {entries}: {told:?}");
        if cut == entries {
            assert_eq!(gone, 1);
        }
    }
}

#[test]
fn stored_child_that_ends_by_itself_is_gone_once() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "spawn k brief; watch k"), ("/a", "> k panic"), ("/a", "> k panic")]);
    let entries: usize = tower.store.history().iter().map(|group| group.entries.len()).sum();
    for cut in 1..=entries {
        let cut_off = tower.cut(cut);
        cut_off.goes_on();
        cut_off.goes_on();
        let told = cut_off.told();
        let gone = told.iter().filter(|notice| *notice == "/a/k gone").count();
        let actors = cut_off.store.open().now_or_never().unwrap().unwrap().actors;
        let is_there = actors.iter().any(|known| known.address == addr("/a/k") && !known.leaves);
        assert!(gone + usize::from(is_there) <= 1, "{cut} of {entries}: {told:?}");
        assert_eq!(
            gone == 0,
            cut_off.kept() > 0 || cut_off.watches.lock().is_empty() && told.is_empty(),
            "{cut} of {entries}: {told:?}"
        );
    }
}

#[test]
fn halt_is_told_once_wherever_the_host_dies() {
    let tower = Tower::default();
    runtime().block_on(async {
        let kernel = tower.open().await;
        tell(&kernel, "/a", "watch /near; watch /stored").await;
        sleep(SOON).await;
        kernel.halt(&addr("/near")).await;
        kernel.halt(&addr("/stored")).await;
        sleep(SOON).await;
    });
    assert_eq!(tower.notices(), ["/near halted", "/stored halted"]);
    let history = tower.store.history();
    let is_order = |entry: &JournalEntry| entry.ops.iter().any(|op| matches!(op, Op::Halted { .. }));
    let entries: Vec<_> = history.iter().flat_map(|group| &group.entries).collect();
    let after_orders = entries.iter().rposition(|entry| is_order(entry)).unwrap() + 1;
    for cut in after_orders..=entries.len() {
        let cut_off = tower.cut(cut);
        cut_off.goes_on();
        let mut told = cut_off.told();
        told.sort();
        assert_eq!(told, ["/near stopped operator", "/stored stopped operator"], "{cut}");
    }
}

#[test]
fn watch_is_a_part_of_its_turn() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "watch /near; reject"), ("/a", "watch /near; watch /stored; unwatch 1")]);
    assert_eq!(tower.kept(), 1);
    tower.dies_after(&[("/a", "unwatch 2")]);
    assert_eq!(tower.kept(), 0);
    tower.goes_on();
    assert_eq!(tower.told(), [""; 0]);
}

#[test]
fn id_of_a_watch_is_not_given_again_by_a_later_run() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "watch /nobody"), ("/a", "watch /nobody")]);
    tower.dies_after(&[("/a", "watch /nobody")]);
    let ids = tower.watches.lock().clone();
    assert!(ids.is_sorted() && ids[0] < ids[1] && ids[1] < ids[2], "{ids:?}");
}

#[test]
fn limit_counts_the_watches_of_earlier_runs() {
    let tower = Tower::default();
    let actors = || {
        let mut actors = tower.actors();
        actors[2].limits.max_watches = 1;
        actors
    };
    tower.dies_with(actors(), &[("/a", "watch /stored")]);
    tower.dies_with(actors(), &[("/a", "watch /near")]);
    assert_eq!(tower.refused.lock().len(), 1);
    tower.dies_with(actors(), &[("/a", "unwatch 0"), ("/a", "watch /near")]);
    assert_eq!((tower.refused.lock().len(), tower.kept()), (1, 1));
}

#[test]
fn watch_of_init_ends_with_its_incarnation() {
    let tower = Tower::default();
    tower.watches_in_init.store(true, Ordering::Relaxed);
    tower.dies_after(&[("/a", "panic"), ("/near", "panic")]);
    assert_eq!(tower.notices(), ["/near crashed panic unstored", "/near started unstored"], "once");
    assert_eq!(tower.kept(), 0);
}

#[test]
fn notice_without_space_is_a_letter() {
    let tower = Tower::default();
    let mut actors = tower.actors();
    actors[2].mailbox.capacity = 1;
    actors[2].mailbox.overflow = Overflow::Reject;
    tower.hangs.store(true, Ordering::Relaxed);
    tower.dies_with(actors, &[("/a", "watch /nobody; watch /nobody; watch /nobody; hang")]);
    tower.hangs.store(false, Ordering::Relaxed);
    assert_eq!(tower.kept(), 0, "a crash of this turn keeps none");
    let mut actors = tower.actors();
    actors[2].mailbox.capacity = 1;
    actors[2].mailbox.overflow = Overflow::Reject;
    let letters = tower.goes_on_with(actors, &[]);
    let full = letters.iter().filter(|letter| *letter == "/a mailbox-full").count();
    assert_eq!((tower.told().len() + full, tower.kept()), (3, 0), "{letters:?}");
    assert!(full > 0);
}

#[test]
fn watches_of_a_child_end_with_it() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "spawn k kid; > k watch /near; > k watch /a")]);
    assert_eq!(tower.kept(), 2);
    tower.dies_after(&[("/a", "stop k")]);
    assert_eq!(tower.kept(), 0);
}

#[test]
fn actor_at_the_edge_gets_a_notice_when_it_is_durable() {
    let tower = Tower::default();
    let mut actors = tower.actors();
    actors[2].reaches_outside = true;
    runtime().block_on(async {
        let slow = FaultyStore::new(tower.store.clone(), vec![Some(Fault::Slow(WRITE)); 50]);
        let kernel = tower.open_on(slow, actors).await;
        tell(&kernel, "/a", "watch /near").await;
        sleep(10 * WRITE).await;
        tell(&kernel, "/near", "panic").await;
        sleep(WRITE / 2).await;
        assert_eq!(tower.notices(), [""; 0]);
        sleep(10 * WRITE).await;
        assert_eq!(tower.notices(), ["/near crashed panic", "/near started"]);
    });
}

#[test]
fn watcher_that_ended_is_told_when_it_is_revived() {
    let tower = Tower::default();
    let mut eye = tower.actor("/boss/eye", Keep::Stored);
    eye.restart.kind = RestartKind::Temporary;
    eye.grants.sends_to.push(addr("/a/k"));
    let boss = tower.actor("/boss", Keep::Stored);
    let actors: Vec<_> = tower.actors().into_iter().chain([boss, eye]).collect();
    runtime().block_on(async {
        let kernel = tower.open_with(actors).await;
        tell(&kernel, "/a", "spawn k kid").await;
        sleep(SOON).await;
        tell(&kernel, "/boss/eye", "watch /a/k").await;
        tell(&kernel, "/boss/eye", "panic").await;
        sleep(SOON).await;
        tell(&kernel, "/a", "stop k").await;
        sleep(SOON).await;
        assert_eq!((tower.notices(), tower.kept()), (Vec::new(), 1), "its mailbox is closed");
        tell(&kernel, "/boss", "panic").await;
        sleep(SOON).await;
        assert_eq!((tower.notices(), tower.kept()), (vec!["/a/k gone".to_owned()], 0));
    });
}

#[test]
fn watcher_that_was_gone_from_the_manifest_is_told_later() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "watch /near")]);
    let without = tower.actors().into_iter().filter(|spec| spec.address != addr("/a")).collect();
    tower.goes_on_with(without, &[]);
    assert_eq!((tower.notices(), tower.kept()), (Vec::new(), 1));
    tower.dies_after(&[]);
    assert_eq!(tower.notices(), ["/near stopped", "/near started"], "the last life ended in order");
}

#[test]
fn notices_that_wait_for_a_child_end_with_it() {
    let tower = Tower::default();
    runtime().block_on(async {
        let kernel = tower.open().await;
        tell(&kernel, "/a", "spawn k kid; > k watch /near").await;
        sleep(SOON).await;
        tower.hangs.store(true, Ordering::Relaxed);
        tell(&kernel, "/near", "panic").await;
        sleep(SOON).await;
        tell(&kernel, "/a", "stop k").await;
        sleep(1000 * SOON).await;
        let letters = kernel.dead_letters();
        assert!(letters.iter().all(|letter| letter.to == addr("/a/k")) && letters.len() == 2, "{letters:?}");
        assert_eq!(kernel.store_failure(), None);
    });
    let actors = tower.store.open().now_or_never().unwrap().unwrap().actors;
    assert!(actors.iter().all(|known| known.address != addr("/a/k")), "{actors:?}");
}

#[test]
fn spawned_watcher_and_its_target_go_in_any_order() {
    let tower = Tower::default();
    tower.dies_after(&[
        ("/a", "spawn k kid; spawn p passing; > k watch /a; watch k; watch p"),
        ("/a", "stop p; stop k"),
    ]);
    let entries: usize = tower.store.history().iter().map(|group| group.entries.len()).sum();
    for cut in 1..=entries {
        let cut_off = tower.cut(cut);
        cut_off.goes_on();
        cut_off.goes_on();
        let told = cut_off.told();
        for child in ["/a/k gone", "/a/p gone"] {
            assert!(told.iter().filter(|notice| *notice == child).count() <= 1, "{cut} of {entries}: {told:?}");
        }
        let of_parent = told.iter().filter(|notice| notice.starts_with("/a "));
        assert!(of_parent.into_iter().all(|notice| notice == "/a started"), "{cut} of {entries}: {told:?}");
    }
    tower.goes_on();
    assert_eq!(tower.kept(), 0);
}

#[test]
fn watches_and_notices_go_with_code_that_takes_none() {
    let tower = Tower::default();
    tower.hangs.store(true, Ordering::Relaxed);
    tower.dies_after(&[("/a", "watch /stored; watch /nobody; watch /nobody")]);
    tower.hangs.store(false, Ordering::Relaxed);
    assert_eq!((tower.kept(), tower.told().len()), (1, 2));
    let mut actors = tower.actors();
    let blind = tower.clone();
    actors[2].code = ActorSpec::new(addr("/a"), NativeLauncher::new(move || Blind(Guard(blind.clone())))).code;
    assert_eq!(tower.goes_on_with(actors, &[]), [""; 0], "no letters");
    assert_eq!((tower.notices(), tower.kept()), (Vec::new(), 0));
    let waiting: u64 =
        tower.store.open().now_or_never().unwrap().unwrap().actors.iter().map(|known| known.waiting).sum();
    assert_eq!(waiting, 0);
}

/// A member may be in the store alone, where nothing can be told to it, and nothing is known of it.
#[test]
fn watches_by_members_and_of_members_end_with_the_incarnation() {
    let tower = Tower::default();
    let mut actors = tower.actors();
    actors[2].grants.sends_below = vec![addr("/user")];
    let family = FamilySpec::new(10, 100).created_by(addr("/"), 1_000);
    actors.push(ActorSpec {
        family: Some(Arc::new(family)),
        idle_stop: Some(SOON),
        ..tower.actor("/user", Keep::Stored)
    });
    let messages = [("/user/1", "watch /stored"), ("/user/2", "watch /near"), ("/a", "watch /user/1")];
    tower.dies_with(actors.clone(), &messages);
    assert_eq!((tower.refused.lock().clone(), tower.kept()), (Vec::<String>::new(), 0));
    tower.goes_on_with(actors, &[]);
    assert_eq!(tower.kept(), 0);
}
