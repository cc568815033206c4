//! The contract's exports in terms of an `Instance`.

use std::marker::PhantomData;

use super::slot::{Exported, SharedSlot, Slots};
use crate::bindings::calling_back::exports::playhouse::actor::callback;
use crate::bindings::exports::playhouse::actor::{children, handler, lifecycle, turns};
use crate::bindings::gated::exports::playhouse::actor::gate;
use crate::bindings::playhouse::actor::types;
use crate::bindings::sharing::exports::playhouse::actor::shared;
use crate::bindings::supervising::exports::playhouse::actor::supervisor;
use crate::bindings::watching::exports::playhouse::actor::watcher;
use crate::callback::{Callback, Ended, TaskDone};
use crate::envelope::{Flow, FlowId};
use crate::failure::Failure;
use crate::gate::{Decision, Gate};
use crate::instance::Instance;
use crate::message::Message;
use crate::notice::{Change, Notice, WatchId};
use crate::supervisor::{Blamed, ChildFailed, Directive, Supervisor};
use crate::timer::whole_millis;
use crate::wasm::{ComponentKernel, handle_batch, set_panic_hook};
use crate::watcher::Watcher;

/// The exports of the world `actor-with-hooks` for the actor `A`.
pub struct Component<A>(PhantomData<A>);

impl<A: Exported<Slot: Slots<A>>> handler::Guest for Component<A> {
    fn msg_handler(body: Vec<u8>) -> Result<Option<Vec<u8>>, types::Failure> {
        with::<A, _>(|actor| actor.handle(Message::new(body))).map_err(|failure| match failure {
            Failure::Reject(reason) => types::Failure::Reject(reason),
            Failure::Retry(reason) => types::Failure::Retry(reason),
        })
    }
}

impl<A: Exported<Slot: Slots<A>>> turns::Guest for Component<A> {
    fn handle(frame: Vec<u8>) -> Vec<u8> {
        with::<A, _>(|actor| handle_batch(|message| actor.handle(message), frame))
    }
}

impl<A: Exported + Gate> gate::Guest for Component<A> {
    fn decide_to_start() -> gate::Decision {
        set_panic_hook();
        match Instance::<A>::decide_to_start(ComponentKernel) {
            Decision::Start => gate::Decision::Start,
            Decision::Wait { recheck } => gate::Decision::Wait(recheck.map(whole_millis)),
        }
    }
}

impl<A: Exported<Slot: Slots<A>>> lifecycle::Guest for Component<A> {
    fn init() -> Result<(), String> {
        set_panic_hook();
        let start = || Instance::<A>::start(ComponentKernel, A::saved());
        A::slot().with(|slot| slot.start(start)).map_err(|error| format!("{error:#}"))
    }

    fn shutdown() -> Result<(), String> {
        with::<A, _>(Instance::shutdown).map_err(|error| format!("{error:#}"))
    }
}

impl<A: Exported<Slot: Slots<A>>> children::Guest for Component<A> {
    fn prepare_children() -> Result<(), String> {
        with::<A, _>(Instance::prepare_children).map_err(|error| format!("{error:#}"))
    }
}

impl<A: Exported<Slot = SharedSlot<A>>> shared::Guest for Component<A> {
    fn forget(actor: u32) {
        A::slot().with(|slot| slot.forget(actor));
    }
}

impl<A: Exported<Slot: Slots<A>> + Watcher> watcher::Guest for Component<A> {
    fn noticed(notice: watcher::Notice) -> Result<(), watcher::Failure> {
        let watcher::Notice { watch, address, incarnation, change } = notice;
        let change = match change {
            watcher::Change::Started => Change::Started,
            watcher::Change::Crashed(watcher::Crash { kind, reason }) => Change::Crashed { kind, reason },
            watcher::Change::Stopped(by_operator) => Change::Stopped { by_operator },
            watcher::Change::Ended => Change::Ended,
            watcher::Change::Gone => Change::Gone,
        };
        let notice = Notice { watch: WatchId(watch), address, incarnation, change };
        with::<A, _>(|actor| actor.noticed(notice)).map_err(|failure| match failure {
            Failure::Reject(reason) => watcher::Failure::Reject(reason),
            Failure::Retry(reason) => watcher::Failure::Retry(reason),
        })
    }
}

impl<A: Exported<Slot: Slots<A>> + Callback> callback::Guest for Component<A> {
    fn task_done(tasks: Vec<callback::Task>) {
        with::<A, _>(|actor| {
            for callback::Task { id, attempt, outcome, dead_letter } in tasks {
                let ended = match outcome {
                    callback::Outcome::Done => Ended::Done,
                    callback::Outcome::Replied => Ended::Replied,
                    callback::Outcome::Failed(callback::Failure::Reject(reason)) => {
                        Ended::Failed(Failure::Reject(reason))
                    }
                    callback::Outcome::Failed(callback::Failure::Retry(reason)) => {
                        Ended::Failed(Failure::Retry(reason))
                    }
                    callback::Outcome::Crashed(callback::Crash { kind, reason }) => Ended::Crashed { kind, reason },
                };
                actor.task_done(TaskDone { id, attempt, ended, dead_letter });
            }
        });
    }
}

impl<A: Exported<Slot: Slots<A>> + Supervisor> supervisor::Guest for Component<A> {
    fn child_failed(failure: supervisor::ChildFailure) -> supervisor::Directive {
        let directive = with::<A, _>(|actor| actor.child_failed(failure.into()));
        match directive {
            Directive::Restart => supervisor::Directive::Restart,
            Directive::Stop => supervisor::Directive::Stop,
            Directive::Escalate => supervisor::Directive::Escalate,
            Directive::Default => supervisor::Directive::Default,
        }
    }
}

impl From<supervisor::ChildFailure> for ChildFailed {
    fn from(failure: supervisor::ChildFailure) -> Self {
        let supervisor::ChildFailure {
            address,
            plugin,
            incarnation,
            kind,
            reason,
            backtrace,
            stderr,
            blamed,
            restarts,
            intensity,
            period_ms,
        } = failure;
        let blamed = blamed.map(|supervisor::Blamed { id, attempt, attempts, flow, hops }| {
            let flow = Flow { id: FlowId::read(&flow), hops };
            Blamed { id, attempt, attempts, flow }
        });
        Self { address, plugin, incarnation, kind, reason, backtrace, stderr, blamed, restarts, intensity, period_ms }
    }
}

fn with<A: Exported<Slot: Slots<A>>, T>(call: impl FnOnce(&mut Instance<A>) -> T) -> T {
    A::slot().with(|slot| {
        slot.with(|actor| match actor {
            Some(actor) => call(actor),
            None => not_started(),
        })
    })
}

fn not_started() -> ! {
    set_panic_hook();
    panic!("the host must call lifecycle.init, and it must succeed, before other calls");
}
