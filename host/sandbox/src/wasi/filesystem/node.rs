//! Files that guests have open, by device and inode, for all actors together: changes of a file's size exclude each other, and a
//! file whose last name was removed counts for its folder's growth until its last handle is closed.
//!
//! Changes of names exclude each other on each file system, so that a name leads to the same file between a check and its
//! removal.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use cap_primitives::fs::{FollowSymlinks, Metadata, MetadataExt, stat};

use crate::grants::{ENTRY_BYTES, Quota};

type Key = (u64, u64);

static NODES: LazyLock<Mutex<HashMap<Key, Weak<Node>>>> = LazyLock::new(Mutex::default);
static DEVICES: LazyLock<Mutex<HashMap<u64, Arc<Mutex<()>>>>> = LazyLock::new(Mutex::default);

/// One file that some guest has open.
pub(crate) struct Node {
    key: Key,
    size: Mutex<Size>,
}

/// State under the lock that also protects the file's size on disk.
#[derive(Default)]
pub(crate) struct Size {
    /// Set when the file has no name any more: its bytes are given back when the node is dropped.
    removed: Option<Removed>,
}

struct Removed {
    quota: Quota,
    bytes: u64,
}

impl Node {
    /// The node of the file with this metadata.
    pub(crate) fn open(file: &Metadata) -> Arc<Self> {
        let key = (file.dev(), file.ino());
        let mut nodes = NODES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = nodes.get(&key).and_then(Weak::upgrade) {
            return node;
        }
        let node = Arc::new(Self { key, size: Mutex::default() });
        nodes.insert(key, Arc::downgrade(&node));
        node
    }

    /// Excludes other changes of the file's size until the guard is dropped.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Size {
    /// Notes the new size of the file.
    pub(crate) fn is_now(&mut self, bytes: u64) {
        if let Some(removed) = &mut self.removed {
            removed.bytes = bytes;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut nodes = NODES.lock().unwrap_or_else(PoisonError::into_inner);
        if nodes.get(&self.key).is_some_and(|node| node.strong_count() == 0) {
            nodes.remove(&self.key);
        }
        drop(nodes);
        let size = self.size.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(Removed { quota, bytes }) = size.removed.take() {
            quota.give_back(bytes + ENTRY_BYTES);
        }
    }
}

/// Removes an existing name with `remove`, and gives back the bytes that it counted for: at once, or when the file is closed.
pub(crate) fn remove_name(
    folder: &File,
    name: &Path,
    quota: &Quota,
    remove: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let look = || stat(folder, name, FollowSymlinks::No);
    let was = look()?;
    if was.is_dir() {
        remove()?;
        quota.give_back(ENTRY_BYTES + was.len());
        return Ok(());
    }
    let node = Node::open(&was);
    let mut size = node.lock();
    // The lock keeps the size from changing from here on.
    let was = look()?;
    remove()?;
    if was.is_file() && was.nlink() <= 1 {
        size.removed = Some(Removed { quota: quota.clone(), bytes: was.len() });
    } else {
        quota.give_back(ENTRY_BYTES);
    }
    Ok(())
}

/// The lock that excludes other changes of names by guests on the file system with this device number.
pub(crate) fn names_of(device: u64) -> Arc<Mutex<()>> {
    let mut devices = DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
    devices.entry(device).or_default().clone()
}
