//! Mailboxes with a policy: order, overflow, and what a policy that goes wrong costs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use playhouse_kernel::{
    About, ActorSpec, ActorView, Arrivals, Backoff, BoxFuture, Crash, Failure, Kernel, Key, MailboxPolicy, Outcome,
    Overflow, PolicyLauncher, PolicySpec, PolicyState, Rules, SendError, StartKind, WhenFull,
};

use crate::stage::*;

/// What goes wrong with a policy, in which calls of which runs.
type Fault = dyn Fn(u64, &'static str, &mut Vec<Key>) -> Result<bool, Crash> + Send + Sync;

/// Bodies in the order of their first byte; the largest goes when there are too many.
#[derive(Clone)]
struct Sorting {
    rules: Rules,
    /// Looks at each call: its run, its name, what it is about to return. An error is a crash; true: it never returns.
    fault: Arc<Fault>,
    runs: Arc<AtomicU64>,
}

const SEES_ONE_BYTE: Rules = Rules { when_full: WhenFull::Block, prefix_bytes: 1 };

fn sorting() -> Sorting {
    Sorting { rules: SEES_ONE_BYTE, fault: Arc::new(|_, _, _| Ok(false)), runs: Arc::default() }
}

impl Sorting {
    fn when_full(mut self, rule: WhenFull) -> Self {
        self.rules.when_full = rule;
        self
    }

    fn fault(
        mut self,
        fault: impl Fn(u64, &'static str, &mut Vec<Key>) -> Result<bool, Crash> + Send + Sync + 'static,
    ) -> Self {
        self.fault = Arc::new(fault);
        self
    }

    fn in_front_of(self, mut spec: ActorSpec) -> ActorSpec {
        spec.policy = Some(Box::new(PolicySpec::new(Arc::new(self))));
        spec
    }
}

impl PolicyLauncher for Sorting {
    fn launch(&self, about: About) -> BoxFuture<'_, Result<Box<dyn MailboxPolicy>, Crash>> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
        assert_eq!(about.run, run);
        let made = (self.fault)(run, "launch", &mut Vec::new());
        let policy: Box<dyn MailboxPolicy> = Box::new(Sorter { sorting: self.clone(), run, waiting: BTreeMap::new() });
        Box::pin(async { made.map(|_| policy) })
    }

    fn plugin(&self) -> &'static str {
        "sorting"
    }
}

struct Sorter {
    sorting: Sorting,
    run: u64,
    /// By first byte, then in the order in which they came; with their bytes.
    waiting: BTreeMap<(u8, Key), u64>,
}

impl Sorter {
    fn answer(&self, call: &'static str, mut keys: Vec<Key>) -> BoxFuture<'static, Result<Vec<Key>, Crash>> {
        let fault = (self.sorting.fault)(self.run, call, &mut keys);
        Box::pin(async {
            if fault? {
                std::future::pending::<()>().await;
            }
            Ok(keys)
        })
    }
}

impl MailboxPolicy for Sorter {
    fn rules(&mut self) -> BoxFuture<'_, Result<Rules, Crash>> {
        let rules = self.sorting.rules;
        Box::pin(async move { Ok(rules) })
    }

    fn put<'a>(&'a mut self, arrivals: &'a Arrivals) -> BoxFuture<'a, Result<Vec<Key>, Crash>> {
        let mut from = 0;
        for entry in &arrivals.entries {
            let prefix = &arrivals.prefixes[from..entry.prefix_end as usize];
            from = entry.prefix_end as usize;
            self.waiting.insert((prefix.first().copied().unwrap_or(0), entry.key), u64::from(entry.bytes) + 64);
        }
        let (mut dropped, mut bytes) = (Vec::new(), 0);
        while dropped.len() < arrivals.excess.messages as usize || bytes < arrivals.excess.bytes {
            let ((_, key), size) = self.waiting.pop_last().expect("there are too many");
            dropped.push(key);
            bytes += size;
        }
        self.answer("put", dropped)
    }

