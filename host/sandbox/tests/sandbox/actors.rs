//! The behaviour and the crashes of actors.

use std::time::Duration;

use playhouse_kernel::{AskError, CrashReason, Metadata, Stage};
use playhouse_sandbox::SandboxConfig;

use crate::play::{PATIENCE, Play, address, small_sandbox};
use crate::template::{ECHO, actor, actor_with_hooks, actor_with_import};

const LOOP: &str = r#"(func (export "handle") (param i32 i32) (result i32) (loop (br 0)) (unreachable))"#;

#[tokio::test]
async fn a_handler_replies() {
    let play = Play::start(&[("/echo", actor(ECHO))]);
    for body in ["hello", "", "once more"] {
        assert_eq!(play.ask("/echo", body).await, Ok(body.into()));
    }
}

#[tokio::test]
async fn endless_loop_ends_while_its_neighbour_answers() {
    let play = Play::start(&[("/loop", actor(LOOP)), ("/echo", actor(ECHO))]);
    let (crash, answer) = tokio::join!(play.crash("/loop", ""), async {
        play.kernel.wait_booted().await;
        play.ask("/echo", "still here").await
    });
    assert_eq!(answer, Ok("still here".into()));
    assert_eq!(crash.crash.reason, CrashReason::Cpu { budget: Duration::from_millis(50) });
}

#[tokio::test]
async fn each_message_has_the_whole_cpu_budget() {
    // Each message uses a small part of the budget; all of them together use more than one budget.
    let code = r#"(func (export "handle") (param i32 i32) (result i32) (local $n i32)
      (loop $again
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $n) (i32.const 3000000))))
      (call $done))"#;
    let play = Play::start(&[("/busy", actor(code))]);
    for _ in 0..80 {
        play.kernel.tell(&address("/busy"), b"", PATIENCE).await.unwrap();
    }
    assert_eq!(play.ask("/busy", "").await, Err(AskError::NoReply));
}

#[tokio::test]
async fn memory_beyond_the_limit_is_refused_and_named() {
    let code = r#"(func (export "handle") (param i32 i32) (result i32)
      (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (unreachable))"#;
    let play = Play::start(&[("/greedy", actor(code))]);
    assert_eq!(
        play.crash("/greedy", "").await.crash.reason,
        CrashReason::Memory { limit_bytes: 1 << 20, key: "limits.memory".into() }
    );
}

#[tokio::test]
async fn crash_names_the_fixed_limit_that_refused() {
    let handle = |body: &str| {
        let table = if body.contains("$t") { "(table $t 1 funcref)" } else { "" };
        actor(&format!(
            r#"{table} (data (i32.const 100) "/a")
            (func (export "handle") (param i32 i32) (result i32) {body})"#
        ))
    };
    for (code, more_than) in [
        ("(loop (call $get-stdout) (drop) (br 0)) (unreachable)", "1024 open resources at a time (limits.resources)"),
        (
            "(drop (memory.grow (i32.const 14)))
             (call $ask (i32.const 100) (i32.const 2) (i32.const 0) (i32.const 1048576) (i64.const 1) (i32.const 504))
             (unreachable)",
            "1048576 bytes passed in one call (limits.memory)",
        ),
        (
            "(call $get-random-bytes (i64.const 1048577) (i32.const 504)) (unreachable)",
            "1048576 random bytes in one call",
        ),
        ("(drop (table.grow $t (ref.null func) (i32.const 65536))) (unreachable)", "65536 elements in a table"),
    ] {
        let play = Play::start(&[("/a", handle(code))]);
        assert_eq!(play.crash("/a", "").await.crash.reason, CrashReason::Limit { more_than: more_than.into() });
    }
}

