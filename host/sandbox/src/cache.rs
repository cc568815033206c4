//! Compiled code on disk, in a folder that only its owner can write, each entry checked before it is used.
//! What is damaged is compiled again. This is the only place of the crate with unsafe code of its own.

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::sandbox::SandboxError;

/// The beginning of every entry: what it is, and the version of this layout. The digest follows, then the code.
const MAGIC: &[u8; 8] = b"playhs\x00\x01";
const HEADER_BYTES: usize = MAGIC.len() + 32;
/// More entries than this, and the oldest go.
const MAX_ENTRIES: usize = 256;
const EXTENSION: &str = "playhouse-code";
const UNFINISHED: &str = "unfinished";

/// The usual folder for compiled code: `$XDG_CACHE_HOME/playhouse`, or `~/.cache/playhouse`.
pub fn default_cache_dir() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|caches| caches.join("playhouse"))
}

/// What the cache has for a component.
pub(crate) enum Cached {
    Found(Component),
    Missing,
    /// There was something, and it cannot be trusted.
    Damaged(String),
}

pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Opens the folder, or makes it. `None` when it cannot be made: a cache is a help, not a need.
    pub(crate) fn open(folder: PathBuf) -> Result<Option<Self>, SandboxError> {
        if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(&folder) {
            let shown = folder.display();
            tracing::warn!(target: "playhouse", "no cache of compiled code: cannot make the folder `{shown}`: {error}");
            return Ok(None);
        }
        let refuse = |problem: String| {
            let folder = folder.display().to_string();
            Err(SandboxError::CacheFolder { folder, problem })
        };
        let (owner, mode) = match fs::metadata(&folder) {
            Ok(metadata) => (metadata.uid(), metadata.mode() & 0o7777),
            Err(error) => return refuse(format!("cannot be looked at ({error})")),
        };
        let me = rustix::process::geteuid().as_raw();
        if owner != me {
            return refuse(format!("belongs to user {owner}, and this process runs as user {me}"));
        }
        if mode & 0o022 != 0 {
            return refuse(format!("can be written by others than its owner (its mode is {mode:04o})"));
        }
        Ok(Some(Self { folder }))
    }

    /// Looks for compiled code. The key binds it to the component, to wasmtime and its settings, and to this crate.
    pub(crate) fn get(&self, engine: &Engine, key: &Key) -> Cached {
        let entry = match fs::read(self.path(key)) {
            Ok(entry) => entry,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Cached::Missing,
            Err(error) => return Cached::Damaged(format!("it cannot be read: {error}")),
        };
        let Some((header, code)) = entry.split_at_checked(HEADER_BYTES) else {
            return Cached::Damaged("it is cut short".to_owned());
        };
        let Some(digest) = header.strip_prefix(MAGIC) else {
            return Cached::Damaged("it is not an entry of this cache".to_owned());
        };
        if digest != key.seal(code) {
            return Cached::Damaged("its digest does not match".to_owned());
        }
        match deserialize(engine, code) {
            Ok(component) => Cached::Found(component),
            Err(error) => Cached::Damaged(format!("wasmtime refuses it: {error:#}")),
        }
    }

    /// Keeps compiled code. Whoever reads at the same time sees the old entry or the new one, never half of one.
    pub(crate) fn put(&self, key: &Key, component: &Component) {
        let path = self.path(key);
        let written = component.serialize().map_err(io::Error::other).and_then(|code| self.write(&path, key, &code));
        if let Err(error) = written {
            let shown = path.display();
            tracing::warn!(target: "playhouse", "cannot keep compiled code in `{shown}`: {error}");
        }
        if let Err(error) = self.prune() {
            tracing::debug!(target: "playhouse", "cannot look through the cache of compiled code: {error}");
        }
    }

    fn write(&self, path: &Path, key: &Key, code: &[u8]) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Relaxed);
        let new = self.folder.join(format!("{}-{count}.{UNFINISHED}", std::process::id()));
        let write = || {
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(MAGIC)?;
            file.write_all(&key.seal(code))?;
            file.write_all(code)?;
            fs::rename(&new, path)
        };
        write().inspect_err(|_| drop(fs::remove_file(&new)))
    }

    fn prune(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            // Unfinished ones count as well: whoever wrote them may have died.
            if path.extension().is_some_and(|extension| extension == EXTENSION || extension == UNFINISHED) {
                entries.push((fs::metadata(&path)?.modified()?, path));
            }
        }
        entries.sort();
        for (_, path) in entries.iter().take(entries.len().saturating_sub(MAX_ENTRIES)) {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(&key.0).with_extension(EXTENSION)
    }
}

/// Names the compiled code of one component for one engine.
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn new(engine: &Engine, sha256: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        Self(format!("{sha256}-{:016x}", hasher.finish()))
    }

    /// The digest that an entry carries: of the code, and of the key, so that no entry passes for another.
    fn seal(&self, code: &[u8]) -> [u8; 32] {
        Sha256::new().chain_update(&self.0).chain_update(code).finalize().into()
    }
}

#[allow(unsafe_code)]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` must be what `Component::serialize` returned. `Cache::put` wrote it, with a digest that
    // `Cache::get` has compared over the very bytes that are used here. Nobody but the user who runs this
    // process can write to the folder, which `Cache::open` checked. Wasmtime itself compares version and settings.
    unsafe { Component::deserialize(engine, code) }
}
