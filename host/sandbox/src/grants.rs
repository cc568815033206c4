//! What one actor may use of the world outside: environment variables, folders, hosts. Plain data, and how much of it a child
//! of that actor may have. Without it there is an empty world: no variable, no folder, nobody to connect to.
//!
//! `hosts` says to whom HTTP requests may go, `addresses` which addresses a name may lead to.

mod addresses;
mod hosts;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use playhouse_kernel::Bounds;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};

pub use addresses::{Network, NetworkError};
pub(crate) use hosts::Target;
pub use hosts::{Host, HostError};

use crate::http::{Outgoing, Wire};

/// What one actor may use of the world outside. Default: nothing.
#[derive(Debug, Clone)]
pub struct Grants {
    /// Its environment.
    pub env: Vec<Variable>,
    /// The folders that it sees.
    pub dirs: Vec<Folder>,
    /// To whom it may send HTTP requests.
    pub hosts: Vec<Host>,
    /// Networks that are not public and that names in `hosts` may lead to all the same.
    pub networks: Vec<Network>,
    /// HTTP requests at a time, of all instances of the actor, each until its response is dropped. Default: 16.
    pub requests: usize,
}

impl Default for Grants {
    fn default() -> Self {
        Self { env: Vec::new(), dirs: Vec::new(), hosts: Vec::new(), networks: Vec::new(), requests: 16 }
    }
}

/// One environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What the guest finds.
    pub value: String,
    /// The value is the host's own, not one that the manifest gives.
    pub from_host: bool,
}

/// A folder, open: what is put in its place later is not what was granted.
#[derive(Clone)]
pub struct Folder {
    /// Where it is, without symbolic links.
    host: PathBuf,
    guest: String,
    writable: bool,
    opened: Arc<File>,
}

impl Folder {
    /// Opens the folder at `host`, which the guest will see at `guest`. An error is the system's.
    pub fn open(host: &Path, guest: &str, writable: bool) -> io::Result<Self> {
        let host = host.canonicalize()?;
        // Opening anything else, such as a pipe, may wait without an end.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = match rustix::fs::open(&host, flags, Mode::empty()) {
            Ok(opened) => File::from(opened),
            Err(Errno::NOTDIR) => return Err(io::ErrorKind::NotADirectory.into()),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { host, guest: guest.to_owned(), writable, opened: Arc::new(opened) })
    }

    /// Where it is on this machine, without symbolic links.
    pub fn host(&self) -> &Path {
        &self.host
    }

    /// Where the guest sees it.
    pub fn guest(&self) -> &str {
        &self.guest
    }

    /// Whether the guest may change what is in it.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// A path to the very folder that was opened, whatever has its name now.
    fn door(&self) -> PathBuf {
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd;
            PathBuf::from(format!("/proc/self/fd/{}", self.opened.as_raw_fd()))
        }
        #[cfg(not(target_os = "linux"))]
        {
            self.host.clone()
        }
    }

    /// This folder, as much of it as `parent` has; none of it if that one has another.
    fn within(&self, parent: &[Self]) -> Option<Self> {
        let mut above = parent.iter().filter(|above| self.host.starts_with(&above.host)).peekable();
        above.peek()?;
        let writable = self.writable && above.any(|above| above.writable);
        Some(Self { writable, ..self.clone() })
    }
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, guest, writable, .. } = self;
        f.debug_struct("Folder").field("host", host).field("guest", guest).field("writable", writable).finish()
    }
}

impl Grants {
    /// Whether it grants nothing at all.
    pub(crate) fn is_nothing(&self) -> bool {
        self.env.is_empty() && self.dirs.is_empty() && self.hosts.is_empty() && self.networks.is_empty()
    }

    /// Whether it may use folders or the network: then what a turn does outside stays, even if the turn is not kept.
    pub fn reach_outside(&self) -> bool {
        !self.dirs.is_empty() || !self.hosts.is_empty()
    }

    /// What of these a child may have whose parent has those of `parent`: nothing that the parent has not.
    #[must_use]
    pub fn within(&self, parent: &Self) -> Self {
        let has = |variable: &Variable| parent.env.iter().any(|above| above.from_host && above.name == variable.name);
        Self {
            env: self.env.iter().filter(|variable| !variable.from_host || has(variable)).cloned().collect(),
            dirs: self.dirs.iter().filter_map(|folder| folder.within(&parent.dirs)).collect(),
            hosts: common(&self.hosts, &parent.hosts, Host::covers),
            networks: common(&self.networks, &parent.networks, Network::covers),
            requests: self.requests.min(parent.requests),
        }
    }

    /// As [`Grants::within`] the parent of these bounds; without a parent they stay as they are.
    #[must_use]
    pub fn bounded(self, within: &Bounds) -> Self {
        match &within.grants {
            None => self,
            // Somebody else's bounds, which say nothing that is understood here, open nothing.
            Some(above) => above.downcast_ref().map_or_else(Self::default, |above| self.within(above)),
        }
    }

    /// The folders as WASI hands them to a guest.
    fn filesystem(&self) -> io::Result<WasiFilesystemCtx> {
        let mut wasi = WasiCtx::builder();
        for folder in &self.dirs {
            let perms = if folder.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            wasi.preopened_dir(folder.door(), &folder.guest, perms).map_err(|error| {
                io::Error::other(format!("cannot open the folder `{}`: {error:#}", folder.host.display()))
            })?;
        }
        Ok(wasi.build().filesystem().clone())
    }
}

