//! The gateways of a play: from the settings of the manifest to actors of the plan.

use playhouse_gateway::{Common, Placed, Statuses, cron};
use tokio::sync::watch;

use crate::manifest::PlaySettings;
use crate::secrets::Secrets;

/// The gateways of a running play.
#[derive(Default)]
pub(crate) struct Gateways {
    /// One line for each gateway.
    pub(crate) statuses: Statuses,
    /// Tells the gateways that the play drains.
    pub(crate) draining: watch::Sender<bool>,
}

impl Gateways {
    /// The gateways of a play, and what they add to its plan.
    pub(crate) fn place(settings: &PlaySettings, secrets: &Secrets) -> (Self, Placed) {
        let (draining, drains) = watch::channel(false);
        let common = Common { statuses: Statuses::default(), draining: drains };
        let _ = secrets;
        let mut placed = Placed::default();
        cron::place(&settings.cron, &common, &mut placed);
        (Self { statuses: common.statuses, draining }, placed)
    }
}
