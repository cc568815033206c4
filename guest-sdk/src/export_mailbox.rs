//! The macro that makes a component of a crate with a mailbox plugin.

/// Makes a mailbox plugin of a crate: exports this type to the host. Once in a crate, at its top level, and instead of
/// [`export_actor!`](crate::export_actor).
///
/// On targets other than `wasm` it only checks that the type is a [`Mailbox`]:
/// ```compile_fail,E0277
/// #[derive(Default)]
/// struct Chair;
/// playhouse_sdk::export_mailbox!(Chair);
/// ```
#[macro_export]
macro_rules! export_mailbox {
    ($mailbox:ty) => {
        const _: () = {
            const fn is_a_mailbox<M: $crate::mailbox::Mailbox>() {}
            is_a_mailbox::<$mailbox>();

            // Native builds do not construct the type, and the compiler would warn about dead code.
            const _: fn() -> $mailbox = <$mailbox as ::std::default::Default>::default;

            #[cfg(target_family = "wasm")]
            const _: () = {
                ::std::thread_local! {
                    static SLOT: ::std::cell::RefCell<$mailbox> = ::std::default::Default::default();
                }

                impl $crate::mailbox::component::Exported for $mailbox {
                    fn slot() -> &'static ::std::thread::LocalKey<::std::cell::RefCell<Self>> {
                        &SLOT
                    }
                }

                type Component = $crate::mailbox::component::Component<$mailbox>;
                $crate::bindings::mailbox_plugin::export! {
                    Component with_types_in $crate::bindings::mailbox_plugin
                }
            };
        };
    };
}
