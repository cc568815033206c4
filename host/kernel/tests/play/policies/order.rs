//! The order in which a policy releases messages: to one instance, to several, and with a message held back.

use std::time::Duration;

use playhouse_kernel::{Backoff, Outcome, PolicyState, StartKind};

use super::sorting::{closed_shop, handled, open, policy_state, settle, shop, sorting, tell_all};
use crate::stage::*;

#[tokio::test(start_paused = true)]
async fn policy_decides_the_order_of_waiting_messages() {
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
async fn later_message_may_be_next_by_policy() {
    let journal = Journal::default();
    let slow = {
        let journal = journal.clone();
        native(move |turn| {
            journal.note(text(turn));
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
    kernel.wait_idle().await;
    assert_eq!(handled(&journal), "c1 a1 c2 c3");
}

#[tokio::test(start_paused = true)]
async fn overdue_message_is_next_or_the_policy_crashes() {
    for obeys in [true, false] {
        let journal = Journal::default();
        let policy = sorting().fault(move |_, call, keys| {
            // The keys belong to late messages only.
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
        kernel.wait_idle().await;
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
async fn instances_share_messages_that_a_policy_gives_out() {
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
    kernel.wait_stopped().await;
    assert!(letters(&kernel).is_empty());
}
