//! The names in a folder, read in pieces: a stream that a guest keeps open holds one piece, for a folder of any size.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorType, DirectoryEntry};

use super::files::Files;
use crate::grants::Folder;
use crate::limits::Descriptor;

/// The system's records of one piece. A record takes at least 24 bytes, so a piece has at most 256 names.
#[cfg(target_os = "linux")]
const PIECE_BYTES: usize = 256 * 24;

/// A stream of the names in one folder.
pub(crate) struct Listing {
    /// The open folder, with its count as a descriptor.
    reader: Arc<(Reader, Descriptor)>,
    piece: VecDeque<DirectoryEntry>,
    ended: bool,
    folder: Arc<Folder>,
    /// The number of names so far that are not UTF-8, which WASI cannot pass to a guest.
    left_out: u64,
}

/// One piece, and the number of names that it leaves out; none at the end.
type Piece = Option<(VecDeque<DirectoryEntry>, u64)>;

impl Listing {
    /// Begins a listing. Blocks.
    pub(crate) fn open(dir: &File, folder: Arc<Folder>, counted: Descriptor) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = File::from(openat(dir, c".", flags, Mode::empty())?);
        let reader = Arc::new((Reader::new(dir)?, counted));
        Ok(Self { reader, piece: VecDeque::new(), ended: false, folder, left_out: 0 })
    }

    /// The next name; none at the end.
    pub(crate) async fn next(&mut self, files: &Files) -> FsResult<Option<DirectoryEntry>> {
        while self.piece.is_empty() && !self.ended {
            let reader = self.reader.clone();
            match files.run(move || reader.0.read()).await? {
                Some((piece, left_out)) => {
                    self.piece = piece;
                    self.left_out += left_out;
                }
                None => self.ended = true,
            }
        }
        Ok(self.piece.pop_front())
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        let _ = self.folder.log_left_out(self.left_out);
    }
}

#[cfg(target_os = "linux")]
struct Reader(File);

#[cfg(target_os = "linux")]
impl Reader {
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
    fn new(dir: File) -> io::Result<Self> {
        Ok(Self(dir))
    }

    fn read(&self) -> io::Result<Piece> {
        let mut buffer = [std::mem::MaybeUninit::uninit(); PIECE_BYTES];
        let mut records = rustix::fs::RawDir::new(&self.0, &mut buffer);
        let mut piece = (VecDeque::new(), 0);
        let mut any = false;
        while let Some(record) = records.next() {
            let record = record?;
            any = true;
            add(&mut piece, &self.0, record.file_name(), record.file_type());
            if records.is_buffer_empty() {
                break;
            }
        }
        Ok(any.then_some(piece))
    }
}

#[cfg(not(target_os = "linux"))]
struct Reader(File, std::sync::Mutex<rustix::fs::Dir>);

#[cfg(not(target_os = "linux"))]
impl Reader {
    fn new(dir: File) -> io::Result<Self> {
        let records = rustix::fs::Dir::read_from(&dir)?;
        Ok(Self(dir, std::sync::Mutex::new(records)))
    }

    fn read(&self) -> io::Result<Piece> {
        let mut records = self.1.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut piece = (VecDeque::new(), 0);
        let mut any = false;
        for record in records.by_ref().take(256) {
            let record = record?;
            any = true;
            add(&mut piece, &self.0, record.file_name(), record.file_type());
        }
        Ok(any.then_some(piece))
    }
}

fn add((names, left_out): &mut (VecDeque<DirectoryEntry>, u64), dir: &File, name: &CStr, kind: FileType) {
    if matches!(name.to_bytes(), b"." | b"..") {
        return;
    }
    let Ok(text) = name.to_str() else {
        *left_out += 1;
        return;
    };
    // Some file systems do not give the type of a file in a listing.
    let kind = match kind {
        FileType::Unknown => match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => FileType::from_raw_mode(stat.st_mode),
            Err(_) => FileType::Unknown,
        },
        known => known,
    };
    let type_ = match kind {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::Fifo => DescriptorType::Fifo,
        FileType::Socket => DescriptorType::Socket,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        FileType::Unknown => DescriptorType::Unknown,
    };
    names.push_back(DirectoryEntry { type_, name: text.to_owned() });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Account, Descriptors};

    #[test]
    fn piece_has_at_most_256_names() {
        let top = tempfile::tempdir().unwrap();
        for n in 0..1000 {
            std::fs::write(top.path().join(n.to_string()), "").unwrap();
        }
        let folder = Arc::new(Folder::open(top.path(), "/x", false).unwrap());
        let account = Arc::new(Account::new("all", 1, None));
        let counted = Descriptors::new(1).take(&account, None).unwrap();
        let listing = Listing::open(&File::open(top.path()).unwrap(), folder, counted).unwrap();
        let mut names = Vec::new();
        while let Some((piece, left_out)) = listing.reader.0.read().unwrap() {
            assert!(piece.len() <= 256 && left_out == 0, "{}", piece.len());
            names.extend(piece.into_iter().map(|entry| entry.name.parse::<u32>().unwrap()));
        }
        names.sort_unstable();
        assert!(names.into_iter().eq(0..1000));
    }
}