    fn take(&mut self, most: u32, overdue: Option<Key>) -> BoxFuture<'_, Result<Vec<Key>, Crash>> {
        let overdue = overdue.and_then(|overdue| self.waiting.keys().find(|(_, key)| *key == overdue).copied());
        let mut keys: Vec<_> = overdue.into_iter().collect();
        self.waiting.retain(|place, _| !keys.contains(place));
        while keys.len() < most as usize
            && let Some((place, _)) = self.waiting.pop_first()
        {
            keys.push(place);
        }
        self.answer("take", keys.into_iter().map(|(_, key)| key).collect())
    }

    fn size(&mut self) -> BoxFuture<'_, Result<u64, Crash>> {
        let size = self.waiting.len() as u64;
        let answer = self.answer("size", Vec::new());
        Box::pin(async move { Ok(answer.await?.first().copied().unwrap_or(size)) })
    }
}

/// An actor that a person must start, so that its mailbox fills.
fn closed_shop(journal: &Journal, policy: Sorting) -> ActorSpec {
    let mut spec = policy.in_front_of(recorder(journal).at("/shop"));
    spec.start = StartKind::Manual;
    spec.mailbox.capacity = 4;
    spec.mailbox.block_timeout = Duration::from_secs(2);
    spec
}

async fn tell_all(kernel: &Kernel, bodies: &[&str]) {
    for body in bodies {
        tell(kernel, "/shop", body).await;
        settle().await;
    }
}

/// Lets everybody run until nobody has anything to do: on paused time, before the next timer.
async fn settle() {
    tokio::time::sleep(Duration::from_nanos(1)).await;
}

async fn open(kernel: &Kernel) {
    kernel.resume(&addr("/shop")).await;
    kernel.idle().await;
}

async fn shop(kernel: &Kernel) -> ActorView {
    kernel.actors().await.into_iter().find(|actor| actor.address == addr("/shop")).expect("it is there")
}

async fn policy_state(kernel: &Kernel) -> (PolicyState, u64) {
    let policy = shop(kernel).await.mailbox.policy.expect("it has one");
    (policy.state, policy.crashes)
}

fn handled(journal: &Journal) -> String {
    journal.lines().iter().map(|line| line.trim_start_matches("shop:").to_owned()).collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn a_policy_decides_the_order_of_what_waits() {
    let journal = Journal::default();
    let kernel = start(vec![closed_shop(&journal, sorting())]).await;
    tell_all(&kernel, &["c1", "a1", "b1", "a2"]).await;
    open(&kernel).await;
    assert_eq!(handled(&journal), "a1 a2 b1 c1");
    let mailbox = shop(&kernel).await.mailbox;
    assert_eq!((mailbox.waiting, mailbox.bytes, mailbox.most), (0, 0, 4));
    assert_eq!(policy_state(&kernel).await, (PolicyState::Running, 0));
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_others_are_in_hand_may_still_be_next() {
    let journal = Journal::default();
    let slow = {
        let journal = journal.clone();
        native(move |hand| {
            journal.note(text(hand));
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok(Outcome::Done(None))
            })
        })
    };
    let mut spec = sorting().in_front_of(slow.at("/shop"));
    spec.batch = 1;
    let kernel = start(vec![spec]).await;
    tell_all(&kernel, &["c1", "c2", "c3", "a1"]).await;
    kernel.idle().await;
    assert_eq!(handled(&journal), "c1 a1 c2 c3");
}

