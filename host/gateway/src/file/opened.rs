//! One file that is read while it grows. It is truncated when it is shorter than the part that was read, or when its first bytes are
//! others than before.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::lines::{Line, Lines};
use super::mark::Mark;

/// Bytes of a read.
const READ_BYTES: usize = 64 << 10;
/// A poll ends when it has about this many bytes of lines.
const POLL_BYTES: usize = 1 << 20;
/// Bytes of the fingerprint, at most: the first line, or its beginning.
const PRINT_BYTES: usize = 256;

/// Where to begin with the first file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum From {
    /// With the line that is the last one now, if it has no end yet, or else with the next one.
    #[default]
    End,
    /// With the first line.
    Start,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The file and the place: the same each time that the line is read.
    pub(super) position: String,
    /// The line.
    pub(super) line: Line,
    /// The place after it.
    pub(super) mark: Mark,
}

/// A file that is read.
pub(super) struct Opened {
    file: File,
    device: u64,
    inode: u64,
    /// A digest of the first bytes, and their number; `None` until the file has a line.
    print: Option<(u64, usize)>,
    pub(super) truncations: u32,
    read_to: u64,
    pub(super) lines: Lines,
    /// Whether its place is kept, or follows from a line of it.
    pub(super) is_marked: bool,
}

/// The outcome of one read.
pub(super) struct Read {
    /// Whether there were new bytes.
    pub(super) is_new: bool,
    /// Whether all bytes were read.
    pub(super) is_at_end: bool,
}

impl Opened {
    pub(super) fn open(path: &Path, from: From, most: usize) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
        }
        let start = match from {
            From::Start => 0,
            From::End => last_line(&file, metadata.len(), most)?,
        };
        let (device, inode) = (metadata.dev(), metadata.ino());
        let lines = Lines::from(start, most);
        let (read_to, is_marked) = (start, false);
        let mut opened = Self { file, device, inode, print: None, truncations: 0, read_to, lines, is_marked };
        opened.print = opened.first_bytes()?;
        Ok(opened)
    }

    pub(super) fn key(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// The mark of a place in it.
    pub(super) fn mark(&self, next: u64) -> Mark {
        Mark { key: self.key(), truncations: self.truncations, next, print: self.print }
    }

    /// Whether it is the file of a mark, as far as its length and its first bytes tell.
    pub(super) fn has_mark(&self, mark: &Mark) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() >= mark.next && self.has_print(mark.print)?)
    }

    /// Goes on where a mark says, or at the start if the file was written anew.
    pub(super) fn go_on(&mut self, mark: &Mark, most: usize) -> io::Result<()> {
        self.is_marked = self.has_mark(mark)?;
        if self.is_marked {
            self.print = mark.print.or(self.print);
        }
        self.truncations = mark.truncations + u32::from(!self.is_marked);
        self.read_to = if self.is_marked { mark.next } else { 0 };
        self.lines = Lines::from(self.read_to, most);
        Ok(())
    }

    /// Reads lines until the end of the file, or until there are enough.
    pub(super) fn read(
        &mut self,
        longest: usize,
        most: usize,
        bytes: &mut usize,
        found: &mut Vec<Found>,
    ) -> io::Result<Read> {
        let length = self.file.metadata()?.len();
        if length < self.read_to || (length > self.read_to && !self.has_same_print()?) {
            self.give_up(found);
            self.truncations += 1;
            self.print = None;
            self.read_to = 0;
            self.lines = Lines::from(0, longest);
        }
        let mut piece = vec![0; READ_BYTES];
        let (mut is_new, mut is_at_end) = (false, false);
        while found.len() < most && *bytes < POLL_BYTES {
            let count = match self.file.read_at(&mut piece, self.read_to) {
                Ok(0) => {
                    is_at_end = true;
                    break;
                }
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            is_new = true;
            self.read_to += count as u64;
            let mut lines = Vec::new();
            self.lines.push(&piece[..count], |line| lines.push(line));
            if !lines.is_empty() && self.print.is_none() {
                self.print = self.first_bytes()?;
            }
            for line in lines {
                *bytes += line.bytes.len();
                self.is_marked = true;
                found.push(Found { position: self.position(line.start), mark: self.mark(line.next), line });
            }
        }
        Ok(Read { is_new, is_at_end })
    }

    /// Ends the line that has no end: no more of it will come.
    pub(super) fn give_up(&mut self, found: &mut Vec<Found>) {
        if let Some(line) = self.lines.finish() {
            self.is_marked = true;
            found.push(Found { position: self.position(line.start), mark: self.mark(line.next), line });
        }
    }

    fn position(&self, start: u64) -> String {
        let (print, _) = self.print.unwrap_or_default();
        format!("{:x}-{:x}-{print:016x}-{}-{start}", self.device, self.inode, self.truncations)
    }

    /// The digest of the first line, or of its first bytes if it is long, and their number; `None` while it has no end.
    fn first_bytes(&self) -> io::Result<Option<(u64, usize)>> {
        let mut first = [0; PRINT_BYTES];
        let count = self.read_first(&mut first)?;
        let line = first[..count].iter().position(|byte| *byte == b'\n').map(|end| end + 1);
        let print = line.or_else(|| (count == PRINT_BYTES).then_some(count));
        Ok(print.map(|line| (digest(&first[..line]), line)))
    }

    /// Whether the first bytes are those of before.
    fn has_same_print(&self) -> io::Result<bool> {
        self.has_print(self.print)
    }

    /// Whether the first bytes are these.
    fn has_print(&self, print: Option<(u64, usize)>) -> io::Result<bool> {
        let Some((print, length)) = print else { return Ok(true) };
        let mut first = [0; PRINT_BYTES];
        let count = self.read_first(&mut first[..length])?;
        Ok(digest(&first[..count]) == print)
    }

    fn read_first(&self, first: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        while count < first.len() {
            match self.file.read_at(&mut first[count..], count as u64) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }
}

fn digest(bytes: &[u8]) -> u64 {
    let digest = Sha256::digest(bytes);
    u64::from_be_bytes(std::array::from_fn(|n| digest[n]))
}

/// The place after the last line end of a file of this length, or its end if the last line is longer than `most`.
fn last_line(file: &File, length: u64, most: usize) -> io::Result<u64> {
    let mut piece = vec![0; READ_BYTES];
    let mut end = length;
    while end > 0 && length - end <= most as u64 {
        let start = end.saturating_sub(READ_BYTES as u64);
        #[allow(clippy::cast_possible_truncation)] // at most the bytes of a read
        let piece = &mut piece[..(end - start) as usize];
        file.read_exact_at(piece, start)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(if end == 0 { 0 } else { length })
}
