//! Digests of requests, by which two requests under one key are told apart.

use sha2::{Digest, Sha256};

/// The digest of everything that a request says, in order. Each part has its length with it, so that no two requests have the same
/// bytes.
pub fn request_digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart() {
        assert_eq!(request_digest(&[b"a", b"bc"]), request_digest(&[b"a", b"bc"]));
        assert_ne!(request_digest(&[b"a", b"bc"]), request_digest(&[b"ab", b"c"]));
        assert_ne!(request_digest(&[b"a"]), request_digest(&[b"a", b""]));
    }
}
