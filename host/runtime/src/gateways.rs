//! The gateways of a play: from the settings of the manifest to actors of the plan.

use std::sync::Arc;

use playhouse_gateway::{Common, Placed, Statuses, cron, letters};
use playhouse_kernel::DeadLetter;
use tokio::sync::watch;

use crate::control::letter_views::Letter;
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
        // The last sink to start: it stops before all other sinks, and after all actors.
        if let Some(settings) = &settings.dead_letters_to {
            letters::place(settings, Arc::new(encoded), &common, &mut placed);
        }
        (Self { statuses: common.statuses, draining }, placed)
    }
}

/// A dead letter as `playhouse dead-letters show --json` prints it.
fn encoded(letter: &DeadLetter, with_body: bool) -> Vec<u8> {
    // Only a map whose keys are no texts cannot become JSON.
    serde_json::to_vec(&Letter::new(letter, with_body)).unwrap_or_default()
}
