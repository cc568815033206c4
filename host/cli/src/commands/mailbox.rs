//! `playhouse mailbox`: the messages that wait in durable mailboxes, listed, shown, dropped, exported, imported.

use std::fmt::Write;
use std::io::Read;

use playhouse_runtime::Address;
use playhouse_runtime::control::protocol::{Request, Response};
use playhouse_runtime::control::store_views::{MessagesPage, PortableLine, StoredMailbox, WaitingMessage};
use playhouse_runtime::printable::{Printable, counted, size};

use super::body::shown_body;
use super::host::{limit, unexpected};
use super::stored::StorePlace;
use super::table::table;
use super::{print, print_bytes, print_json};
use crate::args;
use crate::console::Console;
use crate::exit::{BAD_INPUT, Exit, FAILED};
use crate::lines::{Line, Lines};

/// Messages that an export asks for at a time; the answer has fewer when they are large.
const PAGE_MESSAGES: u64 = 4096;
/// Bytes of the lines that are imported at a time into a store without a host.
const STOPPED_BYTES: usize = 8 << 20;
/// Bytes of the lines that are imported at a time beside the longest message: a host takes somewhat more.
const BYTES_BESIDE: usize = 48 << 10;
/// The longest line of an import: the largest message of a durable mailbox, in base64, with its metadata.
const LONGEST_LINE: usize = 48 << 20;

pub(crate) fn list(args: &args::StoreLook) -> Result<(), Exit> {
    match StorePlace::open(&args.place)?.request(&Request::Mailboxes {})? {
        Response::Mailboxes(mailboxes) if args.json => print_json(&mailboxes),
        Response::Mailboxes(mailboxes) => print(&listed(&mailboxes)),
        other => Err(unexpected(&other)),
    }
}

fn listed(mailboxes: &[StoredMailbox]) -> String {
    if mailboxes.is_empty() {
        return "no durable mailboxes\n".into();
    }
    let row = |mailbox: &StoredMailbox| {
        let mut notes = Vec::new();
        if mailbox.stopped {
            notes.push("stopped by an operator");
        }
        if mailbox.in_play == Some(false) {
            notes.push("not in this play");
        }
        vec![
            mailbox.address.clone(),
            mailbox.waiting.to_string(),
            mailbox.held.to_string(),
            size(mailbox.bytes),
            notes.join(", "),
        ]
    };
    let rows: Vec<_> = mailboxes.iter().map(row).collect();
    table(&["ADDRESS", "WAITING", "RETRIES", "SIZE", "NOTE"], &rows, &[1, 2, 3])
}

pub(crate) fn show(args: &args::ShowMailbox) -> Result<(), Exit> {
    let mut place = StorePlace::open(&args.look.place)?;
    let (mut messages, mut from) = (Vec::new(), 0);
    let waiting = loop {
        let most = args.limit - messages.len() as u64;
        let page = page(&mut place, &args.address, from, most)?;
        messages.extend(page.messages);
        match page.next {
            Some(next) if (messages.len() as u64) < args.limit => from = next,
            _ => break page.waiting,
        }
    };
    if args.look.json {
        return print_json(&MessagesPage { waiting, messages, next: None });
    }
    print(&shown(&messages, waiting, args.text, args.hex))
}

fn shown(messages: &[WaitingMessage], waiting: u64, as_text: bool, as_hex: bool) -> String {
    let mut out = String::new();
    for message in messages {
        let mut line = |name: &str, text: &str| {
            let _ = writeln!(out, "{name:<10}{}", Printable(text));
        };
        line("id", &message.id);
        line("from", message.from.as_deref().unwrap_or("(outside)"));
        line("flow", &format!("{}, hop {}", message.flow, message.hops));
        if message.attempts > 0 {
            line("attempts", &message.attempts.to_string());
        }
        if let Some(due) = &message.due {
            line("due", due);
        }
        for (n, (key, value)) in message.metadata.iter().enumerate() {
            line(if n == 0 { "metadata" } else { "" }, &format!("{key}: {value}"));
        }
        out.push_str(&shown_body(&message.body.0, as_text, as_hex));
        out.push('\n');
    }
    let _ = match waiting.checked_sub(messages.len() as u64) {
        Some(more @ 1..) => writeln!(out, "{} waiting, {more} not shown (--limit)", counted(waiting, "message")),
        _ => writeln!(out, "{} waiting", counted(waiting, "message")),
    };
    out
}

