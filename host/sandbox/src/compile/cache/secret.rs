//! The key that entries of the cache are sealed with: 32 random bytes in a file that only its owner can read, in a folder apart
//! from the cache. An entry written by a user that cannot read the key fails the check of its seal.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use playhouse_kernel::{AboutHost, LogEvent};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, linkat, openat, unlinkat};
use rustix::io::Errno;

use super::owner::{CacheError, not_ours};
use crate::events::CacheUnavailable;
use crate::limits::SystemLimit;

const BYTES: usize = 32;
const FILE: &str = "cache-key";

/// The key of this user's cache.
pub(super) struct Secret(hmac::Key);

impl Secret {
    /// Reads the key in `folder`, or makes folder and key; hosts that do so at the same time end with the same key. `None`,
    /// after a warning, when the key can be neither read nor made.
    pub(super) fn open(folder: &Path) -> Result<Option<Self>, CacheError> {
        let without = |error: &dyn std::fmt::Display| {
            let shown = folder.display();
            let way_out = "set XDG_STATE_HOME to a folder that this user can write";
            let why = &format_args!("cannot keep its key in `{shown}`: {error}; {way_out}");
            CacheUnavailable { subject: AboutHost, why }.log();
            Ok(None)
        };
        if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(folder) {
            return without(&SystemLimit::explained(&error));
        }
        let refuse = |what: &Path, problem: String| {
            let place = what.display().to_string();
            Err(CacheError::Key { place, problem })
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = match openat(CWD, folder, flags, Mode::empty()) {
            Ok(opened) => opened,
            Err(error) => return without(&error),
        };
        match fstat(&opened) {
            Ok(found) => {
                if let Some(problem) = not_ours(found.st_uid, found.st_mode) {
                    return refuse(folder, problem);
                }
            }
            Err(error) => return without(&error),
        }
        let read = match read(&opened) {
            Err(Problem::Missing) => match make(&opened) {
                Ok(()) => read(&opened),
                Err(error) => return without(&SystemLimit::explained(&error)),
            },
            read => read,
        };
        match read {
            Ok(bytes) => Ok(Some(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))),
            Err(Problem::Missing) => without(&"the file was removed while it was read"),
            Err(Problem::Unreadable(error)) => without(&error),
            Err(Problem::Untrusted(problem)) => refuse(&folder.join(FILE), problem),
        }
    }

    /// The seal of an entry, over its name and its code, so that no entry passes for another.
    pub(super) fn seal(&self, name: &str, code: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        // The length of the name is sealed as well, so that no other split of name and code has the same seal.
        context.update(&(name.len() as u64).to_le_bytes());
        context.update(name.as_bytes());
        context.update(code);
        context.sign()
    }

    /// Whether `seal` is the seal of this entry. All bytes are compared, so that the time does not tell where they differ.
    pub(super) fn has_sealed(&self, name: &str, code: &[u8], seal: &[u8]) -> bool {
        let differ = |(a, b): (&u8, &u8)| a ^ b;
        let right = self.seal(name, code);
        right.as_ref().len() == seal.len()
            && right.as_ref().iter().zip(seal).map(differ).fold(0, |all, one| all | one) == 0
    }
}

enum Problem {
    Missing,
    Unreadable(io::Error),
    Untrusted(String),
}

impl From<Errno> for Problem {
    fn from(error: Errno) -> Self {
        Self::Unreadable(error.into())
    }
}

fn read(folder: &OwnedFd) -> Result<[u8; BYTES], Problem> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = match openat(folder, FILE, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::NOENT) => return Err(Problem::Missing),
        Err(Errno::LOOP) => return Err(Problem::Untrusted("is a link".to_owned())),
        Err(error) => return Err(error.into()),
    };
    let found = fstat(&opened)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(Problem::Untrusted("is not a regular file".to_owned()));
    }
    if let Some(problem) = not_ours(found.st_uid, found.st_mode) {
        return Err(Problem::Untrusted(problem));
    }
    if found.st_mode & 0o077 != 0 {
        let mode = found.st_mode & 0o7777;
        return Err(Problem::Untrusted(format!("can be read by others than its owner (its mode is {mode:04o})")));
    }
    let mut bytes = Vec::new();
    File::from(opened).take(BYTES as u64 + 1).read_to_end(&mut bytes).map_err(Problem::Unreadable)?;
    let length = bytes.len();
    bytes
        .try_into()
        .map_err(|_| Problem::Untrusted(format!("does not have {BYTES} bytes (at least {length} were read)")))
}

/// Writes the whole key under another name, then links it to its name: of several made at once, the first one stays.
fn make(folder: &OwnedFd) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0; BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system has no random numbers"))?;
    let new = format!("{FILE}.{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder, &new, flags, Mode::from_raw_mode(0o600))?);
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    let named = written.and_then(|()| match linkat(folder, &new, folder, FILE, AtFlags::empty()) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    });
    let _ = unlinkat(folder, &new, AtFlags::empty());
    named
}
