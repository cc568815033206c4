//! The actor kernel: it knows no WebAssembly, no file and no socket, and runs any code that implements [`Behavior`].
//!
//! | module | content |
//! |---|---|
//! | `address`, `message`, `plan`, `crash`, `decision`, `dead_letter` | plain data |
//! | `log`, `mailbox` | messages in front of an actor, as bytes, within bounds |
//! | `policy` | the interface to code that decides about the order of a mailbox and about its overflow |
//! | `turn` | a turn: its messages, their effects, one by one or in bulk, and the commit that makes them visible |
//! | `spawn` | children at run time: templates, and the checks of a spawn |
//! | `timers` | the timers of one incarnation |
//! | `notice` | notices to a watcher about another actor |
//! | `failed` | actors that failed too often: the error for askers, the messages that the play does not wait for |
//! | `delivery` | from a commit, or from outside, into mailboxes |
//! | `ask` | replies that an asker waits for |
//! | `replay` | dead letters, sent again or dropped |
//! | `pressure` | the gate for messages from outside, closed while memory is short |
//! | `actor`, `instance`, `registry` | the state of an actor and of its instances beyond incarnations; actors by address |
//! | `random` | jitter from a seed |
//! | `behavior` | the interface to the code that runs |
//! | `native` | actors in plain Rust: the trait for embedders and gateways |
//! | `consult` | directive requests: a parent is asked about a child that failed |
//! | `callback` | reports to an actor about the outcomes of its messages |
//! | `incarnation` | one run of that code: launch, turns, crash, shutdown |
//! | `host_wait` | time in which that code waits for the host itself, which is not billed |
//! | `watchdog` | the limit of a call in time in which it runs or waits |
//! | `clock` | the time that is the host's and not the actors' |
//! | `slots` | bounds on the incarnations that live at a time |
//! | `subtree` | the limits that an actor shares with all actors below it |
//! | `supervision` | starts, stops and restarts: a pure state machine, and the task that carries out its effects |
//! | `kernel` | the public face |
//!
//! The way of a message: [`Kernel::tell`] -> mailbox -> [`Turn`] -> [`Behavior::handle`] -> commit -> mailbox.

mod actor;
mod dispatch;
mod incarnation;
mod kernel;
mod mailbox;
mod native;
pub mod supervision;
mod supervisor;
mod turn;
mod words;

pub use actor::directive_request::ChildFailed;
pub use actor::host_wait::HostWait;
pub use actor::reports::{TaskDone, TaskOutcome};
pub use dispatch::replay::LettersMoved;
pub use futures_util::future::BoxFuture;
pub use incarnation::behavior::{Behavior, Gate, Launcher};
pub use kernel::plan::{ActorSpec, MOST_INSTANCES, MaxInstances, Plan, PlanError};
pub use kernel::{ActorView, InstanceView, Kernel};
pub use mailbox::policy::{
    About, Arrivals, Entry, Excess, Key, MOST_PREFIX_BYTES, MailboxPolicy, PolicyLauncher, PolicySpec, PolicyState,
    PolicyView, Rules, WhenFull,
};
pub use mailbox::{MailboxSpec, MailboxView, Overflow, PressureView};
pub use native::{NativeActor, NativeContext, NativeLauncher, NativeResult};
pub use playhouse_frame::{METADATA_BYTES, METADATA_PAIRS, Metadata, MetadataError, Pairs, Parts};
pub use supervisor::{DECISION_TARGET, Stage, StartError, StartedActor};
pub use turn::Turn;
pub use turn::bulk::{Bulk, BulkError, BulkTurn, Resolved};
pub use turn::spawn::{Config, SpawnError, StopError, Template};
pub use turn::timer_effects::TimerError;
pub use words::address::{Address, AddressError, MAX_SEGMENT_BYTES, MAX_SEGMENTS};
pub use words::clock::{Clock, HostClock, yield_to_others};
pub use words::crash::{Crash, CrashReason, CrashReport};
pub use words::dead_letter::{
    DeadLetter, DeadLetterCounts, DeadLetterSpec, DeadReason, Fates, LetterError, LetterFilter, LetterId,
};
pub use words::decision::Decision;
pub use words::failed::FailedActor;
pub use words::failure::{Directive, WhyGaveUp, Window};
pub use words::limits::{Bounds, SubtreeSpec, Usage};
pub use words::message::{ActorId, Envelope, FlowId, Message, MessageId, Reply, ReplyToken};
pub use words::notice::{Change, Notice, WatchError};
pub use words::outcome::{Failure, Outcome};
pub use words::overrun::Overrun;
pub use words::restart::{Backoff, RestartKind, RestartSpec, StartKind, Strategy, SupervisionSpec};
pub use words::send_error::{Answer, AskError, SendError};
pub use words::state::State;
