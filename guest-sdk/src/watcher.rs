//! Watching other actors: the trait to implement, and what it is told.

use crate::{Actor, Context, Result};

/// An actor that is told what becomes of those it [watches](Context::watch). Exported with
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
    /// Handles a notice, by the rules of a message. There is nobody to reply to.
    fn noticed(&mut self, notice: Notice, ctx: &mut Context) -> Result<()>;
}

/// A watch of this run of the actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatchId(pub(crate) u64);

/// Something became of an actor that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The watch.
    pub watch: WatchId,
    /// The other actor's address in full.
    pub address: String,
    /// The latest run of it; 0 when there was none.
    pub incarnation: u64,
    /// The end of the watched actor.
    pub change: Change,
}

/// The end of a watched actor; an actor with several instances has one for each instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is up: for the first time, after a failure, or after a stop.
    Started,
    /// It failed.
    Crashed {
        /// Why, in a word, as in [`ChildFailed::kind`](crate::ChildFailed::kind).
        kind: String,
        /// Why, for people.
        reason: String,
    },
    /// It was stopped, and may start again.
    Stopped {
        /// By a person, who alone starts it again.
        by_person: bool,
    },
    /// It is not started again, unless its parent is.
    Ended,
    /// There is no such actor any more, or never was. Nothing more comes of this watch.
    Gone,
}
