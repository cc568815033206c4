//! The interface of a component: the contract's exports in terms of an `Instance`, its imports as a `Kernel`, and the panic
//! hook. Public only for the expansion of `export_actor!`.

use std::cell::RefCell;
use std::thread::LocalKey;

use crate::Actor;
pub use crate::instance::Instance;

/// The slot for the one actor of a component; empty before `init`.
pub type Slot<A> = RefCell<Option<Instance<A>>>;

/// An actor with a static slot, which only a macro in its own crate can declare.
pub trait Exported: Actor {
    /// The slot.
    fn slot() -> &'static LocalKey<Slot<Self>>;
}

/// The facts about an actor type in its component's custom section `playhouse-actor`: whether it keeps state
/// between messages. `playhouse check` warns when an actor with state runs in several instances.
pub const fn facts<A>() -> [u8; 10] {
    if size_of::<A>() == 0 { *b"state=none" } else { *b"state=some" }
}

/// Makes a component of a crate: exports this actor to the host. Once in a crate, at its top level.
///
/// On targets other than `wasm` it only checks that the type is an [`Actor`].
///
/// ```
/// # use playhouse_sdk::{Actor, Context, Message, Result, export_actor};
/// #[derive(Default)]
/// struct Sink;
///
/// impl Actor for Sink {
///     fn msg_handler(&mut self, _: Message, _: &mut Context) -> Result {
///         Ok(())
///     }
/// }
///
/// export_actor!(Sink);
/// ```
///
/// Optional hooks are traits of their own, named after the type in any order: `gate` for a [`Gate`](crate::Gate), `supervisor`
/// for a [`Supervisor`](crate::Supervisor), `watcher` for a [`Watcher`](crate::Watcher), `callback` for a
/// [`Callback`](crate::Callback). A hook that is not named is not exported, and has no cost.
/// ```
/// # use playhouse_sdk::*;
/// # #[derive(Default)] struct Boss;
/// # impl Actor for Boss { fn msg_handler(&mut self, _: Message, _: &mut Context) -> Result { Ok(()) } }
/// # impl Supervisor for Boss { fn child_failed(&mut self, _: ChildFailed, _: &mut Context) -> Directive { Directive::Stop } }
/// # impl Watcher for Boss { fn noticed(&mut self, _: Notice, _: &mut Context) -> Result { Ok(()) } }
/// export_actor!(Boss, supervisor, watcher);
/// ```
///
/// A type that is not an actor does not compile, nor one that lacks the trait of a hook, nor a hook that does not exist:
/// ```compile_fail,E0277
/// struct Chair;
/// playhouse_sdk::export_actor!(Chair);
/// ```
/// ```compile_fail,E0277
/// # use playhouse_sdk::*;
/// # #[derive(Default)] struct Boss;
/// # impl Actor for Boss { fn msg_handler(&mut self, _: Message, _: &mut Context) -> Result { Ok(()) } }
/// export_actor!(Boss, supervisor); // is no `Supervisor`
/// ```
/// ```compile_fail
/// # use playhouse_sdk::*;
/// # #[derive(Default)] struct Boss;
/// # impl Actor for Boss { fn msg_handler(&mut self, _: Message, _: &mut Context) -> Result { Ok(()) } }
/// export_actor!(Boss, superviser);
/// ```
#[macro_export]
macro_rules! export_actor {
    // A new hook needs one more line here, and its name in the error message below.
    (@hook gate $actor:ty) => { $crate::export_actor!(@export $actor, $crate::Gate, gated); };
    (@hook supervisor $actor:ty) => { $crate::export_actor!(@export $actor, $crate::Supervisor, supervising); };
    (@hook watcher $actor:ty) => { $crate::export_actor!(@export $actor, $crate::Watcher, watching); };
    (@hook callback $actor:ty) => { $crate::export_actor!(@export $actor, $crate::Callback, calling_back); };
    (@hook $other:ident $actor:ty) => {
        ::std::compile_error!(::std::concat!(
            "`export_actor!` knows no hook `", ::std::stringify!($other),
            "`; the hooks are `gate`, `supervisor`, `watcher` and `callback`"
        ));
    };
    // `$world` is the module of `bindings` with the hook's export.
    (@export $actor:ty, $hook:path, $world:ident) => {
        const _: () = {
            const fn has_hook<A: $hook>() {}
            has_hook::<$actor>();

            #[cfg(target_family = "wasm")]
            const _: () = {
                type Component = $crate::component::Component<$actor>;
                $crate::bindings::$world::export! { Component with_types_in $crate::bindings::$world }
            };
        };
    };
    ($actor:ty $(, $hook:ident)* $(,)?) => {
        const _: () = {
            ::std::thread_local! {
                static SLOT: $crate::component::Slot<$actor> = const { ::std::cell::RefCell::new(None) };
            }

            impl $crate::component::Exported for $actor {
                fn slot() -> &'static ::std::thread::LocalKey<$crate::component::Slot<Self>> {
                    &SLOT
                }
            }

            // Native builds do not construct the actor, and the compiler would warn about dead code.
            const _: fn() -> $actor = <$actor as ::std::default::Default>::default;

            #[cfg(target_family = "wasm")]
            const _: () = {
                type Component = $crate::component::Component<$actor>;
                $crate::bindings::export! { Component with_types_in $crate::bindings }

                #[unsafe(link_section = "playhouse-actor")]
                #[used]
                static FACTS: [u8; 10] = $crate::component::facts::<$actor>();
            };
        };

        $( $crate::export_actor!(@hook $hook $actor); )*
    };
}

