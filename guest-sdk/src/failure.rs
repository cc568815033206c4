//! The failure of a message: the two verdicts, the functions that make them, and the search for one in an error.

use std::fmt::Display;

use crate::result::{Error, Result};

/// The verdict on a failed message. The actor continues in both cases.
///
/// Any error becomes one: `Retry`, unless a [`reject`] is somewhere in its chain. The text is the whole chain.
///
/// ```
/// use playhouse_sdk::{Failure, anyhow::Context as _, reject};
///
/// let plain = std::fs::read("/no/such/file").context("cannot load the stock").unwrap_err();
/// assert!(matches!(Failure::from(plain), Failure::Retry(_)));
///
/// let certain = reject("no such item").context("order 7");
/// assert_eq!(Failure::from(certain), Failure::Reject("order 7: no such item".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The message will never succeed: it becomes a dead letter at once.
    #[error("{0}")]
    Reject(String),
    /// The message may succeed later: it is delivered again after a backoff, up to the actor's `attempts`.
    #[error("{0}")]
    Retry(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = format!("{error:#}");
        match error.chain().find_map(|cause| cause.downcast_ref()) {
            Some(Self::Reject(_)) => Self::Reject(text),
            Some(Self::Retry(_)) | None => Self::Retry(text),
        }
    }
}

/// An error that makes the message a dead letter at once.
///
/// ```
/// use playhouse_sdk::{Result, reject};
///
/// fn item(text: &str) -> Result<u32> {
///     if text.is_empty() {
///         return Err(reject("an order needs an item"));
///     }
///     text.parse().map_err(reject)
/// }
/// assert_eq!(item("").unwrap_err().to_string(), "an order needs an item");
/// assert_eq!(item("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
pub fn reject(reason: impl Display) -> Error {
    Failure::Reject(format!("{reason:#}")).into()
}

/// An error after which the message is delivered again later, as after any plain error; use it to be explicit.
///
/// ```
/// # use playhouse_sdk::{Failure, retry};
/// assert_eq!(Failure::from(retry("the bank is busy")), Failure::Retry("the bank is busy".into()));
/// ```
pub fn retry(reason: impl Display) -> Error {
    Failure::Retry(format!("{reason:#}")).into()
}

/// The verdict at the end of a call chain, where `?` alone would mean retry.
///
/// ```
/// use playhouse_sdk::{OrReject as _, Result, anyhow::Context as _};
///
/// fn price(text: &str) -> Result<u32> {
///     text.parse::<u32>().context("the price").or_reject()
/// }
/// assert_eq!(price("x").unwrap_err().to_string(), "the price: invalid digit found in string");
/// ```
pub trait OrReject<T> {
    /// Turns an error into one that rejects the message. Its text is the whole chain.
    fn or_reject(self) -> Result<T>;

    /// Turns an error into one that retries the message, even if it would reject it.
    fn or_retry(self) -> Result<T>;
}

impl<T, E: Into<Error>> OrReject<T> for Result<T, E> {
    fn or_reject(self) -> Result<T> {
        self.map_err(|error| reject(error.into()))
    }

    fn or_retry(self) -> Result<T> {
        self.map_err(|error| retry(error.into()))
    }
}
