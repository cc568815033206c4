//! The path of the control socket, and the lock that makes sure that one host owns it.
//!
//! Only its user reaches a socket: its mode is 0600 from the moment it has a name, it listens only after the mode was checked,
//! and each side checks the user of the other process. With a group of readers, its mode becomes 0660 with that group before it listens. Another user cannot replace the socket either: a folder in which other
//! users may rename files is refused.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, fchmod, flock};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, socket_with};

/// Maximum length of a Unix socket's path: `sun_path` has 108 bytes on Linux, and the last one is a zero.
const LONGEST_PATH_BYTES: usize = 107;
/// Maximum number of connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// The default path of the socket for a manifest in `folder`.
pub fn default_path(folder: &Path) -> PathBuf {
    folder.join(".playhouse").join("control.sock")
}

/// The reason why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path is longer than the operating system allows.
    #[error(
        "the socket's path has {bytes} bytes, and at most {LONGEST_PATH_BYTES} are possible: `{path}`\nname a shorter one with --socket"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// The length of the path.
        bytes: usize,
    },
    /// Another process listens at the path.
    #[error(
        "another host listens on `{path}`{}: stop it, or name another socket with --socket (or none with --no-socket)",
        process.map(|process| format!(" (process {process})")).unwrap_or_default()
    )]
    InUse {
        /// The path.
        path: PathBuf,
        /// The id of the process that listens, where the system tells it.
        process: Option<i32>,
    },
    /// The path has a file that is no socket.
    #[error("`{0}` is there already and is no {1}: remove it, or name another path with --socket")]
    SomethingElse(PathBuf, &'static str),
    /// Another user could replace the socket.
    #[error(
        "`{path}` {problem}, so the control socket would not be safe there: name a socket in a folder of your own with --socket (or none with --no-socket)"
    )]
    Foreign {
        /// The folder, the socket or the lock.
        path: PathBuf,
        /// The owner, or the mode that lets other users write.
        problem: String,
    },
    /// The socket could not be given to the group of readers.
    #[error(
        "the control socket `{path}` cannot be given to the group {group} of `readers` in [play.control]: {error}\nthe user who runs the host must be in that group, or root"
    )]
    Group {
        /// The path.
        path: PathBuf,
        /// The group's number.
        group: u32,
        /// The reason.
        error: io::Error,
    },
    /// The socket could not be made.
    #[error(
        "the control socket `{path}` cannot be made: {error}\nname another one with --socket (or none with --no-socket)"
    )]
    Failed {
        /// The path.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
}

/// A socket that this process owns. Dropping it removes the socket.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    /// The identity of this socket's file, to notice another socket at the same path.
    identity: (u64, u64),
    /// Locked while the host lives. The file is not removed, because two hosts could then lock two files.
    _lock: File,
}

/// Takes the socket at `path`, and replaces the socket of a host that died.
pub fn listen(path: &Path) -> Result<(Socket, UnixListener), SocketError> {
    listen_for(path, None)
}

/// As [`listen`]; members of the group `readers` may connect, too.
pub fn listen_for(path: &Path, readers: Option<u32>) -> Result<(Socket, UnixListener), SocketError> {
    check_length(path)?;
    let failed = |error: io::Error| SocketError::Failed { path: path.to_owned(), error };
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    refuse_foreign(folder, &std::fs::metadata(folder).map_err(failed)?)?;
    let lock = lock(path)?;
    remove_stale(path)?;
    let listener = make(path).map_err(|error| match error {
        // The listener is no host of this kind, because such a host holds the lock.
        Errno::ADDRINUSE => in_use(path),
        error => failed(error.into()),
    })?;
    let made = std::fs::symlink_metadata(path).map_err(failed)?;
    let socket = Socket { path: path.to_owned(), identity: identity(&made), _lock: lock };
    if !made.file_type().is_socket() {
        return Err(SocketError::SomethingElse(path.to_owned(), "socket any more"));
    }
    refuse_foreign(path, &made)?;
    if made.permissions().mode() & 0o077 != 0 {
        // On some systems the mode of a socket does not become that of its file. No process can connect yet.
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(failed)?;
    }
    if let Some(group) = readers {
        let given = std::os::unix::fs::lchown(path, None, Some(group));
        let given = given.and_then(|()| std::fs::set_permissions(path, PermissionsExt::from_mode(0o660)));
        given.map_err(|error| SocketError::Group { path: path.to_owned(), group, error })?;
    }
    rustix::net::listen(&listener, BACKLOG).map_err(|error| failed(error.into()))?;
    Ok((socket, UnixListener::from(listener)))
}

