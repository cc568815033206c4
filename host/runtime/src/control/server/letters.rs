//! Requests about dead letters, and the way out when one cannot be done.

use playhouse_kernel::{LetterError, LetterFilter, LettersMoved, SendError};

use super::Server;
use crate::control::access::Role;
use crate::control::letter_views::{KeptLetter, Letter, Letters};
use crate::control::protocol::{AddressText, Refusal, Response, Which};

impl Server {
    /// The letters; a reader gets them without what senders put into them.
    pub(super) fn letters(&self, which: Which, bodies: bool, role: Role) -> Response {
        let filter = filter(which);
        let letters: Vec<_> = self.kernel.dead_letters().into_iter().filter(|letter| filter.matches(letter)).collect();
        let counts = self.kernel.dead_letter_counts();
        let mut letters = Letters::new(&counts, &letters, bodies && role == Role::Operator);
        if role == Role::Reader {
            letters.letters.iter_mut().for_each(|letter| letter.metadata.clear());
        }
        Response::DeadLetters(letters)
    }

    pub(super) fn letter(&self, id: &str) -> Result<Response, Refusal> {
        let letter = self.kernel.find_letter(id).map_err(refusal)?;
        Ok(Response::DeadLetter(Box::new(Letter::new(&letter, true))))
    }

    pub(super) async fn replay(&self, id: &str) -> Result<Response, Refusal> {
        let letter = self.kernel.find_letter(id).map_err(refusal)?;
        let new = self.kernel.replay(letter.id, self.patience(&letter.to)).await.map_err(refusal)?;
        Ok(Response::Replayed { letter: letter.id.to_string(), to: letter.to.to_string(), id: new.to_string() })
    }

    pub(super) async fn replay_all(&self, which: Which) -> Response {
        moved(self.kernel.replay_all(&filter(which), |to| self.patience(to)).await)
    }

    pub(super) async fn drop(&self, id: &str) -> Result<Response, Refusal> {
        let letter = self.kernel.find_letter(id).map_err(refusal)?;
        self.kernel.drop_letter(letter.id).await.map_err(refusal)?;
        Ok(Response::Dropped { letter: letter.id.to_string(), to: letter.to.to_string() })
    }

    pub(super) async fn drop_all(&self, which: Which) -> Response {
        moved(self.kernel.drop_letters(&filter(which)).await)
    }
}

fn filter(which: Which) -> LetterFilter {
    LetterFilter { to: which.to.map(|AddressText(to)| to), kind: which.reason }
}

fn moved(moved: LettersMoved) -> Response {
    let kept = |(id, error): (_, LetterError)| KeptLetter { id: format!("{id}"), why: error.to_string() };
    Response::LettersMoved { done: moved.done, failed: moved.failed.into_iter().map(kept).collect() }
}

/// The error, with the way out.
fn refusal(error: LetterError) -> Refusal {
    let (kind, hint) = match &error {
        LetterError::BadId(_) | LetterError::Unknown(_) => {
            ("unknown-letter", "`playhouse dead-letters list` shows those that are kept")
        }
        LetterError::Ambiguous { .. } => ("ambiguous-letter", "give more digits of the id"),
        LetterError::NotSent(SendError::MailboxFull(_)) => {
            ("refused", "the letter stays; replay it when `playhouse tree` shows fewer waiting")
        }
        LetterError::NotSent(SendError::MemoryPressure(_)) => {
            ("memory-pressure", "the letter stays; replay it when memory is free again")
        }
        LetterError::NotSent(SendError::NotStored { .. }) => {
            ("not-stored", "the letter stays; replay it when the store has space again")
        }
        LetterError::NotSent(_) => ("refused", "the letter stays until it is dropped"),
        LetterError::NotStored { .. } => ("not-stored", "the next run of the host shows whether the letter is gone"),
        _ => ("refused", "try again"),
    };
    Refusal::new(kind, format!("{error}: {hint}"))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use playhouse_kernel::{LetterId, MessageId};

    use super::*;

    fn check(error: LetterError, said: Expect) {
        said.assert_eq(&refusal(error).message);
    }

    #[test]
    fn each_error_says_the_way_out() {
        let id = |copy| LetterId { message: MessageId(0x5d1f << 112), copy };
        check(
            LetterError::BadId("x".into()),
            expect![
                "`x` is no id of a dead letter: an id is up to 32 hexadecimal digits, as in `5d1f09`: `playhouse dead-letters list` shows those that are kept"
            ],
        );
        check(
            LetterError::Unknown("5d".into()),
            expect![
                "no dead letter is kept whose id begins with `5d`: `playhouse dead-letters list` shows those that are kept"
            ],
        );
        check(
            LetterError::Ambiguous { prefix: "5d".into(), some: vec![id(1), id(2)], count: 9 },
            expect![
                "`5d` is the beginning of 9 ids: 5d1f0000000000000000000000000000-1, 5d1f0000000000000000000000000000-2, …: give more digits of the id"
            ],
        );
        check(
            LetterError::InReplay(id(1)),
            expect!["the letter `5d1f0000000000000000000000000000` is being replayed just now: try again"],
        );
        let address = playhouse_kernel::Address::parse("/count").expect("good");
        check(
            LetterError::NotSent(SendError::MailboxFull(address.clone())),
            expect![
                "the mailbox of `/count` is full: the letter stays; replay it when `playhouse tree` shows fewer waiting"
            ],
        );
        check(
            LetterError::NotSent(SendError::MemoryPressure("too much".into())),
            expect![
                "memory is short, and no messages from outside are taken: too much: the letter stays; replay it when memory is free again"
            ],
        );
        check(
            LetterError::NotSent(SendError::NotStored {
                to: address.clone(),
                why: "the store is full: no space".into(),
            }),
            expect![
                "the store did not confirm the message for `/count`: the store is full: no space: the letter stays; replay it when the store has space again"
            ],
        );
        check(
            LetterError::NotSent(SendError::Stopped(address)),
            expect!["`/count` is stopped: the letter stays until it is dropped"],
        );
    }
}
