//! The reasons why an actor does not go on, and the chain to the root cause.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, Backoff, BlockedBy, ChainEnd, Directive, FamilySpec, Gate, Incoming, Kernel, MaxInstances, Metadata,
    NativeLauncher, Outcome, Plan, Reason, StartKind, State,
};
use tokio::time::sleep;

use crate::ingress::Gateway;
use crate::policies::sorting::{SEES_ONE_BYTE, sorting};
use crate::stage::*;

const HALF: Duration = Duration::from_millis(500);
const MINUTE: Duration = Duration::from_mins(1);

/// The chain of an actor: for each link its address, its state, its worst reason with the actor that it waits for, and its time in
/// milliseconds.
async fn chain(kernel: &Kernel, of: &str) -> Vec<String> {
    let why = kernel.why(&addr(of)).await.expect("there is such an actor");
    let links = why.links.iter().map(|link| {
        let worst = link.worst().expect("each actor has an instance");
        let on = worst.reason.on().map(|on| format!(" {on}")).unwrap_or_default();
        let lasts = worst.lasts.map(|lasts| format!(" {}", lasts.as_millis())).unwrap_or_default();
        format!("{} {}: {}{on}{lasts}", link.address, link.state.name(), worst.reason.kind())
    });
    let end = match why.end {
        ChainEnd::Root => None,
        end => Some(format!("{end:?}")),
    };
    links.chain(end).collect()
}

/// The worst reason of an actor.
async fn reason(kernel: &Kernel, of: &str) -> Reason {
    kernel.why(&addr(of)).await.expect("there is such an actor").links[0].worst().expect("it has one").reason.clone()
}

/// Those that are known to wait for an actor.
async fn blocked(kernel: &Kernel, of: &str) -> (usize, usize, Vec<String>) {
    let blocked = kernel.why(&addr(of)).await.expect("there is such an actor").blocked;
    let by = |by| if by == BlockedBy::Space { "space" } else { "answer" };
    let actors = blocked.actors.iter().map(|a| format!("{} {} {}", a.address, by(a.by), a.lasts.as_millis()));
    (blocked.for_space, blocked.for_answers, actors.collect())
}

/// Follows the plan in a message, takes one message at a time, and may send to all.
fn one(at: &str) -> ActorSpec {
    let mut spec = scripted(&Journal::default()).at(at);
    spec.batch = 1;
    spec.grants.sends_below = vec![addr("/")];
    spec
}

fn small(mut spec: ActorSpec) -> ActorSpec {
    spec.mailbox.capacity = 1;
    spec
}

/// Sends from outside without waiting.
fn send(kernel: &Kernel, to: &'static str, body: &'static str) {
    let kernel = kernel.clone();
    tokio::spawn(async move { kernel.tell(&addr(to), body.as_bytes(), MINUTE).await });
}

