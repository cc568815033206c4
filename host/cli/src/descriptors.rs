//! How many files, sockets and folders this process may have open: as many as the system lets it have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// With fewer than this the host's own files, sockets and connections may find no room beside those of its actors.
const ENOUGH: u64 = 4096;

/// Raises the soft limit (`RLIMIT_NOFILE`) to the hard one.
pub(crate) fn raise() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Says in the log how many there may be.
pub(crate) fn say() {
    let most = getrlimit(Resource::Nofile).current;
    let shown = |limit: Option<u64>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
    tracing::debug!(
        target: "playhouse",
        "open files, sockets and folders at most: {}", shown(most)
    );
    if let Some(most) = most.filter(|most| *most < ENOUGH) {
        tracing::warn!(
            target: "playhouse",
            "this process may have only {most} files, sockets and folders open (RLIMIT_NOFILE): actors that open many may use them \
             up; raise the hard limit with `ulimit -Hn`, or `LimitNOFILE=` of systemd"
        );
    }
}