#[cfg(target_family = "wasm")]
pub use wasm::Component;
#[cfg(target_family = "wasm")]
pub(crate) use wasm::Door;

#[cfg(target_family = "wasm")]
mod words;

#[cfg(target_family = "wasm")]
mod wasm {
    use std::marker::PhantomData;
    use std::panic::{self, PanicHookInfo};
    use std::time::Duration;

    use super::{Exported, Instance};
    use crate::bindings::calling_back::exports::playhouse::actor::callback;
    use crate::bindings::exports::playhouse::actor::{children, handler, lifecycle, turns};
    use crate::bindings::gated::exports::playhouse::actor::gate;
    use crate::bindings::playhouse::actor::{batch, kernel, types};
    use crate::bindings::supervising::exports::playhouse::actor::supervisor;
    use crate::bindings::watching::exports::playhouse::actor::watcher;
    use crate::context::whole_millis;
    use crate::kernel::Kernel;
    use crate::turns::{Host, Route, Turns};
    use crate::{
        ActorState, AskError, Blamed, Callback, Change, ChildFailed, Decision, Directive, Ended, Envelope, Failure,
        Flow, Gate, Message, Notice, Result, SendError, SpawnError, SpawnOptions, StopError, Supervisor, TaskDone,
        TimerError, WatchError, WatchId, Watcher,
    };

    /// The exports of the world `actor-with-hooks` for the actor `A`.
    pub struct Component<A>(PhantomData<A>);

    impl<A: Exported> handler::Guest for Component<A> {
        fn msg_handler(body: Vec<u8>) -> Result<Option<Vec<u8>>, types::Failure> {
            with::<A, _>(|actor| actor.handle(Message::new(body))).map_err(|failure| match failure {
                Failure::Reject(reason) => types::Failure::Reject(reason),
                Failure::Retry(reason) => types::Failure::Retry(reason),
            })
        }
    }

    thread_local! {
        /// The current batch, if there is one. All calls of the actor to its kernel go through this.
        static TURNS: Turns<Imports> = const { Turns::new(Imports) };
    }

    impl<A: Exported> turns::Guest for Component<A> {
        fn handle(frame: Vec<u8>) -> Vec<u8> {
            with::<A, _>(|actor| TURNS.with(|turns| turns.handle(actor, frame)))
        }
    }

