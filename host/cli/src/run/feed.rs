//! Input: messages from the command line and from stdin into mailboxes. The feeder waits for space, so that memory is bounded for
//! any length of the input.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use playhouse_runtime::{AboutHost, Address, RequestError, RunningPlay, SendError, Stage, Told};

use crate::console::Console;
use crate::events::{InputDropped, InputRefused, LineTooLong, LinesTooLong};
use crate::lines::{Line, Lines};
use crate::stdin::read_ahead;
use playhouse_runtime::printable::counted;

/// Maximum number of too long lines that are reported one by one; further ones are counted.
const NAMED_LINES: u64 = 10;
/// Most messages of the input that wait for the store to confirm them: one write of the disk confirms many.
const UNCONFIRMED: usize = 4096;
/// The pause before a message is sent again that a full store did not take.
const STORE_PAUSE: Duration = Duration::from_millis(50);

/// Input that was not sent, by reason. Known also when a signal ends the run before its input does.
#[derive(Default)]
pub(super) struct Unsent {
    /// Lines that are too long.
    too_long: Cell<u64>,
    /// Messages that a mailbox did not take, by its actor.
    refused: RefCell<BTreeMap<Address, u64>>,
    /// Messages that were not taken while memory was short, and the last reason.
    short: RefCell<(u64, String)>,
    /// Messages that the `drop-newest` of a mailbox dropped, by its actor.
    dropped: RefCell<BTreeMap<Address, u64>>,
}

impl Unsent {
    /// Whether the run failed because of unsent input. Messages that a drop rule of the manifest dropped are no failure.
    pub(super) fn fails(&self) -> bool {
        self.too_long.get() > 0 || self.is_refused()
    }

    /// Whether messages were refused that could be sent again.
    pub(super) fn is_refused(&self) -> bool {
        !self.refused.borrow().is_empty() || self.short.borrow().0 > 0
    }

    /// Reports the unsent input. The first lines that were too long are reported already.
    pub(super) fn say(&self, console: &Console) {
        if let more @ 1.. = self.too_long.get().saturating_sub(NAMED_LINES) {
            let shown = counted(more, "more line");
            console.say(&LinesTooLong { subject: AboutHost, lines: more, shown: &shown });
        }
        for (to, dropped) in &*self.dropped.borrow() {
            let (shown, to) = (counted(*dropped, "message"), to.to_string());
            console.say(&InputDropped { subject: AboutHost, to, messages: *dropped, shown: &shown });
        }
        if let (short @ 1.., why) = &*self.short.borrow() {
            let shown = format!("{} of the input refused: {why}", counted(*short, "message"));
            let reason = "memory-pressure";
            console.say(&InputRefused { subject: AboutHost, reason, to: None, messages: *short, shown: &shown });
        }
        for (to, refused) in &*self.refused.borrow() {
            let shown = format!("{} of the input found no room in the mailbox of {to}", counted(*refused, "message"));
            let (reason, to) = ("mailbox-full", Some(to.to_string()));
            console.say(&InputRefused { subject: AboutHost, reason, to, messages: *refused, shown: &shown });
        }
    }
}

/// Feeds a play.
pub(super) struct Input<'a> {
    play: &'a RunningPlay,
    console: &'a Console,
    unsent: &'a Unsent,
    /// Whether a message to an actor that failed and is not tried again is refused, instead of waiting for space.
    gives_up: bool,
    /// Messages that are in their mailboxes, and may not be durable yet.
    told: VecDeque<Told>,
}

impl<'a> Input<'a> {
    pub(super) fn new(play: &'a RunningPlay, console: &'a Console, unsent: &'a Unsent) -> Self {
        Self { play, console, unsent, gives_up: false, told: VecDeque::new() }
    }

    /// Sets whether messages to an actor that failed for good are refused, instead of waiting for space.
    pub(super) fn gives_up(&mut self, gives_up: bool) {
        self.gives_up = gives_up;
    }

