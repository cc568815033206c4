//! From the manifest as written to a [`PlaySettings`]. Each check adds its problems to one list, so that an operator sees all
//! independent problems at once.

mod addresses;
mod circuit;
mod cron;
mod dead_letters;
mod families;
mod files;
mod findings;
mod gate;
mod grants;
mod http;
mod http_edge;
mod http_routes;
mod instances;
mod kept_apart;
mod mailbox;
mod metric_names;
mod metrics;
mod pipeline;
mod queues;
mod redis_mailbox;
mod secret_uses;
mod secrets;
mod settings;
mod shared_files;
mod sharing;
mod state;
mod store;
mod subtrees;
mod websocket;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use playhouse_kernel::DeadLetterSpec;
use toml::Spanned;

use super::play::{PlayActor, PlayPlugin, PlaySettings};
use super::plugin_folder::PluginFolder;
use super::problem::{Problem, Problems, Source};
use super::schema::{Manifest, Start, VALUE_AS_SECRET};
use super::units::ByteSize;
use super::unknown_keys::written;
use super::unknown_table::unknown_table;
use addresses::Addresses;
use families::family_spec;
use findings::Checks;
use settings::Written;

/// Reads a manifest's text. `beside` is its folder; `look` looks into the plugins folder.
pub fn understand(
    source: Source,
    beside: &Path,
    look: impl FnOnce(&Path) -> PluginFolder,
) -> Result<PlaySettings, Problems> {
    let mut manifest = match written(&source.text) {
        Ok(manifest) => manifest,
        Err(errors) => return Err(unreadable(source, &errors)),
    };
    manifest.place_families();
    let folder = manifest.play.plugins.as_ref().map_or("plugins", |folder| folder.get_ref());
    let plugins = beside.join(folder);
    let mut checks = Checks::new(&manifest, &source.name, beside, &plugins, look(&plugins));
    checks.declare_secrets(&manifest.secrets);
    let mut addresses = checks.addresses(&manifest.actor, &manifest.play.native, &manifest.sink);
    addresses.spawning.extend(websocket::spawning(&manifest));
    checks.gate_is_free(&manifest.actor, &addresses);
    let mut actors = checks.actors(&manifest, &addresses);
    let pipeline = checks.pipeline(&manifest, &addresses, &mut actors);
    let spawnable = checks.spawnable(&manifest, &addresses);
    checks.instances(&manifest, &addresses);
    checks.subtrees(&manifest, &addresses);
    checks.circuits(&manifest, &addresses);
    checks.families(&manifest);
    let mut sources = checks.sources(&manifest.source, &actors, &addresses);
    let mut sinks = checks.sinks(&manifest.sink, &addresses);
    let name = manifest.play.name.clone().or_else(|| folder_name(beside)).unwrap_or_else(|| "play".into());
    for (source, sink) in checks.redis_mailboxes(&manifest.actor, &addresses, &mut actors, &name) {
        sources.push(source);
        sinks.push(sink);
    }
    checks.shared_files(&manifest);
    let has_store = manifest.play.store.is_some();
    let cron = checks.cron(&manifest.cron, &actors, &addresses, &source.text, has_store);
    let store = checks.store(&manifest);
    let keys = checks.keys(&manifest);
    let supervision = checks.supervision(&manifest.play.supervision);
    let limits = checks.play_limits(&manifest.play.limits);
    let metrics = checks.metrics(&manifest.play.metrics);
    let http = checks.http(&manifest, &actors, &addresses);
    checks.sharing(&actors, &spawnable, &http);
    // After all gateways, which may be creators.
    checks.creators(&manifest, &addresses);
    let dead_letters_to = checks.dead_letters_to(&manifest.play.dead_letters, &addresses);
    let letters = DeadLetterSpec::default();
    let dead_letters = DeadLetterSpec {
        capacity: manifest.play.dead_letters.capacity.map_or(letters.capacity, |n| n.0 as usize),
        capacity_bytes: manifest.play.dead_letters.bytes.map_or(letters.capacity_bytes, ByteSize::in_memory),
    };
    // After all that may use a secret.
    let secrets = checks.finish_secrets();
    if !checks.problems.is_empty() {
        return Err(Problems::new(source, checks.problems));
    }
    Ok(PlaySettings {
        source,
        name,
        plugins,
        max_instances: manifest.play.max_instances.map(|n| n.get_ref().0),
        limits,
        memory_high: manifest.play.memory_high.unwrap_or_default(),
        supervision,
        store,
        keys,
        dead_letters,
        dead_letters_to,
        metrics,
        drain_delay: manifest.play.drain.delay.map_or(Duration::ZERO, |time| time.0),
        http,
        log: manifest.play.log,
        readers: manifest.play.control.readers,
        natives: addresses.natives.into_iter().map(|(address, _)| address).collect(),
        actors,
        pipeline,
        spawnable,
        sources,
        sinks,
        secrets,
        cron,
    })
}

