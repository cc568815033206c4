//! `playhouse check`: checks the manifest and its plugins, and shows the actors that would run.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::iter;

use playhouse_runtime::cron::{CronSettings, next_run};
use playhouse_runtime::{Address, FamilySpec, Keep, LoadedPlay, Play, StartKind};
use serde_json::json;

use super::table::{as_tree, table};
use super::{grants, print, print_json};
use crate::console::Console;
use crate::exit::Exit;
use crate::progress::ConsoleProgress;
use crate::{args, compiler};
use playhouse_runtime::control::views::overflow_name;
use playhouse_runtime::manifest::flow::{Flow, Place, arrows};
use playhouse_runtime::manifest::units::Time;
use playhouse_runtime::manifest::{PlayActor, PlaySettings, Settings};
use playhouse_runtime::plugins::Plugins;
use playhouse_runtime::printable::Printable;

pub(crate) fn check(args: &args::Check, console: &Console) -> Result<(), Exit> {
    let play = Play::from_manifest(&args.manifest)?;
    play.check_servers()?;
    let loaded = play.compile_in(compiler::place()).load(&mut ConsoleProgress::new(console))?;
    let (play, plugins) = (loaded.settings(), loaded.plugins());
    let flow = Flow::of(play);
    let cycles = flow.cycles();
    let mut warnings = warnings(&loaded, &flow, &cycles);
    warnings.push(grants::warnings(play, plugins, loaded.descriptors_of_actors()));
    if args.json {
        return print_json(&as_json(play, plugins, &cycles, &warnings.concat()));
    }
    print(&shown(play, plugins, &flow))?;
    for kind in warnings {
        for warning in kind.iter().take(MOST_PRINTED) {
            console.print(&format!("warning: {warning}"));
        }
        if kind.len() > MOST_PRINTED {
            let more = kind.len() - MOST_PRINTED;
            console.print(&format!("warning: {more} more like the one before; `playhouse check --json` has them all"));
        }
    }
    Ok(())
}

/// Maximum number of printed warnings of one kind. JSON has all.
const MOST_PRINTED: usize = 100;

/// The warnings about the flow and about instances, by kind.
fn warnings(loaded: &LoadedPlay, flow: &Flow, cycles: &[Vec<&Place>]) -> Vec<Vec<String>> {
    let (play, plugins) = (loaded.settings(), loaded.plugins());
    let cycles = cycles.iter().map(|cycle| {
        format!(
            "messages can go in a circle: {}; when its mailboxes are full, they wait for each other",
            short_arrows(cycle)
        )
    });
    let left_out = (flow.left_out() > 0).then(|| {
        format!(
            "the subtrees that {} of the senders may send to are too large together: circles and the order of stopping are not \
             checked for them",
            flow.left_out()
        )
    });
    let early = flow.stops_too_early().into_iter().map(|(from, to)| {
        format!("{to} stops before {from}, which sends to it, so its last messages become dead letters: list {to} before {from}")
    });
    let letters = play.dead_letters_to.as_ref().map(|letters| &letters.to);
    let files = play.sources_of_sinks().into_iter().filter_map(|(source, sink)| {
        let by = if flow.reaches(source, sink) {
            "its messages can lead there"
        } else if letters.is_some_and(|letters| letters == sink || flow.reaches(letters, sink)) {
            "dead letters can lead there"
        } else {
            return None;
        };
        Some(format!(
            "{source} reads the file that {sink} writes, and {by}: what is read may be written again, without an end"
        ))
    });
    // A plugin that keeps no state is meant for several instances.
    let several = play.actors.iter().filter(|actor| actor.instances > 1).filter_map(|actor| {
        let keeps = match plugins[&actor.settings.plugin].info().keeps_state {
            Some(false) => return None,
            Some(true) => "keeps state",
            None => "does not say whether it keeps state",
        };
        Some(format!(
            "{} runs {} instances, and its plugin `{}` {keeps}: messages may overtake each other, and each instance has its own state",
            actor.address, actor.instances, actor.settings.plugin
        ))
    });
    vec![
        cycles.collect(),
        files.collect(),
        lost_between(play),
        early.collect(),
        left_out.into_iter().collect(),
        several.collect(),
        too_few_instances(play, loaded.instances_for_spawned()),
    ]
}

