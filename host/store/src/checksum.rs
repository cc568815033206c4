//! The checksum of a row, and of the note of the last group.

/// The checksum of a row: of its columns' bytes, in order. Each part has its length with it, so that no two rows have the same
/// bytes.
pub(crate) fn checksum(parts: &[&[u8]]) -> i64 {
    let mut sum = crc32fast::Hasher::new();
    for part in parts {
        sum.update(&(part.len() as u64).to_le_bytes());
        sum.update(part);
    }
    i64::from(sum.finalize())
}
