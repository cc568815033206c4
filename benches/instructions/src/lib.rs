//! Plays whose instructions are counted: plain Rust actors on one thread, under a clock that stands still, so that the
//! same work takes the same path each time.
//!
//! | file | content |
//! |---|---|
//! | `actors.rs` | the actors |
//! | `scene.rs` | plays of them, and their counted work |
//! | `../kernel.rs`, `../frames.rs` | the counted functions, by name |
//! | `../counts.toml` | the counts |
//! | `../sandbox` | the same for sandboxed actors, a program of its own: this package is built without wasmtime |

mod actors;
mod scene;

pub use actors::{BODY, frame_of_tells};
pub use scene::Scene;
