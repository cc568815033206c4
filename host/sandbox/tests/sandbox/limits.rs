//! Limits that the sandbox enforces, each exceeded by an actor.

use std::sync::Mutex;

use playhouse_kernel::{Address, CrashReason};
use playhouse_sandbox::{LeftOut, Limits, LineOrigin, LoadError, Output, Sandbox, SandboxConfig};

use crate::play::{Play, address, small_sandbox};
use crate::template::{ECHO, actor};

/// Gets a handle of stderr in an endless loop.
const HOARD: &str = r#"(func (export "handle") (param i32 i32) (result i32)
    (loop (drop (call $get-stderr)) (br 0)) (unreachable))"#;

#[tokio::test]
async fn open_resources_beyond_the_limit_are_a_crash() {
    let limits = Limits { resources: 10, ..Limits::default() };
    let play = Play::limited(small_sandbox(), &[("/hoard", actor(HOARD))], limits, |_| {});
    let crash = play.crash("/hoard", "").await;
    let more_than = "10 open resources at a time (limits.resources)".to_owned();
    assert_eq!(crash.crash.reason, CrashReason::Limit { more_than });
}

/// Grows by as many pages of 64 KiB as the body has bytes, and traps when it may not.
const GROW: &str = r#"(func (export "handle") (param i32 i32) (result i32)
    (if (i32.eq (memory.grow (local.get 1)) (i32.const -1)) (then (unreachable)))
    (call $done))"#;

const GROWS: [&str; 2] = ["/a", "/b"];

fn growing() -> [(&'static str, Vec<u8>); 2] {
    GROWS.map(|at| (at, actor(GROW)))
}

#[tokio::test]
async fn memory_of_all_guests_together_is_bounded_and_named() {
    let memory_bytes = 2 << 20;
    let sandbox = Sandbox::new(SandboxConfig { max_instances: 8, memory_bytes, ..SandboxConfig::default() }).unwrap();
    let play = Play::limited(sandbox, &growing(), Limits::default(), |plan| {
        plan.supervision.intensity = u32::MAX;
        for actor in &mut plan.actors {
            actor.restart.backoff.max = actor.restart.backoff.initial;
        }
    });
    let idle = || async {
        for at in GROWS {
            let _ = play.ask(at, "").await;
        }
        play.sandbox.memory().0
    };
    let before = idle().await;
    for _ in 0..5 {
        let _ = play.ask("/a", &"x".repeat(20)).await;
        assert_eq!(play.sandbox.memory(), (before + (20 << 16), memory_bytes));
        let crash = play.crash("/b", &"x".repeat(13)).await;
        let key = "play.limits.memory".into();
        assert_eq!(crash.crash.reason, CrashReason::Memory { limit_bytes: memory_bytes, key });
        assert!(play.ask("/b", "x").await.is_err_and(|error| error == playhouse_kernel::AskError::NoReply), "in time");
        play.crash("/a", &"x".repeat(1 << 16)).await;
        assert_eq!(idle().await, before + (1 << 16), "the memory of /a is given back");
        play.crash("/b", &"x".repeat(1 << 16)).await;
        assert_eq!(idle().await, before);
    }
}

#[tokio::test]
async fn start_beyond_all_guests_memory_fails_and_names_the_key() {
    let sandbox = SandboxConfig { max_instances: 8, memory_bytes: 1 << 10, ..SandboxConfig::default() };
    let play = Play::start_in(Sandbox::new(sandbox).unwrap(), &[("/a", actor(ECHO))]);
    play.kernel.wait_booted().await;
    let playhouse_kernel::Stage::GaveUp(failures) = play.kernel.wait_stopped().await else { panic!("it cannot start") };
    let text = failures.iter().map(|failure| failure.crash.reason.to_string()).collect::<Vec<_>>().join("; ");
    assert!(text.contains("play.limits.memory"), "{text}");
    assert_eq!(play.sandbox.memory().0, 0);
}

/// Calls itself a hundred times for each byte of the body.
const RECURSE: &str = r#"
    (func $down (param i32) (result i32)
      (if (result i32) (local.get 0)
        (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
        (else (i32.const 0))))
    (func (export "handle") (param i32 i32) (result i32)
      (drop (call $down (i32.mul (local.get 1) (i32.const 100)))) (call $done))"#;

#[tokio::test]
async fn stack_is_as_deep_as_configured() {
    for (stack_bytes, deep, deeper) in [(64 << 10, 1, 100), (8 << 20, 400, 10_000)] {
        let sandbox = SandboxConfig { stack_bytes, max_instances: 4, ..SandboxConfig::default() };
        let play = Play::start_in(Sandbox::new(sandbox).unwrap(), &[("/deep", actor(RECURSE))]);
        assert!(!matches!(play.ask("/deep", &"x".repeat(deep)).await, Err(playhouse_kernel::AskError::Crashed(_))));
        let crash = play.crash("/deep", &"x".repeat(deeper)).await;
        assert_eq!(crash.crash.reason, CrashReason::Stack { limit_bytes: stack_bytes });
    }
}

#[test]
fn component_too_large_is_refused_with_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let (file, wasm) = (folder.path().join("cart.wasm"), actor(ECHO));
    std::fs::write(&file, &wasm).unwrap();
    let component_bytes = wasm.len() as u64 - 1;
    let sandbox = |component_bytes| {
        Sandbox::new(SandboxConfig { component_bytes, max_instances: 1, ..SandboxConfig::default() }).unwrap()
    };
    let error = sandbox(component_bytes).load("cart", &file).err().expect("one byte too many");
    assert!(matches!(error, LoadError::TooLarge { limit_bytes, .. } if limit_bytes == component_bytes));
    assert!(error.to_string().contains("play.limits.component"), "{error}");
    assert!(matches!(sandbox(component_bytes).load_bytes("cart", &wasm), Err(LoadError::TooLarge { .. })));
    assert!(sandbox(component_bytes + 1).load("cart", &file).is_ok());
}

#[derive(Default)]
struct Log {
    lines: Mutex<usize>,
    left_out: Mutex<Vec<(Address, LeftOut)>>,
}

impl Output for Log {
    fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}

    fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {
        *self.lines.lock().unwrap() += 1;
    }

    fn left_out(&self, from: &Address, left_out: LeftOut) {
        self.left_out.lock().unwrap().push((from.clone(), left_out));
    }
}

