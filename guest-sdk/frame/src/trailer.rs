//! The last bytes of a frame. They come last so that a frame is made by appending to existing bytes. In the trailer the version
//! comes last, so that a later version may have a longer trailer.

use crate::bytes::u32_at;
use crate::error::FrameError;
use crate::layout::{MOST_BYTES, ROUTES_VOID, TRAILER_BYTES, VERSION};

/// Ends a frame of `count` messages, or of `count` outcomes.
#[inline]
pub fn trailer(count: u32) -> [u8; TRAILER_BYTES] {
    flagged(count, 0)
}

/// As [`trailer`], for messages, with the flag that all earlier routes are void.
pub fn trailer_without_routes(count: u32) -> [u8; TRAILER_BYTES] {
    flagged(count, ROUTES_VOID)
}

#[inline]
fn flagged(count: u32, flags: u16) -> [u8; TRAILER_BYTES] {
    let mut out = [0; TRAILER_BYTES];
    out[0..4].copy_from_slice(&count.to_le_bytes());
    out[4..6].copy_from_slice(&flags.to_le_bytes());
    out[6..8].copy_from_slice(&VERSION.to_le_bytes());
    out
}

/// Splits a frame into the bytes before the trailer, and the trailer's count and flags. Only the flags in `known` are allowed.
#[inline]
pub(crate) fn split(frame: &[u8], known: u16) -> Result<(&[u8], u32, u16), FrameError> {
    if frame.len() > MOST_BYTES {
        return Err(FrameError::TooLong { bytes: frame.len() });
    }
    let Some((before, trailer)) = frame.split_last_chunk::<TRAILER_BYTES>() else {
        return Err(FrameError::NoTrailer { bytes: frame.len() });
    };
    let u16_at = |at: usize| u16::from_le_bytes([trailer[at], trailer[at + 1]]);
    let (flags, version) = (u16_at(4), u16_at(6));
    if version != VERSION {
        return Err(FrameError::Version { found: version });
    }
    if flags & !known != 0 {
        return Err(FrameError::Flags { found: flags });
    }
    let count = u32_at(trailer, 0).expect("the trailer has more than 4 bytes");
    Ok((before, count, flags))
}
