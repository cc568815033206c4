//! Files and folders that a guest has open. Only regular files and folders are opened: the open of a FIFO, a device or a socket
//! may block a thread or have a side effect.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use cap_primitives::fs::{
    FollowSymlinks, Metadata, MetadataExt, OpenOptions, OpenOptionsExt, open, read_link_contents, stat,
};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::names;
use super::node::Node;
use crate::grants::{Folder, Quota};
use crate::limits::{Closing, Descriptor};

/// The tries of an open whose file appears or disappears meanwhile, or is at the end of symbolic links: Linux follows 40 links.
const TRIES: usize = 40;

/// An open file or folder of a guest.
#[derive(Clone)]
pub(crate) enum Opened {
    File(Arc<OpenFile>),
    Dir(Dir),
}

impl Opened {
    pub(crate) fn file(&self) -> &File {
        match self {
            Self::File(file) => file.file(),
            Self::Dir(dir) => &dir.file,
        }
    }
}

/// An open folder. Its close does not block.
#[derive(Clone)]
pub(crate) struct Dir {
    pub(crate) file: Arc<File>,
    pub(crate) folder: Arc<Folder>,
    pub(crate) mode: Mode,
    /// Its count as a descriptor, dropped after the file. None for the folder of a grant, which the host opened once for all
    /// guests.
    #[expect(dead_code, reason = "it is held")]
    pub(crate) counted: Option<Arc<Descriptor>>,
}

/// The access that a descriptor was opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mode {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

/// An open file. Its close may wait for a server.
pub(crate) struct OpenFile {
    /// Some until the drop takes it.
    file: Option<(File, Descriptor)>,
    node: Arc<Node>,
    pub(crate) folder: Arc<Folder>,
    pub(crate) mode: Mode,
    closing: Arc<Closing>,
}

/// The options of an open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub(crate) mode: Mode,
    pub(crate) follow: FollowSymlinks,
    pub(crate) create: Create,
    pub(crate) truncate: bool,
    pub(crate) directory: bool,
}

/// Whether a file is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Create {
    /// The file must exist.
    Never,
    /// The file is made if it does not exist.
    Missing,
    /// The file is made, and must not exist yet.
    Always,
}

impl Dir {
    /// Opens the file or folder at `path` within this folder. The call may block on the file system, but not on the opened file
    /// itself.
    pub(crate) fn open(&self, path: &str, how: How, closing: &Arc<Closing>, counted: Descriptor) -> io::Result<Opened> {
        let file = with_space(closing, || how.find(&self.file, path, self.folder.quota()))?;
        let metadata = Metadata::from_file(&file)?;
        let folder = self.folder.clone();
        if metadata.is_dir() {
            return Ok(Opened::Dir(Dir {
                file: Arc::new(file),
                folder,
                mode: how.mode,
                counted: Some(Arc::new(counted)),
            }));
        }
        if how.directory {
            return Err(Errno::NOTDIR.into());
        }
        // The file may have been replaced after its first check.
        regular(&metadata)?;
        let node = Node::open(&metadata);
        // A removal of its last name after this point gives its bytes back at the close. A removal before it already gave them
        // back.
        if Metadata::from_file(&file)?.nlink() == 0 {
            return Err(Errno::NOENT.into());
        }
        let opened = OpenFile { file: Some((file, counted)), node, folder, mode: how.mode, closing: closing.clone() };
        if how.truncate {
            opened.set_size(0)?;
        }
        Ok(Opened::File(Arc::new(opened)))
    }
}

impl Dir {
    /// Opens the file or folder at `path`, links followed, to change its times. Any access is enough for that.
    pub(crate) fn open_to_touch(&self, path: &str) -> io::Result<File> {
        let access = |read| Mode { read, write: !read };
        let open = |mode| {
            let how =
                How { mode, follow: FollowSymlinks::Yes, create: Create::Never, truncate: false, directory: false };
            how.find_there(&self.file, path, &how.options())
        };
        let file = match open(access(true)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => open(access(false))?,
            opened => opened?,
        };
        // The file may have been replaced after its first check.
        let metadata = Metadata::from_file(&file)?;
        if !metadata.is_dir() {
            regular(&metadata)?;
        }
        Ok(file)
    }
}

impl How {
    fn options(self) -> OpenOptions {
        let mut options = OpenOptions::new();
        let without_waiting = OFlags::NONBLOCK | OFlags::NOCTTY;
        options.read(self.mode.read).write(self.mode.write).custom_flags(without_waiting.bits().cast_signed());
        options._cap_fs_ext_follow(self.follow);
        options
    }

