//! Budgets of time measure an actor's code: the time that it runs and waits, not the time of other work on the machine.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use playhouse_kernel::{
    ActorSpec, CrashReason, HostClock, Kernel, MailboxPolicy, Outcome, PolicyLauncher, PolicyState, Stage,
    yield_to_others,
};
use tokio::sync::Notify;
use tokio::time::{Instant, advance, sleep};

use crate::stage::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A machine with one thread. Its time passes only by order of the tests.
#[derive(Default)]
struct Machine(Mutex<Times>);

#[derive(Default, Clone, Copy)]
struct Times {
    thread: Duration,
    delayed: Duration,
    suspended: Duration,
}

impl HostClock for Machine {
    fn thread_time(&self) -> Duration {
        self.0.lock().thread
    }

    fn delayed(&self, _: Instant) -> Duration {
        self.0.lock().delayed
    }

    fn suspended(&self, _: Instant) -> Duration {
        self.0.lock().suspended
    }
}

/// Time passes, and no other task runs.
fn pass(time: Duration) {
    assert!(advance(time).now_or_never().is_none(), "the clock is moved, and then others run");
}

impl Machine {
    /// The thread works.
    fn work(&self, time: Duration) {
        self.0.lock().thread += time;
        pass(time);
    }

    /// The process does not run.
    fn suspend(&self, time: Duration) {
        let mut times = self.0.lock();
        times.delayed += time;
        times.suspended += time;
        pass(time);
    }
}

async fn start_on(machine: &Arc<Machine>, actors: Vec<ActorSpec>) -> Kernel {
    let mut plan = plan(actors);
    plan.clock = machine.clone().into();
    start_plan(&plan).await
}

/// Works 100 ms, yields every 10 ms, and then sleeps for the time in the message.
fn worker(machine: &Arc<Machine>, at: &str) -> ActorSpec {
    let machine = machine.clone();
    let worker = native(move |turn| {
        let (machine, pause) = (machine.clone(), MS(text(turn).parse().expect("a number")));
        Box::pin(async move {
            for _ in 0..10 {
                machine.work(MS(10));
                yield_to_others().await;
            }
            sleep(pause).await;
            Ok(Outcome::Done(Some(b"done".to_vec())))
        })
    });
    let mut spec = worker.at(at);
    spec.limits.timeout = MS(500);
    spec.restart.attempts = 1;
    spec
}

#[tokio::test(start_paused = true)]
async fn crowd_on_one_thread_does_not_time_out() {
    let machine = Arc::new(Machine::default());
    let names: Vec<_> = (0..150).map(|n| format!("/w{n}")).collect();
    let kernel = start_on(&machine, names.iter().map(|name| worker(&machine, name)).collect()).await;
    let began = Instant::now();
    for name in &names {
        tell(&kernel, name, "50").await;
    }
    kernel.wait_idle().await;
    assert!(began.elapsed() > Duration::from_secs(15), "each handler took that long");
    assert_eq!(letters(&kernel), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn work_and_waits_of_an_actor_are_billed() {
    let machine = Arc::new(Machine::default());
    let kernel = start_on(&machine, vec![worker(&machine, "/w")]).await;
    tell(&kernel, "/w", "380").await;
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), [""; 0]);
    tell(&kernel, "/w", "600").await;
    tell(&kernel, "/w", "1").await;
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), ["crashed 600 x1"]);
}

#[tokio::test(start_paused = true)]
async fn endless_work_times_out_though_it_lets_others_run() {
    let machine = Arc::new(Machine::default());
    let m = machine.clone();
    let endless = native(move |_| {
        let m = m.clone();
        Box::pin(async move {
            loop {
                m.work(MS(10));
                yield_to_others().await;
            }
        })
    });
    let mut spec = endless.at("/w");
    (spec.limits.timeout, spec.restart.attempts) = (MS(500), 1);
    let kernel = start_on(&machine, vec![spec]).await;
    tell(&kernel, "/w", "x").await;
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), ["crashed x x1"]);
    assert!(machine.thread_time() < MS(600), "{:?}", machine.thread_time());
}

