//! The errors of sends, asks, spawns, stops, timers, watches, metrics and state: the contract's variants as Rust errors, to match on or to return
//! with `?`.

/// The error of a send. Nothing was recorded and nothing will be delivered.
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
    /// Not an address; the text describes the fault.
    #[error("bad address: {0}")]
    BadAddress(String),
    /// No actor has this address; or the text says why no actor there takes the message, as for a member of a family that may not be made.
    #[error("{}", nobody_at(.0))]
    UnknownAddress(String),
    /// The manifest does not let this actor send to this address.
    #[error("this actor may not send to `{0}`: add it to `sends_to` in the manifest")]
    NotGranted(String),
    /// The body is larger than the receiver's `limits.message`.
    #[error("the body is larger than the {limit_bytes} bytes that the receiver's limits.message allows")]
    TooLarge {
        /// The receiver's limit.
        limit_bytes: u64,
    },
    /// The metadata have more than 16 pairs, more than 4 KiB of keys and values, or an empty key; the text says which.
    #[error("bad metadata: {0}")]
    BadMetadata(String),
}

/// The host's own sentence, or one about an address, which has no spaces.
fn nobody_at(text: &str) -> String {
    if text.contains(' ') { text.to_owned() } else { format!("no actor has the address `{text}`") }
}

/// The error of an ask that has no reply.
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
    // The inner error is no source: a text of the whole chain would have its reason twice.
    #[error("the question was not sent: {0}")]
    NotSent(SendError),
    /// No reply came in time.
    #[error("no reply in time")]
    Timeout,
    /// The receiver waits, directly or over others, for a reply of this actor; the text names the chain of addresses.
    #[error("the receiver waits for a reply of this actor: {0}")]
    Deadlock(String),
    /// The receiver handled the message and did not reply.
    #[error("the receiver handled the message and did not reply")]
    NoReply,
    /// The receiver's handler rejected the message; the text is its reason. The same question would be rejected again.
    #[error("the receiver rejected the message: {0}")]
    Rejected(String),
    /// The receiver's handler failed the message at each of its `attempts`; the text is the reason of the last failure.
    #[error("the receiver failed the message at its last attempt: {0}")]
    RetriesSpent(String),
    /// The receiver handled the message, and the host refused the result, for example a reply that is larger than the receiver's
    /// `limits.message`; the text says why.
    #[error("the receiver handled the message, and the host refused the result: {0}")]
    Failed(String),
    /// The receiver crashed while it handled this message alone; or it crashed and is not started again.
    #[error("the receiver crashed: {0}")]
    Crashed(String),
    /// The receiver crashed and starts again. It handled several messages in one call, so the crash cannot be blamed on one of
    /// them; or its restart comes after the deadline of this ask. The text says which.
    #[error("the receiver is restarting: {0}")]
    Restarting(String),
    /// The receiver, or its ancestor directly under `/`, failed too often. The text names the failed actor, the cause, and the
    /// time of the trial start, if one is due.
    #[error("the receiver is failed: {0}")]
    ActorFailed(String),
    /// The receiver's mailbox was full, and had no free capacity in time; the receiver's address in full.
    #[error("the mailbox of `{0}` is full")]
    MailboxFull(String),
    /// The receiver stopped for good before it handled the question.
    #[error("the receiver is not available: {0}")]
    Stopped(String),
    /// No reply came in time, since an operator stopped the receiver, or has not started it yet; its address in full.
    #[error("no reply in time: `{0}` is stopped until an operator starts it with `playhouse start`")]
    StoppedByOperator(String),
}

impl From<SendError> for AskError {
    fn from(error: SendError) -> Self {
        Self::NotSent(error)
    }
}

/// The error of a spawn. Nothing was recorded.
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
    /// Not a name; the text describes the fault.
    #[error("bad name: {0}")]
    BadName(String),
    /// The manifest has no `[[plugin]]` of this name.
    #[error("there is no plugin `{0}` to spawn: add a [[plugin]] with this name to the manifest")]
    UnknownPlugin(String),
    /// The manifest does not let this actor spawn this plugin.
    #[error("this actor may not spawn `{0}`: add it to its `spawns` in the manifest")]
    NotGranted(String),
    /// Another child has the name, or had it and has not ended yet.
    #[error("the child `{0}` exists already, or has not ended yet")]
    Duplicate(String),
    /// This actor has the most children that `limits.children` allows.
    #[error("this actor has all {most} children that limits.children allows")]
    TooManyChildren {
        /// The limit.
        most: u32,
    },
    /// A subtree that this actor is in has the most actors that its `limits.subtree.actors` allows.
    #[error("`{top}` and all below it are the {most} actors that its limits.subtree.actors allows")]
    SubtreeFull {
        /// The address of the subtree's topmost actor, which has the limit.
        top: String,
        /// The limit.
        most: u32,
    },
    /// The address would have more than 16 segments, or more levels below an actor than its `limits.depth` allows.
    #[error("the child would be deeper than limits.depth allows, or than an address may be")]
    TooDeep,
    /// The plugin is already in the chain of parents; the text names the chain.
    #[error("the plugin is already in the chain of parents: {0}")]
    Circular(String),
    /// This actor is stopping, and no child can start below it any more.
    #[error("this actor is stopping, so no child can start below it")]
    Stopping,
    /// The plugin's actors have a durable mailbox, and this actor has none.
    #[error("`{0}` has a durable mailbox, and this actor has none: give it one in the manifest")]
    NotLasting(String),
    /// The plugin's actors have a durable mailbox, and this actor is a member of a family, whose children end with its incarnation.
    #[error(
        "`{0}` has a durable mailbox, and this actor is a member of a family, whose children end with its incarnation: send to a \
         member of a family of `{0}` instead"
    )]
    ChildOfMember(String),
}

