//! Why a send, an ask, a spawn, a stop or a timer did not work: the contract's variants as Rust errors, to match on or to pass on with `?`.

/// Why a send was refused. Nothing was recorded and nothing will be delivered.
///
/// ```
/// # use playhouse_sdk::{Context, Result, SendError};
/// fn notify(ctx: &Context, order: &str) -> Result {
///     match ctx.tell("/printer", order) {
///         Err(SendError::UnknownAddress(_)) => Ok(()), // this play has no printer
///         told => Ok(told?),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Not an address; the text says what is wrong with it.
    #[error("bad address: {0}")]
    BadAddress(String),
    /// No actor has this address.
    #[error("no actor has the address `{0}`")]
    UnknownAddress(String),
    /// The manifest does not let this actor send there.
    #[error("this actor may not send to `{0}`: add it to `sends_to` in the manifest")]
    NotGranted(String),
    /// The body is larger than the receiver's `limits.message`.
    #[error("the body is larger than the {limit_bytes} bytes that the receiver's limits.message allows")]
    TooLarge {
        /// The receiver's limit.
        limit_bytes: u64,
    },
}

/// Why an ask has no reply.
///
/// ```
/// # use playhouse_sdk::{AskError, Context, Result};
/// # use std::time::Duration;
/// fn price(ctx: &Context, item: &str) -> Result<Option<u32>> {
///     match ctx.ask_json("/prices", &item, Duration::from_secs(1)) {
///         Ok(price) => Ok(Some(price)),
///         Err(error) if matches!(error.downcast_ref(), Some(AskError::Timeout)) => Ok(None),
///         Err(error) => Err(error),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The question could not be sent.
    #[error("the question was not sent")]
    NotSent(#[from] SendError),
    /// No reply came in time.
    #[error("no reply in time")]
    Timeout,
    /// Waiting for this reply would wait for ourselves; the text names the chain of addresses.
    #[error("waiting for the reply would wait for ourselves: {0}")]
    Deadlock(String),
    /// The receiver handled the message and did not reply.
    #[error("the receiver handled the message and did not reply")]
    NoReply,
    /// The receiver failed the message; the text is its reason.
    #[error("the receiver failed the message: {0}")]
    Failed(String),
    /// The receiver crashed while it had the message in hand, and nothing else; or it does not start again.
    #[error("the receiver crashed: {0}")]
    Crashed(String),
    /// The receiver crashed and starts again: it had the message in hand with others, and nobody knows whose fault it
    /// was; or it will not be back before the time is up; or it, or the actor under `/` that it is below, failed too often
    /// and waits for a trial start. The text says which.
    #[error("the receiver is restarting: {0}")]
    Restarting(String),
    /// The receiver's mailbox has no room for the question, and had none in time; the receiver's address in full.
    #[error("the mailbox of `{0}` is full")]
    MailboxFull(String),
    /// The receiver stopped for good before it handled the question.
    #[error("the receiver is not available: {0}")]
    Stopped(String),
    /// No reply came in time, since a person stopped the receiver, or has not started it yet; its address in full.
    #[error("no reply in time: a person stopped `{0}`, and only a person starts it")]
    StoppedByPerson(String),
}

/// Why a child was not spawned. Nothing was recorded.
///
/// ```
/// # use playhouse_sdk::{Context, Result, SpawnError};
/// /// A worker for each order, made when it is needed.
/// fn worker(ctx: &Context, order: &str) -> Result {
///     match ctx.spawn(order, "worker") {
///         Ok(()) | Err(SpawnError::Duplicate(_)) => Ok(()),
///         Err(error) => Err(error.into()),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpawnError {
    /// Not a name; the text says what is wrong with it.
    #[error("bad name: {0}")]
    BadName(String),
    /// The manifest has no `[[plugin]]` of this name.
    #[error("there is no plugin `{0}` to spawn: add a [[plugin]] with this name to the manifest")]
    UnknownPlugin(String),
    /// The manifest does not let this actor spawn this plugin.
    #[error("this actor may not spawn `{0}`: add it to its `spawns` in the manifest")]
    NotGranted(String),
    /// Another child has the name, or has not gone yet.
    #[error("`{0}` is there already, or has not gone yet")]
    Duplicate(String),
    /// This actor has as many children as `limits.children` allows, or a subtree that it is in has as many actors as its
    /// `limits.subtree.actors` allows.
    #[error("this actor has all {most} children that limits.children, or a limits.subtree.actors above it, allows")]
    TooManyChildren {
        /// The limit.
        most: u32,
    },
    /// The address would have more than 16 segments, or more levels below an actor than its `limits.depth` allows.
    #[error("the child would be deeper than limits.depth allows, or than an address may be")]
    TooDeep,
    /// The plugin stands in the chain of parents already; the text names the chain.
    #[error("the plugin would stand above itself: {0}")]
    Circular(String),
    /// This actor is going down, and nothing comes up below it any more.
    #[error("this actor is stopping, and nothing comes up below it any more")]
    Stopping,
}

/// Why a child is not stopped. Nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// Not an address; the text says what is wrong with it.
    #[error("bad address: {0}")]
    BadAddress(String),
    /// No actor has this address.
    #[error("no actor has the address `{0}`")]
    UnknownAddress(String),
    /// Not a child that this actor spawned.
    #[error("`{0}` is not a child that this actor spawned")]
    NotSpawned(String),
}

/// Why a timer was not set. Nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimerError {
    /// Its message could not be sent.
    #[error("the timer's message could not be sent")]
    NotSent(#[from] SendError),
    /// This actor has as many timers as `limits.timers` allows.
    #[error("this actor has all {most} timers that limits.timers allows")]
    TooManyTimers {
        /// The limit.
        most: u32,
    },
}

/// Why an actor is not watched. Nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// Not an address; the text says what is wrong with it.
    #[error("not an address: {0}")]
    BadAddress(String),
    /// Neither the parent, nor below this actor, nor somebody it may send to; the address in full.
    #[error("may not watch {0}: it is not in `sends_to`")]
    NotGranted(String),
    /// All the watches that `limits.watches` allows.
    #[error("all {most} watches that `limits.watches` allows are set")]
    TooManyWatches {
        /// How many.
        most: u32,
    },
    /// The actor is not exported as a [`Watcher`](crate::Watcher), or has several instances.
    #[error("this actor takes no notices: export it with `export_actor!(..., watcher)`, and give it one instance")]
    NotAWatcher,
}
