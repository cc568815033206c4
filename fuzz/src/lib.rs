//! Rules for any bytes that come from outside, one function for each input. A function panics when its rule
//! is broken. `cargo xtask fuzz` feeds them what a fuzzer makes up; `tests/corpus.rs` what is kept in `corpus`.
//!
//! | function | the door |
//! |---|---|
//! | [`frames`] | the frames in which batches cross between host and guest |
//! | [`address`] | addresses, from people and from guests |
//! | [`manifest`] | `playhouse.toml` |
//! | [`control`] | requests on the control socket, and what hosts answer |
//! | [`component`] | a file that is to be a plugin |

mod address;
mod component;
mod control;
mod frames;
mod manifest;

pub use address::address;
pub use component::component;
pub use control::control;
pub use frames::frames;
pub use manifest::manifest;
