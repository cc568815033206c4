//! The log of the database: its damages, its size, and its end.

use std::path::Path;

use playhouse_kernel::{StoreError, WaitingNumbers};
use playhouse_store::{Inspection, StoppedStore, StoreSettings, Survives, restore};

use crate::filled::{A, born, database, filled, folder, open, put, read, refusal, take, write};

/// Copies the files of an open store as a kill would leave them.
fn killed(settings: &StoreSettings, to: &StoreSettings) {
    let _ = std::fs::remove_dir_all(&to.path);
    std::fs::create_dir(&to.path).unwrap();
    for file in ["store.db", "store.db-wal", "tail"] {
        std::fs::copy(settings.path.join(file), to.path.join(file)).unwrap();
    }
}

/// SQLite takes a damaged record of its log for the log's end. Confirmed groups must not be lost with that, without a word.
#[tokio::test]
async fn flipped_bits_of_the_log_are_found() {
    let (home, settings) = folder();
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, born()).await.unwrap();
    for number in 1..9 {
        write(&store, &mut image, put(number, format!("body {number}").repeat(40).as_bytes())).await.unwrap();
    }
    write(&store, &mut image, take(1..3)).await.unwrap();
    let copy = StoreSettings::new(&home.path().join("copy"));
    killed(&settings, &copy);
    let (expected, place) = (read(&copy).await.unwrap(), copy.path.join("store.db-wal"));
    let log = std::fs::read(settings.path.join("store.db-wal")).unwrap();
    // The format of the log: a header of 32 bytes, and frames of a header of 24 and a page.
    let page = u32::from_be_bytes(*log[8..].first_chunk().unwrap()) as usize;
    let frames = (32..log.len()).step_by(24 + page);
    assert!(frames.len() > 20, "{} frames", frames.len());
    let in_frames =
        frames.clone().flat_map(|frame| [0, 4, 8, 12, 16, 24, 24 + page / 2, 23 + page].map(|at| frame + at));
    for at in (0..32).chain(in_frames) {
        killed(&settings, &copy);
        let mut log = log.clone();
        log[at] ^= 1 << (at % 8);
        std::fs::write(&place, log).unwrap();
        let refused = refusal(&copy).await;
        assert!(
            refused.starts_with("the store is damaged at its log `store.db-wal`, which has lost "),
            "{at}: {refused}"
        );
    }
    // Without the note, the log does not tell.
    killed(&settings, &copy);
    let mut log = log.clone();
    *log.last_mut().unwrap() ^= 1;
    std::fs::write(&place, log).unwrap();
    std::fs::remove_file(copy.path.join("tail")).unwrap();
    assert_ne!(read(&copy).await.unwrap(), expected);
}

#[tokio::test]
async fn store_that_lost_its_end_is_looked_at_and_replaced() {
    let (home, settings) = folder();
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, born()).await.unwrap();
    for number in 1..9 {
        write(&store, &mut image, put(number, b"kept")).await.unwrap();
    }
    let backup = home.path().join("backup.db");
    Inspection::open(&settings.path).unwrap().backup(&backup).unwrap();
    write(&store, &mut image, put(9, b"lost")).await.unwrap();
    let copy = StoreSettings::new(&home.path().join("copy"));
    killed(&settings, &copy);
    let (place, tail) = (copy.path.join("store.db-wal"), std::fs::read(copy.path.join("tail")).unwrap());
    let mut log = std::fs::read(&place).unwrap();
    *log.last_mut().unwrap() ^= 1;
    std::fs::write(&place, &log).unwrap();
    let mut stopped = StoppedStore::take(&copy.path).unwrap();
    let damages = stopped.inspection().check().unwrap().damages;
    assert!(
        damages.len() == 1 && damages[0].starts_with("its log `store.db-wal`, which has lost entry "),
        "{damages:?}"
    );
    let first = WaitingNumbers { in_order: std::iter::once(1..2).collect(), held: Vec::new() };
    assert!(matches!(stopped.drop_messages(A, &first), Err(StoreError::Damaged { .. })));
    assert!(matches!(stopped.compact(), Err(StoreError::Damaged { .. })));
    assert!(std::fs::read(&place).unwrap() == log, "nothing is changed");
    let kept = restore(&copy.path, &backup, true).unwrap().unwrap();
    let beside = |ending: &str| std::fs::read(format!("{}-{ending}", kept.display())).unwrap();
    assert!(beside("wal") == log && beside("tail") == tail, "its files are kept together");
    assert_eq!(open(&copy).await.1.actors[0].waiting, 8);
}

#[tokio::test]
async fn program_that_reads_does_not_stop_the_writer() {
    let (_home, settings) = folder();
    filled(&settings).await;
    let (store, mut image) = open(&settings).await;
    let other = rusqlite::Connection::open(database(&settings)).unwrap();
    other.execute_batch("begin; select * from frame").unwrap();
    write(&store, &mut image, put(40, b"while another reads")).await.unwrap();
    other.execute_batch("commit").unwrap();
    write(&store, &mut image, put(41, b"x")).await.unwrap();
}

#[tokio::test]
async fn log_is_moved_into_the_database_at_the_end() {
    let (_home, settings) = folder();
    let settings = StoreSettings { survives: Survives::Crash, ..settings };
    let log = |settings: &StoreSettings| {
        let path: &Path = &settings.path;
        std::fs::metadata(path.join("store.db-wal")).map_or(0, |log| log.len())
    };
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, born()).await.unwrap();
    let body = vec![b'x'; 1 << 20];
    for number in 1..200 {
        write(&store, &mut image, put(number, &body)).await.unwrap();
        write(&store, &mut image, take(number..number + 1)).await.unwrap();
    }
    assert!(log(&settings) < 160 << 20, "{} bytes after 200 MiB", log(&settings));
    drop(store);
    assert_eq!(log(&settings), 0);
}
