//! Actors that share an instance: one crash ends all, and nothing else of one reaches another.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, ActorView, Address, AskError, Bounds, Config, Crash, CrashReason, Kernel, Launcher, MaxInstances,
    Outcome, Plan, State, SupervisionSpec, Turn,
};
use playhouse_sandbox::{Grants, Groups, Limits, LineOrigin, Output, SubtreeLimits, Variable};
use tokio::sync::Semaphore;

use crate::harness::{PATIENCE, address};
use crate::native::{Native, native, text};
use crate::puppet::{Interface, Silent, member, member_with, shared_puppet};

/// Keeps each piece of a line, with the name of its actor before it.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Lines {
    fn keep(&self, from: &LineOrigin<'_>, piece: &[u8]) {
        self.0.lock().unwrap().push(format!("{}: {}", from.actor.name(), String::from_utf8_lossy(piece)));
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Output for Lines {
    fn stdout(&self, from: &LineOrigin<'_>, piece: &[u8], _: bool) {
        self.keep(from, piece);
    }

    fn stderr(&self, from: &LineOrigin<'_>, line: &[u8]) {
        self.keep(from, line);
    }
}

/// Actors that share an instance, `/m0` and so on; `/log`, which keeps what it is told; `/late`, which answers when it is let; and
/// `/through`, which asks `/m1`.
struct House {
    kernel: Kernel,
    lines: Arc<Lines>,
    log: Arc<Mutex<Vec<String>>>,
    lets: Arc<Semaphore>,
}

fn groups() -> Groups {
    shared_puppet().groups().unwrap()
}

impl House {
    async fn start(members: usize) -> Self {
        Self::start_with(members, Limits::default(), |_| {}).await
    }

    /// `shape` changes the specs of the members.
    async fn start_with(members: usize, limits: Limits, shape: impl Fn(&mut ActorSpec)) -> Self {
        let (lines, groups) = (Arc::new(Lines::default()), groups());
        let all = (0..members).map(|n| {
            let launcher = member_with(&groups, limits, Config::new(), lines.clone());
            let mut spec = ActorSpec::new(address(&format!("/m{n}")), launcher);
            spec.grants.sends_to = ["/log", "/late", "/through", "/m1"].map(address).into();
            shape(&mut spec);
            spec
        });
        Self::around(all.collect(), lines, Plan::default()).await
    }

    async fn around(members: Vec<ActorSpec>, lines: Arc<Lines>, plan: Plan) -> Self {
        let (log, lets) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(Semaphore::new(0)));
        let recorder = native({
            let log = log.clone();
            move |turn| {
                // A puppet that starts again wants a child, and there is no plugin for it.
                if text(turn) != "UnknownPlugin" {
                    log.lock().unwrap().push(text(turn));
                }
            }
        });
        let late = Native::new({
            let lets = lets.clone();
            move |_| {
                let lets = lets.clone();
                Box::pin(async move {
                    lets.acquire().await.unwrap().forget();
                    Ok(Outcome::Done(Some(b"now".to_vec())))
                })
            }
        });
        let through = Native::new(|turn: &mut Turn| {
            Box::pin(async move {
                let answer = turn.ask("/m1", b"reply x", Duration::from_secs(3)).await;
                let said = answer.map_or_else(|error| error.to_string(), |_| "answered".to_owned());
                Ok::<_, Crash>(Outcome::Done(Some(said.into_bytes())))
            })
        });
        let others: [(&str, Arc<dyn Launcher>); 3] =
            [("/log", Arc::new(recorder)), ("/late", Arc::new(late)), ("/through", Arc::new(through))];
        let others = others.into_iter().map(|(at, launcher)| {
            let mut spec = ActorSpec::new(address(at), launcher);
            spec.grants.sends_to = vec![address("/m1")];
            spec.mailbox.capacity = 1;
            spec
        });
        let actors = others.chain(members).collect();
        let kernel = Kernel::start(&Plan { actors, seed: 7, ..plan }).unwrap();
        kernel.wait_booted().await;
        Self { kernel, lines, log, lets }
    }

    /// Tells without a wait for the end.
    async fn tell(&self, to: &str, body: &str) {
        self.kernel.tell(&address(to), body.as_bytes(), PATIENCE).await.unwrap();
    }

    /// Asks, and gives the reply or the error as a text.
    async fn ask(&self, to: &str, body: &str) -> String {
        match self.kernel.ask(&address(to), body.as_bytes(), PATIENCE).await {
            Ok(reply) => String::from_utf8(reply).unwrap(),
            Err(error) => error.to_string(),
        }
    }

    async fn view(&self, at: &str) -> ActorView {
        self.kernel.actors().await.into_iter().find(|actor| actor.address == address(at)).unwrap()
    }

    /// The reason of the last crash.
    async fn crash(&self, at: &str) -> Option<CrashReason> {
        self.view(at).await.last_crash.map(|report| report.crash.reason.clone())
    }

    /// The log, once all is handled.
    async fn logged(&self) -> Vec<String> {
        self.kernel.wait_idle().await;
        self.log.lock().unwrap().clone()
    }
}

