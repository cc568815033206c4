//! The running host's side of the control socket. Each connection has a task, which does its requests one after another.

mod actions;
mod asks;
mod audit;
mod client;
mod complaints;
mod connections;
mod letters;
pub(crate) mod levels;
mod line;
mod logs;
mod mailboxes;
mod orders;
mod start_outcome;
mod states;
pub(crate) mod subscriptions;
mod wait_chain;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{AboutHost, Address, Kernel, LogEvent, SendError, StartError};
use playhouse_observe::HostError;
use playhouse_observe::log::Log;
use playhouse_observe::{Health, Readiness};
use playhouse_sandbox::SystemLimit;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::Instant;

use self::actions::{Action, Audit, Client};
use self::client::{is_gone, refuse, say, write};
use self::complaints::Complaints;
use self::connections::{Connection, Connections};
use self::line::{Line, PATIENCE, read_line};
use self::start_outcome::outcome_of_start;
use self::subscriptions::Subscriptions;
use super::access::{Peer, Role, role};
use super::protocol::{CLOSED_IDLE, FOREIGN_USER, Refusal, Request, Response, decode};
use super::stored::WaitingIds;
use super::whole_tree::WholeTree;
use crate::events::ControlFailed;
use crate::manifest::nearest;
use crate::users::ReadersGroup;

/// Default maximum of connections at a time.
const CONNECTIONS: usize = 256;
/// Between two lines about connections that cannot be accepted.
const PAUSE_BETWEEN_COMPLAINTS: Duration = Duration::from_mins(1);
/// The pause after a connection could not be accepted and no other one could be closed for it.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// How long `start` waits for the outcome: the actor, and those below it, have their own time to start.
const STARTING: Duration = Duration::from_mins(1);
/// Time between two checks whether the client is still connected.
const LOOK: Duration = Duration::from_secs(1);
/// Number of these checks after which the client is told that its request is still worked on.
const LOOKS_UNTIL_WORKING: u32 = 2;
/// Space in a request for all parts besides the body.
const REQUEST_FRAME_BYTES: usize = 64 << 10;

/// The server, with the data that it needs of the play.
///
/// It has many methods: one or two for each kind of request, in the files of its folder by their subject. Its fields are what these need.
#[derive(Clone)]
pub(crate) struct Server {
    kernel: Kernel,
    tree: WholeTree,
    /// Time that a tell waits for space, by address.
    patience: Arc<HashMap<Address, Duration>>,
    /// Longest request in bytes.
    longest_request: usize,
    /// The folder of the play's store.
    store: Option<Arc<std::path::Path>>,
    /// The ids of messages that an import of this connection has read.
    import_ids: Arc<tokio::sync::Mutex<WaitingIds>>,
    /// The log lines about bad requests and connections.
    complaints: Arc<Complaints>,
    /// The log that operators read; `None` when the program has given none.
    log: Option<Log>,
    /// The readers of the log.
    subscriptions: Arc<Subscriptions>,
    /// Most connections at once.
    connections: usize,
    /// The group whose members may look.
    readers: Option<Arc<ReadersGroup>>,
    /// The limits on log lines about actions.
    audit: Arc<Audit>,
    /// The role of a process at a host of a user, with the group that may look.
    role: fn(&Peer, u32, Option<u32>) -> Option<Role>,
}

impl Server {
    /// A server for a play. `patience` has the time that a tell waits for space, and `largest_body` is the size of the largest
    /// message of all actors.
    pub(crate) fn new(tree: WholeTree, patience: Arc<HashMap<Address, Duration>>, largest_body: usize) -> Self {
        Self {
            kernel: tree.kernel().clone(),
            tree,
            patience,
            // Base64 makes four bytes of three; twice the size leaves too large a body to a clear refusal.
            longest_request: largest_body.saturating_mul(2).saturating_add(REQUEST_FRAME_BYTES),
            store: None,
            import_ids: Arc::default(),
            complaints: Arc::default(),
            log: None,
            subscriptions: Subscriptions::among(CONNECTIONS),
            connections: CONNECTIONS,
            readers: None,
            audit: Arc::default(),
            role,
        }
    }

    /// The host with a store in this folder.
    #[must_use]
    pub(crate) fn with_store(self, folder: Option<&std::path::Path>) -> Self {
        Self { store: folder.map(Arc::from), ..self }
    }

    /// The host with a log that operators read.
    #[must_use]
    pub(crate) fn with_log(self, log: Option<Log>) -> Self {
        Self { log, ..self }
    }

    /// The host whose socket members of this group reach, to look.
    #[must_use]
    pub(crate) fn with_readers(self, readers: Option<ReadersGroup>) -> Self {
        Self { readers: readers.map(Arc::new), ..self }
    }

    /// The readers of the log.
    pub(crate) fn subscriptions(&self) -> &Arc<Subscriptions> {
        &self.subscriptions
    }

