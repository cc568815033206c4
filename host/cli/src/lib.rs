//! The `playhouse` command, without `main`.
//!
//! | module | content |
//! |---|---|
//! | `args` | the command line |
//! | `manifest` | `playhouse.toml`: keys, checks, problems, flow |
//! | `plugins` | the plugins of a play, loaded with progress; the kernel's plan |
//! | `run` | `playhouse run`: input, output, signals, summary |
//! | `control` | the socket of a running host: protocol, both sides |
//! | `commands` | the other commands |
//! | `allocator` | the freed memory that the process keeps, and its return |
//! | `system_limits` | the host's needs of the system, checked at the start |
//! | `lines` | a stream of bytes, cut into messages |
//! | `log_budget` | the limit on the log lines of one actor |
//! | `console`, `printable` | the output on stderr; foreign text made safe |
//! | `descriptors` | the number of files that the process may have open |
//! | `memory` | the memory that is used, and the gate for input while it is short |
//! | `exit`, `exit_codes` | the end of the process and its codes |
//!
//! The way of a run: `args` -> `manifest` -> `plugins` -> kernel, which `run` feeds and watches.

pub mod allocator;
pub mod args;
mod commands;
mod console;
pub mod control;
mod descriptors;
mod exit;
mod exit_codes;
mod lines;
mod log_budget;
pub mod manifest;
mod memory;
mod plugins;
mod printable;
mod run;
#[cfg(test)]
mod slow;
mod system_limits;

use std::process::ExitCode;
use std::time::Duration;

use args::{Cli, Command, DeadLetters};
use console::Console;

/// Time that the end of a run waits for a reader of stderr.
const LAST_LINES: Duration = Duration::from_millis(500);

/// The only argument of the child process in which the host compiles a component. It is no command: help, suggestions and
/// usage do not know it.
pub(crate) const COMPILE_FOR_PARENT: &str = "compile-for-parent";

/// Whether this process is that child, which only compiles.
pub fn is_compiler(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> bool {
    arguments.nth(1).is_some_and(|argument| argument == COMPILE_FOR_PARENT) && arguments.next().is_none()
}

/// Runs the command of the command line.
pub fn main(cli: Cli) -> ExitCode {
    if matches!(cli.command, Command::Run(_)) {
        allocator::keep_freed();
    }
    if !system_limits::are_enough(&cli.command) {
        return ExitCode::from(exit::FAILED);
    }
    let console = Console::stderr();
    // A run must end when it is told to; the output of other commands may wait for an operator's pager.
    let patience = if matches!(cli.command, Command::Run(_)) { LAST_LINES } else { Duration::MAX };
    let done = match cli.command {
        Command::Run(args) => run::run(&args, &console),
        Command::Check(args) => commands::check::check(&args, &console),
        Command::Inspect(args) => commands::inspect::inspect(&args),
        Command::Tree(args) => commands::remote::tree(&args),
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
    };
    let code = match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => exit.report(&console),
    };
    console.flush(patience);
    code
}
