//! The `playhouse` binary. All its code is in the library.

use clap::Parser;

fn main() -> std::process::ExitCode {
    if playhouse::is_compiler(std::env::args_os()) {
        return playhouse_runtime::compile_for_parent();
    }
    playhouse_runtime::count_panics();
    playhouse::main(playhouse::args::Cli::parse())
}
