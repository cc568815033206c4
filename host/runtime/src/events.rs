//! The events that the runtime logs.

use std::fmt::Display;

use playhouse_kernel::{AboutActor, AboutHost, AboutPlugin, AboutRun, HOST_TARGET, log_events};

/// The target of the lines of guests.
pub const GUEST_TARGET: &str = "playhouse::guest";
/// The target of the events of the control socket.
const CONTROL_TARGET: &str = "playhouse::control";

log_events! {
    /// All events of the runtime.
    pub const EVENTS;

    /// A plugin is being compiled, since the cache has no compiled code of it.
    pub struct PluginCompiling<'a>("plugin-compiling", INFO, HOST_TARGET) about AboutPlugin<'a> {
        /// The size of its file.
        bytes: u64,
    }
    text(name: &'a str, size: &'a str) "compiling {name} ({size})";
    example "compiling shop (1.2 MiB)";

    /// A plugin was compiled.
    pub struct PluginCompiled<'a>("plugin-compiled", INFO, HOST_TARGET) about AboutPlugin<'a> {
        /// The time that it took, in seconds.
        seconds: f64,
    }
    text(name: &'a str) "compiled {name} in {seconds:.1}s";
    example "compiled shop in 1.4s";

    /// A plugin was compiled again, since its compiled code in the cache was damaged.
    pub struct PluginRecompiled<'a>("plugin-recompiled", WARN, HOST_TARGET) about AboutPlugin<'a> {
        /// The time that it took, in seconds.
        seconds: f64,
    }
    text(name: &'a str, why: &'a str) "compiled {name} again in {seconds:.1}s: its compiled code in the cache was damaged ({why})";
    example "compiled shop again in 1.4s: its compiled code in the cache was damaged (its seal is wrong)";
    advice "If nobody changed the file, check the disk, and the rights of the cache's folder.";

    /// The store was brought to the format of this version. An older version cannot read it any more.
    pub(crate) struct StoreMigrated("store-migrated", INFO, HOST_TARGET) about AboutHost {
        /// The format before.
        from: u64,
        /// The format now.
        to: u64,
        /// The file that has the store as it was.
        copy: String,
    }
    text() "the store has format {to} now, and had {from}; as it was, it is in {copy}";
    example "the store has format 2 now, and had 1; as it was, it is in .playhouse/store/store.db.v1";
    advice "Remove the copy when you need no way back to the older version.";

    /// The HTTP server of `[play.metrics]` listens.
    pub(crate) struct MetricsListening("metrics-listening", INFO, HOST_TARGET) about AboutHost {
        /// Its address, with the port.
        listen: String,
    }
    text() "metrics are at http://{listen}/metrics";
    example "metrics are at http://127.0.0.1:9464/metrics";

    /// The play was told to stop, and still takes requests for `[play.drain] delay`, so that load balancers find other hosts.
    pub(crate) struct PlayDraining<'a>("play-draining", INFO, HOST_TARGET) about AboutHost {
        /// The time until the actors stop, in seconds.
        seconds: f64,
    }
    text(shown: &'a str) "takes requests for {shown} more, and is not ready: then the actors stop";
    example "takes requests for 15s more, and is not ready: then the actors stop";

    /// An operator set the level of the log for some actors (`playhouse log-level`).
    pub(crate) struct LogLevelSet<'a>("log-level-set", WARN, CONTROL_TARGET) about AboutHost {
        /// The actors.
        pattern: &'a str,
        /// Their level.
        to: &'a str,
        /// The operator: a user of the system.
        operator: &'a str,
        /// The time after which it ends, in seconds.
        seconds: Option<f64>,
    }
    text(until: &'a str) "the log level of {pattern} is {to} {until}, set by {operator}";
    example "the log level of /shop/** is debug for 10m, set by user 1000";

    /// An operator changed the state of a stopped actor (`playhouse state`).
    pub(crate) struct StateChanged<'a>("state-changed", WARN, CONTROL_TARGET) about AboutHost {
        /// The actor.
        of: &'a str,
        /// Number of keys that were set or removed.
        keys: u64,
        /// The operator: a user of the system.
        operator: &'a str,
    }
    text() "{keys} keys of the state of {of} were changed by {operator}";
    example "2 keys of the state of /till were changed by user 1000";

    /// An operator ended a level of the log that an operator had set.
    pub(crate) struct LogLevelReset<'a>("log-level-reset", WARN, CONTROL_TARGET) about AboutHost {
        /// The actors.
        pattern: &'a str,
        /// Their level until now.
        was: &'a str,
        /// The operator who ended it.
        operator: &'a str,
        /// The operator who set it.
        set_by: &'a str,
    }
    text() "the log level of {pattern}, {was} by {set_by}, was reset by {operator}";
    example "the log level of /shop/**, debug by user 1000, was reset by user 0";

    /// The time of a level of the log that an operator had set is over.
    pub(crate) struct LogLevelEnded<'a>("log-level-ended", WARN, CONTROL_TARGET) about AboutHost {
        /// The actors.
        pattern: &'a str,
        /// Their level until now.
        was: &'a str,
        /// The operator who set it.
        set_by: &'a str,
        /// The time that it lasted, in seconds.
        seconds: f64,
    }
    text(time: &'a str) "the log level of {pattern}, {was} by {set_by}, ended after {time}";
    example "the log level of /shop/**, debug by user 1000, ended after 10m";

    /// An actor is granted a variable of the environment that this host does not have. The actor starts without it.
    pub(crate) struct VariableAbsent<'a>("variable-absent", WARN, HOST_TARGET) about AboutActor<'a> {
        /// The name of the variable.
        variable: &'a str,
    }
    text(shown: &'a dyn Display) "it is granted the variable {shown}, which this host does not have";
    example "it is granted the variable SHOP_KEY, which this host does not have";
    advice "Set the variable for the host, or remove the grant.";

    /// The system allows fewer threads than the actors may need for calls that block. Such calls may wait for each other.
    pub(crate) struct ThreadsFew<'a>("threads-few", WARN, HOST_TARGET) about AboutHost {
        /// Threads that the actors may need.
        threads: usize,
    }
    text(advice: &'a str)
        "this play may want up to {threads} threads for calls that block, and a limit of the system may leave fewer: calls wait for \
         each other then; {advice}";
    example "this play may want up to 1024 threads for calls that block, and a limit of the system may leave fewer: calls wait for \
             each other then; raise `ulimit -u`";
    advice "Raise the limit that the text names.";

    /// A limit of the system leaves less memory, or fewer instances, than the manifest asks for.
    pub(crate) struct GuestsLimited<'a>("guests-limited", WARN, HOST_TARGET) about AboutHost {
        /// Memory that all guests together may have.
        memory_bytes: u64,
        /// Instances that may be live at a time.
        instances: u64,
    }
    text(advice: &'a str, memory: &'a str) "guests may have {memory} of memory together and {instances} instances: {advice}";
    example "guests may have 512.0 MiB of memory together and 40 instances: raise `ulimit -v`";
    advice "Raise the limit that the text names.";

    /// The number of files, sockets and folders that the host may have open at a time is low.
    pub(crate) struct DescriptorsFew<'a>("descriptors-few", INFO, HOST_TARGET) about AboutHost {
        /// The limit of the process.
        most: u64,
        /// The share of all actors together.
        actors: u64,
        /// Connections of clients.
        clients: usize,
    }
    text(advice: &'a str)
        "open files, sockets and folders: at most {most}, of which all actors together may have {actors}, and clients {clients}; \
         {advice}";
    example "open files, sockets and folders: at most 256, of which all actors together may have 128, and clients 32; raise `ulimit -n`";
    advice "Raise the limit if actors open files or connections.";

    /// The number of files, sockets and folders that the host may have open at a time.
    pub(crate) struct DescriptorsShared("descriptors-shared", DEBUG, HOST_TARGET) about AboutHost {
        /// The limit of the process; absent without one.
        most: Option<u64>,
        /// The share of all actors together; absent without a limit.
        actors: Option<u64>,
        /// Connections of clients.
        clients: usize,
    }
    text() "open files, sockets and folders are shared: clients may have {clients}";
    example "open files, sockets and folders are shared: clients may have 64";

    /// This system does not say how much memory is used. `memory_high` in `[play]` has no effect.
    pub(crate) struct MemoryUnknown("memory-unknown", WARN, HOST_TARGET) about AboutHost {
    }
    text() "this system does not say how much memory is used (no /proc): `memory_high` in [play] has no effect";
    example "this system does not say how much memory is used (no /proc): `memory_high` in [play] has no effect";
    advice "Mount `/proc` for the host.";

    /// Memory is short: messages from outside are refused until the use is a tenth below the mark.
    pub(crate) struct MemoryShort<'a>("memory-short", WARN, HOST_TARGET) about AboutHost {
    }
    text(why: &'a str) "memory is short: {why}. Messages from outside are refused until it is a tenth below";
    example "memory is short: the host uses 91 % of 512.0 MiB, and `memory_high` in [play] is \"90%\". Messages from outside are \
             refused until it is a tenth below";
    advice "`playhouse tree` shows the memory of each actor. Lower limits of actors, or give the host more memory.";

    /// Memory is free again: messages from outside are taken.
    pub(crate) struct MemoryRelieved<'a>("memory-relieved", WARN, HOST_TARGET) about AboutHost {
    }
    text(usage: &'a dyn Display) "memory is free again ({usage}): messages from outside are taken";
    example "memory is free again (the host uses 70 % of 512.0 MiB): messages from outside are taken";

    /// A connection to the control socket was refused, or a request on it was not understood. At most 10 such lines are
    /// logged in 10 seconds.
    pub(crate) struct ControlRefused<'a>("control-refused", WARN, CONTROL_TARGET) about AboutHost {
        /// Such lines that were not logged before this one.
        left_out: Option<u64>,
    }
    text(why: &'a dyn Display, more: &'a str) "{why}{more}";
    example "refused a connection of user 1001";
    advice "The text names the cause: another user (the user who runs the host, and root, may use its socket; members of the group `readers` in `[play.control]` may look), a request that is \
            no request of this version, or too many connections.";

    /// An operator acted through the control socket: `stop`, `start`, `log-level`, `dead-letters replay` and `drop`, `mailbox drop` and
    /// `import`, `state set`, `delete` and `import`, `store backup`. A request that a reader (`readers` in `[play.control]`) may not
    /// send is one, too. `tell` and `ask` are none. At most 100 such lines are logged in 10 seconds, and 10 about readers.
    pub(crate) struct OperatorAction<'a>("operator-action", INFO, CONTROL_TARGET) about AboutHost {
        /// The user's number.
        uid: u64,
        /// The user's name, if the system has it in `/etc/passwd`.
        user: Option<&'a str>,
        /// The client's process.
        pid: Option<u64>,
        /// The command of `playhouse`.
        command: &'a str,
        /// The address, the id, the pattern or the path that it is about.
        of: Option<&'a str>,
        /// `done`, `refused`, or `unknown` when the client left before its end.
        result: &'a str,
        /// The kind of the refusal, as on the control socket.
        reason: Option<&'a str>,
        /// Number of letters, messages or keys.
        count: Option<u64>,
        /// Such lines that were not logged before this one.
        left_out: Option<u64>,
    }
    text(who: &'a str, about: &'a str, end: &'a str, more: &'a str) "{who}: {command}{about}: {end}{more}";
    example "user 1000 (ada): stop /shop: done";

    /// The group `readers` of `[play.control]` cannot reach the control socket.
    pub(crate) struct ReadersShutOut<'a>("readers-shut-out", WARN, CONTROL_TARGET) about AboutHost {
        /// The group.
        group: &'a str,
        /// The folder that does not let it through.
        folder: &'a str,
        /// The mode of the folder.
        mode: &'a str,
    }
    text() "members of the group {group} cannot reach the control socket: {folder} (mode {mode}) does not let them through";
    example "members of the group ops cannot reach the control socket: /srv/play/.playhouse (mode 0700) does not let them through";
    advice "Name a socket in a folder of its own that the group may enter (that group, and mode 0710 or 0750) with `--socket`.";

    /// The control socket cannot accept a connection. The host closes idle connections and tries again.
    pub(crate) struct ControlFailed<'a>("control-failed", WARN, CONTROL_TARGET) about AboutHost {
    }
    text(why: &'a dyn Display) "the control socket cannot accept a connection, and closes idle ones for it: {why}";
    example "the control socket cannot accept a connection, and closes idle ones for it: too many open files";
    advice "Raise the limit that the text names.";

    /// A line that a guest wrote to stderr, or a record that it logged with `wasi:logging`. Its level is the guest's; lines of stderr
    /// have `info`. The text is the guest's.
    pub struct GuestLine<'a>("guest-line", INFO, GUEST_TARGET) about AboutRun<'a, Option<u64>> {
        /// The flow of the message that the guest handles.
        flow: Option<&'a str>,
        /// The id of this message.
        id: Option<&'a str>,
        /// The context of the record, as the guest gave it.
        context: Option<&'a str>,
        /// `true` if the guest calls the record critical.
        critical: Option<bool>,
    }
    text(line: &'a str) "{line}";
    example "12 orders open";
}
