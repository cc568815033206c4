//! The state that all incarnations of a server share, and the state of one of them that its connections share.

use std::collections::BTreeMap;
use std::sync::Arc;

use playhouse_kernel::{Address, Ingress};
use tokio::sync::watch;

use super::bodies::Bodies;
use super::clients::Clients;
use super::counts::HttpCounts;
use super::line_budget::LineBudget;
use super::listener::HttpListener;
use super::proxies::IpNet;
use super::rate::Rates;
use super::router::Router;
use super::settings::{Cors, HttpBounds, HttpRoute};
use super::tls::Tls;
use crate::status::Statuses;
use crate::websocket::{Connections, Numbers};

/// One incarnation of a server.
pub(super) struct Incarnation {
    pub(super) gate: Arc<Gate>,
    pub(super) ingress: Arc<Ingress>,
}

impl Incarnation {
    pub(super) fn route(&self, number: usize) -> &HttpRoute {
        &self.gate.router.routes()[number]
    }
}

/// The state that all incarnations of a server share. Its many fields are the parts of the settings, each in the form that requests
/// need.
pub(super) struct Gate {
    pub(super) bounds: HttpBounds,
    pub(super) router: Router,
    pub(super) listener: HttpListener,
    pub(super) counts: Arc<HttpCounts>,
    pub(super) statuses: Statuses,
    pub(super) draining: watch::Receiver<bool>,
    /// The routes for connections, by their numbers.
    pub(super) websockets: BTreeMap<usize, Arc<Connections>>,
    /// The numbers of connections.
    pub(super) numbers: Numbers,
    /// The address of the actor.
    pub(super) address: Address,
    pub(super) bodies: Bodies,
    pub(super) tls: Option<Arc<Tls>>,
    /// The tops of subtrees that parameters do not lead into.
    pub(super) reserved: Vec<Address>,
    pub(super) proxies: Vec<IpNet>,
    pub(super) cors: Option<Cors>,
    pub(super) rates: Option<Rates>,
    /// The connections of each client.
    pub(super) clients: Clients,
    /// Log lines about clients with too many connections.
    pub(super) clients_refused: LineBudget,
    /// Log lines about replies that are no responses.
    pub(super) replies_refused: LineBudget,
    /// Log lines about requests, if each has one.
    pub(super) access_log: Option<LineBudget>,
}

impl Gate {
    /// Whether clients shall go elsewhere.
    pub(super) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}
