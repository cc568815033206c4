//! State in the store, for components: through the SDK in both interfaces, as a saved value, and through `wasi:keyvalue`.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod play;
mod rules;
