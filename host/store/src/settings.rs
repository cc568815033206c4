//! The settings of a store.

use std::path::{Path, PathBuf};

/// Where a store is, and what it promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// Its folder. It is made when there is none.
    pub path: PathBuf,
    /// The loss that acknowledged messages survive.
    pub survives: Survives,
    /// Most bytes of the database. Beyond them the store is full. None: as much as the disk has.
    pub size_bytes: Option<u64>,
    /// Whether a new database gets pages of 1 KiB instead of 4, as plays with durable families have them: a turn of one of many members
    /// changes some hundred bytes in each of three pages, which are written as a whole. Actors that send in large batches are slower on
    /// small pages, by up to a fifth.
    pub small_pages: bool,
}

/// The loss that acknowledged messages survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Survives {
    /// A loss of power: each group is synced to the disk.
    #[default]
    PowerLoss,
    /// A crash of the host, such as a kill. The last groups before a loss of power are lost.
    Crash,
}

impl StoreSettings {
    /// The default settings of a store in this folder.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), survives: Survives::default(), size_bytes: None, small_pages: false }
    }
}
