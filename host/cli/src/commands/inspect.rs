//! `playhouse inspect`: shows a component without running it.

use std::fmt::Write;

use playhouse_runtime::{Compilation, Inspection, LoadError};
use serde_json::json;

use super::{print, print_json};
use crate::exit::{BAD_INPUT, Exit, FAILED};
use crate::{args, compiler};
use playhouse_runtime::printable::{Printable, size};

pub(crate) fn inspect(args: &args::Inspect) -> Result<(), Exit> {
    let compilation = Compilation { place: compiler::place(), ..Compilation::default() };
    let found = playhouse_runtime::inspect(&args.file, compilation).map_err(|error| {
        let code = if error.is_of_the_system() { FAILED } else { BAD_INPUT };
        Exit::with(code, Printable(&with_a_way_out(&error)).to_string())
    })?;
    if args.json {
        let Inspection { sha256, size_bytes, imports, exports, hooks, keeps_state, obstacle, mailbox_obstacle, .. } =
            &found;
        let mailbox_obstacle = mailbox_obstacle.as_ref().map(ToString::to_string);
        let obstacle = obstacle.as_ref().map(ToString::to_string);
        return print_json(&json!({
            "file": args.file.display().to_string(), "sha256": sha256, "size_bytes": size_bytes,
            "imports": imports, "exports": exports, "hooks": hooks, "keeps_state": keeps_state,
            "can_share": found.can_share(), "is_actor": obstacle.is_none(), "obstacle": obstacle,
            "is_mailbox": mailbox_obstacle.is_none(), "mailbox_obstacle": mailbox_obstacle,
        }));
    }
    print(&shown(&args.file.display().to_string(), &found))
}

/// The error, with a way out for the limits of compiling, for which `inspect` reads no manifest.
fn with_a_way_out(error: &LoadError) -> String {
    match error {
        LoadError::CompileTime { .. } | LoadError::CompileMemory { .. } => {
            format!("{error}; `inspect` uses the default limits, `playhouse check` those of the manifest")
        }
        _ => error.to_string(),
    }
}

fn shown(file: &str, found: &Inspection) -> String {
    let mut out = format!("{file}\n  size    {}\n  sha256  {}\n", size(found.size_bytes), found.sha256);
    let names = |names: &[String]| {
        if names.is_empty() {
            vec!["(none)".to_owned()]
        } else {
            names.iter().map(|n| Printable(n).to_string()).collect()
        }
    };
    for (title, list) in [("imports", names(&found.imports)), ("exports", names(&found.exports))] {
        for (n, name) in list.iter().enumerate() {
            let _ = writeln!(out, "  {:<7} {name}", if n == 0 { title } else { "" });
        }
    }
    let hooks = if found.hooks.is_empty() { "(none)".to_owned() } else { found.hooks.join(", ") };
    let _ = writeln!(out, "  hooks   {hooks}");
    let state = match found.keeps_state {
        Some(true) => "kept between messages",
        Some(false) => "none",
        None => "not said",
    };
    let _ = writeln!(out, "  state   {state}");
    let share = if found.can_share() { "yes: its actors can share an instance" } else { "no" };
    let _ = writeln!(out, "  share   {share}");
    let can = |obstacle: &Option<LoadError>| {
        obstacle.as_ref().map_or_else(|| "yes".to_owned(), |why| format!("no: {}", Printable(&why.to_string())))
    };
    let _ = writeln!(out, "  actor   {}", can(&found.obstacle));
    if found.is_mailbox {
        let _ = writeln!(out, "  mailbox {}", can(&found.mailbox_obstacle));
    }
    out
}