#[tokio::test]
async fn component_with_too_much_initial_memory_does_not_start() {
    let code = format!("(table 60000 funcref) (table 60000 funcref) {ECHO}");
    let play = Play::start(&[("/greedy", actor(&code))]);
    let Stage::GaveUp(report) = play.kernel.wait_stopped().await else { panic!("it must give up") };
    assert!(format!("{report:?}").contains(r#"Memory { limit_bytes: 1048576, key: "limits.memory" }"#), "{report:?}");
}

#[tokio::test]
async fn endless_recursion_overflows_the_guests_stack_only() {
    let code = r#"(func $deeper (param i64) (result i64)
        (i64.add (call $deeper (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))
      (func (export "handle") (param i32 i32) (result i32) (drop (call $deeper (i64.const 0))) (call $done))"#;
    let play = Play::start(&[("/deep", actor(code))]);
    let crash = play.crash("/deep", "").await;
    assert_eq!(crash.crash.reason, CrashReason::Stack { limit_bytes: 512 << 10 });
    assert_eq!(crash.crash.backtrace.len(), 32);
    assert_eq!(crash.crash.backtrace[0], "deeper");
}

#[tokio::test]
async fn trap_report_names_its_kind_and_functions() {
    let code = r#"(func $inner_fault unreachable)
      (func $handle (export "handle") (param i32 i32) (result i32) (call $inner_fault) (call $done))"#;
    let play = Play::start(&[("/faulty", actor(code))]);
    let crash = play.crash("/faulty", "").await.crash.clone();
    assert_eq!(crash.reason, CrashReason::Trap { kind: "wasm `unreachable` instruction executed".into() });
    assert_eq!(crash.backtrace, ["inner_fault", "handle"]);
}

#[tokio::test]
async fn a_bad_memory_access_is_a_trap() {
    let code = r#"(func (export "handle") (param i32 i32) (result i32) (i32.load (i32.const -8)))"#;
    let play = Play::start(&[("/faulty", actor(code))]);
    let crash = play.crash("/faulty", "").await;
    assert_eq!(crash.crash.reason, CrashReason::Trap { kind: "out of bounds memory access".into() });
}

#[tokio::test]
async fn panic_report_has_its_message_without_runtime_frames() {
    let code = r#"(data (i32.const 100) "index out of range, src/lib.rs:7:9")
      (func $_ZN3std9panicking20rust_panic_with_hook17h0123456789abcdefE
        (call $panicked (i32.const 100) (i32.const 34) (i32.const 0) (i32.const 0)) unreachable)
      (func $_ZN6orders4take17h0123456789abcdefE
        (call $_ZN3std9panicking20rust_panic_with_hook17h0123456789abcdefE))
      (func $handle (export "handle") (param i32 i32) (result i32)
        (call $_ZN6orders4take17h0123456789abcdefE) (call $done))"#;
    let play = Play::start(&[("/panics", actor(code))]);
    let crash = play.crash("/panics", "").await.crash.clone();
    assert_eq!(crash.reason, CrashReason::Panic { message: "index out of range, src/lib.rs:7:9".into() });
    assert_eq!(crash.backtrace, ["orders::take", "handle"]);
}

#[tokio::test]
async fn panic_report_shows_the_guests_own_traceback() {
    // Two lines, as a place and a length each.
    let code = r#"(data (i32.const 100) "no such dish") (data (i32.const 120) "cook.py:7 in fry") (data (i32.const 140) "serve")
      (data (i32.const 160) "\78\00\00\00\10\00\00\00\8c\00\00\00\05\00\00\00")
      (func $handle (export "handle") (param i32 i32) (result i32)
        (call $panicked (i32.const 100) (i32.const 12) (i32.const 160) (i32.const 2)) unreachable)"#;
    let play = Play::start(&[("/panics", actor(code))]);
    let crash = play.crash("/panics", "").await.crash.clone();
    assert_eq!(crash.reason, CrashReason::Panic { message: "no such dish".into() });
    assert_eq!(crash.backtrace, ["cook.py:7 in fry", "serve"]);
}

#[tokio::test]
async fn long_traceback_of_a_panic_is_cut() {
    // 100 lines, each of them the first 600 bytes of the memory.
    let code = r#"(func $handle (export "handle") (param i32 i32) (result i32) (local $n i32)
        (loop $next
          (i32.store (i32.add (i32.const 70000) (i32.mul (local.get $n) (i32.const 8))) (i32.const 0))
          (i32.store (i32.add (i32.const 70004) (i32.mul (local.get $n) (i32.const 8))) (i32.const 600))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $next (i32.lt_u (local.get $n) (i32.const 100))))
        (call $panicked (i32.const 0) (i32.const 1) (i32.const 70000) (i32.const 100)) unreachable)"#;
    let play = Play::start(&[("/panics", actor(code))]);
    let crash = play.crash("/panics", "").await.crash.clone();
    assert_eq!(crash.backtrace.len(), 32);
    assert!(crash.backtrace.iter().all(|line| line.len() == 512));
}

#[tokio::test]
async fn an_exit_has_its_status() {
    let code = r#"(func (export "handle") (param i32 i32) (result i32) (call $exit (i32.const 1)) (call $done))"#;
    let play = Play::start(&[("/exits", actor(code))]);
    assert_eq!(play.crash("/exits", "").await.crash.reason, CrashReason::Exit { status: 1 });
}

#[tokio::test]
async fn a_restarted_actor_has_a_fresh_memory() {
    let code = r#"(func (export "handle") (param i32 i32) (result i32)
        (i32.store8 (i32.const 500) (i32.add (i32.load8_u (i32.const 500)) (i32.const 1)))
        (if (i32.eqz (local.get 1)) (then unreachable))
        (call $reply (i32.const 500) (i32.const 1)))"#;
    let play = Play::start(&[("/counts", actor(code))]);
    assert_eq!(play.ask("/counts", "x").await, Ok(vec![1]));
    assert_eq!(play.ask("/counts", "x").await, Ok(vec![2]));
    play.crash("/counts", "").await;
    assert_eq!(play.ask("/counts", "x").await, Ok(vec![1]));
}

