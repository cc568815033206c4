//! The events that the command logs, and those that it prints on its console. The latter pass no filter, since they are messages
//! to the operator. In the format JSON they are lines of the log; in that of text they are their texts alone.

use std::fmt::Display;

use playhouse_runtime::{AboutHost, EventType, HOST_TARGET, log_events};

/// The target of messages to the operator.
const CONSOLE_TARGET: &str = "playhouse::console";

log_events! {
    /// All events of the command.
    pub const EVENTS;

    /// All actors have started, or wait for their first message.
    pub(crate) struct PlayUp<'a>("play-up", INFO, HOST_TARGET) about AboutHost {
        /// The name of the play.
        play: &'a str,
        /// Actors of the manifest.
        actors: usize,
    }
    text(shown: &'a str) "{play} is up: {shown}";
    example "shop is up: 3 actors";

    /// An operator ended the run: actors handle their waiting messages and stop.
    pub(crate) struct PlayStopping("play-stopping", INFO, CONSOLE_TARGET) about AboutHost {
    }
    text() "stopping in order; Ctrl-C again ends it at once";
    example "stopping in order; Ctrl-C again ends it at once";

    /// Some actors have not stopped yet.
    pub(crate) struct StopWaiting<'a>("stop-waiting", INFO, CONSOLE_TARGET) about AboutHost {
        /// Actors that have not stopped.
        actors: usize,
    }
    text(shown: &'a str) "waiting for {shown}";
    example "waiting for /shop (12 waiting), /till";

    /// A run with `--until-idle` does not end, since messages wait for actors that an operator stopped.
    pub(crate) struct PlayStalled<'a>("play-stalled", WARN, CONSOLE_TARGET) about AboutHost {
    }
    text(shown: &'a str) "waiting for {shown}";
    example "waiting for /shop, which is stopped: `playhouse start /shop`, or Ctrl-C";

    /// Actors wait to write to stdout, whose reader takes nothing.
    pub(crate) struct StdoutStalled("stdout-stalled", WARN, CONSOLE_TARGET) about AboutHost {
    }
    text() "waiting for stdout: its reader takes nothing, and actors wait to write more";
    example "waiting for stdout: its reader takes nothing, and actors wait to write more";

    /// All actors have ended, and the reader of stdout has not taken all output.
    pub(crate) struct OutputWaiting<'a>("output-waiting", WARN, CONSOLE_TARGET) about AboutHost {
        /// Bytes of output that are left.
        left_bytes: u64,
    }
    text(left: &'a str, way_out: &'a str)
        "waiting for the reader of stdout, which has not taken {left} of output: {way_out}";
    example "waiting for the reader of stdout, which has not taken 900 bytes of output: Ctrl-C ends the host within 10s";

    /// Stdout takes no more output. The play stops in order.
    pub(crate) struct StdoutClosed<'a>("stdout-closed", ERROR, CONSOLE_TARGET) about AboutHost {
    }
    text(why: &'a str) "stdout takes no more output ({why}): stopping in order";
    example "stdout takes no more output (its reader is gone): stopping in order";

    /// The input cannot go on. The play stops in order.
    pub(crate) struct InputFailed<'a>("input-failed", ERROR, CONSOLE_TARGET) about AboutHost {
    }
    text(why: &'a str) "{why}";
    example "stdin cannot be read: input/output error";

    /// A line of stdin is longer than the receiver takes. It was not sent.
    pub(crate) struct LineTooLong("line-too-long", WARN, CONSOLE_TARGET) about AboutHost {
        /// The number of the line, from 1.
        line: u64,
        /// Its bytes.
        bytes: u64,
        /// The bytes that a message may have: `limits.message` of the receiver.
        most_bytes: usize,
        /// The receiver.
        to: String,
    }
    text()
        "line {line} of stdin was not sent: it has {bytes} bytes, and `limits.message` of `{to}` is {most_bytes} bytes: raise it, or \
         send shorter lines";
    example "line 7 of stdin was not sent: it has 2000000 bytes, and `limits.message` of `/shop` is 1048576 bytes: raise it, or send \
             shorter lines";

    /// More lines of stdin were too long than were reported one by one.
    pub(crate) struct LinesTooLong<'a>("lines-too-long", WARN, CONSOLE_TARGET) about AboutHost {
        /// These lines.
        lines: u64,
    }
    text(shown: &'a str) "{shown} of stdin too long, and not sent";
    example "12 more lines of stdin too long, and not sent";

    /// Messages of the input were dropped by the rule `drop-newest` of a mailbox.
    pub(crate) struct InputDropped<'a>("input-dropped", WARN, CONSOLE_TARGET) about AboutHost {
        /// The receiver.
        to: String,
        /// These messages.
        messages: u64,
    }
    text(shown: &'a str) "{shown} of the input dropped: the mailbox of {to} was full (drop-newest)";
    example "2 messages of the input dropped: the mailbox of /shop was full (drop-newest)";

    /// Messages of the input were refused. They could be sent again.
    pub(crate) struct InputRefused<'a>("input-refused", WARN, CONSOLE_TARGET) about AboutHost {
        /// The reason, as of a send that fails: `mailbox-full` or `memory-pressure`.
        reason: &'static str,
        /// The receiver, if its mailbox was full.
        to: Option<String>,
        /// These messages.
        messages: u64,
    }
    text(shown: &'a str) "{shown}";
    example "3 messages of the input found no room in the mailbox of /shop";

    /// The summary of a run that left dead letters, restarted actors, or had to end some. Its text has several lines.
    pub(crate) struct PlaySummary<'a>("play-summary", INFO, CONSOLE_TARGET) about AboutHost {
        /// Messages that were handled.
        handled: u64,
        /// Messages that became dead letters.
        dead_letters: u64,
        /// Restarts of actors.
        restarts: u64,
        /// Actors that did not stop in time, or whose `shutdown` failed.
        failed_shutdowns: u64,
    }
    text(shown: &'a str) "{shown}";
    example "3 messages handled; 1 dead letter (rejected 1); 0 restarts";

    /// The actors that were failed at the end of the run, with the reason of each.
    pub(crate) struct ActorsFailed<'a>("actors-failed", ERROR, CONSOLE_TARGET) about AboutHost {
        /// Actors that were failed.
        actors: usize,
    }
    text(shown: &'a str) "{shown}";
    example "1 actor failed:\n  /shop: 11 failures within 10s, and 10 restarts are allowed";

    /// The manifest or a plugin is wrong. The text shows each place.
    pub(crate) struct ManifestWrong<'a>("manifest-wrong", ERROR, CONSOLE_TARGET) about AboutHost {
        /// The exit code of the process.
        exit_code: u32,
    }
    text(shown: &'a str) "{shown}";
    example "playhouse.toml:3: `plugin` is missing";

    /// The host ends because of a failure.
    pub(crate) struct HostFailed<'a>("host-failed", ERROR, CONSOLE_TARGET) about AboutHost {
        /// The exit code of the process.
        exit_code: u32,
    }
    text(why: &'a str) "{why}";
    example "stdout cannot be written: its reader is gone; 12 bytes of output lost";

    /// Lines were dropped here, since stderr was read too slowly.
    pub(crate) struct StderrLinesDropped<'a>("stderr-lines-dropped", WARN, CONSOLE_TARGET) about AboutHost {
        /// These lines.
        lines: u64,
    }
    text(shown: &'a dyn Display) "{shown} dropped here: stderr was read too slowly";
    example "12 lines dropped here: stderr was read too slowly";
}

/// The events of all crates, in the order of the layers.
pub fn all() -> impl Iterator<Item = &'static EventType> {
    [
        playhouse_runtime::KERNEL_EVENTS,
        playhouse_runtime::SANDBOX_EVENTS,
        playhouse_runtime::HTTP_EVENTS,
        playhouse_runtime::GATEWAY_EVENTS,
        playhouse_runtime::BROKER_EVENTS,
        playhouse_runtime::EVENTS,
        EVENTS,
    ]
    .into_iter()
    .flatten()
}