/// The edges from durable mailboxes to those in memory.
fn lost_between(play: &PlaySettings) -> Vec<String> {
    let is_durable = |actor: &&PlayActor| actor.settings.mailbox.keep == Keep::Stored;
    let edges = play.actors.iter().filter(is_durable).flat_map(|from| {
        let gets = |to: &&PlayActor| {
            let is_in = |above: &Address| to.address.is_below(above) || to.family.is_some() && to.address == *above;
            from.settings.sends_below.iter().any(is_in) || from.settings.sends_to.iter().any(|sent| to.receives(sent))
        };
        let in_memory = play.actors.iter().filter(|to| !is_durable(to)).filter(gets);
        in_memory.map(|to| (from.written(), to.written()))
    });
    let text = |(from, to)| {
        format!(
            "{from} is durable and may send to {to}, whose mailbox is in memory: a message between them is lost when the host ends \
             before {to} handles it; give {to} a durable mailbox if that matters"
        )
    };
    edges.map(text).collect()
}

/// The actors that may spawn, but whose children would have no instance.
fn too_few_instances(play: &PlaySettings, for_spawned: Option<(usize, usize)>) -> Vec<String> {
    let spawning = || play.actors.iter().filter(|actor| !actor.settings.spawns.is_empty());
    let mut found = Vec::new();
    if let Some((0, most)) = spawning().next().and(for_spawned) {
        let spawning: Vec<_> = spawning().map(|actor| actor.address.as_str()).collect();
        let spawning = few(&spawning);
        found.push(format!(
            "the actors of the manifest keep all {most} instances that `play.max_instances` leaves beside mailbox plugins, so that \
             nothing starts that {spawning} spawn: raise `max_instances` under [play]"
        ));
    }
    // By subtree with a limit: the instances that live all the time, and whether an actor of the subtree spawns.
    let mut subtrees: BTreeMap<&Address, (usize, bool)> = BTreeMap::new();
    let limited =
        || play.actors.iter().filter_map(|top| Some((&top.address, top.settings.limits.subtree.as_ref()?.instances?)));
    subtrees.extend(limited().map(|(top, _)| (top, (0, false))));
    for PlayActor { address, instances, settings, .. } in &play.actors {
        let stays = settings.idle_stop.is_none() && settings.start == StartKind::Auto;
        let kept = if stays { *instances } else { 0 } + usize::from(settings.mailbox_plugin.is_some());
        for top in iter::successors(Some(address.clone()), Address::parent) {
            if let Some((all_kept, spawns)) = subtrees.get_mut(&top) {
                *all_kept += kept;
                *spawns |= !settings.spawns.is_empty();
            }
        }
    }
    for (top, most) in limited().filter(|(top, most)| subtrees[top].1 && subtrees[top].0 >= *most) {
        found.push(format!(
            "the actors of the manifest at and below {top} take all {most} instances of its `limits.subtree.instances`, so that nothing \
             starts that is spawned there: raise it"
        ));
    }
    found
}