/// The problems of a text that is no manifest.
fn unreadable(mut source: Source, errors: &[toml::de::Error]) -> Problems {
    let mut problems = Vec::new();
    for error in errors {
        let problem = unknown_table(&source.text, error).unwrap_or_else(|| Problem::from_toml(error, &source.text));
        // An unknown table may be found again behind a later error.
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    let values = errors.iter().filter(|error| error.message() == VALUE_AS_SECRET);
    for place in values.filter_map(toml::de::Error::span) {
        source = source.without(place);
    }
    Problems::new(source, problems)
}

/// The name of a folder.
fn folder_name(folder: &Path) -> Option<String> {
    let folder = folder.join(".").canonicalize().ok()?;
    Some(folder.file_name()?.to_string_lossy().into_owned())
}

impl Checks {
    fn actors(&mut self, manifest: &Manifest, addresses: &Addresses) -> Vec<PlayActor> {
        let sound = manifest.actor.iter().zip(&addresses.of_actor).filter_map(|(actor, address)| {
            let actor = actor.get_ref();
            let mut settings = self.settings(&Written::actor(actor), manifest, addresses);
            settings.state = self.state(actor, settings.limits.max_effect_bytes);
            settings.grants.state = settings.state.is_some();
            let instances = instances::of(actor);
            let required = actor.required.as_ref().is_some_and(|required| *required.get_ref());
            let family = actor.family.as_ref().map(|keys| family_spec(keys).into());
            Some(PlayActor { address: address.clone()?, instances, required, relay: None, family, settings })
        });
        sound.collect()
    }

    /// The plugins that may be spawned: each plugin once.
    fn spawnable(&mut self, manifest: &Manifest, addresses: &Addresses) -> Vec<PlayPlugin> {
        let mut first: HashMap<&str, Range<usize>> = HashMap::new();
        let mut all = Vec::new();
        for plugin in manifest.plugin.iter().map(Spanned::get_ref) {
            let (name, place) = (plugin.name.get_ref(), plugin.name.span());
            if let Some(first) = first.get(name.as_str()) {
                let problem = Problem::at(place, format!("two [[plugin]] have the name `{name}`"), "again here");
                self.add(problem.and_at(first.clone(), "first here").help("leave one of them out"));
            } else {
                first.insert(name, place);
            }
            if let Some(start) = plugin.start.as_ref().filter(|start| *start.get_ref() == Start::Manual) {
                let problem = Problem::at(start.span(), "a spawned actor cannot have start = \"manual\"", "here");
                self.add(
                    problem.help(
                        "a spawned actor starts with its spawn: leave `start` out, or set start = \"on-message\"",
                    ),
                );
            }
            self.no_redis_mailbox(&plugin.mailbox, "the actors of a [[plugin]] come and go");
            let mut settings = self.settings(&Written::plugin(plugin), manifest, addresses);
            settings.state = self.state_of_spawned(plugin, settings.limits.max_effect_bytes);
            settings.grants.state = settings.state.is_some();
            all.push(PlayPlugin { recursive: plugin.recursive, settings });
        }
        all
    }
}
