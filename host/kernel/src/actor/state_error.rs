//! The errors of reading and changing an actor's keyed state.

use playhouse_frame::KeyError;

use crate::journal::store::StoreError;
use crate::words::address::Address;
use crate::words::overrun::Overrun;
use crate::words::state::State;

/// Why a turn did not read or change the state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The plan gives the actor no state.
    #[error("`{actor}` has no state: add a table [actor.state] to its [[actor]], whose mailbox must be durable")]
    NotGranted {
        /// The actor.
        actor: Address,
    },
    /// Not a key.
    #[error(transparent)]
    BadKey(#[from] KeyError),
    /// The value is too large.
    #[error("a value of {bytes} bytes is larger than state.value, {limit_bytes} bytes")]
    TooLarge {
        /// The size of the value.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The state would be too large.
    #[error("the state of `{actor}` would be larger than state.bytes, {limit_bytes} bytes")]
    Full {
        /// The actor.
        actor: Address,
        /// The limit.
        limit_bytes: u64,
    },
    /// The store could not be read.
    #[error(transparent)]
    Failed(#[from] StoreError),
    /// The turn does more than its limits allow, and will not be committed.
    #[error("more than {0}")]
    Overrun(#[from] Overrun),
}

/// Why an operator's look at a state, or change of it, was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateOrderError {
    /// No actor has the address.
    #[error("no actor has the address `{0}`")]
    UnknownAddress(Address),
    /// The store has the actor's state, and the play has no such actor.
    #[error("`{0}` is in the store alone: the play has no such actor any more")]
    OnlyStored(Address),
    /// The actor runs, or may run.
    #[error("`{actor}` is {}, and may change its state itself: stop it first", state.name())]
    NotStopped {
        /// The actor.
        actor: Address,
        /// The task that it has.
        state: State,
    },
    /// The same as for the actor itself.
    #[error(transparent)]
    State(#[from] StateError),
}
