//! The body of the current message. The context has its envelope, so that an actor that does not read it does not pay for it.

use std::fmt;
use std::sync::Arc;

use anyhow::Context as _;
use playhouse_frame::{Metadata, Pairs, Record};
use serde::Deserialize;

use crate::failure::OrReject;
use crate::result::Result;

/// The current message: bytes, which can be read as text or JSON.
///
/// ```
/// use playhouse_sdk::Message;
///
/// let msg = Message::new("[1, 2]");
/// assert_eq!(msg.body(), b"[1, 2]");
/// assert_eq!(msg.text().unwrap(), "[1, 2]");
/// assert_eq!(msg.json::<Vec<u8>>().unwrap(), [1, 2]);
/// ```
///
/// To keep a body beyond the handler, keep [`into_body`](Self::into_body), not the message: a message of a batch keeps the memory
/// of the whole batch.
#[derive(Clone)]
pub struct Message {
    body: Body,
}

#[derive(Clone)]
enum Body {
    Own(Vec<u8>),
    /// A piece of a batch's frame.
    #[cfg_attr(not(any(test, target_family = "wasm")), expect(dead_code, reason = "frames only reach components"))]
    Shared(Arc<Vec<u8>>, Record),
    /// A body with metadata, for tests.
    With(Box<(Vec<u8>, Metadata)>),
}

impl Message {
    /// A message with this body, for tests.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self { body: Body::Own(body.into()) }
    }

    /// The same message with one more pair of metadata, for tests.
    ///
    /// # Panics
    /// When the pairs are more than a message may have.
    #[must_use]
    pub fn with(self, key: &str, value: &str) -> Self {
        let mut metadata = Metadata::from(self.metadata());
        metadata.push(key, value).expect("the metadata of a message are bounded");
        Self { body: Body::With(Box::new((self.into_body(), metadata))) }
    }

    /// The message of this record of a batch's frame.
    #[cfg(any(test, target_family = "wasm"))]
    pub(crate) fn shared(frame: &Arc<Vec<u8>>, record: Record) -> Self {
        Self { body: Body::Shared(Arc::clone(frame), record) }
    }

    /// The pairs of text that the sender put beside the body, in order.
    ///
    /// ```
    /// # use playhouse_sdk::Message;
    /// let msg = Message::new("tea").with("method", "POST").with("path", "/orders");
    /// assert_eq!(msg.metadata().get("path"), Some("/orders"));
    /// let pairs: Vec<_> = msg.metadata().collect();
    /// assert_eq!(pairs, [("method", "POST"), ("path", "/orders")]);
    /// ```
    pub fn metadata(&self) -> Pairs<'_> {
        match &self.body {
            Body::Own(_) => Pairs::default(),
            Body::Shared(frame, record) => record.content(frame).metadata,
            Body::With(with) => with.1.pairs(),
        }
    }

    /// The body as it was sent.
    pub fn body(&self) -> &[u8] {
        match &self.body {
            Body::Own(body) => body,
            Body::Shared(frame, record) => &frame[record.body.clone()],
            Body::With(with) => &with.0,
        }
    }

    /// The body as it was sent, as a vector of its own: without a copy if the message came alone.
    pub fn into_body(self) -> Vec<u8> {
        match self.body {
            Body::Own(body) => body,
            Body::Shared(frame, record) => frame[record.body].to_vec(),
            Body::With(with) => with.0,
        }
    }

    /// The body as text. A body that is not UTF-8 rejects the message: it will not become UTF-8 later.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(self.body()).context("the body is not UTF-8").or_reject()
    }

    /// The body as JSON. A body of another shape rejects the message. `T` may borrow from it.
    ///
    /// ```
    /// # use playhouse_sdk::{Failure, Message};
    /// #[derive(serde::Deserialize)]
    /// struct Order<'a> { item: &'a str, quantity: u32 }
    ///
    /// let msg = Message::new(r#"{ "item": "tea", "quantity": 2 }"#);
    /// let order: Order = msg.json()?;
    /// assert_eq!((order.item, order.quantity), ("tea", 2));
    ///
    /// let failure = Failure::from(Message::new("tea").json::<Order>().err().unwrap());
    /// assert!(matches!(failure, Failure::Reject(_)));
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        serde_json::from_slice(self.body()).context("the body is not the JSON expected").or_reject()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Message").field(&String::from_utf8_lossy(self.body())).finish()
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.body() == other.body()
    }
}

impl Eq for Message {}
