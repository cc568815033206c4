//! The promises about stored children of stored actors, each in a small play.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_kernel::{
    ActorGrants, ActorSpec, Address, Backoff, Bounds, Config, Failure, Fault, FaultyStore, Keep, Kernel, MailboxSpec,
    MemoryStore, Message, NativeActor, NativeContext, NativeLauncher, NativeResult, Op, Plan, PlanError, RestartKind,
    RestartSpec, State, Store, Template,
};
use tokio::time::sleep;

use crate::house::{SOON, addr, stop, tell};

/// The actors of a play over several runs, and everything that they saw.
#[derive(Clone, Default)]
struct Family {
    store: MemoryStore,
    /// Address, body and attempt of each message.
    seen: Arc<Mutex<Vec<String>>>,
    /// Addresses of actors that started, and what they learnt otherwise.
    notes: Arc<Mutex<Vec<String>>>,
    /// Whether `hang` hangs.
    hangs: Arc<AtomicBool>,
    /// Whether `/a` spawns `k` in each of its `init`s.
    spawns_in_init: Arc<AtomicBool>,
}

/// Does what a message says: `spawn k kid` and `stop k`, `> k text` with each `+` as a `;`, `set k v`, `get k` notes a value, `in 100 k` sets a timer, `colour` notes its config, `hang` hangs as long as it may, `panic`, `retry` and `exit` end badly or well.
struct Member {
    family: Family,
    colour: String,
}