/// The world outside as the incarnations of one actor find it, made once for all of them.
pub(crate) struct World {
    pub(crate) grants: Arc<Grants>,
    /// An error says which folder could not be opened.
    filesystem: Result<WasiFilesystemCtx, String>,
    pub(crate) outgoing: Option<Arc<Outgoing>>,
}

impl World {
    pub(crate) fn new(grants: Grants, wire: &Arc<Wire>) -> Self {
        let grants = Arc::new(grants);
        let filesystem = grants.filesystem().map_err(|error| error.to_string());
        let some = !grants.hosts.is_empty();
        let outgoing = some.then(|| Arc::new(Outgoing::new(grants.clone(), wire.clone())));
        Self { grants, filesystem, outgoing }
    }

    /// Puts variables and folders where a guest finds them.
    pub(crate) fn furnish(&self, builder: &mut WasiCtxBuilder) -> Result<WasiCtx, String> {
        for Variable { name, value, .. } in &self.grants.env {
            builder.env(name, value);
        }
        let mut wasi = builder.build();
        if !self.grants.dirs.is_empty() {
            *wasi.filesystem() = self.filesystem.clone()?;
        }
        Ok(wasi)
    }
}

/// What two lists have in common: of each pair the narrower one.
fn common<T: Clone + PartialEq>(child: &[T], parent: &[T], covers: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let mut both = Vec::new();
    for (own, above) in child.iter().flat_map(|own| parent.iter().map(move |above| (own, above))) {
        let narrower = if covers(above, own) { own } else { above };
        if (covers(above, own) || covers(own, above)) && !both.contains(narrower) {
            both.push(narrower.clone());
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, from_host: bool) -> Variable {
        Variable { name: name.to_owned(), value: "v".to_owned(), from_host }
    }

    fn hosts(list: &[&str]) -> Vec<Host> {
        list.iter().map(|host| Host::parse(host).expect("good")).collect()
    }

    #[test]
    fn a_child_has_no_variable_of_the_host_that_its_parent_has_not() {
        let parent = Grants { env: vec![variable("LANG", true), variable("HOME", false)], ..Grants::default() };
        let child = ["LANG", "HOME", "PATH"].map(|name| variable(name, true));
        let child = Grants { env: child.into_iter().chain([variable("MODE", false)]).collect(), ..Grants::default() };
        assert_eq!(child.within(&parent).env, [variable("LANG", true), variable("MODE", false)]);
    }

    #[test]
    fn a_child_has_of_its_parents_folders_no_more_than_its_parent() {
        let top = tempfile::tempdir().expect("a folder");
        let at = |name: &str| {
            let path = top.path().join(name);
            std::fs::create_dir_all(&path).expect("ours");
            path
        };
        let open = |name: &str, writable| Folder::open(&at(name), "/x", writable).expect("it is there");
        let parent = Grants { dirs: vec![open("read", false), open("write", true)], ..Grants::default() };
        let wanted = ["read", "read/below", "reader", "write", "write/below"].map(|name| open(name, true));
        let child = Grants { dirs: wanted.into_iter().chain([open("write", false)]).collect(), ..Grants::default() };
        let kept: Vec<_> = child
            .within(&parent)
            .dirs
            .iter()
            .map(|f| (f.host.file_name().map(ToOwned::to_owned), f.writable))
            .collect();
        let kept: Vec<_> =
            kept.iter().map(|(name, writable)| (name.as_deref().and_then(|n| n.to_str()), *writable)).collect();
        let (read, below, write) = (Some("read"), Some("below"), Some("write"));
        assert_eq!(kept, [(read, false), (below, false), (write, true), (below, true), (write, false)]);
        assert!(child.within(&Grants::default()).dirs.is_empty());
    }

    #[test]
    fn a_child_may_reach_whom_both_may() {
        let within = |child: &[&str], parent: &[&str]| {
            let grants = |list| Grants { hosts: hosts(list), ..Grants::default() };
            grants(child).within(&grants(parent)).hosts.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(within(&["https://a.com", "https://b.com"], &["https://a.com"]), ["https://a.com"]);
        assert_eq!(within(&["https://*"], &["https://*.a.com", "http://b.com"]), ["https://*.a.com"]);
        assert_eq!(within(&["https://x.a.com", "https://a.com"], &["https://*.a.com"]), ["https://x.a.com"]);
        assert_eq!(within(&["https://a.com:8443"], &["https://a.com"]), [""; 0]);
        assert_eq!(within(&["http://10.0.0.1"], &["http://*"]), [""; 0]);
    }

    #[test]
    fn what_takes_the_place_of_a_granted_folder_is_not_granted() {
        let top = tempfile::tempdir().expect("a folder");
        let path = top.path().join("granted");
        std::fs::create_dir(&path).expect("ours");
        std::fs::write(path.join("mine"), "").expect("ours");
        let folder = Folder::open(&path, "/x", true).expect("it is there");
        std::fs::rename(&path, top.path().join("moved")).expect("ours");
        std::os::unix::fs::symlink("/etc", &path).expect("ours");
        if cfg!(target_os = "linux") {
            assert!(folder.door().join("mine").exists());
        }
    }
}
