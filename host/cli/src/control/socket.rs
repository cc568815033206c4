//! Where the control socket lies, and the lock that makes sure that one host owns it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Longest path of a Unix socket: `sun_path` has 108 bytes on Linux, the last one is a zero.
const LONGEST_PATH_BYTES: usize = 107;

/// Where the host of the manifest in `folder` listens.
pub fn default_path(folder: &Path) -> PathBuf {
    folder.join(".playhouse").join("control.sock")
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The operating system has a bound.
    #[error(
        "the socket's path has {bytes} bytes, and at most {LONGEST_PATH_BYTES} are possible: `{path}`\nname a shorter one with --socket"
    )]
    TooLong {
        /// Which.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// Somebody listens there.
    #[error("another host listens on `{0}`: stop it, or name another socket with --socket (or none with --no-socket)")]
    InUse(PathBuf),
    /// Something else is there.
    #[error("`{0}` is there already and is no socket: remove it, or name another path with --socket")]
    NotASocket(PathBuf),
    /// It could not be made.
    #[error(
        "the control socket `{path}` cannot be made: {error}\nname another one with --socket (or none with --no-socket)"
    )]
    Failed {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// A socket that this process owns. Dropping it removes the socket.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    /// Locked for as long as the host lives. The file stays: removing it would let two hosts lock two files.
    _lock: File,
}

/// Takes the socket at `path`. One that a dead host left behind is replaced.
pub fn listen(path: &Path) -> Result<(Socket, UnixListener), SocketError> {
    let bytes = path.as_os_str().len();
    if bytes > LONGEST_PATH_BYTES {
        return Err(SocketError::TooLong { path: path.to_owned(), bytes });
    }
    let failed = |error| SocketError::Failed { path: path.to_owned(), error };
    if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(PathBuf::from(lock_path))
        .map_err(failed)?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(SocketError::InUse(path.to_owned())),
        Err(error) => return Err(failed(error.into())),
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotASocket(path.to_owned())),
        Ok(_) => match UnixStream::connect(path) {
            // Not a host of ours: ours hold the lock.
            Ok(_) => return Err(SocketError::InUse(path.to_owned())),
            Err(_) => std::fs::remove_file(path).map_err(failed)?,
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    let socket = Socket { path: path.to_owned(), _lock: lock };
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok((socket, listener))
}

impl Drop for Socket {
    fn drop(&mut self) {
        // If it is gone already, so much the better.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn only_its_user_reaches_the_socket() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = default_path(folder.path());
        let (socket, _listener) = listen(&path).expect("free");
        assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_second_host_is_told_and_a_dead_ones_socket_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        let (_socket, _listener) = listen(&path).expect("the dead host's socket is replaced");
        let second = listen(&path).map(|_| ()).map_err(|error| error.to_string());
        let expected = format!(
            "another host listens on `{}`: stop it, or name another socket with --socket (or none with --no-socket)",
            path.display()
        );
        assert_eq!(second, Err(expected));
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        std::fs::write(&path, "precious").expect("written");
        assert!(matches!(listen(&path), Err(SocketError::NotASocket(_))));
        assert!(matches!(listen(&folder.path().join("x".repeat(200))), Err(SocketError::TooLong { .. })));
    }
}
