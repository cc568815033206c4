//! The state that the runs for one mailbox share.

use std::sync::Arc;

use playhouse_kernel::Config;

use super::checked::Checked;
use crate::component::Names;
use crate::limits::{Accounts, Limits};
use crate::output::{LogMeter, Output};
use crate::run::Shared;

/// A loaded mailbox plugin.
pub(super) struct Loaded {
    pub(super) name: Arc<str>,
    pub(super) checked: Checked,
    pub(super) sandbox: Arc<Shared>,
    /// The names of its functions, for crash reports.
    pub(super) names: Names,
}

/// The state that the runs for one mailbox share.
pub(super) struct MailboxSetup {
    pub(super) plugin: Arc<Loaded>,
    pub(super) accounts: Accounts,
    pub(super) limits: Limits,
    pub(super) config: Config,
    pub(super) output: Arc<dyn Output>,
    /// The bounds on their output count over all runs.
    pub(super) log: Arc<LogMeter>,
}
