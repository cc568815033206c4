//! The space that a store keeps for turns and for orders of operators. When only that is left, messages from outside are refused, so that
//! those inside are still handled, and what an operator drops makes space.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use playhouse_kernel::StoreError;
use rusqlite::Connection;
use rustix::fs::statvfs;

use crate::folder::DATABASE;
use crate::settings::StoreSettings;

/// The space that is kept of `size`: a sixteenth, within these bounds, and never more than a quarter.
const KEPT_OF_SIZE: (u64, u64) = (1 << 20, 64 << 20);
/// The space that is kept on the disk: a sixteenth of it, within these bounds.
const KEPT_ON_DISK: (u64, u64) = (1 << 20, 32 << 20);
/// The smallest disk: no more than a quarter of it is kept.
const LEAST_DISK: u64 = 4 * KEPT_ON_DISK.0;
/// The kept space is this many times what may be on its way from outside: a message takes more space than its bytes.
const KEPT_PER_OUTSIDE: u64 = 2;
/// As [`KEPT_PER_OUTSIDE`], on the disk, where a message is in the log first, and then in the database as well.
const KEPT_ON_DISK_PER_OUTSIDE: u64 = 2 * KEPT_PER_OUTSIDE;

/// The disk of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) bytes: u64,
    pub(crate) free_bytes: u64,
}

impl Disk {
    /// The disk of a folder; none when its file system does not tell its size.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        let disk = statvfs(folder).ok().filter(|disk| disk.f_blocks > 0)?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Some(Self { bytes: bytes(disk.f_blocks), free_bytes: bytes(disk.f_bavail) })
    }

    /// The part of it that is kept.
    fn kept(self) -> u64 {
        let (least, most) = KEPT_ON_DISK;
        (self.bytes / 16).clamp(least, most)
    }

    /// Refuses a disk on which there is hardly space for a store beside the kept space.
    pub(crate) fn check(self, folder: &Path) -> Result<(), StoreError> {
        if self.bytes >= LEAST_DISK {
            return Ok(());
        }
        Err(StoreError::Failed(format!(
            "the disk of `{}` has {} KiB in all, and a store needs one of at least {} KiB: set `path` of `[play.store]` to a folder \
             on a larger disk",
            folder.display(),
            self.bytes >> 10,
            LEAST_DISK >> 10
        )))
    }
}

/// The space of a store.
pub(crate) struct Reserve {
    folder: PathBuf,
    /// Looks at the disk; tests have a small one.
    disk: fn(&Path) -> Option<Disk>,
    size_bytes: Option<u64>,
    /// Bytes of the database that are in use, after the last group.
    used_bytes: AtomicU64,
    /// Bytes of the database once all of its log is in it, after the last group.
    whole_bytes: AtomicU64,
}

impl Reserve {
    pub(crate) fn new(settings: &StoreSettings) -> Self {
        let StoreSettings { path, size_bytes, .. } = settings;
        Self {
            folder: path.clone(),
            disk: Disk::of,
            size_bytes: *size_bytes,
            used_bytes: AtomicU64::new(0),
            whole_bytes: AtomicU64::new(0),
        }
    }

    /// As on this disk.
    #[cfg(test)]
    pub(crate) fn on_disk(self, disk: fn(&Path) -> Option<Disk>) -> Self {
        Self { disk, ..self }
    }

    /// Refuses a disk that is too small for a store.
    pub(crate) fn check_disk(&self) -> Result<(), StoreError> {
        (self.disk)(&self.folder).map_or(Ok(()), |disk| disk.check(&self.folder))
    }

