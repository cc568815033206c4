//! The body of the message in hand. Its envelope is asked for through the context, so that nobody pays for it unread.

use std::fmt;

use anyhow::Context as _;
use serde::Deserialize;

use crate::{OrReject, Result};

/// The message in hand: bytes, which text and JSON are read from.
///
/// ```
/// use playhouse_sdk::Message;
///
/// let msg = Message::new("[1, 2]");
/// assert_eq!(msg.body(), b"[1, 2]");
/// assert_eq!(msg.text().unwrap(), "[1, 2]");
/// assert_eq!(msg.json::<Vec<u8>>().unwrap(), [1, 2]);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Private, so that a message can become a piece of a batch's frame.
    body: Vec<u8>,
}

impl Message {
    /// A message with this body. On the host they arrive; this is for tests.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into() }
    }

    /// The body as it was sent.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as it was sent, without a copy.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// The body as text. A body that is not UTF-8 rejects the message: it will not become UTF-8 later.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).context("the body is not UTF-8").or_reject()
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
        serde_json::from_slice(&self.body).context("the body is not the JSON expected").or_reject()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Message").field(&String::from_utf8_lossy(&self.body)).finish()
    }
}
