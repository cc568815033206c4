//! The actor kernel: it knows no WebAssembly, no file and no socket, and runs any code that implements [`Behavior`], such as
//! that of a [`NativeActor`].
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use playhouse_kernel::{ActorSpec, Address, Behavior, BoxFuture, Crash, Kernel, Launcher, Outcome, Plan, Turn};
//!
//! /// Answers each message with its body in capitals.
//! struct Shout;
//!
//! impl Launcher for Shout {
//!     fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
//!         Box::pin(async { Ok(Box::new(Shouting(turn)) as Box<dyn Behavior>) })
//!     }
//!
//!     fn plugin(&self) -> &str {
//!         "shout"
//!     }
//! }
//!
//! struct Shouting(Turn);
//!
//! impl Behavior for Shouting {
//!     fn turn(&mut self) -> &mut Turn {
//!         &mut self.0
//!     }
//!
//!     fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
//!         Box::pin(async { Ok(()) })
//!     }
//!
//!     fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
//!         Box::pin(async {
//!             while self.0.current().is_some() {
//!                 let reply = self.0.body().to_ascii_uppercase();
//!                 self.0.finish(Outcome::Done(Some(reply)));
//!             }
//!             Ok(())
//!         })
//!     }
//!
//!     fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
//!         Box::pin(async { Ok(()) })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let shout = Address::parse("/shout")?;
//! let plan = Plan { actors: vec![ActorSpec::new(shout.clone(), Arc::new(Shout))], ..Plan::default() };
//! let kernel = Kernel::start(&plan)?;
//! kernel.tell(&shout, b"nobody waits for this reply", Duration::from_secs(1)).await?;
//! assert_eq!(kernel.ask(&shout, b"hello", Duration::from_secs(1)).await?, b"HELLO");
//! kernel.shut_down();
//! kernel.wait_stopped().await;
//! # Ok(())
//! # }
//! ```
//!
//! | layer, from the highest | content |
//! |---|---|
//! | `kernel`, `supervisor` | the public face and the plan; the task that starts, stops and restarts as [`supervision`] decides |
//! | `incarnation` | one run of an actor's code: admission, launch, turns, blame; the traits for that code |
//! | `turn` | the messages of one call, their effects, and the commit that makes these visible |
//! | `dispatch` | from one actor to others: addresses, delivery, asks, timers, dead letters |
//! | `actor` | the data that an actor keeps between its incarnations |
//! | [`supervision`], `mailbox`, `words` | the pure tree of supervisors; bounded queues; plain data |
//! | `journal` | the order of everything that outlives the host, and the [`Store`] that keeps it |
//!
//! A layer imports only from those below it. The way of a message: [`Kernel::tell`] -> mailbox -> [`Turn`] ->
//! [`Behavior::handle`] -> commit -> mailbox.

mod actor;
mod dispatch;
mod incarnation;
mod journal;
mod kernel;
mod mailbox;
pub mod supervision;
mod supervisor;
mod turn;
mod words;

