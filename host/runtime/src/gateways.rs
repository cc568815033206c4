//! The gateways of a play: from the settings of the manifest to actors of the plan.

use std::sync::Arc;

use playhouse_gateway::http::{self, HttpCounts, HttpListener, HttpSettings};
use playhouse_gateway::{Common, Placed, Statuses, cron};
use playhouse_kernel::{Address, AddressError};
use playhouse_observe::HttpFacts;
use tokio::sync::watch;

use crate::manifest::PlaySettings;

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
    pub(crate) fn place(settings: &PlaySettings, ports: Vec<HttpListener>) -> Result<(Self, Placed), AddressError> {
        let (draining, drains) = watch::channel(false);
        let common = Common { statuses: Statuses::default(), draining: drains };
        let mut placed = Placed::default();
        cron::place(&settings.cron, &common, &mut placed);
        let servers = settings.http.iter().zip(ports);
        let http = servers.map(|(server, port)| HttpFeed::place(&server.settings, port, &common, &mut placed));
        let http = http.collect::<Result<_, _>>()?;
        Ok((Self { statuses: common.statuses, draining, http }, placed))
    }
}

/// A running HTTP server, as a scrape of the metrics reads it.
#[derive(Clone)]
pub(crate) struct HttpFeed {
    gateway: Address,
    /// The names of its routes, in the order of the settings.
    routes: Arc<[String]>,
    counts: Arc<HttpCounts>,
}

impl HttpFeed {
    fn place(
        settings: &HttpSettings,
        port: HttpListener,
        common: &Common,
        placed: &mut Placed,
    ) -> Result<Self, AddressError> {
        let counts = http::place(settings, port, common, placed)?;
        let routes = settings.routes.iter().map(ToString::to_string).collect();
        Ok(Self { gateway: http::address(&settings.name)?, routes, counts })
    }

    /// The counts now.
    pub(crate) fn facts(&self) -> HttpFacts {
        let Self { gateway, routes, counts } = self;
        let name = |route: Option<usize>| route.map_or("unknown", |route| &routes[route]).to_owned();
        HttpFacts {
            gateway: gateway.to_string(),
            connections: counts.connections() as u64,
            accepted: counts.accepted(),
            responses: counts.responses().map(|(route, status, count)| (name(route), status, count)).collect(),
        }
    }
}
