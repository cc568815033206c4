//! Rules for any bytes that come from outside, one function for each input. A function panics when its rule is broken. `cargo
//! xtask fuzz` runs them on generated inputs; `tests/corpus.rs` runs them on the inputs in `corpus`.
//!
//! | function | interface |
//! |---|---|
//! | [`frames`] | the frames in which batches cross between host and guest |
//! | [`address`] | addresses, from operators and from guests |
//! | [`manifest`] | `playhouse.toml` |
//! | [`control`] | requests on the control socket, and the answers of hosts |
//! | [`component`] | files that are loaded as plugins |

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
