//! Descriptors: the files, sockets and folders that this process may have open (`RLIMIT_NOFILE`). The host keeps a reserve for
//! itself, and its actors share the others, so that an operator reaches the host even if guests use up all their descriptors.

use playhouse_kernel::{AboutHost, LogEvent};
use playhouse_sandbox::SystemLimit;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::events::{DescriptorsFew, DescriptorsShared};
use crate::manifest::PlaySettings;

/// With fewer than this, a run says their number at its default log level.
const ENOUGH: u64 = 4096;
/// Maximum number of client connections at a time, if the reserve has space for them.
const CONNECTIONS: u64 = 256;
/// The host's own: standard streams, log, control socket, event loop, cache, certificates.
const OWN: u64 = 128;
/// Number of open files with the initial memory of one plugin, or its code.
const OF_A_PLUGIN: u64 = 2;
/// Minimum number that the host and its actors together need, besides the descriptors that are open all the time.
const LEAST: u64 = 32;

/// The descriptors of a run, divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    /// The limit of the system; `None` without one.
    pub(crate) all: Option<u64>,
    /// Maximum number that all actors together may have open.
    pub(crate) of_actors: u64,
    /// Connections of clients at a time.
    pub(crate) connections: usize,
}

/// Raises the soft limit (`RLIMIT_NOFILE`) to the hard one.
pub fn raise() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If the system refuses, the limit stays unchanged.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// The shares of a play under the present limit. `Err` tells an operator that the limit is too low.
pub(crate) fn shares(play: &PlaySettings) -> Result<Shares, String> {
    let folders: usize = play.settings().map(|settings| settings.grants.dirs.len()).sum();
    let plugins = play.plugin_names().len() + play.mailbox_plugin_names().len();
    let metrics = if play.metrics.is_some() { playhouse_observe::DESCRIPTORS } else { 0 };
    // A server holds its port as well, for each incarnation and over them.
    let http =
        play.http.iter().map(|server| server.settings.bounds.connections as u64 + 2).fold(0, u64::saturating_add);
    let mut with = String::new();
    if metrics > 0 {
        with += ", with the metrics server,";
    }
    if http > 0 {
        with += ", with the `connections` of each [[http]],";
    }
    let held = (folders as u64).saturating_add(OF_A_PLUGIN * plugins as u64 + metrics).saturating_add(http);
    // Calls of spawned actors count for their parents.
    let reaching = play.actors.iter().filter(|actor| actor.settings.grants.reach_outside());
    let calls = reaching.map(|actor| actor.settings.grants.blocking.at_most() as u64).fold(0, u64::saturating_add);
    Shares::of(SystemLimit::Files.get(), held, calls).ok_or_else(|| {
        format!(
            "{folders} granted folders and {plugins} plugins{with} leave fewer than {LEAST} open files, \
             sockets and folders to the host and its actors: {}",
            SystemLimit::Files.advice()
        )
    })
}

impl Shares {
    /// Divides `all`. `held` descriptors are open all the time: granted folders and plugins. Each of the `calls` that may block
    /// needs one more while it runs. `None` if there are too few.
    fn of(all: Option<u64>, held: u64, calls: u64) -> Option<Self> {
        let connections = |most: u64| usize::try_from(most).unwrap_or(usize::MAX);
        let Some(most) = all else {
            return Some(Self { all, of_actors: u64::MAX, connections: connections(CONNECTIONS) });
        };
        let free = most.checked_sub(held).filter(|free| *free >= LEAST)?;
        let reserve = calls.saturating_add(CONNECTIONS + OWN).min(free.div_ceil(2));
        let of_clients = reserve.saturating_sub(calls.saturating_add(OWN)).max(reserve / 4);
        Some(Self { all, of_actors: free - reserve, connections: connections(of_clients.min(CONNECTIONS)) })
    }

    /// Logs the number of descriptors, and the share of the actors.
    pub(crate) fn say(&self) {
        let Self { all, of_actors, connections } = self;
        let Some(all) = *all else {
            return DescriptorsShared { subject: AboutHost, most: None, actors: None, clients: *connections }.log();
        };
        if all < ENOUGH {
            let advice = SystemLimit::Files.advice();
            DescriptorsFew {
                subject: AboutHost,
                most: all,
                actors: *of_actors,
                clients: *connections,
                advice: &advice,
            }
            .log();
        } else {
            let (most, actors) = (Some(all), Some(*of_actors));
            DescriptorsShared { subject: AboutHost, most, actors, clients: *connections }.log();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_keeps_descriptors_for_itself() {
        let of =
            |all, held, calls| Shares::of(Some(all), held, calls).map(|shares| (shares.of_actors, shares.connections));
        assert_eq!(of(1 << 20, 100, 40), Some(((1 << 20) - 100 - 40 - 384, 256)));
        assert_eq!(of(4096, 10, 1000), Some((4086 - 1384, 256)));
        assert_eq!(of(1024, 24, 1000), Some((500, 125)));
        assert_eq!(of(64, 3, 4), Some((30, 7)));
        assert_eq!(of(64, 33, 4), None);
        assert_eq!(of(64, 65, 4), None);
    }

    #[test]
    fn actors_have_no_limit_without_one_of_the_system() {
        let shares = Shares::of(None, 1000, 1000).expect("enough");
        assert_eq!((shares.of_actors, shares.connections), (u64::MAX, 256));
    }
}
