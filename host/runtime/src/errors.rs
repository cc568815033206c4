//! The reasons why a play does not start, and why a request to it fails.

use std::path::PathBuf;

use playhouse_kernel::{Address, AddressError, AskError, PlanError, SendError, StoreError};

use crate::control::socket::SocketError;
use crate::manifest::{ManifestError, Problems};
use crate::plugins::PluginsError;

/// The reason why a play does not start.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The manifest cannot be read, or has faults.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The plugins cannot be loaded, or do not fit the manifest.
    #[error(transparent)]
    Plugins(#[from] PluginsError),
    /// A native actor was placed at a text that is no address.
    #[error("a native actor cannot be placed there: {0}")]
    NativeAddress(AddressError),
    /// The manifest names a native actor that the program does not provide.
    #[error(
        "the manifest says that a program provides the native actor `{0}` (`native` under [play]), and this one does not: \
         start the play from that program, which places it with `Play::native`"
    )]
    NativeMissing(Address),
    /// A native actor was placed where only gateways are.
    #[error(
        "a native actor cannot be placed at `{0}`: `/gate` holds the gateways of the manifest; choose another name"
    )]
    NativeReserved(Address),
    /// The actors do not fit each other.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The store cannot be used.
    #[error("{why}: the store of this play is `{}`", .path.display())]
    Store {
        /// The store's error.
        why: StoreError,
        /// Its folder.
        path: PathBuf,
    },
    /// The control socket cannot be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The address of `[play.metrics]` or of an `[[http]]` cannot be listened at.
    #[error("{}", .0.render(false))]
    Listen(Problems),
    /// The system refuses threads or descriptors.
    #[error("the play cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// The reason why a tell or an ask failed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The receiver is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The message was not sent.
    #[error(transparent)]
    NotSent(SendError),
    /// There is no reply.
    #[error("no reply: {0}")]
    NoReply(AskError),
}

impl From<SendError> for RequestError {
    fn from(error: SendError) -> Self {
        Self::NotSent(error)
    }
}

impl From<AskError> for RequestError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NotSent(error) => Self::NotSent(error),
            error => Self::NoReply(error),
        }
    }
}
