//! The functions of an instance that the host calls: through its component, or directly in its program.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::Instance;

use super::checked::Checked;
use super::direct::Enter;
use super::imports::ActorData;
use crate::contract::{self, ChildFailure, Decision, Directive, Failure, Handler, HandlerResults, Notice, Task, Turns};

/// The functions that an instance exports.
pub(super) enum Exports {
    Component(Box<ComponentExports>),
    Direct(Enter),
}

/// A hook that says whether it went well.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    Init,
    PrepareChildren,
    Shutdown,
}

/// The functions of a component. A call of one that the component does not export is a mistake of the host.
pub(super) struct ComponentExports {
    handler: Handler,
    turns: Option<Turns>,
    gate: Option<contract::Gate>,
    init: Option<contract::Hook>,
    prepare_children: Option<contract::Hook>,
    shutdown: Option<contract::Hook>,
    child_failed: Option<contract::ChildFailed>,
    noticed: Option<contract::Noticed>,
    task_done: Option<contract::TaskDone>,
    forget: Option<contract::Forget>,
}

type Called<T> = wasmtime::Result<T>;

impl ComponentExports {
    pub(super) fn of(store: &mut Store<ActorData>, instance: &Instance, checked: &Checked) -> Called<Box<Self>> {
        macro_rules! optional {
            ($index:ident) => {
                checked.$index.map(|index| instance.get_typed_func(&mut *store, index)).transpose()?
            };
        }
        Ok(Box::new(Self {
            handler: instance.get_typed_func(&mut *store, checked.handler)?,
            turns: optional!(turns),
            gate: optional!(gate),
            init: optional!(init),
            prepare_children: optional!(prepare_children),
            shutdown: optional!(shutdown),
            child_failed: optional!(child_failed),
            noticed: optional!(noticed),
            task_done: optional!(task_done),
            forget: optional!(forget),
        }))
    }
}

/// The function of a component, which its check found.
fn found<F>(function: Option<&F>) -> Called<&F> {
    function.ok_or_else(|| wasmtime::format_err!("the component does not export this function"))
}

impl Exports {
    /// Handles the current message. `body` is a buffer for its body.
    pub(super) async fn handle(&self, store: &mut Store<ActorData>, body: &mut Arc<Vec<u8>>) -> Called<HandlerResults> {
        match self {
            Self::Component(exports) => {
                let bytes = Arc::make_mut(body);
                bytes.clear();
                bytes.extend_from_slice(store.data_mut().incarnation.turn.get_mut().body());
                exports.handler.call_async(&mut *store, (body.clone(),)).await
            }
            Self::Direct(enter) => enter.handle(store).await,
        }
    }

    /// Handles the messages of a frame, and returns the frame of their outcomes.
    pub(super) async fn handle_batch(&self, store: &mut Store<ActorData>, frame: Arc<Vec<u8>>) -> Called<Vec<u8>> {
        match self {
            Self::Component(exports) => {
                let (frame,) = found(exports.turns.as_ref())?.call_async(&mut *store, (frame,)).await?;
                Ok(frame)
            }
            Self::Direct(enter) => enter.handle_batch(store, frame).await,
        }
    }

    pub(super) async fn hook(&self, store: &mut Store<ActorData>, hook: Hook) -> Called<Result<(), String>> {
        match self {
            Self::Component(exports) => {
                let function = match hook {
                    Hook::Init => &exports.init,
                    Hook::PrepareChildren => &exports.prepare_children,
                    Hook::Shutdown => &exports.shutdown,
                };
                let (answer,) = found(function.as_ref())?.call_async(&mut *store, ()).await?;
                Ok(answer)
            }
            Self::Direct(enter) => match hook {
                Hook::Init => enter.init(store).await,
                Hook::PrepareChildren => enter.prepare_children(store).await,
                Hook::Shutdown => enter.shut_down(store).await,
            },
        }
    }

    pub(super) async fn decide_to_start(&self, store: &mut Store<ActorData>) -> Called<Decision> {
        match self {
            Self::Component(exports) => {
                let (decision,) = found(exports.gate.as_ref())?.call_async(&mut *store, ()).await?;
                Ok(decision)
            }
            Self::Direct(enter) => enter.decide_to_start(store).await,
        }
    }

    pub(super) async fn child_failed(&self, store: &mut Store<ActorData>, failure: ChildFailure) -> Called<Directive> {
        match self {
            Self::Component(exports) => {
                let (directive,) = found(exports.child_failed.as_ref())?.call_async(&mut *store, (failure,)).await?;
                Ok(directive)
            }
            Self::Direct(enter) => enter.child_failed(store, failure).await,
        }
    }

    pub(super) async fn noticed(&self, store: &mut Store<ActorData>, notice: Notice) -> Called<Result<(), Failure>> {
        match self {
            Self::Component(exports) => {
                let (outcome,) = found(exports.noticed.as_ref())?.call_async(&mut *store, (notice,)).await?;
                Ok(outcome)
            }
            Self::Direct(enter) => enter.noticed(store, notice).await,
        }
    }

    pub(super) async fn task_done(&self, store: &mut Store<ActorData>, tasks: Vec<Task>) -> Called<()> {
        match self {
            Self::Component(exports) => found(exports.task_done.as_ref())?.call_async(&mut *store, (tasks,)).await,
            Self::Direct(enter) => enter.task_done(store, tasks).await,
        }
    }

    /// Drops the value of an actor that shares the instance.
    pub(super) async fn forget(&self, store: &mut Store<ActorData>, number: u32) -> Called<()> {
        match self {
            Self::Component(exports) => found(exports.forget.as_ref())?.call_async(&mut *store, (number,)).await,
            Self::Direct(enter) => enter.forget(store, number).await,
        }
    }
}
