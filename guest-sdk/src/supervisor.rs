//! A parent's decision about a child that failed: the trait to implement, its argument and its result.

use crate::actor::Actor;
use crate::context::Context;
use crate::envelope::Flow;

/// An actor that decides when one of its children fails. Without this trait, the manifest decides: the child's `restart.kind`,
/// and this actor's `supervision` with its window of restarts.
///
/// It is exported with [`export_actor!`](crate::export_actor)`(Boss, supervisor)`; other actors, and their children, pay nothing
/// for it.
///
/// ```
/// use playhouse_sdk::testing::ActorHarness;
/// use playhouse_sdk::{Actor, ChildFailed, Context, Directive, Message, Result, Supervisor, export_actor};
///
/// #[derive(Default)]
/// struct Boss;
///
/// impl Actor for Boss {
///     fn msg_handler(&mut self, _: Message, _: &mut Context) -> Result { Ok(()) }
/// }
///
/// impl Supervisor for Boss {
///     fn child_failed(&mut self, failure: ChildFailed, ctx: &mut Context) -> Directive {
///         eprintln!("{} {}", failure.name(), failure.reason);
///         if failure.kind == "memory" { Directive::Stop } else { Directive::Default }
///     }
/// }
///
/// export_actor!(Boss, supervisor);
///
/// let mut harness = ActorHarness::<Boss>::start()?;
/// assert_eq!(harness.child_failed(ChildFailed::new("/actor/worker", "memory")), Directive::Stop);
/// # Ok::<(), playhouse_sdk::Error>(())
/// ```
pub trait Supervisor: Actor {
    /// Decides about the child. The child is down, and so are all actors below it; its messages wait.
    ///
    /// Runs between two messages and has the time of one (`limits.timeout`), counted from the failure: if the actor is busy for
    /// longer, the hook is not called and the directive is [`Directive::Default`]. Its effects take place when it returns. A
    /// panic is this actor's own crash. The hook has no message to reply to: a reply is a panic.
    fn child_failed(&mut self, failure: ChildFailed, ctx: &mut Context) -> Directive;
}

/// The parent's decision about a child that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Directive {
    /// The child starts again, for any restart kind. This counts as a restart, and the strategy applies.
    Restart,
    /// The child is not started again. A child of the manifest starts when this actor restarts; a spawned one has ended.
    Stop,
    /// This actor fails as well, as if it had given up on the child: its own parent decides.
    Escalate,
    /// The rule of the manifest applies.
    #[default]
    Default,
}

/// A child that failed: it crashed, gave up on its own children, or did not start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildFailed {
    /// Its address in full.
    pub address: String,
    /// Its plugin.
    pub plugin: String,
    /// The incarnation that failed, from 1.
    pub incarnation: u64,
    /// The kind of the failure in one word: `panic`, `trap`, `memory`, `limit`, `cpu`, `timeout`, `stack`, `exit`, `bad-frame`,
    /// `start` (it did not start), `shutdown`, or `children` (it gave up on one of them). More may be added.
    pub kind: String,
    /// The reason in a sentence for operators.
    pub reason: String,
    /// The names of the functions on its call stack, innermost first.
    pub backtrace: Vec<String>,
    /// The last lines that it wrote to stderr.
    pub stderr: Vec<String>,
    /// The one message to blame, when it is known.
    pub blamed: Option<Blamed>,
    /// This actor's restarts of children within `period_ms`, without a restart for this failure.
    pub restarts: u32,
    /// The most restarts within `period_ms`; with more, this actor gives up.
    pub intensity: u32,
    /// The time for which a restart counts, in milliseconds.
    pub period_ms: u64,
}

impl ChildFailed {
    /// A failure for tests, in the first incarnation. Set the other fields that matter.
    pub fn new(address: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { address: address.into(), kind: kind.into(), incarnation: 1, ..Self::default() }
    }

    /// The child's name.
    pub fn name(&self) -> &str {
        self.address.rsplit('/').next().unwrap_or_default()
    }
}

/// The one message that made a child fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blamed {
    /// Its id: 32 hexadecimal digits.
    pub id: String,
    /// The attempt at it that failed, from 1.
    pub attempt: u32,
    /// The number of attempts that a message has.
    pub attempts: u32,
    /// The flow that it belongs to.
    pub flow: Flow,
}