#[tokio::test(start_paused = true)]
async fn unknown_address_has_no_reason() {
    let kernel = start(vec![one("/a")]).await;
    assert!(kernel.why(&addr("/b")).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn idle_actor_waits_for_nothing() {
    let kernel = start(vec![one("/a")]).await;
    assert_eq!(chain(&kernel, "/a").await, ["/a idle: idle"]);
    assert_eq!(blocked(&kernel, "/a").await, (0, 0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn asker_waits_for_the_code_of_the_asked_actor() {
    let kernel = start(vec![one("/a"), one("/b")]).await;
    tell(&kernel, "/a", "wait 100;ask /b wait 5000").await;
    sleep(HALF).await;
    assert_eq!(chain(&kernel, "/a").await, ["/a running: answer /b 400", "/b running: code 400"]);
    assert_eq!(blocked(&kernel, "/b").await, (0, 1, vec!["/a answer 400".into()]));
    let Reason::Answer { ends_in, .. } = reason(&kernel, "/a").await else { panic!("it asks") };
    assert_eq!(ends_in + Duration::from_millis(400), SOON);
    let Reason::Code { first: Some(_), messages: 1, .. } = reason(&kernel, "/b").await else { panic!("it waits") };
    sleep(10 * SOON).await;
    assert_eq!(chain(&kernel, "/a").await, ["/a idle: idle"], "the marks are gone");
    assert_eq!(blocked(&kernel, "/b").await, (0, 0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn chain_leads_to_the_actor_that_an_operator_stopped() {
    let kernel = start(vec![one("/a"), one("/b"), small(one("/c"))]).await;
    kernel.halt(&addr("/c")).await;
    sleep(HALF).await;
    tell(&kernel, "/c", "note first").await;
    tell(&kernel, "/a", "ask /b tell /c x").await;
    sleep(HALF).await;
    assert_eq!(
        chain(&kernel, "/a").await,
        ["/a running: answer /b 500", "/b running: space /c 500", "/c stopped: stopped 1000"]
    );
    assert_eq!(blocked(&kernel, "/c").await, (1, 0, vec!["/b space 500".into()]));
    kernel.halt(&addr("/c")).await;
    assert_eq!(chain(&kernel, "/c").await, ["/c stopped: stopped 1000"], "the second order changes nothing");
    kernel.resume(&addr("/c")).await;
    kernel.wait_idle().await;
    assert_eq!(chain(&kernel, "/b").await, ["/b idle: idle"]);
}

#[tokio::test(start_paused = true)]
async fn two_full_mailboxes_are_a_cycle() {
    let kernel = start(vec![small(one("/a")), small(one("/b"))]).await;
    tell(&kernel, "/a", "wait 10;tell /b note;tell /b note;tell /b note").await;
    tell(&kernel, "/b", "wait 10;tell /a note;tell /a note;tell /a note").await;
    sleep(HALF).await;
    let both = ["/a running: space /b 490", "/b running: space /a 490", "Cycle(0)"];
    assert_eq!(chain(&kernel, "/a").await, both);
    let why = kernel.why(&addr("/b")).await.unwrap();
    assert_eq!((why.links.len(), why.end), (2, ChainEnd::Cycle(0)));
}

#[tokio::test(start_paused = true)]
async fn chain_may_lead_into_a_cycle() {
    let kernel = start(vec![small(one("/a")), small(one("/b")), one("/c")]).await;
    tell(&kernel, "/a", "wait 10;tell /b note;tell /b note;tell /b note").await;
    tell(&kernel, "/b", "wait 10;tell /a note;tell /a note;tell /a note").await;
    sleep(HALF / 2).await;
    tell(&kernel, "/c", "ask /a x").await;
    sleep(HALF / 2).await;
    let why = kernel.why(&addr("/c")).await.unwrap();
    assert_eq!((why.links.len(), why.end), (3, ChainEnd::Cycle(1)));
}

#[tokio::test(start_paused = true)]
async fn long_chain_is_cut() {
    let all: Vec<_> = (0..20).map(|n| format!("/n{n}")).collect();
    let script = all[1..].iter().map(|to| format!("ask {to} ")).collect::<String>() + "wait 5000";
    let kernel = start(all.iter().map(|at| one(at)).collect()).await;
    tell(&kernel, "/n0", &script).await;
    sleep(HALF).await;
    let chain = chain(&kernel, "/n0").await;
    assert_eq!((chain.len(), chain[15].as_str()), (17, "/n15 running: answer /n16 500"));
    assert_eq!(chain[16], "Cut");
}

#[tokio::test(start_paused = true)]
async fn worst_instance_is_named_and_others_are_listed() {
    let mut several = one("/a");
    several.instances = 3;
    let kernel = start(vec![several, one("/b")]).await;
    tell(&kernel, "/a", "wait 5000").await;
    sleep(HALF).await;
    tell(&kernel, "/a", "ask /b wait 5000").await;
    sleep(HALF).await;
    let why = kernel.why(&addr("/a")).await.unwrap();
    let reasons: Vec<_> = why.links[0].findings.iter().map(|finding| finding.reason.kind()).collect();
    assert_eq!(reasons, ["code", "answer", "idle"]);
    assert_eq!(why.links.len(), 1, "the chain is that of the worst one");
}

#[tokio::test(start_paused = true)]
async fn code_that_waits_for_the_host_names_the_part() {
    let kernel = start(vec![one("/a")]).await;
    tell(&kernel, "/a", "host 5000").await;
    sleep(HALF).await;
    assert_eq!(chain(&kernel, "/a").await, ["/a running: host 500"]);
    assert!(matches!(reason(&kernel, "/a").await, Reason::Host("stdout")));
}

#[tokio::test(start_paused = true)]
async fn failed_actor_names_its_failure_and_its_children_follow_it() {
    let mut failing = one("/p");
    failing.restart.attempts = 1;
    let mut plan = plan(vec![one("/other"), failing, one("/p/c")]);
    plan.supervision.intensity = 0;
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/p", "trap").await;
    sleep(HALF).await;
    let Reason::Failed(failed) = reason(&kernel, "/p").await else { panic!("it failed") };
    assert_eq!(failed.actor, addr("/p"));
    let why = kernel.why(&addr("/p/c")).await.unwrap();
    let links: Vec<_> = why.links.iter().map(|link| (link.address.as_str(), link.state)).collect();
    assert_eq!(links, [("/p/c", State::Failed), ("/p", State::Failed)]);
}

#[tokio::test(start_paused = true)]
async fn crashed_actor_waits_for_its_restart() {
    let mut crashing = one("/a");
    crashing.restart.backoff = Backoff { initial: MINUTE, max: MINUTE };
    let kernel = start(vec![crashing]).await;
    tell(&kernel, "/a", "trap").await;
    tell(&kernel, "/a", "trap").await;
    while !matches!(reason(&kernel, "/a").await, Reason::Restart { due_in: Some(_), crash: Some(_) }) {
        sleep(HALF).await;
    }
    assert_eq!(state_of(&kernel, "/a").await, State::BackingOff);
}

#[tokio::test(start_paused = true)]
async fn child_waits_for_the_directive_of_its_parent() {
    let parent = scripted(&Journal::default()).on_child_failed(|_, _| {
        Box::pin(async {
            sleep(Duration::from_secs(3)).await;
            Ok(Directive::Default)
        })
    });
    let kernel = start(vec![parent.at("/p"), one("/p/c")]).await;
    tell(&kernel, "/p/c", "trap").await;
    sleep(HALF).await;
    assert_eq!(chain(&kernel, "/p/c").await, ["/p/c backing-off: directive /p 500", "/p idle: code 500"]);
}

#[tokio::test(start_paused = true)]
async fn child_of_a_stopped_actor_waits_for_it() {
    let kernel = start(vec![one("/p"), one("/p/c")]).await;
    kernel.halt(&addr("/p")).await;
    sleep(HALF).await;
    let links = chain(&kernel, "/p/c").await;
    assert_eq!(links, ["/p/c down: order /p 500", "/p stopped: stopped 500"]);
}

#[tokio::test(start_paused = true)]
async fn manual_actor_waits_for_its_first_start() {
    let mut manual = one("/a");
    manual.start = StartKind::Manual;
    let kernel = start(vec![manual, one("/b")]).await;
    sleep(HALF).await;
    assert_eq!(chain(&kernel, "/a").await, ["/a stopped: not-started 500"]);
    kernel.start_actor(&addr("/a")).await.expect("it starts");
    kernel.halt(&addr("/a")).await;
    sleep(HALF).await;
    assert_eq!(chain(&kernel, "/a").await, ["/a stopped: stopped 500"]);
}

#[tokio::test(start_paused = true)]
async fn refused_start_says_when_the_code_is_asked_again() {
    let gated = quick(|_| Ok(Outcome::Done(None))).gated(|_| Ok(Gate::Wait(Some(MINUTE))));
    let kernel = start(vec![gated.at("/a"), one("/b")]).await;
    sleep(HALF).await;
    assert_eq!(chain(&kernel, "/a").await, ["/a waiting: gate 500"]);
    let Reason::Gate { asked_in } = reason(&kernel, "/a").await else { panic!("it refused") };
    assert_eq!(asked_in.map(|asked_in| asked_in + HALF), Some(MINUTE));
}

#[tokio::test(start_paused = true)]
async fn start_without_a_free_slot_names_the_bound() {
    let plan = plan(vec![one("/a"), one("/b")]);
    let bound = MaxInstances { most: 1, key: "`play.max_instances`".into() };
    let kernel = Kernel::start(&Plan { max_instances: Some(bound), ..plan }).unwrap();
    sleep(HALF).await;
    let first = chain(&kernel, "/a").await;
    let waiting = if first == ["/a idle: idle"] { "/b" } else { "/a" };
    let Reason::Slot { rule, used, queue } = reason(&kernel, waiting).await else { panic!("it waits for a slot") };
    assert_eq!((rule.as_str(), used, queue), ("all that `play.max_instances` admits", (1, 1), 1));
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_retried_later_are_counted() {
    let mut retrying = one("/a");
    retrying.restart.backoff = Backoff { initial: MINUTE, max: MINUTE };
    let kernel = start(vec![retrying]).await;
    for _ in 0..2 {
        tell(&kernel, "/a", "retry").await;
    }
    sleep(Duration::from_millis(1)).await;
    let Reason::Retry { messages, due_in } = reason(&kernel, "/a").await else { panic!("they wait") };
    assert!(messages == 2 && due_in < MINUTE, "{messages} {due_in:?}");
}

#[tokio::test(start_paused = true)]
async fn messages_that_the_mailbox_plugin_holds_are_its_matter() {
    let hangs = sorting().fault(|_, call, _| Ok(call == "take"));
    assert_eq!(hangs.rules, SEES_ONE_BYTE);
    let kernel = start(vec![hangs.in_front_of(one("/a"))]).await;
    tell(&kernel, "/a", "x").await;
    sleep(Duration::from_millis(1)).await;
    assert_eq!(chain(&kernel, "/a").await, ["/a running: mailbox-plugin"]);
}

#[tokio::test(start_paused = true)]
async fn start_and_stop_under_way_are_shown() {
    let slow = native(|_| Box::pin(async { Ok(Outcome::Done(None)) })).at("/a");
    let kernel = start(vec![slow, one("/b")]).await;
    tell(&kernel, "/b", "wait 60000").await;
    sleep(HALF).await;
    kernel.halt(&addr("/b")).await;
    sleep(HALF).await;
    assert_eq!(chain(&kernel, "/b").await, ["/b stopping: code 1000"], "its code is the reason");
}

#[tokio::test(start_paused = true)]
async fn gateway_that_waits_beside_its_turns_is_found() {
    let gateway = Gateway::default();
    let made = gateway.clone();
    let gate = ActorSpec::new(addr("/gate"), NativeLauncher::new(move || made.clone()));
    let kernel = start(vec![small(one("/a")), gate]).await;
    kernel.halt(&addr("/a")).await;
    tell(&kernel, "/a", "x").await;
    let ingress = gateway.first();
    tokio::spawn(async move {
        const NONE: &Metadata = &Metadata::new();
        let message = Incoming::new(ingress.next_id(), NONE, b"y");
        drop(ingress.tell(&addr("/a"), &message, MINUTE).await);
    });
    sleep(HALF).await;
    assert_eq!(chain(&kernel, "/gate").await[0], "/gate idle: space /a 500");
    assert_eq!(blocked(&kernel, "/a").await, (1, 0, vec!["/gate space 500".into()]));
}

#[tokio::test(start_paused = true)]
async fn waits_of_outside_are_counted_without_a_name() {
    let kernel = start(vec![small(one("/a"))]).await;
    kernel.halt(&addr("/a")).await;
    tell(&kernel, "/a", "x").await;
    send(&kernel, "/a", "y");
    let asker = kernel.clone();
    tokio::spawn(async move { asker.ask(&addr("/a"), b"z", MINUTE).await });
    sleep(HALF).await;
    assert_eq!(blocked(&kernel, "/a").await, (2, 1, vec![]), "the question waits for space as well");
}

#[tokio::test(start_paused = true)]
async fn family_leads_to_its_member_that_waits_longest() {
    let mut users = one("/user");
    users.idle_stop = Some(MINUTE);
    users.family = Some(Arc::new(FamilySpec::new(10, 10).created_by(addr("/"), 1_000)));
    let kernel = start(vec![users]).await;
    assert_eq!(chain(&kernel, "/user").await, ["/user idle: family"]);
    tell(&kernel, "/user/ada", "wait 5000").await;
    sleep(HALF).await;
    tell(&kernel, "/user/bob", "wait 5000").await;
    sleep(HALF).await;
    let links = chain(&kernel, "/user").await;
    assert_eq!(links[1..], ["/user/ada running: code 1000"]);
    assert_eq!(chain(&kernel, "/user/bob").await, ["/user/bob running: code 500"]);
    assert!(kernel.why(&addr("/user/eve")).await.is_none(), "a look makes no member");
}
