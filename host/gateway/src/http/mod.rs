//! HTTP: requests become messages, and replies become responses.
//!
//! | file | content |
//! |---|---|
//! | `settings`, `pattern` | routes and bounds as plain data; patterns of paths |
//! | `listener`, `tls` | the port; the certificate |
//! | `gate`, `shared` | the actor `/gate/NAME`; the state that its incarnations share |
//! | `serving`, `connection`, `watched`, `activity` | the accept loop; connections and their time limits |
//! | `streams`, `stream_tasks` | the requests of a connection with HTTP/2 |
//! | `answer` | a request from its head to its response |
//! | `router`, `request`, `response`, `body`, `trace` | the steps of it: route, message, response, flow |
//! | `unread` | the rest of a request that is answered before its body was read |
//! | `proxies`, `rate`, `clients`, `cors` | at a public edge: the client's address, its rate and connections, pages of other origins |
//! | `bodies`, `line_budget` | bounds on the memory of bodies, and on log lines |
//! | `upgrade` | a request that opens a WebSocket connection |
//! | `counts`, `events` | the counts of requests and connections; events of the log |

mod activity;
mod answer;
mod bodies;
mod body;
mod clients;
mod connection;
mod cors;
mod counts;
mod events;
mod gate;
mod line_budget;
mod listener;
mod pattern;
mod proxies;
mod rate;
mod request;
mod response;
mod router;
mod serving;
mod settings;
mod shared;
mod stream_tasks;
mod streams;
mod tls;
mod trace;
mod unread;
mod upgrade;
mod watched;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{ActorSpec, Address, AddressError, NativeLauncher, Reserve};

pub use ::http::{HeaderName, Method};
pub use counts::HttpCounts;
pub use events::HTTP_EVENTS;
pub use listener::HttpListener;
pub use pattern::{BadPattern, PathPattern};
pub use proxies::IpNet;
pub use rate::Rate;
pub use settings::{
    Action, AddressTemplate, BadReceiver, Cors, HttpBounds, HttpRoute, HttpSettings, MetaItem, Receiver, method,
    reply_header,
};
pub use tls::{Tls, TlsError, TlsKey, TlsSettings};

use crate::group::place_gates_group;
use crate::websocket::{self, Connections, Numbers};
use crate::{Common, Placed};
use bodies::Bodies;
use clients::Clients;
use gate::HttpGate;
use line_budget::LineBudget;
use rate::Rates;
use router::Router;
use shared::Gate;

/// Log lines of requests in each second.
const ACCESS_LINES: u32 = 1000;
/// Log lines in each second about replies that are no responses, and about clients with too many connections.
const REFUSED_LINES: u32 = 1;

/// Adds a server to a play. Returns its counts. With `tls`, connections are encrypted.
pub fn place(
    settings: &HttpSettings,
    listener: HttpListener,
    tls: Option<Tls>,
    common: &Common,
    placed: &mut Placed,
) -> Result<Arc<HttpCounts>, AddressError> {
    let address = address(&settings.name)?;
    let routes = settings.routes.iter().enumerate();
    let websockets: BTreeMap<_, _> = routes
        .filter_map(|(n, route)| Some((n, Connections::new(&address, n, route.action.websocket()?.clone()))))
        .collect();
    let counts = Arc::new(HttpCounts::new(settings.routes.len(), websockets.clone()));
    let gate = Arc::new(Gate {
        bounds: settings.bounds,
        router: Router::new(settings.routes.clone()),
        listener,
        counts: counts.clone(),
        statuses: common.statuses.clone(),
        draining: common.draining.clone(),
        websockets: websockets.clone(),
        numbers: Numbers::default(),
        address: address.clone(),
        bodies: Bodies::new(settings.bounds.bodies_bytes),
        tls: tls.map(Arc::new),
        reserved: settings.reserved.clone(),
        proxies: settings.proxies.clone(),
        cors: settings.cors.clone(),
        rates: settings.rate.map(Rates::new),
        clients: Clients::new(settings.bounds.connections_per_client, &settings.proxies),
        clients_refused: LineBudget::new(REFUSED_LINES),
        replies_refused: LineBudget::new(REFUSED_LINES),
        access_log: settings.access_log.then(|| LineBudget::new(ACCESS_LINES)),
    });
    let launcher = NativeLauncher::new(move || HttpGate::new(gate.clone()));
    // A request under way may take its whole time twice: for its body, and for its reply.
    let longest = settings.routes.iter().map(|route| route.timeout).max().unwrap_or_default();
    place_gates_group(longest.saturating_mul(2) + Duration::from_secs(1), &mut placed.gates);
    let mut gate = ActorSpec::new(address.clone(), launcher);
    for connections in websockets.values() {
        websocket::widen(connections, &mut gate);
        placed.templates.extend([websocket::template(connections)]);
    }
    let instances = websockets.values().map(|connections| connections.settings().connections).sum();
    if instances > 0 {
        placed.reserves.push(Reserve { of: address, instances });
    }
    placed.gates.push(gate);
    Ok(counts)
}

/// The address of a gateway.
pub fn address(name: &str) -> Result<Address, AddressError> {
    Address::parse(crate::GATES)?.child(name)
}