#[tokio::test(start_paused = true)]
async fn a_policys_word_on_a_full_mailbox_counts_unless_the_plan_says() {
    for (rule, plan, expected) in [
        (WhenFull::Block, None, "refused"),
        (WhenFull::Reject, None, "refused"),
        (WhenFull::DropNewest, None, "overflow a5 x0"),
        (WhenFull::Choose, Some(Overflow::DropNewest), "overflow a5 x0"),
        (WhenFull::DropNewest, Some(Overflow::Reject), "refused"),
    ] {
        let journal = Journal::default();
        let mut spec = closed_shop(&journal, sorting().when_full(rule));
        spec.policy.as_mut().unwrap().overflow = plan;
        let kernel = start(vec![spec]).await;
        tell_all(&kernel, &["b1", "b2", "b3", "b4"]).await;
        let told = kernel.tell(&addr("/shop"), b"a5", SOON).await;
        let refused = told.is_err().then(|| "refused".to_owned());
        assert_eq!(refused.or(letters(&kernel).pop()), Some(expected.into()), "{rule:?}, {plan:?}");
        let pressure = shop(&kernel).await.mailbox.pressure;
        assert_eq!((pressure.refused, pressure.dropped), if told.is_err() { (1, 0) } else { (0, 1) });
        open(&kernel).await;
        assert_eq!(handled(&journal), "b1 b2 b3 b4");
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_may_choose_what_is_dropped_and_each_drop_is_a_dead_letter() {
    let journal = Journal::default();
    let kernel = start(vec![closed_shop(&journal, sorting().when_full(WhenFull::Choose))]).await;
    tell_all(&kernel, &["b1", "c1", "b2", "c2", "a1", "d1", "a2"]).await;
    assert_eq!(letters(&kernel), ["overflow c2 x0", "overflow d1 x0", "overflow c1 x0"]);
    open(&kernel).await;
    assert_eq!(handled(&journal), "a1 a2 b1 b2");
    let mailbox = shop(&kernel).await.mailbox;
    assert_eq!((mailbox.pressure.dropped, mailbox.pressure.episodes, mailbox.overflow), (3, 1, Overflow::Block));
}

#[tokio::test(start_paused = true)]
async fn a_crowd_that_comes_at_once_is_let_in_to_be_chosen_from_as_far_as_a_bound() {
    let journal = Journal::default();
    let crowd = quick(|hand| {
        for n in 0..200 {
            let body = format!("{}{n}", if n % 50 == 0 { 'a' } else { 'b' });
            hand.tell("/shop", body.as_bytes()).expect("granted");
        }
        Ok(Outcome::Done(None))
    });
    let shop_spec = closed_shop(&journal, sorting().when_full(WhenFull::Choose));
    let kernel = start(vec![shop_spec, sends_to(crowd.at("/crowd"), &["/shop"])]).await;
    tell(&kernel, "/crowd", "go").await;
    settle().await;
    let view = shop(&kernel).await;
    assert_eq!((view.waiting, letters(&kernel).len()), (4, 196));
    assert!(view.mailbox.most <= 4 + 64, "{}", view.mailbox.most);
    open(&kernel).await;
    assert_eq!(handled(&journal), "a0 a50 a100 a150");
}

#[tokio::test(start_paused = true)]
async fn a_policy_chooses_by_bytes_too() {
    let journal = Journal::default();
    let mut spec = closed_shop(&journal, sorting().when_full(WhenFull::Choose));
    spec.mailbox.capacity_bytes = 1000;
    let kernel = start(vec![spec]).await;
    let big = |letter: &str| letter.repeat(400);
    tell_all(&kernel, &[&big("c"), &big("b"), &big("a")]).await;
    assert_eq!(letters(&kernel), [format!("overflow {} x0", big("c"))]);
}

#[tokio::test(start_paused = true)]
async fn what_a_policy_drops_though_there_is_room_is_abandoned_and_its_asker_is_told() {
    let journal = Journal::default();
    let picky = sorting().fault(|_, call, keys| {
        if call == "put" {
            *keys = vec![1];
        }
        Ok(false)
    });
    let kernel = start(vec![closed_shop(&journal, picky)]).await;
    assert_eq!(ask(&kernel, "/shop", "x").await, Err("the mailbox of `/shop` is full".into()));
    assert_eq!(letters(&kernel), ["abandoned x x0"]);
    assert_eq!(shop(&kernel).await.mailbox.pressure.abandoned, 1);
}

/// Each way in which a policy can go wrong, once.
#[tokio::test(start_paused = true)]
async fn a_crash_of_a_policy_loses_no_message_whatever_it_did() {
    type Wrong = fn(&mut Vec<Key>) -> Result<bool, Crash>;
    let wrongs: [(&str, Wrong, &str); 10] = [
        ("launch", |_| Err(trap()), "trapped: unreachable"),
        ("put", |_| Err(trap()), "trapped: unreachable"),
        ("take", |_| panic!("a policy's own"), "panicked: a policy's own"),
        ("put", |_| Ok(true), "did not finish within 1s (limits.timeout)"),
        ("take", |_| Ok(true), "did not finish within 1s (limits.timeout)"),
        ("take", |keys| Ok(keys.swap_remove(0) == 99), "gave none of the 2 messages that it has"),
        (
            "take",
            |keys| {
                keys[0] = 99;
                Ok(false)
            },
            "gave the message 99, which it does not have",
        ),
        (
            "put",
            |keys| {
                keys.extend([1, 1]);
                Ok(false)
            },
            "dropped the message 1 twice",
        ),
        (
            "take",
            |keys| {
                keys.extend([2, 3]);
                Ok(false)
            },
            "gave 3 messages, and was asked for at most 1",
        ),
        (
            "size",
            |keys| {
                keys.push(7);
                Ok(false)
            },
            "says that it has 7 messages, and it has 1",
        ),
    ];
    for (at, wrong, why) in wrongs {
        let journal = Journal::default();
        let policy =
            sorting().fault(move |run, call, keys| if run == 1 && call == at { wrong(keys) } else { Ok(false) });
        let kernel = start(vec![closed_shop(&journal, policy)]).await;
        tell_all(&kernel, &["b1", "a1"]).await;
        open(&kernel).await;
        let mut lines = journal.lines();
        lines.sort();
        assert_eq!(lines, ["shop:a1", "shop:b1"], "{at}: {why}");
        assert!(letters(&kernel).is_empty(), "{at}: {why}");
        let policy = shop(&kernel).await.mailbox.policy.unwrap();
        assert_eq!((policy.state, policy.crashes), (PolicyState::Running, 1), "{at}: {why}");
        let last = policy.last_crash.unwrap();
        assert!(last.ends_with(why), "{at}: {last}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_drops_less_than_it_must_crashes_and_the_messages_stay() {
    let journal = Journal::default();
    let greedy = sorting().when_full(WhenFull::Choose).fault(|run, _, keys| {
        if run == 1 {
            keys.clear();
        }
        Ok(false)
    });
    let kernel = start(vec![closed_shop(&journal, greedy)]).await;
    tell_all(&kernel, &["b1", "b2", "b3", "b4", "a1"]).await;
    tokio::time::sleep(SOON).await;
    assert_eq!(policy_state(&kernel).await, (PolicyState::Running, 1));
    assert_eq!(letters(&kernel), ["overflow b4 x0"], "the next run chose");
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_all_that_waits_is_told_again_in_the_order_in_which_it_came() {
    let journal = Journal::default();
    let fifo = Rules { prefix_bytes: 0, ..SEES_ONE_BYTE };
    let policy = sorting().fault(|run, call, _| if (run, call) == (1, "take") { Err(trap()) } else { Ok(false) });
    let kernel = start(vec![closed_shop(&journal, Sorting { rules: fifo, ..policy })]).await;
    tell_all(&kernel, &["d", "c", "b", "a"]).await;
    open(&kernel).await;
    assert_eq!(handled(&journal), "d c b a");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_crashes_too_often_is_given_up_and_the_mailbox_is_first_in_first_out() {
    let journal = Journal::default();
    let policy = sorting().fault(|_, call, _| if call == "put" { Err(trap()) } else { Ok(false) });
    let runs = policy.runs.clone();
    let mut spec = closed_shop(&journal, policy);
    let policy = spec.policy.as_mut().unwrap();
    (policy.intensity, policy.period) = (3, Duration::from_secs(100));
    let kernel = start(vec![spec]).await;
    tell_all(&kernel, &["b1", "a1"]).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((policy_state(&kernel).await, runs.load(Ordering::Relaxed)), ((PolicyState::GaveUp, 4), 4));
    tell_all(&kernel, &["b2", "a2"]).await;
    let refused = kernel.tell(&addr("/shop"), b"x", SOON).await;
    assert_eq!(refused, Err(SendError::MailboxFull(addr("/shop"))), "its bounds still hold");
    open(&kernel).await;
    assert_eq!(handled(&journal), "b1 a1 b2 a2");
}

#[tokio::test(start_paused = true)]
async fn crashes_that_are_far_apart_do_not_add_up() {
    let journal = Journal::default();
    let armed = Arc::new(AtomicU64::new(0));
    let trigger = armed.clone();
    let policy = sorting().fault(move |_, call, _| {
        if call == "take" && trigger.swap(0, Ordering::Relaxed) == 1 { Err(trap()) } else { Ok(false) }
    });
    let mut spec = policy.in_front_of(recorder(&journal).at("/shop"));
    let policy = spec.policy.as_mut().unwrap();
    (policy.intensity, policy.period) = (1, Duration::from_secs(10));
    let kernel = start(vec![spec]).await;
    for crash in 1..=5 {
        armed.store(1, Ordering::Relaxed);
        tell(&kernel, "/shop", "x").await;
        kernel.idle().await;
        assert_eq!(policy_state(&kernel).await, (PolicyState::Running, crash));
        tokio::time::sleep(Duration::from_secs(11)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_too_many_overtook_is_next_and_who_holds_it_back_is_given_up() {
    for obeys in [true, false] {
        let journal = Journal::default();
        let policy = sorting().fault(move |_, call, keys| {
            // Keys of late messages only.
            if call == "take" && !obeys && keys[0] == 1 {
                keys[0] = 99;
            }
            Ok(false)
        });
        let mut spec = closed_shop(&journal, policy);
        spec.batch = 1;
        let policy = spec.policy.as_mut().unwrap();
        let pause = Duration::from_millis(10);
        (policy.overtakes, policy.backoff) = (5, Backoff { initial: pause, max: pause });
        let kernel = start(vec![spec]).await;
        tell_all(&kernel, &["z", "a", "a", "a"]).await;
        kernel.resume(&addr("/shop")).await;
        for _ in 0..20 {
            tell(&kernel, "/shop", "a").await;
            tell(&kernel, "/shop", "a").await;
            settle().await;
        }
        kernel.idle().await;
        assert_eq!(journal.count("shop:z"), 1);
        assert_eq!(journal.lines().len(), 44);
        let at = journal.lines().iter().position(|line| line == "shop:z").unwrap();
        let (state, crashes) = policy_state(&kernel).await;
        if obeys {
            assert_eq!((state, crashes), (PolicyState::Running, 0));
        }
        assert!(obeys && at <= 4 + 5 + 2 || !obeys && crashes > 0, "{at}, {crashes}");
    }
}

#[tokio::test(start_paused = true)]
async fn several_instances_share_what_a_policy_gives_out() {
    let journal = Journal::default();
    let mut spec = sorting().in_front_of(recorder(&journal).at("/shop"));
    (spec.instances, spec.start) = (4, StartKind::Manual);
    let kernel = start(vec![spec]).await;
    for n in 0..300 {
        tell(&kernel, "/shop", &format!("{n}")).await;
    }
    open(&kernel).await;
    assert_eq!(journal.lines().len(), 300);
    kernel.shut_down();
    kernel.over().await;
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_drains_what_the_policy_holds_and_a_kill_makes_dead_letters_of_it() {
    for instances in [1, 3] {
        let journal = Journal::default();
        let mut spec = sorting().in_front_of(recorder(&journal).at("/shop"));
        (spec.instances, spec.start) = (instances, StartKind::Auto);
        let kernel = start(vec![spec]).await;
        for n in 0..100 {
            tell(&kernel, "/shop", &format!("{n}")).await;
        }
        kernel.shut_down();
        kernel.over().await;
        assert_eq!((journal.lines().len(), letters(&kernel).len()), (100, 0));
        assert_eq!(kernel.tell(&addr("/shop"), b"x", SOON).await, Err(SendError::Stopped(addr("/shop"))));
    }
    let journal = Journal::default();
    let kernel = start(vec![closed_shop(&journal, sorting())]).await;
    tell_all(&kernel, &["b", "a"]).await;
    tell(&kernel, "/shop", "fresh").await;
    kernel.kill();
    kernel.over().await;
    let mut letters = letters(&kernel);
    letters.sort();
    assert_eq!(letters, ["stopped a x0", "stopped b x0", "stopped fresh x0"]);
}

#[tokio::test(start_paused = true)]
async fn blocked_senders_get_in_in_the_order_they_came_with_a_policy_too() {
    let journal = Journal::default();
    let fifo = Rules { prefix_bytes: 0, ..SEES_ONE_BYTE };
    let mut spec = closed_shop(&journal, Sorting { rules: fifo, ..sorting() });
    spec.mailbox.capacity = 1;
    let kernel = start(vec![spec]).await;
    tell(&kernel, "/shop", "first").await;
    let mut senders = Vec::new();
    for n in 0..10 {
        let kernel = kernel.clone();
        senders.push(tokio::spawn(async move { tell(&kernel, "/shop", &n.to_string()).await }));
        tokio::task::yield_now().await;
    }
    settle().await;
    assert_eq!(shop(&kernel).await.mailbox.pressure.blocked_now, 10);
    tokio::time::sleep(Duration::from_millis(500)).await;
    kernel.resume(&addr("/shop")).await;
    for sender in senders {
        sender.await.expect("accepted");
    }
    kernel.idle().await;
    assert_eq!(handled(&journal), "first 0 1 2 3 4 5 6 7 8 9");
    let pressure = shop(&kernel).await.mailbox.pressure;
    assert_eq!((pressure.blocked, pressure.blocked_now, pressure.episodes), (10, 0, 1));
    assert!(pressure.longest_block >= Duration::from_millis(500), "{pressure:?}");
    assert!(pressure.blocked_for >= pressure.longest_block * 9, "{pressure:?}");
}

#[tokio::test(start_paused = true)]
async fn asks_retries_and_crashes_of_the_actor_go_on_as_without_a_policy() {
    let journal = Journal::default();
    let moody = {
        let journal = journal.clone();
        quick(move |hand| {
            let (body, first) = (text(hand), hand.envelope().expect("in hand").attempt == 0);
            journal.note(body.clone());
            match &*body {
                "retry" if first => Ok(Outcome::Failed(Failure::Retry("once".into()))),
                "trap" if first => Err(trap()),
                "question" => Ok(Outcome::Done(Some(b"answer".to_vec()))),
                _ => Ok(Outcome::Done(None)),
            }
        })
    };
    let kernel = start(vec![sorting().in_front_of(moody.at("/shop"))]).await;
    tell_all(&kernel, &["retry", "trap", "plain"]).await;
    assert_eq!(ask(&kernel, "/shop", "question").await, Ok("answer".into()));
    kernel.idle().await;
    for (body, times) in [("retry", 2), ("trap", 2), ("plain", 1), ("question", 1)] {
        assert_eq!(journal.count(body), times, "{body}");
    }
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_ask_that_is_passed_over_until_its_deadline_expires() {
    let journal = Journal::default();
    let kernel = start(vec![closed_shop(&journal, sorting())]).await;
    assert_eq!(
        ask(&kernel, "/shop", "z").await,
        Err("no reply in time: a person stopped `/shop`, and only a person starts it".into())
    );
    open(&kernel).await;
    assert_eq!((handled(&journal), letters(&kernel)), (String::new(), vec!["expired z x0".into()]));
}

#[tokio::test(start_paused = true)]
async fn a_spawned_actor_has_the_policy_of_its_kind() {
    let journal = Journal::default();
    let boss = spawns(scripted(&journal).at("/boss"), &["sorted"]);
    let mut plan = plan(vec![boss]);
    let policed = |spec: &mut ActorSpec| {
        spec.policy = Some(Box::new(PolicySpec::new(Arc::new(sorting()))));
    };
    plan.plugins.insert("sorted".into(), Arc::new(Kind(recorder(&journal).named("sorted"), policed, false)));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "spawn w sorted;tell w c;tell w a;tell w b").await;
    kernel.idle().await;
    assert_eq!(journal.lines(), ["w:a", "w:b", "w:c"]);
    tell(&kernel, "/boss", "stop w").await;
    kernel.idle().await;
    tokio::time::sleep(SOON).await;
    assert_eq!(kernel.actors().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_is_revived_has_its_policy_again() {
    let journal = Journal::default();
    let boss = quick(|hand| match &*text(hand) {
        "trap" => Err(trap()),
        _ => Ok(Outcome::Done(None)),
    });
    let mut boss = boss.at("/boss");
    boss.restart.attempts = 1;
    let mut child = sorting().in_front_of(recorder(&journal).at("/boss/shop"));
    child.restart.kind = playhouse_kernel::RestartKind::Temporary;
    let policy = sorting();
    let runs = policy.runs.clone();
    child.policy = Some(Box::new(PolicySpec::new(Arc::new(policy))));
    let kernel = start(vec![boss, child]).await;
    tell(&kernel, "/boss/shop", "b").await;
    tell(&kernel, "/boss/shop", "a").await;
    kernel.idle().await;
    tell(&kernel, "/boss", "trap").await;
    kernel.idle().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    tell(&kernel, "/boss/shop", "d").await;
    tell(&kernel, "/boss/shop", "c").await;
    kernel.idle().await;
    assert_eq!(journal.lines(), ["shop:a", "shop:b", "shop:c", "shop:d"]);
    assert!(runs.load(Ordering::Relaxed) >= 1);
}

#[test]
fn a_plan_may_not_drop_the_oldest_of_what_a_policy_holds() {
    let mut spec = sorting().in_front_of(recorder(&Journal::default()).at("/shop"));
    spec.policy.as_mut().unwrap().overflow = Some(Overflow::DropOldest);
    assert!(plan(vec![spec]).check().unwrap_err().to_string().contains("`/shop` has a mailbox policy"));
}
