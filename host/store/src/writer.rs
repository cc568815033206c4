//! The writer: a group is one transaction.

use std::sync::Arc;
use std::time::SystemTime;

use playhouse_kernel::{Image, JournalGroup, StoreError};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::checkpoint::{Checkpoints, fold_log, give_back_log, reuse_log};
use crate::error::store_error;
use crate::folder::Folder;
use crate::migrations::{FORMATS, Migrated, open_migrated};
use crate::reserve::Reserve;
use crate::settings::StoreSettings;
use crate::state::State;
use crate::tail::{Note, Tail};
use crate::values::shorten_lifetimes;

/// The writer of an open store.
pub(crate) struct Writer {
    /// None while the writer ends.
    checkpoints: Option<Checkpoints>,
    db: Connection,
    state: State,
    tail: Tail,
    reserve: Arc<Reserve>,
    /// After this error the database is not touched again: the system may have dropped pages that it could not write.
    failure: Option<StoreError>,
    /// Released last.
    folder: Folder,
}

impl Writer {
    /// Opens the store in a folder, and counts one more start.
    pub(crate) fn open(
        settings: &StoreSettings,
        reserve: Arc<Reserve>,
    ) -> Result<(Self, Image, Option<Migrated>), StoreError> {
        let folder = Folder::take(&settings.path)?;
        reserve.check_disk()?;
        let (mut db, migrated) = open_migrated(&folder, settings, &FORMATS)?;
        let (mut state, mut image) = State::read_with_image(&db)?;
        Note::find(folder.path())?.map_or(Ok(()), |note| note.check(state.position()))?;
        reuse_log(&db, &folder.beside("-wal"), &reserve)?;
        state.boots += 1;
        image.boots = state.boots;
        state.is_running = true;
        let mut started = || {
            let tx = Transaction::new(&mut db, TransactionBehavior::Immediate)?;
            state.write_store_row(&tx)?;
            tx.commit()
        };
        started().map_err(store_error)?;
        let tail = Tail::open(&folder, settings.survives, state.position())?;
        let checkpoints = Some(Checkpoints::start(&folder.database(), settings)?);
        reserve.note(&db);
        Ok((Self { checkpoints, db, state, tail, reserve, failure: None, folder }, image, migrated))
    }

    /// The folder of the store.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Writes a group. With [`StoreError::Full`], everything is as before.
    pub(crate) fn write(&mut self, group: &JournalGroup) -> Result<(), StoreError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let mut written = self.try_write(group);
        // Turns that only take messages make the log longer, and the space that they free is in the database.
        if let Err(StoreError::Full(_)) = &written
            && self.makes_space()?
        {
            written = self.try_write(group);
        }
        match &written {
            Ok(()) => {
                let bytes = group.entries.iter().map(|entry| entry.bytes.len()).sum();
                self.checkpoints.iter_mut().for_each(|checkpoints| checkpoints.after_group(bytes));
                self.reserve.note(&self.db);
                // The kernel asks for the space right after the group.
                self.give_back_log_if_short()?;
            }
            // The state in memory is that of a group which was rolled back.
            Err(StoreError::Full(_)) => match State::reread(&self.db) {
                Ok(state) => self.state = state,
                Err(error) => self.failure = Some(error),
            },
            Err(error) => self.failure = Some(error.clone()),
        }
        written
    }

    /// Moves the log into the database when the disk has little space, as long as the database can grow.
    fn give_back_log_if_short(&mut self) -> Result<(), StoreError> {
        let log = self.folder.beside("-wal");
        if !self.reserve.wants_log_back(std::fs::metadata(&log).map_or(0, |file| file.len())) {
            return Ok(());
        }
        let given = give_back_log(&self.db, &log).map(drop);
        given.inspect_err(|error| self.failure = Some(error.clone()))
    }

    /// Gives the space of the log back after a group did not fit. Returns whether there is more space now.
    fn makes_space(&mut self) -> Result<bool, StoreError> {
        // The state in memory is that of a group which was rolled back.
        let made = State::reread(&self.db).and_then(|state| {
            self.state = state;
            give_back_log(&self.db, &self.folder.beside("-wal"))
        });
        made.inspect_err(|error| self.failure = Some(error.clone()))
    }

    /// As [`Store::shorten_lifetimes`](playhouse_kernel::Store::shorten_lifetimes).
    pub(crate) fn shorten_lifetimes(&mut self, now: SystemTime) -> Result<(), StoreError> {
        let shortened = shorten_lifetimes(&mut self.db, now);
        if let Err(error @ (StoreError::Failed(_) | StoreError::Damaged { .. })) = &shortened {
            self.failure = Some(error.clone());
        }
        shortened
    }

    fn try_write(&mut self, group: &JournalGroup) -> Result<(), StoreError> {
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.before_group(&self.db)?;
        }
        let tx = Transaction::new(&mut self.db, TransactionBehavior::Immediate).map_err(store_error)?;
        self.state.apply(group, &tx)?;
        tx.commit().map_err(store_error)?;
        self.tail.note(self.state.position())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Its connection is closed before the last checkpoint.
        drop(self.checkpoints.take());
        if self.failure.is_none() {
            fold_log(&self.db, &self.folder.beside("-wal"));
        }
    }
}
