//! The imports and grants of the actors of a play, for `check`: a table, JSON, and warnings for operators.

use std::collections::HashMap;

use playhouse_runtime::{Access, Descriptors, Grants, Part, SystemLimit};
use serde_json::{Value, json};

use playhouse_runtime::manifest::{PlayPlugin, PlaySettings, Settings};
use playhouse_runtime::plugins::Plugins;
use playhouse_runtime::printable::size;

/// The text under a table of [`rows`].
pub(super) const LEGEND: &str = "(…) is imported and not granted: it is there, and empty. No grant opens sockets.";
pub(super) const HEADLINE: [&str; 3] = ["ACTOR", "IMPORTS", "GRANTS"];

/// The imports of each actor and of each plugin to spawn, with a row for each grant.
pub(super) fn rows(play: &PlaySettings, plugins: &Plugins) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (who, settings) in all_settings(play) {
        let parts = Part::all_of(&plugins[&settings.plugin].info().imports);
        let shown = |part: &Part| {
            if opens(*part, &settings.grants) { part.name().to_owned() } else { format!("({})", part.name()) }
        };
        let imports = parts.iter().map(shown).collect::<Vec<_>>().join(" ");
        let sends_to = play.sends_to_written(settings).into_iter().map(|to| format!("sends_to {to}"));
        let config = settings.config.keys().map(|key| format!("config {}", key.escape_debug()));
        let state = settings.state.map(|state| format!("state up to {}", size(state.bytes)));
        let granted: Vec<_> = sends_to.chain(granted(&settings.grants)).chain(state).chain(config).collect();
        let first = granted.first().map_or("-", String::as_str);
        rows.push(vec![who, imports, first.to_owned()]);
        rows.extend(granted.iter().skip(1).map(|grant| vec![String::new(), String::new(), grant.clone()]));
    }
    rows
}

fn all_settings(play: &PlaySettings) -> impl Iterator<Item = (String, &Settings)> {
    let actors = play.actors.iter().map(|actor| (actor.written(), &actor.settings));
    let spawnable = play.spawnable.iter().map(|plugin| (plugin.settings.plugin.clone(), &plugin.settings));
    actors.chain(spawnable)
}

/// Whether the grants open anything of this part.
fn opens(part: Part, grants: &Grants) -> bool {
    match part.access() {
        Access::Everybody => true,
        // The placeholders of secrets are variables.
        Access::EmptyWithout("env") => grants.has("env") || grants.has("secrets"),
        Access::EmptyWithout(grant) | Access::RefusedWithout(grant) => grants.has(grant),
        Access::Nobody => false,
    }
}

/// One text for each grant of the world outside. Values of variables are not shown: they may be secret.
fn granted(grants: &Grants) -> Vec<String> {
    let env = grants.env.iter().map(|variable| format!("env {}", variable.name.escape_debug()));
    let dirs = grants.dirs.iter().map(|folder| {
        let mode = folder
            .growth_bytes()
            .map_or_else(|| "read".to_owned(), |bytes| format!("write, grows by at most {}", size(bytes)));
        format!(
            "dirs {} = {} ({mode})",
            folder.guest().escape_debug(),
            folder.host().display().to_string().escape_debug()
        )
    });
    let hosts = grants.hosts.iter().map(|host| format!("hosts {host}"));
    let networks = grants.networks.iter().map(|network| format!("networks {network}"));
    let secrets = grants.secrets.iter().map(|secret| {
        let hosts: Vec<_> = secret.hosts.iter().map(ToString::to_string).collect();
        format!("secrets {} = {} to {}", secret.name, secret.header, hosts.join(", "))
    });
    env.chain(dirs).chain(hosts).chain(networks).chain(secrets).collect()
}

/// The grants of one actor.
pub(super) fn as_json(grants: &Grants) -> Value {
    let dirs = grants.dirs.iter().map(|folder| {
        let mode = if folder.is_writable() { "write" } else { "read" };
        let growth = folder.growth_bytes();
        json!({ "host": folder.host().display().to_string(), "guest": folder.guest(), "mode": mode, "growth_bytes": growth })
    });
    let secrets = grants.secrets.iter().map(|secret| {
        let hosts: Vec<_> = secret.hosts.iter().map(ToString::to_string).collect();
        json!({ "name": secret.name, "header": secret.header.as_str(), "hosts": hosts })
    });
    json!({
        "env": grants.env.iter().map(|variable| &variable.name).collect::<Vec<_>>(),
        "dirs": dirs.collect::<Vec<_>>(),
        "hosts": grants.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "networks": grants.networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "secrets": secrets.collect::<Vec<_>>(),
        "state": grants.state,
    })
}

