//! The contract of `wit/actor.wit` and `wit/FRAMES.md`, as Rust. Wasmtime checks each type against a component when it is loaded.
//!
//! | file | contents |
//! |---|---|
//! | `interfaces` | the names of the interfaces |
//! | `exports` | the functions that an actor exports |
//! | `values`, `callback`, `metrics`, `state`, `supervisor` | the values that cross |
//! | `mailbox` | functions and values of a mailbox plugin |
//! | `image` | the layout of values in the memory of a guest |
//! | `frame` | the frame that an actor returns for a batch |

mod callback;
mod exports;
mod frame;
mod image;
mod interfaces;
mod mailbox;
mod metrics;
mod state;
mod supervisor;
mod values;

pub(crate) use callback::Task;
pub(crate) use exports::{
    ChildFailed, ChildFailedParams, ChildFailedResults, Forget, ForgetParams, Gate, GateResults, Handler,
    HandlerParams, HandlerResults, Hook, HookResults, Noticed, NoticedParams, NoticedResults, TaskDone, TaskDoneParams,
    Turns, TurnsParams, TurnsResults,
};
pub(crate) use frame::{BadFrame, End, record};
pub(crate) use image::{Image, ToImage};
pub use interfaces::SHARED;
pub(crate) use interfaces::{
    BATCH, BRIDGE, CALLBACK, CHILDREN, GATE, HANDLER, KERNEL, LIFECYCLE, MAILBOX, MAILBOX_HOST, MEMBER, METRICS, PARTS,
    SDK, STATE, SUPERVISOR, TURNS, VERSION, WATCHER,
};
pub(crate) use mailbox::{
    Entry, Policy, PolicyParams, PolicyResults, Put, PutParams, PutResults, Settings, Size, SizeResults, Take,
    TakeParams, TakeResults,
};
pub(crate) use metrics::MetricError;
pub(crate) use state::{StateError, StateLimits};
pub(crate) use supervisor::{ChildFailure, Directive};
pub(crate) use values::{
    ActorState, AskError, Decision, Envelope, Failure, GuestPairs, Notice, Reply, Resolved, SendError, SpawnError,
    SpawnOptions, StopError, TimerError, WatchError, count, metadata, whole_millis,
};
