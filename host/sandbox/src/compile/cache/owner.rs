//! The check that a file or folder is this user's alone, and the errors when it is not.

/// The reason why a folder or an entry is not this user's alone; none if it is.
pub(super) fn not_ours(owner: u32, mode: u32) -> Option<String> {
    let me = rustix::process::geteuid().as_raw();
    if owner != me {
        return Some(format!("belongs to user {owner}, and this process runs as user {me}"));
    }
    (mode & 0o022 != 0).then(|| format!("can be written by others than its owner (its mode is {:04o})", mode & 0o7777))
}

/// The reason why the cache of compiled code is not used: another user may have written to it.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The folder is not this user's alone: a user that can write there can run code in this process.
    #[error(
        "the cache folder `{folder}` {problem}: another user may have put code there. \
        Run `chmod 700` on it as its owner, remove it, or set another one"
    )]
    Folder {
        /// The folder, as given.
        folder: String,
        /// The fault.
        problem: String,
    },
    /// The key is not this user's alone: a user that can read or replace it can make compiled code that passes for the
    /// host's.
    #[error(
        "the key of the cache of compiled code, `{place}`, {problem}: another user may know it. Remove it as its owner: the host \
        makes a new one, and compiles again"
    )]
    Key {
        /// The file, or its folder.
        place: String,
        /// The fault.
        problem: String,
    },
}
