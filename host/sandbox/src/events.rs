//! The events that the sandbox logs.

use std::fmt::Display;

use playhouse_kernel::{AboutActor, AboutHost, AboutRun, HOST_TARGET, log_events};

log_events! {
    /// All events of the sandbox.
    pub const EVENTS;

    /// There is no cache of compiled code, so that each start compiles all plugins again.
    pub struct CacheUnavailable<'a>("cache-unavailable", WARN, HOST_TARGET) about AboutHost {
    }
    text(why: &'a dyn Display) "no cache of compiled code, so that each start compiles again: {why}";
    example "no cache of compiled code, so that each start compiles again: set XDG_CACHE_HOME and XDG_STATE_HOME, or HOME, to \
             absolute paths";
    advice "Set the variables that the text names.";

    /// Compiled code could not be kept in the cache. The next start compiles the plugin again.
    pub(crate) struct CacheNotWritten<'a>("cache-not-written", WARN, HOST_TARGET) about AboutHost {
        /// The folder of the cache.
        folder: String,
    }
    text(why: &'a dyn Display) "cannot keep compiled code in `{folder}`: {why}; the next start compiles the plugin again";
    example "cannot keep compiled code in `/home/ada/.cache/playhouse`: no space left on device; the next start compiles the plugin \
             again";
    advice "Free space on the disk, or give the user of the host the right to write there.";

    /// The cache of compiled code could not be searched for old entries. Old code stays there.
    pub(crate) struct CacheNotPruned<'a>("cache-not-pruned", DEBUG, HOST_TARGET) about AboutHost {
    }
    text(why: &'a dyn Display) "cannot look through the cache of compiled code: {why}";
    example "cannot look through the cache of compiled code: permission denied";

    /// The machine has memory mappings for fewer instances than `max_instances`.
    pub(crate) struct InstancesLimited("instances-limited", WARN, HOST_TARGET) about AboutHost {
        /// `max_instances`.
        wanted: u32,
        /// Instances that may be live at a time.
        instances: u32,
    }
    text()
        "max_instances is {wanted}, and this machine has memory mappings for {instances} only; raise the sysctl \
         `vm.max_map_count`";
    example "max_instances is 100000, and this machine has memory mappings for 21000 only; raise the sysctl `vm.max_map_count`";

    /// Names that are not UTF-8 were left out when an actor listed a folder. Logged once for each granted folder.
    pub(crate) struct NamesLeftOut("names-left-out", WARN, HOST_TARGET) about AboutHost {
        /// The granted folder, as the host names it.
        folder: String,
        /// Names that were left out of this listing.
        names: u64,
    }
    text()
        "names that are not UTF-8 are left out when actors list folders in `{folder}`: {names} in one listing. Rename these files \
         if actors need them; this is logged once";
    example "names that are not UTF-8 are left out when actors list folders in `/srv/shop`: 2 in one listing. Rename these files if \
             actors need them; this is logged once";

    /// This machine has no certificate that it trusts, so that all requests with https fail.
    pub(crate) struct NoCertificates<'a>("no-certificates", WARN, HOST_TARGET) about AboutHost {
    }
    text(why: &'a str)
        "this machine trusts no certificate{why}, so all https requests fail: install the package `ca-certificates`, or set \
         SSL_CERT_FILE";
    example "this machine trusts no certificate, so all https requests fail: install the package `ca-certificates`, or set \
             SSL_CERT_FILE";

    /// Lines of an actor's stderr, or of the host about the actor and those that it spawned, were left out, since they are more
    /// than the actor may write in a second. Lines of one second are reported together.
    pub struct LogLinesLeftOut<'a>("log-lines-left-out", WARN, HOST_TARGET) about AboutActor<'a, Option<&'a str>> {
        /// Lines of stderr.
        guest_lines: u64,
        /// Lines of the host about the actor.
        host_lines: u64,
        /// Bytes of all these lines.
        bytes: u64,
        /// The lines that are allowed in a second: `limits.log_lines`.
        most_lines: u64,
        /// The bytes that are allowed in a second: `limits.log_bytes`.
        most_bytes: u64,
    }
    text(shown: &'a dyn Display)
        "left out {shown} ({bytes} bytes): limits.log_lines is {most_lines} a second, limits.log_bytes {most_bytes}";
    example "left out 2 lines of its stderr and 7 lines of the host about it (90 bytes): limits.log_lines is 5 a second, \
             limits.log_bytes 1000";
    advice "Let the actor write less, or raise `limits.log_lines` and `limits.log_bytes`.";

    /// An actor may open no more files, folders and connections. Logged once for each actor.
    pub(crate) struct DescriptorRefused<'a>("descriptor-refused", WARN, HOST_TARGET) about AboutRun<'a, Option<u64>> {
        /// Files, folders and connections that may be open at a time.
        most: u64,
    }
    text(key: &'a str)
        "cannot open more files, folders and connections: the limit is {most} at a time ({key}). Raise it, or let the actor close \
         them earlier; this is logged once";
    example "cannot open more files, folders and connections: the limit is 256 at a time (its `limits.descriptors`, or that of an \
             actor above it). Raise it, or let the actor close them earlier; this is logged once";

    /// An actor ended the instance that it shares with others. They restart in a new instance, and none of them is blamed.
    pub(crate) struct SharedInstanceEnded<'a>("shared-instance-ended", INFO, HOST_TARGET) about AboutRun<'a, Option<u64>> {
        /// The other actors in the instance, which restart.
        others: usize,
    }
    text(how: &'a str) "ended the instance that it shares, since it {how}; other actors that restart: {others}";
    example "ended the instance that it shares, since it panicked: no such order, src/lib.rs:12:5; other actors that restart: 899";
    advice "Mend this actor, or remove `share` from the manifest. The others need nothing: their messages wait, no attempt counts, \
            and the failure does not count. At level `debug` each of them logs `instance-lost`.";

    /// A request of an actor was refused, since its grants do not allow it. Logged once for each target and reason, and for at
    /// most 16 of them.
    pub(crate) struct RequestRefused<'a>("request-refused", WARN, HOST_TARGET) about AboutRun<'a, Option<u64>> {
        /// The target of the request.
        to: &'a str,
    }
    text(why: &'a str, last: &'a str) "refused a request to {to}: {why}{last}";
    example "refused a request to http://shop.test: the actor's grant `hosts` does not list it; add it if the actor needs it";
}
