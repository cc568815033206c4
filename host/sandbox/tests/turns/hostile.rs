//! Guests whose frames break the rules: each is a crash of that actor with the reason `bad-frame`, and affects no other actor.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use playhouse_frame::{Encoder, HEADER_BYTES, Metadata, trailer};
use playhouse_kernel::{ActorSpec, CrashReason, Kernel, MetricNames, Plan, ReplyToken, StartKind, SupervisionSpec};
use playhouse_sandbox::{Limits, Sandbox, SandboxConfig};

use crate::harness::{PATIENCE, address};
use crate::native::native;
use crate::puppet::Silent;
use crate::template::{ECHO, actor_with_turns};

/// The message in the crash report of an actor with this code, which answers its first batch with a bad frame. All its messages
/// are handled afterwards, one by one.
async fn crash(code: &str) -> String {
    let sandbox = Sandbox::new(SandboxConfig { max_instances: 4, ..SandboxConfig::default() }).unwrap();
    let plugin = sandbox.load_bytes("hostile", &actor_with_turns(code)).unwrap();
    let limits = Limits { memory_bytes: 1 << 20, cpu: Duration::from_secs(5), ..Limits::default() };
    let mut spec = ActorSpec::new(address("/a"), plugin.launcher(limits, BTreeMap::new(), Arc::new(Silent)));
    spec.grants.sends_to = vec![address("/a")];
    spec.metrics = MetricNames::new(["a"]).unwrap();
    let kernel = Kernel::start(&Plan { actors: vec![spec], ..Plan::default() }).unwrap();
    kernel.wait_booted().await;
    for _ in 0..3 {
        kernel.tell(&address("/a"), b"x", PATIENCE).await.unwrap();
    }
    kernel.wait_idle().await;
    assert!(kernel.dead_letters().is_empty());
    let actor = kernel.actors().await.remove(0);
    assert_eq!(actor.handled, 3);
    match &actor.last_crash.expect("it crashed").crash.reason {
        CrashReason::BadFrame { message } => message.clone(),
        other => panic!("{other:?}"),
    }
}

/// The code of an actor that answers any batch with these bytes, after `before`.
fn answers(before: &str, frame: &[u8]) -> String {
    let escaped = frame.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:02x}");
        text
    });
    let length = frame.len();
    format!(
        r#"{ECHO} (data (i32.const 700) "{escaped}") (data (i32.const 600) "/a")
        (func (export "turns") (param i32 i32) (result i32)
          {before}
          (i32.store (i32.const 0) (i32.const 700)) (i32.store (i32.const 4) (i32.const {length})) (i32.const 0))"#
    )
}

fn frame(ops: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut encoder = Encoder::new();
    ops(&mut encoder);
    encoder.take()
}

/// Resolves the actor's own address, which is granted.
const RESOLVE: &str = "(call $resolve (i32.const 600) (i32.const 2) (i32.const 0) (i32.const 504))";

#[tokio::test(start_paused = true)]
async fn invalid_frame_is_a_crash() {
    assert_eq!(crash(&answers("", b"")).await, "a frame of 0 bytes is too short for its trailer of 8 bytes");
    assert_eq!(
        crash(&answers("", &[7; 20])).await,
        "a frame of version 1799, but this side reads version 3: build the guest and the host from the same release"
    );
}

#[tokio::test(start_paused = true)]
async fn frame_without_outcome_is_a_crash() {
    assert_eq!(crash(&answers("", &trailer(0))).await, "it has no outcome at all");
}

#[tokio::test(start_paused = true)]
async fn frame_with_too_many_outcomes_is_a_crash() {
    let three = frame(|out| (0..3).for_each(|_| out.done(None)));
    assert_eq!(crash(&answers("", &three)).await, "it has an operation after the outcome of the last message");
}

#[tokio::test(start_paused = true)]
async fn frame_with_billions_of_outcomes_is_a_crash() {
    let text = crash(&answers("", &trailer(u32::MAX))).await;
    assert_eq!(text, "it has an operation after the outcome of the last message");
}

#[tokio::test(start_paused = true)]
async fn operations_out_of_message_order_are_a_crash() {
    let mut swapped = frame(|out| {
        for _ in 0..2 {
            out.tell(0, b"");
            out.done(None);
        }
    });
    (swapped[12], swapped[HEADER_BYTES + 12]) = (1, 0);
    let text = crash(&answers(RESOLVE, &swapped)).await;
    assert_eq!(text, "the operation at byte 64 is of message 0, which has its outcome already");
    swapped[12] = 3;
    assert_eq!(
        crash(&answers(RESOLVE, &swapped)).await,
        "the trailer states 2 messages or outcomes, but the frame has 3"
    );
}

