//! The message that the actor handles now, within its batch.

use std::sync::Arc;

use playhouse_frame::{Header, Record};

/// The current message, within its batch.
pub(super) struct CurrentMessage {
    pub(super) frame: Arc<Vec<u8>>,
    pub(super) record: Record,
    pub(super) index: u32,
}

impl CurrentMessage {
    pub(super) fn header(&self) -> Header {
        self.record.header(&self.frame)
    }
}
