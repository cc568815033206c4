//! From the manifest as written to a [`Play`]. Each check adds its problems to one list, so that an operator sees all
//! independent problems at once.

mod circuit;
mod instances;
mod kept_apart;
mod pipeline;
mod subtrees;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use playhouse_kernel::{self as kernel, Address, AddressError, DeadLetterSpec, SupervisionSpec};
use toml::Spanned;

use super::play::{Play, PlayActor, PlayPlugin};
use super::problem::{Problem, Problems, Source, nearest};
use super::schema::{self, Manifest, Start};
use super::settings::Written;
use super::units::{ByteSize, MemoryMark, Time};
use kept_apart::KeptApart;

/// The content of the plugins folder.
#[derive(Debug)]
pub struct PluginFolder {
    /// The names of the `.wasm` files, sorted, without their ending; an error when it could not be read.
    pub names: Result<Vec<String>, String>,
}

impl PluginFolder {
    /// Looks into the folder at `path`.
    pub fn read(path: &Path) -> Self {
        let names = std::fs::read_dir(path).map_err(|error| error.to_string()).map(|entries| {
            let files = entries.flatten().map(|entry| PathBuf::from(entry.file_name()));
            let wasm = files.filter(|file| file.extension().is_some_and(|ending| ending == "wasm"));
            let mut names: Vec<_> = wasm.filter_map(|f| Some(f.file_stem()?.to_str()?.to_owned())).collect();
            names.sort();
            names
        });
        Self { names }
    }
}

/// Reads a manifest's text. `beside` is its folder; `look` looks into the plugins folder.
pub fn understand(source: Source, beside: &Path, look: impl FnOnce(&Path) -> PluginFolder) -> Result<Play, Problems> {
    let manifest: Manifest = match toml::from_str(&source.text) {
        Ok(manifest) => manifest,
        Err(error) => {
            let problem = Problem::from_toml(&error, &source.text);
            return Err(Problems::new(source, vec![problem]));
        }
    };
    let folder = manifest.play.plugins.as_ref().map_or("plugins", |folder| folder.get_ref());
    let plugins = beside.join(folder);
    let mut found = Found {
        problems: Vec::new(),
        suggestions: MOST_SUGGESTIONS,
        spawnable: manifest.plugin.iter().map(|plugin| plugin.get_ref().name.get_ref().clone()).collect(),
        folder: look(&plugins),
        plugins: plugins.clone(),
        beside: beside.to_owned(),
        kept_apart: KeptApart::of_play(beside, &plugins, Path::new(&source.name).file_name()),
    };

    let addresses = found.addresses(&manifest.actor);
    let mut actors = found.actors(&manifest, &addresses);
    let pipeline = found.pipeline(&manifest, &addresses, &mut actors);
    let spawnable = found.spawnable(&manifest, &addresses);
    found.instances(&manifest, &addresses);
    found.subtrees(&manifest, &addresses);
    found.circuits(&manifest, &addresses);
    let supervision = found.supervision(&manifest.play.supervision);
    let limits = found.play_limits(&manifest.play.limits);
    let letters = DeadLetterSpec::default();
    let dead_letters = DeadLetterSpec {
        capacity: manifest.play.dead_letters.capacity.map_or(letters.capacity, |n| n.0 as usize),
        capacity_bytes: manifest.play.dead_letters.bytes.map_or(letters.capacity_bytes, in_memory),
    };
    if !found.problems.is_empty() {
        return Err(Problems::new(source, found.problems));
    }
    let named = manifest.play.name.or_else(|| {
        let folder = beside.join(".").canonicalize().ok()?;
        Some(folder.file_name()?.to_string_lossy().into_owned())
    });
    Ok(Play {
        source,
        name: named.unwrap_or_else(|| "play".into()),
        plugins,
        max_instances: manifest.play.max_instances.map(|n| n.get_ref().0),
        limits,
        memory_high: manifest.play.memory_high.unwrap_or(MemoryMark::Share(90)),
        supervision,
        dead_letters,
        actors,
        pipeline,
        spawnable,
    })
}

