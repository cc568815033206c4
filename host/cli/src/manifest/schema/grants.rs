//! The keys of what an actor may use of the world outside.

use serde::Deserialize;
use toml::Spanned;

use crate::manifest::units::ByteSize;

/// `[actor.grants]`: what it may use of the world outside. Without it an actor sees no environment variable, no folder and no network: its code runs, and finds nothing there. No grant opens sockets.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Environment variables: `"NAME"` is the host's own value, taken when it starts, and absent if the host has none;
    /// `"NAME=value"` is that value. Example: `env = ["LANG", "MODE=test"]`. Default: `[]`.
    #[serde(default)]
    pub env: Vec<Spanned<String>>,
    /// Folders, each with `host`, `guest`, `mode` and `growth`. Links in a folder that lead out of it lead nowhere, and an actor
    /// makes no symbolic link that is absolute or has a `..` in it. Only files and folders are opened: no FIFO, device or socket.
    /// Example: `dirs = [{ host = "data", guest = "/data", mode = "read" }]`. Default: `[]`.
    #[serde(default)]
    pub dirs: Vec<Dir>,
    /// To whom it may send HTTP requests: scheme, host and, if it is not the scheme's own, port. `*.example.com` is every name
    /// below it, `*` every name and every public address. A name never leads to a private, local or loopback address; those
    /// must be named, as in `http://127.0.0.1:8080`, or `localhost`, or be in `networks`. Redirects are the actor's to follow,
    /// and checked like any request. Example: `hosts = ["https://api.example.com", "http://localhost:8080"]`. Default: `[]`.
    #[serde(default)]
    pub hosts: Vec<Spanned<String>>,
    /// Private networks that names and stars in `hosts` may lead to. Example: `networks = ["10.1.0.0/16"]`. Default: `[]`.
    #[serde(default)]
    pub networks: Vec<Spanned<String>>,
}

/// `dirs = [{ … }]`: one folder, opened when the host starts; it is the root of what can be reached.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dir {
    /// The folder on this machine, relative to the manifest. It must exist, and an actor that may write must not reach the
    /// manifest or a plugin with it. Example: `host = "data"`. Required.
    pub host: Spanned<String>,
    /// Where the actor sees it: an absolute path. Example: `guest = "/data"`. Required.
    pub guest: Spanned<String>,
    /// `"read"`, or `"write"`: both. Example: `mode = "write"`. Default: `"read"`.
    #[serde(default)]
    pub mode: Mode,
    /// With `mode = "write"`: by how much the folder may grow since the host started. All actors with a grant of the same folder
    /// are counted together, spawned ones as well, and beyond it each of them finds the disk full. Bytes count as they are written,
    /// each name as 4 KiB, and what actors remove is given back; what other programs remove is not seen.
    /// Example: `growth = "10MiB"`. Default: `"1GiB"`.
    pub growth: Option<Spanned<ByteSize>>,
}

/// The access of an actor to a folder.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Look.
    #[default]
    Read,
    /// Look and change.
    Write,
}