/// The parts that a component imports, and whether its grants open them.
pub(super) fn parts_as_json(imports: &[String], grants: &Grants) -> Value {
    let parts = Part::all_of(imports);
    parts.iter().map(|part| json!({ "part": part.name(), "open": opens(*part, grants) })).collect()
}

/// Warnings about grants that have another effect than their text suggests.
pub(super) fn warnings(play: &PlaySettings, plugins: &Plugins, of_actors: u64) -> Vec<String> {
    let mut warnings = Vec::new();
    for (who, settings) in all_settings(play) {
        warnings.extend(out_of_reach(&who, settings, of_actors));
        let parts = Part::all_of(&plugins[&settings.plugin].info().imports);
        for (part, grant) in [
            (Part::Environment, "env"),
            (Part::Environment, "secrets"),
            (Part::Filesystem, "dirs"),
            (Part::Http, "hosts"),
            (Part::State, "state"),
        ] {
            if settings.grants.has(grant) && !parts.contains(&part) {
                warnings
                    .push(format!("{who} is granted `{grant}`, and its plugin does not import any of {}", part.name()));
            }
        }
        for name in &settings.absent_env {
            warnings
                .push(format!("{who} is granted the variable {}, which this host does not have", name.escape_debug()));
        }
    }
    let by_name: HashMap<String, &Settings> = all_settings(play).collect();
    let parents = play.parents_by_plugin();
    for plugin in play.spawnable.iter().filter(|plugin| !granted(&plugin.settings.grants).is_empty()) {
        let parents = parents.get(plugin.settings.plugin.as_str()).into_iter().flatten();
        warnings.extend(left_out(parents.filter_map(|name| Some((name.as_str(), *by_name.get(name)?))), plugin));
    }
    warnings
}

/// Warnings about limits that cannot be reached because of a limit on descriptors.
fn out_of_reach(who: &str, settings: &Settings, of_actors: u64) -> Vec<String> {
    let grants = &settings.grants;
    let (own, subtree) = (grants.descriptors.at_most(), settings.subtree.descriptors);
    let mut warnings = Vec::new();
    if !grants.reach_outside() {
        return warnings;
    }
    let (key, most) = match subtree.filter(|most| *most < own) {
        Some(most) => ("limits.subtree.descriptors", most),
        None => ("limits.descriptors", own),
    };
    if grants.has("hosts") && grants.requests as u64 > most {
        warnings.push(format!(
            "{who} may have {} HTTP requests at a time (`limits.requests`), and only {most} connections (`{key}`): raise the one or \
             lower the other",
            grants.requests
        ));
    }
    // The default may be above the limit of a system; only a larger value is worth a warning.
    if own > of_actors.max(Descriptors::default().at_most()) {
        warnings.push(format!(
            "{who} may have {own} files, folders and connections open (`limits.descriptors`), and on this system all actors together \
             may have {of_actors}: {}",
            SystemLimit::Files.advice()
        ));
    }
    warnings
}

/// Warnings about grants of a `[[plugin]]` that a child does not get because its parent does not have them.
fn left_out<'a>(parents: impl Iterator<Item = (&'a str, &'a Settings)>, plugin: &PlayPlugin) -> Vec<String> {
    let (name, own) = (&plugin.settings.plugin, &plugin.settings.grants);
    let mut warnings = Vec::new();
    for (parent, settings) in parents {
        let kept = granted(&own.within(&settings.grants));
        let left: Vec<_> = granted(own).into_iter().filter(|grant| !kept.contains(grant)).collect();
        if !left.is_empty() {
            warnings.push(format!(
                "{name} spawned by {parent} gets less than its [[plugin]] grants, because {parent} does not have: {}",
                left.join(", ")
            ));
        }
    }
    warnings
}