    /// Sends one message, and waits for space without a limit. A message that the mailbox refuses or drops is counted, and so is
    /// one that is refused because memory is short. The message may not be durable yet: see [`Input::confirm`].
    pub(super) async fn tell(&mut self, to: &Address, body: &[u8]) -> Result<(), String> {
        let told = loop {
            let told = tokio::select! {
                biased;
                told = self.play.tell_later(to, body, Duration::MAX) => told,
                // The mailbox will never have space again: the run ends without this message.
                _ = self.play.wait_failed_for_good(to), if self.gives_up => Err(SendError::MailboxFull(to.clone()).into()),
            };
            // A full store keeps nothing of the message, which waits until there is space.
            let is_full = matches!(told, Err(RequestError::NotSent(SendError::NotStored { .. })))
                && matches!(self.play.stage(), Stage::Starting | Stage::Running);
            if !is_full {
                break told;
            }
            tokio::time::sleep(STORE_PAUSE).await;
        };
        match told {
            Ok(told) => {
                self.told.push_back(told);
                self.confirm(UNCONFIRMED).await
            }
            Err(RequestError::NotSent(error @ SendError::MemoryPressure(_))) => {
                self.unsent.short.replace_with(|short| (short.0 + 1, error.to_string()));
                Ok(())
            }
            Err(RequestError::NotSent(SendError::MailboxFull(_))) => {
                *self.unsent.refused.borrow_mut().entry(to.clone()).or_default() += 1;
                Ok(())
            }
            Err(RequestError::NotSent(SendError::Dropped { .. })) => {
                *self.unsent.dropped.borrow_mut().entry(to.clone()).or_default() += 1;
                Ok(())
            }
            Err(error) => Err(format!("the input was not sent: {error}")),
        }
    }

    /// Waits until at most `left` of the messages that were sent are not durable.
    pub(super) async fn confirm(&mut self, left: usize) -> Result<(), String> {
        while self.told.len() > left {
            let Some(told) = self.told.pop_front() else { break };
            told.durable().await.map_err(|error| format!("the input was not confirmed: {error}"))?;
        }
        Ok(())
    }

    /// Sends each line of stdin until it ends.
    pub(super) async fn stdin(&mut self, to: &Address) -> Result<(), String> {
        let limit = self.play.message_limit(to).ok_or_else(|| format!("no actor has the address `{to}`"))?;
        let mut chunks = read_ahead();
        let mut lines = Lines::new(limit);
        while let Some(chunk) = chunks.recv().await {
            lines.fill(&chunk.map_err(|error| format!("stdin cannot be read: {error}"))?);
            self.send_lines(to, limit, &mut lines).await?;
        }
        lines.end();
        self.send_lines(to, limit, &mut lines).await
    }

    async fn send_lines(&mut self, to: &Address, limit: usize, lines: &mut Lines) -> Result<(), String> {
        while let Some(line) = lines.next_line() {
            // A send may never wait, and other tasks of this thread must run as well.
            tokio::task::coop::consume_budget().await;
            match line {
                Line::Whole(body) => self.tell_line(to, body).await?,
                Line::TooLong { number, bytes } => {
                    self.unsent.too_long.update(|count| count + 1);
                    if self.unsent.too_long.get() <= NAMED_LINES {
                        say_too_long(self.console, number, bytes, limit, to);
                    }
                }
            }
        }
        Ok(())
    }

    /// Like [`Input::tell`], but a line is not lost while memory is short: the line waits, and so does the writer of stdin.
    async fn tell_line(&mut self, to: &Address, body: &[u8]) -> Result<(), String> {
        loop {
            let before = self.unsent.short.borrow().0;
            self.tell(to, body).await?;
            if self.unsent.short.borrow().0 == before {
                return Ok(());
            }
            self.unsent.short.borrow_mut().0 = before;
            self.play.wait_memory_relieved().await;
        }
    }
}

/// Reports a line that is too long.
pub(crate) fn say_too_long(console: &Console, line: u64, bytes: u64, most_bytes: usize, to: &Address) {
    console.say(&LineTooLong { subject: AboutHost, line, bytes, most_bytes, to: to.to_string() });
}
