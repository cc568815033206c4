//! An actor's whole value at one moment, as its kernel gets it to keep it in the actor's state.

use anyhow::Context as _;
use serde::Serialize;

use crate::failure::OrReject;
use crate::result::Result;

/// The key of the value.
pub(crate) const SAVED_KEY: &str = "";

/// A value at one moment, which is written only if it is still the last one when its batch ends.
pub(crate) trait Snapshot {
    /// The value as JSON.
    fn bytes(&self) -> Result<Vec<u8>>;
}

impl<A: Serialize> Snapshot for A {
    fn bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).context("the actor's value has no JSON form, and cannot be saved").or_reject()
    }
}
