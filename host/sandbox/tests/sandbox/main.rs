//! The sandbox under the real kernel, with components written by hand.
// expect-test writes `r#`.
#![allow(clippy::unwrap_used, clippy::needless_raw_string_hashes, missing_docs, unreachable_pub)]

mod actors;
mod budgets;
mod caching;
mod limits;
mod loading;
mod logging;
mod play;
#[allow(dead_code)]
mod template;
