//! The result of handlers and hooks, and its error.

pub use anyhow::Error;

/// The result of handlers and hooks. Each error type converts into its error, so `?` works.
///
/// ```
/// fn quantity(text: &str) -> playhouse_sdk::Result<u32> {
///     Ok(text.trim().parse()?)
/// }
/// assert_eq!(quantity(" 3 ").unwrap(), 3);
/// ```
pub type Result<T = (), E = Error> = std::result::Result<T, E>;
