//! The actor kernel: it knows no WebAssembly, no file and no socket, and runs whatever implements [`Behavior`].
//!
//! | module | what lives there |
//! |---|---|
//! | `address`, `message`, `plan`, `crash`, `decision`, `dead_letter` | the words: plain data |
//! | `log`, `mailbox` | messages in front of an actor, as bytes, within bounds |
//! | `policy` | the door to what decides about the order of a mailbox and about its overflow |
//! | `hand` | the messages in hand, what they did, one by one or in bulk, and the commit that makes it visible |
//! | `spawn` | children at run time: templates, and whether a child may be |
//! | `timers` | the timers of one incarnation |
//! | `notice` | what a watcher is told about another actor |
//! | `failed` | actors that failed too often: what askers are told, what the play does not wait for |
//! | `delivery` | from a commit, or from outside, into mailboxes |
//! | `ask` | replies that somebody waits for |
//! | `replay` | dead letters, sent again or dropped |
//! | `pressure` | the door to the outside, shut while memory is short |
//! | `actor`, `lane`, `registry` | what outlives an incarnation, of the actor and of each of its instances; who is there |
//! | `random` | jitter from a seed |
//! | `behavior` | the door to the code that runs |
//! | `consult` | a parent is asked about a child that failed |
//! | `callback` | what an actor is told about its messages once they are over |
//! | `incarnation` | one run of that code: launch, turns, crash, shutdown |
//! | `host_wait` | time in which that code waits for the host itself, which is not billed |
//! | `watchdog` | the limit of a call in time in which it runs or waits |
//! | `clock` | which time is the host's and not the actors' |
//! | `slots` | bounds on the incarnations that live at a time |
//! | `subtree` | what an actor and all below it have together |
//! | `supervision` | who runs and who restarts: a pure state machine, and the task that obeys it |
//! | `kernel` | the front door |
//!
//! A message's way: [`Kernel::tell`] -> mailbox -> hand -> [`Behavior::handle`] -> commit -> mailbox.

mod actor;
mod address;
mod ask;
mod behavior;
mod callback;
mod clock;
mod consult;
mod crash;
mod dead_letter;
mod decision;
mod delivery;
mod failed;
mod hand;
mod host_wait;
mod incarnation;
mod kernel;
mod lane;
mod log;
mod mailbox;
mod message;
mod notice;
mod plan;
mod policy;
mod pressure;
mod random;
mod registry;
mod replay;
mod slots;
mod spawn;
mod subtree;
pub mod supervision;
mod timers;
mod watchdog;

pub use address::{Address, AddressError, MAX_SEGMENT_BYTES, MAX_SEGMENTS};
pub use ask::{Answer, AskError, SendError};
pub use behavior::{Behavior, Bounds, Gate, Launcher, Usage};
pub use callback::{TaskDone, TaskOutcome};
pub use clock::{Clock, HostClock, yield_to_others};
pub use consult::ChildFailed;
pub use crash::{Crash, CrashReason, CrashReport};
pub use dead_letter::{
    DeadLetter, DeadLetterCounts, DeadLetterSpec, DeadReason, Fates, LetterError, LetterFilter, LetterId,
};
pub use decision::Decision;
pub use failed::FailedActor;
pub use futures_util::future::BoxFuture;
pub use hand::{Bulk, BulkError, Failure, Hand, Outcome, Overrun, Resolved, TimerError};
pub use host_wait::HostWait;
pub use kernel::{ActorView, InstanceView, Kernel};
pub use mailbox::{MailboxSpec, MailboxView, Overflow, PressureView};
pub use message::{ActorId, Envelope, Message, MessageId, ReplyToken};
pub use notice::{Change, Notice, WatchError};
pub use plan::{
    ActorSpec, Backoff, MOST_INSTANCES, MaxInstances, Plan, PlanError, RestartKind, RestartSpec, StartKind, Strategy,
    SubtreeSpec, SupervisionSpec,
};
pub use policy::{
    About, Arrivals, Entry, Excess, Key, MOST_PREFIX_BYTES, MailboxPolicy, PolicyLauncher, PolicySpec, PolicyState,
    PolicyView, Rules, WhenFull,
};
pub use replay::LettersMoved;
pub use spawn::{Config, SpawnError, StopError, Template};
pub use supervision::events::{Directive, State, WhyGaveUp, Window};
pub use supervision::task::{DECISION_TARGET, Stage, StartError, StartedActor};
