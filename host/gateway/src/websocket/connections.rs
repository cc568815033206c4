//! The connections of one route: how many there may be, and those that have no actor yet.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_kernel::{Address, Config, Incoming, Ingress, Metadata, SendError};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::link::{self, Task};
use super::outgoing::Close;
use super::settings::WebSocketSettings;
use super::socket::Socket;

/// The metadata of the messages by which a gateway opens connections, and by which these say that their client is gone.
pub(super) const CONTROL: &str = "websocket";
pub(super) const OPEN: &str = "open";
pub(super) const CLOSED: &str = "closed";
/// The time for which a message to the gateway's own mailbox waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause before another attempt while memory is short.
const MEMORY_PAUSE: Duration = Duration::from_millis(100);
/// The time in which a client takes the last frames when its connection is stopped.
const LAST_FRAMES: Duration = Duration::from_secs(1);

/// The numbers of the connections of one gateway, from 1. No two have the same, also after a crash of the gateway.
#[derive(Debug, Default)]
pub struct Numbers(AtomicU64);

impl Numbers {
    /// The next number.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// The right to a connection, until it is dropped.
pub struct Permit {
    _of_route: OwnedSemaphorePermit,
    _with: Option<Box<dyn Send + Sync>>,
}

impl Permit {
    /// Drops `other` with the permit.
    pub fn with(self, other: impl Send + Sync + 'static) -> Self {
        Self { _with: Some(Box::new(other)), ..self }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

/// A connection that has no actor yet.
pub struct Arrived {
    /// The stream.
    pub socket: Box<dyn Socket>,
    /// Counts the connection; from [`Connections::reserve`].
    pub permit: Permit,
    /// Values that the handler can ask for by name, beside those of its `[[plugin]]`.
    pub config: Config,
}

impl fmt::Debug for Arrived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrived").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The connections of one route.
#[derive(Debug)]
pub struct Connections {
    pub(super) settings: WebSocketSettings,
    /// The name of the template for the actors of connections.
    pub(super) template: String,
    permits: Arc<Semaphore>,
    arrived: Mutex<HashMap<u64, Arrived>>,
    /// The connections whose actor is gone, and whose client has not closed its side yet.
    closing: Mutex<JoinSet<()>>,
}

impl Connections {
    /// The connections of the route `route` of a gateway.
    pub fn new(gate: &Address, route: usize, settings: WebSocketSettings) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(settings.connections.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self {
            settings,
            template: format!("websocket:{gate}:{route}"),
            permits,
            arrived: Mutex::default(),
            closing: Mutex::default(),
        })
    }

    /// The settings of the route.
    pub fn settings(&self) -> &WebSocketSettings {
        &self.settings
    }

    /// The right to another connection; none when all are in use.
    pub fn reserve(&self) -> Option<Permit> {
        let of_route = self.permits.clone().try_acquire_owned().ok()?;
        Some(Permit { _of_route: of_route, _with: None })
    }

    /// The number of connections.
    pub fn open(&self) -> usize {
        self.settings.connections.saturating_sub(self.permits.available_permits())
    }

    /// Hands a connection to the gateway's actor, whose ingress this is.
    pub async fn arrive(&self, number: u64, arrived: Arrived, gate: &Address, ingress: &Ingress) {
        self.arrived.lock().insert(number, arrived);
        let told = control(ingress, gate, OPEN, &format!("{} {number}", self.template)).await;
        if told.is_err() {
            self.refuse(number).await;
        }
    }

    /// Takes a connection for its actor.
    pub(super) fn take(&self, number: u64) -> Option<Arrived> {
        self.arrived.lock().remove(&number)
    }

    /// Lets a client take the last frames and close its side, which counts as a connection until then. A client that is slow is cut off.
    pub(super) fn close_later(&self, link: Task, permit: Permit) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut closing = self.closing.lock();
        while closing.try_join_next().is_some() {}
        let closed = async move {
            let _ = timeout(LAST_FRAMES, link).await;
            drop(permit);
        };
        closing.spawn_on(closed, &runtime);
    }

    /// Waits until the connections that have no actor any more are closed. A gateway calls this at its end, after its children's.
    pub async fn wait_closed(&self) {
        let arrived: Vec<_> = self.arrived.lock().drain().map(|(_, arrived)| arrived).collect();
        for Arrived { socket, permit, .. } in arrived {
            let told = async move { link::refuse(socket, Close::GOING_AWAY).await };
            self.close_later(Task(tokio::spawn(told)), permit);
        }
        let mut closing = std::mem::take(&mut *self.closing.lock());
        while closing.join_next().await.is_some() {}
    }

    pub(super) async fn refuse(&self, number: u64) {
        if let Some(arrived) = self.take(number) {
            link::refuse(arrived.socket, Close::BUSY).await;
            drop(arrived.permit);
        }
    }
}

/// Tells the gateway of a connection that its client is gone.
pub(super) async fn say_closed(ingress: &Ingress, gate: &Address) {
    // A gateway that is not there any more stops its connections itself.
    let _ = control(ingress, gate, CLOSED, "").await;
}

async fn control(ingress: &Ingress, gate: &Address, what: &str, body: &str) -> Result<(), SendError> {
    let mut metadata = Metadata::new();
    // One short pair is far below the bounds.
    let _ = metadata.push(CONTROL, what);
    loop {
        let message = Incoming::new(ingress.next_id(), &metadata, body.as_bytes());
        match ingress.tell(gate, &message, PATIENCE).await {
            Err(SendError::MemoryPressure(_) | SendError::MailboxFull(_)) => tokio::time::sleep(MEMORY_PAUSE).await,
            told => return told,
        }
    }
}
