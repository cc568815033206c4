//! Mailbox plugins as components: their decisions and their faults (`tests/guests/faulty`).

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, Address, Behavior, BoxFuture, Crash, Kernel, Launcher, Outcome, Plan, PolicySpec, PolicyState,
    PolicyView, Turn,
};
use playhouse_sandbox::{Compilation, Limits, LineOrigin, LoadError, MailboxPlugin, Output, Sandbox, SandboxConfig};

/// A deadline far beyond the time of any step here.
const PATIENCE: Duration = Duration::from_mins(1);

/// One sandbox for all tests, and the two plugins, built here if needed.
struct House {
    sandbox: Sandbox,
    faulty: MailboxPlugin,
    priority: MailboxPlugin,
}

static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let build =
        ["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "faulty", "--package", "priority"];
    assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success(), "cargo {build:?} failed");
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    let sandbox = Sandbox::new(SandboxConfig { max_instances: 64, ..SandboxConfig::default() }).unwrap();
    let load =
        |name: &str| sandbox.load_mailbox(name, &target.join(format!("wasm32-wasip2/guest/{name}.wasm"))).unwrap();
    let (faulty, priority) = (load("faulty"), load("priority"));
    House { sandbox, faulty, priority }
});

/// Keeps the lines of the plugins with stream and address.
#[derive(Default)]
struct Kept(Mutex<Vec<String>>);

impl Output for Kept {
    fn stdout(&self, from: &LineOrigin<'_>, line: &[u8], _: bool) {
        self.0.lock().unwrap().push(format!("stdout {} {}", from.actor, String::from_utf8_lossy(line)));
    }

    fn stderr(&self, from: &LineOrigin<'_>, line: &[u8]) {
        assert_eq!((from.incarnation, from.message), (None, None));
        let line = String::from_utf8_lossy(line);
        self.0.lock().unwrap().push(format!("stderr {} {} {line}", from.actor, from.plugin));
    }
}

/// An actor that notes the bodies that it handles.
#[derive(Clone, Default)]
struct Shop(Arc<Mutex<Vec<String>>>);

struct Open(Shop, Turn);

impl Launcher for Shop {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        let behavior: Box<dyn Behavior> = Box::new(Open(self.clone(), turn));
        Box::pin(async { Ok(behavior) })
    }

    fn plugin(&self) -> &'static str {
        "shop"
    }
}

impl Behavior for Open {
    fn turn(&mut self) -> &mut Turn {
        &mut self.1
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        while self.1.current().is_some() {
            self.0.0.lock().unwrap().push(String::from_utf8_lossy(self.1.body()).into_owned());
            self.1.finish(Outcome::Done(None));
        }
        Box::pin(async { Ok(()) })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }
}

/// A shop that waits for an operator's start, with a plugin that decides its mailbox.
struct Play {
    kernel: Kernel,
    shop: Shop,
    output: Arc<Kept>,
}

fn shop_address() -> Address {
    Address::parse("/shop").unwrap()
}

impl Play {
    fn start(plugin: &MailboxPlugin, config: &[(&str, &str)], change: impl FnOnce(&mut ActorSpec)) -> Self {
        let (shop, output) = (Shop::default(), Arc::new(Kept::default()));
        let limits = Limits { memory_bytes: 8 << 20, cpu: Duration::from_millis(50), ..Limits::default() };
        let config: BTreeMap<_, _> = config.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let mut policy = PolicySpec::new(plugin.launcher(limits, config, output.clone()));
        policy.backoff.max = Duration::from_millis(20);
        policy.timeout = PATIENCE;
        let mut spec = ActorSpec::new(shop_address(), Arc::new(shop.clone()));
        (spec.start, spec.policy) = (playhouse_kernel::StartKind::Manual, Some(Box::new(policy)));
        change(&mut spec);
        let kernel = Kernel::start(&Plan { actors: vec![spec], ..Plan::default() }).unwrap();
        Self { kernel, shop, output }
    }

