//! The delivery of a run's message: its patience and its end.

use std::time::Duration;

use playhouse_kernel::{AskError, SendError};

/// Time that a message waits for space in the receiver's mailbox.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The end of a run's message.
pub(super) type End = Result<Result<(), AskError>, SendError>;
