//! Actors' own metrics: effects of messages and of hooks, and sums that outlive incarnations and children.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    ActorMetrics, ActorSpec, Crash, CrashReason, Failure, Kernel, Message, MetricError, MetricNames, NativeActor,
    NativeContext, NativeLauncher, NativeResult, OBSERVATION_BOUNDS, Outcome, OwnMetric,
};

use crate::stage::*;

/// Takes one step after another: `count BY`, `observe VALUE`, `ask`, `reject`, `retry`, `trap`, and those of the scripted actor's
/// `spawn` and `stop`.
fn measuring() -> Native {
    native(|turn| {
        Box::pin(async move {
            for step in text(turn).split(';') {
                match step.split_once(' ').unwrap_or((step, "")) {
                    ("count", by) => turn.count("orders", by.parse().expect("a number")).expect("declared"),
                    ("observe", value) => turn.observe("amount", value.parse().expect("a number")).expect("declared"),
                    ("ask", to) => drop(turn.ask(to, b"", SOON).await),
                    ("spawn", name) => turn.spawn(name, "worker", [].into()).expect("granted"),
                    ("stop", name) => turn.stop(name).expect("a child"),
                    ("tell", rest) => {
                        let (to, body) = rest.split_once(' ').expect("a body");
                        turn.tell(to, body.replace(',', ";").as_bytes()).expect("granted");
                    }
                    ("reject", why) => return Ok(Outcome::Failed(Failure::Reject(why.to_owned()))),
                    ("trap", _) => return Err(trap()),
                    _ => {}
                }
            }
            Ok(Outcome::Done(None))
        })
    })
}

fn measured(spec: ActorSpec) -> ActorSpec {
    ActorSpec { metrics: MetricNames::new(["orders", "amount"]).expect("good names"), ..spec }
}

async fn rows(kernel: &Kernel) -> Vec<ActorMetrics> {
    kernel.metrics(Duration::from_mins(1), |_| Duration::ZERO).await.actors
}

/// The counts of `/a`, and of the actors spawned below it.
async fn orders(kernel: &Kernel) -> [Option<u64>; 2] {
    let rows = rows(kernel).await;
    let counted = |spawned: bool| {
        let row = rows.iter().find(|row| row.address == addr("/a") && row.spawned == spawned)?;
        row.totals.own.get("orders")?.counted
    };
    [counted(false), counted(true)]
}

#[tokio::test(start_paused = true)]
async fn metric_without_use_is_not_there() {
    let kernel = start(vec![measured(measuring().at("/a"))]).await;
    tell(&kernel, "/a", "nothing").await;
    kernel.wait_idle().await;
    assert!(rows(&kernel).await[0].totals.own.is_empty());
    tell(&kernel, "/a", "count 0").await;
    kernel.wait_idle().await;
    let only = OwnMetric { counted: Some(0), observed: None };
    assert_eq!(Vec::from_iter(&rows(&kernel).await[0].totals.own), [(&Arc::from("orders"), &only)]);
}

#[tokio::test(start_paused = true)]
async fn failed_or_crashed_message_counts_nothing() {
    let kernel = start(vec![measured(measuring().at("/a"))]).await;
    for message in ["count 1", "count 10;reject no", "count 100;trap", "count 1000;observe 0.3;observe 99999"] {
        tell(&kernel, "/a", message).await;
    }
    kernel.wait_idle().await;
    assert_eq!(orders(&kernel).await[0], Some(1001));
    let own = &rows(&kernel).await[0].totals.own;
    let amount = own["amount"].observed.as_ref().expect("observed");
    let class = OBSERVATION_BOUNDS.iter().position(|bound| *bound >= 0.5).expect("a bound");
    assert_eq!((amount.counts[class], amount.counts[OBSERVATION_BOUNDS.len()]), (1, 1));
    assert_eq!((amount.counts.iter().sum::<u64>(), amount.sum), (2, 0.3 + 99_999.0));
}

