//! Answers that stored actors gave to questions of stored actors. An asker whose host dies handles its message again, and asks again
//! with the same id: then it gets the answer of the turn that was kept, and the question is not handled twice.
//!
//! An answer enters with the turn that gave it, while its asker waits, and is removed in the entry that ends the asker's turn. It
//! lies among the positions of sources, as the keys of requests do: see [`Origin`]. Only its digest is in memory.
//!
//! Lock order: the journal, the kept answers, the open asks.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use playhouse_frame::{Metadata, Pairs};

use crate::dispatch::open_question::{OpenQuestion, RootTurn};
use crate::dispatch::origins::{Origin, origin_gone};
use crate::dispatch::routing::output::Output;
use crate::journal::entry::{EntryNumber, StoredOrigin};
use crate::journal::order::Draft;
use crate::journal::store::{Store, StoreError};
use crate::words::message::{ActorId, MessageId, Reply};
use crate::words::send_error::{AskError, FullAnswer};

/// The source of all kept answers in the store.
pub(crate) const SOURCE: &str = "answer";
/// Bytes of a position: the root turn, and the question.
const POSITION: usize = 8 + 8 + 16;
/// Answers that are read at a time.
const PAGE: usize = 64;

/// The answers that are kept.
#[derive(Default)]
pub(crate) struct KeptAnswers {
    known: Mutex<BTreeMap<Place, Known>>,
    /// Their number: most turns end where none is kept.
    count: AtomicUsize,
}

/// A question, by its root turn and its id.
type Place = (RootTurn, MessageId);

#[derive(Clone, Copy)]
struct Known {
    cause: MessageId,
    digest: u128,
    /// The entry that has the answer; 0 when it is durable.
    entry: EntryNumber,
}

impl KeptAnswers {
    /// Ends the turns of messages: their questions are not asked again. It is a part of the entry in which the messages end.
    pub(crate) fn end_turns(&self, draft: &mut Draft<Output>, mailbox: ActorId, numbers: Range<u64>) {
        self.remove(draft, ((mailbox, numbers.start), (mailbox, numbers.end)), |_| true);
    }

    /// As [`KeptAnswers::end_turns`], of the turn that handled one question.
    pub(crate) fn end_turn_of(&self, draft: &mut Draft<Output>, question: &OpenQuestion) {
        let (mailbox, number) = question.root;
        self.remove(draft, (question.root, (mailbox, number + 1)), |known| known.cause == question.id);
    }

    fn remove(&self, draft: &mut Draft<Output>, (from, end): (RootTurn, RootTurn), is_over: impl Fn(&Known) -> bool) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut known = self.known.lock();
        let range = (from, MessageId(0))..(end, MessageId(0));
        let over = known.range(range).filter(|(_, known)| is_over(known)).map(|(place, _)| *place);
        for place in over.collect::<Vec<_>>() {
            known.remove(&place);
            origin_gone(draft, SOURCE, &position_of(place));
        }
        self.count.store(known.len(), Ordering::Release);
    }

    /// Keeps the answer to a question, as a part of the entry of the turn that gave it.
    pub(crate) fn keep(&self, draft: &mut Draft<Output>, question: &OpenQuestion, answer: &FullAnswer) {
        let (place, value) = ((question.root, question.id), value_of(question, answer));
        Origin { source: SOURCE, position: &position_of(place), value: &value, is_unique: false }.enter_in(draft);
        let OpenQuestion { cause, digest, .. } = *question;
        self.insert(place, Known { cause, digest, entry: draft.number });
    }

    fn insert(&self, place: Place, kept: Known) {
        let mut known = self.known.lock();
        known.insert(place, kept);
        self.count.store(known.len(), Ordering::Release);
    }

    /// Where a question was answered, if its answer is kept.
    pub(crate) fn entry_of(&self, question: &OpenQuestion) -> Option<EntryNumber> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let known = self.known.lock();
        let kept = known.get(&(question.root, question.id))?;
        (kept.digest == question.digest).then_some(kept.entry)
    }

    /// Takes over the answers of earlier runs. Returns the positions of those whose turns are over: an operator removed their messages
    /// from a store without a host.
    pub(crate) async fn restore(&self, store: &dyn Store) -> Result<Vec<Vec<u8>>, StoreError> {
        let (mut from, mut over) = (Vec::new(), Vec::new());
        loop {
            let page = store.origins(SOURCE, &from, PAGE).await?;
            let Some(last) = page.last() else { return Ok(over) };
            // The next one in the order of bytes.
            from = [&last.position[..], &[0]].concat();
            for StoredOrigin { position, value } in page {
                let damaged = || StoreError::Damaged { at: "a kept answer".to_owned() };
                let place = place_of(&position).ok_or_else(damaged)?;
                let (cause, digest, _) = read(&value).ok_or_else(damaged)?;
                let (mailbox, number) = place.0;
                let waiting = store.messages(mailbox, number, 1).await?;
                if waiting.first().is_some_and(|message| message.number == number) {
                    self.insert(place, Known { cause, digest, entry: 0 });
                } else {
                    over.push(position);
                }
            }
        }
    }
}

