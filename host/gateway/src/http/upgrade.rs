//! A request that opens a WebSocket connection.

use std::sync::Arc;

use ::http::request::Parts;
use ::http::{Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use playhouse_kernel::{Config, Metadata};

use super::body::ReplyBody;
use super::clients::Place;
use super::response::Refusal;
use super::shared::Incarnation;
use crate::websocket::{Arrived, Handshake, Refused};

/// The values of the request that the handler can ask for by name begin with this.
const REQUEST: &str = "request:";

/// Opens a connection on a route, once the response is sent. `place` counts it among those of its client.
pub(super) fn open(
    incarnation: &Incarnation,
    head: &Parts,
    upgrade: Option<OnUpgrade>,
    route: usize,
    metadata: &Metadata,
    place: Place,
) -> Result<Response<ReplyBody>, Refusal> {
    let full = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-connections").and_retry();
    let connections = incarnation.gate.websockets.get(&route).ok_or_else(Refusal::unknown_route)?;
    let handshake = Handshake::of(head, connections.settings()).map_err(refusal)?;
    if incarnation.gate.is_draining() {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "draining").and_retry());
    }
    let permit = connections.reserve().ok_or_else(full)?.with(place);
    let upgrade = upgrade.ok_or_else(|| refusal(Refused::NoUpgrade))?;
    let pairs = metadata.pairs().map(|(key, value)| (format!("{REQUEST}{key}"), value.to_owned()));
    let mut config: Config = pairs.collect();
    if let Some(subprotocol) = &handshake.subprotocol {
        config.insert(format!("{REQUEST}subprotocol"), subprotocol.clone());
    }
    let number = incarnation.gate.numbers.next();
    let (connections, address, ingress) =
        (connections.clone(), incarnation.gate.address.clone(), Arc::clone(&incarnation.ingress));
    tokio::spawn(async move {
        // A client that is gone before its response frees its place.
        if let Ok(upgraded) = upgrade.await {
            let arrived = Arrived { socket: Box::new(TokioIo::new(upgraded)), permit, config };
            connections.arrive(number, arrived, &address, &ingress).await;
        }
    });
    Ok(handshake.response())
}

fn refusal(refused: Refused) -> Refusal {
    Refusal::new(refused.status(), refused.kind()).with_headers(refused.headers())
}
