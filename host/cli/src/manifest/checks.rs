//! From the manifest as written to a [`Play`]. Each check adds what it finds to one list, so that a person sees
//! all independent problems at once.

mod instances;

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use playhouse_kernel::{
    self as kernel, Address, AddressError, DeadLetterSpec, MailboxSpec, RestartSpec, SupervisionSpec,
};
use toml::Spanned;

use super::play::{Play, PlayActor};
use super::problem::{Problem, Problems, Source, nearest};
use super::schema::{self, Manifest, Overflow, RestartKind, Start};
use super::units::{ByteSize, Time};

/// What a 32-bit WebAssembly memory can hold.
const MOST_MEMORY: ByteSize = ByteSize(4 << 30);
/// A body is copied a few times on its way.
const MOST_MESSAGE: ByteSize = ByteSize(1 << 30);

/// What lies in the plugins folder.
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
    let mut found = Found { problems: Vec::new(), folder: look(&plugins), plugins: plugins.clone() };

    let addresses = found.addresses(&manifest.actor);
    let actors = found.actors(&manifest.actor, &addresses);
    found.instances(&manifest, &addresses);
    let supervision = found.supervision(&manifest.play.supervision);
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
        supervision,
        dead_letters,
        actors,
    })
}

/// A size as the kernel counts; no size is larger than the address space that is there.
fn in_memory(size: ByteSize) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

/// The problems found so far, and what is needed to find more.
struct Found {
    problems: Vec<Problem>,
    folder: PluginFolder,
    plugins: PathBuf,
}

/// The good addresses in the order of the file, with their places; by actor, and by address.
struct Addresses {
    of_actor: Vec<Option<Address>>,
    first: HashMap<Address, (usize, Range<usize>)>,
}