impl NativeActor for Member {
    async fn init(&mut self, ctx: &mut NativeContext) -> NativeResult {
        self.family.note(format!("{} starts", ctx.address()));
        if ctx.address().as_str() == "/a" && self.family.spawns_in_init.load(Ordering::Relaxed) {
            ctx.spawn("k", "kid", Config::new()).map_err(|error| Failure::Reject(error.to_string()))?;
        }
        Ok(())
    }

    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let text = String::from_utf8(msg.body).unwrap();
        self.family.seen.lock().push(format!("{} {text} {}", ctx.address(), msg.envelope.attempt));
        for command in text.split(';') {
            let (verb, rest) = command.trim().split_once(' ').unwrap_or((command.trim(), ""));
            let (first, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            match verb {
                "spawn" => {
                    let colour = Config::from([("colour".to_owned(), "red".to_owned())]);
                    if let Err(error) = ctx.spawn(first, rest, colour) {
                        self.family.note(error.to_string());
                    }
                }
                "stop" => ctx.stop_child(first).map_err(|error| Failure::Reject(error.to_string()))?,
                ">" => ctx.tell(first, rest.replace('+', ";")).map_err(|error| Failure::Reject(error.to_string()))?,
                "set" => ctx.set_state(first, rest).await?,
                "get" => {
                    let value = ctx.state_value(first).await?;
                    self.family
                        .note(value.map_or("none".to_owned(), |value| String::from_utf8_lossy(&value).into_owned()));
                }
                "in" => {
                    let wait = Duration::from_millis(first.parse().unwrap());
                    ctx.tell_after(wait, rest, "a timer's").map_err(|error| Failure::Reject(error.to_string()))?;
                }
                "colour" => self.family.note(self.colour.clone()),
                "children" => self.family.note(ctx.children().join(" ")),
                "hang" if self.family.hangs.load(Ordering::Relaxed) => std::future::pending().await,
                "panic" => panic!("as told"),
                "retry" => return Err(Failure::Retry("not now".into())),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The template of a plugin.
struct Plugin {
    family: Family,
    keep: Keep,
    change: fn(&mut ActorSpec),
}

impl Template for Plugin {
    fn spec(&self, address: Address, config: Config, _: Bounds) -> ActorSpec {
        let colour = config.get("colour").cloned().unwrap_or_default();
        let mut spec = self.family.member(address.as_str(), self.keep, colour);
        (self.change)(&mut spec);
        spec
    }

    fn recursive(&self) -> bool {
        true
    }
}

impl Family {
    fn note(&self, what: String) {
        self.notes.lock().push(what);
    }

    fn notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock())
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock())
    }

    fn member(&self, address: &str, keep: Keep, colour: String) -> ActorSpec {
        let family = self.clone();
        let code = NativeLauncher::new(move || Member { family: family.clone(), colour: colour.clone() });
        ActorSpec {
            mailbox: MailboxSpec { keep, ..MailboxSpec::default() },
            state: (keep == Keep::Stored).then(Box::default),
            restart: RestartSpec {
                attempts: 3,
                backoff: Backoff { initial: SOON / 100, max: SOON / 100 },
                ..RestartSpec::default()
            },
            grants: ActorGrants {
                spawns: ["kid", "passing", "brief"].map(str::to_owned).to_vec(),
                ..ActorGrants::default()
            },
            ..ActorSpec::new(addr(address), code)
        }
    }

    fn plugin(&self, keep: Keep, change: fn(&mut ActorSpec)) -> Arc<dyn Template> {
        Arc::new(Plugin { family: self.clone(), keep, change })
    }

    /// `/a` is stored and `/memory` is not; `kid` and `brief` are stored, `passing` is not, and a `brief` is not restarted.
    fn plan(&self) -> Plan {
        let actors = [("/a", Keep::Stored), ("/memory", Keep::Memory)];
        let actors = actors.map(|(address, keep)| self.member(address, keep, String::new()));
        let mut plan = Plan { actors: actors.to_vec(), ..Plan::default() };
        let brief = self.plugin(Keep::Stored, |spec| spec.restart.kind = RestartKind::Temporary);
        plan.plugins.insert("kid".to_owned(), self.plugin(Keep::Stored, |_| {}));
        plan.plugins.insert("passing".to_owned(), self.plugin(Keep::Memory, |_| {}));
        plan.plugins.insert("brief".to_owned(), brief);
        plan
    }

    async fn open(&self) -> Kernel {
        self.open_plan(&self.plan()).await
    }

    async fn open_plan(&self, plan: &Plan) -> Kernel {
        let kernel = Kernel::open(plan, Arc::new(self.store.clone())).await.unwrap();
        kernel.wait_booted().await;
        kernel
    }

    /// Tells `/a` this, waits until nothing is to do, and ends the host at once.
    async fn after(&self, message: &str) {
        let kernel = self.open().await;
        tell(&kernel, "/a", message).await;
        kernel.wait_idle().await;
        stop(&kernel).await;
    }

    /// Tells `/a` this, and ends the host while a `hang` hangs.
    async fn cut_off(&self, message: &str) {
        self.hangs.store(true, Ordering::Relaxed);
        let kernel = self.open().await;
        tell(&kernel, "/a", message).await;
        sleep(SOON / 2).await;
        stop(&kernel).await;
        self.hangs.store(false, Ordering::Relaxed);
    }

    /// The addresses of the actors in the store.
    async fn known(&self) -> Vec<String> {
        let actors = self.store.open().await.unwrap().actors;
        let names =
            actors.iter().map(|actor| format!("{}{}", actor.address, if actor.leaves { " leaves" } else { "" }));
        names.filter(|name| name != "/memory").collect()
    }

    /// The entries in which children come and go, beside messages.
    fn entries(&self) -> Vec<String> {
        let words = |op: &Op| match op {
            Op::Spawned { address, .. } => Some(format!("spawn {address}")),
            Op::Leaves { .. } => Some("leaves".to_owned()),
            Op::Gone { .. } => Some("gone".to_owned()),
            Op::Put { messages, .. } => Some(format!("put {messages}")),
            Op::Take { numbers, .. } => Some(format!("take {numbers:?}")),
            Op::Letter(letter) => Some(format!("letter {}", letter.kind)),
            _ => None,
        };
        let entries = self.store.history().into_iter().flat_map(|group| group.entries.clone());
        let lines = entries.map(|entry| entry.ops.iter().filter_map(words).collect::<Vec<_>>().join(", "));
        lines.filter(|line| !line.is_empty()).collect()
    }
}

async fn state_of(kernel: &Kernel, address: &str) -> Option<State> {
    kernel.actors().await.iter().find(|view| view.address == addr(address)).map(|view| view.state)
}

#[tokio::test(start_paused = true)]
async fn child_comes_back_with_its_state_and_its_config() {
    let family = Family::default();
    family.after("spawn k kid; > k set sum 7+ colour").await;
    assert_eq!(family.notes(), ["/a starts", "/memory starts", "/a/k starts", "red"]);
    let kernel = family.open().await;
    assert_eq!(state_of(&kernel, "/a/k").await, Some(State::Passivated), "no message waits");
    tell(&kernel, "/a", "children; > k get sum+ colour").await;
    kernel.wait_idle().await;
    let notes = family.notes();
    assert_eq!(notes[notes.len() - 4..], ["k", "/a/k starts", "7", "red"]);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn spawn_is_a_part_of_the_entry_of_its_turn() {
    let family = Family::default();
    family.after("spawn k kid; > k one; > k two").await;
    assert_eq!(family.entries()[..2], ["put 1", "spawn /a/k, put 2, take 1..2"]);
    assert_eq!(family.known().await, ["/a", "/a/k"]);
}

#[tokio::test(start_paused = true)]
async fn message_of_an_earlier_run_wakes_the_child() {
    let family = Family::default();
    family.cut_off("spawn k kid; > k hang; > k two").await;
    assert_eq!(family.seen().last().unwrap(), "/a/k hang 0");
    let kernel = family.open().await;
    kernel.wait_idle().await;
    assert_eq!(family.seen(), ["/a/k hang 0", "/a/k two 0"]);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn timer_of_an_earlier_run_wakes_the_child() {
    let family = Family::default();
    let kernel = family.open().await;
    tell(&kernel, "/a", "spawn k kid; > k in 500 /a/k").await;
    sleep(SOON / 10).await;
    stop(&kernel).await;
    family.seen();
    let kernel = family.open().await;
    assert_eq!(state_of(&kernel, "/a/k").await, Some(State::Passivated));
    kernel.wait_idle().await;
    assert_eq!(family.seen(), ["/a/k a timer's 0"]);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn lost_turn_spawns_nothing() {
    let family = Family::default();
    family.cut_off("spawn k kid; hang").await;
    assert_eq!(family.known().await, ["/a"]);
    let kernel = family.open().await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    assert_eq!(family.known().await, ["/a", "/a/k"], "the message is handled again");
}

#[tokio::test(start_paused = true)]
async fn child_outlives_crashes_of_its_parent() {
    let family = Family::default();
    let kernel = family.open().await;
    tell(&kernel, "/a", "spawn k kid; > k set sum 7").await;
    kernel.wait_idle().await;
    tell(&kernel, "/a", "panic").await;
    kernel.wait_idle().await;
    tell(&kernel, "/a", "> k get sum; children").await;
    kernel.wait_idle().await;
    let notes = family.notes();
    assert!(notes.contains(&"7".to_owned()) && notes.contains(&"k".to_owned()), "{notes:?}");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn child_that_init_spawns_is_the_one_that_is_there() {
    let family = Family::default();
    family.spawns_in_init.store(true, Ordering::Relaxed);
    family.after("> k set sum 7").await;
    let kernel = family.open().await;
    tell(&kernel, "/a", "panic").await;
    kernel.wait_idle().await;
    tell(&kernel, "/a", "> k get sum").await;
    kernel.wait_idle().await;
    assert_eq!(family.notes().last().unwrap(), "7");
    tell(&kernel, "/a", "spawn k kid").await;
    kernel.wait_idle().await;
    assert_eq!(family.notes(), ["`/a/k` exists already, or is still being removed"]);
    stop(&kernel).await;
    assert_eq!(family.entries().iter().filter(|entry| entry.contains("spawn")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn stopped_child_handles_what_waits_and_leaves_nothing() {
    let family = Family::default();
    let kernel = family.open().await;
    tell(&kernel, "/a", "spawn k kid; > k set sum 7; > k in 60000 /a/k; > k last; stop k").await;
    kernel.wait_idle().await;
    assert_eq!(family.seen().last().unwrap(), "/a/k last 0");
    assert_eq!(kernel.dead_letters().len(), 0);
    tell(&kernel, "/a", "spawn k kid; > k get sum").await;
    kernel.wait_idle().await;
    assert_eq!(family.notes().last().unwrap(), "none", "another child with its name");
    stop(&kernel).await;
    let actors = family.store.open().await.unwrap().actors;
    let child = actors.iter().find(|actor| actor.address == addr("/a/k")).unwrap();
    assert_eq!((child.timers, child.state.keys, child.last_number), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn child_that_was_stopped_does_not_run_in_the_next_life() {
    let family = Family::default();
    family.cut_off("spawn k kid; > k hang; > k two; stop k").await;
    assert_eq!(family.known().await, ["/a", "/a/k leaves"]);
    family.seen();
    let kernel = family.open().await;
    kernel.wait_idle().await;
    assert_eq!(family.seen(), [""; 0]);
    let letters: Vec<_> = kernel.dead_letters().iter().map(|letter| letter.reason.kind().to_owned()).collect();
    assert_eq!(letters, ["stopped", "stopped"]);
    stop(&kernel).await;
    assert_eq!(family.known().await, ["/a"]);
}

#[tokio::test(start_paused = true)]
async fn child_that_ends_by_itself_is_gone() {
    let family = Family::default();
    let kernel = family.open().await;
    tell(&kernel, "/a", "spawn k brief; > k set sum 7; > k panic; > k two").await;
    kernel.wait_idle().await;
    sleep(SOON).await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    assert_eq!(family.known().await, ["/a"]);
    let kernel = family.open().await;
    let letters = kernel.dead_letters().len();
    let taken = family.entries().iter().filter(|entry| entry.contains("letter")).count();
    assert!(letters >= 1 && letters == taken, "{:?}", family.entries());
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn grandchildren_come_back_and_go_with_their_parents() {
    let family = Family::default();
    family.after("spawn k kid; > k spawn g kid+ > g set sum 7").await;
    assert_eq!(family.known().await, ["/a", "/a/k", "/a/k/g"]);
    let kernel = family.open().await;
    tell(&kernel, "/a/k", "> g get sum").await;
    kernel.wait_idle().await;
    assert_eq!(family.notes().last().unwrap(), "7");
    tell(&kernel, "/a", "stop k").await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    assert_eq!(family.known().await, ["/a"]);
}

#[tokio::test(start_paused = true)]
async fn child_of_a_plugin_that_is_gone_is_kept_and_does_not_run() {
    let family = Family::default();
    family.after("spawn k kid; > k set sum 7").await;
    let mut plan = family.plan();
    plan.plugins.remove("kid");
    let kernel = family.open_plan(&plan).await;
    assert_eq!(state_of(&kernel, "/a/k").await, None);
    let refused = kernel.tell(&addr("/a/k"), b"x", SOON).await;
    assert!(refused.is_err());
    tell(&kernel, "/a", "spawn k brief; spawn other brief").await;
    kernel.wait_idle().await;
    assert_eq!(family.notes().iter().filter(|note| note.contains("/a/k` exists already")).count(), 1);
    stop(&kernel).await;
    assert_eq!(family.known().await, ["/a", "/a/k", "/a/other"]);
    let kernel = family.open().await;
    tell(&kernel, "/a", "> k get sum").await;
    kernel.wait_idle().await;
    assert_eq!(family.notes().last().unwrap(), "7");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn child_that_did_not_run_ends_after_its_parent() {
    let family = Family::default();
    let kernel = family.open().await;
    tell(&kernel, "/a", "spawn k kid; > k spawn g brief").await;
    kernel.wait_idle().await;
    kernel.halt(&addr("/a/k/g")).await;
    tell(&kernel, "/a/k/g", "one").await;
    stop(&kernel).await;
    let mut plan = family.plan();
    plan.plugins.remove("brief");
    let kernel = family.open_plan(&plan).await;
    tell(&kernel, "/a", "stop k").await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    assert_eq!(family.known().await, ["/a", "/a/k/g"]);
    let kernel = family.open_plan(&plan).await;
    kernel.wait_idle().await;
    let letters = kernel.dead_letters();
    assert_eq!((letters.len(), letters[0].to.as_str(), letters[0].reason.kind()), (1, "/a/k/g", "stopped"));
    stop(&kernel).await;
    assert_eq!(family.known().await, ["/a"]);
}

#[tokio::test(start_paused = true)]
async fn stored_child_needs_a_stored_parent() {
    let family = Family::default();
    let kernel = family.open().await;
    tell(&kernel, "/memory", "spawn k kid; spawn p passing").await;
    kernel.wait_idle().await;
    let notes = family.notes();
    let refusal = "`kid` has a durable mailbox, and `/memory` has none: its children end with it; give `/memory` a durable mailbox";
    assert!(notes.contains(&refusal.to_owned()) && notes.contains(&"/memory/p starts".to_owned()), "{notes:?}");
    stop(&kernel).await;
}

/// The asker of a turn may write to the child that it spawned as soon as it has the reply.
#[tokio::test(start_paused = true)]
async fn child_is_known_before_its_spawn_is_durable() {
    let family = Family::default();
    let slow = FaultyStore::new(family.store.clone(), vec![Some(Fault::Slow(SOON)); 50]);
    let kernel = Kernel::open(&family.plan(), Arc::new(slow)).await.unwrap();
    kernel.wait_booted().await;
    sleep(SOON * 2).await;
    kernel.tell_later(&addr("/a"), b"spawn k kid; spawn p passing", SOON).await.unwrap();
    sleep(SOON / 100).await;
    for child in ["/a/k", "/a/p"] {
        assert!(kernel.tell_later(&addr(child), b"one", SOON).await.is_ok(), "{child}");
    }
    assert_eq!(kernel.halt(&addr("/a/k")).await, None, "it has not started");
    assert_eq!(family.notes(), ["/a starts", "/memory starts"]);
    kernel.wait_idle().await;
    assert_eq!(family.seen().iter().filter(|seen| seen.ends_with(" one 0")).count(), 2);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn child_in_memory_ends_with_its_parent() {
    let family = Family::default();
    family.after("spawn p passing; > p one").await;
    assert_eq!(family.known().await, ["/a"]);
    let kernel = family.open().await;
    assert_eq!(state_of(&kernel, "/a/p").await, None);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn order_of_an_operator_about_a_child_holds() {
    let family = Family::default();
    let kernel = family.open().await;
    tell(&kernel, "/a", "spawn k kid").await;
    kernel.wait_idle().await;
    kernel.halt(&addr("/a/k")).await;
    tell(&kernel, "/a/k", "one").await;
    stop(&kernel).await;
    family.seen();
    let kernel = family.open().await;
    assert_eq!((state_of(&kernel, "/a/k").await, family.seen()), (Some(State::Stopped), Vec::new()));
    kernel.resume(&addr("/a/k")).await;
    kernel.wait_idle().await;
    assert_eq!(family.seen(), ["/a/k one 0"]);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn orderly_stop_keeps_the_messages_of_children() {
    let family = Family::default();
    let kernel = family.open().await;
    tell(&kernel, "/a", "spawn k kid").await;
    kernel.wait_idle().await;
    kernel.halt(&addr("/a/k")).await;
    tell(&kernel, "/a/k", "one").await;
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!((kernel.dead_letters().len(), family.known().await), (0, vec!["/a".to_owned(), "/a/k".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn play_without_a_store_has_no_stored_plugin() {
    let family = Family::default();
    let mut plan = family.plan();
    plan.actors.remove(0);
    assert!(matches!(Kernel::start(&plan), Err(PlanError::NoStoreForPlugin(plugin)) if plugin == "brief"));
}
