//! A folder grows by no more than its grant allows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use playhouse_kernel::{ActorSpec, Kernel, Plan};
use playhouse_sandbox::Folder;
use tempfile::TempDir;

use crate::folders::scene;
use crate::harness::{PATIENCE, Play, Silent, Spawned, address, folders, limits, reach};

const FULL: &str = "error no storage space";
/// The guest's library's error for a refused write.
const NOT_WRITTEN: &str = "error input or output";
const KIB: u64 = 1 << 10;

fn open(top: &Path, kib: u64) -> Folder {
    Folder::open(&top.join("granted"), "/data", true).unwrap().growing_by(kib * KIB)
}

async fn play(top: &TempDir, kib: u64) -> Play {
    Play::start(folders(vec![open(top.path(), kib)])).await
}

fn text(kib: u64) -> String {
    "x".repeat((kib * KIB) as usize)
}

fn size(top: &TempDir, name: &str) -> u64 {
    top.path().join("granted").join(name).metadata().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_and_appends_count_as_they_happen() {
    let top = scene();
    let play = play(&top, 100).await;
    assert_eq!(play.ask(&format!("write /data/a {}", text(60))).await, "done");
    // Overwritten bytes do not count again.
    assert_eq!(play.ask(&format!("write /data/a {}", text(60))).await, "done");
    assert_eq!(play.ask(&format!("append /data/a {}", text(60))).await, NOT_WRITTEN);
    assert_eq!(play.ask(&format!("stream a {}", text(60))).await, "error insufficient-space");
    assert!(size(&top, "a") <= 96 * KIB, "{}", size(&top, "a"));
    assert_eq!(play.ask("write /data/b ").await, FULL);
    assert_eq!(play.ask("make /data/b").await, FULL);
    assert_eq!(play.ask("symlink file b").await, "error insufficient-space");
    assert_eq!(play.ask("link /data/file /data/b").await, FULL);
    // A full folder can still be read.
    assert_eq!(play.ask("read /data/file").await, "inside");
}

#[tokio::test(flavor = "multi_thread")]
async fn sparse_file_counts_with_its_whole_size() {
    let top = scene();
    let play = play(&top, 100).await;
    assert_eq!(play.ask(&format!("resize /data/file {}", 200 * KIB)).await, FULL);
    assert_eq!(size(&top, "file"), 6);
    assert_eq!(play.ask(&format!("resize /data/file {}", 90 * KIB)).await, "done");
    assert_eq!(play.ask(&format!("append /data/file {}", text(20))).await, NOT_WRITTEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_files_give_back_their_bytes() {
    let top = scene();
    let play = play(&top, 100).await;
    let write = format!("write /data/a {}", text(80));
    for round in 0..5 {
        assert_eq!(play.ask(&write).await, "done", "{round}");
        assert_eq!(play.ask("remove /data/a").await, "done");
        assert_eq!(play.ask(&write).await, "done", "{round}");
        assert_eq!(play.ask("truncate /data/a").await, "done");
        assert_eq!(play.ask("resize /data/a 80000").await, "done");
        assert_eq!(play.ask("write /data/small x").await, "done");
        // A file that is replaced gives back its bytes as well.
        assert_eq!(play.ask("rename /data/small /data/a").await, "done");
        assert_eq!(play.ask(&format!("write /data/b {}", text(80))).await, "done", "{round}");
        assert_eq!(play.ask("remove /data/b").await, "done");
        assert_eq!(play.ask("remove /data/a").await, "done");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn file_without_a_name_counts_until_it_is_closed() {
    let top = scene();
    let play = play(&top, 100).await;
    let write = format!("write /data/a {}", text(80));
    assert_eq!(play.ask(&write).await, "done");
    assert_eq!(play.ask("keep /data/a").await, "done");
    assert_eq!(play.ask("remove /data/a").await, "done");
    assert_eq!(play.ask(&write).await, NOT_WRITTEN);
    assert_eq!(play.ask("remove /data/a").await, "done");
    assert_eq!(play.ask("close").await, "done");
    assert_eq!(play.ask(&write).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn second_name_of_a_file_gives_nothing_back() {
    let top = scene();
    let play = play(&top, 100).await;
    assert_eq!(play.ask(&format!("write /data/a {}", text(80))).await, "done");
    assert_eq!(play.ask("link /data/a /data/b").await, "done");
    assert_eq!(play.ask("remove /data/a").await, "done");
    assert_eq!(play.ask(&format!("write /data/c {}", text(20))).await, NOT_WRITTEN);
    assert_eq!(play.ask("remove /data/b").await, "done");
    assert_eq!(play.ask(&format!("write /data/c {}", text(80))).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_files_count_as_well() {
    let top = scene();
    let play = play(&top, 400).await;
    let made: u64 = play.ask("make-many /data").await.parse().unwrap();
    assert!((80..=100).contains(&made), "{made}");
    assert_eq!(play.ask("make /data/folder").await, FULL);
    assert_eq!(play.ask("remove /data/0").await, "done");
    assert_eq!(play.ask("remove /data/1").await, "done");
    assert_eq!(play.ask("remove /data/2").await, "done");
    for _ in 0..10 {
        assert_eq!(play.ask("make /data/folder").await, "done");
        assert_eq!(play.ask("remove-folder /data/folder").await, "done");
    }
}

/// A file that is made at the end of a link counts where it is made, and once.
#[tokio::test(flavor = "multi_thread")]
async fn file_at_the_end_of_a_link_counts_like_any_other() {
    let top = scene();
    let play = play(&top, 100).await;
    assert_eq!(play.ask("symlink sub/new to-new").await, "done");
    assert_eq!(play.ask("symlink to-new twice").await, "done");
    for round in 0..40 {
        assert_eq!(play.ask("write /data/twice text").await, "done", "{round}");
        assert_eq!(play.ask("read /data/sub/new").await, "text");
        // The file exists already.
        assert_eq!(play.ask("write /data/twice text").await, "done", "{round}");
        assert_eq!(play.ask("remove /data/sub/new").await, "done", "{round}");
    }
    // The folder has two new links and one new file.
    assert_eq!(play.ask(&format!("write /data/twice {}", text(88))).await, "done");
    assert_eq!(play.ask(&format!("append /data/sub/new {}", text(8))).await, NOT_WRITTEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn actors_with_the_same_folder_are_counted_together() {
    let top = scene();
    let (one, other) = (play(&top, 100).await, play(&top, 150).await);
    assert_eq!(one.ask(&format!("write /data/a {}", text(80))).await, "done");
    assert_eq!(other.ask(&format!("write /data/b {}", text(40))).await, "done");
    assert_eq!(one.ask("write /data/c x").await, FULL);
    assert_eq!(other.ask("write /data/c x").await, "done");
    assert_eq!(other.ask("remove /data/a").await, "done");
    assert_eq!(one.ask(&format!("append /data/c {}", text(40))).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn spawned_actors_count_for_their_parent() {
    let top = scene();
    let launcher =
        reach().launcher_with(folders(vec![open(top.path(), 100)]), limits(), BTreeMap::new(), Arc::new(Silent));
    let mut boss = ActorSpec::new(address("/boss"), launcher);
    boss.limits.timeout = PATIENCE;
    boss.grants.spawns = vec!["reach".to_owned()];
    let below = Folder::open(&top.path().join("granted/sub"), "/data", true).unwrap();
    let mut plan = Plan { actors: vec![boss], ..Plan::default() };
    plan.plugins.insert("reach".to_owned(), Arc::new(Spawned(folders(vec![below]))));
    let kernel = Kernel::start(&plan).unwrap();
    kernel.wait_booted().await;
    let ask = async |to: &str, what: &str| {
        let reply = kernel.ask(&address(to), what.as_bytes(), PATIENCE).await.unwrap();
        String::from_utf8(reply).unwrap()
    };
    assert_eq!(ask("/boss", "spawn child").await, "done");
    assert_eq!(ask("/boss/child", &format!("write /data/a {}", text(80))).await, "done");
    assert_eq!(ask("/boss/child", &format!("append /data/a {}", text(40))).await, NOT_WRITTEN);
    assert_eq!(ask("/boss", "write /data/b x").await, FULL);
}
