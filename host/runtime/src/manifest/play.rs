//! A sound play: the values of the manifest, with the defaults filled in. Only the plugins' code is missing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use playhouse_gateway::GATES;
use playhouse_gateway::cron::CronSettings;
use playhouse_gateway::file::{FileSinkSettings, FileSourceSettings};
use playhouse_gateway::http::{self, Receiver};
use playhouse_gateway::letters::LettersSettings;
use playhouse_gateway::sink::SinkSettings;
use playhouse_gateway::source::SourceSettings;
use playhouse_kernel::{
    ActorLimits, Address, Backoff, DeadLetterSpec, FamilySpec, KeySpec, MailboxSpec, MetricNames, Overflow,
    RestartSpec, StartKind, StateSpec, SupervisionSpec,
};
use playhouse_observe::Hosts;
use playhouse_sandbox::{Grants, Limits, SandboxConfig, SubtreeLimits};
use playhouse_store::StoreSettings;
use toml::Spanned;

pub use super::http_server::{HttpKey, HttpServer, HttpTls};
use super::problem::Source;
use super::same_file::same_file;
use super::schema::{Log, LogLevel};
use super::secrets::{DeclaredSecrets, SecretId, UrlSettings};
use super::units::MemoryMark;

/// A manifest that passed all checks which need no plugin's code. Its many fields are the tables and keys of `[play]`, and the
/// tables beside it.
#[derive(Debug)]
pub struct PlaySettings {
    /// The manifest's text, for problems that are found later.
    pub source: Source,
    /// The name of the play, for operators.
    pub name: String,
    /// The plugins folder.
    pub plugins: PathBuf,
    /// Maximum number of live instances; `None` for the sandbox's default.
    pub max_instances: Option<u32>,
    /// Limits on plugins, and on the resources that all actors share.
    pub limits: PlayLimits,
    /// The memory use above which the host takes no new messages from outside.
    pub memory_high: MemoryMark,
    /// The kernel's supervision of the actors directly under `/`.
    pub supervision: SupervisionSpec,
    /// The store that keeps the play over the runs of its host.
    pub store: Option<StoreSettings>,
    /// The bounds of the keys under which requests are repeated.
    pub keys: KeySpec,
    /// The limits of the dead-letter store.
    pub dead_letters: DeadLetterSpec,
    /// The actor that each dead letter is also sent to.
    pub dead_letters_to: Option<LettersSettings>,
    /// The HTTP server for programs that watch the play; `None` without `listen`.
    pub metrics: Option<MetricsSettings>,
    /// The time in which a play that stops still takes requests.
    pub drain_delay: Duration,
    /// The HTTP servers whose requests are messages.
    pub http: Vec<HttpServer>,
    /// The log of `playhouse run`.
    pub log: Log,
    /// The group whose members may look over the control socket, as written.
    pub readers: Option<Spanned<String>>,
    /// The addresses of native actors, which the program that embeds the play provides.
    pub natives: Vec<Address>,
    /// The actors, in start order.
    pub actors: Vec<PlayActor>,
    /// The actors of the pipeline, in its order; empty without one. The `sends_to` of each already has the next one.
    pub pipeline: Vec<Address>,
    /// The plugins that actors may spawn.
    pub spawnable: Vec<PlayPlugin>,
    /// The sources, in the order of the manifest.
    pub sources: Vec<PlaySource>,
    /// The sinks, in the order of the manifest.
    pub sinks: Vec<PlaySink>,
    /// The secrets, without their values.
    pub secrets: DeclaredSecrets,
    /// The entries of `[[cron]]`.
    pub cron: Vec<CronSettings>,
}

/// One source of a [`PlaySettings`].
#[derive(Debug)]
pub struct PlaySource {
    /// Settings that sources of all kinds have.
    pub settings: SourceSettings,
    /// Settings of its kind.
    pub from: SourceOrigin,
}

/// The origin of a source's messages.
#[derive(Debug, Clone)]
pub enum SourceOrigin {
    /// A stream of Redis.
    #[cfg(feature = "redis")]
    Redis(UrlSettings, playhouse_gateway::redis::RedisSource),
    /// A consumer of JetStream.
    #[cfg(feature = "nats")]
    Nats(UrlSettings, playhouse_gateway::nats::NatsSource),
    /// A file that is followed.
    File(FileSourceSettings),
}

impl SourceOrigin {
    /// The file that the source follows.
    pub fn file(&self) -> Option<&FileSourceSettings> {
        match self {
            Self::File(file) => Some(file),
            #[cfg(any(feature = "redis", feature = "nats"))]
            _ => None,
        }
    }
}

