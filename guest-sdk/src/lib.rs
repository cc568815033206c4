//! The library for authors of Playhouse actors: a struct, one handler, one line to export it.
//!
//! ```
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
//! ```
//!
//! Build it as a `cdylib` for `wasm32-wasip2`, drop the `.wasm` file into the plugins folder, name it in the manifest.
//! The same code runs natively under `cargo test`, on a [`testing::Stage`].
//!
//! # The outcome of a message
//! - `Ok(())`: all sends of the handler are delivered, in order, together with its reply.
//! - `Err(_)`: the message failed and all sends of the handler are dropped. After a plain error the message is tried again later;
//!   [`reject`] makes it a dead letter at once. The actor continues with its state as the handler changed it.
//! - a panic: this incarnation of the actor ends. The actor restarts from `Default`, and the message is tried again, alone.
//!
//! # The files
//! | file | contents |
//! |---|---|
//! | `actor.rs` | [`Actor`], the trait to implement |
//! | `message.rs` | [`Message`], the body of the current message as bytes, text or JSON |
//! | `context.rs` | [`Context`], an actor's interface to its kernel, and [`Envelope`] |
//! | `failure.rs` | [`Failure`], [`reject`], [`retry`], [`OrReject`]: how to fail a message |
//! | `children.rs` | [`SpawnOptions`], [`ActorState`]: the options of a spawn, the state of an actor |
//! | `gate.rs` | [`Gate`], the trait of an actor that decides whether it starts |
//! | `supervisor.rs` | [`Supervisor`], the trait of an actor that decides about a failed child |
//! | `callback.rs` | [`Callback`], the trait of an actor that gets the outcome of each message |
//! | `watcher.rs` | [`Watcher`], the trait of an actor that gets notices about others |
//! | `mailbox.rs` | [`mailbox::Mailbox`], the trait of a mailbox plugin, which decides a mailbox's order; a host for its tests |
//! | `errors.rs` | the errors of the context's functions: [`SendError`], [`AskError`], [`SpawnError`] and others |
//! | `instance.rs` | one actor with its context; runs the handler and the hooks for all interfaces below |
//! | `kernel.rs` | the trait between a context and its kernel, which is the host or a test |
//! | `turns.rs` | the interface for batches: a frame of messages in, a frame of their outcomes out |
//! | `component.rs`, `bindings.rs` | the interface of a component: [`export_actor!`], the WIT contract (`wasm` only) |
//! | `testing.rs` | the interface for tests: a kernel made of a few collections |

mod actor;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
mod callback;
mod children;
#[doc(hidden)]
pub mod component;
mod context;
mod errors;
mod failure;
mod gate;
mod instance;
mod kernel;
pub mod mailbox;
mod message;
mod supervisor;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
#[cfg(any(test, target_family = "wasm"))]
mod turns;
mod watcher;

pub use actor::Actor;
pub use anyhow::{self, Error};
pub use callback::{Callback, Ended, TaskDone};
pub use children::{ActorState, SpawnOptions};
pub use context::{Context, Envelope, Flow, TimerId};
pub use errors::{AskError, SendError, SpawnError, StopError, TimerError, WatchError};
pub use failure::{Failure, OrReject, reject, retry};
pub use gate::{Decision, Gate};
pub use message::Message;
pub use supervisor::{Blamed, ChildFailed, Directive, Supervisor};
pub use watcher::{Change, Notice, WatchId, Watcher};

/// The result of handlers and hooks. Each error type converts into its error, so `?` works.
///
/// ```
/// fn quantity(text: &str) -> playhouse_sdk::Result<u32> {
///     Ok(text.trim().parse()?)
/// }
/// assert_eq!(quantity(" 3 ").unwrap(), 3);
/// ```
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

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