    fn find(self, within: &File, path: &str, quota: &Quota) -> io::Result<File> {
        let options = self.options();
        if self.create == Create::Always {
            return names::make_file(within, path, &options, quota);
        }
        let mut path = Cow::Borrowed(path);
        for _ in 0..TRIES {
            match self.find_there(within, &path, &options) {
                Err(error) if self.create == Create::Missing && error.kind() == io::ErrorKind::NotFound => {}
                found => return found,
            }
            match names::make_file(within, &path, &options, quota) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made,
            }
            // The file appeared meanwhile, or the name is a symbolic link without a target: then the file is made at the link's
            // target.
            if let Ok(target) = read_link_contents(within, Path::new(&*path)) {
                path = names::beside(&path, &target).ok_or(Errno::ILSEQ)?.into();
            }
        }
        Err(Errno::LOOP.into())
    }

    fn find_there(self, within: &File, path: &str, options: &OpenOptions) -> io::Result<File> {
        let path = Path::new(path);
        let there = stat(within, path, self.follow)?;
        if !there.is_dir() {
            regular(&there)?;
        }
        open(within, path, options)
    }
}

fn regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_symlink() {
        Err(Errno::LOOP.into())
    } else if metadata.is_file() {
        Ok(())
    } else {
        Err(Errno::NOTSUP.into())
    }
}

impl OpenFile {
    pub(crate) fn file(&self) -> &File {
        let (file, _) = self.file.as_ref().expect("the file is taken only by the drop");
        file
    }

    pub(crate) fn read_at(&self, most: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        let read = loop {
            match self.file().read_at(&mut bytes, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Writes at `offset`, or at the end of the file. Returns the number of bytes written.
    pub(crate) fn write(&self, bytes: &[u8], offset: Option<u64>) -> io::Result<usize> {
        self.resize(
            |size| offset.unwrap_or(size).saturating_add(bytes.len() as u64).max(size),
            |file, size| match offset {
                Some(offset) => file.write_at(bytes, offset),
                None => append(file, bytes, size),
            },
        )
    }

    /// As [`OpenFile::write`], until all bytes are written.
    pub(crate) fn write_all(&self, mut bytes: &[u8], mut offset: Option<u64>) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write(bytes, offset)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[written..];
            offset = offset.map(|offset| offset + written as u64);
        }
        Ok(())
    }

    pub(crate) fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.resize(|_| bytes, |file, _| file.set_len(bytes))
    }

    /// Makes a change after which the file has the expected size. The growth counts for the folder before the change.
    fn resize<T>(
        &self,
        expected: impl Fn(u64) -> u64,
        change: impl FnOnce(&File, u64) -> io::Result<T>,
    ) -> io::Result<T> {
        let (file, quota) = (self.file(), self.folder.quota());
        let (mut size, before, expected) = with_space(&self.closing, || {
            let size = self.node.lock();
            let before = file.metadata()?.len();
            let expected = expected(before);
            quota.take(expected.saturating_sub(before))?;
            Ok((size, before, expected))
        })?;
        let changed = change(file, before);
        // A write may be a short one, and others may have changed the file meanwhile. If the size cannot be read, it is taken as
        // expected.
        let after = file.metadata().map_or(expected, |metadata| metadata.len());
        quota.changed(before.max(expected), after);
        size.is_now(after);
        changed
    }
}

/// Runs a call that needs space. If there is none, the call is tried once more after files that were closed just before gave
/// theirs back.
pub(crate) fn with_space<T>(closing: &Closing, act: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match act() {
        Err(error) if error.raw_os_error() == Some(Errno::NOSPC.raw_os_error()) && closing.settle() => act(),
        done => done,
    }
}

/// Writes at the end of the file, also if another process moved that end.
fn append(file: &File, bytes: &[u8], end: u64) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::{ReadWriteFlags, pwritev2};
        match pwritev2(file, &[io::IoSlice::new(bytes)], 0, ReadWriteFlags::APPEND) {
            Err(Errno::NOSYS | Errno::NOTSUP) => {}
            written => return Ok(written?),
        }
    }
    file.write_at(bytes, end)
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // A file without a name uses its bytes until it is really closed. The drop of its node then gives them back.
            self.closing.close((file, self.node.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::grants::Growth;
    use crate::limits::{Account, Descriptors};

    #[tokio::test]
    async fn removed_file_is_given_back_once_it_is_closed() {
        struct Slow(mpsc::Receiver<()>);
        impl Drop for Slow {
            fn drop(&mut self) {
                let _ = self.0.recv();
            }
        }
        let top = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::open(top.path(), "/x", true).unwrap());
        let growth = Growth::of(&top.path().metadata().unwrap());
        let mode = Mode { read: true, write: true };
        let dir = Dir { file: folder.opened().clone(), folder: folder.clone(), mode, counted: None };
        let how = How { mode, follow: FollowSymlinks::No, create: Create::Always, truncate: false, directory: false };
        let counted = Descriptors::new(1).take(&Arc::new(Account::new("all".to_owned(), 1, None)), None).unwrap();
        let closing = Arc::new(Closing::default());
        let (release, blocked) = mpsc::channel();
        closing.close(Slow(blocked));
        let Opened::File(file) = dir.open("a", how, &closing, counted).unwrap() else { panic!("it is a file") };
        file.set_size(1 << 20).unwrap();
        names::remove(&dir.file, "a", folder.quota()).unwrap();
        drop(file);
        assert!(growth.bytes() >= 1 << 20, "it is not closed yet");
        drop(release);
        while growth.bytes() >= 1 << 20 {
            tokio::task::yield_now().await;
        }
    }
}
