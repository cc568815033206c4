//! The samples of gateways: servers, sources, sinks, cron entries, and the sender of dead letters.

use crate::exposition::Exposition;
use crate::families as f;

/// The counts of an HTTP gateway.
#[derive(Debug, Clone, Default)]
pub struct HttpFacts {
    /// Its address.
    pub gateway: String,
    /// Open connections.
    pub connections: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections that were closed at once, because their client had too many.
    pub refused: u64,
    /// By route and status: responses.
    pub responses: Vec<(String, u16, u64)>,
    /// By route: open WebSocket connections.
    pub websockets: Vec<(String, u64)>,
}

/// The counts of a gateway without a server.
#[derive(Debug, Clone)]
pub struct GatewayFacts {
    /// Its address.
    pub gateway: String,
    /// Its part in the play.
    pub role: GatewayRole,
    /// By the name of an event: its count.
    pub events: Vec<(&'static str, u64)>,
}

/// The part of a gateway in a play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayRole {
    /// Messages come in from a broker or a file.
    Source(LinkFacts),
    /// Messages leave for a broker, a file or a server.
    Sink(LinkFacts),
    /// Messages at times.
    Cron,
    /// Dead letters leave.
    Letters,
}

/// The connection of a source or a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkFacts {
    /// The kind of the other end, as in the manifest.
    pub kind: &'static str,
    /// Whether it is there now; `None` while nobody needs it.
    pub connected: Option<bool>,
    /// The number of times that it was lost.
    pub disconnects: u64,
}

impl GatewayRole {
    fn source(self) -> Option<LinkFacts> {
        if let Self::Source(link) = self { Some(link) } else { None }
    }

    fn sink(self) -> Option<LinkFacts> {
        if let Self::Sink(link) = self { Some(link) } else { None }
    }
}

/// Adds the samples of all gateways.
pub(crate) fn add(text: &mut Exposition, http: &[HttpFacts], gateways: &[GatewayFacts]) {
    of_http(text, http);
    of_gateways(text, gateways);
}

fn of_http(text: &mut Exposition, gateways: &[HttpFacts]) {
    let mut samples = text.family(&f::HTTP_REQUESTS);
    for gateway in gateways {
        for (route, status, count) in &gateway.responses {
            samples.add(&[&gateway.gateway, route, &status.to_string()], count);
        }
    }
    let mut samples = text.family(&f::HTTP_CONNECTIONS);
    for gateway in gateways {
        samples.add(&[&gateway.gateway], gateway.connections);
    }
    let mut samples = text.family(&f::HTTP_ACCEPTED);
    for gateway in gateways {
        samples.add(&[&gateway.gateway], gateway.accepted);
    }
    let mut samples = text.family(&f::HTTP_REFUSED);
    for gateway in gateways {
        samples.add(&[&gateway.gateway], gateway.refused);
    }
    let mut samples = text.family(&f::WEBSOCKETS);
    for gateway in gateways {
        for (route, open) in &gateway.websockets {
            samples.add(&[&gateway.gateway, route], open);
        }
    }
}

fn of_gateways(text: &mut Exposition, gateways: &[GatewayFacts]) {
    let mut samples = text.family(&f::SOURCE_MESSAGES);
    for (facts, link) in gateways.iter().filter_map(|facts| Some((facts, facts.role.source()?))) {
        facts.events.iter().for_each(|(event, count)| samples.add(&[&facts.gateway, link.kind, event], count));
    }
    let mut samples = text.family(&f::SINK_MESSAGES);
    for (facts, link) in gateways.iter().filter_map(|facts| Some((facts, facts.role.sink()?))) {
        facts.events.iter().for_each(|(event, count)| samples.add(&[&facts.gateway, link.kind, event], count));
    }
    let linked = || gateways.iter().filter_map(|facts| Some((facts, facts.role.source().or(facts.role.sink())?)));
    let mut samples = text.family(&f::GATEWAY_CONNECTED);
    for (facts, link) in linked() {
        if let Some(connected) = link.connected {
            samples.add(&[&facts.gateway, link.kind], u8::from(connected));
        }
    }
    let mut samples = text.family(&f::GATEWAY_DISCONNECTS);
    for (facts, link) in linked() {
        samples.add(&[&facts.gateway, link.kind], link.disconnects);
    }
    let mut samples = text.family(&f::CRON_RUNS);
    for facts in gateways.iter().filter(|facts| facts.role == GatewayRole::Cron) {
        facts.events.iter().for_each(|(event, count)| samples.add(&[&facts.gateway, event], count));
    }
    let mut samples = text.family(&f::LETTERS_SENT);
    for facts in gateways.iter().filter(|facts| facts.role == GatewayRole::Letters) {
        facts.events.iter().for_each(|(event, count)| samples.add(&[event], count));
    }
}
