//! The format of the log.

use serde::Deserialize;

/// The format of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Lines for readers.
    #[default]
    Text,
    /// An object in each line.
    Json,
}
