//! Files that several sinks, or a sink and a source, have in common.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;

use super::files::KEEP;
use super::findings::Checks;
use crate::manifest::problem::Problem;
use crate::manifest::same_file::same_file;
use crate::manifest::schema::{Manifest, Sink, SinkKind, SourceKind};
use crate::printable::Printable;

/// A file that a sink writes.
struct Written<'m> {
    sink: &'m str,
    place: Range<usize>,
    is_rotated: bool,
}

impl Checks {
    /// Refuses files that two sinks write to, and sources that read the dead letters which their own messages may become.
    pub(super) fn shared_files(&mut self, manifest: &Manifest) {
        let mut files: BTreeMap<PathBuf, Written<'_>> = BTreeMap::new();
        for sink in manifest.sink.iter().filter(|sink| *sink.kind.get_ref() == SinkKind::File) {
            let Some(path) = &sink.path else { continue };
            for (n, name) in names_of(sink, path.get_ref()).into_iter().enumerate() {
                let file = same_file(&self.beside.join(&name));
                let written = Written { sink: sink.address.get_ref(), place: path.span(), is_rotated: n > 0 };
                let Some(first) = files.get(&file) else {
                    files.insert(file, written);
                    continue;
                };
                let what = if first.is_rotated || written.is_rotated {
                    format!("`{}` is a rotated file of one sink, and another sink writes to it", Printable(&name))
                } else {
                    format!("two sinks write to `{}`", Printable(&name))
                };
                let problem = Problem::at(path.span(), what, "here").and_at(first.place.clone(), "and here");
                self.add(problem.help("a file has one writer: give one of the sinks another `path`"));
                break;
            }
        }
        let Some(letters) = &manifest.play.dead_letters.to else { return };
        for source in manifest.source.iter().filter(|source| *source.kind.get_ref() == SourceKind::File) {
            let Some(path) = &source.path else { continue };
            let file = same_file(&self.beside.join(path.get_ref()));
            if let Some(written) = files.get(&file).filter(|written| written.sink == letters.get_ref()) {
                let what = "the source reads the dead letters, so that a letter about one of them is read again, without an end";
                let problem = Problem::at(path.span(), what, "read here").and_at(written.place.clone(), "written here");
                self.add(problem.help("send the letters to another file, and read that with another play"));
            }
        }
    }
}

/// The names of a sink's files: that of `path`, then those that a rotation makes.
fn names_of(sink: &Sink, path: &str) -> Vec<String> {
    let rotate = sink.rotate.as_ref().map(Spanned::get_ref);
    let keep = rotate.map_or(0, |rotate| rotate.keep.map_or(KEEP, |keep| keep.0));
    let rotated = (1..=keep.min(MOST_ROTATED)).map(|n| format!("{path}.{n}"));
    std::iter::once(path.to_owned()).chain(rotated).collect()
}

/// Rotated files of a sink that are compared with other files.
const MOST_ROTATED: u32 = 100;
