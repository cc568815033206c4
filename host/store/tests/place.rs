//! The folder and the files of a store: their rights, and a database that is not there.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs::Permissions;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use playhouse_kernel::{ActorId, Address, JournalEntry, JournalGroup, Op, Store};
use playhouse_store::{Inspection, SqliteStore, StoppedStore, StoreSettings, restore};
use rustix::fs::{CWD, FileType, mknodat};
use tempfile::TempDir;

const FILES: [&str; 5] = ["store.db", "store.db-wal", "store.db-shm", "tail", "lock"];

fn folder() -> (TempDir, StoreSettings) {
    let home = tempfile::tempdir().unwrap();
    let settings = StoreSettings::new(&home.path().join("store"));
    (home, settings)
}

/// Opens the store, and writes an entry.
async fn opened(settings: &StoreSettings) -> SqliteStore {
    let store = SqliteStore::new(settings.clone());
    let image = store.open().await.unwrap();
    let address = Address::parse(&format!("/a{}", image.boots)).unwrap();
    let ops = vec![Op::Born { actor: ActorId(image.boots), address }];
    let entries = vec![JournalEntry { ops, ..JournalEntry::default() }];
    store.write(Arc::new(JournalGroup { boot: image.boots, first: image.last + 1, entries })).await.unwrap();
    store
}

fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

fn set_mode(file: &Path, mode: u32) {
    std::fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
}

async fn refusal(settings: &StoreSettings) -> String {
    SqliteStore::new(settings.clone()).open().await.unwrap_err().to_string()
}

