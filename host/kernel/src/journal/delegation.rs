//! Delegation of the trait [`Store`](crate::Store), for stores that change a part of another one, as those of tests do.

/// Writes methods of an `impl Store`, each of which calls the same one of the store in a field. `reads` is all that find something, but for
/// `messages`.
///
/// ```
/// use std::sync::Arc;
/// use playhouse_kernel::{BoxFuture, JournalGroup, MemoryStore, Store, StoreError, delegate_store};
///
/// /// A store that takes nothing.
/// struct Full(MemoryStore);
///
/// impl Store for Full {
///     delegate_store!(self.0: open, messages, reads);
///
///     fn write(&self, _: Arc<JournalGroup>) -> BoxFuture<'_, Result<(), StoreError>> {
///         Box::pin(async { Err(StoreError::Full("no space".to_owned())) })
///     }
/// }
/// ```
#[macro_export]
macro_rules! delegate_store {
    (self.$inner:tt: $($method:ident),+) => {
        $($crate::delegate_store!(@$method $inner);)+
    };
    (@open $inner:tt) => {
        fn open(&self) -> $crate::BoxFuture<'_, Result<$crate::Image, $crate::StoreError>> {
            self.$inner.open()
        }
    };
    (@write $inner:tt) => {
        fn write(
            &self,
            group: std::sync::Arc<$crate::JournalGroup>,
        ) -> $crate::BoxFuture<'_, Result<(), $crate::StoreError>> {
            self.$inner.write(group)
        }
    };
    (@space $inner:tt) => {
        fn shortage(&self) -> Option<String> {
            self.$inner.shortage()
        }

        fn shortage_with(&self, bytes: usize) -> Option<String> {
            self.$inner.shortage_with(bytes)
        }

        fn outside_bytes(&self) -> usize {
            self.$inner.outside_bytes()
        }
    };
    (@messages $inner:tt) => {
        fn messages(
            &self,
            mailbox: $crate::ActorId,
            from: u64,
            most_bytes: usize,
        ) -> $crate::BoxFuture<'_, Result<Vec<$crate::StoredMessage>, $crate::StoreError>> {
            self.$inner.messages(mailbox, from, most_bytes)
        }
    };
    (@reads $inner:tt) => {
        fn actor(
            &self,
            address: &$crate::Address,
        ) -> $crate::BoxFuture<'_, Result<Option<$crate::StoredActor>, $crate::StoreError>> {
            self.$inner.actor(address)
        }

        fn children(
            &self,
            above: &$crate::Address,
            after: Option<&$crate::Address>,
            most: usize,
        ) -> $crate::BoxFuture<'_, Result<Vec<$crate::Address>, $crate::StoreError>> {
            self.$inner.children(above, after, most)
        }

        fn held(
            &self,
            mailbox: $crate::ActorId,
            from: u64,
            most_bytes: usize,
        ) -> $crate::BoxFuture<'_, Result<Vec<$crate::StoredMessage>, $crate::StoreError>> {
            self.$inner.held(mailbox, from, most_bytes)
        }

        fn value(
            &self,
            actor: $crate::ActorId,
            key: &str,
        ) -> $crate::BoxFuture<'_, Result<Option<$crate::StoredValue>, $crate::StoreError>> {
            self.$inner.value(actor, key)
        }

        fn keys(
            &self,
            actor: $crate::ActorId,
            prefix: &str,
            after: Option<&str>,
            most: usize,
            now: std::time::SystemTime,
        ) -> $crate::BoxFuture<'_, Result<Vec<String>, $crate::StoreError>> {
            self.$inner.keys(actor, prefix, after, most, now)
        }

        fn expiring(&self, most: usize) -> $crate::BoxFuture<'_, Result<Vec<$crate::ExpiringKey>, $crate::StoreError>> {
            self.$inner.expiring(most)
        }

        fn shorten_lifetimes(
            &self,
            now: std::time::SystemTime,
        ) -> $crate::BoxFuture<'_, Result<(), $crate::StoreError>> {
            self.$inner.shorten_lifetimes(now)
        }

        fn state_size(
            &self,
            actor: $crate::ActorId,
        ) -> $crate::BoxFuture<'_, Result<$crate::StateSize, $crate::StoreError>> {
            self.$inner.state_size(actor)
        }

        fn timers(
            &self,
            actor: $crate::ActorId,
            after: u64,
            most: usize,
        ) -> $crate::BoxFuture<'_, Result<Vec<$crate::StoredTimer>, $crate::StoreError>> {
            self.$inner.timers(actor, after, most)
        }

        fn letters(
            &self,
            after: u64,
            most: usize,
        ) -> $crate::BoxFuture<'_, Result<Vec<$crate::StoredLetter>, $crate::StoreError>> {
            self.$inner.letters(after, most)
        }

        fn origins(
            &self,
            source: &str,
            from: &[u8],
            most: usize,
        ) -> $crate::BoxFuture<'_, Result<Vec<$crate::StoredOrigin>, $crate::StoreError>> {
            self.$inner.origins(source, from, most)
        }
    };
}
