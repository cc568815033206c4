//! Plays of actors, embedded in a program: a manifest, its plugins in their sandbox, and native actors.
//!
//! ```
//! use std::time::Duration;
//! use playhouse_runtime::{Message, NativeActor, NativeContext, NativeResult, Play};
//!
//! #[derive(Clone, Default)]
//! struct Audit { seen: u64 }
//!
//! impl NativeActor for Audit {
//!     async fn msg_handler(&mut self, _: Message, ctx: &mut NativeContext) -> NativeResult {
//!         self.seen += 1;
//!         ctx.reply(self.seen.to_string());
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // `Play::from_manifest("playhouse.toml")?` runs sandboxed actors as well.
//! let play = Play::of_natives("shop").native("/audit", Audit::default()).start().await?;
//! play.tell("/audit", "sold").await?;
//! assert_eq!(play.ask("/audit", "", Duration::from_secs(5)).await?, b"2");
//! assert_eq!(play.tree().await.actors[0].plugin, "native:Audit");
//! play.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! | module | content |
//! |---|---|
//! | `play`, `running`, `native`, `errors` | the public face: a play before its start, and while it runs |
//! | `manifest` | `playhouse.toml`: keys, checks, problems, flow |
//! | `plugins`, `plan` | the plugins of a play, loaded with progress; the kernel's plan |
//! | [`secrets`] | the values of secrets, read before the start |
//! | `gateways`, `http_feed`, `gateway_feed` | the ways into and out of a play, placed in its plan; their counts |
//! | `control` | the control socket of a running play: protocol and server |
//! | `log_output`, `leveled_output` | the output of guests as log events; the levels of the log by actor |
//! | `users` | names and numbers of users and groups of the system |
//! | `runtimes`, `memory`, `descriptors`, `system_limits`, `allocator` | threads, memory, open files and limits of the process |
//!
//! Nothing of the process is taken without being asked for: no signal handler, no log subscriber, no exit. `docs/embedding.md`
//! has all defaults.

pub mod allocator;
pub mod control;
mod descriptors;
mod errors;
pub mod events;
mod gateway_feed;
mod gateways;
mod http_feed;
mod leveled_output;
mod log_output;
pub mod manifest;
mod memory;
mod native;
mod plan;
mod play;
pub mod plugins;
mod running;
mod runtimes;
pub mod secrets;
pub mod system_limits;
mod users;

pub use descriptors::raise as raise_descriptor_limit;
pub use errors::{PlayError, RequestError};
pub use events::{EVENTS, GUEST_TARGET};
pub use log_output::LogOutput;
pub use native::{Native, NativeOrder};
pub use play::{LoadedPlay, Play};
pub use running::{Receiver, RunningPlay};

// The types of the crates below that the public face shows.
pub use playhouse_gateway::broker_events::BROKER_EVENTS;
pub use playhouse_gateway::cron;
pub use playhouse_gateway::events::EVENTS as GATEWAY_EVENTS;
pub use playhouse_gateway::http::HTTP_EVENTS;
pub use playhouse_kernel::{
    AboutActor, AboutHost, AboutPlugin, EVENTS as KERNEL_EVENTS, EventType, HOST_TARGET, LogEvent, Occurs, log_events,
};
pub use playhouse_kernel::{
    ActorId, ActorLimits, ActorSpec, ActorView, Address, AddressError, AskError, Backoff, BoxFuture, Change,
    ChildFailed, Crash, CrashReason, CrashReport, CreatorSpec, DECISION_TARGET, DeadLetter, DeadLetterCounts,
    DeadReason, Decision, Directive, Envelope, FailedActor, Failure, FamilySpec, FamilyView, Fates, FlowId, Gate,
    InstanceView, Keep, LetterId, MailboxSpec, Message, MessageId, Metadata, MetadataError, MetricError,
    MetricNameError, MetricNames, NativeActor, NativeContext, NativeResult, Notice, Overflow, Pairs, Parts, Reply,
    ReplyToken, RestartKind, RestartSpec, SendError, Stage, StartError, StartKind, StartedActor, State, StateChange,
    StateError, StateSpec, StoreError, Strategy, SupervisionSpec, TaskDone, TaskOutcome, Told, WhyGaveUp, Window,
};
pub use playhouse_observe::log::{
    AddressPattern, Entry, LEAST_RING_BYTES, Log, LogFilter, LogFormat, LogLayer, LogLevels, LogLine, LogReader,
    LogSelection, LogSink, PatternError, Progress, level_name,
};
pub use playhouse_observe::printable;
pub use playhouse_observe::{LeftOutLines, LineSource, count_panics};
pub use playhouse_sandbox::events::{EVENTS as SANDBOX_EVENTS, LogLinesLeftOut};
pub use playhouse_sandbox::{
    Access, Compilation, CompilePlace, Compiled, Descriptors, Grants, HandledMessage, Inspection, LeftOut, LineOrigin,
    LoadError, LogRecord, Output, Part, SandboxError, SystemLimit, compile_for_parent, inspect,
};
