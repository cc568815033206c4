//! A play before it runs: the manifest, native actors, and options.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use playhouse_gateway::GATES;
use playhouse_gateway::http::{HttpListener, Tls, TlsKey, TlsSettings};
use playhouse_kernel::{AboutActor, AboutHost, ActorSpec, Address, AddressError, LogEvent, NativeActor};
use playhouse_observe::log::{Log, LogLevels};
use playhouse_observe::{LeftOutLines, MetricsServer};
use playhouse_sandbox::{CompilePlace, Output};
use tokio::runtime::Runtime;
use tracing::Level;

use crate::descriptors::{self, Shares};
use crate::errors::PlayError;
use crate::events::{MetricsListening, VariableAbsent};
use crate::gateways::Gateways;
use crate::http_feed::{HttpFault, bad_tls};
use crate::leveled_output::LeveledOutput;
use crate::log_output::LogOutput;
use crate::manifest::{self, HttpKey, ManifestError, PlaySettings, Problem, Problems, Settings};
use crate::native::{Native, NativeOrder};
use crate::plugins::{self, LoadProgress, LogProgress, Plugins, PluginsError};
use crate::printable::Printable;
use crate::running::{ControlSocket, RunningPlay};
use crate::secrets::{Secrets, Variables};
use crate::users::{self, ReadersGroup};
use crate::{plan, runtimes};

/// The settings that a manifest does not have.
pub(crate) struct Options {
    pub(crate) output: Arc<dyn Output>,
    pub(crate) socket: Option<PathBuf>,
    pub(crate) threads: Option<u16>,
    pub(crate) log: Option<Log>,
    pub(crate) has_trial_starts: bool,
    pub(crate) lines_left_out: Arc<LeftOutLines>,
}

/// A play that can be started. See the documentation of the crate for the defaults.
pub struct Play {
    /// Runs from before the plugins are loaded.
    metrics: Option<MetricsServer>,
    /// The ports of `[[http]]`, bound from before the plugins are loaded; empty until then.
    http: Vec<HttpListener>,
    settings: PlaySettings,
    natives: Vec<(Result<Address, AddressError>, Native)>,
    compile_place: CompilePlace,
    options: Options,
    /// The variables that the program took out of its environment; `None` to look into the environment.
    variables: Option<Variables>,
    /// The values of the secrets, once they are read.
    secrets: Option<Secrets>,
}

impl Play {
    /// The play of a manifest. Reads the manifest, and looks into the plugins folder; the plugins are loaded by
    /// [`Play::start`].
    pub fn from_manifest(file: impl AsRef<Path>) -> Result<Self, ManifestError> {
        Ok(Self::from_settings(manifest::read(file.as_ref())?))
    }

    /// A play without a manifest: all its actors are native.
    pub fn of_natives(name: impl Into<String>) -> Self {
        Self::from_settings(PlaySettings::without_actors(name.into()))
    }

    fn from_settings(settings: PlaySettings) -> Self {
        let options = Options {
            output: Arc::new(LogOutput),
            socket: None,
            threads: None,
            log: None,
            has_trial_starts: true,
            lines_left_out: Arc::default(),
        };
        let compile_place = CompilePlace::Here;
        Self {
            metrics: None,
            http: Vec::new(),
            settings,
            natives: Vec::new(),
            compile_place,
            options,
            variables: None,
            secrets: None,
        }
    }

    /// The settings of the manifest.
    pub fn settings(&self) -> &PlaySettings {
        &self.settings
    }

    /// Places a native actor. Each incarnation begins with a clone of `actor`, so that a crash loses all that changed since. A
    /// bad address is an error of [`Play::start`].
    #[must_use]
    pub fn native(self, address: &str, actor: impl NativeActor + Clone + Sync) -> Self {
        self.place(address, Native::new(move || actor.clone()))
    }

    /// Like [`Play::native`], for an actor that is made by a function or has settings of its own.
    #[must_use]
    pub fn place(mut self, address: &str, native: Native) -> Self {
        self.natives.push((Address::parse(address), native));
        self
    }

    /// The receiver of guests' stdout and stderr. Default: [`LogOutput`].
    #[must_use]
    pub fn output(mut self, output: Arc<dyn Output>) -> Self {
        self.options.output = output;
        self
    }

    /// The counts of log lines that the program left out, for `/metrics`. Default: none are counted.
    #[must_use]
    pub fn lines_left_out(mut self, counts: Arc<LeftOutLines>) -> Self {
        self.options.lines_left_out = counts;
        self
    }