    async fn tell(&self, bodies: &[&str]) {
        for body in bodies {
            self.kernel.tell(&shop_address(), body.as_bytes(), PATIENCE).await.unwrap();
        }
    }

    async fn policy(&self) -> PolicyView {
        self.kernel.actors().await.pop().unwrap().mailbox.policy.unwrap()
    }

    /// Waits until the plugin is in this state.
    async fn until(&self, state: PolicyState) -> PolicyView {
        loop {
            let policy = self.policy().await;
            if policy.state == state {
                return policy;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Lets the shop handle all messages, and returns their bodies.
    async fn open(&self) -> Vec<String> {
        self.kernel.resume(&shop_address()).await;
        self.kernel.wait_idle().await;
        self.shop.0.lock().unwrap().clone()
    }

    fn letters(&self) -> Vec<String> {
        let letters = self.kernel.dead_letters();
        letters.iter().map(|l| format!("{} {}", l.reason.kind(), String::from_utf8_lossy(&l.message.body))).collect()
    }
}

#[tokio::test]
async fn plugin_decides_the_order_and_what_is_dropped() {
    let play = Play::start(&HOUSE.priority, &[("default", "5")], |spec| spec.mailbox.capacity = 4);
    // One by one, so that the plugin learns of each message before the next one finds the mailbox full.
    for body in ["1 low", "9 high", "none", "9 higher", "0 lowest", "7 late"] {
        play.tell(&[body]).await;
        while play.kernel.actors().await[0].waiting > 4 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(play.letters(), ["overflow 0 lowest", "overflow 1 low"]);
    assert_eq!(play.open().await, ["9 high", "9 higher", "7 late", "none"]);
}

#[tokio::test]
async fn thousand_messages_at_once_come_in_order() {
    let play = Play::start(&HOUSE.priority, &[], |_| {});
    let bodies: Vec<_> = (0..1000).map(|n| format!("{} {n}", n % 10)).collect();
    play.tell(&bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let handled = play.open().await;
    let mut expected = bodies.clone();
    expected.sort_by_key(|body| std::cmp::Reverse(body.as_bytes()[0]));
    assert_eq!(handled, expected, "the sort is stable");
}

#[tokio::test]
async fn each_fault_has_a_typed_reason_and_loses_no_message() {
    for (at, fault, kind, says) in [
        ("policy", "refuse", "start", "failed to start: not for /shop with room for 1024"),
        ("put", "panic", "panic", "panicked: as its config says (tests/guests/faulty/src/lib.rs:"),
        ("put", "trap", "trap", "trapped: "),
        ("take", "loop", "cpu", "used up its CPU budget of 50ms"),
        ("take", "memory", "memory", "ran out of memory (limits.memory is 8MiB)"),
        ("put", "stack", "stack", "overflowed its call stack"),
        ("put", "unknown", "bad-order", "dropped the message 4711, which it does not have"),
        ("take", "unknown", "bad-order", "gave the message 4711, which it does not have"),
        ("take", "twice", "bad-order", "gave "),
        ("take", "none", "bad-order", "gave none of the 3 messages that it has"),
        ("size", "lies", "bad-order", "says that it has 4 messages, and it has 3"),
        ("size", "panic", "panic", "as its config says"),
    ] {
        let play = Play::start(&HOUSE.faulty, &[("at", at), ("fault", fault)], |spec| {
            spec.policy.as_mut().unwrap().intensity = 1;
        });
        play.tell(&["a", "b", "c"]).await;
        if at == "take" {
            play.kernel.resume(&shop_address()).await;
        }
        let policy = play.until(PolicyState::GaveUp).await;
        let last = policy.last_crash.unwrap();
        assert!(last.contains(says), "{kind} in {at}: {last}");
        assert_eq!(policy.crashes, 2, "{fault} in {at}");
        assert_eq!(play.open().await, ["a", "b", "c"], "{fault} in {at}");
        assert!(play.letters().is_empty());
    }
}

#[tokio::test]
async fn run_after_a_crash_gets_all_waiting_messages() {
    let play = Play::start(&HOUSE.faulty, &[("fault", "third")], |_| {});
    for (n, body) in ["a", "b", "c"].into_iter().enumerate() {
        play.tell(&[body]).await;
        // The plugin gets each message alone.
        while play.output.0.lock().unwrap().len() <= n {
            tokio::task::yield_now().await;
        }
    }
    while play.policy().await.crashes == 0 {
        tokio::task::yield_now().await;
    }
    play.tell(&["d"]).await;
    assert_eq!(play.open().await, ["a", "b", "c", "d"]);
    let PolicyView { state, crashes, last_crash, .. } = play.policy().await;
    assert_eq!((state, crashes), (PolicyState::Running, 1));
    assert!(last_crash.unwrap().contains("the third one came"));
}

#[tokio::test]
async fn output_of_the_plugin_is_the_actors_stderr() {
    let play = Play::start(&HOUSE.faulty, &[("at", "put"), ("fault", "print")], |_| {});
    play.tell(&["x"]).await;
    play.open().await;
    assert_eq!(
        *play.output.0.lock().unwrap(),
        ["stderr /shop faulty a line of put", "stderr /shop faulty an error of put"]
    );
}

#[tokio::test]
async fn run_counts_as_an_instance_until_the_play_ends() {
    let sandbox = Sandbox::new(SandboxConfig { max_instances: 4, ..SandboxConfig::default() }).unwrap();
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    LazyLock::force(&HOUSE);
    let plugin = sandbox.load_mailbox("faulty", &target.join("wasm32-wasip2/guest/faulty.wasm")).unwrap();
    let play = Play::start(&plugin, &[], |_| {});
    play.until(PolicyState::Running).await;
    assert_eq!(sandbox.instances(), 1);
    play.kernel.shut_down();
    play.kernel.wait_stopped().await;
    while sandbox.instances() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn other_components_are_refused_as_mailbox_plugins() {
    let sandbox = &HOUSE.sandbox;
    let load = |wat: &str| sandbox.load_mailbox_bytes("it", &wat::parse_str(wat).unwrap()).map(drop).unwrap_err();
    let nothing = load("(component)");
    assert_eq!(
        nothing.to_string(),
        "`it` does not export `playhouse:actor/mailbox@0.2.0`, so it is not a mailbox plugin; it exports nothing. \
         Build it with `export_mailbox!` of playhouse-sdk, or for the world `mailbox-plugin` of wit/actor.wit"
    );
    let wrong = load(
        r#"(component
          (core module $m (func (export "f") (result i32) i32.const 0))
          (core instance $i (instantiate $m))
          (func $f (result u32) (canon lift (core func $i "f")))
          (instance $mailbox (export "policy" (func $f)))
          (export "playhouse:actor/mailbox@0.2.0" (instance $mailbox)))"#,
    );
    let LoadError::WrongType { item, .. } = wrong else { panic!("{wrong}") };
    assert_eq!(item, "playhouse:actor/mailbox@0.2.0#policy");
    let faulty = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("wasm32-wasip2/guest/faulty.wasm");
    let as_actor = sandbox.load("faulty", Path::new(&faulty)).map(drop).unwrap_err();
    let LoadError::MissingExport { found, .. } = as_actor else { panic!("{as_actor}") };
    assert_eq!(found, ["playhouse:actor/mailbox@0.2.0"]);
    let looked_at = playhouse_sandbox::inspect(Path::new(&faulty), Compilation::default()).unwrap();
    assert!(looked_at.is_mailbox && looked_at.mailbox_obstacle.is_none() && looked_at.obstacle.is_some());
    assert!(looked_at.imports.iter().all(|import| import.starts_with("wasi:") || import.contains("mailbox-host")));
}
