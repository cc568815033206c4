//! The reports about its messages that a stored actor still has to get. A report enters with the end of its message, and is removed in
//! the entry of the hook that got it: no crash of the host repeats or loses one.
//!
//! They lie among the positions of sources, as kept answers do: see [`Origin`].
//!
//! Lock order: the journal, the kept reports.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

use crate::actor::reports::{Report, TaskDone, TaskOutcome};
use crate::dispatch::origins::{Origin, origin_gone};
use crate::dispatch::routing::output::Output;
use crate::journal::entry::StoredOrigin;
use crate::journal::order::Draft;
use crate::journal::store::{Store, StoreError};
use crate::words::message::{ActorId, MessageId};
use crate::words::outcome::Failure;

/// The source of all kept reports in the store.
pub(crate) const SOURCE: &str = "report";
/// Reports that are read at a time.
const PAGE: usize = 256;

/// The numbers of the reports that wait, by actor. An actor without one begins at 1 again.
#[derive(Default)]
pub(crate) struct KeptReports {
    numbers: Mutex<BTreeMap<ActorId, BTreeSet<u64>>>,
}

/// Reports of earlier runs.
#[derive(Default)]
pub(crate) struct Restored {
    /// In order, by actor.
    pub(crate) waiting: BTreeMap<ActorId, Vec<Report>>,
    /// The positions of reports that nobody will get.
    pub(crate) over: Vec<Vec<u8>>,
}

impl KeptReports {
    /// Adds a report about a message of this actor, as a part of the entry in which the message, or the attempt, ends.
    pub(crate) fn keep(&self, draft: &mut Draft<Output>, actor: ActorId, done: TaskDone) -> Report {
        let mut numbers = self.numbers.lock();
        let numbers = numbers.entry(actor).or_default();
        let number = numbers.last().map_or(1, |last| last + 1);
        numbers.insert(number);
        let (position, value) = (position_of(actor, number), value_of(&done));
        Origin { source: SOURCE, position: &position, value: &value, is_unique: false }.enter_in(draft);
        Report { done, number }
    }

    /// Removes reports that the actor got, as a part of the entry in which the effects of that are.
    pub(crate) fn end(&self, draft: &mut Draft<Output>, actor: ActorId, told: impl IntoIterator<Item = u64>) {
        let mut all = self.numbers.lock();
        let Some(numbers) = all.get_mut(&actor) else { return };
        for number in told {
            if numbers.remove(&number) {
                origin_gone(draft, SOURCE, &position_of(actor, number));
            }
        }
        if numbers.is_empty() {
            all.remove(&actor);
        }
    }

    /// Removes all reports for an actor that is gone, as a part of that entry.
    pub(crate) fn end_all_of(&self, draft: &mut Draft<Output>, actor: ActorId) {
        for number in self.numbers.lock().remove(&actor).into_iter().flatten() {
            origin_gone(draft, SOURCE, &position_of(actor, number));
        }
    }

    /// Takes over the reports of earlier runs. `wants`: whether an actor wants reports; none when it does not run.
    pub(crate) async fn restore(
        &self,
        store: &dyn Store,
        wants: impl Fn(ActorId) -> Option<bool>,
    ) -> Result<Restored, StoreError> {
        let (mut from, mut restored) = (Vec::new(), Restored::default());
        loop {
            let page = store.origins(SOURCE, &from, PAGE).await?;
            let Some(last) = page.last() else { return Ok(restored) };
            // The next one in the order of bytes.
            from = [&last.position[..], &[0]].concat();
            for StoredOrigin { position, value } in page {
                let damaged = || StoreError::Damaged { at: "a report of an outcome".to_owned() };
                let (actor, number) = place_of(&position).ok_or_else(damaged)?;
                let done = read(&value).ok_or_else(damaged)?;
                match wants(actor) {
                    Some(true) => {
                        self.numbers.lock().entry(actor).or_default().insert(number);
                        restored.waiting.entry(actor).or_default().push(Report { done, number });
                    }
                    Some(false) => restored.over.push(position),
                    None => {}
                }
            }
        }
    }
}

