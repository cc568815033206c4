//! The rights of the client of a connection, and the log of operators' actions: who did what, with which result.

use std::sync::PoisonError;

use playhouse_kernel::{AboutHost, LogEvent};
use tokio::net::unix::UCred;
use tokio::time::Instant;

use super::Server;
use super::actions::{Action, Client};
use crate::control::access::{LOOKS, Peer, Role, is_operator};
use crate::control::protocol::{NOT_PERMITTED, Refusal, Request, Response};
use crate::events::OperatorAction;
use crate::printable::preview;
use crate::users;

/// Maximum length of what an action is about, and of the reason of a refusal.
const SHOWN_CHARS: usize = 200;

impl Server {
    /// The client with these credentials; the error is the text for one that may do nothing.
    pub(super) fn client(&self, credentials: &UCred) -> Result<Client, String> {
        let (user, process) = (credentials.uid(), credentials.pid());
        let me = rustix::process::geteuid().as_raw();
        let readers = self.readers.as_ref().map(|readers| readers.number);
        let mut peer = Peer { user, group: credentials.gid(), others: Vec::new() };
        if readers.is_some_and(|readers| readers != peer.group) && !is_operator(user, me) {
            // The mode of the socket let it connect; this asks again, since a mode can be changed.
            peer.others = process.and_then(|process| users::groups_of(process, user)).unwrap_or_default();
        }
        if let Some(role) = (self.role)(&peer, me, readers) {
            return Ok(Client { role, user, process, shown: format!("user {user}") });
        }
        let group = self
            .readers
            .as_ref()
            .map(|readers| format!(", and not in the group `{}` of `readers` in [play.control]", readers.name));
        let group = group.unwrap_or_default();
        Err(format!("this host belongs to user {me}, and you are user {user}{group}: run this as user {me}"))
    }

    /// Refuses a request that the client has no right to.
    pub(super) fn permit(&self, request: &Request, client: &Client) -> Result<(), Refusal> {
        if client.role == Role::Operator || request.only_looks() {
            return Ok(());
        }
        let (me, user) = (rustix::process::geteuid().as_raw(), client.user);
        let group = self.readers.as_ref().map_or("", |readers| &readers.name);
        let message = format!(
            "`playhouse {}` is for user {me}, who runs the host, and for root: you are user {user}, and the group `{group}` of `readers` in \
             [play.control] only looks ({LOOKS})",
            request.command()
        );
        Err(Refusal::new(NOT_PERMITTED, message))
    }

    /// Logs the result of an action, within the limit. `None`: the client left before its end.
    pub(super) fn log_action(&self, action: &Action, client: &Client, response: Option<&Response>) {
        let refusal = match response {
            Some(Response::Error(refusal)) => Some(refusal),
            _ => None,
        };
        let is_forbidden = refusal.is_some_and(|refusal| refusal.kind == NOT_PERMITTED);
        if action.of.is_none() && !is_forbidden {
            return;
        }
        let window = if is_forbidden { &self.audit.refusals } else { &self.audit.actions };
        let admitted = window.lock().unwrap_or_else(PoisonError::into_inner).admit(Instant::now());
        let Some(left_out) = admitted else { return };
        let result = match (response, refusal) {
            (_, Some(_)) => "refused",
            (Some(_), None) => "done",
            (None, None) => "unknown",
        };
        let count = match response {
            Some(Response::LettersMoved { done, .. }) => Some(*done),
            Some(Response::MessagesDropped { dropped, .. }) => Some(*dropped),
            Some(Response::MessagesImported { imported, .. }) => Some(*imported),
            Some(Response::StateChanged { keys }) => Some(*keys),
            _ => None,
        };
        let name = users::user_name(client.user);
        let of = action.of.as_ref().map(|of| preview(of.as_bytes(), SHOWN_CHARS));
        let why = refusal.map(|refusal| preview(refusal.message.as_bytes(), SHOWN_CHARS));
        let count_shown = count.map(|count| format!(" ({count})")).unwrap_or_default();
        let event = OperatorAction {
            subject: AboutHost,
            uid: client.user.into(),
            user: name.as_deref(),
            pid: client.process.and_then(|process| u64::try_from(process).ok()),
            command: action.command,
            of: of.as_deref(),
            result,
            reason: refusal.map(|refusal| refusal.kind.as_str()),
            count,
            left_out: Some(left_out).filter(|left_out| *left_out > 0),
            who: &match &name {
                Some(name) => format!("user {} ({name})", client.user),
                None => format!("user {}", client.user),
            },
            about: &of.as_ref().map(|of| format!(" {of}")).unwrap_or_default(),
            end: &match (result, why) {
                (_, Some(why)) => format!("refused: {why}"),
                ("unknown", None) => "the client left before its end".to_owned(),
                (_, None) => format!("done{count_shown}"),
            },
            more: &if left_out > 0 { format!(" ({left_out} more before it were not logged)") } else { String::new() },
        };
        event.log();
    }
}