#[tokio::test(start_paused = true)]
async fn metric_that_is_not_declared_is_a_crash() {
    let measured = |metric, value: f64| {
        let mut frame = frame(|out| {
            out.count(metric, 1);
            out.observe(metric, 7.0);
            (0..2).for_each(|_| out.done(None));
        });
        // The value of the second operation: an encoder makes no bad one.
        frame[40..48].copy_from_slice(&value.to_le_bytes());
        frame
    };
    assert_eq!(crash(&answers("", &measured(1, 1.0))).await, "it measures metric 1, which it was never given");
    for value in [-1.0, f64::NAN, f64::INFINITY] {
        let text = crash(&answers("", &measured(0, value))).await;
        assert_eq!(text, "the value of the operation at byte 24 is negative or not finite");
    }
}

#[tokio::test(start_paused = true)]
async fn count_after_the_last_outcome_is_a_crash() {
    let open = frame(|out| {
        out.done(None);
        out.count(0, 1);
    });
    assert_eq!(crash(&answers("", &open)).await, "it has an operation after its last outcome");
}

/// A receiver trusts the header of a message, so a guest must not be able to write it.
#[tokio::test(start_paused = true)]
async fn forged_message_header_is_overwritten() {
    let mut forged = frame(|out| {
        out.tell(0, b"y");
        (0..2).for_each(|_| out.done(None));
    });
    forged[16..HEADER_BYTES].fill(0xff);
    let sandbox = Sandbox::new(SandboxConfig { max_instances: 4, ..SandboxConfig::default() }).unwrap();
    let plugin = sandbox
        .load_bytes("forger", &actor_with_turns(&answers(RESOLVE, &forged).replace("\"/a\"", "\"/b\"")))
        .unwrap();
    let limits = Limits { memory_bytes: 1 << 20, cpu: Duration::from_secs(5), ..Limits::default() };
    let mut spec = ActorSpec::new(address("/a"), plugin.launcher(limits, BTreeMap::new(), Arc::new(Silent)));
    spec.grants.sends_to = vec![address("/b")];
    let heard = Arc::new(Mutex::new(Vec::new()));
    let peer = native({
        let heard = heard.clone();
        move |turn| heard.lock().unwrap().push((turn.sender(), turn.envelope().unwrap()))
    });
    let plan = Plan { actors: vec![ActorSpec::new(address("/b"), Arc::new(peer)), spec], ..Plan::default() };
    let kernel = Kernel::start(&plan).unwrap();
    kernel.wait_booted().await;
    for _ in 0..3 {
        kernel.tell(&address("/a"), b"x", PATIENCE).await.unwrap();
    }
    kernel.wait_idle().await;
    let heard = heard.lock().unwrap();
    let [(sender, envelope)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(sender.as_ref(), Some(&address("/a")));
    assert_eq!((envelope.hops, envelope.attempt, envelope.reply), (1, 0, ReplyToken::NONE));
    assert!(envelope.flow.0 != u128::MAX && envelope.id.0 != u128::MAX);
}

#[tokio::test(start_paused = true)]
async fn unknown_route_is_a_crash() {
    let told = frame(|out| {
        out.tell(3, b"x");
        out.done(None);
    });
    assert_eq!(crash(&answers(RESOLVE, &told)).await, "it sends to route 3, which it was never given");
}

#[tokio::test(start_paused = true)]
async fn send_after_the_last_outcome_is_a_crash() {
    let open = frame(|out| {
        out.done(None);
        out.tell(0, b"x");
    });
    assert_eq!(crash(&answers(RESOLVE, &open)).await, "it has an operation after its last outcome");
}

#[tokio::test(start_paused = true)]
async fn invalid_intermediate_frame_is_a_crash() {
    let hand_over = "(call $hand-over (i32.const 700) (i32.const 20))";
    let two = frame(|out| (0..2).for_each(|_| out.done(None)));
    let text = crash(&answers(hand_over, &two)).await;
    assert_eq!(
        text,
        "a frame of version 0, but this side reads version 3: build the guest and the host from the same release"
    );
}

#[tokio::test(start_paused = true)]
async fn repeated_outcome_is_a_crash() {
    let two = frame(|out| (0..2).for_each(|_| out.done(None)));
    let hand_over = format!("(call $hand-over (i32.const 700) (i32.const {}))", two.len());
    let text = crash(&answers(&hand_over, &two)).await;
    assert_eq!(text, "it has an operation after the outcome of the last message");
}

#[tokio::test(start_paused = true)]
async fn spawn_of_an_unreserved_child_is_a_crash() {
    let spawned = frame(|out| {
        out.spawn(0);
        out.done(None);
    });
    let text = crash(&answers(RESOLVE, &spawned)).await;
    assert_eq!(text, "it spawns the child of route 0, which its message has not reserved, or spawned already");
}

#[tokio::test(start_paused = true)]
async fn stop_of_another_actor_is_a_crash() {
    let stopped = |route| {
        frame(|out| {
            out.stop(route);
            out.done(None);
        })
    };
    let text = crash(&answers(RESOLVE, &stopped(0))).await;
    assert_eq!(text, "it stops the actor of route 0, which is not a child that it spawned");
    assert_eq!(crash(&answers("", &stopped(7))).await, "it sends to route 7, which it was never given");
}

#[tokio::test(start_paused = true)]
async fn timer_with_a_bad_id_or_route_is_a_crash() {
    let timer = |ids: &[u64], route, body: &[u8]| {
        frame(|out| {
            for &id in ids {
                out.timer(id, route, 1, false, &Metadata::new(), body);
            }
            out.done(None);
        })
    };
    let out_of_order = |id: u64| format!("it sets a timer with the id {id}, which is out of order");
    assert_eq!(crash(&answers(RESOLVE, &timer(&[0], 0, b""))).await, out_of_order(0));
    assert_eq!(crash(&answers(RESOLVE, &timer(&[5, 6, 6], 0, b""))).await, out_of_order(6));
    assert_eq!(crash(&answers(RESOLVE, &timer(&[1 << 52], 0, b""))).await, out_of_order(1 << 52));
    assert_eq!(crash(&answers("", &timer(&[1], 3, b""))).await, "it sends to route 3, which it was never given");
}

#[tokio::test(start_paused = true)]
async fn truncated_timer_is_a_crash() {
    let mut cut = frame(|out| out.timer(1, 0, 1, false, &Metadata::new(), b""));
    cut.drain(24..32);
    cut[0] = 8;
    let text = crash(&answers(RESOLVE, &cut)).await;
    assert_eq!(text, "the operation at byte 0 cannot have 8 bytes after its header");
}

/// The guest answers batches of up to 64 messages correctly, and loops endlessly in a larger one.
#[tokio::test]
async fn endless_loop_in_a_batch_has_cpu_time_of_64_messages() {
    const SIZES: [usize; 6] = [2, 4, 8, 16, 32, 64];
    let answers = SIZES.map(|size| {
        let done = frame(|out| (0..size).for_each(|_| out.done(None)));
        let escaped = done.iter().fold(String::new(), |text, byte| text + &format!("\\{byte:02x}"));
        let (at, length) = (60_000 + 32 * size, done.len());
        let batch = size * (HEADER_BYTES + 1) + trailer(0).len();
        let answer = format!(
            "(if (i32.eq (local.get 1) (i32.const {batch})) (then
               (i32.store (i32.const 0) (i32.const {at})) (i32.store (i32.const 4) (i32.const {length}))
               (return (i32.const 0))))"
        );
        (format!("(data (i32.const {at}) \"{escaped}\")"), answer)
    });
    let (data, answers): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    let (data, answers) = (data.concat(), answers.concat());
    let code = format!(
        "{ECHO} {data} (func (export \"turns\") (param i32 i32) (result i32) {answers} (loop (br 0)) (unreachable))"
    );
    let sandbox = Sandbox::new(SandboxConfig { max_instances: 4, ..SandboxConfig::default() }).unwrap();
    let plugin = sandbox.load_bytes("hostile", &actor_with_turns(&code)).unwrap();
    let limits = Limits { memory_bytes: 1 << 20, cpu: Duration::from_millis(5), ..Limits::default() };
    let mut spec = ActorSpec::new(address("/a"), plugin.launcher(limits, BTreeMap::new(), Arc::new(Silent)));
    (spec.batch, spec.limits.timeout, spec.mailbox.capacity) = (256, PATIENCE, 2048);
    (spec.start, spec.restart.backoff.initial) = (StartKind::Manual, Duration::ZERO);
    // The test ends with the first crash, so the restarts after it are not bounded.
    let supervision = SupervisionSpec { intensity: u32::MAX, ..SupervisionSpec::default() };
    let kernel = Kernel::start(&Plan { actors: vec![spec], supervision, ..Plan::default() }).unwrap();
    kernel.wait_booted().await;
    for _ in 0..1536 {
        kernel.tell(&address("/a"), b"x", PATIENCE).await.unwrap();
    }
    kernel.resume(&address("/a")).await;
    let crashed = async {
        loop {
            match kernel.actors().await.remove(0).last_crash {
                Some(crash) => return crash,
                None => tokio::task::yield_now().await,
            }
        }
    };
    let crash = tokio::time::timeout(PATIENCE, crashed).await.expect("it ends");
    assert_eq!(crash.crash.reason, CrashReason::Cpu { budget: Duration::from_millis(5 * 64) });
}
