//! The gateways of a play: from the settings of the manifest to actors of the plan.

use std::sync::Arc;

use playhouse_gateway::http::HttpListener;
use playhouse_gateway::{Common, Placed, Statuses, cron, letters};
use playhouse_kernel::{AddressError, DeadLetter};
use tokio::sync::watch;

use crate::control::letter_views::Letter;
use crate::http_feed::HttpFeed;
use crate::manifest::PlaySettings;
use crate::secrets::Secrets;

/// The gateways of a running play.
#[derive(Default)]
pub(crate) struct Gateways {
    /// One line for each gateway.
    pub(crate) statuses: Statuses,
    /// Tells the gateways that the play drains.
    pub(crate) draining: watch::Sender<bool>,
    /// The HTTP servers.
    pub(crate) http: Vec<HttpFeed>,
}

impl Gateways {
    /// The gateways of a play, and what they add to its plan. `ports` are those of the HTTP servers.
    pub(crate) fn place(
        settings: &PlaySettings,
        secrets: &Secrets,
        ports: Vec<HttpListener>,
    ) -> Result<(Self, Placed), AddressError> {
        let (draining, drains) = watch::channel(false);
        let common = Common { statuses: Statuses::default(), draining: drains };
        let _ = secrets;
        let mut placed = Placed::default();
        cron::place(&settings.cron, &common, &mut placed);
        let servers = settings.http.iter().zip(ports);
        let http = servers.map(|(server, port)| HttpFeed::place(&server.settings, port, &common, &mut placed));
        let http = http.collect::<Result<_, _>>()?;
        // The last sink to start: it stops before all other sinks, and after all actors.
        if let Some(settings) = &settings.dead_letters_to {
            letters::place(settings, Arc::new(encoded), &common, &mut placed);
        }
        Ok((Self { statuses: common.statuses, draining, http }, placed))
    }
}

/// A dead letter as `playhouse dead-letters show --json` prints it.
fn encoded(letter: &DeadLetter, with_body: bool) -> Vec<u8> {
    // Only a map whose keys are no texts cannot become JSON.
    serde_json::to_vec(&Letter::new(letter, with_body)).unwrap_or_default()
}