    /// Notes the pages in use. A database that does not tell them shows that with its next group.
    pub(crate) fn note(&self, db: &Connection) {
        let number = |pragma: &str| db.prepare_cached(pragma)?.query_row([], |row| row.get::<_, u32>(0)).map(u64::from);
        let whole =
            || -> rusqlite::Result<(u64, u64)> { Ok((number("pragma page_count")?, number("pragma page_size")?)) };
        let Ok((pages, page_bytes)) = whole() else { return };
        self.whole_bytes.store(pages * page_bytes, Ordering::Relaxed);
        if self.size_bytes.is_none() {
            return;
        }
        if let Ok(free) = number("pragma freelist_count") {
            self.used_bytes.store(pages.saturating_sub(free) * page_bytes, Ordering::Relaxed);
        }
    }

    /// Why only the kept space is left, or would be with so many more bytes of messages; none when there is more.
    pub(crate) fn shortage(&self, more: usize) -> Option<String> {
        let more = more as u64;
        let used = self.used_bytes.load(Ordering::Relaxed);
        if self.size_bytes.is_some_and(|size| used.saturating_add(more) > size - kept_of(size)) {
            return Some("`size` of `[play.store]` is used up, but for what is kept for turns and orders".to_owned());
        }
        self.shortage_of_disk(more)
    }

    fn shortage_of_disk(&self, more: u64) -> Option<String> {
        // A disk that does not tell is not full.
        let disk = (self.disk)(&self.folder)?;
        let free = disk.free_bytes.saturating_sub(self.growth());
        let needed = more.saturating_mul(KEPT_ON_DISK_PER_OUTSIDE / KEPT_PER_OUTSIDE);
        (free < disk.kept().saturating_add(needed)).then(|| {
            let kib = |bytes: u64| bytes >> 10;
            let kept = kib(disk.kept());
            format!(
                "the disk has {} KiB of {} left, and {kept} KiB are kept for turns and orders",
                kib(free),
                kib(disk.bytes)
            )
        })
    }

    /// Whether the disk has only the kept space left.
    pub(crate) fn is_disk_short(&self) -> bool {
        self.shortage_of_disk(0).is_some()
    }

    /// Whether the log is to be moved into the database now, and its space to be given back. The database has space to grow as long as turns
    /// have not used up what is kept.
    pub(crate) fn wants_log_back(&self, log_bytes: u64) -> bool {
        let is_worth_it = || (self.disk)(&self.folder).is_some_and(|disk| log_bytes > disk.kept() / 4);
        log_bytes > 0 && self.is_disk_short() && (self.growth() > 0 || is_worth_it())
    }

    /// Bytes by which the database grows when its log is moved into it, without which the log cannot begin again.
    fn growth(&self) -> u64 {
        let database = std::fs::metadata(self.folder.join(DATABASE)).map_or(u64::MAX, |file| file.len());
        self.whole_bytes.load(Ordering::Relaxed).saturating_sub(database)
    }

    /// Most bytes of messages from outside that may be on their way to the store.
    pub(crate) fn outside_bytes(&self) -> usize {
        let of_size = self.size_bytes.map_or(u64::MAX, |size| kept_of(size) / KEPT_PER_OUTSIDE);
        let of_disk = (self.disk)(&self.folder).map_or(u64::MAX, |disk| disk.kept() / KEPT_ON_DISK_PER_OUTSIDE);
        usize::try_from(of_size.min(of_disk)).unwrap_or(usize::MAX)
    }
}

