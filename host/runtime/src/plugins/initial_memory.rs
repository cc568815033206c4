//! Limits of memory that are below what a plugin begins with.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use playhouse_sandbox::PluginInfo;

use super::loading::{Loads, Role};
use crate::manifest::{PlayActor, PlaySettings, Problem, Settings};

/// The lowest limit of memory that an actor or a spawnable plugin shares with others, and its key: of the play, of its own subtree,
/// or of a subtree that it is in.
pub(super) fn shared_memory_limit(
    of_play: Option<u64>,
    subtrees: &HashMap<&str, u64>,
    whose: &str,
    settings: &Settings,
) -> Option<(u64, String)> {
    let of_play = of_play.map(|bytes| (bytes, "play.limits.memory".to_owned()));
    let own = settings.subtree.memory_bytes.map(|bytes| (bytes, "limits.subtree.memory".to_owned()));
    // The text before each slash is the address of an actor above; a plugin's name has no slash.
    let above = whose.match_indices('/').filter_map(|(at, _)| {
        let (address, bytes) = subtrees.get_key_value(&whose[..at])?;
        Some((*bytes, format!("limits.subtree.memory` of `{address}")))
    });
    of_play.into_iter().chain(own).chain(above).min_by_key(|(bytes, _)| *bytes)
}

/// The problem of a component whose initial memory is larger than its limit.
pub(super) fn memory_problem(
    whose: &str,
    info: &PluginInfo,
    (limit, key): &(u64, String),
    place: &Range<usize>,
) -> Option<Problem> {
    let initial = info.initial_bytes.filter(|initial| initial > limit)?;
    let what = format!(
        "`{whose}` cannot start: its plugin begins with {initial} bytes of memories and tables, and `{key}` is {limit} bytes"
    );
    let help = format!("raise `{key}` to {initial} bytes or more, or build the plugin with a smaller initial memory");
    Some(Problem::at(place.clone(), what, "here").help(help))
}

/// The problems of children whose initial memory is larger than the limit of an ancestor.
pub(super) fn child_memory_problems(play: &PlaySettings, results: &Loads) -> Vec<Problem> {
    let plugins: HashMap<&str, &Settings> =
        play.spawnable.iter().map(|plugin| (plugin.settings.plugin.as_str(), &plugin.settings)).collect();
    let written: Vec<_> = play.actors.iter().map(PlayActor::written).collect();
    // By plugin: the lowest memory limit of one of its actors, and the parent that causes this limit.
    let mut least: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    let actors = written.iter().zip(&play.actors);
    let mut waiting: Vec<(&str, &Settings, u64)> =
        actors.map(|(written, actor)| (written.as_str(), &actor.settings, u64::MAX)).collect();
    while let Some((parent, settings, above)) = waiting.pop() {
        let memory = settings.sandbox_limits.memory_bytes.min(above);
        for name in &settings.spawns {
            let Some((name, child)) = plugins.get_key_value(name.as_str()) else { continue };
            if least.get(name).is_none_or(|(known, _)| memory < *known) {
                least.insert(name, (memory, parent));
                waiting.push((name, child, memory));
            }
        }
    }
    let problem = |(name, (memory, parent)): (&str, (u64, &str))| {
        let settings = plugins[name];
        let loaded = results.get(&(Role::Actor, name.to_owned()))?.as_ref().ok()?;
        // A plugin whose own limit is too low has been reported.
        let enough = |initial: &u64| *initial <= settings.sandbox_limits.memory_bytes && *initial > memory;
        let initial = loaded.info().initial_bytes.filter(enough)?;
        let what = format!(
            "`{parent}` cannot spawn `{name}`: that plugin begins with {initial} bytes of memories and tables, and the parent's \
             `limits.memory` of {memory} bytes holds for its children, too"
        );
        let help = format!(
            "raise `limits.memory` of `{parent}` to {initial} bytes or more, or leave `{name}` out of its `spawns`"
        );
        Some(Problem::at(settings.plugin_place.clone(), what, "this plugin").help(help))
    };
    least.into_iter().filter_map(problem).collect()
}
