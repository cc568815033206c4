//! The actor's state in the play's store: values under keys, which an author reads and changes by [`Context::state`].
//!
//! [`Context::state`]: crate::Context::state

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::errors::StateError;
#[cfg(target_family = "wasm")]
use crate::kernel::Kernel as _;
use crate::kernel_handle::KernelHandle;
use crate::timer::whole_millis;

/// Keys of one call to the host.
const PAGE: u32 = 1000;

/// The actor's state: values under keys that outlive its incarnations and the host. The manifest grants it with `[actor.state]`.
///
/// A change is an effect of the current message, or hook, like a send: it is kept together with the end of that message, and
/// dropped when the message fails. A message reads what it set itself, and what messages before it set. A key is a text of at most
/// 512 bytes. Values are JSON, or any bytes.
///
/// A value stays until it is replaced or removed. With `expire = "30d"` in `[actor.state]`, each value goes when it was not put again for that
/// long, and with [`put_for`](Self::put_for) a value has a time of its own.
pub struct State<'a> {
    kernel: &'a KernelHandle,
}

impl<'a> State<'a> {
    pub(crate) fn new(kernel: &'a KernelHandle) -> Self {
        Self { kernel }
    }

    /// The value of a key, read as JSON; none when the key has no value.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StateError> {
        let read = |value: Vec<u8>| {
            let not_json =
                |error: serde_json::Error| StateError::NotJson { key: key.to_owned(), why: error.to_string() };
            serde_json::from_slice(&value).map_err(not_json)
        };
        self.get_bytes(key)?.map(read).transpose()
    }

    /// Gives a key a value, as JSON, in place of the one that it has.
    pub fn put<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), StateError> {
        let not_json = |error: serde_json::Error| StateError::NotJson { key: key.to_owned(), why: error.to_string() };
        self.put_bytes(key, serde_json::to_vec(value).map_err(not_json)?)
    }

    /// As [`put`](Self::put); the value goes when it was not put again for this time, whatever `state.expire` in the manifest says. Then the key
    /// has no value. The time counts from the end of the message, in milliseconds, rounded up; a zero counts as one millisecond, and more
    /// than 100 years as 100 years.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use playhouse_sdk::{Context, Result};
    /// fn log_in(ctx: &Context, user: &str) -> Result<()> {
    ///     Ok(ctx.state().put_for("session", user, Duration::from_mins(30))?)
    /// }
    /// ```
    pub fn put_for<T: Serialize + ?Sized>(&self, key: &str, value: &T, time: Duration) -> Result<(), StateError> {
        let not_json = |error: serde_json::Error| StateError::NotJson { key: key.to_owned(), why: error.to_string() };
        self.put_bytes_for(key, serde_json::to_vec(value).map_err(not_json)?, time)
    }

    /// The bytes of a key's value; none when the key has no value.
    pub fn get_bytes(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.kernel.state_get(key)
    }

    /// Gives a key these bytes as its value, in place of those that it has.
    pub fn put_bytes(&self, key: &str, value: impl AsRef<[u8]>) -> Result<(), StateError> {
        self.kernel.state_set(key, value.as_ref())
    }

    /// As [`put_bytes`](Self::put_bytes), for a time as with [`put_for`](Self::put_for).
    pub fn put_bytes_for(&self, key: &str, value: impl AsRef<[u8]>, time: Duration) -> Result<(), StateError> {
        self.kernel.state_set_for(key, value.as_ref(), whole_millis(time))
    }

    /// Removes a key with its value, if it has one.
    pub fn delete(&self, key: &str) -> Result<(), StateError> {
        self.kernel.state_delete(key)
    }

    /// All keys that begin with this text, in the order of their bytes; with `""` all keys.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Result};
    /// fn open_orders(ctx: &Context) -> Result<Vec<String>> {
    ///     Ok(ctx.state().keys("order/")?)
    /// }
    /// ```
    pub fn keys(&self, prefix: &str) -> Result<Vec<String>, StateError> {
        let mut keys = Vec::new();
        loop {
            let page = self.kernel.state_keys(prefix, keys.last().map(String::as_str), PAGE)?;
            if page.is_empty() {
                return Ok(keys);
            }
            keys.extend(page);
        }
    }
}
