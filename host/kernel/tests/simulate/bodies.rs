//! Contents of a message: its number in the ledger, its plot, and filler. And the checks of a message when an actor reads it.

use std::time::Duration;

use playhouse_kernel::{Address, Answer, AskError, SendError, Turn};

use crate::dice::Dice;
use crate::ledger::{Certain, Sender};
use crate::stage::Stage;
use crate::trace::Serial;
use crate::world::{Plot, Temper, Who};

const LEAST_BYTES: usize = 6;
/// A timer fires up to one of its steps late.
pub const TIMER_STEP: Duration = Duration::from_millis(1);

pub fn roll_bytes(dice: &mut Dice) -> usize {
    LEAST_BYTES + if dice.percent(20) { dice.below(60) } else { 0 }
}

pub fn write(serial: Serial, plot: Plot, bytes: usize) -> Vec<u8> {
    let mut body = (serial as u32).to_le_bytes().to_vec();
    body.extend([plot.temper as u8, plot.fuel]);
    body.resize(bytes, serial as u8);
    body
}

/// The number in a body.
pub fn serial(body: &[u8]) -> Serial {
    body.first_chunk().map_or(usize::MAX, |serial| u32::from_le_bytes(*serial) as usize)
}

/// A message arrives as it was sent.
pub fn read(stage: &Stage, body: &[u8]) -> (Serial, Plot) {
    let serial = serial(body);
    let mut ledger = stage.ledger();
    let Some(entry) = ledger.entries.get(serial) else {
        ledger.blame(format!("no actor sent {body:?}"));
        return (0, Plot { temper: Temper::Calm, fuel: 0 });
    };
    let (plot, whole) = (entry.plot, body == write(serial, entry.plot, entry.body_bytes));
    ledger.must(whole, || format!("#{serial} arrived as {body:?}"));
    (serial, plot)
}

pub fn check_sender(stage: &Stage, serial: Serial, seen: Option<Address>) {
    let mut ledger = stage.ledger();
    let sent_by = match ledger.entries[serial].sender {
        Sender::Outside => None,
        Sender::Actor(who) => Some(stage.play.roles[who].address.clone()),
    };
    ledger.must(seen == sent_by, || format!("#{serial} of {sent_by:?} seems to come from {seen:?}"));
}

/// Actors send only to existing actors within their grants.
pub fn check_strangers(who: Who, stage: &Stage, turn: &mut Turn) {
    let roles = &stage.play.roles;
    let nobody = turn.tell("nobody", b"?");
    let mut ledger = stage.ledger();
    let unknown = matches!(nobody, Err(SendError::UnknownAddress(_)));
    ledger.must(unknown, || format!("a tell to no actor: {nobody:?}"));
    let mine = &roles[who];
    let stranger = roles.iter().enumerate().find(|(other, role)| {
        !mine.targets.contains(other)
            && !role.address.is_below(&mine.address)
            && turn.sender().as_ref() != Some(&role.address)
    });
    if let Some((_, stranger)) = stranger {
        let refused = turn.tell(stranger.address.as_str(), b"?");
        let granted = matches!(refused, Err(SendError::NotGranted { .. }));
        ledger.must(granted, || format!("a tell to a stranger: {refused:?}"));
    }
}

/// An ask ends in time, and at once if its answer can never come.
pub fn check_answer(
    stage: &Stage,
    serial: Serial,
    answer: &Answer,
    circle: Certain,
    took: Duration,
    timeout: Duration,
) {
    let mut ledger = stage.ledger();
    let refused = matches!(answer, Err(AskError::Deadlock(_)));
    ledger.must(refused || circle != Certain::Yes, || {
        format!("a circle: {circle:?}; the answer to #{serial}: {answer:?}")
    });
    ledger.must(!refused || circle != Certain::Yes || took.is_zero(), || {
        format!("the circle of #{serial} was seen after {took:?}")
    });
    ledger.must(took < timeout + TIMER_STEP * 2, || {
        format!("the answer to #{serial} took {took:?}, and it had {timeout:?}")
    });
}
