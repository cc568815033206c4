//! The commands that send requests about actors to a running host.

use std::fmt::Write as _;
use std::io::{IsTerminal, Read};
use std::time::Duration;

use playhouse_runtime::Address;

use super::table::{as_tree, table};
use super::{print, print_bytes, print_json};
use crate::args;
use crate::client::{Client, ClientError};
use crate::console::Console;
use crate::exit::{Exit, FAILED};
use crate::lines::{Line, Lines};
use playhouse_runtime::control::protocol::{Body, Request, Response};
use playhouse_runtime::control::views::{ActorLine, FailedLine, MailboxLine, MailboxPluginLine, Tree, UsageView};
use playhouse_runtime::printable::{Printable, counted, for_terminal, size};

/// Maximum length of a crash reason in the tree.
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

/// Prints the state; an exit code of 1 says that it is not good.
pub(crate) fn health(args: &args::Health) -> Result<(), Exit> {
    match Client::connect_for(&args.host.socket, &Request::Health {})?.request(&Request::Health {})? {
        Response::Health { healthy, health, .. } if !healthy => Err(Exit::with(FAILED, health)),
        Response::Health { ready, readiness, .. } if args.ready && !ready => Err(Exit::with(FAILED, readiness)),
        Response::Health { readiness, .. } if args.ready => print(&format!("{readiness}\n")),
        Response::Health { health, .. } => print(&format!("{health}\n")),
        other => Err(unexpected(&other)),
    }
}

pub(crate) fn tell(args: &args::Tell, console: &Console) -> Result<(), Exit> {
    let mut client = connect(&args.host)?;
    if args.lines {
        return tell_lines(&mut client, &args.to, console);
    }
    let within = Request::Limit { to: args.to.clone() };
    let body = body(&mut client, &args.to, args.body.as_deref(), &within)?;
    tell_one(&mut client, &args.to, body).map_err(Exit::from)
}

/// Sends each line of stdin. The wait for stdin has no limit. A line that is too long, or that the mailbox drops, is reported,
/// and the other lines are sent.
fn tell_lines(client: &mut Client, to: &Address, console: &Console) -> Result<(), Exit> {
    let limit = limit(client, to, &Request::Limit { to: to.clone() })?;
    let mut lines = Lines::new(limit);
    let (mut stdin, mut chunk) = (std::io::stdin().lock(), vec![0; 64 << 10]);
    let (mut too_long, mut dropped) = (0_u64, 0_u64);
    loop {
        let read = match stdin.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(&error)),
        };
        match read {
            0 => lines.end(),
            read => lines.fill(&chunk[..read]),
        }
        loop {
            let number = lines.number();
            match lines.next_line() {
                None => break,
                Some(Line::Whole(body)) => match tell_one(client, to, body.to_vec()) {
                    Err(ClientError::Refused(refusal)) if refusal.kind == "dropped" => dropped += 1,
                    Err(error) => {
                        if dropped > 0 {
                            console.say(&format!("playhouse: {}", drops(dropped, to)));
                        }
                        let words = format!("line {number} of stdin was not sent, nor were the lines after it");
                        return Err(Exit::from(error).after(&words));
                    }
                    Ok(()) => {}
                },
                Some(Line::TooLong { number, bytes }) => {
                    too_long += 1;
                    console.say(&format!("playhouse: {}", crate::run::feed::too_long(number, bytes, limit, to)));
                }
            }
        }
        if read == 0 {
            break;
        }
    }
    if dropped > 0 {
        return Err(Exit::with(FAILED, drops(dropped, to)));
    }
    if too_long > 0 { Err(Exit::quiet(FAILED)) } else { Ok(()) }
}

/// The report of lines that the receiver's mailbox dropped.
fn drops(lines: u64, to: &Address) -> String {
    format!("{} dropped: the mailbox of `{to}` was full (drop-newest)", counted(lines, "line"))
}

fn unreadable(error: &std::io::Error) -> Exit {
    Exit::with(FAILED, format!("stdin cannot be read: {error}"))
}

/// The largest message that an actor takes. The request for it has the time of the request `within` that follows.
fn limit(client: &mut Client, to: &Address, within: &Request) -> Result<usize, Exit> {
    match client.request_within(&Request::Limit { to: to.clone() }, within)? {
        Response::Limit { message_bytes } => Ok(usize::try_from(message_bytes).unwrap_or(usize::MAX)),
        other => Err(unexpected(&other)),
    }
}

fn tell_one(client: &mut Client, to: &Address, body: Vec<u8>) -> Result<(), ClientError> {
    match client.request(&Request::Tell { to: to.clone(), body: Body(body) })? {
        Response::Told { .. } => Ok(()),
        other => Err(nonsense(&other)),
    }
}

