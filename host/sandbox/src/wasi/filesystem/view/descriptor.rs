//! The functions of `wasi:filesystem/types`. Each checks its arguments, and makes its system calls on a thread that may block.

use std::fs::{File, FileTimes};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use cap_primitives::fs::{FollowSymlinks, Metadata, MetadataExt, read_link, set_times_nofollow, stat};
use rustix::io::Errno;
use wasmtime::component::{Resource, ResourceTable, ResourceTableError};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream,
    ErrorCode, Filesize, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags,
    PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsResult};

use super::View;
use crate::grants::Quota;
use crate::wasi::filesystem::listing::Listing;
use crate::wasi::filesystem::names;
use crate::wasi::filesystem::open::{Create, Dir, How, Mode, OpenFile, Opened, with_space};
use crate::wasi::filesystem::stat::{hash_of, new_time, stat_of, time_spec, type_of};
use crate::wasi::filesystem::streams::{Input, Output, READ_BYTES};

/// Maximum number of an actor's closes that have not begun. With more of them, its next open waits, and fails if a server does not
/// answer.
const MOST_CLOSING: usize = 64;
/// Linux's bound on the bytes of a path, its terminator included.
const PATH_BYTES: usize = 4096;

/// Adds an open file or folder to the table. The bindings' type stands for [`Opened`], which is found by its number.
pub(crate) fn push(table: &mut ResourceTable, opened: Opened) -> Result<Resource<Descriptor>, ResourceTableError> {
    Ok(Resource::new_own(table.push(opened)?.rep()))
}

impl View<'_> {
    fn opened(&self, fd: &Resource<Descriptor>) -> FsResult<Opened> {
        Ok(self.table.get(&Resource::<Opened>::new_borrow(fd.rep()))?.clone())
    }

    fn file(&self, fd: &Resource<Descriptor>) -> FsResult<Arc<OpenFile>> {
        match self.opened(fd)? {
            Opened::File(file) => Ok(file),
            Opened::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    fn file_to_write(&self, fd: &Resource<Descriptor>) -> FsResult<Arc<OpenFile>> {
        let file = self.file(fd)?;
        if file.folder.is_writable() { Ok(file) } else { Err(ErrorCode::NotPermitted.into()) }
    }

    fn dir(&self, fd: &Resource<Descriptor>) -> FsResult<Dir> {
        match self.opened(fd)? {
            Opened::Dir(dir) => Ok(dir),
            Opened::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    fn dir_to_change(&self, fd: &Resource<Descriptor>) -> FsResult<Dir> {
        let dir = self.dir(fd)?;
        if dir.folder.is_writable() { Ok(dir) } else { Err(ErrorCode::NotPermitted.into()) }
    }

    /// Two folders, which must be of one grant: a file moved to another grant would count for another quota, and its links would
    /// lead elsewhere.
    fn dirs_to_change(&self, from: &Resource<Descriptor>, to: &Resource<Descriptor>) -> FsResult<(Dir, Dir)> {
        let (from, to) = (self.dir_to_change(from)?, self.dir_to_change(to)?);
        if Arc::ptr_eq(&from.folder, &to.folder) { Ok((from, to)) } else { Err(ErrorCode::CrossDevice.into()) }
    }

    async fn run<T: Send + 'static>(&mut self, call: impl FnOnce() -> io::Result<T> + Send + 'static) -> FsResult<T> {
        Ok(self.files.clone().run(call).await?)
    }

    /// As [`View::run`], for a change that needs space on the disk.
    async fn run_with_space<T: Send + 'static>(
        &mut self,
        call: impl Fn() -> io::Result<T> + Send + 'static,
    ) -> FsResult<T> {
        let closing = self.files.closing().clone();
        self.run(move || with_space(&closing, call)).await
    }

    /// Runs a call on an open file or folder.
    async fn look<T: Send + 'static>(
        &mut self,
        fd: &Resource<Descriptor>,
        look: impl FnOnce(&File) -> io::Result<T> + Send + 'static,
    ) -> FsResult<T> {
        let opened = self.opened(fd)?;
        self.run(move || look(opened.file())).await
    }

    async fn look_at<T: Send + 'static>(
        &mut self,
        fd: &Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        say: fn(&Metadata) -> T,
    ) -> FsResult<T> {
        let (dir, path) = (self.dir(fd)?, short(path)?);
        let follow = follow(flags);
        self.run(move || Ok(say(&stat(&dir.file, Path::new(&path), follow)?))).await
    }

    async fn change(
        &mut self,
        fd: &Resource<Descriptor>,
        path: String,
        change: fn(&File, &str, &Quota) -> io::Result<()>,
    ) -> FsResult<()> {
        let (dir, path) = (self.dir_to_change(fd)?, short(path)?);
        self.run_with_space(move || change(&dir.file, &path, dir.folder.quota())).await
    }
}