/// Writes 100 lines of two bytes to stderr, and crashes when its body is not empty.
const CHATTER: &str = r#"(data (i32.const 100) "x\0a") (func (export "handle") (param i32) (param $len i32) (result i32)
    (local $n i32) (local $out i32)
    (local.set $out (call $get-stderr))
    (loop $more
      (call $write (local.get $out) (i32.const 100) (i32.const 2) (i32.const 500))
      (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100))))
    (if (local.get $len) (then unreachable))
    (call $done))"#;

#[tokio::test(start_paused = true)]
async fn stderr_beyond_the_limit_is_reported_once_a_second() {
    let log = std::sync::Arc::new(Log::default());
    let plugin = small_sandbox().load_bytes("chatter", &actor(CHATTER)).unwrap();
    let limits = Limits { log_lines: 30, ..Limits::default() };
    let launcher = plugin.launcher(limits, playhouse_kernel::Config::new(), log.clone());
    let mut spec = playhouse_kernel::ActorSpec::new(address("/chatter"), launcher);
    spec.restart.attempts = 1;
    let plan = playhouse_kernel::Plan { actors: vec![spec], ..Default::default() };
    let kernel = playhouse_kernel::Kernel::start(&plan).unwrap();
    kernel.wait_booted().await;
    // A crash does not reset the count: the second message goes to another incarnation of the same actor.
    for body in [&b"crash"[..], b""] {
        kernel.tell(&address("/chatter"), body, crate::play::PATIENCE).await.unwrap();
        kernel.wait_idle().await;
    }
    assert_eq!(*log.lines.lock().unwrap(), 30);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let left_out = log.left_out.lock().unwrap();
    assert!(left_out.iter().all(|(from, said)| *from == address("/chatter") && said.most_lines == 30));
    // One report when the first incarnation ended, one after the second.
    let counts: Vec<_> = left_out.iter().map(|(_, said)| (said.lines, said.bytes)).collect();
    assert_eq!(counts, [(70, 140), (100, 200)]);
}