/// A size as the kernel counts it; a size beyond the address space becomes the largest number.
pub(super) fn in_memory(size: ByteSize) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

/// Each suggestion compares a name with all known names: after this many, problems have no suggestion.
const MOST_SUGGESTIONS: usize = 100;

/// The problems found so far, and the data that further checks need.
pub(super) struct Found {
    problems: Vec<Problem>,
    /// Number of suggestions that may still be made.
    suggestions: usize,
    /// The names of all `[[plugin]]`.
    pub(super) spawnable: HashSet<String>,
    pub(super) folder: PluginFolder,
    pub(super) plugins: PathBuf,
    /// The manifest's folder.
    pub(super) beside: PathBuf,
    /// The files and folders that no actor may write to.
    pub(super) kept_apart: KeptApart,
}

/// The good addresses in the order of the file, with their places; by actor, and by address.
pub(super) struct Addresses {
    of_actor: Vec<Option<Address>>,
    pub(super) first: HashMap<Address, (usize, Range<usize>)>,
    /// Addresses with an actor of the manifest below them.
    pub(super) parents: HashSet<Address>,
    /// Actors that may spawn others.
    pub(super) spawning: HashSet<Address>,
}

impl Addresses {
    /// Whether an actor of the manifest is below `top`, or may be spawned there.
    pub(super) fn is_populated(&self, top: &Address) -> bool {
        self.parents.contains(top) || with_ancestors(top).any(|above| self.spawning.contains(&above))
    }
}

/// This address and all above it.
pub(super) fn with_ancestors(address: &Address) -> impl Iterator<Item = Address> {
    std::iter::successors(Some(address.clone()), Address::parent)
}

impl Found {
    pub(super) fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Parses all addresses: each must be good, occur once, and come after its parent.
    fn addresses(&mut self, actors: &[Spanned<schema::Actor>]) -> Addresses {
        let mut all = Addresses {
            of_actor: Vec::new(),
            first: HashMap::new(),
            parents: HashSet::new(),
            spawning: HashSet::new(),
        };
        for (n, actor) in actors.iter().enumerate() {
            let written = &actor.get_ref().address;
            let address = match Address::parse(written.get_ref()) {
                Ok(address) if address.is_root() => {
                    let remark = "an actor needs a name, as in \"/name\"";
                    self.add(Problem::at(written.span(), "`/` is the kernel itself", remark));
                    None
                }
                Ok(address) => Some(address),
                Err(error) => {
                    let problem = Problem::at(written.span(), address_fault(&error), address_meant(written.get_ref()));
                    self.add(problem.help("an address is \"/\" and the name, below another actor \"/parent/name\""));
                    None
                }
            };
            if let Some(address) = &address {
                if let Some((_, first)) = all.first.get(address) {
                    let problem =
                        Problem::at(written.span(), format!("two actors have the address `{address}`"), "again here");
                    self.add(problem.and_at(first.clone(), "first here").help("give one of them another name"));
                } else {
                    all.first.insert(address.clone(), (n, written.span()));
                }
                for above in with_ancestors(address).skip(1) {
                    if !all.parents.insert(above) {
                        break;
                    }
                }
                if !actor.get_ref().spawns.is_empty() {
                    all.spawning.insert(address.clone());
                }
            }
            all.of_actor.push(address);
        }
        for (n, address) in all.of_actor.iter().enumerate() {
            let Some((address, parent)) = address.as_ref().and_then(|a| Some((a, a.parent()?))) else { continue };
            let place = actors[n].get_ref().address.span();
            match all.first.get(&parent) {
                _ if parent.is_root() => {}
                None => self.orphan(address, &parent, place, &all),
                Some((before, _)) if *before < n => {}
                Some((_, later)) => {
                    let problem = Problem::at(
                        place,
                        format!("`{address}` comes before its parent `{parent}`"),
                        "this is the child",
                    );
                    self.add(
                        problem
                            .and_at(later.clone(), "this is its parent")
                            .help("actors start in this order: move the parent up"),
                    );
                }
            }
        }
        all
    }

