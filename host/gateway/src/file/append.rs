//! A file that lines are appended to, and its rotation by size. This part has no task.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::sink::Outgoing;

/// The form of a message in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Frame {
    /// The body and a line end. A body with a line end in it is refused.
    #[default]
    Line,
    /// An object of JSON with id, flow, metadata and body, and a line end.
    Json,
}

/// The rotation of a file: `log` becomes `log.1`, that becomes `log.2`, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// A file that a line would make larger than this is rotated first.
    pub bytes: u64,
    /// Number of rotated files that are kept; at least 1.
    pub keep: u32,
}

/// The line of a message, with its end; the reason if it has none in this form.
pub(super) fn line(message: &Outgoing, frame: Frame) -> Result<Vec<u8>, String> {
    let mut line = match frame {
        Frame::Line if message.body.contains(&b'\n') => {
            return Err("the body has a line end, so that it is no line: set frame = \"json\"".into());
        }
        Frame::Line => message.body.clone(),
        Frame::Json => json(message).to_string().into_bytes(),
    };
    line.push(b'\n');
    Ok(line)
}

fn json(message: &Outgoing) -> serde_json::Value {
    let metadata: serde_json::Map<_, _> =
        message.metadata.pairs().map(|(key, value)| (key.to_owned(), value.into())).collect();
    let mut object = json!({
        "id": message.id.to_string(), "flow": message.flow.to_string(), "metadata": metadata,
        "body": STANDARD.encode(&message.body),
    });
    if let Ok(text) = std::str::from_utf8(&message.body) {
        object["text"] = text.into();
    }
    object
}

/// A file that is open for appending.
pub(super) struct Appended {
    path: PathBuf,
    file: File,
    /// Device and inode: another file may come to the path.
    identity: (u64, u64),
    bytes: u64,
    rotation: Option<Rotation>,
    /// Whether lines are on the disk before they count as written.
    sync: bool,
}

/// The outcome of appending several lines.
#[derive(Debug)]
pub(super) struct Written {
    /// Number of lines, from the first on, that are in the file.
    pub(super) lines: usize,
    /// Why the next line is not.
    pub(super) error: Option<io::Error>,
}

impl Appended {
    /// Opens the file, or makes it.
    pub(super) fn open(path: &Path, rotation: Option<Rotation>, sync: bool) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
        }
        let mut bytes = metadata.len();
        if !ends_with_line_end(&file, bytes)? {
            // The host ended in the middle of a line: the next one does not continue it.
            file.write_all(b"\n")?;
            bytes += 1;
        }
        let identity = (metadata.dev(), metadata.ino());
        Ok(Self { path: path.to_owned(), file, identity, bytes, rotation, sync })
    }

    /// Appends lines in order. Each is in the file as a whole or not at all.
    pub(super) fn append(&mut self, lines: &[Vec<u8>]) -> Written {
        let mut done = 0;
        let error = self.append_all(lines, &mut done).err();
        Written { lines: done, error }
    }

    fn append_all(&mut self, lines: &[Vec<u8>], done: &mut usize) -> io::Result<()> {
        self.follow()?;
        let mut written = 0;
        let result = self.write_until_error(lines, &mut written);
        // Lines that were written before an error are on the disk as well.
        self.sync()?;
        *done = written;
        result
    }

    fn write_until_error(&mut self, lines: &[Vec<u8>], written: &mut usize) -> io::Result<()> {
        while *written < lines.len() {
            let first = lines[*written].len() as u64;
            if self.rotation.is_some_and(|rotation| self.bytes > 0 && self.bytes + first > rotation.bytes) {
                self.rotate()?;
            }
            // As many lines as fit into this file are one write.
            let (mut piece, mut ends) = (Vec::new(), Vec::new());
            for line in &lines[*written..] {
                let bytes = self.bytes + (piece.len() + line.len()) as u64;
                if !piece.is_empty() && self.rotation.is_some_and(|rotation| bytes > rotation.bytes) {
                    break;
                }
                piece.extend_from_slice(line);
                ends.push(piece.len());
            }
            let (wrote, result) = write_most(&mut self.file, &piece);
            let whole = ends.partition_point(|end| *end <= wrote);
            let end = if whole == 0 { 0 } else { ends[whole - 1] };
            *written += whole;
            self.bytes += end as u64;
            if wrote > end {
                // A line was cut off: the next try writes it again.
                self.file.set_len(self.bytes)?;
            }
            result?;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.sync { self.file.sync_data() } else { Ok(()) }
    }

    /// Opens the path again if another program has rotated the file.
    fn follow(&mut self) -> io::Result<()> {
        let is_there = match std::fs::metadata(&self.path) {
            Ok(metadata) => (metadata.dev(), metadata.ino()) == self.identity,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if is_there {
            // Another program may have truncated it.
            self.bytes = self.file.metadata()?.len();
        } else {
            *self = Self::open(&self.path, self.rotation, self.sync)?;
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let Some(rotation) = self.rotation else { return Ok(()) };
        self.sync()?;
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..rotation.keep).rev() {
            rename(&numbered(number), &numbered(number + 1))?;
        }
        rename(&self.path, &numbered(1))?;
        *self = Self::open(&self.path, self.rotation, self.sync)?;
        Ok(())
    }
}

/// Renames a file, if it is there.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Writes until an error. Returns the number of bytes that were written.
fn write_most(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut done = 0;
    while done < bytes.len() {
        match file.write(&bytes[done..]) {
            Ok(0) => return (done, Err(ErrorKind::WriteZero.into())),
            Ok(count) => done += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (done, Err(error)),
        }
    }
    (done, Ok(()))
}

fn ends_with_line_end(file: &File, bytes: u64) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let Some(last) = bytes.checked_sub(1) else { return Ok(true) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte == *b"\n")
}