/// One sink of a [`PlaySettings`].
#[derive(Debug)]
pub struct PlaySink {
    /// Settings that sinks of all kinds have.
    pub settings: SinkSettings,
    /// Settings of its kind.
    pub to: SinkTarget,
}

/// The target of a sink's messages.
#[derive(Debug, Clone)]
pub enum SinkTarget {
    /// A stream of Redis.
    #[cfg(feature = "redis")]
    Redis(UrlSettings, playhouse_gateway::redis::RedisSink),
    /// A subject of JetStream.
    #[cfg(feature = "nats")]
    Nats(UrlSettings, playhouse_gateway::nats::NatsSink),
    /// A file that is appended to.
    File(FileSinkSettings),
    /// A server that each message is posted to.
    Http(HttpTarget),
}

/// A server that messages are posted to.
#[derive(Debug, Clone)]
pub struct HttpTarget {
    /// The server and the path.
    pub url: UrlSettings,
    /// Time for each request.
    pub timeout: Duration,
    /// The secret with the token of the requests.
    pub bearer: Option<SecretId>,
}

/// `[play.metrics]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsSettings {
    /// The address of the server.
    pub listen: SocketAddr,
    /// The place of the address in the manifest.
    pub place: Range<usize>,
    /// The names that a request may have in its `Host` header.
    pub hosts: Hosts,
}

/// `[play.limits]`.
#[derive(Debug, Clone, Copy)]
pub struct PlayLimits {
    /// Stack of each instance.
    pub stack_bytes: usize,
    /// The size of the largest component that is loaded.
    pub component_bytes: u64,
    /// Time limit for compiling one component.
    pub compile_time: Duration,
    /// Memory limit for compiling one component.
    pub compile_memory_bytes: u64,
    /// Memory limit of all instances together; `None` for a share of the machine's memory.
    pub memory_bytes: Option<u64>,
}

/// A gateway that takes messages in.
pub(crate) struct Gate<'p> {
    pub(crate) address: Address,
    pub(crate) receivers: Vec<Receiver>,
    /// The plugins of the handlers of its connections, each once.
    pub(crate) handlers: Vec<&'p str>,
}

/// One actor of a [`PlaySettings`].
#[derive(Debug)]
pub struct PlayActor {
    /// The actor's address.
    pub address: Address,
    /// Number of instances that run side by side.
    pub instances: usize,
    /// Whether the play ends when this actor is given up.
    pub required: bool,
    /// The sink that writes what others tell to the actor to its queue outside; `None` without such a queue.
    pub relay: Option<Address>,
    /// The rules of the family whose members are at the addresses directly below this one; `None` for an actor.
    pub family: Option<Arc<FamilySpec>>,
    /// The keys that `[[plugin]]` has as well.
    pub settings: Settings,
}

impl PlayActor {
    /// The address as the manifest writes it: that of a family ends with `/*`.
    pub fn written(&self) -> String {
        format!("{}{}", self.address, if self.family.is_some() { "/*" } else { "" })
    }

    /// Whether messages to this address are for the actor, or for a member of the family.
    pub fn receives(&self, to: &Address) -> bool {
        match &self.family {
            None => self.address == *to,
            Some(family) => to.parent().is_some_and(|above| above == self.address) && family.names.fits(to.name()),
        }
    }
}

/// A plugin that actors may spawn, with the settings of these children.
#[derive(Debug)]
pub struct PlayPlugin {
    /// Whether the plugin may be spawned below an actor of the same plugin.
    pub recursive: bool,
    /// The keys that `[[actor]]` has as well.
    pub settings: Settings,
}

