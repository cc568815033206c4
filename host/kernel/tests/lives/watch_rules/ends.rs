//! The ends of watches, and watchers that are not there: they are gone with an actor, or it is told later.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use playhouse_kernel::{ActorSpec, FamilySpec, Keep, NativeLauncher, RestartKind, Store};
use tokio::time::sleep;

use super::tower::{Blind, Guard, Tower, runtime};
use crate::house::{SOON, addr, tell};

#[test]
fn watches_of_a_child_end_with_it() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "spawn k kid; > k watch /near; > k watch /a")]);
    assert_eq!(tower.kept(), 2);
    tower.dies_after(&[("/a", "stop k")]);
    assert_eq!(tower.kept(), 0);
}

#[test]
fn watcher_that_ended_is_told_when_it_is_revived() {
    let tower = Tower::default();
    let mut eye = tower.actor("/boss/eye", Keep::Stored);
    eye.restart.kind = RestartKind::Temporary;
    eye.grants.sends_to.push(addr("/a/k"));
    let boss = tower.actor("/boss", Keep::Stored);
    let actors: Vec<_> = tower.actors().into_iter().chain([boss, eye]).collect();
    runtime().block_on(async {
        let kernel = tower.open_with(actors).await;
        tell(&kernel, "/a", "spawn k kid").await;
        sleep(SOON).await;
        tell(&kernel, "/boss/eye", "watch /a/k").await;
        tell(&kernel, "/boss/eye", "panic").await;
        sleep(SOON).await;
        tell(&kernel, "/a", "stop k").await;
        sleep(SOON).await;
        assert_eq!((tower.notices(), tower.kept()), (Vec::new(), 1), "its mailbox is closed");
        tell(&kernel, "/boss", "panic").await;
        sleep(SOON).await;
        assert_eq!((tower.notices(), tower.kept()), (vec!["/a/k gone".to_owned()], 0));
    });
}

#[test]
fn watcher_that_was_gone_from_the_manifest_is_told_later() {
    let tower = Tower::default();
    tower.dies_after(&[("/a", "watch /near")]);
    let without = tower.actors().into_iter().filter(|spec| spec.address != addr("/a")).collect();
    tower.goes_on_with(without, &[]);
    assert_eq!((tower.notices(), tower.kept()), (Vec::new(), 1));
    tower.dies_after(&[]);
    assert_eq!(tower.notices(), ["/near stopped", "/near started"], "the last life ended in order");
}

#[test]
fn notices_that_wait_for_a_child_end_with_it() {
    let tower = Tower::default();
    runtime().block_on(async {
        let kernel = tower.open().await;
        tell(&kernel, "/a", "spawn k kid; > k watch /near").await;
        sleep(SOON).await;
        tower.hangs.store(true, Ordering::Relaxed);
        tell(&kernel, "/near", "panic").await;
        sleep(SOON).await;
        tell(&kernel, "/a", "stop k").await;
        sleep(1000 * SOON).await;
        let letters = kernel.dead_letters();
        assert!(letters.iter().all(|letter| letter.to == addr("/a/k")) && letters.len() == 2, "{letters:?}");
        assert_eq!(kernel.store_failure(), None);
    });
    let actors = tower.store.open().now_or_never().unwrap().unwrap().actors;
    assert!(actors.iter().all(|known| known.address != addr("/a/k")), "{actors:?}");
}

#[test]
fn spawned_watcher_and_its_target_go_in_any_order() {
    let tower = Tower::default();
    tower.dies_after(&[
        ("/a", "spawn k kid; spawn p passing; > k watch /a; watch k; watch p"),
        ("/a", "stop p; stop k"),
    ]);
    let entries: usize = tower.store.history().iter().map(|group| group.entries.len()).sum();
    for cut in 1..=entries {
        let cut_off = tower.cut(cut);
        cut_off.goes_on();
        cut_off.goes_on();
        let told = cut_off.told();
        for child in ["/a/k gone", "/a/p gone"] {
            assert!(told.iter().filter(|notice| *notice == child).count() <= 1, "{cut} of {entries}: {told:?}");
        }
        let of_parent = told.iter().filter(|notice| notice.starts_with("/a "));
        assert!(of_parent.into_iter().all(|notice| notice == "/a started"), "{cut} of {entries}: {told:?}");
    }
    tower.goes_on();
    assert_eq!(tower.kept(), 0);
}

#[test]
fn watches_and_notices_go_with_code_that_takes_none() {
    let tower = Tower::default();
    tower.hangs.store(true, Ordering::Relaxed);
    tower.dies_after(&[("/a", "watch /stored; watch /nobody; watch /nobody")]);
    tower.hangs.store(false, Ordering::Relaxed);
    assert_eq!((tower.kept(), tower.told().len()), (1, 2));
    let mut actors = tower.actors();
    let blind = tower.clone();
    actors[2].code = ActorSpec::new(addr("/a"), NativeLauncher::new(move || Blind(Guard(blind.clone())))).code;
    assert_eq!(tower.goes_on_with(actors, &[]), [""; 0], "no letters");
    assert_eq!((tower.notices(), tower.kept()), (Vec::new(), 0));
    let waiting: u64 =
        tower.store.open().now_or_never().unwrap().unwrap().actors.iter().map(|known| known.waiting).sum();
    assert_eq!(waiting, 0);
}

/// A member may be in the store alone, where nothing can be told to it, and nothing is known of it.
#[test]
fn watches_by_members_and_of_members_end_with_the_incarnation() {
    let tower = Tower::default();
    let mut actors = tower.actors();
    actors[2].grants.sends_below = vec![addr("/user")];
    let family = FamilySpec::new(10, 100).created_by(addr("/"), 1_000);
    actors.push(ActorSpec {
        family: Some(Arc::new(family)),
        idle_stop: Some(SOON),
        ..tower.actor("/user", Keep::Stored)
    });
    let messages = [("/user/1", "watch /stored"), ("/user/2", "watch /near"), ("/a", "watch /user/1")];
    tower.dies_with(actors.clone(), &messages);
    assert_eq!((tower.refused.lock().clone(), tower.kept()), (Vec::<String>::new(), 0));
    tower.goes_on_with(actors, &[]);
    assert_eq!(tower.kept(), 0);
}
