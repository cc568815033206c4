//! The promises about members of families with stored mailboxes, each in a small play.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    ActorGrants, ActorSpec, FamilySpec, Fault, FaultyStore, Keep, Kernel, Message, NativeActor, NativeContext,
    NativeLauncher, NativeResult, Op, Overflow, Plan, SendError, State, StateSpec, Store, Strategy, SupervisionSpec,
};
use tokio::time::sleep;

use crate::house::{House, SOON, WRITE, addr, in_order, stop, tell};

const HOUR: Duration = Duration::from_hours(1);

/// A family at `/user` whose members senders outside make, and `/a`.
pub fn users(house: &House) -> ActorSpec {
    let family = FamilySpec::new(10, 100).created_by(addr("/"), 1_000).created_by(addr("/a"), 1_000);
    ActorSpec {
        idle_stop: Some(SOON),
        state: Some(Box::new(StateSpec::default())),
        grants: ActorGrants { sends_below: vec![addr("/user")], ..ActorGrants::default() },
        family: Some(Arc::new(family)),
        ..house.stored("/user")
    }
}

/// `/a`, which may send to members.
fn sender(house: &House) -> ActorSpec {
    ActorSpec {
        grants: ActorGrants { sends_below: vec![addr("/user")], ..ActorGrants::default() },
        ..house.stored("/a")
    }
}

/// The members in memory.
async fn there(kernel: &Kernel) -> Vec<String> {
    let actors = kernel.actors().await;
    let members = actors.iter().filter(|actor| actor.address.is_below(&addr("/user")));
    members.map(|actor| actor.address.to_string()).collect()
}

/// The number of members that exist.
async fn members(kernel: &Kernel) -> usize {
    let actors = kernel.actors().await;
    actors.iter().find_map(|actor| actor.family).expect("the family").members
}