#[tokio::test]
async fn files_in_an_open_folder_are_for_their_owner_alone() {
    let (_home, settings) = folder();
    std::fs::create_dir(&settings.path).unwrap();
    set_mode(&settings.path, 0o755);
    let store = opened(&settings).await;
    for file in FILES {
        assert_eq!(mode(&settings.path.join(file)), 0o600, "{file}");
    }
    drop(store);
    // As an older version may have left them.
    set_mode(&settings.path.join("store.db"), 0o644);
    set_mode(&settings.path.join("tail"), 0o664);
    let _store = opened(&settings).await;
    for file in FILES {
        assert_eq!(mode(&settings.path.join(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn compacted_and_restored_stores_are_for_their_owner_alone() {
    let (home, settings) = folder();
    std::fs::create_dir(&settings.path).unwrap();
    drop(opened(&settings).await);
    StoppedStore::take(&settings.path).unwrap().compact().unwrap();
    assert_eq!(mode(&settings.path.join("store.db")), 0o600);
    let (backup, again) = (home.path().join("backup.db"), home.path().join("again"));
    Inspection::open(&settings.path).unwrap().backup(&backup).unwrap();
    std::fs::create_dir(&again).unwrap();
    restore(&again, &backup, false).unwrap();
    assert_eq!((mode(&backup), mode(&again.join("store.db"))), (0o600, 0o600));
}

#[tokio::test]
async fn folder_in_which_all_may_write_is_refused() {
    let (_home, settings) = folder();
    drop(opened(&settings).await);
    set_mode(&settings.path, 0o777);
    let refused = refusal(&settings).await;
    assert!(refused.contains("every user may write in `") && refused.contains("`chmod o-w "), "{refused}");
    set_mode(&settings.path, 0o775);
    drop(opened(&settings).await);
}

#[tokio::test]
async fn database_that_is_gone_or_empty_is_named() {
    let (home, settings) = folder();
    drop(opened(&settings).await);
    let place = settings.path.join("store.db");
    std::fs::rename(&place, home.path().join("elsewhere")).unwrap();
    let named = "the store is damaged at its database `store.db`, which is empty or gone, though the file `tail` beside \
                 it knows of 1 runs and 1 entries: restore a backup";
    for is_empty in [false, true] {
        if is_empty {
            std::fs::write(&place, "").unwrap();
        }
        assert_eq!(refusal(&settings).await, named, "empty: {is_empty}");
        assert_eq!(place.exists(), is_empty, "nothing is made in its place");
        let looks = [StoppedStore::take(&settings.path).err(), Inspection::open(&settings.path).err()];
        assert_eq!(looks.map(|look| look.unwrap().to_string()), [named, named], "empty: {is_empty}");
    }
    std::fs::rename(home.path().join("elsewhere"), &place).unwrap();
    drop(opened(&settings).await);
}

/// SQLite removes the log of an empty database.
#[tokio::test]
async fn log_beside_an_empty_database_stays() {
    let (home, settings) = folder();
    let store = opened(&settings).await;
    let copy = StoreSettings::new(&home.path().join("copy"));
    std::fs::create_dir(&copy.path).unwrap();
    let log = copy.path.join("store.db-wal");
    std::fs::copy(settings.path.join("store.db-wal"), &log).unwrap();
    std::fs::write(copy.path.join("store.db"), "").unwrap();
    let refused = refusal(&copy).await;
    assert!(refused.contains("store.db-wal` is the log of a database that is not there"), "{refused}");
    std::fs::copy(settings.path.join("tail"), copy.path.join("tail")).unwrap();
    assert!(refusal(&copy).await.contains("its database `store.db`, which is empty or gone"));
    assert!(StoppedStore::take(&copy.path).is_err() && Inspection::open(&copy.path).is_err());
    assert_eq!(std::fs::read(log).unwrap(), std::fs::read(settings.path.join("store.db-wal")).unwrap());
    drop(store);
}

#[tokio::test]
async fn file_that_cannot_be_restored_is_named() {
    let (home, settings) = folder();
    let file = home.path().join("backup.db");
    let refused = |content: &[u8]| {
        std::fs::write(&file, content).unwrap();
        restore(&settings.path, &file, false).unwrap_err().to_string()
    };
    let named = format!("the backup `{}` cannot be restored: it is damaged at the database in it", file.display());
    let said = refused(&[7; 5000]);
    assert!(said.starts_with(&named) && !said.contains("store.db"), "{said}");
    assert_eq!(refused(b""), format!("`{}` is empty, and no backup", file.display()));
    assert!(!settings.path.exists(), "nothing of it is left");
    let said = restore(&settings.path, home.path(), false).unwrap_err().to_string();
    assert_eq!(said, format!("`{}` is no file, and no backup", home.path().display()));
}

/// A FIFO waits for its writer, and must not make the host wait.
#[tokio::test]
async fn damaged_note_refuses_hosts_and_orders_that_change_something() {
    let (home, settings) = folder();
    drop(opened(&settings).await);
    let tail = settings.path.join("tail");
    for (fault, make) in [
        ("empty", (|tail| std::fs::write(tail, "")) as fn(&Path) -> std::io::Result<()>),
        ("not as it was written", |tail| std::fs::write(tail, [7; 160])),
        ("a FIFO, and no file", |tail| Ok(mknodat(CWD, tail, FileType::Fifo, 0o600.into(), 0)?)),
    ] {
        std::fs::remove_file(&tail).unwrap();
        make(&tail).unwrap();
        let named = format!("the file `{}`, which is {fault} (", tail.display());
        let refused = refusal(&settings).await;
        assert!(refused.contains(&named) && refused.contains("delete it to go on without that"), "{refused}");
        let mut stopped = StoppedStore::take(&settings.path).unwrap();
        assert!(stopped.loss().unwrap().to_string().contains(&named));
        assert_eq!(stopped.inspection().facts().unwrap().last_entry, 1);
        let damages = stopped.inspection().check().unwrap().damages;
        assert!(damages.len() == 1 && damages[0].starts_with(&named), "{damages:?}");
        assert!(stopped.compact().unwrap_err().to_string().contains(&named));
    }
    let backup = home.path().join("backup.db");
    Inspection::open(&settings.path).unwrap().backup(&backup).unwrap();
    let kept = restore(&settings.path, &backup, true).unwrap().unwrap();
    let aside = std::fs::metadata(format!("{}-tail", kept.display())).unwrap();
    assert!(aside.file_type().is_fifo(), "it is kept with its database");
    drop(opened(&settings).await);
    std::fs::write(&tail, "").unwrap();
    assert!(refusal(&settings).await.contains("which is empty ("));
    std::fs::remove_file(&tail).unwrap();
    drop(opened(&settings).await);
}

/// Without its database, a store is not begun anew, even if the note does not tell how much was in it.
#[tokio::test]
async fn damaged_note_without_a_database_is_named_with_it() {
    let (_home, settings) = folder();
    std::fs::create_dir_all(settings.path.join("tail")).unwrap();
    let refused = StoppedStore::take(&settings.path).err().unwrap().to_string();
    let named = format!(
        "the store is damaged at its database `store.db`, which is empty or gone, and beside it is the file `{}/tail`, which is a \
         folder, and no file: restore a backup",
        settings.path.display()
    );
    assert_eq!((refused, refusal(&settings).await), (named.clone(), named));
}

#[test]
fn restore_that_fails_leaves_no_folder_that_it_made() {
    let (home, _) = folder();
    let file = home.path().join("backup.db");
    std::fs::write(&file, vec![7; 8192]).unwrap();
    let new = home.path().join("above/new");
    restore(&new, &file, false).unwrap_err();
    assert!(!home.path().join("above").exists());
    // A folder that was there stays.
    std::fs::create_dir_all(&new).unwrap();
    restore(&new, &file, false).unwrap_err();
    assert!(new.exists());
}