fn page(place: &mut StorePlace, of: &Address, from: u64, most: u64) -> Result<MessagesPage, Exit> {
    match place.request(&Request::Messages { of: of.clone(), from, most })? {
        Response::Messages(page) => Ok(page),
        other => Err(unexpected(&other)),
    }
}

pub(crate) fn drop(args: &args::DropMessages, console: &Console) -> Result<(), Exit> {
    let request = Request::DropMessages { of: args.address.clone(), id: args.id.clone() };
    let (dropped, left) = match StorePlace::open(&args.place)?.request(&request)? {
        Response::MessagesDropped { dropped, left } => (dropped, left),
        other => return Err(unexpected(&other)),
    };
    print(&format!("dropped {} of {}\n", counted(dropped, "message"), args.address))?;
    if left == 0 {
        return Ok(());
    }
    let hint = format!("`playhouse stop {}` lets it finish them first", args.address);
    console.print(&format!("playhouse: {} in process, or ended meanwhile: {hint}", counted(left, "message")));
    Err(Exit::quiet(FAILED))
}

pub(crate) fn export(args: &args::OfMailbox) -> Result<(), Exit> {
    let mut place = StorePlace::open(&args.place)?;
    let mut from = 0;
    loop {
        let page = page(&mut place, &args.address, from, PAGE_MESSAGES)?;
        let mut lines = Vec::new();
        for message in page.messages {
            serde_json::to_writer(&mut lines, &message.portable()).map_err(std::io::Error::from)?;
            lines.push(b'\n');
        }
        print_bytes(&lines)?;
        match page.next {
            Some(next) => from = next,
            None => return Ok(()),
        }
    }
}

/// An import under way.
struct Import<'a> {
    place: StorePlace,
    to: &'a Address,
    /// Lines that are imported together.
    batch: Vec<PortableLine>,
    /// The number of the first of them.
    first: u64,
    bytes: usize,
    most_bytes: usize,
    imported: u64,
    there: u64,
}

impl Import<'_> {
    /// The words before an error: the part of the import that is done.
    fn so_far(&self, line: u64) -> String {
        let done = counted(self.imported + self.there, "message");
        format!("line {line} of stdin was not imported, nor were the lines after it (before it: {done})")
    }

    fn add(&mut self, number: u64, line: &[u8]) -> Result<(), Exit> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let wrong = |import: &Self, why: String| Exit::with(BAD_INPUT, why).after(&import.so_far(number));
        let portable: PortableLine = match serde_json::from_slice(line) {
            Ok(portable) => portable,
            Err(error) => {
                self.send()?;
                return Err(wrong(self, format!("it is no exported message: {error}")));
            }
        };
        if let Err(error) = portable.clone().message() {
            self.send()?;
            return Err(wrong(self, error.to_string()));
        }
        if !self.batch.is_empty() && self.bytes + line.len() > self.most_bytes {
            self.send()?;
        }
        if self.batch.is_empty() {
            self.first = number;
        }
        self.bytes += line.len() + 1;
        self.batch.push(portable);
        Ok(())
    }

    fn send(&mut self) -> Result<(), Exit> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let messages = std::mem::take(&mut self.batch);
        match self.place.request(&Request::ImportMessages { to: self.to.clone(), messages }) {
            Ok(Response::MessagesImported { imported, there }) => {
                self.imported += imported;
                self.there += there;
                Ok(())
            }
            Ok(other) => Err(unexpected(&other)),
            Err(exit) => Err(exit.after(&self.so_far(self.first))),
        }
    }
}

