//! The content of bodies and their sum. One file for guests and native actors, so that all do the same work.
//!
//! A data body is whole words of eight bytes. The first is its number, shifted up by a byte of zeros, which tells it
//! from an order; the others are the same in all bodies of one length.

/// Most bodies in flight where they are acknowledged, a half of them at a time.
pub(crate) const WINDOW: u64 = 256;

/// Bodies of `bytes` bytes that a source sends in one turn: a mebibyte at most. It goes on when it is its turn again.
pub(crate) fn per_turn(bytes: usize) -> u64 {
    ((1 << 20) / bytes as u64).clamp(1, 256)
}

/// A body of `bytes` bytes, at least eight, with the number 0.
pub(crate) fn template(bytes: usize) -> Vec<u8> {
    let word = |index: u64| if index == 0 { 0 } else { index.wrapping_mul(0x9e37_79b9_7f4a_7c15) };
    (0..bytes as u64 / 8).flat_map(|index| word(index).to_le_bytes()).collect()
}

/// Writes a data body's number.
pub(crate) fn set_number(body: &mut [u8], number: u64) {
    body[..8].copy_from_slice(&(number << 8).to_le_bytes());
}

/// Reads every byte: the wrapping sum of the words.
pub(crate) fn sum(body: &[u8]) -> u64 {
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    body.chunks_exact(8).fold(0, |sum, bytes| sum.wrapping_add(word(bytes)))
}
