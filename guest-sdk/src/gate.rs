//! The gate: an actor's decision whether it starts.

use std::time::Duration;

use crate::actor::Actor;
use crate::context::Context;

/// An actor that decides, before each start, whether it starts at all. Exported with
/// [`export_actor!`](crate::export_actor)`(Guard, gate)`.
///
/// An actor whose gate decides [`Decision::Wait`] has not failed: it is in the state [`ActorState::Waiting`](crate::ActorState::Waiting),
/// its messages wait in its mailbox, within its bounds, and no other actor is affected. The gate is called again
/// - when a message comes,
/// - when the time has passed that it gave,
/// - when its parent restarts, or an operator calls `playhouse start`.
///
/// In the first two cases it is called only after the pause of `restart.backoff`, which grows with each refusal in a row: a flood
/// of messages does not call it in an endless loop. Messages that wait for a gate keep `playhouse run --until-idle` from ending,
/// and become dead letters when the play is shut down.
///
/// ```
/// use std::time::Duration;
/// use playhouse_sdk::testing::ActorHarness;
/// use playhouse_sdk::{Actor, Context, Decision, Gate, Message, Result, ActorState, export_actor};
///
/// #[derive(Default)]
/// struct Teller;
///
/// impl Actor for Teller {
///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
///         Ok(ctx.tell("/vault", msg.body())?)
///     }
/// }
///
/// impl Gate for Teller {
///     /// No teller without a vault.
///     fn decide_to_start(ctx: &mut Context) -> Decision {
///         match ctx.status("/vault") {
///             Some(ActorState::Running | ActorState::Idle) => Decision::Start,
///             _ => Decision::wait_for(Duration::from_secs(10)),
///         }
///     }
/// }
///
/// export_actor!(Teller, gate);
///
/// let closed = ActorHarness::<Teller>::setup().decide_to_start();
/// assert_eq!(closed, Decision::wait_for(Duration::from_secs(10)));
/// let open = ActorHarness::<Teller>::setup().actor("/vault", ActorState::Idle).decide_to_start();
/// assert_eq!(open, Decision::Start);
/// ```
pub trait Gate: Actor {
    /// Decides whether to start. There is no actor value yet: the function has the context only, and the time and the memory of
    /// one message.
    ///
    /// It runs in a new instance, and each call counts as an incarnation. Its effects take place if it returns
    /// [`Decision::Start`], and are dropped otherwise; an ask is sent at once. A panic is a failed start. The function has no
    /// message to reply to: a reply is a panic.
    fn decide_to_start(ctx: &mut Context) -> Decision;
}

/// The gate's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The actor starts: the same instance continues with `init`.
    Start,
    /// The actor does not start now. The instance is dropped.
    Wait {
        /// Call the gate again after this time, in whole milliseconds. None: only when a message comes.
        recheck: Option<Duration>,
    },
}

impl Decision {
    /// Wait until a message comes.
    pub const WAIT: Self = Self::Wait { recheck: None };

    /// Wait until this time has passed, or a message comes.
    pub const fn wait_for(recheck: Duration) -> Self {
        Self::Wait { recheck: Some(recheck) }
    }
}
