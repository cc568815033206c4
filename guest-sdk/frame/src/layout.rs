//! The version of frames, and the size and the flags of a trailer.

/// The version of frames that this crate reads and writes.
pub const VERSION: u16 = 3;
/// Bytes of a trailer: count, flags, version.
pub const TRAILER_BYTES: usize = 8;

/// The most bytes of a frame: the mark of a message with optional parts makes its first field larger than any frame.
pub(crate) const MOST_BYTES: usize = i32::MAX as usize;

/// The flag of an inbound frame that makes all earlier routes void.
pub(crate) const ROUTES_VOID: u16 = 1;