pub async fn asked(kernel: &Kernel, to: &str, what: &str) -> String {
    String::from_utf8(kernel.ask(&addr(to), what.as_bytes(), SOON).await.unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn member_has_its_state_after_it_left_the_memory() {
    let house = House::default();
    let kernel = house.open(vec![users(&house)]).await;
    tell(&kernel, "/user/7", "set k one").await;
    sleep(3 * SOON).await;
    assert_eq!(there(&kernel).await, [""; 0]);
    assert_eq!(asked(&kernel, "/user/7", "get k").await, "one");
    assert_eq!(asked(&kernel, "/user/8", "get k").await, "none");
    stop(&kernel).await;
    let kernel = house.open(vec![users(&house)]).await;
    assert_eq!((there(&kernel).await.len(), members(&kernel).await), (0, 1), "it is not loaded by the start");
    assert_eq!(asked(&kernel, "/user/7", "get k").await, "one");
}

#[tokio::test(start_paused = true)]
async fn member_that_keeps_nothing_is_gone_from_the_store() {
    let house = House::default();
    let kernel = house.open(vec![users(&house)]).await;
    for name in ["1", "2", "3"] {
        tell(&kernel, &format!("/user/{name}"), "set k v").await;
    }
    assert_eq!(members(&kernel).await, 3);
    tell(&kernel, "/user/2", "unset k").await;
    sleep(3 * SOON).await;
    stop(&kernel).await;
    let kernel = house.open(vec![users(&house)]).await;
    assert_eq!(members(&kernel).await, 2);
    let gone = house.store.history().into_iter().flat_map(|group| group.entries.clone()).flat_map(|entry| entry.ops);
    assert_eq!(gone.filter(|op| matches!(op, Op::Gone { .. })).count(), 1);
    assert_eq!(asked(&kernel, "/user/2", "get k").await, "none");
}

#[tokio::test(start_paused = true)]
async fn messages_of_members_are_handled_in_the_next_run() {
    let house = House::default();
    let kernel = house.open(vec![users(&house), sender(&house)]).await;
    tell(&kernel, "/a", "> /user/7 hang;> /user/8 hang").await;
    sleep(SOON / 10).await;
    tell(&kernel, "/user/7", "second").await;
    kernel.kill();
    kernel.wait_stopped().await;
    let before = house.lines().len();
    let kernel = house.open(vec![users(&house), sender(&house)]).await;
    sleep(SOON / 10).await;
    let mut again = house.lines().split_off(before);
    again.sort();
    // Each had begun, and hangs again; the message behind it waits.
    assert_eq!(again, ["/user/7 hang 0", "/user/8 hang 0"]);
    assert_eq!(there(&kernel).await, ["/user/7", "/user/8"]);
    kernel.kill();
}

#[tokio::test(start_paused = true)]
async fn timer_of_a_member_outlives_its_time_in_memory_and_the_host() {
    let house = House::default();
    let kernel = house.open(vec![users(&house)]).await;
    tell(&kernel, "/user/7", "in 5000 /user/7;in 60000 /user/7").await;
    sleep(3 * SOON).await;
    assert_eq!((there(&kernel).await.len(), members(&kernel).await), (0, 1), "its timers are its own");
    sleep(3 * SOON).await;
    assert_eq!(house.lines().last().unwrap(), "/user/7 a timer's 0");
    sleep(3 * SOON).await;
    stop(&kernel).await;
    let kernel = house.open(vec![users(&house)]).await;
    assert_eq!(there(&kernel).await, [""; 0]);
    sleep(65 * SOON).await;
    assert_eq!(house.lines().iter().filter(|line| *line == "/user/7 a timer's 0").count(), 2);
    assert_eq!(members(&kernel).await, 0, "it keeps nothing any more");
}

/// Takes long to start.
struct Slow;

impl NativeActor for Slow {
    async fn init(&mut self, _: &mut NativeContext) -> NativeResult {
        sleep(10 * SOON).await;
        Ok(())
    }

    async fn msg_handler(&mut self, _: Message, _: &mut NativeContext) -> NativeResult {
        Ok(())
    }
}

/// Timers fire while the actors of the plan start, of which the family's head is the last one.
#[tokio::test(start_paused = true)]
async fn timer_that_fires_before_the_family_is_up_waits_for_it() {
    let house = House::default();
    let slow = || ActorSpec::new(addr("/slow"), NativeLauncher::new(|| Slow));
    let actors = || vec![sender(&house), slow(), users(&house)];
    let kernel = house.open(actors()).await;
    tell(&kernel, "/user/7", "in 5000 /user/7").await;
    tell(&kernel, "/a", "in 5000 /user/9").await;
    sleep(SOON / 10).await;
    stop(&kernel).await;
    let kernel = house.open(actors()).await;
    sleep(SOON).await;
    assert_eq!(kernel.dead_letters().len(), 0, "{:?}", kernel.dead_letters());
    let mut fired = house.lines();
    fired.retain(|line| line.contains("a timer's"));
    fired.sort();
    assert_eq!(fired, ["/user/7 a timer's 0", "/user/9 a timer's 0"]);
}

/// `/a` begins and ends before the family does, and its sends find no head.
#[tokio::test(start_paused = true)]
async fn message_for_a_member_waits_when_its_family_has_ended() {
    let house = House::default();
    let actors = || vec![sender(&house), users(&house)];
    let kernel = house.open(actors()).await;
    tell(&kernel, "/user/7", "set k v").await;
    sleep(SOON / 10).await;
    tell(&kernel, "/a", "slow 2000;> /user/7 set k one;> /user/8 set k two").await;
    sleep(SOON / 10).await;
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!(kernel.dead_letters().len(), 0, "{:?}", kernel.dead_letters());
    let kernel = house.open(actors()).await;
    sleep(SOON).await;
    assert_eq!(kernel.dead_letters().len(), 0, "{:?}", kernel.dead_letters());
    let lines = house.lines();
    assert!(
        ["/user/7 set k one 0", "/user/8 set k two 0"].iter().all(|line| lines.contains(&(*line).to_owned())),
        "{lines:?}"
    );
}

/// The head of a family restarts with its siblings, and its members with it.
#[tokio::test(start_paused = true)]
async fn members_outlive_a_restart_of_all_siblings() {
    let house = House::default();
    let supervision = SupervisionSpec { strategy: Strategy::OneForAll, intensity: 100, ..SupervisionSpec::default() };
    let actors = vec![house.actor("/b", Keep::Memory), sender(&house), users(&house)];
    let plan = Plan { actors, supervision, ..Plan::default() };
    let kernel = Kernel::open(&plan, Arc::new(house.store.clone())).await.unwrap();
    kernel.wait_booted().await;
    for n in 0..20 {
        tell(&kernel, "/user/7", &format!("slow 3;set k{n} v")).await;
        tell(&kernel, "/a", &format!("> /user/{n} set other v")).await;
        if n % 5 == 2 {
            tell(&kernel, "/b", "panic").await;
        }
        sleep(Duration::from_millis(1)).await;
    }
    sleep(5 * SOON).await;
    let to: Vec<_> = kernel.dead_letters().iter().map(|letter| letter.to.to_string()).collect();
    assert_eq!(to, ["/b"; 4], "the messages that crashed it");
    assert_eq!(asked(&kernel, "/user/7", "keys k").await.split(' ').count(), 20);
}

/// Its owner is not in memory when it fires, and yet no sender outside.
#[tokio::test(start_paused = true)]
async fn timer_of_a_member_makes_others_by_the_right_of_its_owner() {
    let house = House::default();
    let closed = || {
        let family = FamilySpec::new(10, 100).created_by(addr("/"), 10);
        ActorSpec { family: Some(Arc::new(family)), ..users(&house) }
    };
    let kernel = house.open(vec![closed()]).await;
    tell(&kernel, "/user/7", "in 5000 /user/8;in 60000 /user/9").await;
    sleep(3 * SOON).await;
    assert_eq!(there(&kernel).await, [""; 0]);
    sleep(3 * SOON).await;
    stop(&kernel).await;
    let kernel = house.open(vec![closed()]).await;
    sleep(65 * SOON).await;
    let letters: Vec<_> =
        kernel.dead_letters().iter().map(|letter| (letter.to.to_string(), letter.reason.kind())).collect();
    assert_eq!(letters, [("/user/8".to_owned(), "not-created"), ("/user/9".to_owned(), "not-created")]);
}

#[tokio::test(start_paused = true)]
async fn members_in_the_store_count_and_others_are_refused() {
    let house = House::default();
    let few = || {
        let family = FamilySpec::new(10, 2).created_by(addr("/"), 10);
        ActorSpec { family: Some(Arc::new(family)), ..users(&house) }
    };
    let kernel = house.open(vec![few()]).await;
    tell(&kernel, "/user/1", "set k v").await;
    tell(&kernel, "/user/2", "set k v").await;
    sleep(3 * SOON).await;
    stop(&kernel).await;
    let kernel = house.open(vec![few()]).await;
    let third = addr("/user/3");
    let refused = kernel.tell(&third, b"x", SOON).await;
    assert_eq!(refused, Err(SendError::TooManyMembers { to: third, most: 2 }));
    tell(&kernel, "/user/1", "unset k").await;
    sleep(3 * SOON).await;
    tell(&kernel, "/user/3", "x").await;
}

#[tokio::test(start_paused = true)]
async fn sender_without_the_right_reaches_members_in_the_store() {
    let house = House::default();
    let closed = || {
        let family = FamilySpec::new(10, 100).created_by(addr("/"), 10);
        ActorSpec { family: Some(Arc::new(family)), ..users(&house) }
    };
    let kernel = house.open(vec![closed(), sender(&house)]).await;
    tell(&kernel, "/user/7", "set k v").await;
    sleep(3 * SOON).await;
    tell(&kernel, "/a", "> /user/7 known;> /user/8 new").await;
    kernel.wait_idle().await;
    assert!(house.lines().contains(&"/user/7 known 0".to_owned()));
    let letters: Vec<_> =
        kernel.dead_letters().iter().map(|letter| (letter.to.to_string(), letter.reason.kind())).collect();
    assert_eq!(letters, [("/user/8".to_owned(), "not-created")]);
}

#[tokio::test(start_paused = true)]
async fn operator_s_stop_of_a_member_outlives_the_host() {
    let house = House::default();
    let kernel = house.open(vec![users(&house)]).await;
    tell(&kernel, "/user/7", "set k v").await;
    sleep(3 * SOON).await;
    assert_eq!(kernel.halt(&addr("/user/7")).await, Some(State::Passivated));
    stop(&kernel).await;
    let kernel = house.open(vec![users(&house)]).await;
    tell(&kernel, "/user/7", "later").await;
    sleep(3 * SOON).await;
    assert!(!house.lines().contains(&"/user/7 later 0".to_owned()));
    kernel.resume(&addr("/user/7")).await;
    sleep(5 * SOON).await;
    assert!(house.lines().contains(&"/user/7 later 0".to_owned()));
    assert_eq!(there(&kernel).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn member_comes_back_as_it_left_while_the_store_is_slow() {
    let house = House::default();
    let slow = FaultyStore::new(house.store.clone(), (0..400).map(|_| Some(Fault::Slow(WRITE))));
    let quick = || ActorSpec { idle_stop: Some(Duration::from_millis(1)), ..users(&house) };
    let kernel = house.open_on(slow, vec![quick(), sender(&house)]).await;
    // Each message finds a member whose entries are still on their way to the store.
    for n in 0..20 {
        tell(&kernel, "/a", &format!("> /user/7 set k{n} v")).await;
        sleep(Duration::from_millis(7)).await;
    }
    kernel.wait_idle().await;
    assert_eq!(asked(&kernel, "/user/7", "keys k").await.split(' ').count(), 20);
    assert!(kernel.store_failure().is_none());
    assert_eq!(members(&kernel).await, 1);
}

#[tokio::test(start_paused = true)]
async fn full_mailbox_of_a_member_is_its_own() {
    let house = House::default();
    let mut small = users(&house);
    small.mailbox.capacity = 1;
    small.mailbox.overflow = Overflow::Reject;
    let kernel = house.open(vec![small]).await;
    tell(&kernel, "/user/7", "hang").await;
    sleep(SOON / 10).await;
    tell(&kernel, "/user/7", "waits").await;
    let refused = kernel.tell(&addr("/user/7"), b"refused", SOON).await;
    assert_eq!(refused, Err(SendError::MailboxFull(addr("/user/7"))));
    tell(&kernel, "/user/8", "another").await;
    kernel.kill();
}

/// As [`users`]; members without anything but state are removed when they have been idle for an hour.
fn expiring(house: &House) -> ActorSpec {
    let family = FamilySpec { expire: Some(HOUR), ..FamilySpec::new(10, 100).created_by(addr("/"), 1_000) };
    ActorSpec { family: Some(Arc::new(family)), ..users(house) }
}

#[tokio::test(start_paused = true)]
async fn idle_member_with_nothing_but_state_expires() {
    let house = House::default();
    let kernel = house.open(vec![expiring(&house)]).await;
    for name in ["idle", "used"] {
        tell(&kernel, &format!("/user/{name}"), "set k v").await;
    }
    tell(&kernel, "/user/timer", "set k v;in 86400000 /user/timer").await;
    tell(&kernel, "/user/none", "x").await;
    for _ in 0..4 {
        sleep(HOUR / 4).await;
        assert_eq!(asked(&kernel, "/user/used", "get k").await, "v");
    }
    sleep(HOUR / 4).await;
    assert_eq!(members(&kernel).await, 2, "the one that is used, and the one with a timer");
    assert_eq!(asked(&kernel, "/user/idle", "get k").await, "none");
    sleep(HOUR * 2).await;
    assert_eq!(members(&kernel).await, 1);
    let store = house.store.clone();
    stop(&kernel).await;
    for source in ["playhouse:idle:/user", "playhouse:idle-since:/user"] {
        assert_eq!(store.origins(source, &[], 10).await.unwrap().len(), 1, "{source}: that of the one with a timer");
    }
}

#[tokio::test(start_paused = true)]
async fn time_until_a_member_expires_outlives_the_host() {
    let house = House::default();
    let kernel = house.open(vec![expiring(&house)]).await;
    tell(&kernel, "/user/7", "set k v").await;
    sleep(HOUR / 2).await;
    stop(&kernel).await;
    // The clock of the world is that of the machine, so that the hour begins again with each host of this test.
    let kernel = house.open(vec![expiring(&house)]).await;
    sleep(HOUR / 2).await;
    assert_eq!(members(&kernel).await, 1);
    sleep(HOUR).await;
    assert_eq!((members(&kernel).await, there(&kernel).await.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn tell_all_reaches_members_that_only_the_store_has() {
    let house = House::default();
    let kernel = house.open(vec![users(&house), sender(&house)]).await;
    for name in ["1", "2", "3"] {
        tell(&kernel, &format!("/user/{name}"), "set k v").await;
    }
    tell(&kernel, "/user/none", "x").await;
    tell(&kernel, "/user/2", "unset k").await;
    sleep(3 * SOON).await;
    tell(&kernel, "/user/4", "hang").await;
    assert_eq!(there(&kernel).await, ["/user/4"]);
    assert_eq!(asked(&kernel, "/a", "all /user/* hello").await, "3", "two with state, and the one in memory");
    sleep(SOON / 10).await;
    let is_told = |line: &String| line.starts_with("/user") && line.ends_with("hello 0");
    let told = || house.lines().into_iter().filter(is_told).collect::<Vec<_>>();
    let mut first = told();
    first.sort();
    assert_eq!(first, ["/user/1 hello 0", "/user/3 hello 0"], "the one that hangs has it in its mailbox");
    kernel.kill();
    kernel.wait_stopped().await;
    let kernel = house.open(vec![users(&house), sender(&house)]).await;
    assert_eq!(asked(&kernel, "/a", "all /user/** again").await, "3");
    kernel.kill();
}

#[tokio::test(start_paused = true)]
async fn tell_all_to_more_members_than_a_turn_may_send_to_is_void() {
    let house = House::default();
    let small = || {
        let mut sender = sender(&house);
        sender.limits.max_effects = 2;
        sender.restart.attempts = 1;
        sender
    };
    let kernel = house.open(vec![users(&house), small()]).await;
    for name in ["1", "2", "3"] {
        tell(&kernel, &format!("/user/{name}"), "set k v").await;
    }
    sleep(3 * SOON).await;
    tell(&kernel, "/a", "all /user/* hello").await;
    kernel.wait_idle().await;
    assert!(
        house.lines().iter().all(|line| !line.ends_with("hello 0") || line.starts_with("/a")),
        "{:?}",
        house.lines()
    );
    assert_eq!(kernel.dead_letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn order_for_a_mailbox_finds_a_member_that_only_the_store_has() {
    let house = House::default();
    let kernel = house.open(vec![users(&house)]).await;
    tell(&kernel, "/user/7", "set k v").await;
    assert!(kernel.halt(&addr("/user/7")).await.is_some());
    tell(&kernel, "/user/7", "first").await;
    tell(&kernel, "/user/7", "second").await;
    stop(&kernel).await;
    let kernel = house.open(vec![users(&house)]).await;
    let id = house.id_of("/user/7");
    let mut order = kernel.order_mailboxes("user 7").await.unwrap();
    // It may not be in memory yet.
    assert_eq!(order.drop_messages(id, &addr("/user/7"), &in_order(&[(2, 3)])).await, Ok(1));
    drop(order);
    kernel.resume(&addr("/user/7")).await;
    kernel.wait_idle().await;
    assert_eq!(house.lines(), ["/user/7 set k v 0", "/user/7 second 0"]);
}

#[tokio::test(start_paused = true)]
async fn member_removed_by_the_start_is_not_read_from_the_store() {
    let house = House::default();
    let kernel = house.open(vec![users(&house)]).await;
    tell(&kernel, "/user/7", "x").await;
    kernel.wait_idle().await;
    // It is passivated later, so that the store still has it.
    kernel.kill();
    kernel.wait_stopped().await;
    let slow = FaultyStore::new(house.store.clone(), (0..400).map(|_| Some(Fault::Slow(WRITE))));
    let kernel = house.open_on(slow, vec![users(&house)]).await;
    tell(&kernel, "/user/7", "again").await;
    kernel.wait_idle().await;
    assert!(kernel.store_failure().is_none(), "{:?}", kernel.store_failure());
    assert_eq!(house.lines(), ["/user/7 x 0", "/user/7 again 0"]);
}

/// Else requests for new names would fill the memory with births that no store takes.
#[tokio::test(start_paused = true)]
async fn full_store_takes_no_new_member_from_outside() {
    let house = House::default();
    let store = FaultyStore::new(house.store.clone(), []);
    let shortage = store.shortage();
    let kernel = house.open_on(store, vec![users(&house)]).await;
    tell(&kernel, "/user/7", "set k v").await;
    kernel.wait_idle().await;
    *shortage.lock() = Some("almost no space".into());
    tell(&kernel, "/user/7", "set k w").await;
    kernel.wait_idle().await;
    for name in ["7", "8"] {
        let refused = kernel.tell(&addr(&format!("/user/{name}")), b"set k v", SOON).await.unwrap_err();
        assert_eq!(refused.kind(), "not-stored", "{name}");
    }
    stop(&kernel).await;
    let ops = house.store.history().into_iter().flat_map(|group| group.entries.clone()).flat_map(|entry| entry.ops);
    assert_eq!(ops.filter(|op| matches!(op, Op::Born { address, .. } if address.is_below(&addr("/user")))).count(), 1);
}