pub use actor::code::Code;
pub use actor::directive_request::ChildFailed;
pub use actor::family::FamilyView;
pub use actor::family_spec::{CreatorSpec, FamilySpec};
pub use actor::host_wait::HostWait;
pub use actor::reports::{TaskDone, TaskOutcome};
pub use actor::spec::ActorSpec;
pub use actor::state_error::{StateError, StateOrderError};
pub use actor::task_crashes::TaskCrashes;
pub use actor::template::{Config, Template};
pub use dispatch::ask_counts::AskMetrics;
pub use dispatch::ask_record::Ends;
pub use dispatch::dead_letters::feed::{LetterFeed, LetterReader};
pub use dispatch::ingress::origins::Admitted;
pub use dispatch::ingress::{Incoming, Ingress, Receipt, Told};
pub use dispatch::keys::{KeySpec, MOST_KEPT_ANSWER, RequestKey};
pub use dispatch::mailbox_orders::MailboxOrder;
pub use dispatch::origins::Origin;
pub use dispatch::replay::LettersMoved;
pub use futures_util::future::BoxFuture;
pub use incarnation::behavior::{Behavior, Gate, Launcher};
pub use incarnation::native::{NativeActor, NativeContext, NativeLauncher, NativeResult};
pub use journal::entry::{
    Entry as JournalEntry, EntryNumber, ExpiringKey, FIRST_CHOSEN_TIMER, Group as JournalGroup, Lifetime, Op,
    StoredChild, StoredLetter, StoredOrigin, StoredTimer, StoredValue, TimerIds,
};
pub use journal::faulty::{Fault, FaultyStore, Shortage};
pub use journal::memory::MemoryStore;
pub use journal::store::{
    Image, STARTS_OF_A_TIMELINE, Store, StoreError, StoreStatus, StoredActor, StoredMessage, StoredSuspect,
};
pub use kernel::metrics::{ActorMetrics, Metrics};
pub use kernel::plan::{OpenError, Plan, PlanError};
pub use kernel::progress::Progress;
pub use kernel::wait_chain::blocked::{Blocked, BlockedActor, BlockedBy};
pub use kernel::wait_chain::reason::{Finding, Reason};
pub use kernel::wait_chain::{ChainEnd, Why, WhyLink};
pub use kernel::{ActorView, Kernel};
pub use mailbox::admission::{MaxInstances, Reserve};
pub use mailbox::policy::{
    About, Arrivals, Entry, Excess, Key, MOST_PREFIX_BYTES, MailboxPolicy, PolicyLauncher, PolicySpec, PolicyState,
    PolicyView, Rules, WhenFull,
};
pub use mailbox::{Keep, MOST_INSTANCES, MailboxSpec, MailboxView, Overflow, PressureView};
pub use playhouse_frame::{KEY_BYTES, KeyError, STATE_KEY_COST, check_key, cost_of};
pub use playhouse_frame::{METADATA_BYTES, METADATA_PAIRS, Metadata, MetadataError, Pairs, Parts};
pub use supervisor::{InstanceView, Stage, StartError, StartedActor};
pub use turn::Turn;
pub use turn::bulk::{Bulk, BulkTurn, Resolved};
pub use turn::bulk_error::BulkError;
pub use turn::metrics::MetricError;
pub use turn::spawn::{SpawnError, StopError};
pub use turn::timer_effects::TimerError;
pub use words::address::{Address, AddressError, MAX_SEGMENT_BYTES, MAX_SEGMENTS};
pub use words::clock::{Clock, HostClock, yield_to_others};
pub use words::crash::{Crash, CrashReason, CrashReport};
pub use words::dead_letter::{
    DeadLetter, DeadLetterCounts, DeadLetterSpec, DeadReason, Fates, LetterError, LetterFilter, LetterId,
    RecordedReason,
};
pub use words::decision::Decision;
pub use words::event::{
    AboutActor, AboutHost, AboutMessage, AboutPlugin, AboutRun, DECISION_TARGET, EventField, EventType, EventValue,
    FieldValue, HOST_TARGET, LogEvent, Occurs, Subject, SubjectFields,
};
pub use words::events::EVENTS;
pub use words::failed::FailedActor;
pub use words::failure::{Directive, WhyGaveUp, Window};
pub use words::grants::ActorGrants;
pub use words::keyed_state::{LONGEST_LIFETIME, SHORTEST_LIFETIME, StateChange, StateLimits, StateSize, StateSpec};
pub use words::limits::{ActorLimits, Bounds, SubtreeSpec, Usage};
pub use words::message::{ActorId, Envelope, FlowId, Message, MessageId, Reply, ReplyToken, records_of};
pub use words::metric_names::{MAX_METRIC_NAME_BYTES, MAX_METRICS, MetricNameError, MetricNames};
pub use words::name_pattern::{NamePattern, NamePatternError};
pub use words::notice::{Change, Notice, WatchError};
pub use words::observed::{OBSERVATION_BOUNDS, Observed, OwnMetric};
pub use words::outcome::{Failure, Outcome};
pub use words::overrun::Overrun;
pub use words::portable_message::PortableMessage;
pub use words::resource_use::{Resource, ResourceUse, Resources};
pub use words::restart::{Backoff, RestartKind, RestartSpec, StartKind, Strategy, SupervisionSpec};
pub use words::secret::Secret;
pub use words::send_error::{ASK_RESULTS, Answer, AskError, SendError};
pub use words::state::State;
pub use words::totals::{ActorTotals, DURATION_BOUNDS, Durations, TURN_SIZE_BOUNDS};
pub use words::waiting_numbers::WaitingNumbers;
