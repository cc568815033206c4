//! `wasi:logging`: its levels, its two names, its limits, and texts that are wrong or too long.

use std::sync::{Arc, Mutex};

use playhouse_kernel::{ActorSpec, Address, AskError, Config, CrashReason, Kernel, Plan};
use playhouse_sandbox::{Limits, LineOrigin, LogRecord, Output, Part};
use tracing::Level;

use crate::play::{PATIENCE, address, small_sandbox};
use crate::template::{ECHO, actor, actor_with_log};

/// Keeps records; those less severe than `lowest` are not wanted.
struct Log {
    lowest: Level,
    records: Mutex<Vec<String>>,
}

impl Output for Log {
    fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}

    fn stderr(&self, _: &LineOrigin<'_>, line: &[u8]) {
        self.records.lock().unwrap().push(format!("stderr {}", String::from_utf8_lossy(line)));
    }

    fn log_enabled(&self, actor: &Address, level: Level) -> bool {
        assert_eq!(*actor, address("/a"));
        level <= self.lowest
    }

    fn log(&self, from: &LineOrigin<'_>, record: &LogRecord<'_>) {
        let LogRecord { level, is_critical, context, text } = *record;
        assert!(from.message.is_some() && from.incarnation.is_some());
        let critical = if is_critical { "!" } else { "" };
        self.records.lock().unwrap().push(format!("{level}{critical} [{context}] {text}"));
    }
}

/// Logs the body with the level of its first byte, a digit, and the context `ctx`.
const LOGS: &str = r#"(data (i32.const 100) "ctx")
  (func (export "handle") (param $body i32) (param $len i32) (result i32)
    (call $log (i32.sub (i32.load8_u (local.get $body)) (i32.const 48)) (i32.const 100) (i32.const 3)
      (i32.add (local.get $body) (i32.const 1)) (i32.sub (local.get $len) (i32.const 1)))
    (call $reply (local.get $body) (local.get $len)))"#;

struct Play {
    kernel: Kernel,
    log: Arc<Log>,
}

impl Play {
    async fn start(component: &[u8], lowest: Level, limits: Limits) -> Self {
        let log = Arc::new(Log { lowest, records: Mutex::default() });
        let plugin = small_sandbox().load_bytes("logs", component).unwrap();
        let mut spec = ActorSpec::new(address("/a"), plugin.launcher(limits, Config::new(), log.clone()));
        spec.restart.attempts = 1;
        let kernel = Kernel::start(&Plan { actors: vec![spec], ..Plan::default() }).unwrap();
        kernel.wait_booted().await;
        Self { kernel, log }
    }

    async fn ask(&self, body: &[u8]) -> Result<Vec<u8>, AskError> {
        self.kernel.ask(&address("/a"), body, PATIENCE).await
    }

    fn records(&self) -> Vec<String> {
        self.log.records.lock().unwrap().clone()
    }

    async fn crash(&self) -> CrashReason {
        let actors = self.kernel.actors().await;
        actors[0].last_crash.as_ref().unwrap().crash.reason.clone()
    }
}

#[tokio::test]
async fn levels_map_onto_those_of_the_log() {
    let play = Play::start(&actor(LOGS), Level::TRACE, Limits::default()).await;
    for level in 0..6 {
        play.ask(format!("{level}x\u{1b}[2J\n").as_bytes()).await.unwrap();
    }
    let wanted =
        ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "ERROR!"].map(|level| format!("{level} [ctx] x\u{1b}[2J\n"));
    assert_eq!(play.records(), wanted);
}

#[tokio::test]
async fn interface_without_a_version_is_the_same() {
    let play = Play::start(&actor_with_log(LOGS, "wasi:logging/logging"), Level::INFO, Limits::default()).await;
    play.ask(b"2plain").await.unwrap();
    assert_eq!(play.records(), ["INFO [ctx] plain"]);
}

#[tokio::test]
async fn texts_of_a_level_that_is_off_are_not_read() {
    let invalid = b"1\xff\xfe";
    let off = Play::start(&actor(LOGS), Level::INFO, Limits::default()).await;
    assert_eq!(off.ask(invalid).await, Ok(invalid.to_vec()));
    let on = Play::start(&actor(LOGS), Level::DEBUG, Limits::default()).await;
    assert!(matches!(on.ask(invalid).await, Err(AskError::Crashed(_))));
    assert_eq!((off.records(), on.records()), (vec![], vec![]));
}

#[tokio::test]
async fn unknown_level_is_a_crash_of_the_actor_alone() {
    let play = Play::start(&actor(LOGS), Level::TRACE, Limits::default()).await;
    assert!(matches!(play.ask(b"9x").await, Err(AskError::Crashed(_))));
    assert!(matches!(play.crash().await, CrashReason::Trap { .. }), "{:?}", play.crash().await);
    play.ask(b"3y").await.unwrap();
    assert_eq!(play.records(), ["WARN [ctx] y"]);
}

#[tokio::test]
async fn records_and_stderr_have_one_limit() {
    let code = r#"(data (i32.const 100) "x\0a") (func (export "handle") (param i32 i32) (result i32)
      (local $n i32) (local $err i32)
      (local.set $err (call $get-stderr))
      (loop $more
        (call $log (i32.const 2) (i32.const 100) (i32.const 0) (i32.const 100) (i32.const 1))
        (call $log (i32.const 1) (i32.const 100) (i32.const 0) (i32.const 100) (i32.const 1))
        (call $write (local.get $err) (i32.const 100) (i32.const 2) (i32.const 500))
        (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100))))
      (call $reply (i32.const 100) (i32.const 1)))"#;
    let play = Play::start(&actor(code), Level::INFO, Limits { log_lines: 5, ..Limits::default() }).await;
    play.ask(b"").await.unwrap();
    assert_eq!(
        play.records(),
        ["INFO [] x", "stderr x", "INFO [] x", "stderr x", "INFO [] x"],
        "`debug` counts for none"
    );
}

#[tokio::test]
async fn import_of_the_log_needs_no_grant() {
    let plugin = small_sandbox().load_bytes("logs", &actor(LOGS)).unwrap();
    let imports = &plugin.info().imports;
    assert!(imports.contains(&"wasi:logging/logging@0.1.0-draft".to_owned()));
    assert!(Part::all_of(imports).contains(&Part::Logging));
    assert_eq!(playhouse_sandbox::Grants::default().missing(imports), None);
    assert!(
        !Part::all_of(&small_sandbox().load_bytes("echo", &actor(ECHO)).unwrap().info().imports)
            .contains(&Part::Logging)
    );
}
