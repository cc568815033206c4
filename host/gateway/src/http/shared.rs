//! The state that all incarnations of a server share, and the state of one of them that its connections share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use playhouse_kernel::{Address, Ingress};
use tokio::sync::watch;

use super::counts::HttpCounts;
use super::listener::HttpListener;
use super::router::Router;
use super::settings::{HttpBounds, HttpRoute};
use crate::status::Statuses;
use crate::websocket::{Connections, Numbers};

/// One incarnation of a server.
pub(super) struct Incarnation {
    pub(super) gate: Arc<Gate>,
    pub(super) address: Address,
    pub(super) ingress: Arc<Ingress>,
}

impl Incarnation {
    pub(super) fn route(&self, number: usize) -> &HttpRoute {
        &self.gate.router.routes()[number]
    }
}

/// The state that all incarnations of a server share.
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
    /// Log lines about replies that are no responses.
    pub(super) replies_refused: OncePerSecond,
}

impl Gate {
    /// Whether clients shall go elsewhere.
    pub(super) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}

/// Lets one log line of a kind pass in each second: a client or a guest can cause any number.
pub(super) struct OncePerSecond {
    start: Instant,
    /// The end of the second of the last line, in milliseconds from the start.
    next: AtomicU64,
}

impl OncePerSecond {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), next: AtomicU64::new(0) }
    }

    pub(super) fn passes(&self) -> bool {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let next = self.next.load(Ordering::Relaxed);
        let after = now.saturating_add(Duration::from_secs(1).as_millis() as u64);
        now >= next && self.next.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
