//! Where a source goes on in a file after a start of the host, as the play's store keeps it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use playhouse_kernel::StoredOrigin;

/// The part that says that the source has begun: a file that comes later is read from its start.
pub(super) const BEGUN: &[u8] = b"";

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Device and inode.
    pub(super) key: (u64, u64),
    pub(super) truncations: u32,
    /// Where the next line begins.
    pub(super) next: u64,
    /// A digest of the first bytes, and their number, if there were any.
    pub(super) print: Option<(u64, usize)>,
}

impl Mark {
    /// The file, as a part of its source.
    pub(super) fn part(&self) -> Vec<u8> {
        part_of(self.key)
    }

    pub(super) fn value(&self) -> Vec<u8> {
        let (print, length) = self.print.unwrap_or_default();
        format!("{} {} {print:016x} {length}", self.truncations, self.next).into_bytes()
    }

    /// The mark that [`Mark::part`] and [`Mark::value`] wrote; `None` for anything else.
    pub(super) fn read(origin: &StoredOrigin) -> Option<Self> {
        let (part, value) = (std::str::from_utf8(&origin.position).ok()?, std::str::from_utf8(&origin.value).ok()?);
        let (device, inode) = part.split_once('-')?;
        let mut parts = value.split(' ');
        let mut next = || parts.next();
        let (truncations, start) = (next()?.parse().ok()?, next()?.parse().ok()?);
        let print = (u64::from_str_radix(next()?, 16).ok()?, next()?.parse().ok()?);
        Some(Self {
            key: (u64::from_str_radix(device, 16).ok()?, u64::from_str_radix(inode, 16).ok()?),
            truncations,
            next: start,
            print: Some(print).filter(|(_, length)| *length > 0),
        })
    }
}

/// A file as a part of its source.
pub(super) fn part_of((device, inode): (u64, u64)) -> Vec<u8> {
    format!("{device:x}-{inode:x}").into_bytes()
}

pub(super) fn key_of(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// The files beside `path` that these marks are of, those that were written last at the end.
pub(super) fn find_beside(path: &Path, marks: &[Mark]) -> io::Result<Vec<(PathBuf, Mark)>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // A file that is gone in the meantime is not there.
        let Ok(metadata) = entry.metadata() else { continue };
        let mark = marks.iter().find(|mark| metadata.is_file() && mark.key == key_of(&metadata));
        found.extend(mark.map(|mark| (metadata.modified().ok(), entry.path(), *mark)));
    }
    found.sort_by_key(|(written, ..)| *written);
    Ok(found.into_iter().map(|(_, path, mark)| (path, mark)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_comes_back_from_its_text() {
        let mark = Mark { key: (0xfd01, 77), truncations: 3, next: 4711, print: Some((u64::MAX, 12)) };
        for mark in [mark, Mark { print: None, next: 0, ..mark }] {
            let origin = StoredOrigin { position: mark.part(), value: mark.value() };
            assert_eq!(Mark::read(&origin), Some(mark));
        }
        let begun = StoredOrigin { position: BEGUN.into(), value: Vec::new() };
        assert_eq!(Mark::read(&begun), None);
    }
}
