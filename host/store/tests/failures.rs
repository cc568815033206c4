//! Everything that may be wrong with the folder, the file or the disk of a store.

#![allow(missing_docs, clippy::unwrap_used)]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use playhouse_kernel::{
    ActorId, Address, FlowId, Image, JournalEntry, JournalGroup, Message, MessageId, Metadata, Op, PortableMessage,
    STARTS_OF_A_TIMELINE, Store, StoreError, StoredLetter, StoredTimer, WaitingNumbers,
};
use playhouse_store::{Inspection, OrderError, SqliteStore, StoppedStore, StoreSettings, Survives, restore};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tempfile::TempDir;
use tokio::signal::unix::SignalKind;

const A: ActorId = ActorId(1);

fn folder() -> (TempDir, StoreSettings) {
    let home = tempfile::tempdir().unwrap();
    let settings = StoreSettings::new(&home.path().join("store"));
    (home, settings)
}

fn database(settings: &StoreSettings) -> PathBuf {
    settings.path.join("store.db")
}

async fn open(settings: &StoreSettings) -> (SqliteStore, Image) {
    let store = SqliteStore::new(settings.clone());
    let image = store.open().await.unwrap();
    (store, image)
}

async fn write(store: &SqliteStore, image: &mut Image, entry: JournalEntry) -> Result<(), StoreError> {
    let group = JournalGroup { boot: image.boots, first: image.last + 1, entries: vec![entry] };
    store.write(Arc::new(group)).await.inspect(|()| image.last += 1)
}

