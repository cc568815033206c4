//! The external resources that one actor may use: environment variables, folders, hosts. Plain data, with the rule that limits a
//! child to its parent's grants. Without grants an actor has no variable, no folder and no host to connect to.

use http::HeaderMap;
use playhouse_kernel::Bounds;

use super::addresses::Network;
use super::folder::Folder;
use super::hosts::{Host, Target};
use super::narrowing::common;
use super::secrets::SecretGrant;
use crate::limits::{Blocking, Descriptors};

/// The external resources that one actor may use. Default: none.
#[derive(Debug, Clone)]
pub struct Grants {
    /// Its environment.
    pub env: Vec<Variable>,
    /// The folders that it sees.
    pub dirs: Vec<Folder>,
    /// The hosts to which it may send HTTP requests.
    pub hosts: Vec<Host>,
    /// Networks that are not public and to which names in `hosts` may lead.
    pub networks: Vec<Network>,
    /// The secrets that its requests carry, and that it does not know.
    pub secrets: Vec<SecretGrant>,
    /// Whether it has state in the play's store: the kernel keeps it ([`playhouse_kernel::ActorSpec::state`]).
    pub state: bool,
    /// HTTP requests at a time, of all instances of the actor. A request counts until its response is dropped. Default: 16.
    pub requests: usize,
    /// Blocking calls at a time, of all instances of the actor: file operations and look-ups of host names. Default: 4.
    pub blocking: Blocking,
    /// Files, folders and connections that all instances of the actor have open at a time. Default: 256.
    pub descriptors: Descriptors,
}

impl Default for Grants {
    fn default() -> Self {
        Self {
            env: Vec::new(),
            dirs: Vec::new(),
            hosts: Vec::new(),
            networks: Vec::new(),
            secrets: Vec::new(),
            state: false,
            requests: 16,
            blocking: Blocking::default(),
            descriptors: Descriptors::default(),
        }
    }
}

/// One environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// The value that the guest reads.
    pub value: String,
    /// The value is the host's own, not one that the manifest gives.
    pub from_host: bool,
}

impl Grants {
    /// Whether it grants nothing at all.
    pub(crate) fn is_nothing(&self) -> bool {
        self.env.is_empty()
            && self.dirs.is_empty()
            && self.hosts.is_empty()
            && self.networks.is_empty()
            && self.secrets.is_empty()
    }

    /// Whether it may use folders or the network: then effects of a turn outside the host stay, even if the turn is not
    /// committed.
    pub fn reach_outside(&self) -> bool {
        !self.dirs.is_empty() || !self.hosts.is_empty()
    }

    /// These grants limited to those of `parent`: a child gets no grant that its parent does not have.
    #[must_use]
    pub fn within(&self, parent: &Self) -> Self {
        let has = |variable: &Variable| parent.env.iter().any(|above| above.from_host && above.name == variable.name);
        Self {
            env: self.env.iter().filter(|variable| !variable.from_host || has(variable)).cloned().collect(),
            dirs: self.dirs.iter().filter_map(|folder| folder.within(&parent.dirs)).collect(),
            hosts: common(&self.hosts, &parent.hosts, Host::covers),
            networks: common(&self.networks, &parent.networks, Network::covers),
            secrets: self.secrets.iter().filter_map(|secret| secret.within(&parent.secrets)).collect(),
            state: self.state,
            requests: self.requests.min(parent.requests),
            blocking: self.blocking.below(&parent.blocking),
            descriptors: self.descriptors.below(&parent.descriptors),
        }
    }

    /// Whether an actor with these grants has the same access to the world outside as one with `other`.
    pub fn gives_the_same(&self, other: &Self) -> bool {
        let folder = |folder: &Folder| {
            (folder.host().to_owned(), folder.guest().to_owned(), folder.is_writable(), folder.growth_bytes())
        };
        let secret = |secret: &SecretGrant| (secret.name.clone(), secret.hosts.clone(), secret.header.clone());
        self.env == other.env
            && self.hosts == other.hosts
            && self.networks == other.networks
            && self.dirs.iter().map(folder).eq(other.dirs.iter().map(folder))
            && self.secrets.iter().map(secret).eq(other.secrets.iter().map(secret))
    }

    /// Puts each secret in place of its placeholder in the headers of a request to `target`, as far as the request may have it.
    pub(crate) fn put_secrets_into(&self, target: &Target, headers: &mut HeaderMap) {
        for secret in &self.secrets {
            secret.put_into(target, headers);
        }
    }

    /// Whether the actor changes anything outside of the host by itself: it sends requests, or writes files.
    pub fn changes_outside(&self) -> bool {
        !self.hosts.is_empty() || self.dirs.iter().any(|folder| folder.growth_bytes().is_some())
    }

    /// As [`Grants::within`] with the grants in these bounds of the parent; without a parent the grants stay as they are.
    #[must_use]
    pub fn bounded(self, within: &Bounds) -> Self {
        match &within.grants {
            None => self,
            // Bounds of another type cannot be understood here, so they permit no grant.
            Some(above) => above.downcast_ref().map_or_else(Self::default, |above| self.within(above)),
        }
    }
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
    fn child_gets_no_host_variable_that_its_parent_lacks() {
        let parent = Grants { env: vec![variable("LANG", true), variable("HOME", false)], ..Grants::default() };
        let child = ["LANG", "HOME", "PATH"].map(|name| variable(name, true));
        let child = Grants { env: child.into_iter().chain([variable("MODE", false)]).collect(), ..Grants::default() };
        assert_eq!(child.within(&parent).env, [variable("LANG", true), variable("MODE", false)]);
    }

    #[test]
    fn child_gets_no_more_of_a_folder_than_its_parent() {
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
            .map(|f| (f.host().file_name().map(ToOwned::to_owned), f.is_writable()))
            .collect();
        let kept: Vec<_> =
            kept.iter().map(|(name, writable)| (name.as_deref().and_then(|n| n.to_str()), *writable)).collect();
        let (read, below, write) = (Some("read"), Some("below"), Some("write"));
        assert_eq!(kept, [(read, false), (below, false), (write, true), (below, true), (write, false)]);
        assert!(child.within(&Grants::default()).dirs.is_empty());
    }

    #[test]
    fn child_may_reach_hosts_granted_to_both() {
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
}
