//! The content of bodies and their sum. Guests and native actors share this file, so that all do the same work.
//!
//! A data body consists of words of eight bytes. The first word is the body's number, shifted up by one byte of zeros, which
//! distinguishes a data body from an order; the other words are the same in all bodies of one length.

/// Maximum number of bodies in flight in workloads with acknowledgements; the receiver acknowledges half of it at a time.
pub(crate) const WINDOW: u64 = 256;

/// Number of bodies of `bytes` bytes that a source sends in one turn: a mebibyte at most. The source continues in its next turn.
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

/// The wrapping sum of the words, which reads every byte.
pub(crate) fn sum(body: &[u8]) -> u64 {
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    body.chunks_exact(8).fold(0, |sum, bytes| sum.wrapping_add(word(bytes)))
}
