//! Watching other actors: the trait to implement, and the notices that it gets.

use crate::{Actor, Context, Result};

/// An actor that gets a notice for each change of the actors that it [watches](Context::watch). Exported with
/// [`export_actor!`](crate::export_actor)`(Boss, watcher)`.
///
/// A link, by which one actor fails with another, is a watch whose `noticed` panics at [`Change::Crashed`].
///
/// ```
/// use playhouse_sdk::testing::Stage;
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
/// let mut stage = Stage::<Nurse>::start()?;
/// stage.tell("/patient")?;
/// let [(watch, address)] = &stage.watched()[..] else { panic!("one") };
/// let change = Change::Crashed { kind: "panic".into(), reason: "ouch".into() };
/// stage.notice(Notice { watch: *watch, address: address.clone(), incarnation: 1, change })?;
/// assert_eq!(stage.sent(), [("/doctor", "/patient: panic")]);
/// # Ok::<(), playhouse_sdk::Error>(())
/// ```
pub trait Watcher: Actor {
    /// Handles a notice, by the rules of a message. A reply is dropped.
    fn noticed(&mut self, notice: Notice, ctx: &mut Context) -> Result<()>;
}

/// A watch of this incarnation of the actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatchId(pub(crate) u64);

/// A notice about a watched actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The watch.
    pub watch: WatchId,
    /// The watched actor's address in full.
    pub address: String,
    /// Its latest incarnation; 0 when there was none.
    pub incarnation: u64,
    /// The change of its state.
    pub change: Change,
}

/// A change of a watched actor's state; an actor with several instances causes one for each instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The actor started: for the first time, after a failure, or after a stop.
    Started,
    /// The actor failed.
    Crashed {
        /// The kind in one word, as in [`ChildFailed::kind`](crate::ChildFailed::kind).
        kind: String,
        /// The reason in a sentence for operators.
        reason: String,
    },
    /// The actor was stopped, and may start again.
    Stopped {
        /// Whether an operator stopped it, and only an operator starts it again.
        by_operator: bool,
    },
    /// The actor ended, and starts again only with its parent.
    Ended,
    /// The actor does not exist any more, or never existed. This watch causes no more notices.
    Gone,
}
