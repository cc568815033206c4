//! The events that the kernel logs.

use std::fmt::Display;

use crate::words::address::Address;
use crate::words::crash::CrashReason;
use crate::words::dead_letter::{DeadReason, LetterId};
use crate::words::decision::Decision;
use crate::words::event::{AboutActor, AboutHost, AboutMessage, AboutRun, DECISION_TARGET, HOST_TARGET};

log_events! {
    /// All events of the kernel.
    pub const EVENTS;

    /// The code of an actor crashed, or did not start. Its supervisor decides about the next start: the event that follows
    /// says how. The functions of the code, innermost first, are in `backtrace`, unless they are those of the crash before.
    pub(crate) struct ActorCrashed<'a>("actor-crashed", ERROR, HOST_TARGET) about (AboutRun<'a>, Option<AboutMessage>) {
        /// The kind of the crash, as in the metric `playhouse_crashes_total`.
        reason: &'static str,
        /// The attempts that the message has, if it alone is to blame: `restart.attempts`.
        attempts: Option<u32>,
        /// Messages that are handled again, one at a time, to find the one to blame.
        replayed: Option<usize>,
        /// The innermost functions, one in a line.
        backtrace: Option<String>,
    }
    text(crash: &'a CrashReason) "crashed: {crash}";
    example "crashed: panicked: no such order, src/lib.rs:12:5";
    advice "Read the text, the functions, and the lines that the actor wrote before. `playhouse tree` shows the last \
            crash of each actor. A crash with `id` is about one message: after its last attempt it is a dead letter.";

    /// Another actor ended the instance that both share, and this one restarts. The event `shared-instance-ended` of the other one counts
    /// all that restart.
    pub(crate) struct InstanceLost<'a>("instance-lost", DEBUG, HOST_TARGET) about AboutRun<'a> {
    }
    text(crash: &'a CrashReason) "{crash}";
    example "lost the instance that it shares with /user/ada, which panicked: no such order, src/lib.rs:12:5";
    advice "Nothing to do for this actor: its messages wait, no attempt counts, and the failure does not count. Mend the actor that \
            the text names, or remove `share` from the manifest.";

    /// An actor restarts after a failure. It is not logged where another actor ended the instance that both share.
    pub(crate) struct ActorRestarting<'a>("actor-restarting", INFO, HOST_TARGET) about AboutRun<'a> {
        /// The kind of the crash, as in the metric `playhouse_crashes_total`.
        reason: Option<&'static str>,
        /// The pause before the restart, in seconds.
        pause_seconds: f64,
        /// Failures that count within the period: those over messages only while they outnumber the messages that were handled
        /// (`docs/supervision.md`).
        restarts: u32,
        /// The failures that may count within the period: `supervision.intensity` of the parent, or of `[play]`.
        intensity: u32,
    }
    text(decision: &'a Decision) "{decision}";
    example "restarts in 12ms, failures that count within 10s: 2 of 10";

    /// The start of an actor that an operator ordered, or the first start of a spawned actor, failed. It is not tried again.
    pub(crate) struct StartFailed<'a>("start-failed", WARN, HOST_TARGET) about AboutRun<'a> {
        /// The kind of the crash.
        reason: &'static str,
    }
    text(decision: &'a Decision) "{decision}";
    example "is not tried again: its start failed";

    /// The code of an actor refused to start (`decide_to_start`). Its messages wait, and it is asked again.
    pub(crate) struct StartRefused<'a>("start-refused", INFO, HOST_TARGET) about AboutRun<'a> {
        /// Messages that wait.
        waiting: usize,
    }
    text() "its code refused to start: its messages wait";
    example "its code refused to start: its messages wait";

    /// The start of an actor waits, since all instances that may be live at a time are in use, and none of them is idle. It is logged once,
    /// for the first such start, until no start waits any more.
    pub(crate) struct StartWaiting<'a>("start-waiting", WARN, HOST_TARGET) about AboutRun<'a> {
        /// Live instances.
        instances: usize,
    }
    text(holders: &'a str, rule: &'a str, idle: &'a str)
        "its start waits for a free slot: {instances} {holders}, which is {rule}, and none of them is {idle}";
    example "its start waits for a free slot: 100 instances run, which is all that `play.max_instances` admits, and none of them is idle with \
             `idle = \"stop\"`";
    advice "Raise the limit that the text names: `live` for members of a family. Other actors may be passivated with `idle = \"stop\"`.";

    /// An actor did not stop within `supervision.shutdown` of its parent, or of `[play]`: its incarnation was ended.
    pub(crate) struct ActorKilled<'a>("actor-killed", WARN, HOST_TARGET) about AboutRun<'a> {
    }
    text() "did not stop in time: killed";
    example "did not stop in time: killed";
    advice "Its `shutdown` hook, or the message that it handled, took too long. Raise `supervision.shutdown` \
            if that is right.";

    /// An actor directly under `/` failed too often, and with it all actors below it. Its messages wait for a trial start.
    pub(crate) struct ActorFailed<'a>("actor-failed", ERROR, DECISION_TARGET) about AboutRun<'a> {
        /// Why it is not restarted, in one word: `too-often`, `nothing-handled`, `not-up`, `trial-failed`, `failed-start`,
        /// `escalated`.
        reason: &'static str,
        /// The kind of its last crash.
        crash: Option<&'static str>,
        /// The pause before the trial start, in seconds; without it only an operator starts the actor.
        trial_seconds: Option<f64>,
    }
    text(decision: &'a Decision, address: &'a Address, last: &'a dyn Display)
        "{decision} (`playhouse start {address}` tries at once){last}";
    example "failed: 11 failures within 10s, and 10 restarts are allowed; a trial start in 60s (`playhouse start /shop` tries at once); \
             the last: /shop (incarnation 11) trapped: unreachable";
    advice "Find the cause in the `actor-crashed` events before it, repair the plugin or its surroundings, then \
            `playhouse start`.";

    /// A supervisor below `/` gave up on a child and fails itself: its own supervisor decides what happens then.
    pub(crate) struct SupervisorGaveUp<'a>("supervisor-gave-up", ERROR, HOST_TARGET) about AboutRun<'a> {
        /// Why it gave up, in one word: `too-often`, `failed-start`, `escalated`.
        reason: &'static str,
        /// The kind of the child's last crash.
        crash: Option<&'static str>,
        /// The child that failed.
        child: String,
    }
    text(why: &'a dyn Display, last: &'a dyn Display) "gave up: {why}{last}";
    example "gave up: 3 failures within 10s, and 2 restarts are allowed; the last: /shop/till (incarnation 3) trapped: unreachable";

    /// The play ends because an actor that it requires failed, or since every actor failed. The host exits with status 4.
    pub(crate) struct PlayGaveUp<'a>("play-gave-up", ERROR, DECISION_TARGET) about AboutRun<'a> {
        /// Why it ends, in one word: `ended`, `all-failed`, or the reason for which the required actor is not restarted.
        reason: &'static str,
        /// The kind of the actor's last crash.
        crash: Option<&'static str>,
    }
    text(why: &'a dyn Display, last: &'a dyn Display) "ends the play: {why}{last}";
    example "ends the play: every actor failed; the last: /shop (incarnation 11) trapped: unreachable";
    advice "The summary at the end lists the failures that led there.";

    /// The code of an actor panicked when it was dropped. The actor goes on.
    pub(crate) struct DropPanicked<'a>("drop-panicked", ERROR, HOST_TARGET) about AboutRun<'a> {
    }
    text(panic: &'a str) "panicked while it was dropped: {panic}";
    example "panicked while it was dropped: no such table";

    /// The kernel itself panicked while it ran an actor, which counts as a crash of the actor.
    pub(crate) struct KernelPanicked<'a>("kernel-panicked", ERROR, HOST_TARGET) about AboutRun<'a> {
        /// Always `panic`.
        reason: &'static str,
    }
    text(message: &'a str) "{message}";
    example "a bug in the kernel, please report it: index out of bounds";
    advice "Report it with this line and those before it.";

    /// A message failed and is handled again after a pause.
    pub(crate) struct MessageRetried<'a>("message-retried", INFO, HOST_TARGET) about (AboutRun<'a>, AboutMessage) {
        /// Always `failed`, as of the dead letter that the message becomes after its last attempt.
        reason: &'static str,
        /// The attempts that the message has: `restart.attempts`.
        attempts: u32,
    }
    text(failure: &'a str) "will retry: {failure}";
    example "will retry: the shop does not answer";

    /// A message will not be handled. It is kept as a dead letter.
    pub(crate) struct DeadLettered<'a>("dead-letter", WARN, HOST_TARGET) about (AboutRun<'a, Option<u64>>, AboutMessage) {
        /// The kind of the reason, as in the metric `playhouse_dead_letters_total`.
        reason: &'static str,
        /// The kind of the crash that is the reason.
        crash: Option<&'static str>,
    }
    text(why: &'a DeadReason) "dead letter: {why}";
    example "dead letter: rejected: no such product";
    advice "`playhouse dead-letters` shows it. Repair the cause, then replay or drop it.";

    /// An actor that comes once, such as a WebSocket connection, ended with messages in its mailbox. They are no dead letters.
    pub(crate) struct MessagesDropped<'a>("messages-dropped", INFO, HOST_TARGET) about AboutActor<'a> {
        /// The number of the messages.
        messages: u64,
    }
    text() "dropped {messages} messages at its end";
    example "dropped 12 messages at its end";

    /// An operator replayed a dead letter: the receiver accepted it as a new message of the same flow.
    pub(crate) struct LetterReplayed<'a>("letter-replayed", INFO, HOST_TARGET) about (AboutActor<'a>, AboutMessage) {
        /// The id of the dead letter.
        letter: String,
    }
    text(of: &'a LetterId) "replays the dead letter {of}";
    example "replays the dead letter 5d1f09c41b0e4a5f8f6c1f0a2b3c4d5e";

    /// An operator dropped a dead letter.
    pub(crate) struct LetterDropped<'a>("letter-dropped", INFO, HOST_TARGET) about (AboutActor<'a, Option<&'a str>>, AboutMessage) {
        /// The kind of the reason of the dead letter.
        reason: &'static str,
        /// The id of the dead letter.
        letter: String,
    }
    text(of: &'a LetterId, why: &'a DeadReason) "dropped the dead letter {of}: {why}";
    example "dropped the dead letter 5d1f09c41b0e4a5f8f6c1f0a2b3c4d5e: rejected: no such product";

    /// An operator dropped messages that waited in a durable mailbox. They are gone, and no dead letters.
    pub(crate) struct MessagesRemoved<'a>("messages-removed", INFO, HOST_TARGET) about AboutActor<'a, Option<&'a str>> {
        /// Messages that are gone.
        messages: u64,
        /// The operator.
        by: &'a str,
    }
    text() "{by} dropped {messages} waiting messages";
    example "user 1000 dropped 12 waiting messages";

    /// An operator brought messages into a durable mailbox.
    pub(crate) struct MessagesImported<'a>("messages-imported", INFO, HOST_TARGET) about AboutActor<'a> {
        /// Messages that came.
        messages: u64,
        /// The operator.
        by: &'a str,
    }
    text() "{by} imported {messages} messages";
    example "user 1000 imported 12 messages";

    /// A mailbox has no space for a message. Logged once until it has had space for a while.
    pub(crate) struct MailboxFull<'a>("mailbox-full", WARN, HOST_TARGET) about AboutActor<'a> {
        /// The rule for further messages, in one word: `block`, `reject`, `drop-newest`, `drop-oldest`, or `policy` when the
        /// mailbox's plugin chooses.
        overflow: &'static str,
        /// Messages that wait.
        waiting: usize,
        /// Their bytes.
        bytes: usize,
        /// The messages that may wait: `mailbox.capacity`.
        capacity: usize,
    }
    text(then: &'a str) "the mailbox is full: {then}";
    example "the mailbox is full: senders wait";
    advice "The actor is slower than its senders, or hangs: `playhouse tree` shows its state. Give it more `instances`, or \
            let senders send less.";

    /// The store has no space, or only what it keeps for turns and orders. Messages for durable actors from outside are refused with
    /// `not-stored`, and their turns wait when there is no space at all.
    pub(crate) struct StoreFull<'a>("store-full", WARN, HOST_TARGET) about AboutHost {
        /// Entries that wait to be written.
        behind: u64,
    }
    text(why: &'a str) "{why}: senders wait, and messages from outside are refused";
    example "the store is full: the disk, or `size` of `[play.store]`, has no space left: senders wait, and messages from outside are refused";
    advice "Make space on the disk, raise `size` of `[play.store]`, or drop waiting messages (`playhouse mailbox drop`) or dead \
            letters. Nothing that was confirmed is lost.";

    /// The store has space again.
    pub(crate) struct StoreFreed("store-freed", INFO, HOST_TARGET) about AboutHost {
        /// The time without space, in seconds.
        seconds: f64,
    }
    text() "the store has space again";
    example "the store has space again";

    /// The store has messages for an actor that the play does not have any more, or whose mailbox is not durable any more. They stay
    /// in the store. Several such actors below one address, as the members of a family that is gone, are one line.
    pub(crate) struct MessagesKept<'a>("messages-kept", WARN, HOST_TARGET) about AboutHost {
        /// The address of the actor; of several the address above them, with `/*`.
        to: &'a str,
        /// The number of these actors.
        actors: u64,
        /// Messages that wait.
        waiting: u64,
        /// Their timers, which do not fire.
        timers: u64,
    }
    text(which: &'a str)
        "{to}{which} stays in the store with its messages ({waiting}) and timers ({timers}): the play has no such actor with a durable mailbox";
    example "/till stays in the store with its messages (12) and timers (1): the play has no such actor with a durable mailbox";
    advice "Give the play an actor with this address, or the family again, with a durable mailbox, and it handles them.";

    /// The store has members of a family whose names do not fit `names` any more, or whose mailboxes are not durable any more. They stay in
    /// the store. It is logged once for each family, at the start.
    pub(crate) struct MembersKept<'a>("members-kept", WARN, HOST_TARGET) about AboutHost {
        /// The family.
        to: &'a str,
        /// The number of these members.
        members: u64,
        /// Messages that wait for them.
        waiting: u64,
        /// Their timers, which do not fire.
        timers: u64,
    }
    text(why: &'a str)
        "{to} has members ({members}) that stay in the store with their messages ({waiting}), timers ({timers}) and states: {why}";
    example "/user/* has members (12) that stay in the store with their messages (3), timers (0) and states: their names do not fit `names`, as \
             that of /user/Ada";
    advice "A family that lets them in again brings them back. Else `playhouse mailbox drop` removes their messages, and \
            `playhouse state delete --store PATH` their states, once the host is stopped.";

    /// A member of a family was removed, with its state: it had no message for `expire` of the family.
    pub(crate) struct MemberExpired<'a>("member-expired", INFO, HOST_TARGET) about AboutActor<'a> {
        /// The time since a message for it was noted in the store, in seconds. Later messages may have come within a sixteenth of `expire`.
        idle_seconds: u64,
    }
    text() "removed with its state: no message for {idle_seconds}s";
    example "removed with its state: no message for 2592000s";

    /// The plugin of a mailbox crashed. It is started again, and gets all messages again.
    pub(crate) struct PolicyCrashed<'a>("policy-crashed", ERROR, HOST_TARGET) about AboutActor<'a> {
        /// The kind of the crash.
        reason: &'static str,
        /// The plugin of the mailbox.
        policy: String,
        /// The number of its run, from 1.
        run: u64,
        /// Whether it crashed too often: the mailbox goes on without it, first in, first out.
        gave_up: bool,
        /// The innermost functions, one in a line.
        backtrace: Option<String>,
    }
    text(crash: &'a CrashReason, next: &'a str) "its mailbox plugin `{policy}` {crash}; no message is lost{next}";
    example "its mailbox plugin `priority` trapped: unreachable; no message is lost";

    /// The plugin of a mailbox panicked when it was dropped.
    pub(crate) struct PolicyDropPanicked<'a>("policy-drop-panicked", ERROR, HOST_TARGET) about AboutActor<'a> {
        /// The plugin of the mailbox.
        policy: String,
    }
    text() "its mailbox plugin panicked while it was dropped";
    example "its mailbox plugin panicked while it was dropped";

    /// The kernel itself panicked while it drove the plugin of a mailbox. The mailbox goes on without it.
    pub(crate) struct PolicyDriverPanicked<'a>("policy-driver-panicked", ERROR, HOST_TARGET) about AboutActor<'a> {
        /// The plugin of the mailbox.
        policy: String,
    }
    text(panic: &'a str) "a bug in the kernel, please report it: the policy driver of this mailbox panicked: {panic}";
    example "a bug in the kernel, please report it: the policy driver of this mailbox panicked: index out of bounds";
    advice "Report it with this line and those before it.";
}