fn shown(play: &PlaySettings, plugins: &Plugins, flow: &Flow) -> String {
    let mut actors: Vec<_> = play.actors.iter().collect();
    as_tree(&mut actors, |actor| actor.address.as_str());
    let rows: Vec<_> = actors
        .iter()
        .map(|actor| {
            let info = plugins[&actor.settings.plugin].info();
            let depth = actor.address.as_str().matches('/').count() - 1;
            let hooks = if info.hooks.is_empty() { "-".to_owned() } else { info.hooks.join(",") };
            let address = format!("{}{}", "  ".repeat(depth), actor.written());
            let start = actor.settings.start_name();
            let idle = actor
                .settings
                .idle_stop
                .map_or_else(|| "stay".to_owned(), |after| format!("stop after {}", Time(after)));
            let instances = actor.instances.to_string();
            let digest = info.sha256[..12].to_owned();
            let required = if actor.required { "yes" } else { "-" }.to_owned();
            vec![address, actor.settings.plugin.clone(), start.into(), idle, instances, required, digest, hooks]
        })
        .collect();
    let native = play.natives.iter().map(|address| {
        let address = format!("{}{address}", "  ".repeat(address.as_str().matches('/').count() - 1));
        vec![address, "(native)".into(), "auto".into(), "stay".into(), "1".into(), "-".into(), "-".into(), "-".into()]
    });
    let rows: Vec<_> = native.chain(rows).collect();
    let mut out = format!("{}: fine\n\n", Printable(&play.name));
    out.push_str(&table(
        &["ADDRESS", "PLUGIN", "START", "IDLE", "INSTANCES", "REQUIRED", "SHA256", "HOOKS"],
        &rows,
        &[4],
    ));
    let families = family_rows(play);
    if !families.is_empty() {
        out.push('\n');
        out.push_str(&table(
            &["FAMILY", "NAMES", "LIVE", "MEMBERS", "INSTANCE", "MADE BY", "EXPIRE"],
            &families,
            &[2, 3],
        ));
    }
    if !play.spawnable.is_empty() {
        out.push('\n');
        out.push_str(&table(&["SPAWNED", "BY", "INSTANCE", "SHA256", "HOOKS"], &spawned_rows(play, plugins), &[]));
    }
    let mailboxes = mailbox_rows(play, plugins);
    if !mailboxes.is_empty() {
        out.push('\n');
        out.push_str(&table(&["MAILBOX OF", "PLUGIN", "OVERFLOW", "SHA256"], &mailboxes, &[]));
    }
    if !play.actors.is_empty() || !play.spawnable.is_empty() {
        let table = table(&grants::HEADLINE, &grants::rows(play, plugins), &[]);
        let _ = write!(out, "\n{table}{}\n", grants::LEGEND);
    }
    if !play.http.is_empty() {
        let table = table(&["GATEWAY", "LISTEN", "METHODS", "HOST", "PATH", "TO"], &http_rows(play), &[]);
        let _ = write!(out, "\n{table}");
    }
    if !play.cron.is_empty() {
        let rows: Vec<_> = play.cron.iter().map(cron_row).collect();
        let _ = write!(out, "\n{}", table(&["CRON", "SCHEDULE", "ZONE", "TELLS", "NEXT"], &rows, &[]));
    }
    let lines = flow.lines();
    if !lines.is_empty() {
        out.push('\n');
    }
    if !play.pipeline.is_empty() {
        let _ = writeln!(out, "pipeline: {}", arrows(&play.pipeline));
    }
    for line in lines {
        let _ = writeln!(out, "{}", arrows(&line));
    }
    out
}

/// The families, with their bounds and the senders that make members.
fn family_rows(play: &PlaySettings) -> Vec<Vec<String>> {
    let rows = play.actors.iter().filter_map(|actor| {
        let family = actor.family.as_ref()?;
        let creators: Vec<_> = family.create.iter().map(|creator| creator.creator.to_string()).collect();
        let made_by = match family.create.first() {
            None => "nobody".to_owned(),
            Some(first) => format!("{}, {} per s each", few(&creators), first.per_second),
        };
        let expire = family.expire.map_or_else(|| "never".to_owned(), |after| format!("after {}", Time(after)));
        let bounds = [family.live, family.members].map(|bound| bound.to_string());
        let instance = instance(&actor.settings).to_owned();
        let names = [actor.written(), family.names.to_string()];
        Some(names.into_iter().chain(bounds).chain([instance, made_by, expire]).collect())
    });
    rows.collect()
}

/// Whether actors of this table have an instance each.
fn instance(settings: &Settings) -> &'static str {
    if settings.share.is_some() { "shared" } else { "own" }
}

