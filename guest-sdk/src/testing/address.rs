//! The host's rule for addresses.

use crate::errors::SendError;
use crate::result::Result;

/// Segments of `[A-Za-z0-9_-]{1,64}`, at most 16 of them.
pub(super) fn check_address(address: &str) -> Result<(), SendError> {
    let fits = |segment: &str| {
        (1..=64).contains(&segment.len())
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    let segments: Vec<&str> = address.strip_prefix('/').unwrap_or_default().split('/').collect();
    if segments.len() <= 16 && segments.iter().copied().all(fits) {
        return Ok(());
    }
    let reason = format!("{address:?} is not 1 to 16 times `/` and 1 to 64 letters, digits, `_` or `-`");
    Err(SendError::BadAddress(reason))
}
