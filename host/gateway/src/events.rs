//! The events that the gateways log.

use playhouse_kernel::{AboutActor, HOST_TARGET, SendError, log_events};

log_events! {
    /// All events of the gateways.
    pub const EVENTS;

    /// A time of a `[[cron]]` entry has no run, since the message of its last run has not ended. At most one such line is logged in
    /// 10 seconds for each entry.
    pub(crate) struct CronSkipped<'a>("cron-skipped", WARN, HOST_TARGET) about AboutActor<'a> {
        /// The time without a run.
        due: &'a str,
        /// The receiver of its messages.
        receiver: &'a str,
        /// Such times since the host started.
        skipped: u64,
        /// Such lines that were not logged before this one.
        left_out: Option<u64>,
    }
    text() "no run at {due}: {receiver} has not handled the message of the last run";
    example "no run at 2026-11-29T03:00:00+01:00: /report has not handled the message of the last run";
    advice "Let the schedule come less often, or see in `playhouse tree` why the receiver is slow. `overlap = \"queue\"` keeps one run.";

    /// Times of a `[[cron]]` entry were noticed more than a minute late, or together with a later one: the host was not running, the
    /// machine slept, or its clock was set forward. They have no run.
    pub(crate) struct CronMissed<'a>("cron-missed", WARN, HOST_TARGET) about AboutActor<'a> {
        /// The first of them.
        first: &'a str,
        /// Their number; more than 1,000 are not counted.
        count: u64,
        /// Such times since the host started.
        missed: u64,
        /// Such lines that were not logged before this one.
        left_out: Option<u64>,
    }
    text(why: &'a str) "missed {count} times since {first}: {why}";
    example "missed 2 times since 2026-11-29T03:00:00+01:00: the machine slept, was too busy, or its clock was set forward";
    advice "Send the messages by hand with `playhouse tell` if they matter.";

    /// A dead letter was not sent to `[play.dead_letters] to`: the receiver refused it. The letter stays in the store. At most one such
    /// line is logged in 10 seconds.
    pub(crate) struct LetterNotSent<'a>("letter-not-sent", WARN, HOST_TARGET) about AboutActor<'a> {
        /// The id of the letter.
        letter: String,
        /// Such letters since the host started.
        refused: u64,
        /// Such lines that were not logged before this one.
        left_out: Option<u64>,
    }
    text(why: &'a SendError) "a dead letter was not sent: {why}";
    example "a dead letter was not sent: the mailbox of `/out/dead` is full";
    advice "`playhouse tree` shows the state and the mailbox of the receiver; `playhouse dead-letters` has the letter.";

    /// Dead letters were not sent to `[play.dead_letters] to`, since too many waited to be sent: 1,024, or 16 MiB. They stay in the store.
    /// At most one such line is logged in 10 seconds.
    pub(crate) struct LettersLeftOut<'a>("letters-left-out", WARN, HOST_TARGET) about AboutActor<'a> {
        /// Such letters since the host started.
        letters: u64,
        /// Such lines that were not logged before this one.
        left_out: Option<u64>,
    }
    text() "{letters} dead letters were not sent so far: too many waited";
    example "12 dead letters were not sent so far: too many waited";
    advice "The receiver is too slow, or too many messages become dead letters. `playhouse dead-letters` has those of the store.";

    /// A WebSocket connection ended before its client had all messages: the client reads too slowly, or was gone. They are no dead
    /// letters.
    pub(crate) struct WebSocketUndelivered<'a>("websocket-undelivered", INFO, HOST_TARGET) about AboutActor<'a> {
        /// The number of the messages.
        messages: u64,
    }
    text() "{messages} messages did not reach the client";
    example "12 messages did not reach the client";
    advice "A client that only sometimes reads slowly needs a larger `queue` of its route.";

    /// The receiver of a `[[cron]]` entry refused the message of a run. At most one such line is logged in 10 seconds for each entry.
    pub(crate) struct CronRefused<'a>("cron-refused", WARN, HOST_TARGET) about AboutActor<'a> {
        /// The receiver.
        receiver: &'a str,
        /// Such runs since the host started.
        refused: u64,
        /// Such lines that were not logged before this one.
        left_out: Option<u64>,
    }
    text(why: &'a SendError) "the message of a run was refused: {why}";
    example "the message of a run was refused: the mailbox of `/report` is full";
    advice "`playhouse tree` shows the state and the mailbox of the receiver.";
}
