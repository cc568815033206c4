//! `[[http]]` with its defaults filled in.

use std::ops::Range;
use std::path::PathBuf;

use playhouse_gateway::http::{HttpSettings, TlsKey, TlsSettings};
use playhouse_kernel::Secret;

use super::secrets::SecretId;

/// `[[http]]`.
#[derive(Debug, Clone)]
pub struct HttpServer {
    /// The settings of the gateway.
    pub settings: HttpSettings,
    /// The place of its address in the manifest.
    pub place: Range<usize>,
    /// The certificate.
    pub tls: Option<HttpTls>,
    /// By route: the secret with the tokens that its requests need.
    pub bearers: Vec<Option<SecretId>>,
}

/// The certificate of an HTTP server, before the secrets are read.
#[derive(Debug, Clone)]
pub struct HttpTls {
    /// The file of the certificate.
    pub cert: PathBuf,
    /// The key.
    pub key: HttpKey,
    /// The place of the certificate in the manifest.
    pub place: Range<usize>,
}

/// The key of a certificate.
#[derive(Debug, Clone)]
pub enum HttpKey {
    /// A file.
    File(PathBuf),
    /// A secret.
    Secret(SecretId),
}

impl HttpTls {
    /// The settings of the gateway; `secret` is the value of a key that is one.
    pub(crate) fn settings(&self, secret: impl FnOnce(SecretId) -> Secret) -> TlsSettings {
        let key = match &self.key {
            HttpKey::File(file) => TlsKey::File(file.clone()),
            HttpKey::Secret(id) => TlsKey::Secret(secret(*id)),
        };
        TlsSettings { cert: self.cert.clone(), key }
    }
}