/// The nearest folder above a path that does not let members of a group through, and its mode.
pub fn shut_folder(path: &Path, group: u32) -> Option<(PathBuf, u32)> {
    let path = std::path::absolute(path).ok()?;
    let folders = path.ancestors().skip(1).filter_map(|folder| Some((folder, std::fs::metadata(folder).ok()?)));
    let mut shut = folders.filter(|(_, found)| !lets_through(found.gid(), found.mode(), group));
    shut.next().map(|(folder, found)| (folder.to_owned(), found.mode() & 0o7777))
}

fn lets_through(of_group: u32, mode: u32, group: u32) -> bool {
    mode & if of_group == group { 0o010 } else { 0o001 } != 0
}

/// Refuses a path that no socket can have.
pub fn check_length(path: &Path) -> Result<(), SocketError> {
    let bytes = path.as_os_str().len();
    if bytes > LONGEST_PATH_BYTES {
        return Err(SocketError::TooLong { path: path.to_owned(), bytes });
    }
    Ok(())
}

/// A socket with a name, that nobody can connect to yet. As its file never had another mode, there is no moment in which
/// another user could.
fn make(path: &Path) -> Result<OwnedFd, Errno> {
    let address = SocketAddrUnix::new(path)?;
    let socket = stream()?;
    // Linux takes the file's mode from the socket; other systems ignore or refuse this call.
    let _ = fchmod(&socket, Mode::from_raw_mode(0o600));
    bind(&socket, &address)?;
    Ok(socket)
}

fn stream() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// The error for a path at which another process listens.
fn in_use(path: &Path) -> SocketError {
    SocketError::InUse { path: path.to_owned(), process: listening_process(path) }
}

/// The process that listens at `path`. None when it does not listen yet, or when the system does not tell.
#[cfg(target_os = "linux")]
fn listening_process(path: &Path) -> Option<i32> {
    let client = stream().ok()?;
    connect(&client, &SocketAddrUnix::new(path).ok()?).ok()?;
    rustix::net::sockopt::socket_peercred(&client).ok().map(|peer| peer.pid.as_raw_nonzero().get())
}

#[cfg(not(target_os = "linux"))]
fn listening_process(_: &Path) -> Option<i32> {
    None
}

/// The lock beside the socket: of two hosts that start at the same time, one gets the lock.
fn lock(path: &Path) -> Result<File, SocketError> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    let failed = |error: io::Error| SocketError::Failed { path: path.to_owned(), error };
    // The lock must not be a link to another place, and opening a pipe must not block.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    loop {
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags)
            .open(&lock_path);
        let lock = match opened {
            Ok(lock) => lock,
            Err(_) if std::fs::symlink_metadata(&lock_path).is_ok_and(|found| !found.is_file()) => {
                return Err(SocketError::SomethingElse(lock_path, "file"));
            }
            Err(error) => return Err(failed(error)),
        };
        let locked = lock.metadata().map_err(failed)?;
        if !locked.is_file() {
            return Err(SocketError::SomethingElse(lock_path, "file"));
        }
        refuse_foreign(&lock_path, &locked)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(in_use(path)),
            Err(error) => return Err(failed(error.into())),
        }
        // Another process may have removed this file and locked a new one at the same path.
        if std::fs::symlink_metadata(&lock_path).is_ok_and(|found| identity(&found) == identity(&locked)) {
            return Ok(lock);
        }
    }
}

/// Removes the socket of a host that died.
fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let failed = |error: io::Error| SocketError::Failed { path: path.to_owned(), error };
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::SomethingElse(path.to_owned(), "socket"));
        }
        Ok(found) => refuse_foreign(path, &found)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    let connected = SocketAddrUnix::new(path).and_then(|address| connect(stream()?, &address));
    match connected {
        Err(Errno::CONNREFUSED) => match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        },
        Err(Errno::NOENT) => Ok(()),
        // Another program listens, possibly too busy to accept. A host would hold the lock.
        Ok(()) | Err(Errno::AGAIN | Errno::INPROGRESS) => Err(in_use(path)),
        Err(error) => Err(failed(error.into())),
    }
}

/// Refuses a file of another user, and a folder in which other users may rename files.
fn refuse_foreign(path: &Path, found: &Metadata) -> Result<(), SocketError> {
    let me = rustix::process::geteuid().as_raw();
    let problem = foreign(found.is_dir(), found.uid(), found.mode(), me);
    problem.map_or(Ok(()), |problem| Err(SocketError::Foreign { path: path.to_owned(), problem }))
}