#[tokio::test(start_paused = true)]
async fn count_is_visible_when_its_reply_comes() {
    let counting = quick(|turn| {
        turn.count("orders", 1).expect("declared");
        Ok(Outcome::Done(Some(b"counted".to_vec())))
    });
    let kernel = start(vec![measured(counting.at("/a"))]).await;
    for number in 1..=3 {
        assert_eq!(ask(&kernel, "/a", "").await.as_deref(), Ok("counted"));
        assert_eq!(orders(&kernel).await[0], Some(number));
    }
}

/// An ask commits the messages before its own, and not its own.
#[tokio::test(start_paused = true)]
async fn ask_commits_the_counts_of_finished_messages() {
    let answering = quick(|_| Ok(Outcome::Done(Some(Vec::new()))));
    let asking = sends_to(measured(measuring().at("/a")), &["/b"]);
    let kernel = start(vec![answering.at("/b"), asking]).await;
    kernel.halt(&addr("/a")).await;
    for message in ["count 1", "count 10;ask /b;count 10;reject no", "count 100;ask /b;count 100;trap", "count 1000"] {
        tell(&kernel, "/a", message).await;
    }
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    assert_eq!(orders(&kernel).await[0], Some(1001));
}

#[tokio::test(start_paused = true)]
async fn hook_counts_as_it_sends() {
    let count = |by| {
        move |turn: &mut playhouse_kernel::Turn| {
            turn.count("orders", by).expect("declared");
            Ok(())
        }
    };
    let hooks = measuring().on_init(count(1)).on_prepare(count(10)).on_shutdown(count(100));
    let failing = measuring().on_init(|turn| {
        turn.count("orders", 1).expect("declared");
        Err(Crash::new(CrashReason::Start { message: "no".into() }))
    });
    let kernel = Kernel::start(&plan(vec![measured(hooks.at("/a")), measured(failing.at("/b"))])).expect("sound");
    kernel.wait_booted().await;
    assert_eq!(orders(&kernel).await[0], Some(11));
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!(orders(&kernel).await[0], Some(111));
    let failed = rows(&kernel).await.into_iter().find(|row| row.address == addr("/b")).expect("a row");
    assert!(failed.totals.own.is_empty(), "no start succeeded");
}

#[tokio::test(start_paused = true)]
async fn counts_outlive_restarts_and_children() {
    let mut plan = plan(vec![spawns(measured(measuring().at("/a")), &["worker"])]);
    let declares = |spec: &mut ActorSpec| spec.metrics = MetricNames::new(["orders"]).expect("a good name");
    plan.plugins.insert("worker".into(), Arc::new(Kind(measuring().named("worker"), declares, false)));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/a", "count 1;spawn x;spawn y;tell x count 10;tell y count 10").await;
    kernel.wait_idle().await;
    assert_eq!(orders(&kernel).await, [Some(1), Some(20)]);
    tell(&kernel, "/a", "stop x;tell y trap").await;
    kernel.wait_idle().await;
    tell(&kernel, "/a", "tell y count 100").await;
    kernel.wait_idle().await;
    assert_eq!(orders(&kernel).await, [Some(1), Some(120)], "one child ended, one restarted");
    // The parent's crash ends its children.
    tell(&kernel, "/a", "trap").await;
    kernel.wait_idle().await;
    while kernel.actors().await.len() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(orders(&kernel).await, [Some(1), Some(120)]);
}

