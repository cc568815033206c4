//! Outcomes of messages: the trait to implement, and the reports that it gets.

use crate::actor::Actor;
use crate::context::Context;
use crate::failure::Failure;
use crate::result::Result;

/// An actor that gets the outcome of each message once the outcome is final: the message's effects are committed, or dropped.
///
/// It is exported with [`export_actor!`](crate::export_actor)`(Teller, callback)`; other actors pay nothing for it.
///
/// ```
/// use playhouse_sdk::testing::ActorHarness;
/// use playhouse_sdk::{Actor, Callback, Context, Ended, Message, Result, TaskDone, export_actor, reject};
///
/// #[derive(Default)]
/// struct Teller { lost: u32 }
///
/// impl Actor for Teller {
///     fn msg_handler(&mut self, msg: Message, _: &mut Context) -> Result {
///         if msg.body().is_empty() { Err(reject("an order needs an item")) } else { Ok(()) }
///     }
/// }
///
/// impl Callback for Teller {
///     fn task_done(&mut self, task: TaskDone, ctx: &mut Context) -> Result {
///         match task.ended {
///             Ended::Done | Ended::Replied => {}
///             Ended::Failed(failure) => ctx.tell("/complaints", format!("{}: {failure}", task.attempt))?,
///             Ended::Crashed { reason, .. } => ctx.tell("/complaints", format!("an earlier run {reason}"))?,
///         }
///         self.lost += u32::from(task.dead_letter);
///         Ok(())
///     }
/// }
///
/// export_actor!(Teller, callback);
///
/// let mut harness = ActorHarness::<Teller>::setup().with_callback().start()?;
/// harness.tell("tea")?;
/// harness.tell("").unwrap_err();
/// assert_eq!(harness.sent(), [("/complaints", "1: an order needs an item")]);
/// assert_eq!(harness.actor().lost, 1);
/// # Ok::<(), playhouse_sdk::Error>(())
/// ```
pub trait Callback: Actor {
    /// A message, or a notice to a [`Watcher`](crate::Watcher), was handled. Called once for each attempt, in the order in which
    /// they ended: before the next message, or, after a crash, in the next run after its `init` and `prepare_children`.
    ///
    /// When a batch of several messages crashes the actor, the crash cannot be blamed on one of them: the messages are handled
    /// again one at a time, and each outcome is reported then. Asks are not handled again; their outcome is [`Ended::Crashed`].
    ///
    /// With a durable mailbox, an outcome is reported also if the host dies in between: its report ends with the effects of this hook.
    ///
    /// The effects of this hook take place when it returns. An error is a line on stderr, and reverts no effect. A panic is
    /// this actor's own crash, which is blamed on no message; the task is reported at most once more. The hook has no message to
    /// reply to: a reply is a panic.
    fn task_done(&mut self, task: TaskDone, ctx: &mut Context) -> Result;
}

/// A message that was handled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskDone {
    /// The message's id, as its [`Envelope`](crate::Envelope) has it.
    pub id: String,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The message's outcome.
    pub ended: Ended,
    /// Whether the message became a dead letter. If it failed and did not, it is handled again.
    pub dead_letter: bool,
}

impl TaskDone {
    /// A task for tests, at the first attempt and without a dead letter. Set the fields that matter.
    pub fn new(id: impl Into<String>, ended: Ended) -> Self {
        Self { id: id.into(), attempt: 1, ended, dead_letter: false }
    }
}

/// The outcome of an attempt at a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The message was handled, without a reply, or with one that no asker waited for.
    Done,
    /// The message was handled, and the asker got the reply.
    Replied,
    /// The handler failed the message.
    Failed(Failure),
    /// The message crashed an earlier incarnation of this actor.
    Crashed {
        /// The kind in one word, as in [`ChildFailed::kind`](crate::ChildFailed::kind); `host-died` when the message ended the host too
        /// often.
        kind: String,
        /// The reason in a sentence for operators.
        reason: String,
    },
}
