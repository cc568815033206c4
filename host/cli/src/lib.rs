//! The `playhouse` command, without `main`.
//!
//! ```
//! use clap::Parser;
//! use playhouse::args::{Cli, Command};
//!
//! let cli = Cli::parse_from(["playhouse", "tell", "/split", "a line"]);
//! assert!(matches!(cli.command, Command::Tell(_)));
//! // No host listens in this folder: the command says so, and its exit code is 3.
//! assert_eq!(playhouse::main(cli), std::process::ExitCode::from(3));
//! ```
//!
//! | module | content |
//! |---|---|
//! | `args` | the command line |
//! | `run` | `playhouse run`: input, output, signals, summary |
//! | `commands`, `client` | the other commands; their side of the control socket |
//! | `compiler`, `system_limits` | the child that compiles; the host's needs of the system, checked at the start |
//! | `environment` | the variables that have secrets, taken out of the environment |
//! | `events` | the events of the log that the command has |
//! | `console`, `journal`, `log`, `log_budget`, `progress` | the output on stderr |
//! | `lines` | a stream of bytes, cut into messages |
//! | `exit`, `exit_codes` | the end of the process and its codes |

pub mod args;
mod client;
mod commands;
mod compiler;
mod console;
mod environment;
pub mod events;
mod exit;
mod exit_codes;
mod journal;
mod lines;
mod log;
mod log_budget;
mod progress;
mod run;
#[cfg(test)]
mod slow;
mod stdin;
mod system_limits;

use std::process::ExitCode;
use std::time::Duration;

pub use compiler::is_compiler;

use args::{Cli, Command, DeadLetters, Mailbox, State, Store};
use console::Console;

/// Time that the end of a run waits for a reader of stderr.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Runs the command of the command line.
pub fn main(cli: Cli) -> ExitCode {
    if matches!(cli.command, Command::Run(_)) {
        playhouse_runtime::allocator::keep_freed();
    }
    if !system_limits::are_enough(&cli.command) {
        return ExitCode::from(exit::FAILED);
    }
    // Before the console starts a thread: the environment changes only while there is no other one.
    let prepared = match &cli.command {
        Command::Run(args) => Some(run::prepare(args)),
        _ => None,
    };
    let console = Console::stderr();
    // A run must end when it is told to; the output of other commands may wait for an operator's pager.
    let patience = if matches!(cli.command, Command::Run(_)) { LAST_LINES } else { Duration::MAX };
    let done = match cli.command {
        Command::Run(args) => {
            prepared.unwrap_or_else(|| run::prepare(&args)).and_then(|play| run::run(&args, play, &console))
        }
        Command::Check(args) => commands::check::check(&args, &console),
        Command::Inspect(args) => commands::inspect::inspect(&args),
        Command::Tree(args) => match args.watch {
            Some(interval) => commands::watch::watch(&args, interval),
            None => commands::tree::tree(&args),
        },
        Command::Why(args) => commands::why::why(&args),
        Command::Health(args) => commands::remote::health(&args),
        Command::Logs(args) => commands::logs::logs(&args, &console),
        Command::LogLevel(args) => commands::log_level::log_level(&args),
        Command::Tell(args) => commands::remote::tell(&args, &console),
        Command::Ask(args) => commands::remote::ask(&args),
        Command::Stop(args) => commands::remote::stop(&args),
        Command::Start(args) => commands::remote::start(&args),
        Command::DeadLetters(what) => match what {
            DeadLetters::List(args) => commands::letters::list(&args),
            DeadLetters::Show(args) => commands::letters::show(&args),
            DeadLetters::Replay(args) => commands::letters::replay(&args, &console),
            DeadLetters::Drop(args) => commands::letters::drop(&args, &console),
        },
        Command::State(what) => match what {
            State::Keys(args) => commands::state::keys(&args),
            State::Get(args) => commands::state::get(&args),
            State::Set(args) => commands::state::set(&args),
            State::Delete(args) => commands::state::delete(&args),
            State::Export(args) => commands::state::export(&args),
            State::Import(args) => commands::state::import(&args),
        },
        Command::Mailbox(what) => match what {
            Mailbox::List(args) => commands::mailbox::list(&args),
            Mailbox::Show(args) => commands::mailbox::show(&args),
            Mailbox::Drop(args) => commands::mailbox::drop(&args, &console),
            Mailbox::Export(args) => commands::mailbox::export(&args),
            Mailbox::Import(args) => commands::mailbox::import(&args),
        },
        Command::Store(what) => match what {
            Store::Info(args) => commands::store::info(&args),
            Store::Check(args) => commands::store::check(&args),
            Store::Backup(args) => commands::store::backup(&args),
            Store::Restore(args) => commands::store::restore(&args),
            Store::Compact(args) => commands::store::compact(&args),
        },
    };
    let code = match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => exit.report(&console),
    };
    console.flush(patience);
    code
}
