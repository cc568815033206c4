//! The trait that an author implements. `instance.rs` calls it.

use crate::context::Context;
use crate::message::Message;
use crate::result::Result;

/// An actor: state, and a handler that gets one message at a time.
///
/// Each incarnation starts from `Default`; a crash loses only the state.
///
/// ```
/// use playhouse_sdk::{Actor, Context, Message, Result};
///
/// #[derive(Default)]
/// struct Till { cents: u64 }
///
/// impl Actor for Till {
///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
///         self.cents += msg.json::<u64>()?;
///         ctx.reply_json(&self.cents)
///     }
///
///     fn shutdown(&mut self, ctx: &mut Context) -> Result {
///         Ok(ctx.tell("/ledger", self.cents.to_string())?)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an actor",
    note = "an actor implements `playhouse_sdk::Actor` (one method: `msg_handler`) and `Default` (its state at a start)"
)]
pub trait Actor: Default + 'static {
    /// Handles one message. Its sends are delivered when it returns `Ok`, and dropped when it returns an error.
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result<()>;

    /// Runs before the first message; the place to read the configuration. An error fails the start.
    fn init(&mut self, ctx: &mut Context) -> Result<()> {
        let _ = ctx;
        Ok(())
    }

    /// Runs after `init`, as the last part of the start: the place to spawn the children that this actor needs.
    /// The children start before the actor's first message, and a child that fails to start fails the actor's start.
    ///
    /// After a crash this hook runs again. A child that is spawned here, or in `init`, under its earlier name keeps the messages
    /// that wait for it; the messages of children that are not spawned again become dead letters.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Message, Result};
    /// # #[derive(Default)] struct Kitchen;
    /// impl Actor for Kitchen {
    ///     fn prepare_children(&mut self, ctx: &mut Context) -> Result {
    ///         Ok(ctx.spawn("oven", "oven")?)
    ///     }
    /// #   fn msg_handler(&mut self, _: Message, _: &mut Context) -> Result { Ok(()) }
    /// }
    /// ```
    fn prepare_children(&mut self, ctx: &mut Context) -> Result<()> {
        let _ = ctx;
        Ok(())
    }

    /// Runs after the last message of an orderly stop and before passivation (`idle = "stop"` in the manifest): the place to
    /// save state for the next incarnation, by a send to an actor that keeps it. Sends reach the actors that stop later.
    fn shutdown(&mut self, ctx: &mut Context) -> Result<()> {
        let _ = ctx;
        Ok(())
    }
}