    /// The host with a maximum of `most` connections.
    #[must_use]
    pub(crate) fn with_connections(self, most: usize) -> Self {
        Self { connections: most, subscriptions: Subscriptions::among(most), ..self }
    }

    /// Serves until the future is dropped.
    pub(crate) async fn serve(self, listener: UnixListener) {
        let connections = Connections::new(self.connections);
        let mut said: Option<Instant> = None;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let Some(connection) = connections.open() else {
                        let most = self.connections;
                        self.complaints.say(format_args!("refused a connection: {most} others wait for an answer"));
                        refuse(&stream, most);
                        continue;
                    };
                    let host = Self { import_ids: Arc::default(), ..self.clone() };
                    tokio::spawn(async move { host.converse(stream, &connection).await });
                }
                Err(error) => {
                    HostError::Accept.count();
                    if said.is_none_or(|said| said.elapsed() >= PAUSE_BETWEEN_COMPLAINTS) {
                        said = Some(Instant::now());
                        let explained = SystemLimit::explained(&error);
                        ControlFailed { subject: AboutHost, why: &explained }.log();
                    }
                    let closed = tokio::time::timeout(ACCEPT_AGAIN, connections.close_longest_idle());
                    if !(SystemLimit::behind(&error, false).is_some() && closed.await.unwrap_or(false)) {
                        tokio::time::sleep(ACCEPT_AGAIN).await;
                    }
                }
            }
        }
    }

    async fn converse(&self, mut stream: UnixStream, connection: &Connection) {
        let client = match stream.peer_cred() {
            Ok(peer) => match self.client(&peer) {
                Ok(client) => client,
                Err(message) => {
                    self.complaints.say(format_args!("refused a connection of user {}", peer.uid()));
                    return say(&stream, FOREIGN_USER, message);
                }
            },
            Err(error) => return self.complaints.say(format_args!("refused a connection: {error}")),
        };
        let mut buffer = Vec::new();
        loop {
            let line = tokio::select! {
                line = read_line(&mut stream, &mut buffer, self.longest_request, PATIENCE) => Some(line),
                () = connection.evicted() => None,
            };
            let (request, goes_on) = match line {
                Some(Line::Whole(length)) if connection.begin() => {
                    let request = decode(&buffer[..length]);
                    buffer.drain(..=length);
                    (request, true)
                }
                Some(Line::Broken(refusal)) => (Err(refusal), false),
                Some(Line::None) => return,
                Some(Line::Whole(_)) | None => {
                    let message =
                        format!("the host has {} connections, and this one was idle longest", self.connections);
                    return say(&stream, CLOSED_IDLE, message);
                }
            };
            let response = match request {
                Ok(request) => {
                    let action = Action::from(&request);
                    let answered = match (self.permit(&request, &client), request) {
                        (Err(refusal), _) => Some(Response::Error(refusal)),
                        (Ok(()), Request::Logs(wanted)) => self.send_logs(wanted, &mut stream).await,
                        (Ok(()), request) => self.answer_while_there(request, &client, &mut stream).await,
                    };
                    self.log_action(&action, &client, answered.as_ref());
                    match answered {
                        Some(response) => response,
                        None => return,
                    }
                }
                Err(refusal) => {
                    self.complaints.say(format_args!("a request was not understood: {refusal}"));
                    Response::Error(refusal)
                }
            };
            if !write(&mut stream, &response).await || !goes_on {
                return;
            }
            connection.end();
        }
    }

    /// The answer; `None` when the client closed its connection. Tells the client periodically that the host works on the
    /// request.
    async fn answer_while_there(&self, request: Request, client: &Client, stream: &mut UnixStream) -> Option<Response> {
        let mut answer = std::pin::pin!(self.answer(request, client));
        let mut looks = 0_u32;
        loop {
            tokio::select! {
                response = &mut answer => return Some(response.unwrap_or_else(Response::Error)),
                () = tokio::time::sleep(LOOK) => {}
            }
            looks += 1;
            let says_so = looks.is_multiple_of(LOOKS_UNTIL_WORKING);
            if is_gone(stream) || says_so && !write(stream, &Response::Working {}).await {
                return None;
            }
        }
    }

    async fn answer(&self, request: Request, client: &Client) -> Result<Response, Refusal> {
        let operator = &*client.shown;
        match request {
            Request::Health {} => {
                let (health, ready) = (Health::of(Some(&self.kernel)).await, Readiness::of(Some(&self.kernel)));
                // A full store is no reason to replace the host.
                let full = self.kernel.store_status().and_then(|store| store.full).filter(|_| health.is_healthy());
                Ok(Response::Health {
                    healthy: health.is_healthy(),
                    health: full.map_or_else(|| health.to_string(), |full| format!("{health}; {full}")),
                    ready: ready.is_ready(),
                    readiness: ready.to_string(),
                })
            }
            Request::Tree {} => Ok(Response::Tree(self.tree.read().await)),
            Request::Why { address } => self.why(&address).await,
            Request::Logs(_) => Err(Refusal::new("refused", "the log is sent in many lines")),
            Request::Tell { to, body, key } => self.tell(&to, &body.0, key.as_deref()).await,
            Request::TellAll { to, bodies } => self.tell_all(&to, bodies).await,
            Request::Limit { to } => match self.kernel.message_limit(&to) {
                Some(bytes) => Ok(Response::Limit { message_bytes: bytes as u64 }),
                None => Err(self.refusal(SendError::UnknownAddress(to)).await),
            },
            Request::Ask { to, body, timeout_ms } => self.ask(&to, &body.0, Duration::from_millis(timeout_ms)).await,
            Request::Stop { address } => {
                let before = self.kept(self.kernel.halt(&address), || format!("`{address}` is being stopped")).await?;
                self.settle(&address, before, |state| !state.is_up() && !state.is_on_its_way()).await
            }
            Request::Start { address } => {
                let started = self.kept(self.kernel.start_actor(&address), || format!("`{address}` is being started"));
                match tokio::time::timeout(STARTING, started).await {
                    Ok(Ok(Ok(started))) => outcome_of_start(&address, started),
                    Ok(Ok(Err(StartError::UnknownAddress(address)))) => {
                        Err(self.refusal(SendError::UnknownAddress(address)).await)
                    }
                    Ok(Ok(Err(error))) => Err(Refusal::new("refused", error.to_string())),
                    Ok(Err(refusal)) => Err(refusal),
                    Err(_) => {
                        let goes_on = "`playhouse tree` shows where it stands";
                        Err(Refusal::new("refused", format!("`{address}` is not up after {STARTING:?}: {goes_on}")))
                    }
                }
            }
            Request::DeadLetters { which, bodies } => Ok(self.letters(which, bodies, client.role)),
            Request::DeadLetter { id } => self.letter(&id),
            Request::ReplayLetter { id } => self.replay(&id).await,
            Request::ReplayLetters { which } => Ok(self.replay_all(which).await),
            Request::DropLetter { id } => self.drop(&id).await,
            Request::DropLetters { which } => Ok(self.drop_all(which).await),
            Request::StateKeys { of, prefix, after, most } => {
                self.state_keys(&of, &prefix, after.as_deref(), most).await
            }
            Request::StateValue { of, key } => self.state_value(&of, &key).await,
            Request::StateEntries { of, prefix, after } => self.state_entries(&of, &prefix, after).await,
            Request::ChangeState { of, changes } => self.change_state(&of, changes, operator).await,
            request @ (Request::StoreInfo {}
            | Request::CheckStore {}
            | Request::BackUpStore { .. }
            | Request::Mailboxes {}
            | Request::Messages { .. }
            | Request::DropMessages { .. }
            | Request::ImportMessages { .. }) => self.about_store(request, operator).await,
            Request::LogLevels {} => self.log_levels(),
            Request::SetLogLevel(order) => self.set_log_level(order, operator).await,
            Request::ResetLogLevel { actors } => self.reset_log_level(&actors, operator),
        }
    }

    /// Time that a message may wait for space.
    fn patience(&self, to: &Address) -> Duration {
        self.patience.get(to).copied().or_else(|| self.kernel.block_timeout(to)).unwrap_or(PATIENCE)
    }

    /// Why a message was not sent, with the address that may have been meant.
    async fn refusal(&self, error: SendError) -> Refusal {
        let wanted = match &error {
            SendError::Stopped(to) => return Refusal::new(error.kind(), self.why_ended(to).await),
            SendError::UnknownAddress(wanted) => wanted,
            error => return Refusal::new(error.kind(), error.to_string()),
        };
        let actors = self.kernel.actors().await;
        let known: Vec<_> = actors.iter().map(|actor| (&actor.address, actor.family.is_some())).collect();
        Refusal::new("unknown-address", format!("{error}: {}", hint_for(wanted, &known)))
    }
}

/// The way out for an order to an address that nobody has. `known`: the addresses in the tree, and whether each is that of a family.
fn hint_for(wanted: &Address, known: &[(&Address, bool)]) -> String {
    let is_family = |address: &Address| known.contains(&(address, true));
    if is_family(wanted) {
        return format!("it is that of a family, whose members are `{wanted}/NAME`");
    }
    if let Some(family) = wanted.parent().filter(is_family) {
        return format!("the family `{family}/*` has no such member, or its `names` do not allow it");
    }
    match nearest(wanted.as_str(), known.iter().filter(|(_, is_family)| !is_family).map(|(known, _)| known.as_str())) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`playhouse tree` shows who is there".into(),
    }
}

#[cfg(test)]
mod tests;
