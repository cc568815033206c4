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
//! | [`direct`] | programs that are called with their component and without it |
//! | [`entries`] | entries that are written to a store |
//! | [`store`] | the files of a store |

mod address;
mod component;
mod control;
mod direct;
mod entries;
mod frames;
mod manifest;
mod store;

pub use address::address;
pub use component::component;
pub use control::control;
pub use direct::direct;
pub use entries::entries;
pub use frames::frames;
pub use manifest::manifest;
pub use store::store;
