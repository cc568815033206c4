//! Backups, and what is restored from them.

use std::path::Path;

use playhouse_kernel::STARTS_OF_A_TIMELINE;
use playhouse_store::{Inspection, StoreSettings, restore};

use crate::filled::{database, filled, folder, open, put, read, read_open, write};

/// The error of a restore that is refused.
fn restore_refusal(path: &Path, from: &Path) -> String {
    restore(path, from, false).unwrap_err().to_string()
}

#[tokio::test]
async fn backup_of_a_running_store_is_restored_with_new_runs() {
    let (home, settings) = folder();
    filled(&settings).await;
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, put(40, b"the last one")).await.unwrap();
    let expected = read_open(&store).await;
    let file = home.path().join("backup.db");
    let inspection = Inspection::open(&settings.path).unwrap();
    let facts = inspection.backup(&file).unwrap();
    assert_eq!((facts.last_entry, facts.bytes), (image.last, std::fs::metadata(&file).unwrap().len()));
    assert!(inspection.backup(&file).is_err(), "the file is there already");
    assert!(restore_refusal(&settings.path, &file).contains("the store is in use by process"));
    drop(store);
    assert!(restore_refusal(&settings.path, &file).contains("there is a store in"));
    let mut timelines = std::collections::BTreeSet::new();
    for again in ["first", "second"] {
        let again = StoreSettings::new(&home.path().join(again));
        restore(&again.path, &file, false).unwrap();
        let (store, restored) = open(&again).await;
        assert_eq!(read_open(&store).await, expected);
        assert_eq!(restored.boots % STARTS_OF_A_TIMELINE, image.boots + 1, "runs are counted on");
        timelines.insert(restored.boots / STARTS_OF_A_TIMELINE);
    }
    assert!(timelines.len() == 2 && !timelines.contains(&0), "no two restores give the same ids: {timelines:?}");
}

#[tokio::test]
async fn replaced_store_is_kept_aside() {
    let (home, settings) = folder();
    filled(&settings).await;
    let file = home.path().join("backup.db");
    Inspection::open(&settings.path).unwrap().backup(&file).unwrap();
    let backed_up = read(&settings).await.unwrap();
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, put(40, b"after the backup")).await.unwrap();
    drop(store);
    let before = read(&settings).await.unwrap();
    let kept = restore(&settings.path, &file, true).unwrap().unwrap();
    assert_eq!(kept, settings.path.join("store.db.replaced"));
    assert_eq!(read(&settings).await.unwrap(), backed_up);
    let second = restore(&settings.path, &file, true).unwrap().unwrap();
    assert_eq!(second, settings.path.join("store.db.replaced-2"));
    assert!(!open(&settings).await.1.is_unclean, "the run that the backup was made beside did not end here");
    let again = StoreSettings::new(&home.path().join("again"));
    restore(&again.path, &kept, false).unwrap();
    assert_eq!(read(&again).await.unwrap(), before);
}

#[tokio::test]
async fn damaged_store_is_replaced_by_its_backup() {
    let (home, settings) = folder();
    filled(&settings).await;
    let file = home.path().join("backup.db");
    Inspection::open(&settings.path).unwrap().backup(&file).unwrap();
    let expected = read(&settings).await.unwrap();
    std::fs::write(database(&settings), [7; 9000]).unwrap();
    std::fs::write(settings.path.join("store.db-wal"), "a log").unwrap();
    restore(&settings.path, &file, true).unwrap();
    assert_eq!(read(&settings).await.unwrap(), expected);
    assert_eq!(std::fs::read(settings.path.join("store.db.replaced")).unwrap(), [7; 9000]);
    assert_eq!(std::fs::read(settings.path.join("store.db.replaced-wal")).unwrap(), b"a log");
}

#[tokio::test]
async fn damaged_backup_is_not_restored() {
    let (home, settings) = folder();
    filled(&settings).await;
    let file = home.path().join("backup.db");
    Inspection::open(&settings.path).unwrap().backup(&file).unwrap();
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("update frame set records = zeroblob(length(records)) where first = 7").unwrap();
    drop(other);
    let expected = read(&settings).await.unwrap();
    let refused = restore(&settings.path, &file, true).unwrap_err().to_string();
    let at = "is damaged at message 7 of `/a`, in row 7 of table `frame`";
    assert!(refused.starts_with("the backup `") && refused.contains(at), "{refused}");
    assert_eq!(read(&settings).await.unwrap(), expected);
    let missing = home.path().join("missing.db");
    assert!(restore_refusal(&settings.path, &missing).contains("missing.db`: No such file"));
}

#[tokio::test]
async fn database_with_its_log_is_no_backup() {
    let (home, settings) = folder();
    filled(&settings).await;
    let (_store, _) = open(&settings).await;
    let refused = restore_refusal(&home.path().join("again"), &database(&settings));
    assert!(refused.contains("has a log beside it"), "{refused}");
}
