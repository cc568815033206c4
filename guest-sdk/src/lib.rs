//! The library for authors of Playhouse actors: a struct, one handler, one line to export it.
//!
//! ```
//! use playhouse_sdk::testing::ActorHarness;
//! use playhouse_sdk::{Actor, Context, Message, Result, export_actor};
//!
//! #[derive(Default)]
//! struct Greeter;
//!
//! impl Actor for Greeter {
//!     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
//!         let name = msg.text()?;
//!         ctx.reply(format!("Hello, {name}!"));
//!         Ok(())
//!     }
//! }
//!
//! export_actor!(Greeter);
//!
//! // In a test, natively:
//! let mut greeter = ActorHarness::<Greeter>::start()?;
//! assert_eq!(greeter.ask("Ada")?, b"Hello, Ada!");
//! # Ok::<(), playhouse_sdk::Error>(())
//! ```
//!
//! Build it as a `cdylib` for `wasm32-wasip2`, drop the `.wasm` file into the plugins folder, name it in the manifest.
//!
//! # The outcome of a message
//! - `Ok(())`: all sends of the handler are delivered, in order, together with its reply.
//! - `Err(_)`: the message failed and all sends of the handler are dropped. After a plain error the message is tried again later;
//!   [`reject`] makes it a dead letter at once. The actor continues with its state as the handler changed it.
//! - a panic: this incarnation of the actor ends. The actor restarts from `Default`, and the message is tried again, alone.
//!
//! # The files, lowest first
//! | files | contents |
//! |---|---|
//! | `result.rs`, `failure.rs`, `errors.rs` | results, the verdict on a failed message, the errors of the context's functions |
//! | `message.rs`, `reply.rs`, `envelope.rs`, `timer.rs`, `notice.rs`, `status.rs`, `spawn_options.rs`, `log.rs` | the data that cross to the host and back |
//! | `snapshot.rs`, `kernel.rs`, `kernel_handle.rs` | the value of an actor that is saved; the trait between a context and its kernel, which is the host or a test |
//! | `turn.rs`, `wasm.rs`, `bindings.rs` | the kernel in a component: frames of messages in, frames of outcomes out, the WIT contract |
//! | `context.rs`, `with_metadata.rs`, `actor.rs` | [`Context`], an actor's view of its kernel; [`Actor`], the trait to implement |
//! | `state.rs`, `saved.rs` | [`State`], the actor's state in the play's store; an actor whose whole value is kept there |
//! | `gate.rs`, `supervisor.rs`, `callback.rs`, `watcher.rs` | the traits of optional hooks |
//! | `instance.rs` | one actor with its context; runs the handler and the hooks |
//! | `component.rs`, `export_actor.rs` | the exports of an actor's component, and [`export_actor!`] |
//! | `mailbox.rs`, `export_mailbox.rs` | a mailbox plugin, which decides a mailbox's order, and [`export_mailbox!`] |
//! | `testing.rs` | harnesses for native tests: a kernel made of a few collections |

mod actor;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
mod callback;
#[doc(hidden)]
pub mod component;
mod context;
mod envelope;
mod errors;
mod export_actor;
mod export_mailbox;
mod failure;
mod gate;
mod instance;
mod json;
mod kernel;
mod kernel_handle;
mod log;
pub mod mailbox;
mod message;
mod notice;
#[cfg(target_family = "wasm")]
mod panic_text;
mod pending_reply;
mod reply;
mod result;
#[doc(hidden)]
pub mod saved;
mod snapshot;
mod spawn_options;
mod state;
mod status;
mod supervisor;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod timer;
#[cfg(any(test, target_family = "wasm"))]
mod turn;
#[cfg(target_family = "wasm")]
mod wasm;
mod watcher;
mod with_metadata;

pub use actor::Actor;
pub use anyhow;
pub use callback::{Callback, Ended, TaskDone};
pub use context::Context;
pub use envelope::{Envelope, Flow, FlowId};
pub use errors::{AskError, MetricError, SendError, SpawnError, StateError, StopError, TimerError, WatchError};
pub use failure::{Failure, OrReject, reject, retry};
pub use gate::{Decision, Gate};
pub use log::Level;
pub use message::Message;
pub use notice::{Change, Notice, WatchId};
pub use playhouse_frame::{Metadata, MetadataError, Pairs};
pub use reply::Reply;
pub use result::{Error, Result};
pub use spawn_options::SpawnOptions;
pub use state::State;
pub use status::ActorState;
pub use supervisor::{Blamed, ChildFailed, Directive, Supervisor};
pub use timer::TimerId;
pub use watcher::Watcher;
pub use with_metadata::WithMetadata;

/// The guide's examples, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/actors.md")]
struct Guide;

#[cfg(doctest)]
#[doc = include_str!("../../docs/coming-from-aplay.md")]
struct ComingFromAplay;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