#[tokio::test]
async fn guest_without_grants_finds_no_environment_and_no_folders() {
    assert!(std::env::vars().next().is_some());
    let code = r#"(func (export "handle") (param i32 i32) (result i32)
        (call $get-environment (i32.const 500))
        (call $get-directories (i32.const 508))
        (i32.store8 (i32.const 600) (i32.load (i32.const 504)))
        (i32.store8 (i32.const 601) (i32.load (i32.const 512)))
        (call $reply (i32.const 600) (i32.const 2)))"#;
    let play = Play::start(&[("/looks", actor(code))]);
    assert_eq!(play.ask("/looks", "").await, Ok(vec![0, 0]));
}

#[tokio::test]
async fn report_has_the_last_lines_of_stderr() {
    let code = r#"(data (i32.const 100) "one\n\ntwo\nthree")
      (func (export "handle") (param i32 i32) (result i32)
        (call $write (call $get-stdout) (i32.const 100) (i32.const 8) (i32.const 500))
        (call $write (call $get-stderr) (i32.const 100) (i32.const 2) (i32.const 500))
        (call $write (call $get-stderr) (i32.const 102) (i32.const 12) (i32.const 500))
        unreachable)"#;
    let play = Play::start(&[("/writes", actor(code))]);
    let crash = play.crash("/writes", "").await;
    assert_eq!(crash.crash.stderr, ["one", "", "two", "three"]);
    let lines = [
        "stdout /writes one",
        "stdout /writes ",
        "stdout /writes two",
        "stderr /writes one",
        "stderr /writes ",
        "stderr /writes two",
        "stderr /writes three",
    ];
    let mut seen = play.lines();
    seen.sort_by_key(|line| line.starts_with("stderr"));
    assert_eq!(seen, lines);
}

#[tokio::test]
async fn rejected_message_sends_nothing() {
    let relay = r#"(data (i32.const 100) "/echo") (data (i32.const 110) "no")
      (func (export "handle") (param $body i32) (param $len i32) (result i32)
        (call $tell (i32.const 100) (i32.const 5) (local.get $body) (local.get $len) (i32.const 504))
        (if (i32.load8_u (i32.const 504)) (then unreachable))
        (if (result i32) (local.get $len) (then (call $done)) (else (call $reject (i32.const 110) (i32.const 2)))))"#;
    let play = Play::start(&[("/echo", actor(ECHO)), ("/relay", actor(relay))]);
    assert_eq!(play.ask("/relay", "x").await, Err(AskError::NoReply));
    assert_eq!(play.ask("/relay", "").await, Err(AskError::Rejected("no".into())));
    play.kernel.wait_idle().await;
    let handled = play.kernel.actors().await[0].handled;
    assert_eq!(handled, 1);
}

