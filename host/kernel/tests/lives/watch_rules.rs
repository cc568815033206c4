//! The promises about watches of stored actors, each in a small play.

mod ends;
mod tower;

use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use playhouse_kernel::{Fault, FaultyStore, JournalEntry, Op, Overflow, State, Store};
use tokio::time::sleep;

use crate::house::{SOON, WRITE, addr, tell};
use tower::{Tower, runtime};

/// An actor in memory that does not run any more.
const LOST: &str = "/near crashed host-died";

#[test]
fn watcher_is_told_of_an_actor_that_was_lost_with_the_host() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "watch /near")]);
    assert_eq!(tower.notices(), [""; 0]);
    assert_eq!(tower.goes_on(), [""; 0]);
    assert_eq!(tower.notices(), [LOST, "/near started"], "it is lost, and the plan starts it again");
    assert_eq!(tower.kept(), 1);
}

#[test]
fn notice_of_a_loss_comes_once_over_all_lives() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "watch /near")]);
    let hangs = &tower.hangs;
    hangs.store(true, Ordering::Relaxed);
    tower.dies_after(&[]);
    hangs.store(false, Ordering::Relaxed);
    assert_eq!(tower.told(), [LOST, "/near started"]);
    tower.goes_on();
    // The life in which it hung has ended, too.
    assert_eq!(tower.told(), [LOST, "/near started", LOST, "/near started"]);
    assert_eq!(tower.notices(), [LOST, "/near started", LOST, "/near started"]);
}

#[test]
fn orderly_end_of_the_host_stops_an_actor_in_memory() {
    let tower = Tower::default();
    tower.goes_on_with(tower.actors(), &[("/a", "watch /near")]);
    tower.goes_on();
    assert_eq!(tower.told()[..2], ["/near stopped", "/near started"]);
}

#[test]
fn stored_actor_is_not_lost_with_the_host() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "watch /stored")]);
    tower.goes_on();
    tower.dies_after(&[("/stored", "panic")]);
    assert_eq!(tower.notices(), ["/stored crashed panic", "/stored started"]);
    tower.goes_on();
    assert_eq!(tower.told().len(), 2, "the ends of its host are none of its own");
}

#[test]
fn spawned_actor_in_memory_is_lost_and_gone() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "spawn p passing; watch p")]);
    tower.goes_on();
    assert_eq!(tower.notices(), ["/a/p started", "/a/p crashed host-died", "/a/p gone"]);
    tower.goes_on();
    assert_eq!((tower.told().len(), tower.kept()), (3, 0));
}

#[test]
fn actor_that_is_gone_from_the_manifest_is_gone() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "watch /stored")]);
    let without = || tower.actors().into_iter().filter(|spec| spec.address != addr("/stored")).collect::<Vec<_>>();
    tower.goes_on_with(without(), &[]);
    tower.goes_on_with(without(), &[]);
    assert_eq!((tower.notices(), tower.kept()), (vec!["/stored gone".to_owned()], 0));
}

#[test]
fn watch_outlives_a_crash_of_its_actor_and_its_passivation() {
    let tower = Tower::default();
    let mut actors = tower.actors();
    actors[2].idle_stop = Some(SOON / 10);
    runtime().block_on(async {
        let kernel = tower.open_with(actors).await;
        tell(&kernel, "/a", "watch /near").await;
        tell(&kernel, "/a", "panic").await;
        sleep(10 * SOON).await;
        let state = kernel.actors().await.iter().find(|view| view.address == addr("/a")).map(|view| view.state);
        assert_eq!(state, Some(State::Passivated), "a watch keeps no instance alive");
        tell(&kernel, "/near", "panic").await;
        sleep(SOON).await;
    });
    assert_eq!(tower.notices(), ["/near crashed panic", "/near started"]);
}

