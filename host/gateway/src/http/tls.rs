//! TLS: the certificate of a server and its key, which are read again when their files change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use playhouse_kernel::{AboutActor, Address, LogEvent, Secret};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use super::events::{TlsKept, TlsReloaded};

/// The time between two looks at the files.
const LOOK: Duration = Duration::from_secs(1);
/// The largest file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// The certificate of a server, and its key.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// The file of the certificate and those that lead to a known one, in PEM.
    pub cert: PathBuf,
    /// The key.
    pub key: TlsKey,
}

/// The private key of a certificate, in PEM.
#[derive(Debug, Clone)]
pub enum TlsKey {
    /// A file.
    File(PathBuf),
    /// A secret, which is never read again.
    Secret(Secret),
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("`{}` cannot be read: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// No certificate.
    #[error("`{}` has no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// No key.
    #[error("the key is no private key in PEM")]
    NoKey,
    /// They do not belong together, or the key is of a kind that is not known.
    #[error("the certificate and the key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The current certificate of a server.
pub struct Tls {
    settings: TlsSettings,
    acceptor: Mutex<TlsAcceptor>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the certificate and the key.
    pub fn load(settings: TlsSettings) -> Result<Self, TlsError> {
        let acceptor = Mutex::new(acceptor(&settings)?);
        Ok(Self { settings, acceptor })
    }

    /// Does the handshakes of new connections.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.lock().clone()
    }

    /// Reads the files again whenever they change. A change counts once it is a look old, so that both files can be replaced.
    pub(super) async fn follow(self: Arc<Self>, address: Address) {
        let mut used = self.clone().look().await;
        let mut before = used.clone();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.clone().look().await;
            if now == used || now != std::mem::replace(&mut before, now.clone()) {
                continue;
            }
            used = now;
            let this = self.clone();
            let loaded = tokio::task::spawn_blocking(move || acceptor(&this.settings)).await;
            let subject = AboutActor { address: &address, plugin: None };
            match loaded {
                Ok(Ok(acceptor)) => {
                    *self.acceptor.lock() = acceptor;
                    TlsReloaded { subject, file: &self.settings.cert.display().to_string() }.log();
                }
                Ok(Err(error)) => TlsKept { subject, why: &error.to_string() }.log(),
                Err(_) => {}
            }
        }
    }

    async fn look(self: Arc<Self>) -> Vec<Option<(SystemTime, u64)>> {
        let looked = tokio::task::spawn_blocking(move || {
            let key = if let TlsKey::File(key) = &self.settings.key { Some(key.as_path()) } else { None };
            [Some(self.settings.cert.as_path()), key].into_iter().flatten().map(stamp).collect()
        });
        looked.await.unwrap_or_default()
    }
}

/// The time of the last change of a file, and its size.
fn stamp(file: &Path) -> Option<(SystemTime, u64)> {
    let found = std::fs::metadata(file).ok()?;
    Some((found.modified().ok()?, found.len()))
}

fn acceptor(settings: &TlsSettings) -> Result<TlsAcceptor, TlsError> {
    let cert = read(&settings.cert)?;
    let certs: Vec<_> = CertificateDer::pem_slice_iter(&cert).collect::<Result<_, _>>().unwrap_or_default();
    if certs.is_empty() {
        return Err(TlsError::NoCertificate(settings.cert.clone()));
    }
    let key = match &settings.key {
        TlsKey::File(file) => PrivateKeyDer::from_pem_slice(&read(file)?),
        TlsKey::Secret(secret) => PrivateKeyDer::from_pem_slice(secret.expose().as_bytes()),
    };
    let key = key.map_err(|_| TlsError::NoKey)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions()?.with_no_client_auth();
    let mut config = config.with_single_cert(certs, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |error| TlsError::Unreadable { file: file.to_owned(), error };
    let found = std::fs::metadata(file).map_err(unreadable)?;
    if !found.is_file() || found.len() > MOST_BYTES {
        let text = format!("it is no regular file of at most {} MiB", MOST_BYTES >> 20);
        return Err(unreadable(io::Error::other(text)));
    }
    std::fs::read(file).map_err(unreadable)
}