fn family_json(family: &FamilySpec) -> serde_json::Value {
    let create: Vec<_> = family.create.iter().map(|creator| creator.creator.to_string()).collect();
    json!({
        "names": family.names.to_string(), "live": family.live, "members": family.members, "create": create,
        "create_rate": family.create.first().map(|creator| creator.per_second),
        "expire_ms": family.expire.map(|after| after.as_millis() as u64),
    })
}

/// The routes of the HTTP servers.
fn http_rows(play: &PlaySettings) -> Vec<Vec<String>> {
    let rows = play.http.iter().flat_map(|server| {
        let settings = &server.settings;
        settings.routes.iter().map(|route| {
            let methods: Vec<_> = route.methods.iter().map(ToString::to_string).collect();
            let host = route.host.clone().unwrap_or_else(|| "*".to_owned());
            let to = format!("{} {}", route.action.key(), route.action.target());
            let gateway = format!("/gate/{}", settings.name);
            vec![gateway, settings.listen.to_string(), methods.join(","), host, route.path.to_string(), to]
        })
    });
    rows.collect()
}

fn http_json(play: &PlaySettings) -> Vec<serde_json::Value> {
    let servers = play.http.iter().map(|server| {
        let settings = &server.settings;
        let routes: Vec<_> = settings
            .routes
            .iter()
            .map(|route| {
                let methods: Vec<_> = route.methods.iter().map(ToString::to_string).collect();
                json!({
                    "host": route.host, "path": route.path.to_string(), "methods": methods, "action": route.action.key(),
                    "to": route.action.target(), "timeout_ms": route.timeout.as_millis() as u64,
                    "body_bytes": route.body_bytes,
                })
            })
            .collect();
        json!({ "address": format!("/gate/{}", settings.name), "listen": settings.listen.to_string(), "routes": routes })
    });
    servers.collect()
}

/// An entry of `[[cron]]`, with its next time.
fn cron_row(entry: &CronSettings) -> Vec<String> {
    let CronSettings { address, schedule, tell, .. } = entry;
    let next = next_run(schedule).unwrap_or_else(|| "-".into());
    vec![address.name().into(), schedule.text().into(), schedule.zone().name().into(), tell.to_string(), next]
}

/// A circle as arrows, cut after the first few.
fn short_arrows(cycle: &[&Place]) -> String {
    const SHOWN: usize = 12;
    match cycle.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{} -> … and {more} more", arrows(&cycle[..SHOWN])),
        _ => arrows(cycle),
    }
}

/// The first few names, and the number of the others. JSON has all.
fn few<T: AsRef<str>>(names: &[T]) -> String {
    const SHOWN: usize = 12;
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    let shown: Vec<_> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    format!("{}{more}", shown.join(","))
}

fn spawned_rows(play: &PlaySettings, plugins: &Plugins) -> Vec<Vec<String>> {
    let parents = play.parents_by_plugin();
    let rows = play.spawnable.iter().map(|plugin| {
        let name = &plugin.settings.plugin;
        let info = plugins[name].info();
        let by = parents.get(name.as_str()).map_or_else(|| "nobody".to_owned(), |by| few(by));
        let hooks = if info.hooks.is_empty() { "-".to_owned() } else { info.hooks.join(",") };
        vec![name.clone(), by, instance(&plugin.settings).to_owned(), info.sha256[..12].to_owned(), hooks]
    });
    rows.collect()
}

/// The mailboxes with a plugin: those of actors, and those of spawned actors, by plugin.
fn mailbox_rows(play: &PlaySettings, plugins: &Plugins) -> Vec<Vec<String>> {
    let actors = play.actors.iter().map(|actor| (actor.address.to_string(), &actor.settings));
    let spawnable = play.spawnable.iter().map(|plugin| (plugin.settings.plugin.clone(), &plugin.settings));
    let rows = actors.chain(spawnable).filter_map(|(whose, settings)| {
        let mailbox = settings.mailbox_plugin.as_ref()?;
        let overflow = mailbox.overflow.map_or("as the plugin says", overflow_name);
        let digest = plugins.mailbox(mailbox).sha256[..12].to_owned();
        Some(vec![whose, mailbox.plugin.clone(), overflow.to_owned(), digest])
    });
    rows.collect()
}

