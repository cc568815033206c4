//! A message for a full mailbox: it is refused or dropped, the policy chooses a victim, or its sender waits.

use std::time::Duration;

use playhouse_kernel::{Outcome, Overflow, Rules, SendError, WhenFull};

use super::sorting::{SEES_ONE_BYTE, Sorting, closed_shop, handled, open, settle, shop, sorting, tell_all};
use crate::stage::*;

#[tokio::test(start_paused = true)]
async fn policy_rule_for_overflow_yields_to_the_plan() {
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
        let is_dropped = matches!(told, Err(SendError::Dropped { .. }));
        let refused = (told.is_err() && !is_dropped).then(|| "refused".to_owned());
        assert_eq!(refused.or(letters(&kernel).pop()), Some(expected.into()), "{rule:?}, {plan:?}");
        let pressure = shop(&kernel).await.mailbox.pressure;
        assert_eq!((pressure.refused, pressure.dropped), if is_dropped || told.is_ok() { (0, 1) } else { (1, 0) });
        open(&kernel).await;
        assert_eq!(handled(&journal), "b1 b2 b3 b4");
    }
}

#[tokio::test(start_paused = true)]
async fn policy_may_choose_dropped_messages() {
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
async fn choosing_policy_sees_a_bounded_excess() {
    let journal = Journal::default();
    let crowd = quick(|turn| {
        for n in 0..200 {
            let body = format!("{}{n}", if n % 50 == 0 { 'a' } else { 'b' });
            turn.tell("/shop", body.as_bytes()).expect("granted");
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
async fn message_dropped_by_choice_is_abandoned() {
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

#[tokio::test(start_paused = true)]
async fn blocked_senders_keep_their_order_with_a_policy() {
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
    kernel.wait_idle().await;
    assert_eq!(handled(&journal), "first 0 1 2 3 4 5 6 7 8 9");
    let pressure = shop(&kernel).await.mailbox.pressure;
    assert_eq!((pressure.blocked, pressure.blocked_now, pressure.episodes), (10, 0, 1));
    assert!(pressure.longest_block >= Duration::from_millis(500), "{pressure:?}");
    assert!(pressure.blocked_for >= pressure.longest_block * 9, "{pressure:?}");
}

#[test]
fn plan_with_a_policy_may_not_drop_the_oldest() {
    let mut spec = sorting().in_front_of(recorder(&Journal::default()).at("/shop"));
    spec.policy.as_mut().unwrap().overflow = Some(Overflow::DropOldest);
    assert!(plan(vec![spec]).check().unwrap_err().to_string().contains("`/shop` has a mailbox policy"));
}