/// The incarnation that set the watch, and not one after it.
#[test]
fn watch_of_the_actor_does_not_keep_the_incarnation_that_set_it() {
    let tower = Tower::default();
    let mut actors = tower.actors();
    actors[2].idle_stop = Some(SOON / 10);
    runtime().block_on(async {
        let kernel = tower.open_with(actors).await;
        tell(&kernel, "/a", "watch /near").await;
        sleep(10 * SOON).await;
        let state = kernel.actors().await.iter().find(|view| view.address == addr("/a")).map(|view| view.state);
        assert_eq!(state, Some(State::Passivated));
        tell(&kernel, "/near", "panic").await;
        sleep(SOON).await;
    });
    assert_eq!(tower.notices(), ["/near crashed panic", "/near started"]);
    assert_eq!(tower.started.lock().iter().filter(|started| *started == "/a").count(), 2);
}

#[test]
fn notice_is_handled_again_after_a_crash_and_after_the_host() {
    let tower = Tower::default();
    tower.is_upset.store(true, Ordering::Relaxed);
    tower.dies_after(&[("/a", "watch /nobody")]);
    assert_eq!(tower.notices(), ["/nobody gone", "/nobody gone"], "the second attempt");
    tower.hangs.store(true, Ordering::Relaxed);
    tower.dies_after(&[("/a", "watch /nobody")]);
    tower.hangs.store(false, Ordering::Relaxed);
    assert_eq!(tower.notices(), [""; 0]);
    assert_eq!(tower.goes_on(), [""; 0]);
    assert_eq!((tower.notices(), tower.told().len()), (vec!["/nobody gone".to_owned()], 2));
}

#[test]
fn stored_child_that_its_parent_stops_is_gone_once() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "spawn k kid; watch k"), ("/a", "stop k")]);
    let entries: usize = tower.store.history().iter().map(|group| group.entries.len()).sum();
    for cut in 1..=entries {
        let cut_off = tower.cut(cut);
        cut_off.goes_on();
        cut_off.goes_on();
        let is_watched = cut_off.kept() > 0;
        let told = cut_off.told();
        let count = |change: &str| told.iter().filter(|notice| notice.ends_with(change)).count();
        let (gone, started) = (count("gone"), count("started"));
        assert!(gone + usize::from(is_watched) <= 1, "{cut} of {entries}: {told:?}");
        assert!(started <= 1 && told.len() == gone + started, "{cut} of {entries}: {told:?}");
        if cut == entries {
            assert_eq!(gone, 1);
        }
    }
}

#[test]
fn stored_child_that_ends_by_itself_is_gone_once() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "spawn k brief; watch k"), ("/a", "> k panic"), ("/a", "> k panic")]);
    let entries: usize = tower.store.history().iter().map(|group| group.entries.len()).sum();
    for cut in 1..=entries {
        let cut_off = tower.cut(cut);
        cut_off.goes_on();
        cut_off.goes_on();
        let told = cut_off.told();
        let gone = told.iter().filter(|notice| *notice == "/a/k gone").count();
        let actors = cut_off.store.open().now_or_never().unwrap().unwrap().actors;
        let is_there = actors.iter().any(|known| known.address == addr("/a/k") && !known.leaves);
        assert!(gone + usize::from(is_there) <= 1, "{cut} of {entries}: {told:?}");
        assert_eq!(
            gone == 0,
            cut_off.kept() > 0 || cut_off.watches.lock().is_empty() && told.is_empty(),
            "{cut} of {entries}: {told:?}"
        );
    }
}

#[test]
fn halt_is_told_once_wherever_the_host_dies() {
    let tower = Tower::default();
    runtime().block_on(async {
        let kernel = tower.open().await;
        tell(&kernel, "/a", "watch /near; watch /stored").await;
        sleep(SOON).await;
        kernel.halt(&addr("/near")).await;
        kernel.halt(&addr("/stored")).await;
        sleep(SOON).await;
    });
    assert_eq!(tower.notices(), ["/near halted", "/stored halted"]);
    let history = tower.store.history();
    let is_order = |entry: &JournalEntry| entry.ops.iter().any(|op| matches!(op, Op::Halted { .. }));
    let entries: Vec<_> = history.iter().flat_map(|group| &group.entries).collect();
    let after_orders = entries.iter().rposition(|entry| is_order(entry)).unwrap() + 1;
    for cut in after_orders..=entries.len() {
        let cut_off = tower.cut(cut);
        cut_off.goes_on();
        let mut told = cut_off.told();
        told.sort();
        assert_eq!(told, ["/near stopped operator", "/stored stopped operator"], "{cut}");
    }
}

