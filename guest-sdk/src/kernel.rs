//! The trait between a context and whoever plays the kernel: the host behind a component, or a test.

use std::time::Duration;

use crate::{AskError, Envelope, SendError};

/// What the WIT interface `kernel` offers, in Rust's types. Methods take `&self`: a context hands out borrowed text
/// (its address) that an author passes straight to the next call.
pub(crate) trait Kernel {
    fn address(&self) -> String;
    fn incarnation(&self) -> u64;
    fn config(&self, key: &str) -> Option<String>;
    fn envelope(&self) -> Option<Envelope>;
    fn sender(&self) -> Option<String> {
        self.envelope()?.sender
    }
    fn tell(&self, to: &str, body: &[u8]) -> Result<(), SendError>;
    fn ask(&self, to: &str, body: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError>;
}
