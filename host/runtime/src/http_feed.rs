//! The counts of the HTTP gateways, for the metrics.

use std::sync::Arc;

use playhouse_gateway::http::{self, HttpCounts, HttpListener, HttpSettings};
use playhouse_gateway::{Common, Placed};
use playhouse_kernel::{Address, AddressError};
use playhouse_observe::HttpFacts;

/// A running HTTP server, as a scrape of the metrics reads it.
#[derive(Clone)]
pub(crate) struct HttpFeed {
    gateway: Address,
    /// The names of its routes, in the order of the settings.
    routes: Arc<[String]>,
    counts: Arc<HttpCounts>,
}

impl HttpFeed {
    pub(crate) fn place(
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
