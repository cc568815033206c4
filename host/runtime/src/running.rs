//! A play that runs.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use playhouse_kernel::{
    AboutHost, ActorView, Address, AddressError, DeadLetter, DeadLetterCounts, FailedActor, Kernel, LogEvent,
    MessageId, Metadata, OpenError, Plan, Reply, Stage, StartError, StartedActor, State, StoreError, Told,
};
use playhouse_observe::log::{Log, LogLevels};
use playhouse_observe::{HostError, HostFacts, LeftOutLines, MetricsServer, PluginFacts, Process, Readiness};
use playhouse_sandbox::{Compilations, Sandbox};
use playhouse_store::{Migrated, SqliteStore, StoreSettings};
use tokio::runtime::{Handle, Runtime};
use tokio::task::AbortHandle;

use crate::control::server::Server;
use crate::control::server::levels::end_levels;
use crate::control::server::subscriptions::Subscriptions;
use crate::control::socket::{self, Socket};
use crate::control::views::Tree;
use crate::control::whole_tree::WholeTree;
use crate::errors::{PlayError, RequestError};
use crate::events::{PlayDraining, ReadersShutOut, StoreMigrated};
use crate::gateway_feed;
use crate::gateways::Gateways;
use crate::http_feed::HttpFeed;
use crate::manifest::PlaySettings;
use crate::manifest::units::Time;
use crate::memory::Watch;
use crate::users::ReadersGroup;

/// Opens the store, and starts a plan on it.
async fn open(plan: &Plan, settings: &StoreSettings) -> Result<Kernel, PlayError> {
    let store = Arc::new(SqliteStore::new(settings.clone()));
    let opened = Kernel::open(plan, store.clone()).await;
    if let Some(Migrated { from, to, copy }) = store.migrated() {
        StoreMigrated { subject: AboutHost, from: (*from).into(), to: (*to).into(), copy: copy.display().to_string() }
            .log();
    }
    opened.map_err(|error| match error {
        OpenError::Plan(error) => error.into(),
        OpenError::Store(why) => PlayError::Store { why, path: settings.path.clone() },
    })
}

/// Time after which the threads of a play that was dropped end, whatever its actors do.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// Time that a message to a spawned actor waits for space.
const PATIENCE: Duration = Duration::from_secs(10);

/// The receiver of a message: an address, or its text.
pub trait Receiver {
    /// The address.
    fn address(&self) -> Result<Cow<'_, Address>, AddressError>;
}

impl Receiver for Address {
    fn address(&self) -> Result<Cow<'_, Address>, AddressError> {
        Ok(Cow::Borrowed(self))
    }
}

impl Receiver for str {
    fn address(&self) -> Result<Cow<'_, Address>, AddressError> {
        Address::parse(self).map(Cow::Owned)
    }
}

/// A running play. It runs until [`RunningPlay::stop`], until a required actor fails, or until this value is dropped. Dropping
/// ends it at once: calls are cut off, and waiting messages are lost.
///
/// It is the whole of a play for a program, so that its methods are many; each is one call of the kernel.
pub struct RunningPlay {
    kernel: Kernel,
    tree: WholeTree,
    /// Time that a tell waits for space, by address.
    patience: Arc<HashMap<Address, Duration>>,
    tasks: Vec<AbortHandle>,
    /// The readers of the log; `None` without a control socket.
    log_readers: Option<Arc<Subscriptions>>,
    /// The caller's runtime.
    host: Handle,
    actors: Option<ActorThreads>,
    levels: LogLevels,
    gateways: Gateways,
    /// The time in which a play that stops still takes requests.
    drain_delay: Duration,
    /// Dropped after the play: it answers until then.
    metrics: Option<MetricsServer>,
    /// Dropped last: until then, no other host takes the socket.
    _socket: Option<Socket>,
}

/// The control socket of a play.
pub(crate) struct ControlSocket<'a> {
    /// `None` for a play without one.
    pub(crate) path: Option<&'a Path>,
    /// Maximum number of connections at a time.
    pub(crate) connections: usize,
    /// The group whose members may look.
    pub(crate) readers: Option<ReadersGroup>,
    /// The log that operators read.
    pub(crate) log: Option<Log>,
}

/// Warns when a folder above the socket does not let the readers through.
fn warn_shut_out(path: &Path, readers: &ReadersGroup) {
    if let Some((folder, mode)) = socket::shut_folder(path, readers.number) {
        let folder = folder.display().to_string();
        ReadersShutOut { subject: AboutHost, group: &readers.name, folder: &folder, mode: &format!("{mode:04o}") }
            .log();
    }
}