fn foreign(is_folder: bool, owner: u32, mode: u32, me: u32) -> Option<String> {
    const OTHERS_WRITE: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    if owner != me && owner != 0 {
        return Some(format!("belongs to user {owner}, and this process runs as user {me}"));
    }
    let open = is_folder && mode & OTHERS_WRITE != 0 && mode & STICKY == 0;
    open.then(|| format!("can be written by everybody (its mode is {:04o})", mode & 0o7777))
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The file is removed only if it still is this socket, and not that of another host.
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
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
    fn second_host_is_refused_and_a_dead_hosts_socket_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        let (_socket, _listener) = listen(&path).expect("the dead host's socket is replaced");
        let second = listen(&path).map(|_| ()).map_err(|error| error.to_string());
        let expected = format!(
            "another host listens on `{}` (process {}): stop it, or name another socket with --socket (or none with --no-socket)",
            path.display(),
            std::process::id()
        );
        assert_eq!(second, Err(expected));
    }

    #[test]
    fn file_that_is_no_socket_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        std::fs::write(&path, "precious").expect("written");
        assert!(matches!(listen(&path), Err(SocketError::SomethingElse(_, "socket"))));
        assert_eq!(std::fs::read(&path).expect("still there"), b"precious");
    }

    #[test]
    fn too_long_path_is_refused_with_its_length() {
        let path = Path::new("/tmp").join("x".repeat(200));
        assert!(matches!(listen(&path), Err(SocketError::TooLong { bytes: 205, .. })));
        let longest = tempfile::tempdir_in("/tmp").expect("a folder");
        let left = LONGEST_PATH_BYTES - longest.path().as_os_str().len() - 1;
        assert!(listen(&longest.path().join("x".repeat(left))).is_ok());
    }

    #[test]
    fn one_of_many_concurrent_hosts_gets_the_socket() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("s");
            drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
            let start = std::sync::Barrier::new(8);
            let results: Vec<_> = std::thread::scope(|scope| {
                let host = || {
                    start.wait();
                    listen(&path)
                };
                let hosts: Vec<_> = (0..8).map(|_| scope.spawn(host)).collect();
                hosts.into_iter().map(|host| host.join().expect("no panic")).collect()
            });
            let (up, told): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
            assert_eq!(up.len(), 1);
            assert!(told.iter().all(|told| matches!(told, Err(SocketError::InUse { .. }))), "{told:?}");
            assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
        }
    }

    #[test]
    fn socket_of_another_program_is_kept_even_if_it_never_accepts() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let other = stream().expect("a socket");
        bind(&other, &SocketAddrUnix::new(&path).expect("short")).expect("free");
        rustix::net::listen(&other, 0).expect("listens");
        let mut waiting = Vec::new();
        // The backlog is filled, so that one more connect would wait for ever.
        while let Ok(one) = stream().and_then(|one| connect(&one, &SocketAddrUnix::new(&path)?).map(|()| one)) {
            waiting.push(one);
        }
        assert!(matches!(listen(&path), Err(SocketError::InUse { .. })));
        assert!(path.exists());
    }

    #[test]
    fn a_lock_that_is_a_link_or_a_pipe_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, lock) = (folder.path().join("s"), folder.path().join("s.lock"));
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &lock).expect("made");
        assert!(matches!(listen(&path), Err(SocketError::SomethingElse(_, "file"))));
        assert!(!folder.path().join("elsewhere").exists());
        std::fs::remove_file(&lock).expect("ours");
        rustix::fs::mknodat(rustix::fs::CWD, &lock, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .expect("made");
        assert!(matches!(listen(&path), Err(SocketError::SomethingElse(_, "file"))));
    }

    #[test]
    fn socket_that_another_process_made_is_not_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let (socket, _listener) = listen(&path).expect("free");
        std::fs::remove_file(&path).expect("ours");
        let _other = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        drop(socket);
        assert!(path.exists());
    }

    #[test]
    fn folder_that_other_users_can_write_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |mode| std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(mode)).expect("ours");
        open(0o777);
        let refused = listen(&folder.path().join("s")).map(drop).map_err(|error| error.to_string());
        let said = "can be written by everybody (its mode is 0777), so the control socket would not be safe there";
        assert!(refused.as_ref().is_err_and(|text| text.contains(said)), "{refused:?}");
        // In a folder like /tmp, other users may write, and rename only their own files.
        open(0o1777);
        assert!(listen(&folder.path().join("s")).is_ok());
        open(0o700);
    }

    #[test]
    fn file_of_another_user_is_refused_unless_it_is_roots() {
        assert_eq!(foreign(true, 5, 0o700, 5), None);
        assert_eq!(foreign(true, 0, 0o755, 5), None);
        let said = "belongs to user 6, and this process runs as user 5";
        for is_folder in [true, false] {
            assert_eq!(foreign(is_folder, 6, 0o700, 5).as_deref(), Some(said));
        }
        assert!(foreign(true, 6, 0o700, 0).is_some());
    }
}