/// The position of the answer to a question.
pub(crate) fn position_of(((mailbox, number), question): Place) -> [u8; POSITION] {
    let mut position = [0; POSITION];
    position[..8].copy_from_slice(&mailbox.0.to_be_bytes());
    position[8..16].copy_from_slice(&number.to_be_bytes());
    position[16..].copy_from_slice(&question.0.to_be_bytes());
    position
}

/// The answer in a value; none for bytes that are none.
pub(crate) fn answer_of(value: &[u8]) -> Option<FullAnswer> {
    read(value).map(|(.., answer)| answer)
}

fn place_of(position: &[u8]) -> Option<Place> {
    let (mailbox, rest) = position.split_first_chunk()?;
    let (number, question) = rest.split_first_chunk()?;
    let root = (ActorId(u64::from_be_bytes(*mailbox)), u64::from_be_bytes(*number));
    Some((root, MessageId(u128::from_be_bytes(question.try_into().ok()?))))
}

/// The forms of an answer.
const NO_REPLY: u8 = 0;
const REPLY: u8 = 1;

fn value_of(question: &OpenQuestion, answer: &FullAnswer) -> Vec<u8> {
    let mut value = question.cause.0.to_be_bytes().to_vec();
    value.extend_from_slice(&question.digest.to_be_bytes());
    value.push(if answer.is_ok() { REPLY } else { NO_REPLY });
    if let Ok(Reply { body, metadata }) = answer {
        value.extend_from_slice(&(metadata.as_bytes().len() as u64).to_be_bytes());
        value.extend_from_slice(metadata.as_bytes());
        value.extend_from_slice(body);
    }
    value
}

/// Cause, digest and answer of a value; none for bytes that are none.
fn read(value: &[u8]) -> Option<(MessageId, u128, FullAnswer)> {
    let (cause, rest) = value.split_first_chunk()?;
    let (digest, rest) = rest.split_first_chunk()?;
    let answer = match rest.split_first()? {
        (&NO_REPLY, []) => Err(AskError::NoReply),
        (&REPLY, rest) => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            let (pairs, body) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
            let metadata = match pairs {
                [] => Metadata::new(),
                pairs => Pairs::read(pairs).ok()?.0.into(),
            };
            Ok(Reply { body: body.to_vec(), metadata })
        }
        _ => return None,
    };
    Some((MessageId(u128::from_be_bytes(*cause)), u128::from_be_bytes(*digest), answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_comes_back_from_its_value() {
        let question = OpenQuestion {
            root: (ActorId(7), 9),
            above: crate::words::message::ReplyToken::NONE,
            cause: MessageId(3),
            id: MessageId(4),
            digest: 5,
        };
        let metadata = Metadata::collect([("status", "201"), ("a", "b")]).expect("few");
        let reply = |body: &[u8], metadata| Ok(Reply { body: body.to_vec(), metadata });
        for answer in [reply(b"yes", metadata), reply(b"", Metadata::new()), Err(AskError::NoReply)] {
            let value = value_of(&question, &answer);
            assert_eq!(read(&value), Some((question.cause, question.digest, answer)));
            assert_eq!(read(&value[..32]), None);
        }
        let place = (question.root, question.id);
        assert_eq!(place_of(&position_of(place)), Some(place));
        assert_eq!(place_of(&position_of(place)[1..]), None);
    }
}