fn record(body: &[u8]) -> Vec<u8> {
    let mut record = vec![0; 64];
    record[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    record.extend_from_slice(body);
    record
}

fn born() -> JournalEntry {
    let address = Address::parse("/a").unwrap();
    JournalEntry { ops: vec![Op::Born { actor: A, address }], ..JournalEntry::default() }
}

fn put(number: u64, body: &[u8]) -> JournalEntry {
    let bytes = record(body);
    let put = Op::Put { mailbox: A, first: number, messages: 1, records: 0..bytes.len() };
    JournalEntry { ops: vec![put], bytes, ..JournalEntry::default() }
}

fn take(numbers: Range<u64>) -> JournalEntry {
    JournalEntry { ops: vec![Op::Take { mailbox: A, numbers }], ..JournalEntry::default() }
}

/// Messages in order, a held one and dead letters.
async fn filled(settings: &StoreSettings) {
    let (store, mut image) = open(settings).await;
    write(&store, &mut image, born()).await.unwrap();
    for number in 1..40 {
        write(&store, &mut image, put(number, format!("body {number}").repeat(40).as_bytes())).await.unwrap();
    }
    let bytes = record(b"again");
    let hold = Op::Hold { mailbox: A, number: 3, due: UNIX_EPOCH, record: 0..bytes.len() };
    let letters = (1..5).map(|number| {
        let to = Address::parse("/a").unwrap();
        let record = record(&[b'l'; 300]);
        let (kind, why) = ("rejected".to_owned(), "never".to_owned());
        let at = UNIX_EPOCH;
        Op::Letter(Box::new(StoredLetter { number, copy: 1, record, to, owner: A, sender: None, kind, why, at }))
    });
    let ops = [hold].into_iter().chain(letters).collect();
    write(&store, &mut image, JournalEntry { ops, bytes, ..JournalEntry::default() }).await.unwrap();
    write(&store, &mut image, take(1..2)).await.unwrap();
}

/// Everything that can be read from a store, but for its runs, or the first error.
async fn read(settings: &StoreSettings) -> Result<String, StoreError> {
    let store = SqliteStore::new(settings.clone());
    let mut image = store.open().await?;
    (image.boots, image.is_unclean) = (0, false);
    let messages = store.messages(A, 0, usize::MAX).await?;
    let letters = store.letters(0, 100).await?;
    Ok(format!("{image:?} {messages:?} {letters:?}"))
}

fn sql(settings: &StoreSettings, statement: &str) {
    rusqlite::Connection::open(database(settings)).unwrap().execute_batch(statement).unwrap();
}

async fn refusal(settings: &StoreSettings) -> String {
    read(settings).await.unwrap_err().to_string()
}

#[tokio::test]
async fn second_host_is_refused() {
    let (_home, settings) = folder();
    let (first, _) = open(&settings).await;
    let process = std::process::id();
    assert_eq!(
        refusal(&settings).await,
        format!("the store is in use by process {process}: stop that host first, or use another store")
    );
    drop(first);
    assert!(read(&settings).await.is_ok());
}

#[tokio::test]
async fn newer_format_is_refused() {
    let (_home, settings) = folder();
    filled(&settings).await;
    sql(&settings, "pragma user_version = 9");
    assert_eq!(
        refusal(&settings).await,
        "the store has format 9, which is newer than this host: use the version that wrote it"
    );
}

#[tokio::test]
async fn database_of_another_program_is_refused() {
    let (_home, settings) = folder();
    std::fs::create_dir(&settings.path).unwrap();
    sql(&settings, "create table theirs(a)");
    assert!(refusal(&settings).await.contains("is a database of another program: use another folder"));
}

#[tokio::test]
async fn file_that_is_no_database_is_refused() {
    let (_home, settings) = folder();
    std::fs::create_dir(&settings.path).unwrap();
    std::fs::write(database(&settings), [7; 5000]).unwrap();
    assert!(refusal(&settings).await.starts_with("the store is damaged at the database `store.db`"));
}

#[tokio::test]
async fn path_that_is_no_folder_is_refused() {
    let (home, _) = folder();
    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = refusal(&StoreSettings::new(&file.join("store"))).await;
    assert!(refused.starts_with("the store failed: no folder `"), "{refused}");
}

#[tokio::test]
async fn changed_rows_are_found_with_their_place() {
    let changes = [
        (
            "update frame set records = zeroblob(length(records)) where first = 7",
            "message 7 of actor 1 in table `frame`",
        ),
        ("delete from frame where first = 20", "message 20 of actor 1 in table `frame`"),
        ("delete from frame where first = 39", "message 39 of actor 1 in table `frame`"),
        ("update frame set first = 100 where first = 39", "message 100 of actor 1 in table `frame`"),
        ("update held set due_ns = due_ns + 1", "held message 3 of actor 1"),
        ("delete from held", "the held messages of actor 1 in table `held`"),
        ("update actor set last_number = 50", "the row of actor 1 in table `actor`"),
        ("update actor set taken_later = x'01'", "the row of actor 1 in table `actor`"),
        ("update actor set frame_bytes = 65", "the row of actor 1 in table `actor`"),
        ("update letter set why = 'no' where number = 2", "dead letter 2"),
        ("delete from letter where number = 4", "table `letter`, which has 3 rows of 4"),
        ("update store set free_id = 77", "table `store`"),
        ("delete from store", "table `store`"),
    ];
    for (change, place) in changes {
        let (_home, settings) = folder();
        filled(&settings).await;
        sql(&settings, change);
        assert_eq!(refusal(&settings).await, format!("the store is damaged at {place}: restore a backup"), "{change}");
    }
}

/// Bits all over the file. Everything that is read is as it was written, or nothing is read.
#[tokio::test]
async fn flipped_bits_are_found_or_change_nothing() {
    let (home, settings) = folder();
    filled(&settings).await;
    let (expected, bytes) = (read(&settings).await.unwrap(), std::fs::read(database(&settings)).unwrap());
    let (mut found, mut same) = (0, 0);
    let flipped = StoreSettings::new(&home.path().join("flipped"));
    for at in (0..bytes.len()).step_by(499) {
        let _ = std::fs::remove_dir_all(&flipped.path);
        std::fs::create_dir(&flipped.path).unwrap();
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(database(&flipped), bytes).unwrap();
        match read(&flipped).await {
            Ok(read) => {
                assert_eq!(read, expected, "byte {at}");
                same += 1;
            }
            Err(StoreError::Damaged { .. } | StoreError::Failed(_) | StoreError::Newer { .. }) => found += 1,
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
    assert!(found > 20 && same > 2, "{found} found, {same} the same");
}

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

/// The environment of a host with a limit on the size of its files: the folder of its store.
const LIMITED: &str = "PLAYHOUSE_TEST_LIMITED";

/// The host, when this program is started as one by [`limit_on_the_size_of_files_is_a_full_store`].
#[tokio::test]
async fn limited_host() {
    let Ok(path) = std::env::var(LIMITED) else { return };
    // As the binary does: the signal would end the process.
    let too_large = SignalKind::from_raw(Signal::XFSZ.as_raw());
    let _heard = tokio::signal::unix::signal(too_large).unwrap();
    let limit = |current| Rlimit { current, ..getrlimit(Resource::Fsize) };
    setrlimit(Resource::Fsize, limit(Some(512 << 10))).unwrap();
    let settings = StoreSettings::new(Path::new(&path));
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, born()).await.unwrap();
    let body = vec![b'x'; 20_000];
    let mut number = 0;
    let refused = loop {
        match write(&store, &mut image, put(number + 1, &body)).await {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.to_string(), "the store is full: a file is as large as the system allows (`ulimit -f`)");
    setrlimit(Resource::Fsize, limit(getrlimit(Resource::Fsize).maximum)).unwrap();
    write(&store, &mut image, put(number + 1, &body)).await.unwrap();
    drop(store);
    assert_eq!(open(&settings).await.1.actors[0].waiting, number + 1);
}

#[test]
fn limit_on_the_size_of_files_is_a_full_store() {
    let (_home, settings) = folder();
    let mut host = Command::new(std::env::current_exe().unwrap());
    host.args(["--exact", "limited_host", "--nocapture"]).env(LIMITED, &settings.path);
    let output = host.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(database(&settings).exists(), "it ran");
}

#[tokio::test]
async fn full_store_keeps_nothing_of_its_group_and_goes_on() {
    let (_home, mut settings) = folder();
    settings.size_bytes = Some(256 << 10);
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, born()).await.unwrap();
    let body = vec![b'x'; 20_000];
    let mut number = 0;
    let refused = loop {
        match write(&store, &mut image, put(number + 1, &body)).await {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.to_string(), "the store is full: the disk, or `size` of `[play.store]`, has no space left");
    assert!(number > 3, "{number}");
    let waiting = async || store.messages(A, 0, usize::MAX).await.unwrap().len() as u64;
    assert_eq!(waiting().await, number);
    write(&store, &mut image, take(1..number)).await.unwrap();
    write(&store, &mut image, put(number + 1, &body)).await.unwrap();
    assert_eq!(waiting().await, 2);
    drop(store);
    assert_eq!(open(&settings).await.1.actors[0].waiting, 2);
}

#[tokio::test]
async fn full_store_takes_a_group_that_makes_its_own_space() {
    let (_home, mut settings) = folder();
    settings.size_bytes = Some(256 << 10);
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, born()).await.unwrap();
    let body = vec![b'x'; 20_000];
    let mut number = 1;
    while write(&store, &mut image, put(number, &body)).await.is_ok() {
        number += 1;
    }
    let group =
        JournalGroup { boot: image.boots, first: image.last + 1, entries: vec![put(number, &body), take(1..number)] };
    store.write(Arc::new(group)).await.unwrap();
    assert_eq!(store.messages(A, 0, usize::MAX).await.unwrap().len(), 1);
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

#[tokio::test]
async fn inspection_shows_a_store() {
    let (home, settings) = folder();
    filled(&settings).await;
    let mut inspection = Inspection::open(&settings.path).unwrap();
    let facts = inspection.facts().unwrap();
    assert_eq!((facts.runs, facts.is_restored, facts.letters, facts.mailboxes.len()), (1, false, 4, 1));
    let mailbox = &facts.mailboxes[0];
    assert_eq!((mailbox.address.as_str(), mailbox.waiting, mailbox.held, mailbox.last_number), ("/a", 38, 1, 39));
    assert_eq!(inspection.mailbox(&mailbox.address).unwrap().as_ref(), Some(mailbox));
    assert_eq!(inspection.mailbox(&Address::parse("/b").unwrap()), Ok(None));
    assert_eq!(inspection.address_of(A), Ok(Some(mailbox.address.clone())));
    assert_eq!(inspection.numbers(A), Ok(WaitingNumbers { in_order: vec![2..3, 4..40], held: vec![3] }));
    assert_eq!(inspection.messages(A, 38, usize::MAX).unwrap().len(), 2);
    let nothing = Inspection::open(&home.path().join("nothing")).err().unwrap().to_string();
    assert!(nothing.starts_with("there is no store in `") && !home.path().join("nothing").exists(), "{nothing}");
    let file = settings.path.join("store.db");
    let no_folder = Inspection::open(&file).err().unwrap().to_string();
    assert_eq!(no_folder, format!("`{}` is no folder: name the folder of a store", file.display()));
    let homeless = inspection.backup(&home.path().join("nothing/backup.db")).err().unwrap().to_string();
    assert_eq!(homeless, format!("there is no folder `{}` for the backup", home.path().join("nothing").display()));
}

#[tokio::test]
async fn check_names_each_damage() {
    let (_home, settings) = folder();
    filled(&settings).await;
    let inspection = Inspection::open(&settings.path).unwrap();
    let checked = inspection.check().unwrap();
    assert_eq!((checked.damages.len(), checked.messages, checked.letters), (0, 38, 4));
    sql(
        &settings,
        "update frame set records = zeroblob(length(records)) where first in (7, 30);
         delete from frame where first = 20;
         update held set due_ns = due_ns + 1;
         update letter set why = 'no' where number = 2;
         delete from letter where number = 4;
         insert into actor select 9, '/b', halted, 0, 0, 1, x'', 0, 0, 0, 0, 0, 0, 0, checksum, 7 from actor;
         update store set free_id = 77",
    );
    let expected = [
        "table `store`",
        "the row of actor 9 in table `actor`",
        "message 7 of `/a`, in row 7 of table `frame`",
        "message 30 of `/a`, in row 30 of table `frame`",
        "message 20 of `/a`, which is not in table `frame`",
        "table `frame`, which has 37 rows of 38 for `/a`",
        "message 3 of `/a` in table `held`",
        "dead letter 2 in table `letter`",
    ];
    assert_eq!(inspection.check().unwrap().damages, expected);
}

/// Where a text is in a file that is repeated in a body: all its first repetitions, since a part of a page that is free may have a copy.
fn find(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    let is_at = |at: usize| bytes.get(at..at + text.len()) == Some(text);
    let is_first = |at: &usize| is_at(*at) && is_at(*at + text.len()) && !at.checked_sub(text.len()).is_some_and(is_at);
    (0..bytes.len()).filter(is_first).collect()
}

#[tokio::test]
async fn check_finds_flipped_bits_in_several_pages() {
    let (_home, settings) = folder();
    filled(&settings).await;
    let mut bytes = std::fs::read(database(&settings)).unwrap();
    let mut pages = std::collections::BTreeSet::new();
    for number in [5, 12, 19, 26, 33] {
        for at in find(&bytes, format!("body {number}").as_bytes()) {
            bytes[at + 10] ^= 1 << (number % 8);
            pages.insert(at / 4096);
        }
    }
    for at in find(&bytes, &[b'l'; 100]) {
        bytes[at + 5] ^= 4;
    }
    assert!(pages.len() > 2, "{pages:?}");
    std::fs::write(database(&settings), bytes).unwrap();
    let damages = Inspection::open(&settings.path).unwrap().check().unwrap().damages;
    let mut expected: Vec<_> =
        [5, 12, 19, 26, 33].map(|number| format!("message {number} of `/a`, in row {number} of table `frame`")).into();
    expected.extend((1..5).map(|number| format!("dead letter {number} in table `letter`")));
    assert_eq!(damages, expected);
}

/// A check reads everything that a host would read, so that it finds whatever would stop one.
#[tokio::test]
async fn check_finds_each_bit_that_matters() {
    let (home, settings) = folder();
    filled(&settings).await;
    let (expected, original) = (read(&settings).await.unwrap(), std::fs::read(database(&settings)).unwrap());
    let flipped = StoreSettings::new(&home.path().join("flipped"));
    let mut found = 0;
    for at in (0..original.len()).step_by(211) {
        let _ = std::fs::remove_dir_all(&flipped.path);
        std::fs::create_dir(&flipped.path).unwrap();
        let mut bytes = original.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(database(&flipped), bytes).unwrap();
        let checked = Inspection::open(&flipped.path).map_err(|_| ()).and_then(|store| store.check().map_err(|_| ()));
        if checked.is_ok_and(|checked| checked.damages.is_empty()) {
            let around = String::from_utf8_lossy(&original[at.saturating_sub(40)..(at + 40).min(original.len())]);
            assert!(read(&flipped).await.ok().as_ref() == Some(&expected), "byte {at} in {around:?}");
        } else {
            found += 1;
        }
    }
    assert!(found > 40, "{found} found");
}

#[tokio::test]
async fn compacted_store_is_smaller_and_the_same() {
    let (_home, settings) = folder();
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, born()).await.unwrap();
    for number in 1..20 {
        write(&store, &mut image, put(number, &vec![b'x'; 100_000])).await.unwrap();
    }
    write(&store, &mut image, take(1..19)).await.unwrap();
    assert!(StoppedStore::take(&settings.path).is_err(), "a host has the store");
    drop(store);
    let expected = read(&settings).await.unwrap();
    let free = Inspection::open(&settings.path).unwrap().facts().unwrap().free_bytes;
    let (before, after) = StoppedStore::take(&settings.path).unwrap().compact().unwrap();
    assert!(after < before / 5 && before - after >= free, "{before} to {after}, {free} free");
    assert_eq!(std::fs::metadata(database(&settings)).unwrap().len(), after);
    assert_eq!(read(&settings).await.unwrap(), expected);
}

#[tokio::test]
async fn stopped_store_takes_and_drops_messages() {
    let (_home, settings) = folder();
    filled(&settings).await;
    let portable = |id: u128, body: &str| PortableMessage {
        id: MessageId(id),
        from: Some(Address::parse("/a").unwrap()),
        flow: FlowId(id),
        hops: 1,
        attempts: 2,
        metadata: Metadata::new(),
        body: body.as_bytes().to_vec(),
    };
    let mut stopped = StoppedStore::take(&settings.path).unwrap();
    let numbers = WaitingNumbers { in_order: vec![2..3, 10..40], held: vec![3] };
    assert_eq!(stopped.drop_messages(A, &numbers), Ok(32));
    assert!(stopped.drop_messages(A, &numbers).is_err(), "they are gone already");
    assert_eq!(stopped.drop_messages(A, &WaitingNumbers::default()), Ok(0));
    stopped.put_messages(A, &[portable(5, "one"), portable(6, "two")]).unwrap();
    stopped.put_messages(A, &[portable(7, "three")]).unwrap();
    assert!(stopped.put_messages(ActorId(77), &[portable(8, "nobody's")]).is_err());
    let facts = stopped.inspection().facts().unwrap();
    assert_eq!((facts.runs, facts.mailboxes[0].waiting), (1, 9), "an operator is no run of a host");
    assert_eq!(stopped.inspection().check().unwrap().damages, [""; 0]);
    drop(stopped);
    let (store, image) = open(&settings).await;
    assert_eq!((image.actors[0].last_number, image.actors[0].waiting), (42, 9));
    let read = store.messages(A, 40, usize::MAX).await.unwrap();
    let last = Message::read(&read[2].record).unwrap();
    assert_eq!((read[2].number, last.sequence(), last.body.as_slice()), (42, 42, &b"three"[..]));
    assert_eq!((last.envelope.id, last.envelope.sender, last.envelope.attempt), (MessageId(7), A, 2));
}

async fn read_open(store: &SqliteStore) -> String {
    let (messages, letters) = (store.messages(A, 0, usize::MAX).await, store.letters(0, 100).await);
    format!("{messages:?} {letters:?}")
}

/// A state of twenty keys.
async fn filled_with_state(settings: &StoreSettings) {
    let (store, mut image) = open(settings).await;
    write(&store, &mut image, born()).await.unwrap();
    let (mut ops, mut bytes) = (Vec::new(), Vec::new());
    for n in 0..20 {
        let key = bytes.len()..bytes.len() + 3;
        bytes.extend_from_slice(format!("k{n:02}").as_bytes());
        let value = bytes.len()..bytes.len() + 300;
        bytes.extend_from_slice(&[b'v'; 300]);
        ops.push(Op::Set { actor: A, key, value, lifetime: None });
    }
    write(&store, &mut image, JournalEntry { ops, bytes, ..JournalEntry::default() }).await.unwrap();
}

/// The whole state, or the first error.
async fn read_state(settings: &StoreSettings) -> Result<usize, StoreError> {
    let store = SqliteStore::new(settings.clone());
    store.open().await?;
    let mut bytes = 0;
    for key in store.keys(A, "", None, 1000, UNIX_EPOCH).await? {
        bytes += store.value(A, &key).await?.map_or(0, |value| value.value.len());
    }
    Ok(bytes)
}

#[tokio::test]
async fn changed_rows_of_a_state_are_found_with_their_place() {
    let changes = [
        ("update state set value = zeroblob(300) where key = 'k07'", "the value of `k07` of actor 1 in table `state`"),
        ("update state set key = 'k99' where key = 'k07'", "the value of `k99` of actor 1 in table `state`"),
        ("update state set actor = 9 where key = 'k07'", "the keys of actor 1 in table `state`"),
        ("delete from state where key = 'k07'", "the keys of actor 1 in table `state`"),
        ("update actor set state_keys = 19", "the row of actor 1 in table `actor`"),
    ];
    for (change, place) in changes {
        let (_home, settings) = folder();
        filled_with_state(&settings).await;
        assert_eq!(read_state(&settings).await, Ok(6000));
        sql(&settings, change);
        let refused = read_state(&settings).await.unwrap_err().to_string();
        assert_eq!(refused, format!("the store is damaged at {place}: restore a backup"), "{change}");
    }
}

#[tokio::test]
async fn check_names_each_damage_of_a_state() {
    let changes = [
        (
            "update state set value = zeroblob(300) where key = 'k07'",
            vec!["the value of `k07` of `/a`, in row 8 of table `state`"],
        ),
        (
            "update state set key = 'k99' where key = 'k07'",
            vec!["the value of `k99` of `/a`, in row 8 of table `state`"],
        ),
        ("delete from state where key = 'k07'", vec!["table `state`, which has 19 keys of 20 for `/a`"]),
        (
            "update state set actor = 9 where key = 'k07'",
            vec![
                "the value of `k07` of actor 9, in row 8 of table `state`",
                "table `state`, which has 19 keys of 20 for `/a`",
                "the rows of table `state` for actor 9, of which there is no sound row",
            ],
        ),
    ];
    for (change, expected) in changes {
        let (_home, settings) = folder();
        filled_with_state(&settings).await;
        let inspection = Inspection::open(&settings.path).unwrap();
        let checked = inspection.check().unwrap();
        assert_eq!((checked.damages.len(), checked.keys), (0, 20));
        assert_eq!(inspection.facts().unwrap().mailboxes[0].state.keys, 20);
        sql(&settings, change);
        assert_eq!(inspection.check().unwrap().damages, expected, "{change}");
    }
}

#[tokio::test]
async fn state_is_changed_without_a_host_and_not_beside_one() {
    let (_home, settings) = folder();
    filled_with_state(&settings).await;
    let changes = [("k00".to_owned(), None), ("new".to_owned(), Some(b"x".to_vec()))];
    let mut stopped = StoppedStore::take(&settings.path).unwrap();
    stopped.change_state(A, &changes).unwrap();
    let long = stopped.change_state(A, &[("k".repeat(513), None)]).unwrap_err();
    assert!(long.to_string().contains("at most 512 bytes"), "{long}");
    assert!(stopped.change_state(ActorId(77), &changes).is_err(), "no actor has this id");
    assert_eq!(stopped.inspection().check().unwrap().damages, [""; 0]);
    drop(stopped);
    let (store, image) = open(&settings).await;
    assert_eq!((image.actors[0].state.keys, image.last), (20, 3));
    assert_eq!(store.value(A, "new").await.unwrap().unwrap().value, b"x");
    let refused = StoppedStore::take(&settings.path).err();
    assert!(matches!(refused, Some(OrderError::Store(StoreError::Taken { .. }))), "{refused:?}");
}

#[tokio::test]
async fn damaged_positions_of_sources_are_found_with_their_place() {
    let changes = [
        ("update origin set value = x'00' where id = 2", "a position of `/gate/s` in table `origin`", 1),
        ("update origin set position = x'00' where id = 1", "a position of `/gate/s` in table `origin`", 1),
        ("delete from origin where id = 3", "table `origin`, which has 2 rows of 3", 0),
        ("update origin_count set origins = 4", "table `origin_count`", 0),
        ("delete from origin_count", "table `origin_count`", 0),
    ];
    for (change, place, rows) in changes {
        let (_home, settings) = folder();
        filled(&settings).await;
        let (store, mut image) = open(&settings).await;
        let (bytes, source) = (b"/gate/s123".to_vec(), 0..7);
        let origin = |at: usize| Op::Origin { source: source.clone(), position: at..at + 1, value: 7..10 };
        let ops = (7..10).map(origin).collect();
        write(&store, &mut image, JournalEntry { ops, bytes, ..JournalEntry::default() }).await.unwrap();
        drop(store);
        sql(&settings, change);
        let opened = SqliteStore::new(settings.clone());
        let refused = match opened.open().await {
            Ok(_) => opened.origins("/gate/s", &[], 9).await.unwrap_err(),
            Err(error) => error,
        };
        drop(opened);
        assert_eq!(refused.to_string(), format!("the store is damaged at {place}: restore a backup"), "{change}");
        let damages = Inspection::open(&settings.path).unwrap().check().unwrap().damages;
        let expected =
            place.replace(" in table", &format!(", in row {} of table", if change.contains("= 2") { 2 } else { 1 }));
        assert_eq!(damages, [if rows > 0 { expected } else { place.to_owned() }], "{change}");
    }
}

#[tokio::test]
async fn damaged_timers_and_suspects_are_found_with_their_place() {
    let strange = [
        "message 5 of actor 9 in table `suspect`",
        "table `suspect`, which has 1 rows of 2 for `/a`",
        "the rows of table `suspect` for actor 9, of which there is no sound row",
    ];
    let changes = [
        (
            "update suspect set ends = 9 where number = 5",
            "message 5 of actor 1 in table `suspect`",
            &["message 5 of `/a` in table `suspect`"][..],
        ),
        ("delete from suspect where number = 5", "the suspects of actor 1 in table `suspect`", &strange[1..2]),
        ("update suspect set mailbox = 9 where number = 5", strange[0], &strange[..]),
        (
            "update timer set due_ns = 0 where id = 2",
            "timer 2 of actor 1 in table `timer`",
            &["timer 2 of `/a`, in row 2 of table `timer`"],
        ),
        (
            "delete from timer where id = 1",
            "the timers of actor 1 in table `timer`",
            &["table `timer`, which has 1 rows of 2 for `/a`"],
        ),
    ];
    let timer = |id| {
        let (to, wait) = (Address::parse("/a").unwrap(), Duration::from_secs(1));
        let timer = StoredTimer { id, due: UNIX_EPOCH + wait, wait, again: false, to, record: record(b"due") };
        Op::Timer { actor: A, timer: Box::new(timer) }
    };
    for (change, place, damages) in changes {
        let (_home, settings) = folder();
        filled(&settings).await;
        let (store, mut image) = open(&settings).await;
        let suspect = |number| Op::Suspect { mailbox: A, number, ends: 0, in_process: true };
        let ops = vec![timer(1), timer(2), suspect(5), suspect(6)];
        write(&store, &mut image, JournalEntry { ops, ..JournalEntry::default() }).await.unwrap();
        drop(store);
        let checked = Inspection::open(&settings.path).unwrap().check().unwrap();
        assert_eq!((checked.damages.len(), checked.timers), (0, 2));
        sql(&settings, change);
        let opened = SqliteStore::new(settings.clone());
        let refused = match opened.open().await {
            Ok(_) => opened.timers(A, 0, 9).await.unwrap_err(),
            Err(error) => error,
        };
        drop(opened);
        assert_eq!(refused.to_string(), format!("the store is damaged at {place}: restore a backup"), "{change}");
        assert_eq!(Inspection::open(&settings.path).unwrap().check().unwrap().damages, damages, "{change}");
    }
}
