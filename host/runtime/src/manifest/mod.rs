//! `playhouse.toml`, from text to a play that is known to be sound.
//!
//! | file | content |
//! |---|---|
//! | `schema` | the keys: meaning, example, default |
//! | `units` | sizes and times |
//! | `checks` | everything a type cannot say, by its topic: addresses, settings, grants, mailboxes; the result is a [`PlaySettings`] |
//! | `play` | the [`PlaySettings`]: values with their defaults |
//! | `http_server` | the part of it that is an HTTP server |
//! | `secrets` | the secrets that a manifest declares, without their values |
//! | `same_file` | the identity of a file, by which sources and sinks are compared |
//! | `problem` | the faults, as operators see them |
//! | `unknown_keys` | the reader, which goes on after a key that it does not know |
//! | `unknown_table` | the table behind an error of the reader of TOML |
//! | `flow` | the graph of senders and receivers: lines, circles, shutdown order |

mod checks;
pub mod flow;
mod http_server;
mod play;
mod plugin_folder;
mod problem;
mod same_file;
pub mod schema;
pub mod secrets;
pub mod units;
mod unknown_keys;
mod unknown_table;

use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};

pub use checks::understand;
pub use play::{
    HttpKey, HttpServer, HttpTarget, HttpTls, MailboxPluginSettings, MetricsSettings, PlayActor, PlayLimits,
    PlayPlugin, PlaySettings, PlaySink, PlaySource, Settings, SinkTarget, SourceOrigin,
};
pub use plugin_folder::PluginFolder;
pub use problem::{Problem, Problems, Source, nearest};

/// The reason why a manifest gives no play.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file could not be read.
    #[error("the manifest `{}` cannot be read: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The reason.
        error: std::io::Error,
    },
    /// The file was read, and has faults.
    #[error("{}", .0.render(false))]
    Wrong(Problems),
}

/// The largest value of a state: it passes the journal, and the memory of the actor.
pub(crate) const MOST_VALUE_BYTES: usize = 32 << 20;
/// Size of the largest manifest that is read, far above any real one.
const LONGEST_BYTES: u64 = 16 << 20;

/// Reads the manifest and looks into its plugins folder. The plugins themselves are not opened.
pub fn read(file: &Path) -> Result<PlaySettings, ManifestError> {
    let unreadable = |error| ManifestError::Unreadable { file: file.to_owned(), error };
    let mut bytes = Vec::new();
    let opened = open_regular(file, "a manifest").map_err(unreadable)?;
    opened.take(LONGEST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST_BYTES {
        let text = format!("it has over {} MiB", LONGEST_BYTES >> 20);
        return Err(unreadable(std::io::Error::new(std::io::ErrorKind::FileTooLarge, text)));
    }
    parse(file, bytes, PluginFolder::read).map_err(ManifestError::Wrong)
}

/// Opens a regular file; `what` names it in the error. Opening and reading a pipe or a device may wait without an end.
pub(crate) fn open_regular(file: &Path, what: &str) -> std::io::Result<std::fs::File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = rustix::fs::open(file, flags, Mode::empty())?;
    let found = match FileType::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode) {
        FileType::RegularFile => return Ok(opened.into()),
        FileType::Directory => "a folder",
        FileType::Fifo => "a pipe",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    };
    Err(std::io::Error::other(format!("it is {found}, and {what} is a regular file: save it as one")))
}

/// Reads a manifest's bytes; `file` has its name and its folder. `look` looks into the plugins folder.
pub fn parse(file: &Path, bytes: Vec<u8>, look: impl FnOnce(&Path) -> PluginFolder) -> Result<PlaySettings, Problems> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let what = format!("the manifest is no text in UTF-8: it has a byte {:#04x}", bytes[at]);
        // The text that is shown has a replacement character in place of the byte.
        let place = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
        let problem = Problem::at(place, what, "here").help("a manifest is a text in UTF-8: save it as such");
        Problems::new(Source::new(file, String::from_utf8_lossy(bytes).into_owned()), vec![problem])
    })?;
    understand(Source::new(file, text), folder_of(file), look)
}

/// The folder a manifest lies in; empty for the current one.
pub fn folder_of(manifest: &Path) -> &Path {
    manifest.parent().unwrap_or(Path::new(""))
}