/// The sum of 0.1, 0.2 and 0.3 depends on their order, which changes when the first of three children ends.
#[tokio::test(start_paused = true)]
async fn sum_of_children_never_falls_when_one_ends() {
    let mut plan = plan(vec![spawns(measured(measuring().at("/a")), &["worker"])]);
    let declares = |spec: &mut ActorSpec| spec.metrics = MetricNames::new(["orders", "amount"]).expect("good names");
    plan.plugins.insert("worker".into(), Arc::new(Kind(measuring().named("worker"), declares, false)));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/a", "spawn x;spawn y;spawn z;tell x observe 0.1;tell y observe 0.2;tell z observe 0.3").await;
    kernel.wait_idle().await;
    let sum = async || {
        let row = rows(&kernel).await.into_iter().find(|row| row.spawned).expect("a row");
        row.totals.own["amount"].observed.as_ref().expect("observed").sum
    };
    let before = sum().await;
    for (child, children) in [("x", 2), ("y", 1), ("z", 0)] {
        tell(&kernel, "/a", &format!("stop {child}")).await;
        while kernel.actors().await.len() > children + 1 {
            tokio::task::yield_now().await;
        }
        assert!(sum().await >= before, "{child}: {} < {before}", sum().await);
    }
}

#[tokio::test(start_paused = true)]
async fn instances_of_an_actor_are_summed() {
    let spec = ActorSpec { instances: 3, batch: 1, ..measured(measuring().at("/a")) };
    let kernel = start(vec![spec]).await;
    for _ in 0..30 {
        tell(&kernel, "/a", "count 1").await;
    }
    kernel.wait_idle().await;
    assert_eq!(orders(&kernel).await[0], Some(30));
}

#[tokio::test(start_paused = true)]
async fn refused_metric_names_the_actor_and_the_way_out() {
    let errors = |turn: &mut playhouse_kernel::Turn| {
        let errors = [turn.count("other", 1), turn.observe("amount", f64::NAN), turn.observe("amount", -0.5)];
        let errors = errors.map(|refused| refused.expect_err("refused").to_string()).join("\n");
        let number = turn.count_metric(2, 1).expect_err("refused").to_string();
        Ok(Outcome::Done(Some(format!("{errors}\n{number}").into_bytes())))
    };
    let kernel = start(vec![measured(quick(errors).at("/a"))]).await;
    let said = ask(&kernel, "/a", "").await.expect("a reply");
    assert_eq!(
        said,
        "`/a` has no metric `other`: add the name to `metrics` of its [[actor]] in the manifest\n\
         `amount` of `/a` cannot observe NaN: a value is finite and not negative\n\
         `amount` of `/a` cannot observe -0.5: a value is finite and not negative\n\
         `/a` has no metric with the number 2"
    );
}

#[tokio::test(start_paused = true)]
async fn count_of_a_million_in_a_message_is_a_crash() {
    let greedy = quick(|turn| {
        let refused = (0..1_000_000).find_map(|_| turn.count("orders", 1).err());
        assert!(matches!(refused, Some(MetricError::Overrun(_))), "{refused:?}");
        Ok(Outcome::Done(None))
    });
    let kernel = start(vec![measured(greedy.at("/a"))]).await;
    tell(&kernel, "/a", "go").await;
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), ["crashed go x3"]);
    assert_eq!(orders(&kernel).await[0], None);
    let crash = kernel.actors().await.remove(0).last_crash.expect("it crashed");
    assert_eq!(crash.crash.reason.kind(), "limit");
}

struct Counter;

impl NativeActor for Counter {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        ctx.count("orders", 1)?;
        ctx.observe("amount", String::from_utf8(msg.body)?.parse()?)?;
        ctx.count("other", 1).expect_err("undeclared").to_string().split(": ").for_each(|part| ctx.reply(part));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn native_actor_counts_the_names_of_its_spec() {
    let kernel = start(vec![measured(ActorSpec::new(addr("/a"), NativeLauncher::new(|| Counter)))]).await;
    assert_eq!(ask(&kernel, "/a", "2.5").await.as_deref(), Ok("add the name to `metrics` of its ActorSpec"));
    assert!(ask(&kernel, "/a", "a lot").await.is_err());
    kernel.wait_idle().await;
    let own = &rows(&kernel).await[0].totals.own;
    assert_eq!((own["orders"].counted, own["amount"].observed.as_ref().map(|amount| amount.sum)), (Some(1), Some(2.5)));
}
