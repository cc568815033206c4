//! The commands that talk to a running host about its actors.

use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal, Read, Write};
use std::time::Duration;

use playhouse_kernel::Address;

use super::table::{as_tree, table};
use super::{print, print_json};
use crate::args;
use crate::control::client::{Client, ClientError};
use crate::control::protocol::{Body, Request, Response};
use crate::control::views::{ActorLine, MailboxLine, MailboxPluginLine, Tree};
use crate::exit::Exit;
use crate::printable::{Printable, counted, for_terminal};

/// Longest crash reason in the tree.
const REASON_CHARS: usize = 80;

pub(crate) fn tree(args: &args::Look) -> Result<(), Exit> {
    match connect(&args.host)?.request(&Request::Tree {})? {
        Response::Tree(tree) if args.json => print_json(&tree),
        Response::Tree(mut tree) => {
            as_tree(&mut tree.actors, |actor| &actor.address);
            print(&shown_tree(&tree))
        }
        other => Err(unexpected(&other)),
    }
}

pub(crate) fn tell(args: &args::Tell) -> Result<(), Exit> {
    let mut client = connect(&args.host)?;
    if !args.lines {
        let body = body(args.body.as_deref())?;
        return tell_one(&mut client, &args.to, body);
    }
    let mut stdin = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        if stdin.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        tell_one(&mut client, &args.to, line)?;
    }
}

fn tell_one(client: &mut Client, to: &Address, body: Vec<u8>) -> Result<(), Exit> {
    match client.request(&Request::Tell { to: to.clone(), body: Body(body) })? {
        Response::Told { .. } => Ok(()),
        other => Err(unexpected(&other)),
    }
}

pub(crate) fn ask(args: &args::Ask) -> Result<(), Exit> {
    let mut client = connect(&args.host)?;
    let timeout_ms = u64::try_from(args.timeout.as_millis()).unwrap_or(u64::MAX).max(1);
    let request = Request::Ask { to: args.to.clone(), body: Body(body(args.body.as_deref())?), timeout_ms };
    match client.request(&request)? {
        Response::Answer { body: Body(reply) } => {
            let mut stdout = std::io::stdout().lock();
            if stdout.is_terminal() {
                stdout.write_all(for_terminal(&reply).as_bytes())?;
                if reply.last() != Some(&b'\n') {
                    stdout.write_all(b"\n")?;
                }
            } else {
                stdout.write_all(&reply)?;
            }
            stdout.flush()?;
            Ok(())
        }
        other => Err(unexpected(&other)),
    }
}

pub(crate) fn stop(args: &args::One) -> Result<(), Exit> {
    moved(args, Request::Stop { address: args.address.clone() })
}

pub(crate) fn start(args: &args::One) -> Result<(), Exit> {
    moved(args, Request::Start { address: args.address.clone() })
}

fn moved(args: &args::One, request: Request) -> Result<(), Exit> {
    match connect(&args.host)?.request(&request)? {
        Response::Moved { before, now } => print(&format!("{}: {before} -> {now}\n", args.address)),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn connect(host: &args::Host) -> Result<Client, ClientError> {
    Client::connect(&host.socket)
}

pub(super) fn unexpected(response: &Response) -> Exit {
    ClientError::Nonsense(format!("{response:?}").chars().take(80).collect()).into()
}

/// The body on the command line, or all of stdin.
fn body(given: Option<&str>) -> std::io::Result<Vec<u8>> {
    if let Some(text) = given {
        return Ok(text.as_bytes().to_vec());
    }
    let mut body = Vec::new();
    std::io::stdin().lock().read_to_end(&mut body)?;
    Ok(body)
}

fn shown_tree(tree: &Tree) -> String {
    let row = |actor: &ActorLine| {
        let depth = actor.address.matches('/').count() - 1;
        let spawned = if actor.spawned { " (spawned)" } else { "" };
        let last = actor.last_crash.as_ref().map(|crash| shortened(&crash.reason)).unwrap_or_default();
        vec![
            format!("{}{}{spawned}", "  ".repeat(depth), actor.address),
            actor.plugin.clone(),
            actor.detail.as_ref().unwrap_or(&actor.state).clone(),
            format!("{}/{}", actor.up(), actor.instances.len()),
            actor.incarnation.to_string(),
            actor.restarts.to_string(),
            actor.waiting.to_string(),
            actor.handled.to_string(),
            last,
        ]
    };
    let headline = ["ADDRESS", "PLUGIN", "STATE", "UP", "INCARNATION", "RESTARTS", "WAITING", "HANDLED", "LAST CRASH"];
    let rows: Vec<_> = tree.actors.iter().map(row).collect();
    let short = tree.memory_pressure.as_ref().map(|why| format!("memory is short: {}\n", Printable(why)));
    let head = format!("{}\n{}", Printable(&tree.play), short.unwrap_or_default());
    let mut out = format!("{head}{}", table(&headline, &rows, &[3, 4, 5, 6, 7]));
    let lines: Vec<_> = tree.actors.iter().flat_map(|actor| mailbox_lines(&actor.address, &actor.mailbox)).collect();
    if !lines.is_empty() {
        out.push('\n');
        for line in lines {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

/// What there is to say of a mailbox that was full, and of its plugin.
fn mailbox_lines(address: &str, mailbox: &MailboxLine) -> Vec<String> {
    let mut lines = Vec::new();
    let lost = [(mailbox.refused, "refused"), (mailbox.dropped, "dropped"), (mailbox.abandoned, "abandoned")];
    let mut parts: Vec<_> = lost.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if mailbox.blocked > 0 {
        let (all, longest) =
            (Duration::from_millis(mailbox.blocked_ms), Duration::from_millis(mailbox.longest_block_ms));
        let times = if mailbox.blocked == 1 { "once" } else { &format!("{} times", mailbox.blocked) };
        parts.push(format!("senders waited {times}, {all:?} in all, {longest:?} at most"));
    }
    if mailbox.blocked_now > 0 {
        parts.push(format!("{} wait now", mailbox.blocked_now));
    }
    if mailbox.full > 0 || !parts.is_empty() {
        let full = format!("the mailbox of {address} was full ({} of {})", mailbox.most, mailbox.capacity);
        lines.push(format!("{full}: {}", if parts.is_empty() { "nothing was lost".into() } else { parts.join(", ") }));
    }
    if let Some(plugin) = mailbox.plugin.as_ref().filter(|plugin| plugin.crashes > 0) {
        let times = counted(plugin.crashes, "time");
        let last = plugin.last_crash.as_deref().map(|why| format!(": {}", shortened(why))).unwrap_or_default();
        let MailboxPluginLine { name, state, .. } = plugin;
        lines.push(format!("the mailbox plugin {name} of {address} crashed {times} and is {state}{last}"));
    }
    lines
}

pub(super) fn shortened(text: &str) -> String {
    crate::printable::preview(text.as_bytes(), REASON_CHARS)
}
