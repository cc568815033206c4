//! The keys of an actor's access to the world outside.

use serde::Deserialize;
use toml::Spanned;

use crate::manifest::units::ByteSize;

/// `[actor.grants]`: the actor's access to the world outside. Without this table an actor sees no environment variable, no
/// folder and no network: its code runs, and finds nothing there. No grant opens sockets.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Environment variables: `"NAME"` is the host's own value, taken when it starts, and absent if the host has none;
    /// `"NAME=value"` is that value. Example: `env = ["LANG", "MODE=test"]`. Default: `[]`.
    #[serde(default)]
    pub env: Vec<Spanned<String>>,
    /// Folders, each with `host`, `guest`, `mode` and `growth`. A link that leads out of its folder cannot be followed, and an
    /// actor cannot make a symbolic link that is absolute or has a `..` in it. Only files and folders are opened: no FIFO,
    /// device or socket. Example: `dirs = [{ host = "data", guest = "/data", mode = "read" }]`. Default: `[]`.
    #[serde(default)]
    pub dirs: Vec<Dir>,
    /// Hosts that the actor may send HTTP requests to: scheme, host and, if it is not the scheme's own, port. `*.example.com` is
    /// every name below it, `*` every name and every public address. A name never leads to a private, local or loopback address;
    /// such an address must be named, as in `http://127.0.0.1:8080` or `localhost`, or be in `networks`. The actor itself
    /// follows redirects, and each one is checked like any request. Example: `hosts = ["https://api.example.com",
    /// "http://localhost:8080"]`. Default: `[]`.
    #[serde(default)]
    pub hosts: Vec<Spanned<String>>,
    /// Private networks that names and stars in `hosts` may lead to. Example: `networks = ["10.1.0.0/16"]`. Default: `[]`.
    #[serde(default)]
    pub networks: Vec<Spanned<String>>,
    /// Secrets that the actor sends without knowing them, each with `name`, `hosts` and `header`. Example: `secrets = [{ name =
    /// "API", hosts = ["https://api.example.com"], header = "authorization" }]`. Default: `[]`.
    #[serde(default)]
    pub secrets: Vec<SecretGrant>,
}

/// `secrets = [{ … }]`: one secret. The actor has a random placeholder, new with each start of the host, as the environment variable
/// `name`. The host replaces the placeholder by the value of the secret in the header `header` of https requests to `hosts`, also
/// within a longer text such as `Bearer PLACEHOLDER`, and nowhere else. A request to another host, such as one that follows a
/// redirect, carries the placeholder. A host that sends the header back shows the actor the value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretGrant {
    /// The name of the secret in `[secrets]`. Example: `name = "API"`. Required.
    pub name: Spanned<String>,
    /// The hosts that get the secret, all with `https://`. The actor needs a grant of them in `hosts`, too. `https://*` is refused.
    /// Example: `hosts = ["https://api.example.com"]`. Required.
    pub hosts: Spanned<Vec<Spanned<String>>>,
    /// The header in which the placeholder is replaced. For HTTP's basic authentication the secret is the whole text after
    /// `Basic`. Example: `header = "authorization"`. Required.
    pub header: Spanned<String>,
}

/// `dirs = [{ … }]`: one folder, opened when the host starts. Nothing outside of it can be reached.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dir {
    /// The folder on this machine, relative to the manifest. It must exist. A folder that the actor may write to must not
    /// contain the manifest or a plugin. Example: `host = "data"`. Required.
    pub host: Spanned<String>,
    /// The absolute path at which the actor sees the folder. Example: `guest = "/data"`. Required.
    pub guest: Spanned<String>,
    /// The access: `"read"`, or `"write"`, which includes reading. Example: `mode = "write"`. Default: `"read"`.
    #[serde(default)]
    pub mode: Mode,
    /// With `mode = "write"`: limit on the folder's growth since the host started. All actors with a grant of the same folder
    /// are counted together, with spawned ones, and beyond the limit each of them finds the disk full. Bytes count as they are
    /// written, each name counts as 4 KiB, and data that actors remove is given back; data that other programs remove is not
    /// noticed. Example: `growth = "10MiB"`. Default: `"1GiB"`.
    pub growth: Option<Spanned<ByteSize>>,
}

/// The access of an actor to a folder.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Read.
    #[default]
    Read,
    /// Read and write.
    Write,
}
