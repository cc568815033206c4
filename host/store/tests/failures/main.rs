//! Everything that may be wrong with the folder, the file or the disk of a store.

#![allow(missing_docs, clippy::unwrap_used)]

mod backups;
mod damage;
mod filled;
mod log;
mod looks;
mod refused;
mod space;
mod stopped;