#[tokio::test]
async fn a_send_that_is_not_allowed_names_the_address() {
    let code = r#"(func (export "handle") (param $body i32) (param $len i32) (result i32)
        (call $tell (local.get $body) (local.get $len) (i32.const 0) (i32.const 0) (i32.const 504))
        (call $reply (i32.load (i32.const 520)) (i32.load (i32.const 524))))"#;
    let play = Play::with(small_sandbox(), &[("/a", actor(code)), ("/b", actor(ECHO))], |plan| {
        plan.actors[0].grants.sends_to = vec![address("/nobody")];
    });
    assert_eq!(play.ask("/a", "/b").await, Ok("/b".into()));
    assert_eq!(play.ask("/a", "/nobody").await, Ok("/nobody".into()));
}

#[tokio::test]
async fn an_ask_brings_the_answer_of_another_actor() {
    let code = r#"(data (i32.const 100) "/echo")
      (func (export "handle") (param $body i32) (param $len i32) (result i32)
        (call $ask (i32.const 100) (i32.const 5) (local.get $body) (local.get $len) (i64.const -1) (i32.const 504))
        (if (i32.load8_u (i32.const 504)) (then unreachable))
        (call $reply (i32.load (i32.const 512)) (i32.load (i32.const 516))))"#;
    let play = Play::start(&[("/echo", actor(ECHO)), ("/asks", actor(code))]);
    assert_eq!(play.ask("/asks", "question").await, Ok("question".into()));
}

#[tokio::test]
async fn an_actor_reads_its_address_and_its_config() {
    let code = r#"(data (i32.const 100) "colour")
      (func (export "handle") (param i32) (param $len i32) (result i32)
        (call $address (i32.const 500))
        (call $config (i32.const 100) (i32.const 6) (i32.const 520))
        (if (local.get $len)
          (then (return (call $reply (i32.load (i32.const 500)) (i32.load (i32.const 504))))))
        (call $reply (i32.load (i32.const 524)) (i32.load (i32.const 528))))"#;
    let play = Play::start(&[("/reads", actor(code))]);
    assert_eq!(play.ask("/reads", "x").await, Ok("/reads".into()));
    assert_eq!(play.ask("/reads", "").await, Ok("red".into()));
}

#[tokio::test]
async fn envelope_counts_the_first_attempt_as_1() {
    let code = r#"(func (export "handle") (param i32 i32) (result i32)
        (call $message (i32.const 504))
        (i32.store8 (i32.const 600) (i32.load8_u (i32.const 504)))
        (i32.store8 (i32.const 601) (i32.load (i32.const 544)))
        (i32.store8 (i32.const 602) (i32.load8_u (i32.const 548)))
        (call $reply (i32.const 600) (i32.const 3)))"#;
    let play = Play::start(&[("/reads", actor(code))]);
    assert_eq!(play.ask("/reads", "").await, Ok(vec![1, 1, 1]));
}

#[tokio::test]
async fn envelope_has_flow_deadline_sequence_and_metadata() {
    // The number of digits of the flow; whether there is a deadline, and whether it is more than 1 ms and less than 2^16 ms away;
    // the sequence number; the number of pairs, and the first letters of the first pair's key and value.
    let code = r#"(func (export "handle") (param i32 i32) (result i32)
        (call $message (i32.const 504))
        (i32.store8 (i32.const 600) (i32.load (i32.const 536)))
        (i32.store8 (i32.const 601) (i32.load8_u (i32.const 552)))
        (i32.store8 (i32.const 602) (i32.and (i64.gt_u (i64.load (i32.const 560)) (i64.const 1))
          (i64.lt_u (i64.load (i32.const 560)) (i64.const 65536))))
        (i32.store8 (i32.const 603) (i32.wrap_i64 (i64.load (i32.const 568))))
        (i32.store8 (i32.const 604) (i32.load (i32.const 580)))
        (if (i32.load (i32.const 580)) (then
          (i32.store8 (i32.const 605) (i32.load8_u (i32.load (i32.load (i32.const 576)))))
          (i32.store8 (i32.const 606) (i32.load8_u (i32.load offset=8 (i32.load (i32.const 576)))))))
        (call $reply (i32.const 600) (i32.const 7)))"#;
    let play = Play::start(&[("/reads", actor(code))]);
    assert_eq!(play.ask("/reads", "").await, Ok(vec![32, 1, 1, 0, 0, 0, 0]));
    let metadata = Metadata::collect([("path", "/x"), ("method", "POST")]).unwrap();
    let to = address("/reads");
    let reply = play.kernel.ask_with(&to, &metadata, b"", Duration::from_secs(10)).await;
    assert_eq!(reply.map(|reply| reply.body), Ok(vec![32, 1, 1, 0, 2, b'p', b'/']));
}