pub(crate) fn ask(args: &args::Ask) -> Result<(), Exit> {
    let timeout_ms = u64::try_from(args.timeout.as_millis()).unwrap_or(u64::MAX).max(1);
    let ask = |body| Request::Ask { to: args.to.clone(), body: Body(body), timeout_ms };
    let mut client = Client::connect_for(&args.host.socket, &ask(Vec::new()))?;
    let body = body(&mut client, &args.to, args.body.as_deref(), &ask(Vec::new()))?;
    match client.request(&ask(body))? {
        Response::Answer { body: Body(reply) } => {
            if !std::io::stdout().is_terminal() {
                return print_bytes(&reply);
            }
            let end = if reply.last() == Some(&b'\n') { "" } else { "\n" };
            print(&format!("{}{end}", for_terminal(&reply)))
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
    nonsense(response).into()
}

fn nonsense(response: &Response) -> ClientError {
    ClientError::Nonsense(format!("{response:?}").chars().take(80).collect())
}

/// The body on the command line, or all of stdin; an error if stdin has more than the actor takes.
fn body(client: &mut Client, to: &Address, given: Option<&str>, within: &Request) -> Result<Vec<u8>, Exit> {
    if let Some(text) = given {
        return Ok(text.as_bytes().to_vec());
    }
    let limit = limit(client, to, within)?;
    let mut body = Vec::new();
    let mut stdin = std::io::stdin().lock().take((limit as u64).saturating_add(1));
    stdin.read_to_end(&mut body).map_err(|error| unreadable(&error))?;
    if body.len() > limit {
        let text = format!(
            "stdin has more than {limit} bytes, the `limits.message` of `{to}`, and was not sent: raise the limit, send \
             less, or send lines (`playhouse tell --lines`)"
        );
        return Err(Exit::with(FAILED, text));
    }
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
            actor.dead_letters.values().sum::<u64>().to_string(),
            last,
        ]
    };
    let headline = [
        "ADDRESS",
        "PLUGIN",
        "STATE",
        "UP",
        "INCARNATION",
        "RESTARTS",
        "WAITING",
        "HANDLED",
        "DEAD LETTERS",
        "LAST CRASH",
    ];
    let rows: Vec<_> = tree.actors.iter().map(row).collect();
    let short = tree.memory_pressure.as_ref().map(|why| format!("memory is short: {}\n", Printable(why)));
    let head = format!("{}\n{}", Printable(&tree.play), short.unwrap_or_default());
    let mut out = format!("{head}{}", table(&headline, &rows, &[3, 4, 5, 6, 7, 8]));
    let mailboxes = tree.actors.iter().flat_map(|actor| mailbox_lines(&actor.address, &actor.mailbox));
    let lines: Vec<_> = tree
        .actors
        .iter()
        .filter_map(|actor| failed_line(actor).or_else(|| failed_instances(actor)))
        .chain(tree.actors.iter().filter_map(subtree_line))
        .chain(mailboxes)
        .collect();
    if !lines.is_empty() {
        out.push('\n');
        for line in lines {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

/// The use of `limits.subtree` by an actor that has such limits, and by all actors below it.
fn subtree_line(actor: &ActorLine) -> Option<String> {
    let part = |(key, usage): (&String, &UsageView)| match key.as_str() {
        "memory" => format!("{} of {} {key}", size(usage.used), size(usage.most)),
        _ => format!("{} of {} {key}", usage.used, usage.most),
    };
    let parts: Vec<_> = actor.subtree.as_ref()?.iter().map(part).collect();
    Some(format!("{} and all below it use {}", actor.address, parts.join(", ")))
}

/// The reason and the time of an actor's own failure, and the next step.
fn failed_line(actor: &ActorLine) -> Option<String> {
    let failed = actor.failed.as_ref().filter(|failed| failed.actor == actor.address)?;
    let FailedLine { actor, since, why, .. } = failed;
    let last = failed.next_trial_in_ms.map_or_else(
        || format!("only `playhouse start {actor}` starts it"),
        |ms| format!("the next trial start is in {}s, or `playhouse start {actor}`", ms.div_ceil(1000)),
    );
    Some(format!("{actor} is failed since {since}: {}; {last}", Printable(why)))
}

/// The number of failed instances of an actor with other instances, the reason, the time, and the next step.
fn failed_instances(actor: &ActorLine) -> Option<String> {
    let failed: Vec<_> = actor.instances.iter().filter_map(|instance| instance.failed.as_ref()).collect();
    let first = failed.iter().min_by_key(|failed| failed.next_trial_in_ms.unwrap_or(u64::MAX))?;
    let next = first.next_trial_in_ms.map_or_else(
        || format!("only `playhouse start {}` starts one", actor.address),
        |ms| format!("the next trial start is in {}s, or `playhouse start {}`", ms.div_ceil(1000), actor.address),
    );
    let (address, count, all) = (&actor.address, failed.len(), actor.instances.len());
    let FailedLine { since, why, .. } = first;
    Some(format!("{address} has {count} of {all} instances failed since {since}: {}; {next}", Printable(why)))
}

/// The lines about a mailbox that was full, and about its plugin.
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
    playhouse_runtime::printable::preview(text.as_bytes(), REASON_CHARS)
}
