//! The origin of a line: the actor, the plugin, the incarnation, and the message that the guest handles.

use std::sync::{Arc, Mutex, PoisonError};

use playhouse_kernel::{AboutActor, AboutRun, Address, FlowId, MessageId};

/// The origin of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineOrigin<'a> {
    /// The actor.
    pub actor: &'a Address,
    /// The plugin whose code wrote the line: the actor's, or that of its mailbox.
    pub plugin: &'a str,
    /// The actor's incarnation; `None` for the plugin of its mailbox.
    pub incarnation: Option<u64>,
    /// The message that the guest handled when it wrote the end of the line. `None` while it handles no message, in a hook or at
    /// its start, and while it handles several at once, as a component with the export `turns` does with a batch.
    pub message: Option<HandledMessage>,
}

/// A message that a guest handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandledMessage {
    /// Its id.
    pub id: MessageId,
    /// Its flow.
    pub flow: FlowId,
}

/// One run of a plugin as the origin of lines. Its streams share it.
pub(crate) struct Writer {
    actor: Address,
    plugin: Arc<str>,
    incarnation: Option<u64>,
    message: Mutex<Option<HandledMessage>>,
}

impl Writer {
    pub(crate) fn new(actor: Address, plugin: Arc<str>, incarnation: Option<u64>) -> Arc<Self> {
        Arc::new(Self { actor, plugin, incarnation, message: Mutex::default() })
    }

    pub(crate) fn actor(&self) -> &Address {
        &self.actor
    }

    /// The run as the subject of events.
    pub(crate) fn about(&self) -> AboutRun<'_, Option<u64>> {
        let actor = AboutActor { address: &self.actor, plugin: &*self.plugin };
        AboutRun { actor, incarnation: self.incarnation }
    }

    /// Sets the message for the lines that follow.
    pub(crate) fn set_message(&self, message: Option<HandledMessage>) {
        *self.message.lock().unwrap_or_else(PoisonError::into_inner) = message;
    }

    pub(crate) fn origin(&self) -> LineOrigin<'_> {
        LineOrigin {
            actor: &self.actor,
            plugin: &self.plugin,
            incarnation: self.incarnation,
            message: *self.message.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}
