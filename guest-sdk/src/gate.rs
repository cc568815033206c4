//! The gate: an actor's word on whether it starts.

use std::time::Duration;

use crate::{Actor, Context};

/// An actor that decides, before each start, whether it starts at all. Exported with
/// [`export_actor!`](crate::export_actor)`(Guard, gate)`.
///
/// An actor whose gate says [`Decision::Wait`] has not failed: it is in the state [`State::Waiting`](crate::State::Waiting), its
/// messages wait in its mailbox, within its bounds, and nobody else is kept from anything. The gate is asked again
/// - when a message comes,
/// - when the time has passed that it gave,
/// - when its parent restarts, or a person says `playhouse start`,
///
/// and of the first two never sooner than after the pause of `restart.backoff`, which grows with each refusal in a row: a flood of
/// messages does not have it asked in circles. Messages that wait for a gate keep `playhouse run --until-idle` from ending, and
/// become dead letters when the play is shut down.
///
/// ```
/// use std::time::Duration;
/// use playhouse_sdk::testing::Stage;
/// use playhouse_sdk::{Actor, Context, Decision, Gate, Message, Result, State, export_actor};
///
/// #[derive(Default)]
/// struct Clerk;
///
/// impl Actor for Clerk {
///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
///         Ok(ctx.tell("/vault", msg.body())?)
///     }
/// }
///
/// impl Gate for Clerk {
///     /// No clerk without a vault.
///     fn decide_to_start(ctx: &mut Context) -> Decision {
///         match ctx.state("/vault") {
///             Some(State::Running | State::Idle) => Decision::Start,
///             _ => Decision::wait_for(Duration::from_secs(10)),
///         }
///     }
/// }
///
/// export_actor!(Clerk, gate);
///
/// let closed = Stage::<Clerk>::setup().decide_to_start();
/// assert_eq!(closed, Decision::wait_for(Duration::from_secs(10)));
/// let open = Stage::<Clerk>::setup().actor("/vault", State::Idle).decide_to_start();
/// assert_eq!(open, Decision::Start);
/// ```
pub trait Gate: Actor {
    /// Says whether to start. There is no actor yet: it has its context only, and the time and the memory of one message.
    ///
    /// It runs in a fresh instance, and each time it is asked counts as a run: the numbers of incarnations go on. What it sends is
    /// done if it says [`Decision::Start`], and never happened otherwise; a question goes out at once. A panic is a failed start. There
    /// is nothing to reply to: a reply is a panic.
    fn decide_to_start(ctx: &mut Context) -> Decision;
}

/// The gate's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The actor starts: the same instance goes on with `init`.
    Start,
    /// Not now. The instance is dropped.
    Wait {
        /// Ask again after this time, in whole milliseconds. None: only when a message comes.
        recheck: Option<Duration>,
    },
}

impl Decision {
    /// Not before a message comes.
    pub const WAIT: Self = Self::Wait { recheck: None };

    /// Not before this time has passed, or a message comes.
    pub const fn wait_for(recheck: Duration) -> Self {
        Self::Wait { recheck: Some(recheck) }
    }
}
