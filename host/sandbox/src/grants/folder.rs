//! A granted folder: its path on this machine, its path for the guest, whether the guest may change it, and the bound on its
//! growth.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use playhouse_kernel::{AboutHost, LogEvent};
use rustix::fs::{Mode, OFlags};

use super::growth::{Growth, Quota};
use crate::events::NamesLeftOut;

/// The default bound on the growth of a folder.
const GROWTH_BYTES: u64 = 1 << 30;

/// A granted folder, kept open: another folder that later gets its path is not granted.
#[derive(Clone)]
pub struct Folder {
    /// Its path on this machine, without symbolic links.
    host: PathBuf,
    guest: String,
    writable: bool,
    opened: Arc<File>,
    quota: Quota,
    /// Whether it was logged that names were left out of its listings.
    said: Arc<AtomicBool>,
}

impl Folder {
    /// Bytes by which actors with this grant may make the folder grow; none if it is not writable.
    pub fn growth_bytes(&self) -> Option<u64> {
        self.writable.then(|| self.quota.limit_bytes())
    }

    /// Opens the folder at `host`, which the guest will see at `guest`. A writable folder may grow by 1 GiB. Errors are those of
    /// the system.
    pub fn open(host: &Path, guest: &str, writable: bool) -> io::Result<Self> {
        let host = host.canonicalize()?;
        // Only a folder is opened, so that no call waits for a FIFO.
        let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = File::from(rustix::fs::open(&host, folder, Mode::empty())?);
        let quota = Quota::new(Growth::of(&opened.metadata()?), GROWTH_BYTES);
        Ok(Self { host, guest: guest.to_owned(), writable, opened: Arc::new(opened), quota, said: Arc::default() })
    }

    /// Sets the bound on its growth, which is counted over all actors in this process with a grant of the same folder.
    #[must_use]
    pub fn growing_by(self, bytes: u64) -> Self {
        let quota = self.quota.limited_to(bytes);
        Self { quota, ..self }
    }

    /// Its path on this machine, without symbolic links.
    pub fn host(&self) -> &Path {
        &self.host
    }

    /// Its path for the guest.
    pub fn guest(&self) -> &str {
        &self.guest
    }

    /// Whether the guest may change its contents.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// The very folder that was opened, even if its path leads to another one by now.
    pub(crate) fn opened(&self) -> &Arc<File> {
        &self.opened
    }

    pub(crate) fn quota(&self) -> &Quota {
        &self.quota
    }

    /// This folder for a child, limited to the grants in `folders` of its parent; none if the folder lies in none of them.
    pub(crate) fn within(&self, folders: &[Self]) -> Option<Self> {
        let above = || folders.iter().filter(|above| self.host.starts_with(&above.host));
        above().next()?;
        let nearest = above().filter(|above| above.writable).max_by_key(|above| above.host.as_os_str().len());
        let writable = self.writable && nearest.is_some();
        let quota = nearest.map_or_else(|| self.quota.clone(), |above| self.quota.clone().within(&above.quota));
        Some(Self { writable, quota, ..self.clone() })
    }

    /// Logs, the first time, that names were left out of a listing. Returns whether it logged.
    pub(crate) fn log_left_out(&self, names: u64) -> bool {
        let says = names > 0 && !self.said.swap(true, Relaxed);
        if says {
            NamesLeftOut { subject: AboutHost, folder: self.host.display().to_string(), names }.log();
        }
        says
    }
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, guest, writable, .. } = self;
        f.debug_struct("Folder").field("host", host).field("guest", guest).field("writable", writable).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_stays_the_one_that_was_opened() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("granted");
        std::fs::create_dir(&path).unwrap();
        let folder = Folder::open(&path, "/x", true).unwrap();
        let ino = |metadata: std::fs::Metadata| std::os::unix::fs::MetadataExt::ino(&metadata);
        let granted = ino(path.metadata().unwrap());
        std::fs::rename(&path, top.path().join("moved")).unwrap();
        std::os::unix::fs::symlink("/etc", &path).unwrap();
        assert_eq!(ino(folder.opened().metadata().unwrap()), granted);
    }

    #[test]
    fn left_out_names_are_logged_once() {
        let top = tempfile::tempdir().unwrap();
        let folder = Folder::open(top.path(), "/x", false).unwrap();
        let of_child = folder.within(std::slice::from_ref(&folder)).unwrap();
        assert!(!folder.log_left_out(0));
        assert!(of_child.log_left_out(3));
        assert!(!folder.log_left_out(2));
    }

    #[test]
    fn fifo_is_refused_as_a_folder_without_waiting() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let error = Folder::open(&path, "/x", false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }
}
