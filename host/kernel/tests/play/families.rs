//! Families: actors that exist as soon as a message is sent to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, AskError, FamilySpec, Kernel, NamePattern, Outcome, Plan, PlanError, SendError, State, SupervisionSpec,
};
use tokio::time::sleep;

use crate::stage::*;

const MINUTE: Duration = Duration::from_mins(1);

/// A family whose members senders outside make, at most 1,000 in a second.
fn open(live: usize, members: usize) -> FamilySpec {
    FamilySpec::new(live, members).created_by(addr("/"), 1_000)
}

fn family(mut spec: ActorSpec, family: FamilySpec) -> ActorSpec {
    spec.idle_stop = Some(MINUTE);
    spec.family = Some(Arc::new(family));
    spec
}

/// May send to all members of `/user`.
fn sends_to_users(mut spec: ActorSpec) -> ActorSpec {
    spec.grants.sends_below = vec![addr("/user")];
    spec
}

/// The addresses of the actors in memory.
async fn there(kernel: &Kernel) -> Vec<String> {
    kernel.actors().await.iter().map(|actor| actor.address.to_string()).collect()
}

async fn tried(kernel: &Kernel, to: &str) -> Result<(), SendError> {
    kernel.tell(&addr(to), b"x", SOON).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn member_exists_as_soon_as_a_message_comes() {
    let journal = Journal::default();
    let kernel = start(vec![family(recorder(&journal).at("/user"), open(10, 10))]).await;
    tell(&kernel, "/user/7", "hello").await;
    tell(&kernel, "/user/8", "hello").await;
    tell(&kernel, "/user/7", "again").await;
    kernel.wait_idle().await;
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, ["7:again", "7:hello", "8:hello"]);
    assert_eq!(there(&kernel).await, ["/user", "/user/7", "/user/8"]);
}

#[tokio::test(start_paused = true)]
async fn family_counts_the_messages_of_all_members() {
    let journal = Journal::default();
    let kernel = start(vec![family(scripted(&journal).at("/user"), open(10, 10))]).await;
    tell(&kernel, "/user/7", "note hello").await;
    tell(&kernel, "/user/8", "note hello").await;
    tell(&kernel, "/user/8", "fail").await;
    kernel.wait_idle().await;
    let counts = async || {
        let all = kernel.actors().await;
        let head = all.iter().find(|actor| actor.address == addr("/user")).expect("there");
        (all.len(), head.handled, head.mailbox.letters.get("rejected").copied())
    };
    assert_eq!(counts().await, (3, 2, Some(1)));
    // Those that left the memory count, and so do those that came back.
    sleep(2 * MINUTE).await;
    assert_eq!(counts().await, (1, 2, Some(1)));
    tell(&kernel, "/user/8", "note again").await;
    kernel.wait_idle().await;
    assert_eq!(counts().await, (2, 3, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn family_itself_takes_no_messages() {
    let kernel = start(vec![family(recorder(&Journal::default()).at("/user"), open(10, 10))]).await;
    assert_eq!(tried(&kernel, "/user").await, Err(SendError::UnknownAddress(addr("/user"))));
    assert_eq!(tried(&kernel, "/user/7/a").await, Err(SendError::UnknownAddress(addr("/user/7/a"))));
    assert_eq!(kernel.halt(&addr("/user")).await, None);
}

#[tokio::test(start_paused = true)]
async fn nobody_makes_members_by_default() {
    let journal = Journal::default();
    let users = family(recorder(&journal).at("/user"), FamilySpec::new(10, 10));
    let kernel = start(vec![users, sends_to_users(scripted(&journal).at("/a"))]).await;
    let refused = tried(&kernel, "/user/7").await;
    assert_eq!(refused, Err(SendError::NotCreated { to: addr("/user/7"), from: addr("/") }));
    tell(&kernel, "/a", "tell /user/7 hello;ask /user/8 hello").await;
    kernel.wait_idle().await;
    let [line] = &journal.lines()[..] else { panic!("{:?}", journal.lines()) };
    assert!(line.contains("`/user/8` does not exist, and `/a` may not bring it into being"), "{line}");
    assert_eq!(letters(&kernel), ["not-created hello x0"]);
    assert_eq!(there(&kernel).await, ["/user", "/a"]);
}

#[tokio::test(start_paused = true)]
async fn creator_makes_members_and_others_reach_them() {
    let journal = Journal::default();
    let users = family(recorder(&journal).at("/user"), FamilySpec::new(10, 10).created_by(addr("/a"), 10));
    let (a, b) = (scripted(&journal).at("/a"), scripted(&journal).at("/b"));
    let kernel = start(vec![users, sends_to_users(a), sends_to_users(b)]).await;
    tell(&kernel, "/b", "tell /user/7 from b").await;
    kernel.wait_idle().await;
    tell(&kernel, "/a", "tell /user/7 from a").await;
    kernel.wait_idle().await;
    tell(&kernel, "/b", "tell /user/7 from b").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["7:from a", "7:from b"]);
    assert_eq!(letters(&kernel), ["not-created from b x0"]);
}

#[tokio::test(start_paused = true)]
async fn member_beyond_the_bound_is_refused() {
    let journal = Journal::default();
    let users = family(recorder(&journal).at("/user"), open(10, 2).created_by(addr("/a"), 10));
    let kernel = start(vec![users, sends_to_users(scripted(&journal).at("/a"))]).await;
    tell(&kernel, "/user/1", "x").await;
    tell(&kernel, "/user/2", "x").await;
    let refused = SendError::TooManyMembers { to: addr("/user/3"), most: 2 };
    assert_eq!(tried(&kernel, "/user/3").await, Err(refused.clone()));
    let asked = kernel.ask(&addr("/user/3"), b"x", SOON).await;
    assert_eq!(asked, Err(AskError::NotSent(refused)));
    tell(&kernel, "/a", "tell /user/3 x").await;
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), ["too-many-members x x0"]);
    tell(&kernel, "/user/2", "x").await;
    // A member that keeps nothing does not count any more.
    sleep(2 * MINUTE).await;
    tell(&kernel, "/user/3", "x").await;
}

