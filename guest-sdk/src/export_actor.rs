//! The macro that makes a component of a crate with an actor.

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
/// With `saved` among them, the actor's whole value is kept in its state, as JSON under the key `""`: it is loaded before `init`, put
/// back when a message fails, and saved once for each batch. That needs `[actor.state]` in the manifest, with space for the value twice, and
/// [`ActorHarness`](crate::testing::ActorHarness)`::setup().saved()` in tests. It is the way for small values; others use
/// [`Context::state`](crate::Context::state).
/// ```
/// # use playhouse_sdk::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Clone, Serialize, Deserialize)]
/// struct Till { sum: i64 }
///
/// impl Actor for Till {
///     fn msg_handler(&mut self, msg: Message, _: &mut Context) -> Result {
///         self.sum += msg.json::<i64>()?;
///         Ok(())
///     }
/// }
///
/// export_actor!(Till, saved);
/// ```
///
/// With `no_files` among them, the component has no imports for files and for standard input, which makes its starts cheaper. `println!`
/// and `eprintln!` work; a write to a file or a socket is a panic that says so.
/// ```
/// # use playhouse_sdk::*;
/// # #[derive(Default)] struct Sink;
/// # impl Actor for Sink { fn msg_handler(&mut self, _: Message, _: &mut Context) -> Result { Ok(()) } }
/// export_actor!(Sink, no_files);
/// ```
///
/// With `shared` among them, the actors of the plugin can share one instance, where the manifest says `share = true`: each has a value of
/// its own, and a start costs little. A panic ends all of them, and statics of the crate are common to them.
/// ```
/// # use playhouse_sdk::*;
/// # #[derive(Default)] struct Cart;
/// # impl Actor for Cart { fn msg_handler(&mut self, _: Message, _: &mut Context) -> Result { Ok(()) } }
/// export_actor!(Cart, shared);
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
    (@hook saved $actor:ty) => {};
    (@hook shared $actor:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Component = $crate::component::Component<$actor>;
            $crate::bindings::sharing::export! { Component with_types_in $crate::bindings::sharing }
        };
    };
    (@hook no_files $actor:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            #[unsafe(no_mangle)]
            unsafe extern "C" fn write(descriptor: i32, bytes: *const u8, count: usize) -> isize {
                // SAFETY: the caller's promise.
                unsafe { $crate::component::write(descriptor, bytes, count) }
            }
        };
    };
    (@hook $other:ident $actor:ty) => {
        ::std::compile_error!(::std::concat!(
            "`export_actor!` knows no hook `", ::std::stringify!($other),
            "`; the hooks are `gate`, `supervisor`, `watcher` and `callback`, and `saved`, `no_files` and `shared` are possible beside them"
        ));
    };
    // The functions of an actor that is saved, if `saved` is among the hooks.
    (@saved) => {};
    (@saved saved $($more:ident)*) => {
        fn saved() -> ::std::option::Option<$crate::saved::SavedFns<Self>> {
            ::std::option::Option::Some($crate::saved::SavedFns::default())
        }
    };
    (@saved $other:ident $($more:ident)*) => { $crate::export_actor!(@saved $($more)*); };
    // The type of the slot, which depends on `shared` among the hooks.
    (@slot $actor:ty,) => { $crate::component::Slot<$actor> };
    (@slot $actor:ty, shared $($more:ident)*) => { $crate::component::SharedSlot<$actor> };
    (@slot $actor:ty, $other:ident $($more:ident)*) => { $crate::export_actor!(@slot $actor, $($more)*) };
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
            type ActorSlot = $crate::export_actor!(@slot $actor, $($hook)*);

            ::std::thread_local! {
                static SLOT: ActorSlot = const { ActorSlot::new() };
            }

            impl $crate::component::Exported for $actor {
                type Slot = ActorSlot;

                fn slot() -> &'static ::std::thread::LocalKey<ActorSlot> {
                    &SLOT
                }

                $crate::export_actor!(@saved $($hook)*);
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
