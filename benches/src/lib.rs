//! The parts that several benches share. Each bench is a program: `paths`, `gateways` and `durable`.
//!
//! | file | content |
//! |---|---|
//! | `effort.rs`, `report.rs` | the amount of work; the figures, their goals and the table |
//! | `process.rs` | the process that serves, on a core of its own, with its CPU time and memory |
//! | `manifest.rs` | the folder of a play |
//! | `load.rs` | requests over kept connections |

#![allow(missing_docs, clippy::missing_panics_doc)]

pub mod effort;
pub mod load;
pub mod manifest;
pub mod process;
pub mod report;