pub(crate) fn import(args: &args::OfMailbox) -> Result<(), Exit> {
    let mut place = StorePlace::open(&args.place)?;
    let most_bytes = match &mut place {
        StorePlace::Running(client) => {
            let to = Request::Limit { to: args.address.clone() };
            limit(client, &args.address, &to)?.saturating_add(BYTES_BESIDE)
        }
        StorePlace::Stopped(_) => STOPPED_BYTES,
    };
    let to = &args.address;
    let mut import = Import { place, to, batch: Vec::new(), first: 1, bytes: 0, most_bytes, imported: 0, there: 0 };
    let mut lines = Lines::new(LONGEST_LINE);
    let (mut stdin, mut chunk) = (std::io::stdin().lock(), vec![0; 256 << 10]);
    loop {
        let read = match stdin.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Exit::of_stdin(&error)),
        };
        match read {
            0 => lines.end(),
            read => lines.fill(&chunk[..read]),
        }
        loop {
            let number = lines.number();
            match lines.next_line() {
                None => break,
                Some(Line::Whole(line)) => import.add(number, line)?,
                Some(Line::TooLong { number, .. }) => {
                    import.send()?;
                    let why = format!("a line of an export has at most {}", size(LONGEST_LINE as u64));
                    return Err(Exit::with(BAD_INPUT, why).after(&import.so_far(number)));
                }
            }
        }
        if read == 0 {
            break;
        }
    }
    import.send()?;
    let there = match import.there {
        0 => String::new(),
        there => format!("; {} left out, since such ids wait there", counted(there, "message")),
    };
    print(&format!("imported {} into {to}{there}\n", counted(import.imported, "message")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use playhouse_runtime::control::protocol::Body;

    fn message(number: u64, body: &[u8]) -> WaitingMessage {
        WaitingMessage {
            number,
            id: format!("{number:0>32}"),
            flow: format!("{:0>32}", "5d1"),
            hops: 1,
            from: (number > 1).then(|| "/shop".to_owned()),
            attempts: 2,
            due: Some("2026-11-22T16:46:00.123Z".into()),
            metadata: vec![("path".into(), "/orders\u{1b}[31m".into())],
            bytes: body.len() as u64,
            body: Body(body.to_vec()),
            text: None,
        }
    }

    #[test]
    fn messages_are_shown_escaped_and_counted() {
        let messages = [message(1, b"hello"), WaitingMessage { attempts: 0, due: None, ..message(2, b"\x1b[2J") }];
        expect![[r#"
            id        00000000000000000000000000000001
            from      (outside)
            flow      000000000000000000000000000005d1, hop 1
            attempts  2
            due       2026-11-22T16:46:00.123Z
            metadata  path: /orders\u{1b}[31m
            body      5 bytes
              hello

            id        00000000000000000000000000000002
            from      /shop
            flow      000000000000000000000000000005d1, hop 1
            metadata  path: /orders\u{1b}[31m
            body      4 bytes
              00000000  1b 5b 32 4a                                       |.[2J|

            5 messages waiting, 3 not shown (--limit)
        "#]]
        .assert_eq(&shown(&messages, 5, false, false));
        expect![[r#"
            0 messages waiting
        "#]]
        .assert_eq(&shown(&[], 0, false, false));
    }

    #[test]
    fn list_says_who_has_no_actor() {
        let mailbox = |address: &str, stopped, in_play| StoredMailbox {
            address: address.into(),
            waiting: 12,
            held: 1,
            bytes: 4096,
            stopped,
            in_play,
        };
        let mailboxes =
            [mailbox("/till", false, Some(true)), mailbox("/gone", true, Some(false)), mailbox("/a", false, None)];
        expect![[r#"
            ADDRESS  WAITING  RETRIES   SIZE  NOTE
            /till         12        1  4 KiB
            /gone         12        1  4 KiB  stopped by an operator, not in this play
            /a            12        1  4 KiB
        "#]]
        .assert_eq(&listed(&mailboxes));
        assert_eq!(listed(&[]), "no durable mailboxes\n");
    }
}