/// The part of `size` that is kept.
fn kept_of(size: u64) -> u64 {
    let (least, most) = KEPT_OF_SIZE;
    (size / 16).clamp(least, most).min(size / 4)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::sync::Arc;

    use playhouse_kernel::{
        ActorId, Address, FlowId, Image, JournalEntry, JournalGroup, MessageId, Metadata, Op, PortableMessage,
        WaitingNumbers,
    };

    use super::*;
    use crate::checkpoint::KEPT_LOG_BYTES;
    use crate::stopped::StoppedStore;
    use crate::writer::Writer;

    const A: ActorId = ActorId(1);
    /// Bytes of the disk of these tests.
    const DISK: u64 = 6 << 20;
    const BODY: usize = 10_000;

    /// A disk on which only the store is.
    fn small_disk(folder: &Path) -> Option<Disk> {
        let files = std::fs::read_dir(folder).ok()?.flatten();
        let used: u64 = files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
        Some(Disk { bytes: DISK, free_bytes: DISK.saturating_sub(used) })
    }

    fn log_bytes(folder: &Path) -> u64 {
        std::fs::metadata(folder.join("store.db-wal")).map_or(0, |log| log.len())
    }

    /// A store on the small disk.
    struct Small {
        home: tempfile::TempDir,
        reserve: Arc<Reserve>,
        writer: Writer,
        image: Image,
        messages: u64,
    }

    impl Small {
        fn open() -> Self {
            let home = tempfile::tempdir().expect("a folder");
            let mut small = Self::open_on(home, small_disk);
            small.write(vec![Op::Born { actor: A, address: Address::parse("/a").expect("an address") }], Vec::new());
            small
        }

        fn open_on(home: tempfile::TempDir, disk: fn(&Path) -> Option<Disk>) -> Self {
            let settings = StoreSettings::new(home.path());
            let reserve = Arc::new(Reserve::new(&settings).on_disk(disk));
            let (writer, image, _) = Writer::open(&settings, reserve.clone()).expect("a store");
            let messages = image.actors.first().map_or(0, |actor| actor.last_number);
            Self { home, reserve, writer, image, messages }
        }

        fn close(self) -> tempfile::TempDir {
            self.home
        }

        fn write(&mut self, ops: Vec<Op>, bytes: Vec<u8>) {
            self.image.last += 1;
            let entries = vec![JournalEntry { ops, bytes, actor: None }];
            let group = JournalGroup { boot: self.image.boots, first: self.image.last, entries };
            self.writer.write(&group).expect("space");
            assert!(self.disk().free_bytes >= self.reserve.growth(), "the log fits into the database");
        }

        /// Messages from outside, each with a body of [`BODY`] bytes, in one group.
        fn put(&mut self, messages: u64) {
            let mut record = vec![0; 64 + BODY];
            record[..4].copy_from_slice(&u32::try_from(BODY).expect("a size").to_le_bytes());
            let records = record.repeat(usize::try_from(messages).expect("a number"));
            let count = u32::try_from(messages).expect("a number");
            let put = Op::Put { mailbox: A, first: self.messages + 1, messages: count, records: 0..records.len() };
            self.write(vec![put], records);
            self.messages += messages;
        }

        fn put_until_short(&mut self) {
            while self.reserve.shortage(0).is_none() {
                self.put(1);
            }
        }

        fn disk(&self) -> Disk {
            small_disk(self.home.path()).expect("a disk")
        }
    }

    #[test]
    fn kept_space_follows_the_size() {
        let kept = [256 << 10, 1 << 20, 16 << 20, 160 << 20, 10 << 30].map(kept_of);
        assert_eq!(kept, [64 << 10, 256 << 10, 1 << 20, 10 << 20, 64 << 20]);
    }

    #[test]
    fn kept_space_of_a_disk_follows_its_bytes() {
        let kept = [4 << 20, 8 << 20, 160 << 20, 10 << 30].map(|bytes| Disk { bytes, free_bytes: bytes }.kept());
        assert_eq!(kept, [1 << 20, 1 << 20, 10 << 20, 32 << 20]);
    }

    #[test]
    fn disk_without_space_for_a_store_is_refused_with_its_size() {
        let disk =
            |bytes| Disk { bytes, free_bytes: bytes }.check(Path::new("/there")).map_err(|error| error.to_string());
        assert_eq!(disk(LEAST_DISK), Ok(()));
        let refused = "the store failed: the disk of `/there` has 2048 KiB in all, and a store needs one of at least 4096 KiB: set \
                       `path` of `[play.store]` to a folder on a larger disk";
        assert_eq!(disk(2 << 20), Err(refused.to_owned()));
    }

    /// The log has the messages first, and the database must grow by them.
    #[test]
    fn growth_of_the_database_counts_as_used() {
        let mut small = Small::open();
        small.put_until_short();
        let free = small.disk().free_bytes - small.reserve.growth();
        assert!(free < 1 << 20 && free > 900 << 10, "{free}");
    }

    #[test]
    fn log_is_moved_while_the_database_can_grow() {
        let mut small = Small::open();
        small.put_until_short();
        let stored = small.messages * BODY as u64;
        assert!(stored > 4 << 20, "{stored} of {DISK}");
    }

    /// Nothing is written while only the kept space is left and no actor works.
    #[test]
    fn shortage_does_not_come_from_a_log_that_can_be_moved() {
        let mut small = Small::open();
        small.put_until_short();
        small.write(vec![Op::Take { mailbox: A, numbers: 1..small.messages / 2 }], Vec::new());
        while small.reserve.shortage(0).is_none() {
            small.put(1);
            let log = log_bytes(small.home.path());
            assert!(small.reserve.shortage(0).is_none() || log <= 256 << 10, "{log}");
        }
    }

    #[test]
    fn kept_space_holds_what_is_on_its_way_and_orders() {
        let mut small = Small::open();
        small.put_until_short();
        let on_its_way = small.reserve.outside_bytes();
        assert_eq!(on_its_way, 256 << 10);
        small.put((on_its_way / BODY) as u64);
        for halted in [true, false].repeat(10) {
            small.write(vec![Op::Halted { actor: A, halted }], Vec::new());
        }
        let left = small.disk().free_bytes;
        assert!(left > 256 << 10, "{left}");
    }

    /// A disk that other programs filled.
    fn full_disk(folder: &Path) -> Option<Disk> {
        small_disk(folder).map(|disk| Disk { free_bytes: 0, ..disk })
    }

    /// The blocks are those beyond the end of the log: nobody else gets them.
    #[test]
    fn log_keeps_blocks_for_starts_and_orders_on_a_full_disk() {
        let mut small = Small::open();
        small.put(20);
        let mut home = small.close();
        let kept = |home: &tempfile::TempDir| {
            let log = std::fs::metadata(home.path().join("store.db-wal")).expect("a log");
            (log.len(), log.blocks() * 512)
        };
        assert_eq!(kept(&home), (0, KEPT_LOG_BYTES));
        for taken in 1..=20 {
            let mut stopped = StoppedStore::take(home.path()).expect("a store").on_disk(full_disk);
            let numbers = WaitingNumbers { in_order: std::iter::once(taken..taken + 1).collect(), held: Vec::new() };
            assert_eq!(stopped.drop_messages(A, &numbers), Ok(1));
            let refused = stopped.put_messages(A, &[portable()]).expect_err("it is full");
            assert!(matches!(refused, StoreError::Full(_)), "{refused}");
            assert_eq!(kept(&home).1, KEPT_LOG_BYTES, "the order needed no more");
            drop(stopped);
            let next = Small::open_on(home, full_disk);
            assert_eq!(next.image.actors[0].waiting, 20 - taken);
            assert_eq!(kept(&next.home).1, KEPT_LOG_BYTES, "the start needed no more");
            home = next.close();
            assert_eq!(kept(&home), (0, KEPT_LOG_BYTES));
        }
    }

    fn portable() -> PortableMessage {
        let (id, flow) = (MessageId(5), FlowId(6));
        PortableMessage { id, flow, hops: 0, from: None, attempts: 0, metadata: Metadata::new(), body: b"x".to_vec() }
    }

    #[test]
    fn large_message_needs_space_beside_the_kept_space() {
        let small = Small::open();
        assert_eq!(small.reserve.shortage(2 << 20), None);
        let refused = small.reserve.shortage(3 << 20).expect("it is short");
        assert!(
            refused.starts_with("the disk has ") && refused.contains(" KiB of 6144 left, and 1024 KiB are kept"),
            "{refused}"
        );
    }
}
