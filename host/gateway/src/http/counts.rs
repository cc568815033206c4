//! The counts of a server, which a scrape of the metrics reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ::http::StatusCode;

use crate::websocket::Connections;

/// The least and the largest status that is counted.
const STATUSES: std::ops::Range<u16> = 200..600;

/// The counts of one server, over all its incarnations.
#[derive(Debug)]
pub struct HttpCounts {
    connections: AtomicUsize,
    accepted: AtomicU64,
    refused: AtomicU64,
    /// For each route, and for requests without one at the end: by status.
    responses: Vec<[AtomicU64; 400]>,
    /// The connections of each route of WebSocket.
    websockets: BTreeMap<usize, Arc<Connections>>,
}

impl HttpCounts {
    pub(super) fn new(routes: usize, websockets: BTreeMap<usize, Arc<Connections>>) -> Self {
        let responses = (0..=routes).map(|_| [const { AtomicU64::new(0) }; 400]).collect();
        let (accepted, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { connections: AtomicUsize::new(0), accepted, refused, responses, websockets }
    }

    /// The connections that are open.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// The connections that were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// The connections that were closed at once, because their client had too many.
    pub fn connections_refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The open WebSocket connections: the number of each route of WebSocket, and its connections.
    pub fn websockets(&self) -> impl Iterator<Item = (usize, usize)> {
        self.websockets.iter().map(|(route, connections)| (*route, connections.open()))
    }

    /// The responses so far: the number of the route, in the order of the settings and `None` for requests without one, the
    /// status, and the count. Only those that occurred.
    pub fn responses(&self) -> impl Iterator<Item = (Option<usize>, u16, u64)> {
        let last = self.responses.len() - 1;
        self.responses.iter().enumerate().flat_map(move |(route, statuses)| {
            let route = (route < last).then_some(route);
            let counts = STATUSES.zip(statuses).map(|(status, count)| (status, count.load(Ordering::Relaxed)));
            counts.filter(|(_, count)| *count > 0).map(move |(status, count)| (route, status, count))
        })
    }

    pub(super) fn responded(&self, route: Option<usize>, status: StatusCode) {
        let statuses = &self.responses[route.unwrap_or(self.responses.len() - 1)];
        if let Some(count) = statuses.get(usize::from(status.as_u16().wrapping_sub(STATUSES.start))) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_counted_by_route_and_status() {
        let counts = HttpCounts::new(2, BTreeMap::new());
        for (route, status) in [(Some(1), 200), (Some(1), 200), (None, 404), (Some(0), 599)] {
            counts.responded(route, StatusCode::from_u16(status).expect("good"));
        }
        let seen: Vec<_> = counts.responses().collect();
        assert_eq!(seen, [(Some(0), 599, 1), (Some(1), 200, 2), (None, 404, 1)]);
    }
}