fn follows(flags: PathFlags) -> bool {
    flags.contains(PathFlags::SYMLINK_FOLLOW)
}

fn follow(flags: PathFlags) -> FollowSymlinks {
    if follows(flags) { FollowSymlinks::Yes } else { FollowSymlinks::No }
}

impl HostDescriptor for View<'_> {
    async fn advise(
        &mut self,
        fd: Resource<Descriptor>,
        offset: Filesize,
        len: Filesize,
        advice: Advice,
    ) -> FsResult<()> {
        let file = self.file(&fd)?;
        self.run(move || advise(file.file(), offset, len, advice)).await
    }

    async fn sync_data(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.look(&fd, File::sync_data).await
    }

    async fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.look(&fd, File::sync_all).await
    }

    async fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        let (mode, write) = match self.opened(&fd)? {
            Opened::File(file) => (file.mode, DescriptorFlags::WRITE),
            Opened::Dir(dir) => (dir.mode, DescriptorFlags::MUTATE_DIRECTORY),
        };
        let mut flags = DescriptorFlags::empty();
        if mode.read {
            flags |= DescriptorFlags::READ;
        }
        if mode.write {
            flags |= write;
        }
        Ok(flags)
    }

    async fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorType> {
        self.look(&fd, |file| Ok(type_of(&Metadata::from_file(file)?))).await
    }

    async fn set_size(&mut self, fd: Resource<Descriptor>, size: Filesize) -> FsResult<()> {
        let file = self.file_to_write(&fd)?;
        self.run(move || file.set_size(size)).await
    }

    async fn set_times(
        &mut self,
        fd: Resource<Descriptor>,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let writable = match self.opened(&fd)? {
            Opened::File(file) => file.folder.is_writable(),
            Opened::Dir(dir) => dir.folder.is_writable(),
        };
        if !writable {
            return Err(ErrorCode::NotPermitted.into());
        }
        let times = times(new_time(accessed)?, new_time(modified)?);
        self.look(&fd, move |file| file.set_times(times)).await
    }

    async fn read(&mut self, fd: Resource<Descriptor>, len: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        let file = self.file(&fd)?;
        let most = usize::try_from(len).unwrap_or(usize::MAX).min(READ_BYTES);
        let bytes = self.run(move || file.read_at(most, offset)).await?;
        let ended = bytes.is_empty();
        Ok((bytes, ended))
    }

    async fn write(&mut self, fd: Resource<Descriptor>, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let file = self.file_to_write(&fd)?;
        let bytes = first_piece(bytes);
        self.run(move || Ok(file.write(&bytes, Some(offset))? as u64)).await
    }

    async fn read_directory(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DirectoryEntryStream>> {
        let dir = self.dir(&fd)?;
        let counted = self.files.clone().descriptor().await?;
        let listing = self.run(move || Listing::open(&dir.file, dir.folder, counted)).await?;
        Ok(Resource::new_own(self.table.push(listing)?.rep()))
    }

    async fn create_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.change(&fd, path, names::make_folder).await
    }

    async fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        self.look(&fd, |file| Ok(stat_of(&Metadata::from_file(file)?))).await
    }

    async fn stat_at(&mut self, fd: Resource<Descriptor>, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        self.look_at(&fd, flags, path, stat_of).await
    }

    async fn set_times_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let (dir, path) = (self.dir_to_change(&fd)?, short(path)?);
        let (accessed, modified) = (new_time(accessed)?, new_time(modified)?);
        if follows(flags) {
            return self.run(move || dir.open_to_touch(&path)?.set_times(times(accessed, modified))).await;
        }
        let (accessed, modified) = (time_spec(accessed), time_spec(modified));
        self.run(move || set_times_nofollow(&dir.file, Path::new(&path), accessed, modified)).await
    }

    async fn link_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        to: Resource<Descriptor>,
        to_path: String,
    ) -> FsResult<()> {
        let (dir, to) = self.dirs_to_change(&fd, &to)?;
        let (path, to_path) = (short(path)?, short(to_path)?);
        if follows(flags) {
            return Err(ErrorCode::Invalid.into());
        }
        self.run_with_space(move || names::link((&dir.file, &path), (&to.file, &to_path), dir.folder.quota())).await
    }

    async fn open_at(
        &mut self,
        fd: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let (dir, path) = (self.dir(&fd)?, short(path)?);
        let how = how(path_flags, open_flags, flags)?;
        if how.mode.write && !dir.folder.is_writable() {
            return Err(ErrorCode::NotPermitted.into());
        }
        let closing = self.files.closing().clone();
        if !closing.wait_shorter(MOST_CLOSING).await {
            return Err(ErrorCode::Busy.into());
        }
        let counted = self.files.clone().descriptor().await?;
        let opened = self.run(move || dir.open(&path, how, &closing, counted)).await?;
        Ok(push(self.table, opened)?)
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Opened>::new_own(fd.rep()))?;
        Ok(())
    }

    async fn readlink_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<String> {
        let (dir, path) = (self.dir(&fd)?, short(path)?);
        let target = self.run(move || read_link(&dir.file, Path::new(&path))).await?;
        target.into_os_string().into_string().map_err(|_| ErrorCode::IllegalByteSequence.into())
    }

    async fn remove_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.change(&fd, path, names::remove_folder).await
    }

    async fn rename_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
        to: Resource<Descriptor>,
        to_path: String,
    ) -> FsResult<()> {
        let (dir, to) = self.dirs_to_change(&fd, &to)?;
        let (path, to_path) = (short(path)?, short(to_path)?);
        self.run(move || names::move_to((&dir.file, &path), (&to.file, &to_path), dir.folder.quota())).await
    }

    async fn symlink_at(&mut self, fd: Resource<Descriptor>, target: String, path: String) -> FsResult<()> {
        let dir = self.dir_to_change(&fd)?;
        let (target, path) = (short(target)?, short(path)?);
        self.run_with_space(move || names::make_link(&target, &dir.file, &path, dir.folder.quota())).await
    }

    async fn unlink_file_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.change(&fd, path, names::remove).await
    }

    fn read_via_stream(&mut self, fd: Resource<Descriptor>, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        match self.opened(&fd)? {
            Opened::File(file) => {
                let input: DynInputStream = Box::new(Input::new(self.files.clone(), file, offset));
                Ok(self.table.push(input)?)
            }
            Opened::Dir(_) => Err(ErrorCode::IsDirectory.into()),
        }
    }

    fn write_via_stream(&mut self, fd: Resource<Descriptor>, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        let file = self.file_to_write(&fd)?;
        let output: DynOutputStream = Box::new(Output::new(self.files.clone(), file, Some(offset)));
        Ok(self.table.push(output)?)
    }

    fn append_via_stream(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>> {
        let file = self.file_to_write(&fd)?;
        let output: DynOutputStream = Box::new(Output::new(self.files.clone(), file, None));
        Ok(self.table.push(output)?)
    }

    async fn is_same_object(&mut self, a: Resource<Descriptor>, b: Resource<Descriptor>) -> wasmtime::Result<bool> {
        let identity = |file: &File| Metadata::from_file(file).map(|found| (found.dev(), found.ino()));
        // This function has no error code in the interface, so an error is a trap.
        let a = self
            .look(&a, identity)
            .await
            .map_err(|_| wasmtime::format_err!("the metadata of an open file cannot be read"))?;
        let b = self
            .look(&b, identity)
            .await
            .map_err(|_| wasmtime::format_err!("the metadata of an open file cannot be read"))?;
        Ok(a == b)
    }

    async fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        self.look(&fd, |file| Ok(hash_of(&Metadata::from_file(file)?))).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.look_at(&fd, flags, path, hash_of).await
    }
}

