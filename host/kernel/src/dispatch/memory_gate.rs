//! The gate for messages from outside, closed while memory is short. The memory watch is elsewhere; this file holds the
//! switch and its waiters. Messages between actors go on, because handling them frees memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::words::send_error::SendError;

/// The gate, which is open or closed.
#[derive(Default)]
pub(crate) struct MemoryGate {
    /// Whether [`MemoryGate::why`] has a reason, in one load for a message that only passes.
    shut: AtomicBool,
    why: Mutex<Option<Arc<str>>>,
    opened: Notify,
}

impl MemoryGate {
    /// Closes the gate for this reason, or opens it.
    pub(crate) fn set(&self, why: Option<Arc<str>>) {
        let shut = why.is_some();
        *self.why.lock() = why;
        self.shut.store(shut, Ordering::Release);
        if !shut {
            self.opened.notify_waiters();
        }
    }

    /// The reason while it is closed; none when it is open.
    pub(crate) fn why(&self) -> Option<Arc<str>> {
        if self.shut.load(Ordering::Acquire) { self.why.lock().clone() } else { None }
    }

    /// Lets a message from outside pass, or returns why not.
    pub(crate) fn pass(&self) -> Result<(), SendError> {
        self.why().map_or(Ok(()), |why| Err(SendError::MemoryPressure(why)))
    }

    /// Waits until it is open.
    pub(crate) async fn wait_opened(&self) {
        loop {
            let opened = self.opened.notified();
            tokio::pin!(opened);
            // From here on, no opening is missed.
            opened.as_mut().enable();
            if self.why().is_none() {
                return;
            }
            opened.await;
        }
    }
}
