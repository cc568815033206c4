//! Harnesses for native tests, without host or WebAssembly: [`ActorHarness`] applies the host's rules to a handler and its hooks,
//! [`MailboxHarness`] to a mailbox plugin.
//!
//! ```
//! use playhouse_sdk::testing::ActorHarness;
//! use playhouse_sdk::{Actor, Context, Failure, Message, Result, reject};
//!
//! #[derive(Default)]
//! struct Waiter { kitchen: String }
//!
//! impl Actor for Waiter {
//!     fn init(&mut self, ctx: &mut Context) -> Result {
//!         self.kitchen = ctx.config("kitchen").unwrap_or_else(|| ctx.sibling("kitchen"));
//!         Ok(())
//!     }
//!
//!     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
//!         ctx.tell(&self.kitchen, msg.body())?;
//!         match msg.text()? {
//!             "fugu" => Err(reject("nobody here can cook that")),
//!             dish => Ok(ctx.reply(format!("one {dish}, coming"))),
//!         }
//!     }
//! }
//!
//! let mut harness = ActorHarness::<Waiter>::setup().address("/bar/waiter").start()?;
//!
//! assert_eq!(harness.ask("soup")?, b"one soup, coming");
//! assert_eq!(harness.tell("fugu"), Err(Failure::Reject("nobody here can cook that".into())));
//! assert_eq!(harness.sent(), [("/bar/kitchen", "soup")]); // the sends of the failed message are dropped
//! # Ok::<(), playhouse_sdk::Error>(())
//! ```

mod actor_harness;
mod address;
mod effects;
mod fake_kernel;
mod mailbox_harness;
mod turn_effects;

pub use actor_harness::ActorHarness;
pub use actor_harness::setup::Setup;
pub use effects::{Child, Sent};
pub use mailbox_harness::MailboxHarness;

#[cfg(test)]
mod tests;