/// The runtime of the actors. Its end waits for no call that blocks.
struct ActorThreads(Option<Runtime>);

impl Drop for ActorThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl RunningPlay {
    /// Starts a plan on the current runtime, with its actors on `actors`.
    pub(crate) async fn start(
        plan: &Plan,
        settings: &PlaySettings,
        actors: Runtime,
        sandbox: Option<&Sandbox>,
        socket: ControlSocket<'_>,
        gateways: Gateways,
    ) -> Result<Self, PlayError> {
        let ControlSocket { path, connections, readers, log } = socket;
        let actors = ActorThreads(Some(actors));
        let group = readers.as_ref().map(|readers| readers.number);
        let (socket, listener) = path.map(|path| socket::listen_for(path, group)).transpose()?.unzip();
        if let (Some(path), Some(readers)) = (path, &readers) {
            warn_shut_out(path, readers);
        }
        let listener = listener.map(tokio::net::UnixListener::from_std).transpose()?;
        let kernel = match &settings.store {
            None => Kernel::start(plan)?,
            Some(store) => open(plan, store).await?,
        };
        let tree = WholeTree::new(kernel.clone(), settings.name.clone(), sandbox.cloned(), gateways.statuses.clone());
        let tree = tree.with_store(settings.store.as_ref().map(|store| store.path.display().to_string()));
        let patience = plan.actors.iter().map(|actor| (actor.address.clone(), actor.mailbox.block_timeout));
        let patience: Arc<HashMap<_, _>> = Arc::new(patience.collect());
        // The first measurement comes before any input.
        let watch = Watch::begin(settings.memory_high, &kernel);
        let mut tasks = vec![tokio::spawn(watch.run(kernel.clone())).abort_handle()];
        let mut log_readers = None;
        if let Some(listener) = listener {
            let spawnable = settings.settings().map(|settings| settings.limits.message_bytes);
            let values = plan.actors.iter().filter_map(|actor| actor.state.as_ref()).map(|state| state.value_bytes);
            let largest =
                plan.actors.iter().map(|actor| actor.limits.message_bytes).chain(spawnable).chain(values).max();
            let server = Server::new(tree.clone(), patience.clone(), largest.unwrap_or_default());
            let server = server.with_store(settings.store.as_ref().map(|store| &*store.path));
            let server = server.with_connections(connections).with_readers(readers).with_log(log);
            log_readers = Some(server.subscriptions().clone());
            tasks.push(tokio::spawn(server.serve(listener)).abort_handle());
        }
        let host = Handle::current();
        Ok(Self {
            kernel,
            tree,
            patience,
            tasks,
            log_readers,
            host,
            actors: Some(actors),
            levels: LogLevels::default(),
            gateways,
            drain_delay: settings.drain_delay,
            metrics: None,
            _socket: socket,
        })
    }

    /// Shows the play at this server, whose thread then samples the actors as well. Without a server, a task does.
    pub(crate) fn with_metrics(
        mut self,
        server: Option<MetricsServer>,
        settings: &PlaySettings,
        sandbox: Option<&Sandbox>,
        lines_left_out: Arc<LeftOutLines>,
        log: Option<Log>,
    ) -> Self {
        let sampler = self.tree.sampler().clone();
        if let Some(server) = &server {
            let facts = host_facts(self.kernel.clone(), settings.name.clone(), sandbox.cloned(), lines_left_out, log);
            let (http, traffic) = (self.gateways.http.clone(), self.gateways.traffic.clone());
            let facts = move || HostFacts {
                http: http.iter().map(HttpFeed::facts).collect(),
                gateways: gateway_feed::facts(&traffic),
                ..facts()
            };
            server.source().play_started(self.kernel.clone(), sampler, facts);
        } else {
            self.tasks.push(tokio::spawn(sampler.run(self.kernel.clone())).abort_handle());
        }
        self.metrics = server;
        self
    }

    /// The levels of the log by actor.
    pub(crate) fn with_levels(mut self, levels: LogLevels) -> Self {
        self.tasks.push(tokio::spawn(end_levels(levels.clone())).abort_handle());
        self.levels = levels;
        self
    }

