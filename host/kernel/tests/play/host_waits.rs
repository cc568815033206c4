//! An actor's budget does not pay for time in which its code waits for the host.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{ActorSpec, Behavior, BoxFuture, Crash, Kernel, Launcher, Outcome, Stage, Turn};

use crate::stage::*;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// `/printer` follows the plan in a message. It has a second for it, one attempt, and space for one message.
fn printer(journal: &Journal) -> ActorSpec {
    let mut spec = scripted(journal).at("/printer");
    spec.limits.timeout = Duration::from_secs(1);
    spec.restart.attempts = 1;
    (spec.mailbox.capacity, spec.mailbox.block_timeout) = (1, Duration::from_millis(1700));
    spec
}

/// Asks `/printer` and waits for the answer without a limit.
fn asker(at: &str) -> ActorSpec {
    let native = native(|turn: &mut Turn| {
        Box::pin(async move {
            let script = text(turn);
            let (to, body) = script.split_once(' ').expect("a target");
            // Some messages have a reply.
            let _ = turn.ask(to, body.as_bytes(), HOUR).await;
            Ok(Outcome::Done(Some(b"asked".to_vec())))
        })
    });
    let mut spec = sends_to(native.at(at), &["/printer", "/asker"]);
    spec.limits.timeout = Duration::from_secs(1);
    spec
}

async fn waiting_for(kernel: &Kernel, at: &str) -> Option<&'static str> {
    let actors = kernel.actors().await;
    actors.into_iter().find(|actor| actor.address == addr(at)).expect("it is there").waiting_for
}

#[tokio::test(start_paused = true)]
async fn timeout_leaves_out_the_time_of_the_host() {
    let journal = Journal::default();
    let kernel = start(vec![printer(&journal)]).await;
    tell(&kernel, "/printer", "host 60000;wait 400;host 60000;wait 400;note done").await;
    kernel.wait_idle().await;
    assert_eq!((journal.lines(), letters(&kernel)), (vec!["printer:done".into()], vec![]));
    tell(&kernel, "/printer", "host 60000;wait 1100;note never").await;
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), ["crashed host 60000;wait 1100;note never x1"], "its own time is billed as ever");
}

#[tokio::test(start_paused = true)]
async fn view_names_the_wait_of_an_actor() {
    let kernel = start(vec![printer(&Journal::default())]).await;
    tell(&kernel, "/printer", "host 60000;wait 500").await;
    tokio::time::sleep(MINUTE / 2).await;
    assert_eq!(waiting_for(&kernel, "/printer").await, Some("stdout"));
    tokio::time::sleep(MINUTE / 2 + Duration::from_millis(200)).await;
    assert_eq!(waiting_for(&kernel, "/printer").await, None);
}

#[tokio::test(start_paused = true)]
async fn ask_of_an_actor_that_waits_is_not_billed() {
    let journal = Journal::default();
    let kernel = start(vec![printer(&journal), asker("/asker"), asker("/other")]).await;
    // The time comes in parts, and through a second asker.
    let script = "/asker /printer host 20000;wait 400;host 20000;wait 400";
    let answer = kernel.ask(&addr("/other"), script.as_bytes(), HOUR).await;
    assert_eq!(answer, Ok(b"asked".to_vec()));
    assert_eq!(letters(&kernel), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn senders_wait_while_their_receiver_waits() {
    let journal = Journal::default();
    let mut middle = sends_to(scripted(&journal).at("/middle"), &["/printer"]);
    (middle.mailbox.capacity, middle.mailbox.block_timeout) = (1, Duration::from_millis(1700));
    let first = sends_to(scripted(&journal).at("/first"), &["/middle"]);
    let kernel = start(vec![printer(&journal), middle, first]).await;
    let to_printer = "tell /printer host 60000";
    for _ in 0..6 {
        tell(&kernel, "/first", &format!("tell /middle {to_printer}")).await;
    }
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_an_actor_that_waits() {
    let mut plan = plan(vec![printer(&Journal::default())]);
    plan.supervision.shutdown = Duration::from_secs(3);
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/printer", "host 3600000").await;
    tokio::time::sleep(MINUTE).await;
    kernel.shut_down();
    let stage = tokio::time::timeout(MINUTE, kernel.wait_stopped()).await.expect("the time to stop is bounded");
    assert!(matches!(stage, Stage::Stopped));
}

/// Waits for the host in each part of its start.
struct Late;

struct LateRun(Turn);

impl Launcher for Late {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        Box::pin(async { Ok(Box::new(LateRun(turn)) as Box<dyn Behavior>) })
    }

    fn plugin(&self) -> &'static str {
        "late"
    }
}

impl LateRun {
    fn wait(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            self.0.host_wait("stdout").wait(tokio::time::sleep(MINUTE)).await;
            tokio::time::sleep(Duration::from_secs(4)).await;
            Ok(())
        })
    }
}

impl Behavior for LateRun {
    fn turn(&mut self) -> &mut Turn {
        &mut self.0
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.wait()
    }

    fn prepare_children(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.wait()
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.wait()
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.wait()
    }
}

#[tokio::test(start_paused = true)]
async fn start_leaves_out_the_time_of_the_host() {
    let late = |seconds| {
        let mut spec = ActorSpec::new(addr("/late"), Arc::new(Late));
        spec.limits.start_timeout = Duration::from_secs(seconds);
        spec
    };
    assert!(matches!(start(vec![late(9)]).await.wait_booted().await, Stage::Running));
    let kernel = Kernel::start(&plan(vec![late(7)])).expect("a good plan");
    let Stage::GaveUp(why) = kernel.wait_stopped().await else { panic!("8 s are its own") };
    assert!(format!("{why:?}").contains("StartTimeout"), "{why:?}");
}