#[test]
fn watch_is_a_part_of_its_turn() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "watch /near; reject"), ("/a", "watch /near; watch /stored; unwatch 1")]);
    assert_eq!(tower.kept(), 1);
    tower.dies_after(&[("/a", "unwatch 2")]);
    assert_eq!(tower.kept(), 0);
    tower.goes_on();
    assert_eq!(tower.told(), [""; 0]);
}

#[test]
fn id_of_a_watch_is_not_given_again_by_a_later_run() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "watch /nobody"), ("/a", "watch /nobody")]);
    tower.dies_after(&[("/a", "watch /nobody")]);
    let ids = tower.watches.lock().clone();
    assert!(ids.is_sorted() && ids[0] < ids[1] && ids[1] < ids[2], "{ids:?}");
}

#[test]
fn limit_counts_the_watches_of_earlier_runs() {
    let tower = Tower::default();
    let actors = || {
        let mut actors = tower.actors();
        actors[2].limits.max_watches = 1;
        actors
    };
    tower.dies_with(actors(), &[("/a", "watch /stored")]);
    tower.dies_with(actors(), &[("/a", "watch /near")]);
    assert_eq!(tower.refused.lock().len(), 1);
    tower.dies_with(actors(), &[("/a", "unwatch 0"), ("/a", "watch /near")]);
    assert_eq!((tower.refused.lock().len(), tower.kept()), (1, 1));
}

#[test]
fn watch_of_init_ends_with_its_incarnation() {
    let tower = Tower::default();
    tower.watches_in_init.store(true, Ordering::Relaxed);
    tower.dies_after(&[("/a", "panic"), ("/near", "panic")]);
    assert_eq!(tower.notices(), ["/near crashed panic unstored", "/near started unstored"], "once");
    assert_eq!(tower.kept(), 0);
}

#[test]
fn notice_without_space_is_a_letter() {
    let tower = Tower::default();
    let mut actors = tower.actors();
    actors[2].mailbox.capacity = 1;
    actors[2].mailbox.overflow = Overflow::Reject;
    tower.hangs.store(true, Ordering::Relaxed);
    tower.dies_with(actors, &[("/a", "watch /nobody; watch /nobody; watch /nobody; hang")]);
    tower.hangs.store(false, Ordering::Relaxed);
    assert_eq!(tower.kept(), 0, "a crash of this turn keeps none");
    let mut actors = tower.actors();
    actors[2].mailbox.capacity = 1;
    actors[2].mailbox.overflow = Overflow::Reject;
    let letters = tower.goes_on_with(actors, &[]);
    let full = letters.iter().filter(|letter| *letter == "/a mailbox-full").count();
    assert_eq!((tower.told().len() + full, tower.kept()), (3, 0), "{letters:?}");
    assert!(full > 0);
}

#[test]
fn actor_at_the_edge_gets_a_notice_when_it_is_durable() {
    let tower = Tower::default();
    let mut actors = tower.actors();
    actors[2].reaches_outside = true;
    runtime().block_on(async {
        let slow = FaultyStore::new(tower.store.clone(), vec![Some(Fault::Slow(WRITE)); 50]);
        let kernel = tower.open_on(slow, actors).await;
        tell(&kernel, "/a", "watch /near").await;
        sleep(10 * WRITE).await;
        tell(&kernel, "/near", "panic").await;
        sleep(WRITE / 2).await;
        assert_eq!(tower.notices(), [""; 0]);
        sleep(10 * WRITE).await;
        assert_eq!(tower.notices(), ["/near crashed panic", "/near started"]);
    });
}