impl Found {
    fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Parses all addresses: good ones, each only once, each with its parent before it.
    fn addresses(&mut self, actors: &[Spanned<schema::Actor>]) -> Addresses {
        let mut all = Addresses { of_actor: Vec::new(), first: HashMap::new() };
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
        let remark = match near_address(parent.as_str(), known) {
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

    fn actors(&mut self, actors: &[Spanned<schema::Actor>], addresses: &Addresses) -> Vec<PlayActor> {
        let sound = actors.iter().zip(&addresses.of_actor).filter_map(|(actor, address)| {
            let actor = actor.get_ref();
            self.plugin(actor);
            let sha256 = actor.sha256.as_ref().and_then(|digest| self.digest(digest));
            let sends_to = actor.sends_to.iter().filter_map(|to| self.target(to, addresses)).collect();
            let (memory_bytes, message_bytes) = self.sizes(actor);
            let supervision = self.supervision(&actor.supervision);
            let restart = self.restart(&actor.restart);
            let limits = &actor.limits;
            Some(PlayActor {
                address: address.clone()?,
                plugin: actor.plugin.get_ref().clone(),
                plugin_place: actor.plugin.span(),
                sha256,
                sends_to,
                instances: instances::of(actor),
                batch: actor.batch.map_or(64, |n| n.0 as usize),
                auto_start: actor.start == Start::Auto,
                config: actor.config.iter().map(|(key, text)| (key.clone(), text.0.clone())).collect(),
                mailbox: mailbox(&actor.mailbox),
                restart,
                supervision,
                memory_bytes,
                cpu: self.above_zero(limits.cpu.as_ref(), "limits.cpu", Duration::from_millis(100)),
                timeout: self.above_zero(limits.timeout.as_ref(), "limits.timeout", Duration::from_secs(5)),
                message_bytes,
            })
        });
        sound.collect()
    }

    fn plugin(&mut self, actor: &schema::Actor) {
        let (name, place) = (actor.plugin.get_ref(), actor.plugin.span());
        let bare = name.strip_suffix(".wasm").unwrap_or(name);
        let good =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !good(name) {
            let problem = Problem::at(
                place,
                format!("`{}` is no name of a plugin", name.escape_debug()),
                if good(bare) { format!("did you mean \"{bare}\"?") } else { "here".into() },
            );
            let form = "a plugin is named by letters, digits, `_` and `-`: the file NAME.wasm in the plugins folder";
            return self.add(problem.help(format!("{form} `{}`", self.plugins.display())));
        }
        let file = self.plugins.join(format!("{name}.wasm"));
        let help = match &self.folder.names {
            Ok(names) if names.iter().any(|known| known == name) => return,
            Ok(names) if names.is_empty() => format!("the folder `{}` has no .wasm file", self.plugins.display()),
            Ok(names) => format!("the folder `{}` has {}", self.plugins.display(), enumerated(names)),
            Err(error) => {
                format!("the plugins folder `{}` cannot be read: {error}", self.plugins.display())
            }
        };
        let names = self.folder.names.as_deref().unwrap_or_default();
        let remark = nearest(name, names.iter().map(String::as_str))
            .map_or_else(|| "no such file".into(), |near| format!("did you mean \"{near}\"?"));
        let problem = Problem::at(place, format!("there is no plugin `{name}`: no file `{}`", file.display()), remark);
        self.add(problem.help(help));
    }

    fn digest(&mut self, written: &Spanned<String>) -> Option<(String, Range<usize>)> {
        let text = written.get_ref();
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Some((text.to_ascii_lowercase(), written.span()));
        }
        let problem =
            Problem::at(written.span(), "this is no SHA-256 digest", format!("{} characters", text.chars().count()));
        self.add(problem.help("a digest is 64 hexadecimal digits; `playhouse inspect FILE.wasm` prints it"));
        None
    }

    fn target(&mut self, written: &Spanned<String>, addresses: &Addresses) -> Option<Address> {
        match Address::parse(written.get_ref()) {
            Ok(to) if addresses.first.contains_key(&to) => return Some(to),
            Ok(to) => {
                let remark = near_address(to.as_str(), addresses.first.keys())
                    .map_or_else(|| "no such actor".into(), |near| format!("did you mean \"{near}\"?"));
                let problem = Problem::at(written.span(), format!("no actor has the address `{to}`"), remark);
                self.add(problem.help("`sends_to` names actors of this manifest"));
            }
            Err(error) => {
                let problem = Problem::at(written.span(), address_fault(&error), address_meant(written.get_ref()));
                self.add(problem.help("`sends_to` is a list of addresses, as in [\"/count\"]"));
            }
        }
        None
    }

    /// `limits.memory` and `limits.message`: a message fits into the memory, and into the mailbox.
    fn sizes(&mut self, actor: &schema::Actor) -> (u64, usize) {
        let memory = actor.limits.memory.as_ref().map_or(64 << 20, |size| size.get_ref().0);
        let message = actor.limits.message.as_ref().map_or(1 << 20, |size| size.get_ref().0);
        let limit_place = actor.limits.message.as_ref().map(Spanned::span);
        self.at_most(actor.limits.memory.as_ref(), "limits.memory", MOST_MEMORY, "a 32-bit instance can have no more");
        self.at_most(actor.limits.message.as_ref(), "limits.message", MOST_MESSAGE, "send what is larger in parts");
        if message > memory {
            let place = limit_place.clone().or_else(|| actor.limits.memory.as_ref().map(Spanned::span));
            let what =
                format!("`limits.message` ({}) is more than `limits.memory` ({})", ByteSize(message), ByteSize(memory));
            let problem = Problem::at(place.unwrap_or_default(), what, "here");
            self.add(problem.help("a message must fit into the actor's memory: raise `memory`, or lower `message`"));
        }
        let room =
            actor.mailbox.bytes.as_ref().map_or(MailboxSpec::default().capacity_bytes as u64, |size| size.get_ref().0);
        if room < message {
            let place = actor.mailbox.bytes.as_ref().map(Spanned::span).or(limit_place);
            let what =
                format!("`mailbox.bytes` ({}) is less than `limits.message` ({})", ByteSize(room), ByteSize(message));
            let problem = Problem::at(place.unwrap_or_default(), what, "here");
            self.add(
                problem
                    .help("a mailbox must have room for one message: raise `mailbox.bytes`, or lower `limits.message`"),
            );
        }
        (memory, usize::try_from(message).unwrap_or(usize::MAX))
    }

    fn at_most(&mut self, written: Option<&Spanned<ByteSize>>, key: &str, most: ByteSize, help: &str) {
        let Some(written) = written.filter(|size| *size.get_ref() > most) else { return };
        let what = format!("`{key}` is over {most}");
        self.add(Problem::at(written.span(), what, format!("it must be at most \"{most}\"")).help(help));
    }

    fn restart(&mut self, written: &schema::Restart) -> RestartSpec {
        let default = RestartSpec::default();
        let initial = written.backoff.initial.as_ref();
        let max = written.backoff.max.as_ref();
        let backoff = kernel::Backoff {
            initial: initial.map_or(default.backoff.initial, |time| time.get_ref().0),
            max: max.map_or(default.backoff.max, |time| time.get_ref().0),
        };
        if backoff.initial > backoff.max {
            let place = initial.or(max).map(Spanned::span).unwrap_or_default();
            let what = format!("`initial` ({:?}) is longer than `max` ({:?})", backoff.initial, backoff.max);
            self.add(Problem::at(place, what, "here").help("the pause grows from `initial` to `max`"));
        }
        RestartSpec {
            kind: match written.kind {
                RestartKind::Permanent => kernel::RestartKind::Permanent,
                RestartKind::Transient => kernel::RestartKind::Transient,
                RestartKind::Temporary => kernel::RestartKind::Temporary,
            },
            attempts: written.attempts.map_or(default.attempts, |n| n.0),
            backoff,
        }
    }

    fn supervision(&mut self, written: &schema::Supervision) -> SupervisionSpec {
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

    fn above_zero(&mut self, written: Option<&Spanned<Time>>, key: &str, default: Duration) -> Duration {
        let Some(written) = written else { return default };
        let time = written.get_ref().0;
        if time.is_zero() {
            self.add(Problem::at(written.span(), format!("`{key}` is nothing"), "it must be at least \"1us\""));
        }
        time
    }
}

fn mailbox(written: &schema::Mailbox) -> MailboxSpec {
    let default = MailboxSpec::default();
    let schema::MailboxKind::Memory = written.kind;
    MailboxSpec {
        capacity: written.capacity.map_or(default.capacity, |n| n.0 as usize),
        capacity_bytes: written.bytes.as_ref().map_or(default.capacity_bytes, |size| in_memory(*size.get_ref())),
        overflow: match written.overflow {
            Overflow::Block => kernel::Overflow::Block,
            Overflow::Reject => kernel::Overflow::Reject,
            Overflow::DropNewest => kernel::Overflow::DropNewest,
            Overflow::DropOldest => kernel::Overflow::DropOldest,
        },
        block_timeout: written.timeout.map_or(default.block_timeout, |time| time.0),
    }
}

fn near_address<'a>(wanted: &str, known: impl Iterator<Item = &'a Address>) -> Option<&'a str> {
    // Sorted, since equally near ones must always give the same suggestion.
    let mut known: Vec<_> = known.map(Address::as_str).collect();
    known.sort_unstable();
    nearest(wanted, known)
}

/// What is wrong with an address. Never suggests one that is wrong as well.
fn address_fault(error: &AddressError) -> String {
    match error {
        AddressError::NotAbsolute(text) if Address::parse(&format!("/{text}")).is_err() => {
            format!("`{text}` is no address: it must begin with `/`, and go on with letters, digits, `_` and `-`")
        }
        error => error.to_string(),
    }
}

/// What the writer of a bad address may have meant.
fn address_meant(written: &str) -> String {
    let meant = format!("/{}", written.trim_matches('/'));
    match Address::parse(&meant) {
        Ok(meant) if !meant.is_root() => format!("did you mean \"{meant}\"?"),
        _ => "here".into(),
    }
}

/// The first few names.
fn enumerated(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