fn is_lost(reason: Option<CrashReason>, by: &str) -> bool {
    matches!(reason, Some(CrashReason::SharedInstance { culprit, .. }) if culprit == address(by))
}

#[tokio::test(start_paused = true)]
async fn members_have_values_of_their_own() {
    let house = House::start(3).await;
    for (n, kept) in ["a", "b", "c"].into_iter().enumerate() {
        house.tell(&format!("/m{n}"), &format!("keep {kept}")).await;
    }
    for (n, kept) in ["a", "b", "c"].into_iter().enumerate() {
        assert_eq!(house.ask(&format!("/m{n}"), "kept").await, kept);
    }
    assert!(house.kernel.actors().await.iter().all(|actor| actor.last_crash.is_none()));
}

#[tokio::test(start_paused = true)]
async fn routes_of_batches_are_those_of_each_member() {
    let house = House::start_with(2, Limits::default(), |spec| spec.grants.sends_to.push(address("/m0")));
    let house = house.await;
    for _ in 0..3 {
        for _ in 0..20 {
            house.tell("/m0", "tell /log 0").await;
            // The first route of the one is the second of the other.
            house.tell("/m1", "tell /m0 nothing;tell /log 1;after 1 /m1 nothing").await;
        }
        house.kernel.wait_idle().await;
    }
    let log = house.log.lock().unwrap().clone();
    let count = |line: &str| log.iter().filter(|of| *of == line).count();
    assert_eq!((count("0"), count("1")), (60, 60));
    assert!(house.kernel.actors().await.iter().all(|actor| actor.last_crash.is_none()));
}

#[tokio::test(start_paused = true)]
async fn trap_of_one_ends_all_and_each_restarts() {
    let house = House::start(3).await;
    house.tell("/m1", "keep x").await;
    house.kernel.wait_idle().await;
    assert!(house.ask("/m0", "trap").await.contains("panicked: as told"));
    house.kernel.wait_idle().await;
    for lost in ["/m1", "/m2"] {
        let view = house.view(lost).await;
        assert_eq!((view.instances[0].incarnation, view.instances[0].state), (2, State::Idle), "{lost}");
        let reason = house.crash(lost).await;
        let said = "lost the instance that it shares with /m0, which panicked: as told";
        assert!(reason.as_ref().is_some_and(|reason| reason.to_string().starts_with(said)), "{reason:?}");
    }
    assert!(matches!(house.crash("/m0").await, Some(CrashReason::Panic { .. })));
    assert_eq!(house.ask("/m1", "kept").await, "", "its value began again");
    assert_eq!(house.ask("/m0", "reply up").await, "up");
}