const HOOKS: &str = r#"(data (i32.const 100) "no database") (data (i32.const 120) "/log")
  (func (export "shutdown") (result i32)
    (call $tell (i32.const 120) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 504))
    (i32.store8 (i32.const 0) (i32.const 0)) (i32.const 0))"#;

#[tokio::test]
async fn failed_init_is_a_failed_start_with_its_text() {
    let code = format!(
        r#"{ECHO} {HOOKS} (func (export "init") (result i32)
        (i32.store8 (i32.const 0) (i32.const 1))
        (i32.store (i32.const 4) (i32.const 100)) (i32.store (i32.const 8) (i32.const 11)) (i32.const 0))"#
    );
    let actors = [("/log", actor(ECHO)), ("/starts", actor_with_hooks(&code))];
    let play = Play::with(small_sandbox(), &actors, |plan| plan.actors[1].required = true);
    let Stage::GaveUp(report) = play.kernel.wait_stopped().await else { panic!("it must give up") };
    assert!(format!("{report:?}").contains("no database"), "{report:?}");
}

#[tokio::test]
async fn failed_shutdown_is_a_crash_with_its_text() {
    let code = format!(
        r#"{ECHO} (data (i32.const 100) "disk full")
        (func (export "init") (result i32) (i32.store8 (i32.const 0) (i32.const 0)) (i32.const 0))
        (func (export "shutdown") (result i32)
        (call $write (call $get-stderr) (i32.const 100) (i32.const 4) (i32.const 500))
        (i32.store8 (i32.const 0) (i32.const 1))
        (i32.store (i32.const 4) (i32.const 100)) (i32.store (i32.const 8) (i32.const 9)) (i32.const 0))"#
    );
    let play = Play::start(&[("/stops", actor_with_hooks(&code))]);
    play.kernel.wait_booted().await;
    play.kernel.halt(&address("/stops")).await;
    while play.kernel.failed_shutdowns() == 0 {
        tokio::task::yield_now().await;
    }
    let crash = play.last_crash("/stops").await.crash.clone();
    assert_eq!(crash.reason, CrashReason::Shutdown { message: "disk full".into() });
    assert_eq!(crash.stderr, ["disk"]);
}

#[tokio::test]
async fn message_from_shutdown_reaches_actors_that_stop_later() {
    let log = r#"(data (i32.const 100) "got it\n") (func (export "handle") (param i32 i32) (result i32)
        (call $write (call $get-stdout) (i32.const 100) (i32.const 7) (i32.const 500)) (call $done))"#;
    let init = r#"(func (export "init") (result i32) (i32.store8 (i32.const 0) (i32.const 0)) (i32.const 0))"#;
    let stops = actor_with_hooks(&format!("{ECHO} {HOOKS} {init}"));
    let play = Play::start(&[("/log", actor(log)), ("/stops", stops)]);
    assert!(matches!(play.kernel.wait_booted().await, Stage::Running));
    play.kernel.shut_down();
    assert!(matches!(play.kernel.wait_stopped().await, Stage::Stopped));
    assert_eq!(play.lines(), ["stdout /log got it"]);
    assert_eq!(play.sandbox.instances(), 0);
}

