//! Files and folders that no grant may open for writing: an actor that can change them decides what the host runs at its next
//! start.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// The limit of Linux.
const MOST_LINKS: u32 = 40;

/// The kept files and folders, each with its role and the path that the manifest and the environment give.
pub(super) struct KeptApart {
    named: Vec<(&'static str, PathBuf)>,
    /// The same with links followed; made when the first grant asks.
    followed: OnceCell<Vec<(&'static str, Way)>>,
}

impl KeptApart {
    /// The manifest and the folders of one play, and the folders that all plays of this user share.
    pub(super) fn of_play(beside: &Path, plugins: &Path, store: Option<PathBuf>, manifest: Option<&OsStr>) -> Self {
        let mut named = vec![("the plugins of this play", plugins.to_owned())];
        named.extend(store.map(|path| ("the store of this play", beside.join(path))));
        named.extend(manifest.map(|name| ("the manifest of this play", beside.join(name))));
        named.push(("the folder `.playhouse` of this play", beside.join(".playhouse")));
        named.extend(playhouse_sandbox::default_cache_dir().map(|path| ("the cache of compiled code", path)));
        named.extend(playhouse_sandbox::default_key_dir().map(|path| ("the key of the cache of compiled code", path)));
        Self { named, followed: OnceCell::new() }
    }

    /// The kept files and folders that an actor could change if it may write to `granted`, a path without links.
    pub(super) fn within(&self, granted: &Path) -> Vec<&'static str> {
        let follow = || self.named.iter().filter_map(|(what, path)| Some((*what, Way::of(path)?))).collect();
        let followed = self.followed.get_or_init(follow);
        let reaches = |way: &Way| {
            let end = way.end.starts_with(granted) || granted.starts_with(&way.end);
            // A link in the folder can be replaced by one that leads elsewhere.
            end || way.links.iter().any(|link| link.starts_with(granted))
        };
        followed.iter().filter(|(_, way)| reaches(way)).map(|(what, _)| *what).collect()
    }
}

/// The end of a path, also if nothing is there yet, and the symbolic links on the way, each by a path without links.
pub(super) struct Way {
    end: PathBuf,
    links: Vec<PathBuf>,
}

impl Way {
    /// None for links in a circle, which lead nowhere.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let whole = std::path::absolute(if path.as_os_str().is_empty() { Path::new(".") } else { path }).ok()?;
        let mut way = Self { end: PathBuf::from("/"), links: Vec::new() };
        let mut left: VecDeque<Part> = parts(&whole).collect();
        while let Some(part) = left.pop_front() {
            match part {
                Part::Root => way.end = PathBuf::from("/"),
                Part::Up => drop(way.end.pop()),
                Part::Name(name) => {
                    let next = way.end.join(name);
                    let Ok(target) = std::fs::read_link(&next) else {
                        way.end = next;
                        continue;
                    };
                    way.links.push(next);
                    if way.links.len() > MOST_LINKS as usize {
                        return None;
                    }
                    parts(&target).collect::<Vec<_>>().into_iter().rev().for_each(|part| left.push_front(part));
                }
            }
        }
        Some(way)
    }

    /// Whether the end of the path is below `folder`, a path without links, or a link on the way is.
    pub(super) fn leads_into(&self, folder: &Path) -> bool {
        self.end.starts_with(folder) || self.links.iter().any(|link| link.starts_with(folder))
    }
}

enum Part {
    Root,
    Up,
    Name(OsString),
}

fn parts(path: &Path) -> impl Iterator<Item = Part> {
    path.components().filter_map(|part| match part {
        Component::RootDir => Some(Part::Root),
        Component::ParentDir => Some(Part::Up),
        Component::Normal(name) => Some(Part::Name(name.to_owned())),
        Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir, create_dir_all};
    use std::os::unix::fs::symlink;

    use super::*;

    /// The kept files and folders that an actor could change if it may write to `granted`, a path without links.
    fn within(path: &Path, granted: &Path) -> bool {
        let kept = KeptApart { named: vec![("it", path.to_owned())], followed: OnceCell::new() };
        !kept.within(&granted.canonicalize().unwrap()).is_empty()
    }

    #[test]
    fn folder_its_parents_and_its_children_are_kept_apart() {
        let top = tempfile::tempdir().unwrap();
        let at = |path: &str| top.path().join(path);
        create_dir_all(at("a/b/c")).unwrap();
        create_dir_all(at("a/beside")).unwrap();
        for (granted, expected) in [("a", true), ("a/b", true), ("a/b/c", true), ("a/beside", false)] {
            assert_eq!(within(&at("a/b"), &at(granted)), expected, "{granted}");
        }
        // The actor could create the missing folder before the host does.
        assert!(within(&at("a/later/on"), &at("a")));
        assert!(!within(&at("a/later/on"), &at("a/b")));
        assert!(within(&at("a/beside/../b/new"), &at("a/b")));
    }

    #[test]
    fn links_on_the_way_are_kept_apart_and_followed() {
        let top = tempfile::tempdir().unwrap();
        let at = |path: &str| top.path().join(path);
        create_dir_all(at("real/cache")).unwrap();
        create_dir(at("with_link")).unwrap();
        create_dir(at("elsewhere")).unwrap();
        symlink("../real", at("with_link/link")).unwrap();
        let cache = at("with_link/link/cache");
        for (granted, expected) in [("with_link", true), ("real", true), ("real/cache", true), ("elsewhere", false)] {
            assert_eq!(within(&cache, &at(granted)), expected, "{granted}");
        }
        symlink("circle", at("circle")).unwrap();
        assert!(!within(&at("circle/cache"), &at("elsewhere")));
    }
}