/// The settings that actors of the manifest and spawned actors have in common. Its fields are the values of the manifest's keys,
/// and nothing is derived from them, so that they stand beside each other.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of the plugin.
    pub plugin: String,
    /// Where the manifest names the plugin: the place of problems with its code.
    pub plugin_place: Range<usize>,
    /// Where the manifest has `limits.memory`.
    pub memory_place: Option<Range<usize>>,
    /// The digest that the plugin must have, in lower case, and its place in the manifest.
    pub sha256: Option<(String, Range<usize>)>,
    /// Where the manifest says that the actors share an instance; `None` if each has its own.
    pub share: Option<Range<usize>>,
    /// Addresses that the actor may send to.
    pub sends_to: Vec<Address>,
    /// Addresses below which the actor may send to all actors.
    pub sends_below: Vec<Address>,
    /// The plugins that the actor may spawn.
    pub spawns: Vec<String>,
    /// The names of the actor's own metrics.
    pub metrics: MetricNames,
    /// The time of the start.
    pub start: StartKind,
    /// Time without a message after which the actor is passivated; `None` if it stays.
    pub idle_stop: Option<Duration>,
    /// Maximum number of messages handed over in one call.
    pub batch: usize,
    /// Values that the actor's code can ask for by name.
    pub config: BTreeMap<String, String>,
    /// The limits of the mailbox.
    pub mailbox: MailboxSpec,
    /// The plugin that decides the order of the mailbox.
    pub mailbox_plugin: Option<MailboxPluginSettings>,
    /// Restarts after a failure.
    pub restart: RestartSpec,
    /// Supervision of the actor's children.
    pub supervision: SupervisionSpec,
    /// The limits that the kernel enforces.
    pub limits: ActorLimits,
    /// The limits that the sandbox measures for each instance.
    pub sandbox_limits: Limits,
    /// The limits of `[actor.limits.subtree]` that the sandbox counts, for the actor and all actors below it together.
    pub subtree: SubtreeLimits,
    /// The actor's access to the world outside.
    pub grants: Grants,
    /// The actor's state in the play's store; `None` for one without, such as a spawned one.
    pub state: Option<StateSpec>,
    /// Variables that the actor is granted and that the host does not have.
    pub absent_env: Vec<String>,
    /// The level of the actor's log; `None` for that of its parent, or of the host.
    pub log_level: Option<LogLevel>,
}

impl Settings {
    /// `start` as the manifest writes it.
    pub fn start_name(&self) -> &'static str {
        match self.start {
            StartKind::Auto => "auto",
            StartKind::OnMessage => "on-message",
            StartKind::Manual => "manual",
        }
    }
}

/// The plugin that decides the order of a mailbox, with its settings.
#[derive(Debug, Clone)]
pub struct MailboxPluginSettings {
    /// The name of the plugin.
    pub plugin: String,
    /// Where the manifest names the plugin: the place of problems with its code.
    pub plugin_place: Range<usize>,
    /// The digest that the plugin must have, in lower case, and its place in the manifest.
    pub sha256: Option<(String, Range<usize>)>,
    /// Values that the plugin's code can ask for by name.
    pub config: BTreeMap<String, String>,
    /// The manifest's `overflow`; `None` leaves the choice to the plugin.
    pub overflow: Option<Overflow>,
    /// Maximum number of messages, in addition to the capacity, that may overtake a message.
    pub overtakes: u64,
    /// Memory of one instance.
    pub memory_bytes: u64,
    /// CPU time for one call.
    pub cpu: Duration,
    /// Time in which one call runs or waits.
    pub timeout: Duration,
    /// The pause before a restart.
    pub backoff: Backoff,
    /// Maximum number of crashes within `period`; after more the plugin is given up.
    pub intensity: u32,
    /// The period of `intensity`.
    pub period: Duration,
}

impl PlaySettings {
    /// A play with every default and without actors.
    pub(crate) fn without_actors(name: String) -> Self {
        let sandbox = SandboxConfig::default();
        Self {
            source: Source::new(Path::new("(no manifest)"), String::new()),
            name,
            plugins: PathBuf::new(),
            max_instances: None,
            limits: PlayLimits {
                stack_bytes: sandbox.stack_bytes,
                component_bytes: sandbox.component_bytes,
                compile_time: sandbox.compilation.time,
                compile_memory_bytes: sandbox.compilation.memory_bytes,
                memory_bytes: None,
            },
            memory_high: MemoryMark::default(),
            supervision: SupervisionSpec::default(),
            store: None,
            keys: KeySpec::default(),
            dead_letters: DeadLetterSpec::default(),
            dead_letters_to: None,
            metrics: None,
            drain_delay: Duration::ZERO,
            http: Vec::new(),
            log: Log::default(),
            readers: None,
            natives: Vec::new(),
            actors: Vec::new(),
            pipeline: Vec::new(),
            spawnable: Vec::new(),
            sources: Vec::new(),
            sinks: Vec::new(),
            secrets: DeclaredSecrets::default(),
            cron: Vec::new(),
        }
    }

    /// The tops of subtrees whose actors are no receivers for the clients of gateways.
    pub(crate) fn reserved(&self) -> Vec<Address> {
        let letters = self.dead_letters_to.iter().map(|letters| letters.address.clone());
        let sinks = self.sinks.iter().map(|sink| sink.settings.address.top());
        Address::parse(GATES).into_iter().chain(letters).chain(sinks).collect()
    }

