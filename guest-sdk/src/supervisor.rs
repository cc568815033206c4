//! A parent's word about a child that failed: the trait to implement, what it is told, what it says.

use crate::{Actor, Context, Flow};

/// An actor that has a word when one of its children fails. Without it, the manifest decides: the child's `restart.kind`, and
/// this actor's `supervision` with its window of restarts.
///
/// It is exported with [`export_actor!`](crate::export_actor)`(Boss, supervisor)`; other actors are never asked, and their
/// children pay nothing for it.
///
/// ```
/// use playhouse_sdk::testing::Stage;
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
/// let mut stage = Stage::<Boss>::start()?;
/// assert_eq!(stage.child_failed(ChildFailed::new("/actor/worker", "memory")), Directive::Stop);
/// # Ok::<(), playhouse_sdk::Error>(())
/// ```
pub trait Supervisor: Actor {
    /// Says what is to be done. The child is down, and all below it; its messages wait.
    ///
    /// Runs between two messages and has the time of one (`limits.timeout`), counted from the failure: an actor that is busy for
    /// longer is not asked, and the directive is [`Directive::Default`]. What it sends, spawns or sets is done when it returns. A
    /// panic is this actor's own crash. There is nothing to reply to: a reply is a panic.
    fn child_failed(&mut self, failure: ChildFailed, ctx: &mut Context) -> Directive;
}

/// The parent's decision about a child that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Directive {
    /// It starts again, whatever its restart kind. This counts as a restart, and the strategy applies.
    Restart,
    /// It is not started again. A child of the manifest comes back when this actor restarts; a spawned one is gone.
    Stop,
    /// This actor fails because of it, as if it had given up: its own parent decides.
    Escalate,
    /// The rule of the manifest applies.
    #[default]
    Default,
}

/// A child that failed: it crashed, gave up on its own children, or did not come up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildFailed {
    /// Its address in full.
    pub address: String,
    /// Its plugin.
    pub plugin: String,
    /// Which run of it failed, from 1.
    pub incarnation: u64,
    /// Why, in a word: `panic`, `trap`, `memory`, `limit`, `cpu`, `timeout`, `stack`, `exit`, `bad-frame`, `start` (it did not
    /// come up), `shutdown`, or `children` (it gave up on one of them). More may be added.
    pub kind: String,
    /// Why, for people.
    pub reason: String,
    /// The names of the functions it was in, innermost first.
    pub backtrace: Vec<String>,
    /// The last lines that it wrote to stderr.
    pub stderr: Vec<String>,
    /// The message that alone is to blame, when that is known.
    pub blamed: Option<Blamed>,
    /// This actor's restarts of children within `period_ms`, one because of this failure not included.
    pub restarts: u32,
    /// With more restarts than this, this actor gives up.
    pub intensity: u32,
    /// How long a restart counts, in milliseconds.
    pub period_ms: u64,
}

impl ChildFailed {
    /// A failure of which little is known; for tests, which set the fields that matter.
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
    /// How many attempts a message has.
    pub attempts: u32,
    /// Which flow it belongs to.
    pub flow: Flow,
}
