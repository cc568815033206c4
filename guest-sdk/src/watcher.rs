//! The trait of an actor that gets notices about other actors.

use crate::actor::Actor;
use crate::context::Context;
use crate::notice::Notice;
use crate::result::Result;

/// An actor that gets a notice for each change of the actors that it [watches](Context::watch). Exported with
/// [`export_actor!`](crate::export_actor)`(Boss, watcher)`.
///
/// A link, by which one actor fails with another, is a watch whose `noticed` panics at [`Change::Crashed`](crate::Change::Crashed).
///
/// ```
/// use playhouse_sdk::testing::ActorHarness;
/// use playhouse_sdk::{Actor, Change, Context, Message, Notice, Result, Watcher, export_actor};
///
/// #[derive(Default)]
/// struct Nurse;
///
/// impl Actor for Nurse {
///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
///         ctx.watch(msg.text()?)?;
///         Ok(())
///     }
/// }
///
/// impl Watcher for Nurse {
///     fn noticed(&mut self, notice: Notice, ctx: &mut Context) -> Result {
///         match notice.change {
///             Change::Crashed { kind, .. } => Ok(ctx.tell("/doctor", format!("{}: {kind}", notice.address))?),
///             _ => Ok(()),
///         }
///     }
/// }
///
/// export_actor!(Nurse, watcher);
///
/// let mut harness = ActorHarness::<Nurse>::start()?;
/// harness.tell("/patient")?;
/// let [(watch, address)] = &harness.watched()[..] else { panic!("one") };
/// let change = Change::Crashed { kind: "panic".into(), reason: "ouch".into() };
/// harness.notice(Notice { watch: *watch, address: address.clone(), incarnation: 1, change })?;
/// assert_eq!(harness.sent(), [("/doctor", "/patient: panic")]);
/// # Ok::<(), playhouse_sdk::Error>(())
/// ```
pub trait Watcher: Actor {
    /// Handles a notice, by the rules of a message. A reply is dropped.
    fn noticed(&mut self, notice: Notice, ctx: &mut Context) -> Result<()>;
}