    /// The address of the HTTP server of `[play.metrics]`; `None` without one.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(MetricsServer::address)
    }

    /// Sends a message from outside. While the mailbox is full, waits as long as the receiver's `mailbox.timeout` says.
    pub async fn tell(&self, to: &(impl Receiver + ?Sized), body: impl AsRef<[u8]>) -> Result<MessageId, RequestError> {
        let to = to.address()?;
        let patience = self.patience.get(&*to).copied().or_else(|| self.kernel.block_timeout(&to));
        let patience = patience.unwrap_or(PATIENCE);
        Ok(self.kernel.tell(&to, body.as_ref(), patience).await?)
    }

    /// Like [`RunningPlay::tell`], with a limit on the wait for space.
    pub async fn tell_within(
        &self,
        to: &(impl Receiver + ?Sized),
        body: impl AsRef<[u8]>,
        patience: Duration,
    ) -> Result<MessageId, RequestError> {
        Ok(self.kernel.tell(&*to.address()?, body.as_ref(), patience).await?)
    }

    /// As [`RunningPlay::tell_within`], and returns before the message is durable: see [`Told::durable`]. A sender of many messages
    /// to a durable mailbox waits for the disk once for many of them.
    pub async fn tell_later(
        &self,
        to: &(impl Receiver + ?Sized),
        body: impl AsRef<[u8]>,
        patience: Duration,
    ) -> Result<Told, RequestError> {
        Ok(self.kernel.tell_later(&*to.address()?, body.as_ref(), patience).await?)
    }

    /// As [`RunningPlay::tell_within`], with metadata.
    pub async fn tell_with(
        &self,
        to: &(impl Receiver + ?Sized),
        metadata: &Metadata,
        body: impl AsRef<[u8]>,
        patience: Duration,
    ) -> Result<MessageId, RequestError> {
        Ok(self.kernel.tell_with(&*to.address()?, metadata, body.as_ref(), patience).await?)
    }

    /// As [`RunningPlay::ask`], with metadata of the question and of the reply.
    pub async fn ask_with(
        &self,
        to: &(impl Receiver + ?Sized),
        metadata: &Metadata,
        body: impl AsRef<[u8]>,
        timeout: Duration,
    ) -> Result<Reply, RequestError> {
        Ok(self.kernel.ask_with(&*to.address()?, metadata, body.as_ref(), timeout).await?)
    }

    /// Sends a message from outside, and waits for the reply.
    pub async fn ask(
        &self,
        to: &(impl Receiver + ?Sized),
        body: impl AsRef<[u8]>,
        timeout: Duration,
    ) -> Result<Vec<u8>, RequestError> {
        Ok(self.kernel.ask(&*to.address()?, body.as_ref(), timeout).await?)
    }

    /// The size of the largest message that an actor takes; `None` without such an actor.
    pub fn message_limit(&self, address: &Address) -> Option<usize> {
        self.kernel.message_limit(address)
    }

    /// The error of the store that ended the play.
    pub fn store_failure(&self) -> Option<StoreError> {
        self.kernel.store_failure()
    }

    /// The folder of the play's store, if it has one.
    pub fn store_path(&self) -> Option<&str> {
        self.tree.store()
    }

    /// The stage of the play.
    pub fn stage(&self) -> Stage {
        self.kernel.stage()
    }

    /// Waits until all actors that start by themselves have started, or the play is over.
    pub async fn wait_booted(&self) -> Stage {
        self.kernel.wait_booted().await
    }

    /// Waits until no message waits and no actor works.
    pub async fn wait_idle(&self) {
        self.kernel.wait_idle().await;
    }

    /// Waits until the play is over: stopped, or ended by a required actor that failed.
    pub async fn wait(&self) -> Stage {
        self.kernel.wait_stopped().await
    }

    /// Waits until an actor is failed and no trial start of it will come.
    pub async fn wait_failed_for_good(&self, address: &Address) -> Arc<FailedActor> {
        self.kernel.wait_failed_for_good(address).await
    }

    /// Waits while memory is short and messages from outside are refused.
    pub async fn wait_memory_relieved(&self) {
        self.kernel.wait_memory_relieved().await;
    }

    /// Stops all actors in order: each handles its waiting messages first. Waits for the end.
    pub async fn stop(&self) -> Stage {
        self.begin_stop();
        self.wait().await
    }

    /// Begins the orderly stop, without waiting. With a `delay` in `[play.drain]`, a play that runs takes requests that long.
    pub fn begin_stop(&self) {
        let was_draining = self.gateways.draining.send_replace(true);
        if self.drain_delay.is_zero() || !matches!(self.kernel.stage(), Stage::Running) {
            self.kernel.shut_down();
        } else if !was_draining {
            self.kernel.announce_stop();
            let (kernel, delay) = (self.kernel.clone(), self.drain_delay);
            PlayDraining { subject: AboutHost, seconds: delay.as_secs_f64(), shown: &Time(delay).to_string() }.log();
            drop(self.host.spawn(async move {
                let _ = tokio::time::timeout(delay, kernel.wait_stopped()).await;
                kernel.shut_down();
            }));
        }
    }

    /// Ends all actors at once. Calls are cut off, and waiting messages become dead letters.
    pub fn kill(&self) {
        self.kernel.kill();
    }

    /// Ends the readers of the log (`playhouse logs -f`), and waits until each has the lines so far, at most this long. Dropping the
    /// play ends them without the wait.
    pub async fn end_log_readers(&self, patience: Duration) {
        if let Some(readers) = &self.log_readers {
            readers.end();
            let _ = tokio::time::timeout(patience, readers.wait_closed()).await;
        }
    }

    /// Starts an actor as an operator does, and waits for the outcome.
    pub async fn start_actor(&self, address: &Address) -> Result<StartedActor, StartError> {
        self.kernel.start_actor(address).await
    }

    /// Stops an actor as an operator does, until [`RunningPlay::start_actor`]. Returns its state before; `None` without such an
    /// actor.
    pub async fn stop_actor(&self, address: &Address) -> Option<State> {
        self.kernel.halt(address).await
    }

    /// The play as `playhouse tree --json` shows it: plain data.
    pub async fn tree(&self) -> Tree {
        self.tree.read().await
    }

    /// The actors in start order, in the kernel's types.
    pub async fn actors(&self) -> Vec<ActorView> {
        self.kernel.actors().await
    }

    /// The dead letters in the store, oldest first.
    pub fn dead_letters(&self) -> Vec<Arc<DeadLetter>> {
        self.kernel.dead_letters()
    }

    /// The counts of all dead letters, by reason.
    pub fn dead_letter_counts(&self) -> DeadLetterCounts {
        self.kernel.dead_letter_counts()
    }

    /// Number of messages that all actors have handled.
    pub fn handled(&self) -> u64 {
        self.kernel.handled()
    }

    /// Number of restarts after failures.
    pub fn restarts(&self) -> u64 {
        self.kernel.restarts()
    }

    /// Number of actors whose orderly stop failed.
    pub fn failed_shutdowns(&self) -> u64 {
        self.kernel.failed_shutdowns()
    }
}

