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

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use playhouse_runtime::control::socket;
use playhouse_runtime::manifest::{self, PlaySettings, nearest};
use playhouse_runtime::printable::counted;
use playhouse_runtime::{
    AboutHost, Address, LoadedPlay, Log, LogEvent, LogFormat, Output, Play, RunningPlay, Stage, StoreError,
};

use crate::console::Console;
use crate::events::{ActorsFailed, InputFailed, PlayUp, StdoutClosed};
use crate::exit::{BAD_INPUT, Exit, FAILED, GAVE_UP, KILLED, STORE_FAILED, after_damage};
use crate::log::start_log;
use crate::progress::ConsoleProgress;
use crate::{args, compiler, environment};
use feed::{Input, Unsent};
use last_output::LastOutput;
use left::Left;
use output::{GuestOutput, Stdout};
use signals::Signals;

/// Reads the manifest and the secrets that it names. Call this before there is a second thread: secrets are taken out of the
/// environment.
pub(crate) fn prepare(args: &args::Run) -> Result<Play, Exit> {
    let play = Play::from_manifest(&args.manifest)?;
    let secrets = &play.settings().secrets;
    if secrets.is_empty() {
        return Ok(play);
    }
    // Neither a core dump nor a debugger of the same user gets the values.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(std::io::Error::from)?;
    let Some(variables) = environment::take(&secrets.variables()) else {
        let why = "the secrets cannot be taken out of the environment, because this process has other threads";
        return Err(Exit::with(FAILED, why));
    };
    Ok(play.secret_variables(variables).read_secrets()?)
}

/// Runs a play to its end.
pub(crate) fn run(args: &args::Run, play: Play, console: &Console) -> Result<(), Exit> {
    let settings = play.settings();
    console.set_format(match args.log_format {
        None => settings.log.format,
        Some(args::Format::Text) => LogFormat::Text,
        Some(args::Format::Json) => LogFormat::Json,
    });
    let level = Some(settings.log.level.name());
    let log = Log::new(settings.log.memory.0);
    console.keep(log.clone());
    start_log(&log, console, args.log.as_deref(), level).map_err(|text| Exit::with(BAD_INPUT, text))?;
    for to in args.tells.iter().map(|(to, _)| to).chain(&args.stdin) {
        check_target(settings, to)?;
    }
    console.log_budgets().set(settings.actors.iter().map(|actor| {
        let limits = &actor.settings.sandbox_limits;
        (actor.address.clone(), actor.settings.plugin.clone(), limits.log_lines, limits.log_bytes)
    }));
    let (actors, last_output) = (settings.actors.len(), settings.supervision.shutdown);
    let stdout = Stdout::new();
    let play = options(play, args, console, &stdout).log(log).listen()?.load(&mut ConsoleProgress::new(console))?;
    let runtime = play.host_runtime()?;
    let name = play.settings().name.clone();
    let run = Run { args, console, stdout, name, actors, last_output, unsent: Unsent::default() };
    let end = runtime.block_on(run.run(play));
    // Without waiting for a read of stdin, or for a guest that a second signal cut off.
    runtime.shutdown_background();
    end
}

/// The play with the options of the command line.
fn options(play: Play, args: &args::Run, console: &Console, stdout: &Arc<Stdout>) -> Play {
    let output: Arc<dyn Output> =
        Arc::new(GuestOutput { stdout: stdout.clone(), log_budgets: console.log_budgets().clone() });
    let left_out = console.log_budgets().left_out().clone();
    let mut play = play.output(output).lines_left_out(left_out).compile_in(compiler::place());
    if let Some(threads) = args.threads {
        play = play.actor_threads(threads);
    }
    if !args.no_socket {
        let default = || socket::default_path(manifest::folder_of(&args.manifest));
        play = play.control_socket(args.socket.clone().unwrap_or_else(default));
    }
    // A run that ends when it is idle ends with what can be done: it waits for no trial start of an actor that failed.
    if args.until_idle { play.without_trial_starts() } else { play }
}

/// Input is for actors of the manifest, and members of its families.
fn check_target(play: &PlaySettings, to: &Address) -> Result<(), Exit> {
    if play.actors.iter().any(|actor| actor.receives(to)) {
        return Ok(());
    }
    let actors = play.actors.iter().filter(|actor| actor.family.is_none());
    let hint = nearest(to.as_str(), actors.map(|actor| actor.address.as_str()))
        .map_or_else(|| "`playhouse check` lists all addresses".into(), |near| format!("did you mean `{near}`?"));
    Err(Exit::with(BAD_INPUT, format!("no actor has the address `{to}`: {hint}")))
}

/// Time for the remaining output after a second Ctrl-C, and for the last lines of those who read the log.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// One run.
struct Run<'a> {
    args: &'a args::Run,
    console: &'a Console,
    stdout: Arc<Stdout>,
    /// The name of the play.
    name: String,
    /// Number of actors of the manifest.
    actors: usize,
    /// Time for the reader of stdout after the actors ended.
    last_output: Duration,
    /// Input that was not sent.
    unsent: Unsent,
}

/// The reason for the end of a run.
enum End {
    /// All input is in, and all work is done.
    Done,
    /// Input could not continue (with the error), or some of it was refused (which is counted).
    BadInput(Option<String>),
    /// A signal came.
    Signal,
    /// All actors have stopped.
    Over,
    /// Stdout takes no more output.
    StdoutClosed,
}

