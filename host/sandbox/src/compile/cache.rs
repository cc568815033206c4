//! Compiled code on disk, in a folder that only its owner can write, each entry checked before it is used.
//! An entry that is damaged, or not sealed with this user's key, is compiled again. This is the only place of the crate with
//! unsafe code of its own. `secret` is the key, `owner` the check of owners.

mod owner;
mod secret;

use std::fs::{DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use owner::not_ours;
use playhouse_kernel::{AboutHost, LogEvent};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use secret::Secret;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::events::{CacheNotPruned, CacheNotWritten, CacheUnavailable};
use crate::limits::SystemLimit;

pub use owner::CacheError;

/// The beginning of every entry: a mark of this cache, and the version of the layout. The seal follows, then the code.
const MAGIC: &[u8; 8] = b"playhs\x00\x02";
const HEADER_BYTES: usize = MAGIC.len() + 32;
/// The most entries in the folder; the oldest ones beyond it are removed.
const MAX_ENTRIES: usize = 256;
const EXTENSION: &str = "playhouse-code";
const UNFINISHED: &str = "unfinished";

/// The usual folder for compiled code: `$XDG_CACHE_HOME/playhouse`, or `~/.cache/playhouse`.
pub fn default_cache_dir() -> Option<PathBuf> {
    folder_of_user("XDG_CACHE_HOME", ".cache")
}

/// The usual folder for the key of the cache: `$XDG_STATE_HOME/playhouse`, or `~/.local/state/playhouse`.
pub fn default_key_dir() -> Option<PathBuf> {
    folder_of_user("XDG_STATE_HOME", ".local/state")
}

fn folder_of_user(variable: &str, in_home: &str) -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(in_home))).map(|all| all.join("playhouse"))
}

/// The result of a look-up in the cache.
pub(crate) enum Cached {
    Found(Component),
    Missing,
    /// An entry exists and cannot be trusted, for this reason.
    Damaged(String),
}

pub(crate) struct Cache {
    /// The very folder that was checked, even if its path leads to another one by now.
    folder: OwnedFd,
    /// The path of the folder, for messages only.
    path: PathBuf,
    secret: Secret,
}

