//! Shows state that is sent on at shutdown: counts words, then sends the totals, page by page, at the receiver's pace.
//!
//! - Config: `to`, the receiver; by default the sibling `report`. `top`, the number of words to send; by default all.
//! - Messages: words, separated by ASCII white space.
//! - At shutdown: asks `to` with pages of lines `count<TAB>word`, the most frequent first, ties by the word's bytes. A
//!   page has at most 256 KiB (a longer line gets its own), and the next one leaves when the receiver replied.

mod table;

use std::io::Write as _;
use std::time::Duration;

use playhouse_sdk::anyhow::Context as _;
use playhouse_sdk::{Actor, Context, Message, Result, export_actor};

use crate::table::Table;

const PAGE_BYTES: usize = 256 * 1024;
/// The receiver may print to a pager that an operator reads slowly, so the timeout is long: the receiver's own limits end a wait.
const PAGE_TIMEOUT: Duration = Duration::from_hours(24);

#[derive(Default)]
struct Count {
    to: String,
    top: Option<usize>,
    totals: Table,
}

impl Actor for Count {
    fn init(&mut self, ctx: &mut Context) -> Result {
        self.to = ctx.config("to").unwrap_or_else(|| ctx.sibling("report"));
        self.top = ctx.config_as("top")?;
        Ok(())
    }

    fn msg_handler(&mut self, msg: Message, _: &mut Context) -> Result {
        let words = msg.body().split(u8::is_ascii_whitespace);
        words.filter(|word| !word.is_empty()).for_each(|word| self.totals.add(word));
        Ok(())
    }

    fn shutdown(&mut self, ctx: &mut Context) -> Result {
        let send = |page: &[u8]| {
            let reply = ctx.ask(&self.to, page, PAGE_TIMEOUT);
            reply.map(drop).with_context(|| format!("{} did not take a page of totals", self.to))
        };
        let ranking = std::mem::take(&mut self.totals).into_ranking();
        let (mut page, mut line) = (Vec::with_capacity(PAGE_BYTES), Vec::new());
        for (word, count) in ranking.iter().take(self.top.unwrap_or(usize::MAX)) {
            line.clear();
            write!(line, "{count}\t")?;
            line.extend_from_slice(word);
            line.push(b'\n');
            if !page.is_empty() && page.len() + line.len() > PAGE_BYTES {
                send(&page)?;
                page.clear();
            }
            page.extend_from_slice(&line);
        }
        if page.is_empty() { Ok(()) } else { send(&page) }
    }
}

export_actor!(Count);

#[cfg(test)]
mod tests {
    use playhouse_sdk::testing::{ActorHarness, Sent, Setup};

    use super::*;

    fn setup() -> Setup<Count> {
        ActorHarness::setup().address("/count").answer("/report", |_| Ok(Vec::new()))
    }

    #[test]
    fn most_frequent_come_first_and_ties_by_word() -> Result {
        let mut harness = setup().start()?;
        harness.tell("the cat and the dog")?;
        harness.tell("\nthe  dog\n")?;
        harness.shutdown()?;
        assert_eq!(harness.asked(), [("/report", "3\tthe\n2\tdog\n1\tand\n1\tcat\n")]);
        Ok(())
    }

    #[test]
    fn top_and_to_are_configurable() -> Result {
        let mut harness =
            setup().config("top", "1").config("to", "/list").answer("/list", |_| Ok(Vec::new())).start()?;
        harness.tell("b a b")?;
        harness.shutdown()?;
        assert_eq!(harness.asked(), [("/list", "2\tb\n")]);
        Ok(())
    }

    #[test]
    fn actor_without_words_sends_nothing() -> Result {
        let mut harness = setup().start()?;
        harness.tell(" \n")?;
        harness.shutdown()?;
        assert!(harness.asked().is_empty());
        Ok(())
    }

    #[test]
    fn pages_have_a_limit_and_break_between_lines() -> Result {
        let mut harness = setup().start()?;
        for number in 0..100_000 {
            harness.tell(format!("word{number:06}"))?;
        }
        harness.shutdown()?;
        let pages = harness.asked();
        let lines = 100_000 * "1\tword000000\n".len();
        assert_eq!(pages.len(), lines.div_ceil(PAGE_BYTES));
        for Sent { body, .. } in &pages {
            assert!(body.len() <= PAGE_BYTES && body.ends_with(b"\n"));
        }
        assert_eq!(pages.iter().map(|page| page.body.len()).sum::<usize>(), lines);
        Ok(())
    }

    #[test]
    fn receiver_that_fails_fails_the_shutdown() -> Result {
        let mut harness = ActorHarness::<Count>::setup().address("/count").start()?;
        harness.tell("a")?;
        let error = harness.shutdown().unwrap_err();
        assert_eq!(error.to_string(), "/report did not take a page of totals");
        Ok(())
    }

    #[test]
    fn top_that_is_no_number_fails_the_start() {
        assert!(setup().config("top", "ten").start().is_err());
    }
}