    /// Makes a control socket at `path`, so that commands such as `playhouse tree` reach the play. Default: none. The default
    /// path of those commands is [`crate::control::socket::default_path`].
    #[must_use]
    pub fn control_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.socket = Some(path.into());
        self
    }

    /// The log that `playhouse logs` reads over the control socket: the program gives its layer to `tracing`. The play sets its
    /// levels by actor to those of the manifest; they have effect in a layer with a [`LogFilter`](crate::LogFilter). Default: none, and the
    /// command says so.
    #[must_use]
    pub fn log(mut self, log: Log) -> Self {
        self.options.log = Some(log);
        self
    }

    /// The number of threads of the actors. Default: one for each core.
    #[must_use]
    pub fn actor_threads(mut self, threads: u16) -> Self {
        self.options.threads = Some(threads.max(1));
        self
    }

    /// The place where components are compiled that the cache does not have. Default: this process, where
    /// `play.limits.compile_time` and `compile_memory` are not enforced. A child process needs a program that calls
    /// [`crate::compile_for_parent`] when it has the arguments given here.
    #[must_use]
    pub fn compile_in(mut self, place: CompilePlace) -> Self {
        self.compile_place = place;
        self
    }

    /// The values of the environment variables that `settings().secrets` names, for a program that takes them out of its
    /// environment. Default: they are read from the environment, and stay there, since a process with several threads cannot
    /// remove them.
    #[must_use]
    pub fn secret_variables(mut self, variables: Variables) -> Self {
        self.variables = Some(variables);
        self
    }

    /// Reads the values of the secrets, so that a missing one is found before anything else happens. [`Play::start`] does this by
    /// itself.
    pub fn read_secrets(mut self) -> Result<Self, ManifestError> {
        if self.secrets.is_none() {
            self.secrets = Some(read_secrets(&mut self.settings, self.variables.take().as_ref())?);
        }
        Ok(self)
    }

    /// Leaves failed actors failed: no trial starts are made after `restart.cooldown`. For plays that run until they are idle.
    #[must_use]
    pub fn without_trial_starts(mut self) -> Self {
        self.options.has_trial_starts = false;
        self
    }

    /// Starts the HTTP server of `[play.metrics]`, if the manifest has one, so that it answers while the plugins are loaded, and
    /// binds the ports of `[[http]]`. [`Play::start`] does this by itself.
    pub fn listen(mut self) -> Result<Self, PlayError> {
        let refused = |listen, place: &Range<usize>, why: std::io::Error| {
            let problem = cannot_listen(listen, place.clone(), &why);
            PlayError::Listen(Problems::new(self.settings.source.clone(), vec![problem]))
        };
        if self.options.socket.is_some() {
            readers(&self.settings)?;
        }
        if self.http.is_empty() {
            for server in &self.settings.http {
                let listen = server.settings.listen;
                self.http.push(HttpListener::bind(listen).map_err(|why| refused(listen, &server.place, why))?);
            }
        }
        if let (Some(metrics), None) = (&self.settings.metrics, &self.metrics) {
            let server = MetricsServer::start(metrics.listen, metrics.hosts.clone())
                .map_err(|why| refused(metrics.listen, &metrics.place, why))?;
            MetricsListening { subject: AboutHost, listen: server.address().to_string() }.log();
            self.metrics = Some(server);
        }
        Ok(self)
    }

    /// Checks that the ports of `[[http]]` can be bound, and that its certificates can be used. A port that is in use passes: it
    /// may be this play that runs. So does a key that is a secret, which need not be there.
    pub fn check_servers(&self) -> Result<(), PlayError> {
        let ports = self.settings.http.iter().filter_map(|server| {
            let listen = server.settings.listen;
            let why = HttpListener::bind(listen).err().filter(|why| why.kind() != ErrorKind::AddrInUse)?;
            Some(cannot_listen(listen, server.place.clone(), &why))
        });
        let certificates = self.settings.http.iter().filter_map(|server| {
            let tls = server.tls.as_ref()?;
            let HttpKey::File(key) = &tls.key else { return None };
            let settings = TlsSettings { cert: tls.cert.clone(), key: TlsKey::File(key.clone()) };
            Tls::load(settings).err().map(|error| bad_tls(tls, &error))
        });
        let problems: Vec<_> = ports.chain(certificates).collect();
        if problems.is_empty() {
            return Ok(());
        }
        Err(PlayError::Listen(Problems::new(self.settings.source.clone(), problems)))
    }

    /// Loads the plugins and checks them against the manifest. Blocks, for seconds for each plugin that the cache of compiled
    /// code does not have. The secrets need not be there.
    pub fn load(self, progress: &mut dyn LoadProgress) -> Result<LoadedPlay, PluginsError> {
        let Self { metrics, http, settings, natives, compile_place, options, variables, secrets } = self;
        let shares = descriptors::shares(&settings).map_err(PluginsError::System)?;
        shares.say();
        let plugins = plugins::load(&settings, shares, compile_place, progress)?;
        Ok(LoadedPlay { metrics, http, settings, natives, options, shares, plugins, variables, secrets })
    }

    /// Loads the plugins and starts the play on the current Tokio runtime, which must have its timers and IO enabled. Actors
    /// have threads of their own. Actors start in the background: see [`RunningPlay::wait_booted`].
    pub async fn start(self) -> Result<RunningPlay, PlayError> {
        let play = self.read_secrets()?.listen()?;
        let loading = tokio::task::spawn_blocking(|| play.load(&mut LogProgress));
        // The task is not aborted, so that an error is a panic of it.
        let loaded = loading.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        loaded.start().await
    }
}

