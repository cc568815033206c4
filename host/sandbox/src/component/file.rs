//! The files of plugins: opened only within their folder, examined, and read once. The bytes that were read are checked, hashed
//! and compiled, so a later change of the file has no effect.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use super::error::LoadError;

/// The largest component that is loaded or inspected, by default.
pub(crate) const COMPONENT_BYTES: u64 = 64 << 20;

/// Flags for opening a file to read it: the open must neither wait for a pipe's writer nor make a terminal the controlling one.
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

/// Reads any file that an operator names.
pub(crate) fn read_any(file: &Path, limit_bytes: u64) -> Result<Vec<u8>, LoadError> {
    read_whole(file, openat(CWD, file, LOOK, Mode::empty()).map_err(|error| failed(file, error))?, limit_bytes)
}

/// Opens a file below a folder; a path that leads out of the folder, by a link for example, is [`Errno::XDEV`].
fn open_beneath(folder: &OwnedFd, name: &Path) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    loop {
        match openat2(folder, name, LOOK, Mode::empty(), resolve) {
            // A file was moved at the same time, so the kernel could not tell whether the path stayed below the
            // folder.
            Err(Errno::AGAIN | Errno::INTR) => {}
            // Linux before 5.6, or a container's filter, does not know `openat2`: then no link is followed at all.
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
    // The file may grow while it is read, so the read is bounded as well.
    File::from(opened).take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    check_size(file, bytes.len(), limit_bytes)?;
    Ok(bytes)
}

/// Refuses a file that is larger than a component may be.
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

    /// A folder with a plugins folder, a file in that, and a file beside it.
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
    fn link_out_of_the_plugins_folder_is_refused() {
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
    fn link_within_the_plugins_folder_is_followed_or_refused() {
        let beside = folder();
        link(&beside, "b.wasm", "a.wasm");
        link(&beside, "c.wasm", "./b.wasm");
        let read = read(&beside, "c.wasm");
        assert!(matches!(&read, Ok(bytes) if bytes == b"inside") || matches!(read, Err(LoadError::Outside { .. })));
    }

    #[test]
    fn plugins_folder_itself_may_be_a_link() {
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
    fn name_cannot_lead_out_of_the_folder() {
        let beside = folder();
        for name in ["..", ".", "a.wasm\0", ""] {
            assert!(read(&beside, name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn pipes_and_folders_are_refused_without_waiting() {
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
    fn file_that_is_too_large_is_refused() {
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
