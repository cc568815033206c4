//! Dead letters: the store that keeps them within its bounds.

mod shares;
pub(crate) mod store;
