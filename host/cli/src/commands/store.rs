//! `playhouse store`: the facts about a store, its check, backups, and the orders for a store without a host.

use std::fmt::Write;

use playhouse_runtime::control::protocol::{Request, Response};
use playhouse_runtime::control::store_views::{StoreChecked, StoreInfo};
use playhouse_runtime::control::stored::{StoppedHost, restore as restore_store};
use playhouse_runtime::printable::{Printable, counted, size};

use super::host::unexpected;
use super::stored::{StorePlace, not_opened, not_restored, refused};
use super::{print, print_json};
use crate::args;
use crate::exit::{BAD_INPUT, Exit};

pub(crate) fn info(args: &args::StoreLook) -> Result<(), Exit> {
    match StorePlace::open(&args.place)?.request(&Request::StoreInfo {})? {
        Response::StoreInfo(info) if args.json => print_json(&info),
        Response::StoreInfo(info) => print(&shown(&info)),
        other => Err(unexpected(&other)),
    }
}

fn shown(info: &StoreInfo) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: String| {
        let _ = writeln!(out, "{name:<13}{text}");
    };
    let restored = if info.restored { ", restored from a backup" } else { "" };
    line("store", Printable(&info.path).to_string());
    line("format", info.format.to_string());
    line("runs", format!("{}{restored}", info.runs));
    line("entries", info.last_entry.to_string());
    line(
        "size",
        format!("{}, of which {} are free; log {}", size(info.bytes), size(info.free_bytes), size(info.log_bytes)),
    );
    let mailboxes = if info.mailboxes == 1 { "durable mailbox" } else { "durable mailboxes" };
    line("messages", format!("{} in {} {mailboxes}", info.waiting, info.mailboxes));
    line("dead letters", info.dead_letters.to_string());
    out
}

pub(crate) fn check(args: &args::StoreLook) -> Result<(), Exit> {
    let checked = match StorePlace::open(&args.place)?.request(&Request::CheckStore {})? {
        Response::StoreChecked(checked) => checked,
        other => return Err(unexpected(&other)),
    };
    if args.json {
        print_json(&checked)?;
    } else {
        print(&found(&checked))?;
    }
    if checked.damages.is_empty() {
        return Ok(());
    }
    let way_out = "`playhouse store restore FILE --replace` puts a backup in its place";
    Err(Exit::with(BAD_INPUT, format!("the store is damaged: {way_out}")))
}

fn found(checked: &StoreChecked) -> String {
    let mut out = String::new();
    for damage in &checked.damages {
        let _ = writeln!(out, "damaged: {}", Printable(damage));
    }
    if checked.more {
        let _ = writeln!(out, "there are more damages");
    }
    let (messages, letters) = (counted(checked.messages, "message"), counted(checked.dead_letters, "dead letter"));
    let (keys, timers) = (counted(checked.keys, "key"), counted(checked.timers, "timer"));
    let _ = writeln!(out, "{messages}, {letters}, {keys} of states and {timers} are sound");
    out
}

pub(crate) fn backup(args: &args::Backup) -> Result<(), Exit> {
    // The host has another current folder.
    let file = std::path::absolute(&args.file)?;
    let Some(to) = file.to_str().map(str::to_owned) else {
        return Err(Exit::with(BAD_INPUT, format!("`{}` is no text: name another file", file.display())));
    };
    let mut place = StorePlace::open(&args.look.place)?;
    match place.request(&Request::BackUpStore { to })? {
        Response::StoreBackedUp { bytes, last_entry } if args.look.json => {
            print_json(&serde_json::json!({ "file": file, "bytes": bytes, "last_entry": last_entry }))?;
        }
        Response::StoreBackedUp { bytes, last_entry } => {
            let file = file.display().to_string();
            print(&format!("{}: {}, up to entry {last_entry}\n", Printable(&file), size(bytes)))?;
        }
        other => return Err(unexpected(&other)),
    }
    let without = "the backup is made, and has nothing of what the store has lost";
    place.loss().map_or(Ok(()), |_| Err(Exit::with(BAD_INPUT, without)))
}

pub(crate) fn restore(args: &args::Restore) -> Result<(), Exit> {
    let folder = args.folder.store.display().to_string();
    let kept = restore_store(&args.folder.store, &args.file, args.replace).map_err(not_restored)?;
    let mut said = format!("restored {} from {}\n", Printable(&folder), Printable(&args.file.display().to_string()));
    if let Some(kept) = kept {
        let _ = writeln!(said, "the store from before is {}", Printable(&kept.display().to_string()));
    }
    print(&said)
}

pub(crate) fn compact(args: &args::StoreFolder) -> Result<(), Exit> {
    let (before, after) = StoppedHost::take(&args.store).map_err(not_opened)?.compact().map_err(refused)?;
    print(&format!("{}: {} before, {} now\n", Printable(&args.store.display().to_string()), size(before), size(after)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn facts_are_shown_in_lines() {
        let info = StoreInfo {
            path: "a\u{1b}/store".into(),
            format: 1,
            runs: 3,
            restored: true,
            last_entry: 41,
            bytes: 3 << 20,
            log_bytes: 0,
            free_bytes: 1 << 20,
            mailboxes: 2,
            waiting: 12,
            dead_letters: 1,
        };
        expect![[r#"
            store        a\u{1b}/store
            format       1
            runs         3, restored from a backup
            entries      41
            size         3.0 MiB, of which 1.0 MiB are free; log 0 B
            messages     12 in 2 durable mailboxes
            dead letters 1
        "#]]
        .assert_eq(&shown(&info));
    }

    #[test]
    fn damages_are_shown_before_the_sound_part() {
        let damages = vec!["message 7 of `/a`, in row 7 of table `frame`".into()];
        let checked = StoreChecked { damages, more: true, messages: 1, dead_letters: 2, keys: 3, timers: 4 };
        expect![[r#"
            damaged: message 7 of `/a`, in row 7 of table `frame`
            there are more damages
            1 message, 2 dead letters, 3 keys of states and 4 timers are sound
        "#]]
        .assert_eq(&found(&checked));
    }
}
