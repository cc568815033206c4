//! The `playhouse` binary. See the library for everything.

use clap::Parser;

fn main() -> std::process::ExitCode {
    playhouse::main(playhouse::args::Cli::parse())
}