/// The error of a stop. Nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// Not an address; the text describes the fault.
    #[error("bad address: {0}")]
    BadAddress(String),
    /// No actor has this address.
    #[error("no actor has the address `{0}`")]
    UnknownAddress(String),
    /// Not a child that this actor spawned.
    #[error("`{0}` is not a child that this actor spawned")]
    NotSpawned(String),
}

/// The error of a timer. Nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimerError {
    /// Its message could not be sent.
    #[error("the timer's message could not be sent: {0}")]
    NotSent(SendError),
    /// This actor has the most timers that `limits.timers` allows.
    #[error("this actor has all {most} timers that limits.timers allows")]
    TooManyTimers {
        /// The limit.
        most: u32,
    },
}

impl From<SendError> for TimerError {
    fn from(error: SendError) -> Self {
        Self::NotSent(error)
    }
}

/// The error of a watch. Nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// Not an address; the text describes the fault.
    #[error("not an address: {0}")]
    BadAddress(String),
    /// The actor is neither the parent, nor below this actor, nor a receiver that it may send to; the address in full.
    #[error("this actor may not watch `{0}`: add it to `sends_to` in the manifest")]
    NotGranted(String),
    /// This actor has the most watches that `limits.watches` allows.
    #[error("this actor has all {most} watches that limits.watches allows")]
    TooManyWatches {
        /// The limit.
        most: u32,
    },
    /// The actor is not exported as a [`Watcher`](crate::Watcher), or has several instances.
    #[error("this actor cannot take notices: export it with `export_actor!(..., watcher)`, and give it one instance")]
    NotAWatcher,
}

/// The error of a count or an observation. Nothing was recorded.
///
/// ```
/// # use playhouse_sdk::{Context, MetricError, Result};
/// /// Counts, in a play that wants it.
/// fn note(ctx: &Context) -> Result {
///     match ctx.count("orders", 1) {
///         Err(MetricError::Undeclared(_)) => Ok(()),
///         counted => Ok(counted?),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// The manifest does not declare the name; the text names it, the actor and the key of the manifest.
    #[error("{0}")]
    Undeclared(String),
    /// The value is negative, infinite or not a number; the text says which.
    #[error("{0}")]
    BadValue(String),
}

/// The error of reading or changing the state. Nothing was recorded.
///
/// ```
/// # use playhouse_sdk::{Context, Result, StateError, reject};
/// fn note(ctx: &Context, order: &str) -> Result {
///     match ctx.state().put(order, "open") {
///         Err(StateError::Full { .. }) => Err(reject("no more orders")),
///         put => Ok(put?),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The manifest does not grant state to this actor; the text says what is missing.
    #[error("{0}")]
    NotGranted(String),
    /// Not a key; the text describes the fault.
    #[error("{0}")]
    BadKey(String),
    /// The value is larger than `state.value` allows.
    #[error("the value is larger than the {limit_bytes} bytes that state.value allows")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// With the value, the state would be larger than `state.bytes` allows.
    #[error("the state would be larger than the {limit_bytes} bytes that state.bytes allows")]
    Full {
        /// The limit.
        limit_bytes: u64,
    },
    /// The store could not be read; the text says why. The host is about to end.
    #[error("{0}")]
    Failed(String),
    /// The value of a key is not the JSON expected, or a value has no JSON form.
    #[error("the value of the key {key:?} is not the JSON expected: {why}")]
    NotJson {
        /// The key.
        key: String,
        /// The error of the JSON.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn refused_ask_is_one_sentence() {
        let said =
            |text: &str| format!("{:#}", Error::from(AskError::from(SendError::UnknownAddress(text.to_owned()))));
        assert_eq!(said("/nobody"), "the question was not sent: no actor has the address `/nobody`");
        let why = "`/user/8` does not exist, and `/a` may not bring it into being";
        assert_eq!(said(why), format!("the question was not sent: {why}"));
    }
}