#[tokio::test(start_paused = true)]
async fn messages_of_innocents_are_not_blamed() {
    let house = House::start_with(2, Limits::default(), |spec| spec.restart.attempts = 1).await;
    house.tell("/m0", "ask /late x;trap").await;
    tokio::task::yield_now().await;
    house.tell("/m1", "tell /log 1;envelope").await;
    let (asked, ()) = tokio::join!(house.ask("/m1", "reply asked"), async { house.lets.add_permits(1) });
    assert_eq!(asked, "asked", "an ask waits for the restart");
    house.kernel.wait_idle().await;
    assert_eq!(*house.log.lock().unwrap(), ["1", " 0 1 false"], "the first attempt");
    assert_eq!(house.kernel.dead_letters().len(), 1, "the message of the culprit alone");
    assert!(is_lost(house.crash("/m1").await, "/m0"));
}

#[tokio::test(start_paused = true)]
async fn innocents_do_not_count_in_the_window() {
    let (lines, groups) = (Arc::new(Lines::default()), groups());
    let mut parent = ActorSpec::new(address("/p"), Arc::new(native(|_| {})) as Arc<dyn Launcher>);
    parent.supervision.intensity = 2;
    let children = (0..20).map(|n| {
        let mut spec = ActorSpec::new(address(&format!("/p/m{n}")), member(&groups, Config::new(), lines.clone()));
        spec.restart.backoff.initial = Duration::from_secs(3);
        spec.grants.sends_to = vec![address("/log")];
        spec
    });
    let members = std::iter::once(parent).chain(children).collect();
    let house = House::around(members, lines, Plan::default()).await;
    let _ = house.ask("/p/m3", "trap").await;
    assert_eq!(house.ask("/p/m4", "reply up").await, "up", "it has no pause");
    assert_eq!(house.view("/p/m3").await.instances[0].state, State::BackingOff);
    house.kernel.wait_idle().await;
    assert_eq!(house.view("/p").await.instances[0].incarnation, 1);
    assert_eq!(house.view("/p/m3").await.instances[0].incarnation, 2);
}

#[tokio::test(start_paused = true)]
async fn time_limit_of_one_breaks_the_instance() {
    let house = House::start_with(2, Limits::default(), |spec| spec.limits.timeout = Duration::from_secs(1)).await;
    house.tell("/m0", "ask /late x").await;
    tokio::task::yield_now().await;
    assert_eq!(house.ask("/m1", "reply up").await, "up");
    assert!(matches!(house.crash("/m0").await, Some(CrashReason::Timeout { .. })));
    let reason = house.crash("/m1").await;
    assert!(is_lost(reason.clone(), "/m0"), "its own time did not pass while it waited: {reason:?}");
}

#[tokio::test(start_paused = true)]
async fn wait_for_the_instance_is_not_billed() {
    let house = House::start_with(2, Limits::default(), |spec| {
        let seconds = if spec.address == address("/m0") { 10 } else { 1 };
        spec.limits.timeout = Duration::from_secs(seconds);
    });
    let house = house.await;
    house.tell("/m0", "ask /late x").await;
    tokio::task::yield_now().await;
    house.tell("/m1", "tell /log 1").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    house.lets.add_permits(1);
    house.kernel.wait_idle().await;
    assert_eq!(*house.log.lock().unwrap(), ["answer now", "1"]);
    assert_eq!(house.crash("/m1").await, None);
}

#[tokio::test(start_paused = true)]
async fn ask_within_an_instance_is_a_deadlock() {
    let house = House::start(2).await;
    house.tell("/m0", "ask /m1 x").await;
    assert_eq!(house.logged().await, ["Deadlock"]);
    let shares = "deadlock: /through -> /m1 -> /through; /m1 shares an instance with /m0";
    house.tell("/m0", "ask /through x").await;
    assert_eq!(house.logged().await[1], format!("answer {shares}"));
    assert_eq!(house.ask("/m1", "ask /through x;reply up").await, "up");
    assert!(matches!(house.kernel.ask(&address("/through"), b"", PATIENCE).await, Ok(answer) if answer == b"answered"));
}

