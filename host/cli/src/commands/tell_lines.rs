//! `playhouse tell --lines`: each line of stdin is a message. Lines that come while the host works on others are sent together, so that
//! a durable mailbox waits for its disk once for all of them.

use playhouse_runtime::Address;
use playhouse_runtime::control::protocol::{Body, Request, Response};
use playhouse_runtime::printable::counted;
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;

use super::host::{limit, unexpected};
use crate::client::{Client, ClientError};
use crate::console::Console;
use crate::exit::{Exit, FAILED};
use crate::lines::{Line, Lines};
use crate::stdin::read_ahead;

/// Most messages of one request.
const MOST_MESSAGES: usize = 4096;
/// Bytes that a request may have beside the longest message: a host takes somewhat more.
const BYTES_BESIDE: usize = 48 << 10;

/// Lines that are sent together.
#[derive(Default)]
struct Batch {
    bodies: Vec<Body>,
    /// The numbers of the lines.
    numbers: Vec<u64>,
    /// Bytes of the bodies in a request.
    bytes: usize,
}

impl Batch {
    fn push(&mut self, number: u64, body: &[u8]) {
        self.bytes += request_bytes(body);
        self.numbers.push(number);
        self.bodies.push(Body(body.to_vec()));
    }

    /// Whether one more body would make the request too long.
    fn is_full_for(&self, body: &[u8], limit: usize) -> bool {
        let most = limit.saturating_add(BYTES_BESIDE);
        !self.bodies.is_empty() && (self.bodies.len() >= MOST_MESSAGES || self.bytes + request_bytes(body) > most)
    }
}

/// The bytes of a body in a request: base64 between quotes, and a comma.
fn request_bytes(body: &[u8]) -> usize {
    body.len().div_ceil(3) * 4 + 3
}

/// A stream of lines to one actor.
struct Sender<'a> {
    client: &'a mut Client,
    to: &'a Address,
    batch: Batch,
    dropped: u64,
}

impl Sender<'_> {
    /// Sends the lines of the batch, and waits until the host confirms them.
    fn send(&mut self) -> Result<(), Exit> {
        let Batch { bodies, numbers, .. } = std::mem::take(&mut self.batch);
        let Some(first) = numbers.first() else { return Ok(()) };
        match self.client.request(&Request::TellAll { to: self.to.clone(), bodies }) {
            Ok(Response::ToldAll { told, dropped, refused }) => {
                self.dropped += dropped;
                let Some(refusal) = refused else { return Ok(()) };
                let sent = usize::try_from(told.saturating_add(dropped)).unwrap_or(usize::MAX);
                let number = numbers.get(sent).unwrap_or(first);
                let words = format!("line {number} of stdin was not sent, nor were the lines after it");
                Err(Exit::from(ClientError::Refused(refusal)).after(&words))
            }
            Ok(other) => Err(unexpected(&other)),
            Err(error) => {
                let words = format!("line {first} of stdin was not confirmed, nor were the lines after it");
                Err(Exit::from(error).after(&words))
            }
        }
    }

    /// Reports the lines that the mailbox dropped.
    fn drops(&self) -> Option<String> {
        let text = || {
            format!("{} dropped: the mailbox of `{}` was full (drop-newest)", counted(self.dropped, "line"), self.to)
        };
        (self.dropped > 0).then(text)
    }
}

/// Sends each line of stdin. The wait for stdin has no limit. A line that is too long, or that the mailbox drops, is reported,
/// and the other lines are sent.
pub(super) fn tell_lines(client: &mut Client, to: &Address, console: &Console) -> Result<(), Exit> {
    let limit = limit(client, to, &Request::Limit { to: to.clone() })?;
    let mut sender = Sender { client, to, batch: Batch::default(), dropped: 0 };
    let mut too_long = 0_u64;
    let sent = send_all(&mut sender, &mut read_ahead(), limit, |number, bytes| {
        too_long += 1;
        crate::run::feed::say_too_long(console, number, bytes, limit, to);
    });
    match (sent, sender.drops()) {
        (Err(exit), drops) => {
            if let Some(drops) = drops {
                console.print(&format!("playhouse: {drops}"));
            }
            Err(exit)
        }
        (Ok(()), Some(drops)) => Err(Exit::with(FAILED, drops)),
        (Ok(()), None) if too_long > 0 => Err(Exit::quiet(FAILED)),
        (Ok(()), None) => Ok(()),
    }
}

fn send_all(
    sender: &mut Sender<'_>,
    chunks: &mut Receiver<std::io::Result<Vec<u8>>>,
    limit: usize,
    mut too_long: impl FnMut(u64, u64),
) -> Result<(), Exit> {
    let mut lines = Lines::new(limit);
    loop {
        // Lines that are here already go together; the host gets the batch before the wait for others.
        let chunk = match chunks.try_recv() {
            Err(TryRecvError::Empty) => {
                sender.send()?;
                chunks.blocking_recv()
            }
            chunk => chunk.ok(),
        };
        let is_end = chunk.is_none();
        match chunk.transpose().map_err(|error| Exit::of_stdin(&error))? {
            Some(chunk) => lines.fill(&chunk),
            None => lines.end(),
        }
        loop {
            let number = lines.number();
            match lines.next_line() {
                None => break,
                Some(Line::Whole(body)) => {
                    if sender.batch.is_full_for(body, limit) {
                        sender.send()?;
                    }
                    sender.batch.push(number, body);
                }
                Some(Line::TooLong { number, bytes }) => too_long(number, bytes),
            }
        }
        if is_end {
            return sender.send();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_is_full_before_its_request_is_too_long() {
        let mut batch = Batch::default();
        let body = vec![b'x'; 1000];
        assert!(!batch.is_full_for(&vec![b'x'; 1 << 20], 10), "one message always goes");
        while !batch.is_full_for(&body, 10_000) {
            batch.push(1, &body);
        }
        let bodies = std::mem::take(&mut batch.bodies);
        let to = Address::parse("/a").expect("good");
        let line = playhouse_runtime::control::protocol::encode(&Request::TellAll { to, bodies });
        // A host takes twice the longest message, and 64 KiB.
        assert!(line.len() < 2 * 10_000 + (64 << 10) && line.len() > 10_000 + BYTES_BESIDE - 2000, "{}", line.len());
    }

    #[test]
    fn batch_has_a_most_number_of_messages() {
        let mut batch = Batch::default();
        (0..MOST_MESSAGES).for_each(|_| batch.push(1, b""));
        assert!(batch.is_full_for(b"", 1 << 20));
    }
}