#[tokio::test]
async fn instance_beyond_the_bound_fails_to_start_and_names_the_key() {
    let sandbox =
        playhouse_sandbox::Sandbox::new(SandboxConfig { max_instances: 1, ..SandboxConfig::default() }).unwrap();
    let play = Play::with(sandbox, &[("/a", actor(ECHO)), ("/b", actor(ECHO))], |plan| {
        plan.actors.iter_mut().for_each(|actor| actor.required = true);
    });
    let Stage::GaveUp(report) = play.kernel.wait_stopped().await else { panic!("it must give up") };
    assert!(format!("{report:?}").contains("`play.max_instances`"), "{report:?}");
}

#[tokio::test]
async fn killed_call_frees_its_instance() {
    let play = Play::with(small_sandbox(), &[("/loop", actor(LOOP))], |plan| {
        plan.actors[0].limits.timeout = Duration::from_millis(1);
    });
    let crash = play.crash("/loop", "").await;
    assert_eq!(crash.crash.reason, CrashReason::Timeout { limit: Duration::from_millis(1) });
    play.kernel.kill();
    play.kernel.wait_stopped().await;
    assert_eq!(play.sandbox.instances(), 0);
}

#[tokio::test]
async fn component_with_two_memories_in_a_module_runs() {
    let code = r#"(memory $second 1)
      (func (export "handle") (param i32 i32) (result i32)
        (i32.store $second (i32.const 8) (i32.const 7))
        (if (i32.ne (i32.load $second (i32.const 8)) (i32.const 7)) (then (unreachable)))
        (call $reply (local.get 0) (local.get 1)))"#;
    let play = Play::start(&[("/two", actor(code))]);
    assert_eq!(play.ask("/two", "hello").await, Ok("hello".into()));
}

#[tokio::test]
async fn memories_of_one_instance_share_its_limit() {
    let code = r#"(memory $second 1)
      (func (export "handle") (param i32 i32) (result i32)
        (loop (br_if 0 (i32.ne (memory.grow $second (i32.const 1)) (i32.const -1))))
        (unreachable))"#;
    let play = Play::start(&[("/greedy", actor(code))]);
    assert_eq!(
        play.crash("/greedy", "").await.crash.reason,
        CrashReason::Memory { limit_bytes: 1 << 20, key: "limits.memory".into() }
    );
}

/// Two components with a memory each. While the second one is instantiated it calls the first one with a text, and traps unless
/// the same text comes back: the adapter between the two copies from memory to memory.
const JOINED: &str = r#"
  (component $first
    (core module $m
      (memory (export "memory") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
      (func (export "same") (param i32 i32) (result i32)
        (i32.store (i32.const 8) (local.get 0))
        (i32.store (i32.const 12) (local.get 1))
        (i32.const 8)))
    (core instance $i (instantiate $m))
    (func (export "same") (param "text" string) (result string)
      (canon lift (core func $i "same") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
  (component $second
    (import "same" (func $same (param "text" string) (result string)))
    (core module $libc
      (memory (export "memory") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 2048)))
    (core instance $libc (instantiate $libc))
    (core func $low (canon lower (func $same) (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core module $main
      (import "libc" "memory" (memory 1))
      (import "first" "same" (func $same (param i32 i32 i32)))
      (data (i32.const 16) "hi")
      (func $start
        (call $same (i32.const 16) (i32.const 2) (i32.const 32))
        (if (i32.ne (i32.load (i32.const 32)) (i32.const 2048)) (then (unreachable)))
        (if (i32.ne (i32.load (i32.const 36)) (i32.const 2)) (then (unreachable)))
        (if (i32.ne (i32.load16_u (i32.const 2048)) (i32.load16_u (i32.const 16))) (then (unreachable))))
      (start $start))
    (core instance $given (export "same" (func $low)))
    (core instance (instantiate $main (with "libc" (instance $libc)) (with "first" (instance $given)))))
  (instance $joined-first (instantiate $first))
  (instance (instantiate $second (with "same" (func $joined-first "same"))))"#;

#[tokio::test]
async fn component_whose_adapter_joins_two_memories_runs() {
    let play = Play::start(&[("/joined", actor_with_import(JOINED))]);
    assert_eq!(play.ask("/joined", "hello").await, Ok("hello".into()));
}
