//! Sends and replies with metadata: pairs of text beside the body.

use std::time::Duration;

use playhouse_frame::{Metadata, MetadataError};
use serde::Serialize;

use crate::errors::{AskError, SendError, TimerError};
use crate::json::to_json;
#[cfg(target_family = "wasm")]
use crate::kernel::Kernel as _;
use crate::kernel_handle::KernelHandle;
use crate::pending_reply::PendingReply;
use crate::reply::Reply;
use crate::result::Result;
use crate::timer::{TimerId, whole_millis};

/// A send or a reply that is being made, with metadata beside its body: at most 16 pairs, and 4 KiB of keys and values in total.
/// More pairs, more bytes or an empty key are a [`SendError::BadMetadata`] of the send.
///
/// ```
/// # use playhouse_sdk::{Actor, Context, Message, Result, testing::ActorHarness};
/// # #[derive(Default)] struct Shop;
/// impl Actor for Shop {
///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
///         if msg.metadata().get("method") == Some("POST") {
///             ctx.with_metadata("path", "/orders").and("source", "shop").tell("/audit", msg.body())?;
///         }
///         Ok(ctx.with_metadata("status", "201").reply("made")?)
///     }
/// }
///
/// let mut harness = ActorHarness::<Shop>::start()?;
/// let order = Message::new("tea").with("method", "POST");
/// let reply = harness.ask_message(order)?;
/// assert_eq!((reply.body, reply.metadata.get("status")), (b"made".to_vec(), Some("201")));
/// assert_eq!(harness.sent()[0].metadata.get("path"), Some("/orders"));
/// # Ok::<(), playhouse_sdk::Error>(())
/// ```
#[must_use = "it is sent by one of its functions"]
pub struct WithMetadata<'a> {
    kernel: &'a KernelHandle,
    /// The reply to the current message.
    reply: &'a PendingReply,
    metadata: Result<Metadata, MetadataError>,
}

impl<'a> WithMetadata<'a> {
    pub(crate) fn new(kernel: &'a KernelHandle, reply: &'a PendingReply) -> Self {
        Self { kernel, reply, metadata: Ok(Metadata::new()) }
    }

    /// Adds a pair after the others.
    pub fn and(mut self, key: &str, value: &str) -> Self {
        if let Ok(metadata) = &mut self.metadata
            && let Err(error) = metadata.push(key, value)
        {
            self.metadata = Err(error);
        }
        self
    }

    /// Adds pairs, such as those of a message that is passed on.
    pub fn and_all<K: AsRef<str>, V: AsRef<str>>(self, pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        pairs.into_iter().fold(self, |with, (key, value)| with.and(key.as_ref(), value.as_ref()))
    }

    fn checked(&self) -> Result<&Metadata, SendError> {
        self.metadata.as_ref().map_err(|error| SendError::BadMetadata(error.to_string()))
    }

    /// As [`Context::tell`](crate::Context::tell).
    pub fn tell(self, to: &str, body: impl AsRef<[u8]>) -> Result<(), SendError> {
        self.kernel.tell_with(to, self.checked()?, body.as_ref())
    }

    /// As [`Context::tell_all`](crate::Context::tell_all).
    pub fn tell_all(self, to: &str, body: impl AsRef<[u8]>) -> Result<u32, SendError> {
        self.kernel.tell_all_with(to, self.checked()?, body.as_ref())
    }

    /// As [`Context::ask`](crate::Context::ask); the reply comes with its metadata. Without a pair, it is the way to read the metadata of a reply.
    pub fn ask(self, to: &str, body: impl AsRef<[u8]>, timeout: Duration) -> Result<Reply, AskError> {
        self.kernel.ask_with(to, self.checked()?, body.as_ref(), timeout)
    }

    /// As [`Context::reply`](crate::Context::reply). The last reply counts, and the last metadata.
    pub fn reply(self, body: impl Into<Vec<u8>>) -> Result<(), SendError> {
        let metadata = self.checked()?;
        self.kernel.reply_metadata(metadata);
        self.reply.replace(body.into(), !metadata.is_empty());
        Ok(())
    }

    /// As [`WithMetadata::tell`], with a value as JSON. Rejects the message when JSON cannot hold the value.
    pub fn tell_json<T: Serialize + ?Sized>(self, to: &str, value: &T) -> Result {
        Ok(self.tell(to, to_json(value)?)?)
    }

    /// As [`WithMetadata::reply`], with a value as JSON. Rejects the message when JSON cannot hold the value.
    pub fn reply_json<T: Serialize + ?Sized>(self, value: &T) -> Result {
        Ok(self.reply(to_json(value)?)?)
    }

    /// As [`Context::tell_after`](crate::Context::tell_after).
    pub fn tell_after(self, delay: Duration, to: &str, body: impl AsRef<[u8]>) -> Result<TimerId, TimerError> {
        self.timer(delay, to, body.as_ref(), false)
    }

    /// As [`Context::tell_every`](crate::Context::tell_every).
    pub fn tell_every(self, period: Duration, to: &str, body: impl AsRef<[u8]>) -> Result<TimerId, TimerError> {
        self.timer(period, to, body.as_ref(), true)
    }

    fn timer(self, wait: Duration, to: &str, body: &[u8], again: bool) -> Result<TimerId, TimerError> {
        self.kernel.timer_with(to, self.checked()?, body, whole_millis(wait), again).map(TimerId)
    }
}
