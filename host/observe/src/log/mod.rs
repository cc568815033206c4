//! Log lines: the events of `tracing` as lines of text, or of JSON with the same names and fields.
//!
//! | file | content |
//! |---|---|
//! | `format` | the formats |
//! | `line` | one event: its fields, and its two formats |

mod format;
mod line;

pub use format::LogFormat;
pub use line::LogLine;
