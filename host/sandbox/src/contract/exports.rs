//! The types of the functions that an actor exports.

use std::sync::Arc;

use wasmtime::component::TypedFunc;

use super::callback::Task;
use super::supervisor::{ChildFailure, Directive};
use super::values::{Decision, Failure, Notice};

/// The body is shared with the caller, who uses its buffer again for the next message.
pub(crate) type HandlerParams = (Arc<Vec<u8>>,);
pub(crate) type HandlerResults = (Result<Option<Vec<u8>>, Failure>,);
pub(crate) type Handler = TypedFunc<HandlerParams, HandlerResults>;
/// The frame is shared with the kernel's turn, which uses its buffer again.
pub(crate) type TurnsParams = (Arc<Vec<u8>>,);
pub(crate) type TurnsResults = (Vec<u8>,);
pub(crate) type Turns = TypedFunc<TurnsParams, TurnsResults>;
pub(crate) type HookResults = (Result<(), String>,);
pub(crate) type Hook = TypedFunc<(), HookResults>;
pub(crate) type GateResults = (Decision,);
pub(crate) type Gate = TypedFunc<(), GateResults>;
pub(crate) type NoticedParams = (Notice,);
pub(crate) type NoticedResults = (Result<(), Failure>,);
pub(crate) type Noticed = TypedFunc<NoticedParams, NoticedResults>;
pub(crate) type TaskDoneParams = (Vec<Task>,);
pub(crate) type TaskDone = TypedFunc<TaskDoneParams, ()>;
pub(crate) type ForgetParams = (u32,);
pub(crate) type Forget = TypedFunc<ForgetParams, ()>;
pub(crate) type ChildFailedParams = (ChildFailure,);
pub(crate) type ChildFailedResults = (Directive,);
pub(crate) type ChildFailed = TypedFunc<ChildFailedParams, ChildFailedResults>;
