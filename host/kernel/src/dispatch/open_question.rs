//! A question of a turn whose message a store has: if the host dies, the message is handled again, and may ask it again.

use crate::words::address::Address;
use crate::words::message::{ActorId, MessageId, Payload, ReplyToken};

/// The turn of a stored message, by the mailbox and the number of the message there. Questions that the turn asks, and those that are
/// asked to answer them, belong to it.
pub(crate) type RootTurn = (ActorId, u64);

/// A question that a stored actor asked and that is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenQuestion {
    pub(crate) root: RootTurn,
    /// The question in whose turn it is asked; none in the root turn itself.
    pub(crate) above: ReplyToken,
    /// The message in whose turn it is asked.
    pub(crate) cause: MessageId,
    pub(crate) id: MessageId,
    /// Of receiver, metadata and body: another question may get the same id, since code need not do the same when it handles a
    /// message again.
    pub(crate) digest: u128,
}

/// The digest of a question. Stores have it, so that it must stay as it is.
pub(crate) fn digest_of(to: &Address, payload: &Payload<'_>) -> u128 {
    let parts = [to.as_str().as_bytes(), payload.parts, payload.body];
    let of_part = |digest: MessageId, part: &[u8]| {
        let words = part.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        });
        words.fold(digest.caused(part.len() as u64), MessageId::caused)
    };
    parts.iter().fold(MessageId(0), |digest, part| of_part(digest, part)).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_depends_on_each_part() {
        let address = |text: &str| Address::parse(text).expect("good");
        let digest = |to: &str, parts: &[u8], body: &[u8]| digest_of(&address(to), &Payload { parts, body });
        let all = [
            digest("/a", b"", b""),
            digest("/b", b"", b""),
            digest("/a", b"x", b""),
            digest("/a", b"", b"x"),
            digest("/a", b"", b"x\0"),
            digest("/a", b"", b"12345678"),
            digest("/a", b"1", b"2345678"),
            digest("/a", b"", b"123456780"),
        ];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
        assert_eq!(digest("/a", b"x", b"y"), digest("/a", b"x", b"y"));
    }

    #[test]
    fn digest_stays_as_stores_have_it() {
        let address = Address::parse("/till").expect("good");
        let digest = digest_of(&address, &Payload { parts: b"", body: b"the sum, please" });
        assert_eq!(format!("{digest:032x}"), "8f6baebd690b1dd8b30151cef6fe3787");
    }
}