#[tokio::test(start_paused = true)]
async fn creator_makes_so_many_members_in_a_second() {
    let journal = Journal::default();
    let users = FamilySpec::new(100, 100).created_by(addr("/"), 3);
    let kernel = start(vec![family(recorder(&journal).at("/user"), users)]).await;
    for name in 1..=3 {
        tell(&kernel, &format!("/user/{name}"), "x").await;
    }
    let refused = tried(&kernel, "/user/4").await;
    assert_eq!(refused, Err(SendError::CreatesTooFast { to: addr("/user/4"), from: addr("/"), per_second: 3 }));
    tell(&kernel, "/user/3", "x").await;
    sleep(Duration::from_millis(400)).await;
    tell(&kernel, "/user/4", "x").await;
    assert!(tried(&kernel, "/user/5").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn name_that_does_not_fit_is_no_member() {
    let names = NamePattern::parse("u[0-9]+").unwrap();
    let users = FamilySpec { names, ..open(10, 10) };
    let kernel = start(vec![family(recorder(&Journal::default()).at("/user"), users)]).await;
    tell(&kernel, "/user/u7", "x").await;
    assert_eq!(tried(&kernel, "/user/7").await, Err(SendError::UnknownAddress(addr("/user/7"))));
}

#[tokio::test(start_paused = true)]
async fn idle_member_leaves_the_memory_until_a_message() {
    let journal = Journal::default();
    let users = family(recorder(&journal).at("/user"), open(10, 10).created_by(addr("/a"), 10));
    let kernel = start(vec![users, sends_to_users(scripted(&journal).at("/a"))]).await;
    tell(&kernel, "/a", "tell /user/7 1").await;
    sleep(2 * MINUTE).await;
    assert_eq!(there(&kernel).await, ["/user", "/a"]);
    // The sender used the address before.
    tell(&kernel, "/a", "tell /user/7 2;tell /user/7 3").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["7:1", "7:2", "7:3"]);
    assert_eq!((kernel.handled(), letters(&kernel).len()), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn live_members_take_turns() {
    let journal = Journal::default();
    let (live, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (ends, begins, highest) = (live.clone(), live.clone(), most.clone());
    let counted = recorder(&journal).on_init(move |_| {
        highest.fetch_max(begins.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        Ok(())
    });
    let counted = counted.on_shutdown(move |_| {
        ends.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    });
    let kernel = start(vec![family(counted.at("/user"), open(2, 100))]).await;
    for name in 0..20 {
        tell(&kernel, &format!("/user/{name}"), "x").await;
    }
    kernel.wait_idle().await;
    assert_eq!((journal.lines().len(), most.load(Ordering::Relaxed)), (20, 2));
    assert_eq!(there(&kernel).await.len(), 1 + live.load(Ordering::Relaxed), "the others left");
}

#[tokio::test(start_paused = true)]
async fn member_that_waits_for_an_answer_lends_its_slot() {
    let journal = Journal::default();
    let log = journal.clone();
    // Each asks the one below it.
    let chain = native(move |turn| {
        let log = log.clone();
        Box::pin(async move {
            let below = turn.address().name().parse::<u32>().expect("a number").checked_sub(1);
            let mut answer = b"0".to_vec();
            if let Some(below) = below {
                answer = turn.ask(&format!("/user/{below}"), b"x", MINUTE).await.map_err(|_| trap())?;
                answer.push(b'+');
            }
            log.note(turn.address().name());
            Ok(Outcome::Done(Some(answer)))
        })
    });
    let users = family(sends_to_users(chain.at("/user")), open(1, 100).created_by(addr("/user"), 100));
    let kernel = start(vec![users]).await;
    let answer = kernel.ask(&addr("/user/9"), b"x", MINUTE).await;
    assert_eq!(answer, Ok(b"0+++++++++".to_vec()));
    // Later, one runs at a time again.
    for name in 20..30 {
        tell(&kernel, &format!("/user/{name}"), "x").await;
    }
    sleep(3 * MINUTE).await;
    assert_eq!(there(&kernel).await, ["/user"]);
}

#[tokio::test(start_paused = true)]
async fn member_that_fails_is_failed_alone() {
    let journal = Journal::default();
    let log = journal.clone();
    let fragile = quick(move |turn| {
        if text(turn) == "trap" {
            return Err(trap());
        }
        log.note(format!("{}:{}", turn.address().name(), text(turn)));
        Ok(Outcome::Done(None))
    });
    let mut spec = family(fragile.at("/user"), open(10, 10));
    spec.restart.attempts = 1;
    spec.restart.cooldown = Some(10 * MINUTE);
    let supervision = SupervisionSpec { intensity: 2, period: MINUTE, ..SupervisionSpec::default() };
    let kernel = start_plan(&Plan { supervision, ..plan(vec![spec]) }).await;
    tell(&kernel, "/user/8", "before").await;
    for _ in 0..3 {
        tell(&kernel, "/user/7", "trap").await;
        sleep(10 * SOON).await;
    }
    assert_eq!(state_of(&kernel, "/user/7").await, State::Failed);
    tell(&kernel, "/user/7", "later").await;
    tell(&kernel, "/user/8", "now").await;
    sleep(MINUTE).await;
    assert_eq!(journal.lines(), ["8:before", "8:now"]);
    assert_eq!(state_of(&kernel, "/user").await, State::Idle);
    sleep(10 * MINUTE).await;
    assert_eq!(journal.lines(), ["8:before", "8:now", "7:later"], "after the cooldown");
    sleep(3 * MINUTE).await;
    assert_eq!(there(&kernel).await, ["/user"]);
}

#[tokio::test(start_paused = true)]
async fn failure_that_counts_keeps_a_member_in_memory() {
    let fragile = quick(|turn| if text(turn) == "trap" { Err(trap()) } else { Ok(Outcome::Done(None)) });
    let mut spec = family(fragile.at("/user"), open(10, 10));
    spec.idle_stop = Some(SOON);
    spec.restart.attempts = 1;
    let supervision = SupervisionSpec { intensity: 2, period: MINUTE, ..SupervisionSpec::default() };
    let kernel = start_plan(&Plan { supervision, ..plan(vec![spec]) }).await;
    tell(&kernel, "/user/7", "trap").await;
    sleep(30 * SOON).await;
    assert_eq!(state_of(&kernel, "/user/7").await, State::Passivated);
    sleep(2 * MINUTE).await;
    assert_eq!(there(&kernel).await, ["/user"]);
}

#[tokio::test(start_paused = true)]
async fn tell_all_reaches_the_members_in_memory() {
    let journal = Journal::default();
    let users = family(recorder(&journal).at("/user"), open(10, 10));
    let kernel = start(vec![users, sends_to_users(scripted(&journal).at("/a"))]).await;
    tell(&kernel, "/user/1", "x").await;
    tell(&kernel, "/user/2", "x").await;
    kernel.wait_idle().await;
    tell(&kernel, "/a", "tell-all /user/* all").await;
    kernel.wait_idle().await;
    for line in ["1:all", "2:all", "a:told 2"] {
        assert_eq!(journal.count(line), 1, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn timer_reaches_a_member_that_left_the_memory() {
    let journal = Journal::default();
    let users = family(recorder(&journal).at("/user"), open(10, 10).created_by(addr("/a"), 10));
    let kernel = start(vec![users, sends_to_users(scripted(&journal).at("/a"))]).await;
    tell(&kernel, "/a", "tell /user/7 now;after 300000 /user/7 later").await;
    sleep(4 * MINUTE).await;
    assert_eq!(there(&kernel).await, ["/user", "/a"]);
    sleep(2 * MINUTE).await;
    assert_eq!(journal.lines(), ["7:now", "7:later"]);
}

#[tokio::test(start_paused = true)]
async fn watched_member_stays_in_memory() {
    let journal = Journal::default();
    let users = family(recorder(&journal).at("/user"), open(10, 10));
    let watcher = scripted(&journal).watching(&journal).at("/a");
    let kernel = start(vec![users, sends_to_users(watcher)]).await;
    tell(&kernel, "/user/7", "x").await;
    kernel.wait_idle().await;
    tell(&kernel, "/a", "watch /user/7").await;
    sleep(3 * MINUTE).await;
    assert_eq!(there(&kernel).await.len(), 3);
    tell(&kernel, "/a", "unwatch 1").await;
    sleep(SOON).await;
    assert_eq!(there(&kernel).await, ["/user", "/a"]);
    assert_eq!(journal.lines(), ["7:x"], "and no notice came");
}

#[tokio::test(start_paused = true)]
async fn members_handle_what_comes_during_the_shutdown() {
    let journal = Journal::default();
    let users = family(recorder(&journal).at("/user"), open(10, 10).created_by(addr("/a"), 10));
    let last = scripted(&journal).on_shutdown(|turn| {
        turn.tell("/user/7", b"known").expect("granted");
        turn.tell("/user/8", b"new").expect("granted");
        Ok(())
    });
    let kernel = start(vec![users, sends_to_users(last.at("/a"))]).await;
    tell(&kernel, "/user/7", "x").await;
    kernel.shut_down();
    kernel.wait_stopped().await;
    for line in ["7:x", "7:known", "8:new"] {
        assert_eq!(journal.count(line), 1, "{line}");
    }
    assert_eq!(letters(&kernel), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn operator_stops_and_starts_a_member() {
    let journal = Journal::default();
    let kernel = start(vec![family(recorder(&journal).at("/user"), open(10, 10))]).await;
    tell(&kernel, "/user/7", "1").await;
    kernel.wait_idle().await;
    assert_eq!(kernel.halt(&addr("/user/7")).await, Some(State::Idle));
    tell(&kernel, "/user/7", "2").await;
    sleep(5 * MINUTE).await;
    assert_eq!((journal.lines().len(), state_of(&kernel, "/user/7").await), (1, State::Stopped));
    kernel.resume(&addr("/user/7")).await;
    sleep(5 * MINUTE).await;
    assert_eq!((journal.lines(), there(&kernel).await), (vec!["7:1".into(), "7:2".into()], vec!["/user".into()]));
}

#[tokio::test(start_paused = true)]
async fn plan_refuses_a_family_that_cannot_be() {
    let users = || family(recorder(&Journal::default()).at("/user"), open(10, 10));
    let refused = |actors| Kernel::start(&plan(actors)).err().expect("refused").to_string();
    let mut stays = users();
    stays.idle_stop = None;
    assert!(refused(vec![stays]).contains("always passivated"));
    let mut many = users();
    many.instances = 2;
    assert!(refused(vec![many]).contains("one instance"));
    let below = recorder(&Journal::default()).at("/user/7");
    assert!(refused(vec![users(), below]).contains("no other actors"));
    let mut none = users();
    none.family = Some(Arc::new(open(0, 10)));
    let error = Kernel::start(&plan(vec![none])).err().expect("refused");
    assert_eq!(error, PlanError::Zero(addr("/user"), "live"));
}
