//! The counts of the HTTP gateways, for the metrics.

use std::sync::Arc;

use playhouse_gateway::http::{self, HttpCounts, HttpListener, HttpSettings, Tls, TlsError};
use playhouse_gateway::{Common, Placed};
use playhouse_kernel::{Address, AddressError};
use playhouse_observe::HttpFacts;

use crate::manifest::{HttpServer, HttpTls, Problem};
use crate::secrets::Secrets;

/// The reason why a server cannot be placed.
#[derive(Debug)]
pub(crate) enum HttpFault {
    /// Its name is no part of an address.
    Name(AddressError),
    /// Its certificate cannot be used.
    Tls(Box<Problem>),
}

impl From<AddressError> for HttpFault {
    fn from(error: AddressError) -> Self {
        Self::Name(error)
    }
}

/// The problem that a certificate cannot be used.
pub(crate) fn bad_tls(tls: &HttpTls, error: &TlsError) -> Problem {
    Problem::at(tls.place.clone(), error.to_string(), "here").help("`cert` and `key` are in PEM, and belong together")
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
    /// Adds a server to a play, with the values of its secrets. Its parameters do not lead into the subtrees in `reserved`.
    pub(crate) fn place(
        server: &HttpServer,
        reserved: &[Address],
        port: HttpListener,
        secrets: &Secrets,
        common: &Common,
        placed: &mut Placed,
    ) -> Result<Self, HttpFault> {
        let HttpServer { settings, tls, bearers, .. } = server;
        let mut settings = HttpSettings { reserved: reserved.to_vec(), ..settings.clone() };
        for (route, id) in settings.routes.iter_mut().zip(bearers) {
            route.bearer = id.map(|id| secrets.get(id).clone());
        }
        let load = |tls: &HttpTls| {
            let loaded = Tls::load(tls.settings(|id| secrets.get(id).clone()));
            loaded.map_err(|error| HttpFault::Tls(Box::new(bad_tls(tls, &error))))
        };
        let tls = tls.as_ref().map(load).transpose()?;
        let counts = http::place(&settings, port, tls, common, placed)?;
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
            refused: counts.connections_refused(),
            websockets: counts.websockets().map(|(route, open)| (name(Some(route)), open as u64)).collect(),
            responses: counts.responses().map(|(route, status, count)| (name(route), status, count)).collect(),
        }
    }
}
