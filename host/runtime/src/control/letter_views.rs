//! The view of dead letters for operators and programs: plain data, made from the kernel's types.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use playhouse_kernel::{DeadLetter, DeadLetterCounts};
use serde::{Deserialize, Serialize};

use super::views::{CrashView, FatesView, fates};
use super::wire::Body;
use crate::printable::timestamp;

/// The dead letters of a play.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Letters {
    /// The counts of all dead letters, by reason.
    pub counts: BTreeMap<String, FatesView>,
    /// The letters that were asked for, oldest first.
    pub letters: Vec<Letter>,
}

/// A letter that is still in the store although the request was to send or remove it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLetter {
    /// The letter's id.
    pub id: String,
    /// The reason, for operators.
    pub why: String,
}

/// A message that will not be handled. Its fields are those of the JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Letter {
    /// The letter's id: the message's id, with a `-` and a number if that message has several letters.
    pub id: String,
    /// The message's id.
    pub message: String,
    /// The message's flow: common to all messages that follow from one message from outside.
    pub flow: String,
    /// Sends between that message from outside and this one.
    pub hops: u32,
    /// The time at which it became a dead letter, in UTC.
    pub at: String,
    /// Milliseconds since then.
    pub age_ms: u64,
    /// The receiver's address.
    pub to: String,
    /// The sender's address; `None` for the outside, and for a sender that is gone.
    pub from: Option<String>,
    /// Number of failed attempts.
    pub attempts: u32,
    /// The reason, in one word.
    pub kind: String,
    /// The reason, for operators.
    pub reason: String,
    /// The crash that caused it.
    pub crash: Option<CrashView>,
    /// The pairs of its metadata, keys and values.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub metadata: Vec<(String, String)>,
    /// The body's size.
    pub bytes: u64,
    /// The body, if asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<Body>,
    /// The body as text, if asked for and if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
}

impl Letters {
    /// The kernel's store, with the bodies if `bodies`.
    pub fn new(counts: &DeadLetterCounts, letters: &[Arc<DeadLetter>], bodies: bool) -> Self {
        Self { counts: fates(counts), letters: letters.iter().map(|letter| Letter::new(letter, bodies)).collect() }
    }
}

impl Letter {
    /// One letter, with its body if `with_body`.
    pub fn new(letter: &DeadLetter, with_body: bool) -> Self {
        let body = &letter.message.body;
        let age = SystemTime::now().duration_since(letter.at).unwrap_or(Duration::ZERO);
        Self {
            id: letter.id.to_string(),
            message: letter.id.message.to_string(),
            flow: letter.message.envelope.flow.to_string(),
            hops: letter.message.envelope.hops,
            at: timestamp(letter.at),
            age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            to: letter.to.to_string(),
            from: letter.sender.as_ref().map(ToString::to_string),
            attempts: letter.message.envelope.attempt,
            kind: letter.reason.kind().to_owned(),
            reason: letter.reason.to_string(),
            crash: letter.reason.crash().map(CrashView::from),
            metadata: letter.message.metadata().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            bytes: body.len() as u64,
            body: with_body.then(|| Body(body.clone())),
            text: if with_body { String::from_utf8(body.clone()).ok() } else { None },
        }
    }
}
