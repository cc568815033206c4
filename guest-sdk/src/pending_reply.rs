//! The reply to the current message, until the handler returns.

use std::cell::Cell;

/// A reply that is sent if the handler returns `Ok`. The kernel keeps its metadata.
#[derive(Default)]
pub(crate) struct PendingReply {
    body: Cell<Option<Vec<u8>>>,
    has_metadata: Cell<bool>,
}

impl PendingReply {
    /// Replaces the reply. Returns whether the earlier one had metadata.
    pub(crate) fn replace(&self, body: Vec<u8>, has_metadata: bool) -> bool {
        self.body.set(Some(body));
        self.has_metadata.replace(has_metadata)
    }

    /// Takes the body of the reply, if there is one.
    pub(crate) fn take(&self) -> Option<Vec<u8>> {
        self.has_metadata.set(false);
        self.body.take()
    }
}
