//! Faults of a policy: it restarts or is given up, and no message is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use playhouse_kernel::{Crash, Key, PolicyState, Rules, SendError, WhenFull};

use super::sorting::{SEES_ONE_BYTE, Sorting, closed_shop, handled, open, policy_state, shop, sorting, tell_all};
use crate::stage::*;

/// Each fault of a policy, once.
#[tokio::test(start_paused = true)]
async fn policy_crash_loses_no_message() {
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
async fn policy_that_drops_too_little_crashes() {
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
async fn restarted_policy_gets_all_messages_in_order() {
    let journal = Journal::default();
    let fifo = Rules { prefix_bytes: 0, ..SEES_ONE_BYTE };
    let policy = sorting().fault(|run, call, _| if (run, call) == (1, "take") { Err(trap()) } else { Ok(false) });
    let kernel = start(vec![closed_shop(&journal, Sorting { rules: fifo, ..policy })]).await;
    tell_all(&kernel, &["d", "c", "b", "a"]).await;
    open(&kernel).await;
    assert_eq!(handled(&journal), "d c b a");
}

#[tokio::test(start_paused = true)]
async fn policy_that_crashes_too_often_is_given_up() {
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
        kernel.wait_idle().await;
        assert_eq!(policy_state(&kernel).await, (PolicyState::Running, crash));
        tokio::time::sleep(Duration::from_secs(11)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn policy_that_hangs_in_each_call_is_given_up() {
    for hangs_in in ["put", "take", "size"] {
        let journal = Journal::default();
        let policy = sorting().fault(move |_, call, _| Ok(call == hangs_in));
        let kernel = start(vec![policy.in_front_of(recorder(&journal).at("/shop"))]).await;
        for n in 0..600 {
            tell(&kernel, "/shop", &format!("m{n}")).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(policy_state(&kernel).await, (PolicyState::GaveUp, 11), "{hangs_in}");
        tell_all(&kernel, &["b", "a"]).await;
        kernel.wait_idle().await;
        let lines = journal.lines();
        assert_eq!((lines.len(), &lines[600..]), (602, &["shop:b".to_owned(), "shop:a".to_owned()][..]), "{hangs_in}");
        assert!(letters(&kernel).is_empty(), "{hangs_in}");
    }
}

#[tokio::test(start_paused = true)]
async fn policy_that_hangs_once_in_many_messages_is_kept() {
    let journal = Journal::default();
    let taken = AtomicU64::new(0);
    let policy = sorting()
        .fault(move |_, call, _| Ok(call == "take" && taken.fetch_add(1, Ordering::Relaxed).is_multiple_of(20)));
    let kernel = start(vec![policy.in_front_of(recorder(&journal).at("/shop"))]).await;
    for n in 0..400 {
        tell(&kernel, "/shop", &format!("m{n}")).await;
        kernel.wait_idle().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (state, crashes) = policy_state(&kernel).await;
    assert_eq!((state, journal.lines().len()), (PolicyState::Running, 400));
    assert!(crashes >= 20, "{crashes}");
}
