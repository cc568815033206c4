//! Making, removing and moving names in a granted folder. Each name counts for the folder's growth, and a symbolic link that a
//! guest makes or moves never leads up.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::PoisonError;

use cap_primitives::fs::{
    DirOptions, FollowSymlinks, MetadataExt as _, OpenOptions, create_dir, hard_link, open, open_dir,
    read_link_contents, remove_dir, remove_file, rename, stat, symlink,
};
use rustix::io::Errno;

use super::node::{names_of, remove_name};
use crate::grants::{ENTRY_BYTES, Quota};

/// The folder that a name lies in, and the name.
struct Place<'a> {
    within: &'a File,
    /// None if the folder is `within` itself.
    folder: Option<File>,
    name: &'a Path,
}

impl<'a> Place<'a> {
    fn of(within: &'a File, path: &'a str) -> io::Result<Self> {
        let bare = path.trim_end_matches('/');
        let (folder, name) = match bare.rfind('/') {
            // An absolute path is refused later, when the name is used.
            None | Some(0) => (None, path),
            Some(slash) => (Some(open_dir(within, Path::new(&path[..slash]))?), &path[slash + 1..]),
        };
        Ok(Self { within, folder, name: Path::new(name) })
    }

    fn folder(&self) -> &File {
        self.folder.as_ref().unwrap_or(self.within)
    }

    /// Changes names in one or two places, while no other guest changes names on their file system. The change of the folders'
    /// own sizes is counted.
    fn change<T>(places: &[&Self], quota: &Quota, change: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let device = places[0].folder().metadata()?.dev();
        let names = names_of(device);
        let _alone = names.lock().unwrap_or_else(PoisonError::into_inner);
        let sizes = || {
            let mut sizes: Vec<_> = places.iter().filter_map(|place| place.folder().metadata().ok()).collect();
            sizes.dedup_by_key(|folder| (folder.dev(), folder.ino()));
            sizes.iter().map(Metadata::len).sum()
        };
        let before = sizes();
        let changed = change();
        quota.changed(before, sizes());
        changed
    }
}

/// Counts the name that `make` makes.
fn count<T>(quota: &Quota, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    quota.take(ENTRY_BYTES)?;
    make().inspect_err(|_| quota.give_back(ENTRY_BYTES))
}

/// Makes a file that must not exist yet.
pub(super) fn make_file(within: &File, path: &str, options: &OpenOptions, quota: &Quota) -> io::Result<File> {
    let place = Place::of(within, path)?;
    let mut options = options.clone();
    options.create_new(true).write(true);
    Place::change(&[&place], quota, || count(quota, || open(place.folder(), place.name, &options)))
}

pub(super) fn make_folder(within: &File, path: &str, quota: &Quota) -> io::Result<()> {
    let place = Place::of(within, path)?;
    Place::change(&[&place], quota, || {
        count(quota, || create_dir(place.folder(), place.name, &DirOptions::new()))?;
        quota.changed(0, stat(place.folder(), place.name, FollowSymlinks::No)?.len());
        Ok(())
    })
}

pub(super) fn remove_folder(within: &File, path: &str, quota: &Quota) -> io::Result<()> {
    let place = Place::of(within, path)?;
    let remove = || remove_dir(place.folder(), place.name);
    Place::change(&[&place], quota, || remove_name(place.folder(), place.name, quota, remove))
}

/// Removes a name that is not a folder: of a file, a link or a special file.
pub(super) fn remove(within: &File, path: &str, quota: &Quota) -> io::Result<()> {
    let place = Place::of(within, path)?;
    let remove = || remove_file(place.folder(), place.name);
    Place::change(&[&place], quota, || remove_name(place.folder(), place.name, quota, remove))
}

/// Gives a file or folder another name; the file or empty folder that had that name is removed.
pub(super) fn move_to(from: (&File, &str), to: (&File, &str), quota: &Quota) -> io::Result<()> {
    let (from, to) = (Place::of(from.0, from.1)?, Place::of(to.0, to.1)?);
    Place::change(&[&from, &to], quota, || {
        let moved = check_link(&from)?;
        let rename = || rename(from.folder(), from.name, to.folder(), to.name);
        match stat(to.folder(), to.name, FollowSymlinks::No) {
            // If both are names of one file, the system keeps both.
            Ok(there) if (there.dev(), there.ino()) == moved => rename(),
            Ok(_) => remove_name(to.folder(), to.name, quota, rename),
            Err(_) => rename(),
        }
    })
}

/// Gives a file one more name.
pub(super) fn link(from: (&File, &str), to: (&File, &str), quota: &Quota) -> io::Result<()> {
    let (from, to) = (Place::of(from.0, from.1)?, Place::of(to.0, to.1)?);
    Place::change(&[&from, &to], quota, || {
        check_link(&from)?;
        count(quota, || hard_link(from.folder(), from.name, to.folder(), to.name))
    })
}

/// Makes a symbolic link that leads down.
pub(super) fn make_link(target: &str, within: &File, path: &str, quota: &Quota) -> io::Result<()> {
    if !leads_down(Path::new(target)) {
        return Err(Errno::PERM.into());
    }
    let place = Place::of(within, path)?;
    Place::change(&[&place], quota, || count(quota, || symlink(Path::new(target), place.folder(), place.name)))
}

/// The path to the target of a symbolic link at `path`; none if the target is not UTF-8.
pub(super) fn beside(path: &str, target: &Path) -> Option<String> {
    let target = target.to_str()?;
    let folder = path.trim_end_matches('/').rfind('/').map_or("", |slash| &path[..=slash]);
    Some(if target.starts_with('/') { target.to_owned() } else { format!("{folder}{target}") })
}

/// Whether a symbolic link with this target leads into its own folder or below, also after the link is moved.
fn leads_down(target: &Path) -> bool {
    target.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Checks that a guest may give this file another name: a link that leads up could lead out of the grant from another place.
/// Returns the device and inode of the file.
fn check_link(place: &Place<'_>) -> io::Result<(u64, u64)> {
    let found = stat(place.folder(), place.name, FollowSymlinks::No)?;
    if found.is_symlink() {
        let target: PathBuf = read_link_contents(place.folder(), place.name)?;
        if !leads_down(&target) {
            return Err(Errno::PERM.into());
        }
    }
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_of_a_link_is_relative_to_its_folder() {
        for (path, target, found) in [
            ("a", "b/c", "b/c"),
            ("x/a", "b", "x/b"),
            ("x/y/a/", "../b", "x/y/../b"),
            ("./a", "b", "./b"),
            ("x/a", "/b", "/b"),
        ] {
            assert_eq!(beside(path, Path::new(target)).as_deref(), Some(found), "{path}");
        }
    }

    #[test]
    fn link_that_leads_up_is_told_from_one_that_leads_down() {
        for down in ["file", "./file", "a/b/c", "a/./b", "...", "a..b"] {
            assert!(leads_down(Path::new(down)), "{down}");
        }
        for up in ["/", "/etc/passwd", "..", "../file", "a/../../b", "a/..", "./../x", "//x"] {
            assert!(!leads_down(Path::new(up)), "{up}");
        }
    }
}
