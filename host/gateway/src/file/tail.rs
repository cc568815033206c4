//! The reader of a file that grows, as `tail -F` reads it: over rotation by rename and over truncation. This part has no task: each
//! [`Tail::poll`] looks at the file once.
//!
//! A file that was replaced is read on for some time, since its writer may not know yet.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::mark::{Mark, find_beside, key_of};
use super::opened::{Found, From, Opened};

/// Time without a new byte after which a file that was replaced is given up.
const QUIET: Duration = Duration::from_secs(10);
/// Maximum number of files that were replaced and are not read to their end. With so many, the path is not looked at.
const MOST_REPLACED: usize = 16;

/// The reader of one path.
pub(super) struct Tail {
    path: PathBuf,
    most: usize,
    /// Where to begin, until there was a first look.
    from: Option<From>,
    /// The file at the path.
    current: Option<Opened>,
    /// Those that were there before, the oldest first.
    replaced: VecDeque<(Opened, Instant)>,
    /// Where to go on, until there was a first look.
    marks: Vec<Mark>,
    kept: Option<KeptFiles>,
}

/// The notes of files whose places are kept.
#[derive(Default)]
struct KeptFiles {
    /// The truncations of each file, by device and inode. A later file with the same numbers counts on.
    truncations: HashMap<(u64, u64), u32>,
    /// Files that are given up.
    ended: Vec<(u64, u64)>,
}

impl Tail {
    /// A reader that keeps lines of at most `most` bytes whole.
    pub(super) fn new(path: PathBuf, from: From, most: usize) -> Self {
        let (marks, replaced) = (Vec::new(), VecDeque::new());
        Self { path, most, from: Some(from), current: None, replaced, marks, kept: None }
    }

    /// Lets the places be kept, and goes on at these ones. `begun`: the source has run before, so that new files are read from their
    /// start. Before the first look.
    pub(super) fn go_on(&mut self, marks: Vec<Mark>, begun: bool) {
        self.kept = Some(KeptFiles::default());
        self.marks = marks;
        if begun {
            self.from = Some(From::Start);
        }
    }

    /// The places in files of which nothing is kept yet.
    pub(super) fn new_marks(&mut self) -> Vec<Mark> {
        let files = self.replaced.iter_mut().map(|(file, _)| file).chain(&mut self.current);
        let new = files.filter_map(|file| {
            let is_new = !std::mem::replace(&mut file.is_marked, true);
            is_new.then(|| file.mark(file.lines.start()))
        });
        new.collect()
    }

    /// The files that were given up, and are not there as others now: nothing comes from them any more. `has_lines`: whether lines
    /// of a file have not ended, so that it is named later.
    pub(super) fn take_ended(&mut self, has_lines: impl Fn((u64, u64)) -> bool) -> Vec<(u64, u64)> {
        let Some(kept) = &mut self.kept else { return Vec::new() };
        let open = self.replaced.iter().map(|(file, _)| file).chain(&self.current);
        let open: Vec<_> = open.map(Opened::key).collect();
        let (later, now) = std::mem::take(&mut kept.ended).into_iter().partition(|key| has_lines(*key));
        kept.ended = later;
        // The next lines of a file with the same numbers replace its place.
        let ended: Vec<_> = Vec::into_iter(now).filter(|key| !open.contains(key)).collect();
        for key in &ended {
            kept.truncations.remove(key);
        }
        ended
    }

