//! `playhouse run`: a play from its first actor to its last.
//!
//! | file | content |
//! |---|---|
//! | `feed` | input: `--tell`, `--stdin` |
//! | `output` | guests' stdout and stderr |
//! | `signals` | the signals that end a run |
//! | `drain` | the progress of the orderly shutdown |
//! | `last_output` | the wait for stdout's reader after the actors ended |
//! | `stall` | the report of what blocks a run with `--until-idle` |
//! | `left` | messages that a run left unhandled |
//! | `summary` | the report at the end: dead letters, restarts, the reason why the kernel gave up |

mod drain;
pub(crate) mod feed;
mod last_output;
mod left;
mod output;
mod signals;
mod stall;
mod summary;

use std::hash::{BuildHasher, Hasher};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{Address, Kernel, Plan, Stage};
use playhouse_sandbox::Output;
use tokio::runtime::Handle;

use crate::console::{Console, start_log};
use crate::exit::{BAD_INPUT, Exit, FAILED, GAVE_UP, KILLED};
use crate::progress::ConsoleProgress;
use crate::{args, compiler};
use feed::{Input, Unsent};
use last_output::LastOutput;
use left::Left;
use output::{GuestOutput, Stdout};
use playhouse_runtime::control::server::Host;
use playhouse_runtime::control::socket;
use playhouse_runtime::descriptors::{self, Shares};
use playhouse_runtime::manifest::{self, PlaySettings, nearest};
use playhouse_runtime::memory::Watch;
use playhouse_runtime::plan;
use playhouse_runtime::plugins::{self, Plugins};
use playhouse_runtime::printable::{Printable, counted};
use playhouse_runtime::runtimes::Runtimes;
use signals::Signals;

/// Runs a play to its end.
pub(crate) fn run(args: &args::Run, console: &Console) -> Result<(), Exit> {
    start_log(console, args.log.as_deref()).map_err(|text| Exit::with(BAD_INPUT, text))?;
    let play = manifest::read(&args.manifest)?;
    let shares = descriptors::shares(&play).map_err(|text| Exit::with(FAILED, text))?;
    shares.say();
    for to in args.tells.iter().map(|(to, _)| to).chain(&args.stdin) {
        check_target(&play, to)?;
    }
    console.log_budgets().set(play.actors.iter().map(|actor| {
        let limits = &actor.settings.limits;
        (actor.address.to_string(), limits.log_lines, limits.log_bytes)
    }));
    let plugins = plugins::load(&play, compiler::place(), &mut ConsoleProgress::new(console))?;
    for actor in &play.actors {
        for name in &actor.settings.absent_env {
            tracing::warn!(
                target: "playhouse", address = %actor.address,
                "it is granted the variable {}, which this host does not have", Printable(name)
            );
        }
    }
    let runtimes = Runtimes::new(&play, args.threads)?;
    // Before there is a socket that a signal could leave behind.
    let signals = runtimes.control.block_on(async { Signals::new() })?;
    let default_socket = || socket::default_path(manifest::folder_of(&args.manifest));
    let path = (!args.no_socket).then(|| args.socket.clone().unwrap_or_else(default_socket));
    let (socket, listener) = path.as_deref().map(socket::listen).transpose()?.unzip();
    let actors = runtimes.actors.handle();
    let performance = Performance { play: &play, args, console, shares, actors, unsent: Unsent::default() };
    let end = runtimes.control.block_on(performance.run(&plugins, listener, signals));
    drop(socket);
    runtimes.shutdown_background();
    end
}

/// Input is for actors of the manifest.
fn check_target(play: &PlaySettings, to: &Address) -> Result<(), Exit> {
    if play.actors.iter().any(|actor| actor.address == *to) {
        return Ok(());
    }
    let hint = nearest(to.as_str(), play.actors.iter().map(|actor| actor.address.as_str()))
        .map_or_else(|| "`playhouse check` lists all addresses".into(), |near| format!("did you mean `{near}`?"));
    Err(Exit::with(BAD_INPUT, format!("no actor has the address `{to}`: {hint}")))
}