/// Reads the part of a scrape that the kernel does not know.
fn host_facts(
    kernel: Kernel,
    play: String,
    sandbox: Option<Sandbox>,
    lines: Arc<LeftOutLines>,
    log: Option<Log>,
) -> impl Fn() -> HostFacts + Send + Sync {
    let started = SystemTime::now();
    move || HostFacts {
        play: play.clone(),
        version: env!("CARGO_PKG_VERSION"),
        started,
        ready: Readiness::of(Some(&kernel)).is_ready(),
        memory_short: kernel.memory_pressure().is_some(),
        instances: sandbox.as_ref().map(|s| (s.instances().into(), s.max_instances().into())),
        guest_memory: sandbox.as_ref().map(Sandbox::memory),
        open_resources: sandbox.as_ref().map(Sandbox::descriptors),
        log: log.as_ref().and_then(Log::counts),
        plugins: sandbox.as_ref().map(|sandbox| plugin_facts(sandbox.compilations())),
        lines_left_out: lines.by_actor(),
        lines_dropped: lines.dropped(),
        errors: HostError::counts(),
        http: Vec::new(),
        gateways: Vec::new(),
        process: Process::read(),
    }
}

fn plugin_facts(loaded: Compilations) -> PluginFacts {
    let Compilations { fresh, from_cache, rebuilt, took, code_bytes } = loaded;
    PluginFacts { compiled_fresh: fresh, from_cache, rebuilt, compile_time: took, code_bytes }
}

impl Drop for RunningPlay {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        if let Some(readers) = &self.log_readers {
            readers.end();
        }
        self.levels.set([], []);
        if matches!(self.kernel.stage(), Stage::Stopped | Stage::GaveUp(_)) {
            return;
        }
        self.kernel.kill();
        let (kernel, actors) = (self.kernel.clone(), self.actors.take());
        // The supervision ends once it has seen the end of all actors, for which their threads must still be there.
        drop(self.host.spawn(async move {
            let _ = tokio::time::timeout(LAST_CALLS, kernel.wait_stopped()).await;
            drop(actors);
        }));
    }
}