impl Run<'_> {
    async fn run(&self, play: LoadedPlay) -> Result<(), Exit> {
        // Before there is a socket that a signal could leave behind.
        let mut signals = Signals::new()?;
        let play = play.start().await?;
        let stalls = async {
            if self.args.until_idle {
                return stall::watch(&play, &self.stdout, self.console).await;
            }
            std::future::pending().await
        };
        let end = tokio::select! {
            end = self.perform(&play) => end,
            never = stalls => match never {},
            _ = play.wait() => End::Over,
            () = signals.next() => End::Signal,
            () = self.stdout.closed() => End::StdoutClosed,
        };
        let end = self.close(end, &play, &mut signals).await;
        // The readers of the log get the last message, too.
        let end = end.map_err(|exit| exit.said(self.console));
        play.end_log_readers(LAST_WORDS).await;
        end
    }

    /// Waits for the start and feeds the input; returns when no work is left.
    async fn perform(&self, play: &RunningPlay) -> End {
        if let Stage::Stopped | Stage::GaveUp(_) = play.wait_booted().await {
            return End::Over;
        }
        let actors = counted(self.actors as u64, "actor");
        PlayUp { subject: AboutHost, play: &self.name, actors: self.actors, shown: &actors }.log();
        let mut input = Input::new(play, self.console, &self.unsent);
        input.gives_up(self.args.until_idle);
        let fed = async {
            for (to, body) in &self.args.tells {
                input.tell(to, body.as_bytes()).await?;
            }
            if let Some(to) = &self.args.stdin {
                input.stdin(to).await?;
            }
            input.confirm(0).await
        };
        if let Err(text) = fed.await {
            return End::BadInput(Some(text));
        }
        if self.unsent.is_refused() {
            return End::BadInput(None);
        }
        if !self.args.until_idle {
            return std::future::pending().await;
        }
        play.wait_idle().await;
        End::Done
    }

    /// Stops all actors, and prints the report at the end.
    async fn close(&self, end: End, play: &RunningPlay, signals: &mut Signals) -> Result<(), Exit> {
        match &end {
            End::StdoutClosed => {
                let why = self.stdout.error().unwrap_or_else(|| "its reader is gone".to_owned());
                self.console.say(&StdoutClosed { subject: AboutHost, why: &why });
            }
            End::BadInput(Some(why)) => self.console.say(&InputFailed { subject: AboutHost, why }),
            End::BadInput(None) | End::Done | End::Signal | End::Over => {}
        }
        self.unsent.say(self.console);
        let before = Left::of(play);
        let asked = matches!(end, End::Signal);
        let failed = summary::failures(&play.actors().await);
        tokio::select! {
            () = drain::drain(play, self.console, asked) => {}
            () = signals.second(self.console) => return Err(self.cut_off(play, signals).await),
        };
        // A pipe may be slow: the output of `--until-idle` is kept until it is written, unless an operator ends the run.
        let (bounded, bound) = (!self.args.until_idle, self.last_output);
        let last = last_output::finish(&self.stdout, self.console, signals, bounded, bound).await;
        if last == LastOutput::CutOff {
            return Err(Exit::with(
                KILLED,
                format!("ended at once; {} of output not written", counted(self.stdout.waiting_bytes(), "byte")),
            ));
        }
        self.console.log_budgets().say_all();
        summary::say(play, self.console);
        if !failed.is_empty() {
            let shown = summary::failed(&failed);
            self.console.say(&ActorsFailed { subject: AboutHost, actors: failed.len(), shown: &shown });
        }
        let left = match end {
            // A play that a signal ends is judged by what its end left behind, not by all that it went through.
            End::Signal => Left::of(play).since(before),
            _ => Left::of(play),
        };
        if let Some(error) = play.store_failure() {
            let next = match &error {
                StoreError::Damaged { .. } => {
                    let path = Path::new(play.store_path().unwrap_or("PATH"));
                    format!("everything else that was confirmed is in the store; {}", after_damage(path))
                }
                StoreError::Full(_) => {
                    "everything that was confirmed is in the store: make space, and start the play again".to_owned()
                }
                _ => "everything that was confirmed is in the store: start the play again".to_owned(),
            };
            return Err(Exit::with(STORE_FAILED, format!("{error}; {next}")));
        }
        match (play.stage(), end) {
            (_, End::StdoutClosed) => Err(not_written(&self.stdout, left)),
            (Stage::GaveUp(failures), _) => {
                let lost = (last == LastOutput::Lost).then(|| format!("\n{}", text_of_lost(&self.stdout)));
                Err(Exit::with(GAVE_UP, summary::gave_up(&failures) + &lost.unwrap_or_default()))
            }
            (_, End::BadInput(_)) if last == LastOutput::Written => Err(Exit::quiet(FAILED)),
            _ if last == LastOutput::Lost => Err(not_written(&self.stdout, left)),
            _ if left.messages > 0 => Err(Exit::with(FAILED, left.to_string())),
            // Said already.
            (_, End::Done) if !failed.is_empty() => Err(Exit::quiet(FAILED)),
            // Said already.
            _ if self.unsent.fails() || play.failed_shutdowns() > 0 => Err(Exit::quiet(FAILED)),
            _ => Ok(()),
        }
    }

    /// Ends all at once after the second signal. The lost work is reported, unless a third signal comes.
    async fn cut_off(&self, play: &RunningPlay, signals: &mut Signals) -> Exit {
        play.kill();
        let writing = self.stdout.clone();
        let last_words = async {
            play.wait().await;
            let _ = tokio::task::spawn_blocking(move || writing.finish()).await;
        };
        tokio::select! {
            _ = tokio::time::timeout(LAST_WORDS, last_words) => {}
            () = signals.next() => {}
        }
        self.console.log_budgets().say_all();
        summary::say(play, self.console);
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
