//! The options of a request to a host.

use std::path::PathBuf;

use clap::Args;

/// The host that gets the request.
#[derive(Debug, Args)]
pub struct Host {
    /// The host's socket.
    #[arg(long, value_name = "PATH", default_value = ".playhouse/control.sock")]
    pub socket: PathBuf,
}

/// The host that gets the request, and the form of the output.
#[derive(Debug, Args)]
pub struct Look {
    /// The host.
    #[command(flatten)]
    pub host: Host,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
