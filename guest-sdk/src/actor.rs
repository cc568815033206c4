//! The trait that an author implements. How it is called lives in `instance.rs`.

use crate::{Context, Message, Result};

/// An actor: state, and a handler that is given one message at a time.
///
/// Each run starts from `Default`; a crash loses the state and nothing else.
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
    /// Handles one message. What it sends is delivered when it returns `Ok`, and dropped when it does not.
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result<()>;

    /// Runs before the first message; the place to read the configuration. An error fails the start.
    fn init(&mut self, ctx: &mut Context) -> Result<()> {
        let _ = ctx;
        Ok(())
    }

    /// Runs after `init`, as the last part of the start: the place to spawn the children that this actor cannot do without.
    /// They come up before its first message, and a child that fails to fails the start.
    ///
    /// After a crash it runs again. A child that is spawned here, or in `init`, under a name it had before keeps the messages
    /// that wait for it; the messages of those that are not spawned again become dead letters.
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

    /// Runs after the last message of an orderly stop, which passivation is, too (`idle = "stop"` in the manifest): the place to
    /// save what the next run is to know, by sending it to whoever keeps it. What it sends reaches the actors that stop later.
    fn shutdown(&mut self, ctx: &mut Context) -> Result<()> {
        let _ = ctx;
        Ok(())
    }
}
