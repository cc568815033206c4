//! Files: a source that follows a file as `tail -F` does, line by line, and a sink that appends lines and rotates by size.
//!
//! | file | content |
//! |---|---|
//! | `lines` | from bytes to lines |
//! | `mark` | where a source goes on in a file |
//! | `opened` | one file, read while it grows |
//! | `tail` | one path, followed over rotation and truncation, without a task |
//! | `source` | the supply of a source |
//! | `append` | one file that is appended to, and its rotation, without a task |
//! | `sink` | the outlet of a sink |

mod append;
mod lines;
mod mark;
mod opened;
mod sink;
mod source;
mod tail;

pub use append::{Frame, Rotation};
pub use opened::From;
pub use sink::{FileOutlet, FileSinkSettings};
pub use source::{FileSourceSettings, FileSupply};
