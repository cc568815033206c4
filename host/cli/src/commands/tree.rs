//! `playhouse tree`: the actors of a running host.

use std::fmt::Write as _;
use std::time::Duration;

use super::host::{connect, unexpected};
use super::table::{as_tree, table};
use super::{print, print_json};
use crate::args;
use crate::client::{Client, ClientError};
use crate::exit::Exit;
use playhouse_runtime::control::protocol::{Request, Response};
use playhouse_runtime::control::views::{
    ActorLine, FailedLine, FamilyLine, MailboxLine, MailboxPluginLine, StoreView, Tree, UsageView,
};
use playhouse_runtime::printable::{Printable, age, counted, size};

/// Maximum length of a crash reason in the tree.
const REASON_CHARS: usize = 80;

pub(crate) fn tree(args: &args::Tree) -> Result<(), Exit> {
    let tree = read(&mut connect(&args.look.host)?)??;
    if args.look.json { print_json(&tree) } else { print(&shown(tree)) }
}

/// The actors of the host; the outer error is one of the connection.
pub(super) fn read(client: &mut Client) -> Result<Result<Tree, Exit>, ClientError> {
    Ok(match client.request(&Request::Tree {})? {
        Response::Tree(tree) => Ok(tree),
        other => Err(unexpected(&other)),
    })
}

/// The text of a tree: a table of the actors, and lines about those that need attention.
pub(super) fn shown(mut tree: Tree) -> String {
    as_tree(&mut tree.actors, |actor| &actor.address);
    shown_tree(&tree)
}

/// A column of the table that is left out while all its cells are empty.
struct Extra {
    name: &'static str,
    cell: fn(&ActorLine) -> String,
}

/// The columns of what is going on now: rates of the last second, memory, shared instances, durable mailboxes, states, and the age of
/// the oldest message.
const EXTRAS: [Extra; 7] = [
    Extra { name: "PER S", cell: |actor| shown_rate(actor.rates.handled_1s) },
    Extra { name: "CPU", cell: |actor| shown_percent(actor.rates.cpu_1s) },
    Extra { name: "MEMORY", cell: |actor| actor.memory_bytes.filter(|bytes| *bytes > 0).map(size).unwrap_or_default() },
    Extra { name: "SHARED MEMORY", cell: |actor| actor.shared_memory_bytes.map(size).unwrap_or_default() },
    Extra { name: "KEPT", cell: |actor| if actor.mailbox.durable { "durable" } else { "" }.to_owned() },
    Extra { name: "STORED STATE", cell: |actor| actor.state_bytes.map(|state| size(state.used)).unwrap_or_default() },
    Extra { name: "OLDEST", cell: |actor| shown_age(actor.oldest_ms) },
];

fn shown_rate(rate: f64) -> String {
    match rate {
        0.0 => String::new(),
        ..10.0 => format!("{rate:.1}"),
        _ => format!("{rate:.0}"),
    }
}

fn shown_percent(cores: f64) -> String {
    if cores > 0.0 { format!("{:.0}%", cores * 100.0) } else { String::new() }
}

/// An age of less than a second is that of a message that is about to be handled.
fn shown_age(ms: u64) -> String {
    if ms < 1000 { String::new() } else { age(Duration::from_millis(ms)) }
}

fn shown_tree(tree: &Tree) -> String {
    let is_used = |extra: &&Extra| tree.actors.iter().any(|actor| !(extra.cell)(actor).is_empty());
    let extras: Vec<_> = EXTRAS.iter().filter(is_used).collect();
    let row = |actor: &ActorLine| -> Vec<String> {
        let depth = actor.address.matches('/').count() - 1;
        let spawned = if actor.spawned { " (spawned)" } else { "" };
        let last = actor.last_crash.as_ref().map(|crash| shortened(&crash.reason)).unwrap_or_default();
        let (below, state, up) = match &actor.family {
            None => ("", actor.detail.as_ref().unwrap_or(&actor.state).clone(), (actor.up(), actor.instances.len())),
            Some(family) => ("/*", "family".to_owned(), (family.live.used as usize, family.live.most as usize)),
        };
        [
            format!("{}{}{below}{spawned}", "  ".repeat(depth), actor.address),
            actor.plugin.clone(),
            state,
            format!("{}/{}", up.0, up.1),
            actor.incarnation.to_string(),
            actor.restarts.to_string(),
            actor.waiting.to_string(),
            actor.handled.to_string(),
        ]
        .into_iter()
        .chain(extras.iter().map(|extra| (extra.cell)(actor)))
        .chain([actor.dead_letters.values().sum::<u64>().to_string(), last])
        .collect()
    };
    let before = ["ADDRESS", "PLUGIN", "STATE", "UP", "INCARNATION", "RESTARTS", "WAITING", "HANDLED"];
    let names = extras.iter().map(|extra| extra.name);
    let headline: Vec<_> = before.into_iter().chain(names).chain(["DEAD LETTERS", "LAST CRASH"]).collect();
    let numbers: Vec<_> = (3..headline.len() - 1).collect();
    let rows: Vec<_> = tree.actors.iter().map(row).collect();
    let short = tree.memory_pressure.as_ref().map(|why| format!("memory is short: {}\n", Printable(why)));
    let head = format!("{}\n{}", Printable(&tree.play), short.unwrap_or_default());
    let mut out = format!("{head}{}", table(&headline, &rows, &numbers));
    let mailboxes = tree.actors.iter().flat_map(|actor| mailbox_lines(&actor.address, &actor.mailbox));
    let failed = tree.actors.iter().filter_map(|actor| failed_line(actor).or_else(|| failed_instances(actor)));
    let lines: Vec<_> = (tree.store.iter().map(store_line))
        .chain(failed)
        .chain(tree.actors.iter().filter_map(family_line))
        .chain(tree.actors.iter().filter_map(status_line))
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

/// The line about the store.
fn store_line(store: &StoreView) -> String {
    let StoreView { path, runs, behind, full } = store;
    let behind = if *behind > 0 { format!(", {behind} entries behind") } else { String::new() };
    let full = full.as_ref().map(|why| format!("; nothing from outside is taken: {}", Printable(why)));
    format!("the store is {}, in its run {runs}{behind}{}", Printable(path), full.unwrap_or_default())
}

/// The members of a family.
fn family_line(actor: &ActorLine) -> Option<String> {
    let FamilyLine { live, members } = actor.family.as_ref()?;
    let (used, most) = (members.used, members.most);
    Some(format!("{}/* has {used} of {most} members, {} of {} live", actor.address, live.used, live.most))
}

/// The line of a gateway about itself.
fn status_line(actor: &ActorLine) -> Option<String> {
    Some(format!("{}: {}", actor.address, Printable(actor.status.as_ref()?)))
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
    if mailbox.removed > 0 {
        lines.push(format!("operators dropped {} that waited for {address}", counted(mailbox.removed, "message")));
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