impl Cache {
    /// Opens the folder and that of its key, or makes them. `None` when one cannot be made: the host also works without a
    /// cache.
    pub(crate) fn open(folder: PathBuf, key_folder: Option<&Path>) -> Result<Option<Self>, CacheError> {
        let Some(key_folder) = key_folder else {
            let why = &"its key has no folder; set XDG_STATE_HOME or HOME to an absolute path";
            CacheUnavailable { subject: AboutHost, why }.log();
            return Ok(None);
        };
        if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(&folder) {
            let shown = folder.display();
            let way_out = "set XDG_CACHE_HOME to a folder that this user can write";
            let why = &format_args!("cannot make the folder `{shown}`: {error}; {way_out}");
            CacheUnavailable { subject: AboutHost, why }.log();
            return Ok(None);
        }
        let refuse = |problem: String| {
            let folder = folder.display().to_string();
            Err(CacheError::Folder { folder, problem })
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened =
            openat(CWD, &folder, flags, Mode::empty()).and_then(|opened| fstat(&opened).map(|found| (opened, found)));
        match opened {
            Err(error) => refuse(format!("cannot be looked at ({error})")),
            Ok((opened, found)) => {
                if let Some(problem) = not_ours(found.st_uid, found.st_mode) {
                    return refuse(problem);
                }
                let secret = Secret::open(key_folder)?;
                Ok(secret.map(|secret| Self { folder: opened, path: folder, secret }))
            }
        }
    }

    /// Looks for compiled code. The key binds it to the component, to wasmtime and its settings, and to this crate.
    pub(crate) fn get(&self, engine: &Engine, key: &Key) -> Cached {
        let entry = match self.read(key) {
            Ok(Some(entry)) => entry,
            Ok(None) => return Cached::Missing,
            Err(why) => return Cached::Damaged(why),
        };
        let Some((header, code)) = entry.split_at_checked(HEADER_BYTES) else {
            return Cached::Damaged("it is cut short".to_owned());
        };
        let Some(seal) = header.strip_prefix(MAGIC) else {
            return Cached::Damaged("it is not an entry of this cache".to_owned());
        };
        if !self.secret.has_sealed(&key.0, code, seal) {
            return Cached::Damaged("it is damaged, or was not written with this user's key".to_owned());
        }
        match deserialize(engine, code) {
            Ok(component) => Cached::Found(component),
            Err(error) => Cached::Damaged(format!("wasmtime refuses it: {error:#}")),
        }
    }

    /// The bytes of an entry, which must be a file of this user's. None when there is none.
    fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, String> {
        let unreadable = |error: io::Error| format!("it cannot be read: {error}");
        // The flags refuse a link to another place, and do not wait for the writer of a pipe.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let entry = match openat(&self.folder, key.file_name(), flags, Mode::empty()) {
            Ok(entry) => entry,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err("it is a link".to_owned()),
            Err(error) => return Err(unreadable(error.into())),
        };
        let found = fstat(&entry).map_err(|error| unreadable(error.into()))?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err("it is not a regular file".to_owned());
        }
        if let Some(problem) = not_ours(found.st_uid, found.st_mode) {
            return Err(format!("it {problem}"));
        }
        let mut bytes = Vec::new();
        File::from(entry).read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(Some(bytes))
    }

    /// Keeps compiled code. A concurrent reader sees the old entry or the new one, never half of one.
    pub(crate) fn put(&self, key: &Key, code: &[u8]) {
        if let Err(error) = self.write(key, code) {
            let (folder, why) = (self.path.display().to_string(), &SystemLimit::explained(&error));
            CacheNotWritten { subject: AboutHost, folder, why }.log();
        }
        if let Err(error) = self.prune() {
            CacheNotPruned { subject: AboutHost, why: &error }.log();
        }
    }

    fn write(&self, key: &Key, code: &[u8]) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Relaxed);
        let new = format!("{}-{count}.{UNFINISHED}", std::process::id());
        let write = || {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut file = File::from(openat(&self.folder, &new, flags, Mode::from_raw_mode(0o600))?);
            file.write_all(MAGIC)?;
            file.write_all(self.secret.seal(&key.0, code).as_ref())?;
            file.write_all(code)?;
            Ok(renameat(&self.folder, &new, &self.folder, key.file_name())?)
        };
        write().inspect_err(|_| {
            let _ = unlinkat(&self.folder, &new, AtFlags::empty());
        })
    }

    fn prune(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.folder)? {
            let name = entry?.file_name().to_owned();
            // Unfinished entries count as well: the process that wrote one may have died.
            let ours =
                |ending: &str| name.to_bytes().strip_suffix(ending.as_bytes()).is_some_and(|stem| stem.ends_with(b"."));
            if ours(EXTENSION) || ours(UNFINISHED) {
                let found = statat(&self.folder, &name, AtFlags::SYMLINK_NOFOLLOW)?;
                entries.push(((found.st_mtime, found.st_mtime_nsec), name));
            }
        }
        entries.sort();
        for (_, name) in entries.iter().take(entries.len().saturating_sub(MAX_ENTRIES)) {
            unlinkat(&self.folder, name, AtFlags::empty())?;
        }
        Ok(())
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

    fn file_name(&self) -> String {
        format!("{}.{EXTENSION}", self.0)
    }
}

/// Loads compiled code: from an entry that was checked, or as this crate's compiler has just made it.
#[allow(unsafe_code)]
pub(crate) fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` must be what wasmtime made of a component. Either `Compiler::compile` returned it, from this process or from
    // a child that it started from this user's own program and whose answer no other user can write; or `Cache::put` wrote it
    // then, with a seal that `Cache::get` has verified over the very bytes that are used here, and that cannot be made without
    // the key, which only the user who runs this process can read. Wasmtime itself compares version and settings.
    unsafe { Component::deserialize(engine, code) }
}