#[tokio::test(start_paused = true)]
async fn wait_for_a_thread_is_not_billed() {
    let machine = Arc::new(Machine::default());
    let bell = Arc::new(Notify::new());
    let heard = bell.clone();
    let listener = native(move |_| {
        let heard = heard.clone();
        Box::pin(async move {
            sleep(MS(1)).await;
            sleep(MS(1)).await;
            for _ in 0..5 {
                heard.notified().await;
            }
            Ok(Outcome::Done(None))
        })
    });
    let mut listener = listener.at("/listener");
    (listener.limits.timeout, listener.restart.attempts) = (MS(500), 1);
    let hog = {
        let (machine, bell) = (machine.clone(), bell.clone());
        quick(move |_| {
            bell.notify_waiters();
            machine.work(MS(400));
            Ok(Outcome::Done(None))
        })
    };
    let hogs = (0..5).map(|n| hog.clone().at(&format!("/hog{n}")));
    let kernel = start_on(&machine, hogs.chain([listener]).collect()).await;
    tell(&kernel, "/listener", "x").await;
    sleep(MS(10)).await;
    for _ in 0..5 {
        // The listener's event comes at once, behind five others.
        for n in 0..5 {
            tell(&kernel, &format!("/hog{n}"), "x").await;
        }
        sleep(MS(10)).await;
    }
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn suspended_host_crashes_no_waiting_actor() {
    let machine = Arc::new(Machine::default());
    let journal = Journal::default();
    let mut asked = scripted(&journal).at("/asked");
    asked.limits.timeout = MS(500);
    let mut asker = sends_to(scripted(&journal).at("/asker"), &["/asked"]);
    asker.limits.timeout = MS(500);
    let mut stuck = native(|_| Box::pin(std::future::pending())).at("/stuck");
    (stuck.limits.timeout, stuck.restart.attempts) = (MS(500), 1);
    let kernel = start_on(&machine, vec![asked, asker, stuck]).await;
    let began = Instant::now();
    tell(&kernel, "/asker", "ask /asked wait 300").await;
    tell(&kernel, "/stuck", "x").await;
    sleep(MS(100)).await;
    machine.suspend(Duration::from_secs(100));
    kernel.wait_idle().await;
    assert_eq!((letters(&kernel), kernel.restarts()), (vec!["crashed x x1".into()], 1));
    let took = began.elapsed().saturating_sub(Duration::from_secs(100));
    assert!((MS(500)..MS(520)).contains(&took), "a limit holds for the rest of the time: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn suspended_host_fails_no_start_and_kills_no_stop() {
    let machine = Arc::new(Machine::default());
    let journal = Journal::default();
    let slow = native(|_| Box::pin(async { Ok(Outcome::Done(None)) })).gated(|_| Ok(playhouse_kernel::Gate::Start));
    let mut late = slow.at("/late");
    late.limits.start_timeout = MS(500);
    let mut busy = scripted(&journal).at("/busy");
    busy.limits.timeout = Duration::from_secs(1);
    let mut plan = plan(vec![late, busy]);
    plan.clock = machine.clone().into();
    plan.supervision.shutdown = Duration::from_secs(1);
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/busy", "wait 800;note done").await;
    sleep(MS(10)).await;
    kernel.shut_down();
    sleep(MS(10)).await;
    machine.suspend(Duration::from_secs(100));
    assert!(matches!(kernel.wait_stopped().await, Stage::Stopped));
    assert_eq!(journal.lines(), ["busy:done"], "it had its time to finish");
}

/// Sleeps in each call for the time that the test sets.
struct Sleepy(Duration);

impl PolicyLauncher for Sleepy {
    fn launch(
        &self,
        _: playhouse_kernel::About,
    ) -> playhouse_kernel::BoxFuture<'_, Result<Box<dyn MailboxPolicy>, playhouse_kernel::Crash>> {
        let sleeps = self.0;
        Box::pin(async move {
            sleep(sleeps).await;
            Err(playhouse_kernel::Crash::new(CrashReason::Exit { status: 1 }))
        })
    }

    fn plugin(&self) -> &'static str {
        "sleepy"
    }
}

#[tokio::test(start_paused = true)]
async fn suspended_host_is_no_hang_of_a_policy() {
    let machine = Arc::new(Machine::default());
    let mut spec = recorder(&Journal::default()).at("/shop");
    spec.policy = Some(Box::new(playhouse_kernel::PolicySpec::new(Arc::new(Sleepy(MS(600))))));
    let kernel = start_on(&machine, vec![spec]).await;
    sleep(MS(100)).await;
    machine.suspend(Duration::from_secs(100));
    sleep(MS(1)).await;
    let policy = kernel.actors().await.remove(0).mailbox.policy.expect("it has one");
    assert_ne!(policy.state, PolicyState::GaveUp);
    let why = policy.last_crash.expect("it ended itself");
    assert!(why.contains("exit status 1"), "{why}");
}
