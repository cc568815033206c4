//! `playhouse.toml`, from text to a play that is known to be sound.
//!
//! | file | what lives there |
//! |---|---|
//! | `schema` | the keys: meaning, example, default |
//! | `units` | sizes and times |
//! | `checks` | everything a type cannot say; the result is a [`Play`] |
//! | `settings` | the part of it that concerns one actor, or one plugin to spawn |
//! | `mailbox` | the part that concerns a mailbox, and the plugin that decides about it |
//! | `play` | the [`Play`]: values with their defaults |
//! | `problem` | what is wrong, as people see it |
//! | `flow` | who sends to whom: lines, circles, shutdown order |

mod checks;
pub mod flow;
mod mailbox;
mod play;
mod problem;
pub mod schema;
mod settings;
pub mod units;

use std::path::{Path, PathBuf};

pub use checks::{PluginFolder, understand};
pub use play::{MailboxPluginSettings, Play, PlayActor, PlayPlugin, Settings};
pub use problem::{Problem, Problems, Source, nearest};

/// Why there is no play.
#[derive(Debug)]
pub enum ManifestError {
    /// The file could not be read.
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It was read, and it is wrong.
    Wrong(Problems),
}

/// Reads the manifest and looks into its plugins folder. The plugins themselves are not opened.
pub fn read(file: &Path) -> Result<Play, ManifestError> {
    let unreadable = |error| ManifestError::Unreadable { file: file.to_owned(), error };
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let beside = folder_of(file);
    understand(Source::new(file, text), beside, PluginFolder::read).map_err(ManifestError::Wrong)
}

/// The folder a manifest lies in; empty for the current one.
pub fn folder_of(manifest: &Path) -> &Path {
    manifest.parent().unwrap_or(Path::new(""))
}
