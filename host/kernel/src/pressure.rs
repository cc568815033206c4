//! The door to the outside, shut while memory is short. Who looks at the memory lives elsewhere; here is the switch, and
//! those who wait for it. Messages between actors go on: handling them is what frees memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::ask::SendError;

/// Whether messages from outside are let in.
#[derive(Default)]
pub(crate) struct Door {
    /// What [`Door::why`] says, in one load for who only wants to pass.
    shut: AtomicBool,
    why: Mutex<Option<Arc<str>>>,
    opened: Notify,
}

impl Door {
    /// Shuts the door for this reason, or opens it.
    pub(crate) fn set(&self, why: Option<Arc<str>>) {
        let shut = why.is_some();
        *self.why.lock() = why;
        self.shut.store(shut, Ordering::Release);
        if !shut {
            self.opened.notify_waiters();
        }
    }

    /// Why it is shut; none when it is open.
    pub(crate) fn why(&self) -> Option<Arc<str>> {
        if self.shut.load(Ordering::Acquire) { self.why.lock().clone() } else { None }
    }

    /// Lets a message from outside pass, or says why not.
    pub(crate) fn pass(&self) -> Result<(), SendError> {
        self.why().map_or(Ok(()), |why| Err(SendError::MemoryPressure(why)))
    }

    /// Waits until it is open.
    pub(crate) async fn opened(&self) {
        loop {
            let opened = self.opened.notified();
            tokio::pin!(opened);
            // From here on no opening is missed.
            opened.as_mut().enable();
            if self.why().is_none() {
                return;
            }
            opened.await;
        }
    }
}
