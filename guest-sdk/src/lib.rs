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
//! # What happens to a message
//! - `Ok(())`: all that the handler sent is delivered, in order, together with its reply.
//! - `Err(_)`: the message failed and all that the handler sent is dropped. A plain error is retried later;
//!   [`reject`] says that trying again is pointless. The actor goes on with its state as the handler left it.
//! - a panic: this run of the actor is over. It is restarted from `Default`, and the message is tried again, alone.
//!
//! # Where things are
//! | file | what lives there |
//! |---|---|
//! | `actor.rs` | [`Actor`], the trait to implement |
//! | `message.rs` | [`Message`], the body in hand as bytes, text or JSON |
//! | `context.rs` | [`Context`], all an actor can ask of its kernel, and [`Envelope`] |
//! | `failure.rs` | [`Failure`], [`reject`], [`retry`], [`OrReject`]: how to fail a message |
//! | `children.rs` | [`SpawnOptions`], [`State`]: what is said about other actors |
//! | `gate.rs` | [`Gate`], the trait of an actor that decides whether it starts |
//! | `supervisor.rs` | [`Supervisor`], the trait of an actor that has a word when a child fails |
//! | `callback.rs` | [`Callback`], the trait of an actor that is told what came of each message |
//! | `watcher.rs` | [`Watcher`], the trait of an actor that is told what becomes of others |
//! | `mailbox.rs` | [`mailbox::Mailbox`], the trait of a mailbox plugin, and its tests' host: no actor, but what decides about the order in front of one |
//! | `errors.rs` | [`SendError`], [`AskError`], [`SpawnError`], [`StopError`], [`TimerError`], [`WatchError`]: why something did not work |
//! | `instance.rs` | one actor with its context; runs the handler and the hooks for all doors below |
//! | `kernel.rs` | the trait between a context and whoever plays the kernel |
//! | `turns.rs` | the door of a batch: a frame of messages in, a frame of what came of them out |
//! | `component.rs`, `bindings.rs` | the door of a component: [`export_actor!`], the WIT contract (`wasm` only) |
//! | `testing.rs` | the door of a test: a kernel made of a few collections |

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
pub use children::{SpawnOptions, State};
pub use context::{Context, Envelope, Flow, TimerId};
pub use errors::{AskError, SendError, SpawnError, StopError, TimerError, WatchError};
pub use failure::{Failure, OrReject, reject, retry};
pub use gate::{Decision, Gate};
pub use message::Message;
pub use supervisor::{Blamed, ChildFailed, Directive, Supervisor};
pub use watcher::{Change, Notice, WatchId, Watcher};

/// The result of handlers and hooks: any error will do, so `?` works.
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