/// A play whose plugins are loaded.
pub struct LoadedPlay {
    metrics: Option<MetricsServer>,
    http: Vec<HttpListener>,
    settings: PlaySettings,
    natives: Vec<(Result<Address, AddressError>, Native)>,
    options: Options,
    shares: Shares,
    plugins: Plugins,
    variables: Option<Variables>,
    secrets: Option<Secrets>,
}

impl LoadedPlay {
    /// The settings of the manifest.
    pub fn settings(&self) -> &PlaySettings {
        &self.settings
    }

    /// The loaded plugins.
    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// Maximum number of files, folders and connections that all actors together may have open.
    pub fn descriptors_of_actors(&self) -> u64 {
        self.shares.of_actors
    }

    /// The number of instances that spawned actors may have at a time, and the number of all instances; `None` without plugins.
    pub fn instances_for_spawned(&self) -> Option<(usize, usize)> {
        plan::instances_for_spawned(&self.settings, &self.plugins)
    }

    /// A runtime on the current thread for the caller's side of the play, sized by the limits of the system: for a program that
    /// has no runtime of its own.
    pub fn host_runtime(&self) -> std::io::Result<Runtime> {
        runtimes::of_host(&self.settings)
    }

    /// Starts the play: see [`Play::start`]. Call this within a Tokio runtime.
    pub async fn start(self) -> Result<RunningPlay, PlayError> {
        let Self { metrics, http, mut settings, natives, options, shares, plugins, variables, secrets } = self;
        let secrets = match secrets {
            Some(secrets) => secrets,
            None => read_secrets(&mut settings, variables.as_ref())?,
        };
        let levels = options.log.as_ref().map(|log| log.levels().clone()).unwrap_or_default();
        set_levels(&levels, &settings);
        for actor in &settings.actors {
            for name in &actor.settings.absent_env {
                let subject = AboutActor { address: &actor.address, plugin: actor.settings.plugin.as_str() };
                VariableAbsent { subject, variable: name, shown: &Printable(name) }.log();
            }
        }
        let natives = placed(&settings, natives)?;
        let actors = runtimes::of_actors(&settings, options.threads)?;
        let seed = std::hash::RandomState::new().build_hasher().finish();
        let output = LeveledOutput::new(options.output, levels.clone());
        let mut plan = plan::plan(&settings, &plugins, &output, seed);
        plan.clock = plugins.clock(actors.handle());
        plan.runtime = Some(actors.handle().clone());
        let (gateways, placed) = Gateways::place(&settings, &secrets, http).map_err(|fault| match fault {
            HttpFault::Name(error) => PlayError::NativeAddress(error),
            HttpFault::Tls(problem) => PlayError::Listen(Problems::new(settings.source.clone(), vec![*problem])),
        })?;
        plan.actors.splice(..0, natives.first);
        plan.actors.splice(..0, placed.sinks);
        plan.actors.extend(natives.last);
        plan.actors.extend(placed.gates);
        plan.plugins.extend(placed.templates);
        plan.reserves.extend(placed.reserves);
        plan.letter_feed = placed.letter_feed;
        if !options.has_trial_starts {
            plan.actors.iter_mut().for_each(|actor| actor.restart.cooldown = None);
        }
        let sandbox = plugins.sandbox();
        let socket = ControlSocket {
            path: options.socket.as_deref(),
            readers: if options.socket.is_some() { readers(&settings)? } else { None },
            connections: shares.connections,
            log: options.log.clone(),
        };
        let play = RunningPlay::start(&plan, &settings, actors, sandbox, socket, gateways).await?;
        let play = play.with_metrics(metrics, &settings, sandbox, options.lines_left_out, options.log);
        Ok(play.with_levels(levels))
    }
}

