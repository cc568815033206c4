//! Log lines: the events of `tracing` as lines of text, or of JSON with the same names and fields.
//!
//! | file | content |
//! |---|---|
//! | `format` | the formats |
//! | `line` | one event: its fields, and its two formats |
//! | `levels` | levels by actor, and the filter that applies them |

mod format;
mod levels;
mod line;

pub use format::LogFormat;
pub use levels::{LogFilter, LogLevels, SpawnedLevel};
pub use line::LogLine;