#[tokio::test(start_paused = true)]
async fn memory_limit_is_that_of_all_members() {
    let house = House::start_with(2, Limits { memory_bytes: 12 << 20, ..Limits::default() }, |_| {}).await;
    assert_eq!(house.ask("/m0", "eat 6;reply done").await, "done");
    let refused = house.kernel.ask(&address("/m1"), b"eat 6", PATIENCE).await;
    assert!(matches!(refused, Err(AskError::Crashed(_))), "{refused:?}");
    let reason = house.crash("/m1").await.expect("it crashed").to_string();
    let said = "ran out of memory (limits.memory, common to all actors that share the instance, is 12MiB)";
    assert_eq!(reason, said);
    assert!(is_lost(house.crash("/m0").await, "/m1"));
}

#[tokio::test(start_paused = true)]
async fn memory_of_the_instance_is_counted_once() {
    let house = House::start(3).await;
    assert_eq!(house.ask("/m1", "eat 8;reply done").await, "done");
    let shared = house.view("/m0").await.shared_memory.expect("it shares an instance");
    assert!(shared > 8 << 20 && house.view("/m2").await.shared_memory == Some(shared), "{shared}");
    assert_eq!(house.view("/log").await.shared_memory, None);
    let metrics = house.kernel.metrics(PATIENCE, |_| Duration::ZERO).await;
    let all: u64 = metrics.actors.iter().filter_map(|row| Some(row.resources?.memory_bytes)).sum();
    assert_eq!(all, shared);
    let _ = house.ask("/m0", "trap").await;
    house.kernel.wait_idle().await;
    assert!(house.view("/m0").await.shared_memory.is_some_and(|bytes| bytes < 8 << 20), "the new instance is small");
}

#[tokio::test]
async fn cpu_limit_holds_for_each_call() {
    let house = House::start_with(2, Limits { cpu: Duration::from_millis(50), ..Limits::default() }, |_| {}).await;
    let _ = house.ask("/m0", "spin").await;
    assert!(matches!(house.crash("/m0").await, Some(CrashReason::Cpu { .. })));
    assert_eq!(house.ask("/m1", "reply up").await, "up");
    assert!(is_lost(house.crash("/m1").await, "/m0"));
}

#[tokio::test(start_paused = true)]
async fn lines_are_those_of_the_actor_that_writes() {
    let house = House::start(2).await;
    for (to, body) in [("/m0", "out a"), ("/m1", "out b"), ("/m0", "print c;out d"), ("/m1", "print e")] {
        house.ask(to, &format!("{body};reply done")).await;
    }
    assert_eq!(house.lines.all(), ["m0: a", "m1: b", "m0: c", "m0: d", "m1: e"]);
}

#[tokio::test(start_paused = true)]
async fn passivated_member_is_forgotten() {
    let house = House::start_with(2, Limits::default(), |spec| {
        if spec.address == address("/m1") {
            spec.idle_stop = Some(Duration::from_secs(1));
        }
    });
    let house = house.await;
    house.tell("/m0", "keep x").await;
    house.tell("/m1", "keep y;farewell bye").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(house.lines.all(), ["m1: bye"]);
    assert_eq!(house.ask("/m1", "kept").await, "");
    assert_eq!(house.ask("/m0", "kept").await, "x");
    assert_eq!(house.crash("/m0").await, None);
}

#[tokio::test(start_paused = true)]
async fn stop_of_a_member_leaves_the_others_alone() {
    let house = House::start(2).await;
    house.tell("/m0", "keep x").await;
    house.tell("/m1", "farewell bye").await;
    house.kernel.wait_idle().await;
    house.kernel.halt(&address("/m1")).await;
    house.kernel.wait_idle().await;
    assert_eq!(house.lines.all(), ["m1: bye"]);
    assert_eq!(house.ask("/m0", "kept").await, "x");
}

