//! The secrets of a play as its manifest declares them: names and sources, without any value.

use std::ops::Range;
use std::path::PathBuf;

use playhouse_gateway::SecretUrl;

/// The schemes of urls of Redis.
pub const REDIS_SCHEMES: [&str; 2] = ["redis", "rediss"];
/// The schemes of urls of NATS.
pub const NATS_SCHEMES: [&str; 2] = ["nats", "tls"];
/// The schemes of urls of servers that take posts.
pub const HTTP_SCHEMES: [&str; 2] = ["http", "https"];

/// One declared secret.
#[derive(Debug, Clone)]
pub struct SecretSettings {
    /// The name for operators: its key in `[secrets]`, or the variable of a url.
    pub name: String,
    /// The source of the value.
    pub source: SecretSource,
    /// The place of the source in the manifest.
    pub place: Range<usize>,
    /// Whether `[secrets]` has it, so that it can be named.
    pub(super) is_named: bool,
}

impl SecretSettings {
    /// A secret of `[secrets]`.
    pub fn new(name: String, source: SecretSource, place: Range<usize>) -> Self {
        Self { name, source, place, is_named: true }
    }
}

/// The source of a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of the host.
    Variable(String),
    /// A file.
    File(PathBuf),
    /// A credential of systemd.
    Credential(String),
}

/// The number of a secret among those of the play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretId(pub(crate) usize);

/// A url before the secrets are read.
#[derive(Debug, Clone)]
pub enum UrlSettings {
    /// The manifest has the url itself.
    Plain(SecretUrl),
    /// The url is the value of a secret.
    Secret(SecretId),
}

/// The secrets that a manifest declares.
#[derive(Debug, Clone, Default)]
pub struct DeclaredSecrets(pub(super) Vec<SecretSettings>);

impl DeclaredSecrets {
    /// All secrets.
    pub fn iter(&self) -> impl Iterator<Item = &SecretSettings> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The environment variables that have secrets, each once.
    pub fn variables(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.iter().filter_map(|secret| secret.source.variable()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The secret of a name in `[secrets]`.
    pub fn named(&self, name: &str) -> Option<SecretId> {
        self.0.iter().position(|secret| secret.is_named && secret.name == name).map(SecretId)
    }
}

impl SecretSource {
    /// The environment variable, if it is one.
    pub fn variable(&self) -> Option<&str> {
        match self {
            Self::Variable(name) => Some(name),
            Self::File(_) | Self::Credential(_) => None,
        }
    }
}
