//! The checks of a message on its arrival.

use super::Acting;
use crate::ledger::{Run, RunId, serial_of};
use crate::play::Kind;

impl Acting {
    /// Checks a message on its arrival.
    pub(super) fn arrives(&self) -> RunId {
        let (play, who) = (&self.stage.play, self.who);
        let envelope = self.turn.envelope().unwrap();
        let serial = match self.turn.notice() {
            Some(_) => self.stage.book.lock().serial_of_notice(envelope.id, who),
            None => serial_of(self.turn.body()),
        };
        let (sender, number) = (self.turn.sender(), self.turn.sequence());
        let mut book = self.stage.book.lock();
        let run = book.begins(who, serial);
        let life = book.life;
        let attempt = envelope.attempt;
        book.note(format!("{who} gets #{serial}, number {number}, attempt {attempt}, run {run}"));
        let sent = &book.sent[serial];
        let by = sent.by.map(|run| (book.runs[run].who, book.runs[run].of));
        let expected = by.map(|(who, _)| play.roles[who].address.clone());
        let (earlier, is_ask, sent_by) = (sent.life < life, sent.is_ask, sent.by);
        // A child may be gone, and a member may have left the memory.
        let may_be_gone = by.is_some_and(|(who, _)| play.roles[who].comes_and_goes());
        book.must(sender == expected || sender.is_none() && may_be_gone, || {
            format!("#{serial} of {expected:?} seems to come from {sender:?}")
        });
        if earlier {
            book.seen.insert("a send from an earlier life");
            if play.roles[who].is_member {
                book.seen.insert("a member handled a message of an earlier life");
            }
        }
        let stored = play.roles[who].kind != Kind::Memory && !is_ask;
        book.child_runs(play.roles[who].address.as_str());
        book.must((number != 0) == stored, || format!("#{serial} has number {number}"));
        let kept = book.kept.get(&serial).cloned().unwrap_or_default();
        book.must(kept.taken.is_empty(), || format!("#{serial} is handled again after its end"));
        book.must(attempt >= kept.holds, || format!("#{serial} has {attempt} failures, and had {}", kept.holds));
        let mailbox = book.addresses.get(play.roles[who].address.as_str()).map(|id| id.0);
        if let Some(mailbox) = mailbox
            && number != 0
            && book.first_suspects.get(&mailbox) == Some(&number)
        {
            let is_noted = book.noted.get(&serial).is_some_and(|noted| noted.contains(&life));
            book.must(is_noted, || format!("#{serial} may have ended its host, and is handed over without a note"));
            book.seen.insert("a suspect");
        }
        if let Some((id, fires_at)) = book.sent[serial].timer {
            let (now, is_steady) = (self.stage.now(), play.jumps.iter().all(|jump| *jump == 0));
            book.must(now >= fires_at || !is_steady, || {
                format!("timer {id} sends #{serial} at {now:?}, and was set for {fires_at:?}")
            });
            if earlier {
                book.seen.insert("a timer survived");
            }
        }
        if kept.holds > 0 && earlier {
            book.seen.insert("a retry survived");
        }
        if book.runs.iter().any(|run| run.of == serial && run.life < life) {
            book.seen.insert("a message came again in a later life");
        }
        // The edge sees only what is durable.
        if play.roles[who].kind != Kind::Stored
            && let Some((by, cause)) = by
            && play.roles[by].kind != Kind::Memory
        {
            let safe = if is_ask {
                // The question is of a turn that goes on; all turns before are durable.
                book.seen.insert("an ask to the edge");
                let asking = sent_by.unwrap_or_default();
                let before = book.runs[..asking].iter().filter(|run| run.who == by && run.life == life);
                let is_done = |run: &&Run| run.done == Some(true) && !run.is_unsure && !book.sent[run.of].is_ask;
                let mut before = before.filter(is_done);
                play.roles[by].instances > 1 || before.all(|run| book.is_taken(run.of))
            } else {
                book.seen.insert("the edge saw a stored message");
                book.is_taken(cause) || book.sent[cause].is_ask
            };
            book.must(safe, || format!("the edge sees #{serial} before the end of #{cause} is durable"));
        }
        if play.roles[who].kind == Kind::Outside && !is_ask {
            let durable = book.is_put(serial);
            book.must(durable, || format!("#{serial} reaches outside before it is durable"));
        }
        run
    }
}