    /// The path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the file, and returns the lines that it has now: about `most` of them, in the order in which they were written.
    pub(super) fn poll(&mut self, most: usize, now: Instant) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        match self.look(now).and_then(|()| self.read(most, now, &mut found)) {
            // Lines that were read are not read again: the error is met once more by the next poll.
            Err(error) if found.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    fn read(&mut self, most: usize, now: Instant, found: &mut Vec<Found>) -> io::Result<()> {
        let mut bytes = 0;
        for (file, last) in &mut self.replaced {
            let read = file.read(self.most, most, &mut bytes, found)?;
            if read.is_new || !read.is_at_end {
                *last = now;
            }
        }
        while let Some((file, last)) = self.replaced.front_mut()
            && now.saturating_duration_since(*last) >= QUIET
        {
            file.give_up(found);
            if let Some(kept) = &mut self.kept {
                kept.truncations.insert(file.key(), file.truncations);
                kept.ended.push(file.key());
            }
            self.replaced.pop_front();
        }
        if let Some(current) = &mut self.current {
            current.read(self.most, most, &mut bytes, found)?;
        }
        Ok(())
    }

    fn has_folder(&self) -> bool {
        self.path.parent().is_none_or(|folder| folder.as_os_str().is_empty() || folder.is_dir())
    }

    /// Opens the file at the path if it is another one than before.
    fn look(&mut self, now: Instant) -> io::Result<()> {
        if self.replaced.len() >= MOST_REPLACED {
            return Ok(());
        }
        let from = self.from.unwrap_or(From::Start);
        match std::fs::metadata(&self.path) {
            Ok(at_path) => {
                let is_current = |file: &Opened| file.key() == key_of(&at_path);
                if self.current.as_ref().is_some_and(is_current) {
                    return Ok(());
                }
                if !at_path.is_file() {
                    // A pipe would make the call that opens it wait.
                    return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
                }
                let opened = self.open(from)?;
                if let Some(before) = self.current.replace(opened) {
                    self.replaced.push_back((before, now));
                }
            }
            // The file may come, but a folder that is not there is an error of an operator.
            Err(error) if error.kind() == ErrorKind::NotFound && self.has_folder() => {}
            Err(error) => return Err(error),
        }
        // A file that comes later is new, and is read from its start.
        self.from = None;
        if !self.marks.is_empty() {
            self.open_renamed(now)?;
        }
        Ok(())
    }

    /// Opens the file at the path.
    fn open(&mut self, from: From) -> io::Result<Opened> {
        let mut opened = Opened::open(&self.path, from, self.most)?;
        let key = opened.key();
        if let Some(at) = self.marks.iter().position(|mark| mark.key == key) {
            opened.go_on(&self.marks.swap_remove(at), self.most)?;
        } else if let Some(before) = self.kept.as_ref().and_then(|kept| kept.truncations.get(&key)) {
            opened.truncations = before + 1;
        }
        self.note(&opened);
        Ok(opened)
    }

    fn note(&mut self, opened: &Opened) {
        if let Some(kept) = &mut self.kept {
            kept.truncations.insert(opened.key(), opened.truncations);
        }
    }

    /// Opens the files that were at the path when the host ran last, and have another name now.
    fn open_renamed(&mut self, now: Instant) -> io::Result<()> {
        for (path, mark) in find_beside(&self.path, &self.marks)? {
            let mut opened = Opened::open(&path, From::Start, self.most)?;
            if opened.key() != mark.key || !opened.has_mark(&mark)? {
                continue;
            }
            opened.go_on(&mark, self.most)?;
            self.note(&opened);
            self.marks.retain(|other| *other != mark);
            self.replaced.push_back((opened, now));
        }
        // Those that are not there: gone, or written anew.
        let gone = std::mem::take(&mut self.marks).into_iter().map(|mark| mark.key);
        self.kept.iter_mut().for_each(|kept| kept.ended.extend(gone.clone()));
        if self.current.is_none() {
            self.current = self.replaced.pop_back().map(|(file, _)| file);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;

    struct Stage {
        folder: tempfile::TempDir,
        tail: Tail,
        now: Instant,
    }

    fn stage(before: Option<&str>, from: From) -> Stage {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        if let Some(text) = before {
            std::fs::write(&path, text).expect("our own folder");
        }
        let tail = Tail::new(path, from, 20);
        let mut stage = Stage { folder, tail, now: Instant::now() };
        if from == From::End {
            assert_eq!(stage.read(), [""; 0], "what was there before");
        }
        stage
    }

    impl Stage {
        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn append(&self, name: &str, text: &str) {
            let file = OpenOptions::new().append(true).create(true).open(self.path(name));
            file.and_then(|mut file| file.write_all(text.as_bytes())).expect("our own folder");
        }

        fn rename(&self, from: &str, to: &str) {
            std::fs::rename(self.path(from), self.path(to)).expect("our own folder");
        }

        fn found(&mut self) -> Vec<Found> {
            self.tail.poll(100, self.now).expect("readable")
        }

        fn read(&mut self) -> Vec<String> {
            let found = self.found();
            found.into_iter().map(|found| String::from_utf8(found.line.bytes).expect("text")).collect()
        }
    }

    #[test]
    fn begins_at_the_end_without_cutting_a_line() {
        let mut stage = stage(Some("old\nhal"), From::End);
        stage.append("log", "f\nnew\n");
        assert_eq!(stage.read(), ["half", "new"]);
        stage.append("log", "more\nrest");
        assert_eq!(stage.read(), ["more"]);
    }

    #[test]
    fn start_reads_all() {
        assert_eq!(stage(Some("a\nb\nc"), From::Start).read(), ["a", "b"]);
    }

    #[test]
    fn file_that_comes_later_is_read_from_its_start() {
        let mut stage = stage(None, From::End);
        assert_eq!(stage.read(), [""; 0]);
        stage.append("log", "first\n");
        assert_eq!(stage.read(), ["first"]);
    }

    #[test]
    fn rename_loses_no_line_before_or_after() {
        let mut stage = stage(Some(""), From::End);
        stage.append("log", "1\n2");
        assert_eq!(stage.read(), ["1"]);
        stage.append("log", "\n3\n");
        stage.rename("log", "log.1");
        stage.append("log", "5\n");
        stage.append("log.1", "4\n");
        assert_eq!(stage.read(), ["2", "3", "4", "5"]);
        stage.append("log.1", "late\nlast");
        stage.append("log", "6\n");
        assert_eq!(stage.read(), ["late", "6"]);
        stage.now += QUIET;
        assert_eq!(stage.read(), ["last"], "its writer has another file");
        stage.append("log.1", "too late\n");
        stage.append("log", "7\n");
        assert_eq!(stage.read(), ["7"]);
    }

    #[test]
    fn renamed_file_is_read_while_no_other_is_there() {
        let mut stage = stage(Some(""), From::End);
        stage.rename("log", "log.1");
        stage.append("log.1", "1\n");
        assert_eq!(stage.read(), ["1"]);
    }

    #[test]
    fn truncation_begins_again_and_changes_positions() {
        let mut stage = stage(Some("a\nb\n"), From::Start);
        let before = stage.found();
        std::fs::write(stage.path("log"), "").expect("our own folder");
        assert_eq!(stage.read(), [""; 0]);
        stage.append("log", "a\nb\nc\n");
        let after = stage.found();
        assert_eq!(after.len(), 3);
        assert!(before.iter().all(|line| after.iter().all(|other| other.position != line.position)));
    }

    #[test]
    fn truncation_is_seen_although_the_file_is_longer_again() {
        let mut stage = stage(Some("a\nb\n"), From::Start);
        assert_eq!(stage.read(), ["a", "b"]);
        std::fs::write(stage.path("log"), "other\nlines\nthan before\n").expect("our own folder");
        assert_eq!(stage.read(), ["other", "lines", "than before"]);
    }

    #[test]
    fn unfinished_line_of_a_truncated_file_is_a_line() {
        let mut stage = stage(Some("a\nhal"), From::Start);
        assert_eq!(stage.read(), ["a"]);
        std::fs::write(stage.path("log"), "f\n").expect("our own folder");
        assert_eq!(stage.read(), ["hal", "f"]);
    }

    #[test]
    fn positions_name_file_and_place() {
        let mut stage = stage(Some("a\nb\n"), From::Start);
        let positions: Vec<_> = stage.found().into_iter().map(|found| found.position).collect();
        assert!(positions[0].ends_with("-0-0") && positions[1].ends_with("-0-2"), "{positions:?}");
        let mut again = Tail::new(stage.path("log"), From::Start, 20);
        let second: Vec<_> =
            again.poll(9, stage.now).expect("readable").into_iter().map(|found| found.position).collect();
        assert_eq!(positions, second);
    }

    #[test]
    fn few_lines_are_returned_at_a_time_and_none_is_lost() {
        let text: String = (0..100_000).fold(String::new(), |text, n| text + &n.to_string() + "\n");
        let mut stage = stage(Some(&text), From::Start);
        let mut all = String::new();
        let mut polls = 0;
        while all.len() < text.len() {
            for line in stage.tail.poll(10, stage.now).expect("readable") {
                all += std::str::from_utf8(&line.line.bytes).expect("text");
                all.push('\n');
            }
            polls += 1;
        }
        assert!(all == text && polls > 5, "{polls}");
    }

    #[test]
    fn slow_reader_keeps_replaced_files_until_their_end() {
        let mut stage = stage(Some(&"x\n".repeat(60_000)), From::Start);
        stage.tail.poll(1, stage.now).expect("readable");
        stage.rename("log", "log.1");
        stage.append("log", "new\n");
        let mut all = Vec::new();
        for _ in 0..10 {
            stage.now += QUIET;
            all.extend(stage.tail.poll(1, stage.now).expect("readable"));
        }
        assert_eq!(all.last().expect("lines").line.bytes, b"new");
        assert!(all.len() > 20_000, "{}", all.len());
    }

    #[test]
    fn folder_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = Tail::new(folder.path().to_owned(), From::Start, 20).poll(1, Instant::now()).expect_err("a folder");
        assert!(error.to_string().contains("no regular file"), "{error}");
    }
}
