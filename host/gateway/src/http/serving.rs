//! The accept loop of a server, and its connections.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use playhouse_kernel::{AboutActor, Address, Ingress, LogEvent};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::{Activity, Phase};
use super::answer::{Connection, answer};
use super::events::AcceptFailed;
use super::settings::HttpBounds;
use super::shared::{Gate, Incarnation};
use super::watched::Watched;

/// The pause after a connection could not be accepted, such as with too many open files.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The state of the accept loop and the connections of one incarnation.
struct Serving {
    incarnation: Incarnation,
    http1: http1::Builder,
    open: Mutex<Open>,
}

/// The connections that are open.
#[derive(Default)]
struct Open {
    by_number: HashMap<u64, Arc<Activity>>,
    next: u64,
    /// Whether new ones end at once.
    is_over: bool,
}

/// The server of one incarnation. Dropping it ends all its connections at once.
pub(super) struct Server {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Serves on the current runtime.
    pub(super) fn start(gate: Arc<Gate>, address: Address, ingress: Ingress) -> std::io::Result<Self> {
        let listener = gate.listener.open()?;
        let bounds = &gate.bounds;
        let mut http1 = http1::Builder::new();
        http1.max_buf_size(bounds.head_bytes).header_read_timeout(None);
        if bounds.headers != HttpBounds::default().headers {
            // The default needs no memory for each request.
            http1.max_headers(bounds.headers);
        }
        let incarnation = Incarnation { gate, address: address.clone(), ingress: Arc::new(ingress) };
        let serving = Arc::new(Serving { incarnation, http1, open: Mutex::default() });
        let (stop, stops) = watch::channel(false);
        let task = tokio::spawn(serving.serve(listener, stops, address));
        Ok(Self { task, stop })
    }

    /// Closes the port, and waits until the requests under way have their responses.
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        let _ = (&mut self.task).await;
    }
}

impl Serving {
    fn gate(&self) -> &Gate {
        &self.incarnation.gate
    }

    async fn serve(self: Arc<Self>, listener: TcpListener, mut stops: watch::Receiver<bool>, address: Address) {
        let mut connections = JoinSet::new();
        let mut failing = false;
        loop {
            let is_full = connections.len() >= self.gate().bounds.connections;
            let accepted = tokio::select! {
                biased;
                _ = stops.wait_for(|stop| *stop) => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                accepted = listener.accept(), if !is_full => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    failing = false;
                    drop(connections.spawn(self.clone().converse(stream, peer)));
                }
                Err(error) => {
                    // A client that is gone again says nothing about the server.
                    if !std::mem::replace(&mut failing, true) && !is_of_the_client(&error) {
                        let subject = AboutActor { address: &address, plugin: None };
                        AcceptFailed { subject, why: &error.to_string() }.log();
                    }
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
        drop(listener);
        self.gate().listener.close();
        self.end_connections();
        while connections.join_next().await.is_some() {}
    }

    /// Ends each connection as soon as no request of it is under way.
    fn end_connections(&self) {
        let mut open = self.open.lock();
        open.is_over = true;
        open.by_number.values().for_each(|activity| activity.tell_to_end());
    }

    async fn converse(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        // Responses are whole: nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        let activity = Arc::new(Activity::new());
        let _entry = Entry::new(&self, activity.clone());
        let socket = TokioIo::new(Watched::new(stream, activity.clone()));
        let connection = Connection { peer: peer.ip().to_canonical(), activity: activity.clone() };
        let connection = &connection;
        let incarnation = &self.incarnation;
        let service =
            service_fn(
                move |request| async move { Ok::<_, Infallible>(answer(incarnation, connection, request).await) },
            );
        let mut http = pin!(self.http1.serve_connection(socket, service).with_upgrades());
        let mut limit = Limit::new();
        let mut is_ending = false;
        poll_fn(|cx| {
            activity.keep_waker(cx.waker());
            if activity.is_told_to_end() && !std::mem::replace(&mut is_ending, true) {
                http.as_mut().graceful_shutdown();
            }
            if http.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            limit.poll(cx, &activity, &self.gate().bounds)
        })
        .await;
    }
}

/// The entry of a connection among the open ones.
struct Entry<'s> {
    serving: &'s Serving,
    number: u64,
}

impl<'s> Entry<'s> {
    fn new(serving: &'s Serving, activity: Arc<Activity>) -> Self {
        serving.gate().counts.opened();
        let mut open = serving.open.lock();
        if open.is_over {
            activity.tell_to_end();
        }
        let number = open.next;
        open.next += 1;
        open.by_number.insert(number, activity);
        Self { serving, number }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.serving.open.lock().by_number.remove(&self.number);
        self.serving.gate().counts.closed();
    }
}

/// The timer of a connection. It is only set back when a limit comes earlier than the timer: one that fires too early looks
/// again.
struct Limit {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether the timer will wake the task.
    is_set: bool,
    /// The phase for which the deadline holds.
    seen: u64,
    deadline: Option<Instant>,
}

impl Limit {
    fn new() -> Self {
        Self { sleep: None, is_set: false, seen: u64::MAX, deadline: None }
    }

    /// Ready when the time of the current phase is over.
    fn poll(&mut self, cx: &mut Context<'_>, activity: &Activity, bounds: &HttpBounds) -> Poll<()> {
        let (phase, number) = activity.now();
        if number != self.seen {
            self.seen = number;
            self.deadline = activity.limit(phase, bounds).map(|time| Instant::now() + time);
        }
        let Some(deadline) = self.deadline else { return Poll::Pending };
        if activity.is_told_to_end() && phase == Phase::Head {
            // A head that is not complete is no request under way.
            return Poll::Ready(());
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            if !self.is_set || deadline < sleep.deadline() {
                sleep.as_mut().reset(deadline);
                self.is_set = true;
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.is_set = false;
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
        }
    }
}

fn is_of_the_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionReset)
}
