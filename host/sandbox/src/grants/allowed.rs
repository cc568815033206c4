//! The check of a request's target against the grants of its actor, and of each address that the target's name leads to.

use std::net::SocketAddr;

use super::actor::Grants;
use super::addresses::{self, Network};
use super::hosts::{Host, Target};

/// The grants that decide which addresses a request may connect to.
pub(crate) struct Allowed<'a> {
    hosts: Vec<&'a Host>,
    networks: &'a [Network],
}

impl Grants {
    /// The grants for a target; none when no grant names the target, whichever address its name leads to.
    pub(crate) fn allow(&self, target: &Target) -> Option<Allowed<'_>> {
        let hosts: Vec<_> = self.hosts.iter().filter(|host| host.is_for(target)).collect();
        (!hosts.is_empty()).then_some(Allowed { hosts, networks: &self.networks })
    }
}

impl Allowed<'_> {
    pub(crate) fn may_connect(&self, to: SocketAddr) -> bool {
        let address = addresses::plain(to.ip());
        addresses::is_public(address)
            || self.hosts.iter().any(|host| host.names(address))
            || self.networks.iter().any(|network| network.has(address))
    }
}