    fn orphan(&mut self, address: &Address, parent: &Address, place: Range<usize>, all: &Addresses) {
        let known = all.first.keys().filter(|known| *known != address && !known.is_below(address));
        let remark = match self.near_address(parent.as_str(), known) {
            Some(near) => format!("did you mean \"{near}/{}\"?", address.name()),
            None => format!("no actor has the address `{parent}`"),
        };
        let problem = Problem::at(place, format!("`{address}` has no parent"), remark);
        self.add(
            problem.help(format!(
                "add an actor with address = \"{parent}\" before it, or name it \"/{}\"",
                address.name()
            )),
        );
    }

    fn actors(&mut self, manifest: &Manifest, addresses: &Addresses) -> Vec<PlayActor> {
        let sound = manifest.actor.iter().zip(&addresses.of_actor).filter_map(|(actor, address)| {
            let actor = actor.get_ref();
            let settings = self.settings(&Written::actor(actor), manifest, addresses);
            let instances = instances::of(actor);
            let required = actor.required.as_ref().is_some_and(|required| *required.get_ref());
            Some(PlayActor { address: address.clone()?, instances, required, settings })
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
            let settings = self.settings(&Written::plugin(plugin), manifest, addresses);
            all.push(PlayPlugin { recursive: plugin.recursive, settings });
        }
        all
    }

    pub(super) fn supervision(&mut self, written: &schema::Supervision) -> SupervisionSpec {
        let default = SupervisionSpec::default();
        SupervisionSpec {
            strategy: match written.strategy {
                schema::Strategy::OneForOne => kernel::Strategy::OneForOne,
                schema::Strategy::OneForAll => kernel::Strategy::OneForAll,
                schema::Strategy::RestForOne => kernel::Strategy::RestForOne,
            },
            intensity: written.intensity.unwrap_or(default.intensity),
            period: self.above_zero(written.period.as_ref(), "supervision.period", default.period),
            shutdown: written.shutdown.map_or(default.shutdown, |time| time.0),
        }
    }

    /// The known name that is most like `wanted`.
    pub(super) fn near<'a>(&mut self, wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        self.suggestions = self.suggestions.checked_sub(1)?;
        // Sorted, since equally near ones must always give the same suggestion.
        let mut known: Vec<_> = known.collect();
        known.sort_unstable();
        nearest(wanted, known)
    }

    pub(super) fn near_address<'a>(
        &mut self,
        wanted: &str,
        known: impl Iterator<Item = &'a Address>,
    ) -> Option<&'a str> {
        self.near(wanted, known.map(Address::as_str))
    }

    pub(super) fn above_zero(&mut self, written: Option<&Spanned<Time>>, key: &str, default: Duration) -> Duration {
        let Some(written) = written else { return default };
        let time = written.get_ref().0;
        if time.is_zero() {
            self.add(Problem::at(written.span(), format!("`{key}` is nothing"), "it must be at least \"1us\""));
        }
        time
    }
}

/// The fault of an address. A suggestion is never wrong itself.
pub(super) fn address_fault(error: &AddressError) -> String {
    match error {
        AddressError::NotAbsolute(text) if Address::parse(&format!("/{text}")).is_err() => {
            format!("`{text}` is no address: it must begin with `/`, and go on with letters, digits, `_` and `-`")
        }
        error => error.to_string(),
    }
}

/// The address that the writer of a bad one may have meant.
pub(super) fn address_meant(written: &str) -> String {
    let meant = format!("/{}", written.trim_matches('/'));
    match Address::parse(&meant) {
        Ok(meant) if !meant.is_root() => format!("did you mean \"{meant}\"?"),
        _ => "here".into(),
    }
}

/// The first few names.
pub(super) fn enumerated(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
