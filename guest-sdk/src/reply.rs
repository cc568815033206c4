//! A reply with its metadata.

use playhouse_frame::Metadata;

/// A reply with its metadata, as [`WithMetadata::ask`](crate::WithMetadata::ask) returns it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The body.
    pub body: Vec<u8>,
    /// The pairs beside the body; empty in the usual case.
    pub metadata: Metadata,
}

impl From<Vec<u8>> for Reply {
    fn from(body: Vec<u8>) -> Self {
        Self { body, metadata: Metadata::new() }
    }
}