fn mailbox_json(settings: &Settings, plugins: &Plugins) -> serde_json::Value {
    let plugin = settings.mailbox_plugin.as_ref().map(|mailbox| {
        let info = plugins.mailbox(mailbox);
        json!({
            "name": mailbox.plugin, "overflow": mailbox.overflow.map(overflow_name), "overtakes": mailbox.overtakes,
            "sha256": info.sha256, "size_bytes": info.size_bytes, "imports": info.imports, "exports": info.exports,
        })
    });
    let bounds = &settings.mailbox;
    let overflow = settings.mailbox_plugin.is_none().then(|| overflow_name(bounds.overflow));
    json!({ "capacity": bounds.capacity, "bytes": bounds.capacity_bytes, "overflow": overflow, "durable": bounds.keep == Keep::Stored, "memory": (bounds.keep == Keep::Stored).then_some(bounds.memory_bytes), "plugin": plugin })
}

fn as_json(play: &PlaySettings, plugins: &Plugins, cycles: &[Vec<&Place>], warnings: &[String]) -> serde_json::Value {
    let actors: Vec<_> = play
        .actors
        .iter()
        .map(|actor| {
            let info = plugins[&actor.settings.plugin].info();
            json!({
                "address": actor.written(), "family": actor.family.as_deref().map(family_json), "plugin": actor.settings.plugin, "start": actor.settings.start_name(),
                "idle_stop_ms": actor.settings.idle_stop.map(|after| after.as_millis() as u64),
                "instances": actor.instances, "share": actor.settings.share.is_some(), "required": actor.required, "keeps_state": info.keeps_state, "mailbox": mailbox_json(&actor.settings, plugins),
                "sends_to": play.sends_to_written(&actor.settings), "spawns": actor.settings.spawns, "sha256": info.sha256, "size_bytes": info.size_bytes, "hooks": info.hooks,
                "imports": info.imports, "exports": info.exports,
                "parts": grants::parts_as_json(&info.imports, &actor.settings.grants), "grants": grants::as_json(&actor.settings.grants),
            })
        })
        .collect();
    let cycles: Vec<Vec<_>> = cycles.iter().map(|cycle| cycle.iter().map(ToString::to_string).collect()).collect();
    let parents = play.parents_by_plugin();
    let spawnable: Vec<_> = play
        .spawnable
        .iter()
        .map(|plugin| {
            let settings = &plugin.settings;
            let info = plugins[&settings.plugin].info();
            json!({
                "name": settings.plugin, "spawned_by": parents.get(settings.plugin.as_str()).map_or(&[][..], Vec::as_slice), "spawns": settings.spawns,
                "start": settings.start_name(), "idle_stop_ms": settings.idle_stop.map(|after| after.as_millis() as u64),
                "sends_to": play.sends_to_written(settings),
                "recursive": plugin.recursive, "share": settings.share.is_some(), "mailbox": mailbox_json(settings, plugins), "sha256": info.sha256, "size_bytes": info.size_bytes, "hooks": info.hooks,
                "imports": info.imports, "exports": info.exports,
                "parts": grants::parts_as_json(&info.imports, &settings.grants), "grants": grants::as_json(&settings.grants),
            })
        })
        .collect();
    let cron: Vec<_> = play
        .cron
        .iter()
        .map(|entry| {
            json!({
                "address": entry.address.to_string(), "schedule": entry.schedule.text(), "zone": entry.schedule.zone().name(),
                "tell": entry.tell.to_string(), "next": next_run(&entry.schedule),
            })
        })
        .collect();
    let pipeline: Vec<_> = play.pipeline.iter().map(ToString::to_string).collect();
    let native: Vec<_> = play.natives.iter().map(ToString::to_string).collect();
    json!({ "play": play.name, "native": native, "pipeline": pipeline, "actors": actors, "plugins": spawnable, "http": http_json(play), "cron": cron, "cycles": cycles, "warnings": warnings })
}
