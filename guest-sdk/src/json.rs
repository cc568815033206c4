//! Bodies as JSON.

use anyhow::Context as _;
use serde::Serialize;

use crate::failure::OrReject;
use crate::result::Result;

/// The value as JSON. The error rejects the message: a retry cannot help for a value that JSON cannot hold.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).context("the value has no JSON form").or_reject()
}
