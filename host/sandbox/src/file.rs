//! The files of plugins: opened where they lie and nowhere else, looked at, and read once. What was read is what is
//! checked, hashed and compiled; whatever becomes of the file after that changes nothing.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use crate::component::LoadError;

/// What only looks must neither wait for a pipe's writer nor get a terminal of its own.
const LOOK: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Reads a file of a plugins folder. A link is followed only within the folder.
pub(crate) fn read_plugin(file: &Path, limit_bytes: u64) -> Result<Vec<u8>, LoadError> {
    let failed = |error: Errno| failed(file, error);
    let folder = file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let name = file.file_name().ok_or_else(|| failed(Errno::INVAL))?;
    let folder = openat(CWD, folder, LOOK | OFlags::DIRECTORY, Mode::empty()).map_err(failed)?;
    let opened = open_beneath(&folder, Path::new(name)).map_err(|error| match error {
        Errno::XDEV => LoadError::Outside { file: file.to_owned() },
        error => failed(error),
    })?;
    read_whole(file, opened, limit_bytes)
}

/// Reads any file that a person names.
pub(crate) fn read_any(file: &Path, limit_bytes: u64) -> Result<Vec<u8>, LoadError> {
    read_whole(file, openat(CWD, file, LOOK, Mode::empty()).map_err(|error| failed(file, error))?, limit_bytes)
}

/// Opens what lies below a folder; a way out of it, by a link for example, is [`Errno::XDEV`].
fn open_beneath(folder: &OwnedFd, name: &Path) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    loop {
        match openat2(folder, name, LOOK, Mode::empty(), resolve) {
            // Somebody moves things about: whether it stayed beneath could not be said.
            Err(Errno::AGAIN | Errno::INTR) => {}
            // Before Linux 5.6, and where a container's filter does not know it: then no link is followed at all.
            Err(Errno::NOSYS | Errno::PERM) => {
                return openat(folder, name, LOOK | OFlags::NOFOLLOW, Mode::empty()).map_err(|error| match error {
                    Errno::LOOP => Errno::XDEV,
                    error => error,
                });
            }
            opened => return opened,
        }
    }
}

fn failed(file: &Path, error: Errno) -> LoadError {
    match error {
        Errno::NOENT => LoadError::NotFound { file: file.to_owned() },
        error => LoadError::Unreadable { file: file.to_owned(), source: error.into() },
    }
}

fn read_whole(file: &Path, opened: OwnedFd, limit_bytes: u64) -> Result<Vec<u8>, LoadError> {
    let unreadable = |source: io::Error| LoadError::Unreadable { file: file.to_owned(), source };
    let found = rustix::fs::fstat(&opened).map_err(|error| unreadable(error.into()))?;
    let kind = FileType::from_raw_mode(found.st_mode);
    if kind != FileType::RegularFile {
        return Err(LoadError::NotAFile { file: file.to_owned(), found: named(kind) });
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    File::from(opened).take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    check_size(file, bytes.len(), limit_bytes)?;
    Ok(bytes)
}

/// Refuses what is larger than a component may be.
pub(crate) fn check_size(file: &Path, bytes: usize, limit_bytes: u64) -> Result<(), LoadError> {
    if bytes as u64 <= limit_bytes { Ok(()) } else { Err(LoadError::TooLarge { file: file.to_owned(), limit_bytes }) }
}

fn named(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a folder",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;
    use crate::sandbox::COMPONENT_BYTES;

    /// A plugins folder, with a file in it and one beside it.
    fn folder() -> TempDir {
        let beside = tempfile::tempdir().unwrap();
        fs::create_dir(beside.path().join("plugins")).unwrap();
        fs::write(beside.path().join("plugins/a.wasm"), "inside").unwrap();
        fs::write(beside.path().join("secret.wasm"), "outside").unwrap();
        beside
    }

    fn read(beside: &TempDir, name: &str) -> Result<Vec<u8>, LoadError> {
        read_plugin(&beside.path().join("plugins").join(name), COMPONENT_BYTES)
    }

    fn link(beside: &TempDir, name: &str, to: impl AsRef<Path>) {
        symlink(to, beside.path().join("plugins").join(name)).unwrap();
    }

    #[test]
    fn a_link_that_leaves_the_plugins_folder_is_refused() {
        let beside = folder();
        link(&beside, "relative.wasm", "../secret.wasm");
        link(&beside, "absolute.wasm", beside.path().join("secret.wasm"));
        link(&beside, "there_and_back.wasm", "../plugins/a.wasm");
        link(&beside, "out", "..");
        link(&beside, "in_two_steps.wasm", "out/secret.wasm");
        link(&beside, "device.wasm", "/dev/zero");
        link(&beside, "magic.wasm", "/proc/self/exe");
        for name in ["relative", "absolute", "there_and_back", "in_two_steps", "device", "magic"] {
            let read = read(&beside, &format!("{name}.wasm"));
            assert!(matches!(read, Err(LoadError::Outside { .. })), "{name}: {read:?}");
        }
    }

    #[test]
    fn a_link_within_the_plugins_folder_is_followed_where_the_system_can_see_to_it() {
        let beside = folder();
        link(&beside, "b.wasm", "a.wasm");
        link(&beside, "c.wasm", "./b.wasm");
        let read = read(&beside, "c.wasm");
        assert!(matches!(&read, Ok(bytes) if bytes == b"inside") || matches!(read, Err(LoadError::Outside { .. })));
    }

    #[test]
    fn the_plugins_folder_itself_may_be_a_link() {
        let beside = folder();
        symlink("plugins", beside.path().join("current")).unwrap();
        assert_eq!(read_plugin(&beside.path().join("current/a.wasm"), COMPONENT_BYTES).unwrap(), b"inside");
    }

    #[test]
    fn links_in_a_circle_are_refused() {
        let beside = folder();
        link(&beside, "b.wasm", "c.wasm");
        link(&beside, "c.wasm", "b.wasm");
        assert!(matches!(read(&beside, "b.wasm"), Err(LoadError::Unreadable { .. } | LoadError::Outside { .. })));
    }

    #[test]
    fn a_name_does_not_leave_the_folder() {
        let beside = folder();
        for name in ["..", ".", "a.wasm\0", ""] {
            assert!(read(&beside, name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn pipes_and_folders_are_refused_and_nobody_waits_for_them() {
        let beside = folder();
        let path = |name: &str| beside.path().join("plugins").join(name);
        rustix::fs::mknodat(CWD, path("pipe.wasm"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        fs::create_dir(path("folder.wasm")).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(path("socket.wasm")).unwrap();
        let kind = |name| match read(&beside, name) {
            Err(LoadError::NotAFile { found, .. }) => found,
            other => panic!("{other:?}"),
        };
        assert_eq!((kind("pipe.wasm"), kind("folder.wasm")), ("a pipe", "a folder"));
        // A socket cannot even be opened.
        assert!(matches!(read(&beside, "socket.wasm"), Err(LoadError::Unreadable { .. })));
    }

    #[test]
    fn what_is_too_large_is_refused_wherever_it_ends() {
        let beside = folder();
        let large = File::create(beside.path().join("plugins/large.wasm")).unwrap();
        large.set_len(1 << 40).unwrap();
        assert!(matches!(read(&beside, "large.wasm"), Err(LoadError::TooLarge { .. })));
        assert!(matches!(
            read_any(Path::new("/dev/zero"), COMPONENT_BYTES),
            Err(LoadError::NotAFile { found: "a device", .. })
        ));
    }
}