/// Reads the values of the secrets, and gives them to the actors.
fn read_secrets(settings: &mut PlaySettings, variables: Option<&Variables>) -> Result<Secrets, ManifestError> {
    let secrets = Secrets::read(settings, variables).map_err(ManifestError::Wrong)?;
    secrets.check_tokens(settings).map_err(ManifestError::Wrong)?;
    secrets.check_urls(settings).map_err(ManifestError::Wrong)?;
    secrets.give_to(settings).map_err(ManifestError::Wrong)?;
    Ok(secrets)
}

/// Sets the levels of the manifest.
fn set_levels(levels: &LogLevels, settings: &PlaySettings) {
    let level = |settings: &Settings| settings.log_level.map(Level::from);
    let actors = settings.actors.iter().map(|actor| (actor.address.clone(), level(&actor.settings)));
    let spawnable = settings.spawnable.iter();
    let spawnable = spawnable.filter_map(|one| Some((one.settings.plugin.clone(), level(&one.settings)?)));
    levels.set(actors, spawnable);
}

/// The group of `readers` in `[play.control]`, as the system knows it.
fn readers(settings: &PlaySettings) -> Result<Option<ReadersGroup>, PlayError> {
    let Some(readers) = &settings.readers else { return Ok(None) };
    let name = readers.get_ref();
    let Some(number) = users::group_number(name) else {
        let problem =
            Problem::at(readers.span(), format!("this system has no group `{name}` in /etc/group"), "`readers`");
        let problem = problem.help(
            "make the group (`groupadd`), name another one, or give the number of a group of a directory service",
        );
        return Err(PlayError::Listen(Problems::new(settings.source.clone(), vec![problem])));
    };
    Ok(Some(ReadersGroup { name: name.clone(), number }))
}

/// The problem that a server has no port.
fn cannot_listen(listen: SocketAddr, place: Range<usize>, why: &std::io::Error) -> Problem {
    let problem = Problem::at(place, format!("cannot listen at {listen}: {why}"), "here");
    match why.kind() {
        ErrorKind::AddrInUse => problem.help("choose another port, or end the program that listens there"),
        ErrorKind::AddrNotAvailable => {
            problem.help("this machine has no such address: `ip address` lists those it has")
        }
        ErrorKind::PermissionDenied => {
            problem.help("choose a port from 1024 on: those below need CAP_NET_BIND_SERVICE")
        }
        _ => problem,
    }
}

/// The native actors of a plan, in start order.
struct Placed {
    first: Vec<ActorSpec>,
    last: Vec<ActorSpec>,
}

/// Places the native actors: before or after those of the manifest, each after its parent.
fn placed(settings: &PlaySettings, natives: Vec<(Result<Address, AddressError>, Native)>) -> Result<Placed, PlayError> {
    let of_manifest: HashSet<&Address> = settings.actors.iter().map(|actor| &actor.address).collect();
    let mut placed = Placed { first: Vec::new(), last: Vec::new() };
    let mut missing: HashSet<&Address> = settings.natives.iter().collect();
    for (address, native) in natives {
        let address = address.map_err(PlayError::NativeAddress)?;
        if address.top().as_str() == GATES {
            return Err(PlayError::NativeReserved(address));
        }
        missing.remove(&address);
        let is_last = native.order() == NativeOrder::Last
            || address.parent().is_some_and(|parent| {
                of_manifest.contains(&parent) || placed.last.iter().any(|other| other.address == parent)
            });
        let spec = native.spec(address);
        if is_last { placed.last.push(spec) } else { placed.first.push(spec) }
    }
    match settings.natives.iter().find(|address| missing.contains(address)) {
        Some(address) => Err(PlayError::NativeMissing(address.clone())),
        None => Ok(placed),
    }
}
