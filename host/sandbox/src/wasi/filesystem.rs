//! `wasi:filesystem` for granted folders. This implementation replaces wasmtime's own, which opens files of any kind, reads whole
//! listings, and bounds neither the threads that wait for a file system nor the use of the disk.
//!
//! | file | contents |
//! |---|---|
//! | `linker`, `view` | the interface in the linker; the state that its functions work on |
//! | `view::descriptor` | the interface's functions |
//! | `files` | the files of one incarnation |
//! | `open` | open files and folders; the kinds of files that are not opened |
//! | `streams`, `listing` | bytes and names, a piece at a time |
//! | `names`, `node` | making, removing and moving names, symbolic links; sizes of open files |
//! | `stat` | the metadata of a file |

mod files;
mod linker;
mod listing;
mod names;
mod node;
mod open;
mod stat;
mod streams;
mod view;

pub(crate) use files::{ActorFiles, Files};
pub(crate) use linker::add_to;
pub(crate) use view::View;