    impl<A: Exported + Gate> gate::Guest for Component<A> {
        fn decide_to_start() -> gate::Decision {
            panic::set_hook(Box::new(report_panic));
            match Instance::<A>::decide_to_start(Door) {
                Decision::Start => gate::Decision::Start,
                Decision::Wait { recheck } => gate::Decision::Wait(recheck.map(whole_millis)),
            }
        }
    }

    impl<A: Exported> lifecycle::Guest for Component<A> {
        fn init() -> Result<(), String> {
            panic::set_hook(Box::new(report_panic));
            let instance = Instance::<A>::start(Door).map_err(|error| format!("{error:#}"))?;
            A::slot().set(Some(instance));
            Ok(())
        }

        fn shutdown() -> Result<(), String> {
            with::<A, _>(Instance::shutdown).map_err(|error| format!("{error:#}"))
        }
    }

    impl<A: Exported> children::Guest for Component<A> {
        fn prepare_children() -> Result<(), String> {
            with::<A, _>(Instance::prepare_children).map_err(|error| format!("{error:#}"))
        }
    }

    impl<A: Exported + Watcher> watcher::Guest for Component<A> {
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

    impl<A: Exported + Callback> callback::Guest for Component<A> {
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

    impl<A: Exported + Supervisor> supervisor::Guest for Component<A> {
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
                let flow = Flow { id: flow, hops };
                Blamed { id, attempt, attempts, flow }
            });
            Self {
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
            }
        }
    }

    fn with<A: Exported, T>(call: impl FnOnce(&mut Instance<A>) -> T) -> T {
        A::slot().with_borrow_mut(|slot| match slot {
            Some(instance) => call(instance),
            None => not_started(),
        })
    }

    fn not_started() -> ! {
        panic::set_hook(Box::new(report_panic));
        panic!("the host must call lifecycle.init, and it must succeed, before other calls");
    }

    /// The panic hook. It runs at most once, since `panicked` does not return.
    fn report_panic(panic: &PanicHookInfo<'_>) {
        let message = panic.payload_as_str().unwrap_or("a panic without a text");
        let report = match panic.location() {
            Some(at) => format!("{message} ({}:{}:{})", at.file(), at.line(), at.column()),
            None => message.to_owned(),
        };
        let line = report.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        eprintln!("panicked: {line}");
        kernel::panicked(&report, &[]);
    }

    /// The kernel that an actor's context calls.
    pub(crate) struct Door;

    impl Kernel for Door {
        fn address(&self) -> String {
            TURNS.with(Turns::address)
        }

        fn incarnation(&self) -> u64 {
            TURNS.with(Turns::incarnation)
        }

        fn config(&self, key: &str) -> Option<String> {
            TURNS.with(|turns| turns.config(key))
        }

        fn envelope(&self) -> Option<Envelope> {
            TURNS.with(Turns::envelope)
        }

        fn sender(&self) -> Option<String> {
            TURNS.with(Turns::sender)
        }

        fn flow(&self) -> Option<Flow> {
            TURNS.with(Turns::flow)
        }

        fn tell(&self, to: &str, body: &[u8]) -> Result<(), SendError> {
            TURNS.with(|turns| turns.tell(to, body))
        }

        fn tell_all(&self, to: &str, body: &[u8]) -> Result<u32, SendError> {
            TURNS.with(|turns| turns.tell_all(to, body))
        }

        fn ask(&self, to: &str, body: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError> {
            TURNS.with(|turns| turns.ask(to, body, timeout))
        }

        fn spawn(&self, name: &str, plugin: &str, options: &SpawnOptions) -> Result<(), SpawnError> {
            TURNS.with(|turns| turns.spawn(name, plugin, options))
        }

        fn stop(&self, child: &str) -> Result<(), StopError> {
            TURNS.with(|turns| turns.stop(child))
        }

        fn children(&self) -> Vec<String> {
            TURNS.with(Turns::children)
        }

        fn lookup(&self, path: &str) -> Option<String> {
            TURNS.with(|turns| turns.lookup(path))
        }

        fn status(&self, path: &str) -> Option<ActorState> {
            TURNS.with(|turns| turns.status(path))
        }

        fn timer(&self, to: &str, body: &[u8], wait_ms: u64, again: bool) -> Result<u64, TimerError> {
            TURNS.with(|turns| turns.timer(to, body, wait_ms, again))
        }

        fn cancel(&self, timer: u64) {
            TURNS.with(|turns| turns.cancel(timer));
        }

        fn watch(&self, to: &str) -> Result<u64, WatchError> {
            TURNS.with(|turns| turns.watch(to))
        }

        fn unwatch(&self, watch: u64) {
            TURNS.with(|turns| turns.unwatch(watch));
        }
    }

    /// The kernel on the other side of the contract's imports.
    struct Imports;

    impl Host for Imports {
        fn resolve(&self, to: &str, message: u32) -> Result<Route, SendError> {
            Ok(batch::resolve(to, message)?.into())
        }

        fn own(&self) -> Route {
            batch::own_route().into()
        }

        fn reserve(&self, name: &str, plugin: &str, options: &SpawnOptions, message: u32) -> Result<u32, SpawnError> {
            Ok(batch::spawn(name, plugin, &options.into(), message)?)
        }

        fn find_child(&self, child: &str) -> Result<u32, StopError> {
            Ok(batch::stop(child)?)
        }

        fn timer_room(&self) -> (u32, u32) {
            batch::timer_room()
        }

        fn sender_of(&self, message: u32) -> Option<String> {
            batch::sender(message)
        }

        fn hand_over(&self, frame: &[u8]) {
            batch::hand_over(frame);
        }
    }

    impl Kernel for Imports {
        fn address(&self) -> String {
            kernel::address()
        }

        fn incarnation(&self) -> u64 {
            kernel::incarnation()
        }

        fn config(&self, key: &str) -> Option<String> {
            kernel::config(key)
        }

        fn envelope(&self) -> Option<Envelope> {
            let kernel::Envelope { id, sender, flow, hops, attempt, asked } = kernel::message()?;
            Some(Envelope { id, sender, flow, hops, attempt, asked })
        }

        fn tell(&self, to: &str, body: &[u8]) -> Result<(), SendError> {
            Ok(kernel::tell(to, body)?)
        }

        fn tell_all(&self, to: &str, body: &[u8]) -> Result<u32, SendError> {
            Ok(kernel::tell_all(to, body)?)
        }

        fn ask(&self, to: &str, body: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError> {
            Ok(kernel::ask(to, body, whole_millis(timeout))?)
        }

        fn spawn(&self, name: &str, plugin: &str, options: &SpawnOptions) -> Result<(), SpawnError> {
            Ok(kernel::spawn(name, plugin, &options.into())?)
        }

        fn stop(&self, child: &str) -> Result<(), StopError> {
            Ok(kernel::stop(child)?)
        }

        fn children(&self) -> Vec<String> {
            kernel::children()
        }

        fn lookup(&self, path: &str) -> Option<String> {
            kernel::lookup(path)
        }

        fn status(&self, path: &str) -> Option<ActorState> {
            kernel::status(path).map(ActorState::from)
        }

        fn timer(&self, to: &str, body: &[u8], wait_ms: u64, again: bool) -> Result<u64, TimerError> {
            let set = if again { kernel::tell_every } else { kernel::tell_after };
            Ok(set(to, body, wait_ms)?)
        }

        fn cancel(&self, timer: u64) {
            kernel::cancel(timer);
        }

        fn watch(&self, to: &str) -> Result<u64, WatchError> {
            Ok(kernel::watch(to)?)
        }

        fn unwatch(&self, watch: u64) {
            kernel::unwatch(watch);
        }
    }
}