    /// The gateways that take messages in, each with its receivers.
    pub(crate) fn gates(&self) -> impl Iterator<Item = Gate<'_>> {
        let told = |address: &Address, tell: &Address| {
            let receivers = vec![Receiver::Fixed(tell.clone())];
            Gate { address: address.clone(), receivers, handlers: Vec::new() }
        };
        let cron = self.cron.iter().map(move |entry| told(&entry.address, &entry.tell));
        let http = self.http.iter().filter_map(|server| {
            let actions = || server.settings.routes.iter().map(|route| &route.action);
            let receivers = actions().filter_map(|action| action.receiver().cloned()).collect();
            let handlers = actions().filter_map(|action| Some(action.websocket()?.plugin.as_str()));
            let address = http::address(&server.settings.name).ok()?;
            Some(Gate { address, receivers, handlers: each_once(handlers) })
        });
        let sources = self.sources.iter().map(move |source| told(&source.settings.address, &source.settings.tell));
        cron.chain(http).chain(sources)
    }

    /// The sources that read the file of a sink, each with the sink.
    pub fn sources_of_sinks(&self) -> Vec<(&Address, &Address)> {
        let read = self
            .sources
            .iter()
            .filter_map(|source| Some((&source.settings.address, same_file(&source.from.file()?.path))));
        let pairs = read.flat_map(|(source, file)| {
            self.sinks.iter().filter_map(move |sink| match &sink.to {
                SinkTarget::File(written) if same_file(&written.path) == file => Some((source, &sink.settings.address)),
                _ => None,
            })
        });
        pairs.collect()
    }

    /// The live instances that are kept for the handlers of WebSocket connections.
    pub fn connections(&self) -> usize {
        let routes = self.http.iter().flat_map(|server| &server.settings.routes);
        routes.filter_map(|route| Some(route.action.websocket()?.connections)).sum()
    }

    /// The file of a plugin.
    pub fn plugin_file(&self, plugin: &str) -> PathBuf {
        self.plugins.join(format!("{plugin}.wasm"))
    }

    /// The names of all plugins that are used, each once, in the order of their first use.
    pub fn plugin_names(&self) -> Vec<&str> {
        each_once(self.settings().map(|settings| settings.plugin.as_str()))
    }

    /// The names of all mailbox plugins that are used, each once, in the order of their first use.
    pub fn mailbox_plugin_names(&self) -> Vec<&str> {
        let mailboxes = self.settings().filter_map(|settings| settings.mailbox_plugin.as_ref());
        each_once(mailboxes.map(|mailbox| mailbox.plugin.as_str()))
    }

    /// By plugin: the actors that may spawn it, by address, the spawned actors that may, by plugin, and the gateways whose
    /// connections have it as their handler, by address.
    pub fn parents_by_plugin(&self) -> HashMap<&str, Vec<String>> {
        let actors = self.actors.iter().map(|actor| (actor.address.as_str(), &actor.settings));
        let spawnable = self.spawnable.iter().map(|plugin| (plugin.settings.plugin.as_str(), &plugin.settings));
        let mut parents: HashMap<&str, Vec<String>> = HashMap::new();
        for (parent, settings) in actors.chain(spawnable) {
            for plugin in each_once(settings.spawns.iter().map(String::as_str)) {
                parents.entry(plugin).or_default().push(parent.to_owned());
            }
        }
        for gate in self.gates() {
            for plugin in gate.handlers {
                parents.entry(plugin).or_default().push(gate.address.to_string());
            }
        }
        parents
    }

    /// The `sends_to` of an actor as the manifest writes it: addresses, then families and subtrees.
    pub fn sends_to_written(&self, settings: &Settings) -> Vec<String> {
        let below = |top: &Address| {
            let is_family = self.actors.iter().any(|actor| actor.family.is_some() && actor.address == *top);
            format!("{}/{}", if top.is_root() { "" } else { top.as_str() }, if is_family { "*" } else { "**" })
        };
        settings.sends_to.iter().map(ToString::to_string).chain(settings.sends_below.iter().map(below)).collect()
    }

    /// The grants of all actors, and of all plugins that may be spawned.
    pub(crate) fn grants_mut(&mut self) -> impl Iterator<Item = &mut Grants> {
        let spawnable = self.spawnable.iter_mut().map(|plugin| &mut plugin.settings);
        let settings = self.actors.iter_mut().map(|actor| &mut actor.settings).chain(spawnable);
        settings.map(|settings| &mut settings.grants)
    }

    /// The settings of all actors, and of all plugins that may be spawned.
    pub fn settings(&self) -> impl Iterator<Item = &Settings> {
        let spawnable = self.spawnable.iter().map(|plugin| &plugin.settings);
        self.actors.iter().map(|actor| &actor.settings).chain(spawnable)
    }
}

fn each_once<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}