#[tokio::test(start_paused = true)]
async fn killed_member_is_forgotten_without_its_hook() {
    let (lines, groups) = (Arc::new(Lines::default()), groups());
    let spec = |n: usize| {
        let mut spec = ActorSpec::new(address(&format!("/m{n}")), member(&groups, Config::new(), lines.clone()));
        spec.grants.sends_to = vec![address("/late"), address("/log")];
        spec
    };
    let supervision = SupervisionSpec { shutdown: Duration::from_secs(1), ..SupervisionSpec::default() };
    let plan = Plan { supervision, ..Plan::default() };
    let house = House::around((0..2).map(spec).collect(), lines.clone(), plan).await;
    house.tell("/m0", "keep x").await;
    // Its commit waits for space, outside of the instance.
    house.tell("/m1", "farewell bye;tell /late 1;tell /late 2;tell /late 3").await;
    tokio::task::yield_now().await;
    house.kernel.halt(&address("/m1")).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(house.lines.all(), ["m1: bye"]);
    assert_eq!(house.ask("/m0", "kept").await, "x");
    assert_eq!(house.crash("/m0").await, None);
}

#[tokio::test(start_paused = true)]
async fn panic_while_a_value_is_dropped_ends_the_others() {
    let house = House::start(2).await;
    house.tell("/m1", "farewell trap").await;
    house.kernel.wait_idle().await;
    house.kernel.halt(&address("/m1")).await;
    assert_eq!(house.ask("/m0", "reply up").await, "up");
    assert!(is_lost(house.crash("/m0").await, "/m1"));
}

#[tokio::test(start_paused = true)]
async fn members_take_no_slot_of_their_own() {
    let (lines, groups) = (Arc::new(Lines::default()), groups());
    let spec = |n: usize| ActorSpec::new(address(&format!("/m{n}")), member(&groups, Config::new(), lines.clone()));
    let members = (0..5).map(spec).collect();
    let max_instances = Some(MaxInstances { most: 1, key: "the test".to_owned() });
    let house = House::around(members, lines.clone(), Plan { max_instances, ..Plan::default() }).await;
    for n in 0..5 {
        assert_eq!(house.ask(&format!("/m{n}"), "reply up").await, "up");
    }
}

#[tokio::test(start_paused = true)]
async fn actors_with_other_limits_share_another_instance() {
    let (lines, groups) = (Arc::new(Lines::default()), groups());
    let limits = [Limits::default(), Limits { memory_bytes: 20 << 20, ..Limits::default() }];
    let spec = |n: usize| {
        let launcher = member_with(&groups, limits[n], Config::new(), lines.clone());
        ActorSpec::new(address(&format!("/m{n}")), launcher)
    };
    let house = House::around((0..2).map(spec).collect(), lines.clone(), Plan::default()).await;
    let _ = house.ask("/m0", "trap").await;
    assert_eq!(house.ask("/m1", "reply up").await, "up");
    assert_eq!(house.crash("/m1").await, None);
}

#[tokio::test(start_paused = true)]
async fn component_that_can_share_need_not() {
    let launcher = || shared_puppet().launcher(Limits::default(), Config::new(), Arc::new(Silent));
    let spec = |n: usize| ActorSpec::new(address(&format!("/m{n}")), launcher());
    let house = House::around((0..2).map(spec).collect(), Arc::default(), Plan::default()).await;
    house.tell("/m1", "keep x").await;
    let _ = house.ask("/m0", "trap").await;
    assert_eq!(house.ask("/m1", "kept").await, "x");
    assert_eq!(house.crash("/m1").await, None);
}

/// One below a gateway has all grants of its table; one below an actor without grants has none of them.
#[test]
fn actors_with_other_grants_share_another_instance() {
    let groups = groups();
    let variable = Variable { name: "KEY".to_owned(), value: "secret".to_owned(), from_host: false };
    let granted = Grants { env: vec![variable], ..Grants::default() };
    let accounts = shared_puppet().accounts(&Bounds::NONE, &Address::root(), SubtreeLimits::default());
    let launchers = [granted.clone(), Grants::default(), granted].map(|grants| {
        let limits = Limits::default();
        groups.launcher_in(&Bounds::NONE, accounts.clone(), grants, limits, Config::new(), Arc::new(Silent))
    });
    let [first, second, third] =
        launchers.each_ref().map(|launcher| launcher.shared_instance().expect("it shares one"));
    assert_eq!(first, third);
    assert_ne!(first, second);
}

#[test]
fn component_without_the_export_has_no_groups() {
    assert!(Interface::Turns.plugin().unwrap().groups().is_none());
}