/// Time for the remaining output after a second Ctrl-C.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// One run.
struct Performance<'a> {
    play: &'a PlaySettings,
    args: &'a args::Run,
    console: &'a Console,
    shares: Shares,
    /// The runtime of the actors.
    actors: &'a Handle,
    /// Input that was not sent.
    unsent: Unsent,
}

/// The reason for the end of a run.
enum Curtain {
    /// All input is in, and all work is done.
    Done,
    /// Input could not continue (with the error), or some of it was refused (which is counted).
    BadInput(Option<String>),
    /// A signal came.
    Signal,
    /// All actors have stopped.
    Over,
    /// Stdout takes no more output.
    NobodyReads,
}

impl Performance<'_> {
    async fn run(&self, plugins: &Plugins, listener: Option<UnixListener>, mut signals: Signals) -> Result<(), Exit> {
        let stdout = Stdout::new();
        let output: Arc<dyn Output> =
            Arc::new(GuestOutput { stdout: stdout.clone(), log_budgets: self.console.log_budgets().clone() });
        let seed = std::hash::RandomState::new().build_hasher().finish();
        let mut plan = Plan {
            clock: plugins.clock(self.actors),
            runtime: Some(self.actors.clone()),
            ..plan::plan(self.play, plugins, &output, seed)
        };
        if self.args.until_idle {
            // The run ends with what can be done: it waits for no trial start of an actor that failed.
            plan.actors.iter_mut().for_each(|actor| actor.restart.cooldown = None);
        }
        let kernel = Kernel::start(&plan).map_err(|error| Exit::with(BAD_INPUT, error.to_string()))?;
        // The first measurement comes before any input.
        let watch = Watch::begin(self.play.memory_high, &kernel);
        let watching = tokio::spawn(watch.run(kernel.clone()));
        let server = match listener {
            Some(listener) => {
                let listener = tokio::net::UnixListener::from_std(listener)?;
                let host = Host::new(kernel.clone(), self.play, plugins.sandbox());
                Some(tokio::spawn(host.with_connections(self.shares.connections).serve(listener)))
            }
            None => None,
        };
        let stalls = async {
            if self.args.until_idle {
                return stall::watch(&kernel, &stdout, self.console).await;
            }
            std::future::pending().await
        };
        let curtain = tokio::select! {
            curtain = self.perform(&kernel) => curtain,
            never = stalls => match never {},
            _ = kernel.wait_stopped() => Curtain::Over,
            () = signals.next() => Curtain::Signal,
            () = stdout.closed() => Curtain::NobodyReads,
        };
        let end = self.close(curtain, &kernel, &stdout, &mut signals).await;
        if let Some(server) = server {
            server.abort();
        }
        watching.abort();
        end
    }

    /// Waits for the start and feeds the input; returns when no work is left.
    async fn perform(&self, kernel: &Kernel) -> Curtain {
        if let Stage::Stopped | Stage::GaveUp(_) = kernel.wait_booted().await {
            return Curtain::Over;
        }
        let actors = counted(self.play.actors.len() as u64, "actor");
        tracing::info!(target: "playhouse", "{} is up: {actors}", self.play.name);
        let mut input = Input::new(kernel, self.console, &self.unsent);
        input.gives_up(self.args.until_idle);
        let fed = async {
            for (to, body) in &self.args.tells {
                input.tell(to, body.as_bytes()).await?;
            }
            if let Some(to) = &self.args.stdin {
                input.stdin(to).await?;
            }
            Ok(())
        };
        if let Err(text) = fed.await {
            return Curtain::BadInput(Some(text));
        }
        if self.unsent.is_refused() {
            return Curtain::BadInput(None);
        }
        if !self.args.until_idle {
            return std::future::pending().await;
        }
        kernel.wait_idle().await;
        Curtain::Done
    }

    /// Stops all actors, and prints the report at the end.
    async fn close(
        &self,
        curtain: Curtain,
        kernel: &Kernel,
        stdout: &Arc<Stdout>,
        signals: &mut Signals,
    ) -> Result<(), Exit> {
        match &curtain {
            Curtain::NobodyReads => {
                let why = stdout.error().unwrap_or_else(|| "its reader is gone".to_owned());
                self.console.say(&format!("playhouse: stdout takes no more output ({why}): stopping in order"));
            }
            Curtain::BadInput(Some(text)) => self.console.say(&format!("playhouse: {text}")),
            Curtain::BadInput(None) | Curtain::Done | Curtain::Signal | Curtain::Over => {}
        }
        self.unsent.say(self.console);
        let before = Left::of(kernel);
        let asked = matches!(curtain, Curtain::Signal);
        let failed = summary::failed(&kernel.actors().await);
        tokio::select! {
            () = drain::drain(kernel, self.console, asked) => {}
            () = signals.second(self.console) => return Err(self.cut_off(kernel, stdout, signals).await),
        };
        // A pipe may be slow: the output of `--until-idle` is kept until it is written, unless an operator ends the run.
        let (bounded, bound) = (!self.args.until_idle, self.play.supervision.shutdown);
        let last = last_output::finish(stdout, self.console, signals, bounded, bound).await;
        if last == LastOutput::CutOff {
            return Err(Exit::with(
                KILLED,
                format!("ended at once; {} of output not written", counted(stdout.waiting_bytes(), "byte")),
            ));
        }
        self.console.log_budgets().say_all();
        if let Some(text) = summary::summary(kernel) {
            self.console.say(text.trim_end());
        }
        for line in &failed {
            self.console.say(line);
        }
        let left = match curtain {
            // A play that a signal ends is judged by what its end left behind, not by all that it went through.
            Curtain::Signal => Left::of(kernel).since(before),
            _ => Left::of(kernel),
        };
        match (kernel.stage(), curtain) {
            (_, Curtain::NobodyReads) => Err(not_written(stdout, left)),
            (Stage::GaveUp(failures), _) => {
                let lost = (last == LastOutput::Lost).then(|| format!("\n{}", text_of_lost(stdout)));
                Err(Exit::with(GAVE_UP, summary::gave_up(&failures) + &lost.unwrap_or_default()))
            }
            (_, Curtain::BadInput(_)) if last == LastOutput::Written => Err(Exit::quiet(FAILED)),
            _ if last == LastOutput::Lost => Err(not_written(stdout, left)),
            _ if left.messages > 0 => Err(Exit::with(FAILED, left.to_string())),
            // Said already.
            (_, Curtain::Done) if !failed.is_empty() => Err(Exit::quiet(FAILED)),
            // Said already.
            _ if self.unsent.fails() || kernel.failed_shutdowns() > 0 => Err(Exit::quiet(FAILED)),
            _ => Ok(()),
        }
    }

    /// Ends all at once after the second signal. The lost work is reported, unless a third signal comes.
    async fn cut_off(&self, kernel: &Kernel, stdout: &Arc<Stdout>, signals: &mut Signals) -> Exit {
        kernel.kill();
        let writing = stdout.clone();
        let last_words = async {
            kernel.wait_stopped().await;
            let _ = tokio::task::spawn_blocking(move || writing.finish()).await;
        };
        tokio::select! {
            _ = tokio::time::timeout(LAST_WORDS, last_words) => {}
            () = signals.next() => {}
        }
        self.console.log_budgets().say_all();
        if let Some(text) = summary::summary(kernel) {
            self.console.say(text.trim_end());
        }
        Exit::with(KILLED, "ended at once; waiting messages were not handled")
    }
}

/// The error for output that stdout did not take.
fn not_written(stdout: &Stdout, left: Left) -> Exit {
    Exit::with(FAILED, format!("{}; {left}", text_of_lost(stdout)))
}

fn text_of_lost(stdout: &Stdout) -> String {
    let why = stdout.error().unwrap_or_else(|| "its reader is gone".to_owned());
    let lost = counted(stdout.lost_bytes(), "byte");
    format!("stdout cannot be written: {why}; {lost} of output lost")
}
