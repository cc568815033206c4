//! Dead letters: the store that keeps them within its bounds, and the feed for a reader beside it.

pub(crate) mod feed;
mod shares;
pub(crate) mod store;