fn position_of(actor: ActorId, number: u64) -> [u8; 16] {
    let mut position = [0; 16];
    position[..8].copy_from_slice(&actor.0.to_be_bytes());
    position[8..].copy_from_slice(&number.to_be_bytes());
    position
}

fn place_of(position: &[u8]) -> Option<(ActorId, u64)> {
    let (actor, number) = position.split_first_chunk()?;
    Some((ActorId(u64::from_be_bytes(*actor)), u64::from_be_bytes(number.try_into().ok()?)))
}

/// The forms of an outcome.
const DONE: u8 = 0;
const REPLIED: u8 = 1;
const REJECTED: u8 = 2;
const RETRY: u8 = 3;
const BAD_REPLY: u8 = 4;
const CRASHED: u8 = 5;

/// Id, attempt, whether it is a dead letter, the form of the outcome, and its texts: the first one after its length.
fn value_of(done: &TaskDone) -> Vec<u8> {
    let (form, texts) = match &done.outcome {
        TaskOutcome::Done => (DONE, ["", ""]),
        TaskOutcome::Replied => (REPLIED, ["", ""]),
        TaskOutcome::Failed(Failure::Reject(text)) => (REJECTED, ["", text]),
        TaskOutcome::Failed(Failure::Retry(text)) => (RETRY, ["", text]),
        TaskOutcome::Failed(Failure::BadReply(text)) => (BAD_REPLY, ["", text]),
        TaskOutcome::Crashed(kind, text) => (CRASHED, [&kind[..], text]),
    };
    let mut value = done.id.0.to_le_bytes().to_vec();
    value.extend_from_slice(&done.attempt.to_le_bytes());
    value.extend([u8::from(done.dead_letter), form]);
    value.extend_from_slice(&(texts[0].len() as u64).to_le_bytes());
    value.extend(texts.concat().into_bytes());
    value
}

fn read(value: &[u8]) -> Option<TaskDone> {
    let (id, rest) = value.split_first_chunk()?;
    let (attempt, rest) = rest.split_first_chunk()?;
    let ([dead_letter, form], rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (first, second) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let [kind, text] = [first, second].map(|text| String::from_utf8(text.to_vec()));
    let (kind, text) = (kind.ok()?, text.ok()?);
    let outcome = match *form {
        DONE => TaskOutcome::Done,
        REPLIED => TaskOutcome::Replied,
        REJECTED => TaskOutcome::Failed(Failure::Reject(text)),
        RETRY => TaskOutcome::Failed(Failure::Retry(text)),
        BAD_REPLY => TaskOutcome::Failed(Failure::BadReply(text)),
        CRASHED => TaskOutcome::Crashed(kind, text),
        _ => return None,
    };
    let (id, attempt) = (MessageId(u128::from_le_bytes(*id)), u32::from_le_bytes(*attempt));
    Some(TaskDone { id, attempt, outcome, dead_letter: *dead_letter != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_comes_back_from_its_value() {
        let outcomes = [
            TaskOutcome::Done,
            TaskOutcome::Replied,
            TaskOutcome::Failed(Failure::Reject("no".into())),
            TaskOutcome::Failed(Failure::Retry("not now".into())),
            TaskOutcome::Failed(Failure::BadReply("too large".into())),
            TaskOutcome::Crashed("panic".into(), "as told".into()),
        ];
        for outcome in outcomes {
            for dead_letter in [false, true] {
                let done = TaskDone { id: MessageId(7), attempt: 2, outcome: outcome.clone(), dead_letter };
                let value = value_of(&done);
                assert_eq!(read(&value), Some(done));
                assert_eq!(read(&value[..20]), None);
            }
        }
        assert_eq!(place_of(&position_of(ActorId(7), 9)), Some((ActorId(7), 9)));
        assert_eq!(place_of(&position_of(ActorId(7), 9)[1..]), None);
    }
}