impl HostDirectoryEntryStream for View<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let files = self.files.clone();
        let listing = self.table.get_mut(&Resource::<Listing>::new_borrow(stream.rep()))?;
        listing.next(&files).await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Listing>::new_own(stream.rep()))?;
        Ok(())
    }
}

/// Refuses a path that is too long for the system, before the call waits for a thread, and before its parts are followed.
fn short(path: String) -> Result<String, ErrorCode> {
    if path.len() < PATH_BYTES { Ok(path) } else { Err(ErrorCode::NameTooLong) }
}

/// The bytes that one call writes. Further bytes are dropped at once, and not held while the call waits for a thread.
fn first_piece(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(READ_BYTES);
    bytes.shrink_to_fit();
    bytes
}

fn times(accessed: Option<SystemTime>, modified: Option<SystemTime>) -> FileTimes {
    let times = accessed.map_or_else(FileTimes::new, |accessed| FileTimes::new().set_accessed(accessed));
    modified.map_or(times, |modified| times.set_modified(modified))
}

/// The options of an open from the flags of the interface.
fn how(path: PathFlags, open: OpenFlags, flags: DescriptorFlags) -> Result<How, ErrorCode> {
    let synced = DescriptorFlags::FILE_INTEGRITY_SYNC
        | DescriptorFlags::DATA_INTEGRITY_SYNC
        | DescriptorFlags::REQUESTED_WRITE_SYNC;
    if flags.intersects(synced) {
        return Err(ErrorCode::Unsupported);
    }
    let directory = open.contains(OpenFlags::DIRECTORY);
    if directory && open.intersects(OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE) {
        return Err(ErrorCode::Invalid);
    }
    let create = match (open.contains(OpenFlags::CREATE), open.contains(OpenFlags::EXCLUSIVE)) {
        (false, _) => Create::Never,
        (true, false) => Create::Missing,
        (true, true) => Create::Always,
    };
    let truncate = open.contains(OpenFlags::TRUNCATE);
    let asked = flags.contains(DescriptorFlags::WRITE);
    // The system needs some access: without a flag, reading.
    let mode = Mode {
        read: flags.contains(DescriptorFlags::READ) || !asked,
        write: asked || truncate || create != Create::Never,
    };
    Ok(How { mode, follow: follow(path), create, truncate, directory })
}

#[cfg(target_os = "linux")]
fn advise(file: &File, offset: u64, len: u64, advice: Advice) -> io::Result<()> {
    let advice = match advice {
        Advice::Normal => rustix::fs::Advice::Normal,
        Advice::Sequential => rustix::fs::Advice::Sequential,
        Advice::Random => rustix::fs::Advice::Random,
        Advice::WillNeed => rustix::fs::Advice::WillNeed,
        Advice::DontNeed => rustix::fs::Advice::DontNeed,
        Advice::NoReuse => rustix::fs::Advice::NoReuse,
    };
    if offset > i64::MAX.unsigned_abs() || len > i64::MAX.unsigned_abs() {
        return Err(Errno::INVAL.into());
    }
    Ok(rustix::fs::fadvise(file, offset, std::num::NonZeroU64::new(len), advice)?)
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
fn advise(_: &File, _: u64, _: u64, _: Advice) -> io::Result<()> {
    Ok(())
}