#[cfg(test)]
mod tests {
    use playhouse_kernel::{FlowId, MessageId, Metadata};

    use super::*;

    fn message(body: &[u8]) -> Outgoing {
        let mut metadata = Metadata::new();
        metadata.push("topic", "sold").expect("short");
        Outgoing { id: MessageId(7), flow: FlowId(5), hops: 0, metadata, body: body.to_vec() }
    }

    fn lines(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| format!("{text}\n").into_bytes()).collect()
    }

    struct Stage {
        folder: tempfile::TempDir,
        file: Appended,
    }

    fn stage(rotation: Option<Rotation>) -> Stage {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Appended::open(&folder.path().join("log"), rotation, true).expect("our own folder");
        Stage { folder, file }
    }

    impl Stage {
        fn append(&mut self, texts: &[&str]) {
            let written = self.file.append(&lines(texts));
            assert!(written.lines == texts.len() && written.error.is_none(), "{written:?}");
        }

        fn text(&self, name: &str) -> String {
            std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_else(|error| error.kind().to_string())
        }
    }

    #[test]
    fn frames_are_one_line_each() {
        assert_eq!(line(&message(b"a b"), Frame::Line), Ok(b"a b\n".to_vec()));
        assert!(line(&message(b"a\nb"), Frame::Line).is_err());
        let json = line(&message(b"a\n\xff"), Frame::Json).expect("any body");
        let value: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        assert_eq!((&value["body"], &value["metadata"]["topic"]), (&"YQr/".into(), &"sold".into()));
        assert_eq!((value.get("text"), json.iter().position(|byte| *byte == b'\n')), (None, Some(json.len() - 1)));
        let json = line(&message(b"a"), Frame::Json).expect("any body");
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&json).expect("JSON")["text"], "a");
    }

    #[test]
    fn rotation_keeps_the_newest_files() {
        let mut stage = stage(Some(Rotation { bytes: 4, keep: 2 }));
        stage.append(&["a", "b", "c", "d", "e"]);
        stage.append(&["f", "g", "long line", "h"]);
        assert_eq!([stage.text("log"), stage.text("log.1"), stage.text("log.2")], ["h\n", "long line\n", "g\n"]);
        assert_eq!(stage.text("log.3"), "entity not found");
    }

    #[test]
    fn rotation_by_another_program_is_followed() {
        let mut stage = stage(None);
        stage.append(&["a"]);
        std::fs::rename(stage.folder.path().join("log"), stage.folder.path().join("old")).expect("our own folder");
        stage.append(&["b"]);
        assert_eq!([stage.text("old"), stage.text("log")], ["a\n", "b\n"]);
    }

    #[test]
    fn unfinished_line_of_before_is_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("log"), "cut off").expect("our own folder");
        let file = Appended::open(&folder.path().join("log"), None, false).expect("our own folder");
        let mut stage = Stage { folder, file };
        stage.append(&["next"]);
        assert_eq!(stage.text("log"), "cut off\nnext\n");
    }

    #[test]
    fn full_disk_is_an_error_and_keeps_whole_lines() {
        let mut full = OpenOptions::new().write(true).open("/dev/full").expect("a device of Linux");
        let (wrote, result) = write_most(&mut full, b"abc");
        assert_eq!((wrote, result.expect_err("it is full").kind()), (0, ErrorKind::StorageFull));
    }
}
